"""Where a long computation is, on one line of a terminal that is gone when it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import IO, Any

_AFTER, _EVERY = 1.0, 0.1
_shown: list[Line] = []


class Line:
    """A line on a terminal from a second on, while a `with` block runs; nothing on a stream that is none.

    told: what the line says. A thread of its own writes it, so that the computation pays nothing.
    """

    def __init__(self, told: Callable[[], str], stream: IO[str] | None = None, *, after: float = _AFTER):
        self.told, self.after = told, after
        self.stream = stream or sys.stderr
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.drawn = False
        self.thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Line:
        if self.stream.isatty() and os.environ.get("TERM") != "dumb":
            _shown.append(self)
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self in _shown:
            _shown.remove(self)
            self.ended.set()
            self.thread.join()
            self.lift()

    def lift(self) -> None:
        """Take the line off the terminal, until it is written again."""
        if self.drawn:
            self.drawn = False
            self.stream.write("\r\033[K")
            self.stream.flush()

    def _keep(self) -> None:
        wait = self.after
        while not self.ended.wait(wait):
            wait = _EVERY
            with self.lock:
                self._write(self.told()[: shutil.get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        with contextlib.suppress(OSError, ValueError):  # of a terminal that has gone
            self.stream.write("\r" + text.encode(encoding, "replace").decode(encoding) + "\033[K")
            self.stream.flush()
            self.drawn = True


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """Room for what is said meanwhile: no line stands in the way."""
    with contextlib.ExitStack() as held:
        for line in list(_shown):
            held.enter_context(line.lock)
            line.lift()
        yield


class Phase:
    """What the thread that makes it is at, seen from another one by its stack; and for how long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.thread, self.clock = threading.get_ident(), clock
        self.started = clock()

    def __call__(self) -> str:
        return f"{self._phase()}  {elapsed(self.clock() - self.started)}"

    def _phase(self) -> str:
        frame, found = sys._current_frames().get(self.thread), ""
        while frame is not None:
            told = _told_by(frame)
            if not told.startswith("running") and told or told == "running the gradient":
                return told
            found, frame = found if found.startswith("running:") else told or found, frame.f_back
        return found or "starting"


def _told_by(frame: FrameType) -> str:
    """What a running function tells of its phase (most: nothing); of a run the time reached."""
    name, module = frame.f_code.co_name, frame.f_globals.get("__name__") or ""
    if "STATES" in frame.f_globals and "rhs" in frame.f_globals:  # a generated module
        return "running"
    if not module.startswith("odec.runtime."):
        return "compiling" if module == "odec.build" and name in ("load", "compile") else ""
    if name == "_run_compiler":
        return "compiling C"
    if module == "odec.runtime.native.watch" and name == "run":
        return _reached(frame.f_globals["BOARD"])
    here = frame.f_locals if name == "states" else {}
    if here.get("intervals"):
        first, last = here["intervals"][here.get("k", 0)], here["intervals"][-1]
        # An interval is its start and its end, or its start, the size of its steps and their number.
        end = last[1] if len(last) == 2 else last[0] + last[1] * last[2]
        return f"running: t = {first[0]:g} of {end:g}"
    return "running the gradient" if name == "backward" else "running"


def _reached(board: Any) -> str:
    """How far the kernel under way is, as it last wrote on the board; see odec.runtime.native.watch."""
    if board is None or not board.batch:
        return "running"
    if board.batch > 1:
        return f"running: trajectory {board.item + 1:,} of {board.batch:,}"
    return f"running: t = {board.reached:g} of {board.end:g}"


def elapsed(seconds: float) -> str:
    """0:07, 12:30, 1:02:03; ? for what is no number."""
    if not abs(seconds) < 1e9:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
