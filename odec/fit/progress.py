"""How far a fit is: a live bar on a terminal, a line per tenth elsewhere."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable
from typing import IO

_WIDTH = 24
_INTERVAL = 0.1


class Progress:
    """Shows epoch, loss and time to go on a stream; `close` ends the bar's line."""

    def __init__(
        self,
        epochs: int,
        stream: IO[str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        first: int = 0,
    ):
        self.epochs = epochs
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.clock = clock
        self.first = first
        self.started = self.shown = clock()
        self.tenth = 10 * first // max(epochs, 1)
        self.drawn = False

    def __call__(self, epoch: int, loss: float) -> None:
        now = self.clock()
        if self.live:
            if now - self.shown >= _INTERVAL or not self.drawn or epoch == self.epochs:
                self.shown, self.drawn = now, True
                self._write(
                    "\r" + self._bar(epoch, loss, now)[: shutil.get_terminal_size().columns - 1] + "\033[K"
                )
        elif 10 * epoch // self.epochs > self.tenth:
            self.tenth = 10 * epoch // self.epochs
            self._write(f"epoch {epoch}/{self.epochs}  loss {loss:.6g}\n")

    def close(self) -> None:
        """End the bar's line."""
        if self.drawn:
            self._write("\n")

    def _bar(self, epoch: int, loss: float, now: float) -> str:
        part = min(epoch / max(self.epochs, 1), 1.0)
        filled = round(_WIDTH * part)
        bar = "█" * filled + "·" * (_WIDTH - filled)
        done = epoch - self.first
        left = (now - self.started) / done * (self.epochs - epoch) if done else math.nan
        return f"{bar} {epoch}/{self.epochs}  loss {loss:.6g}  {_clock(left)} left"

    def _write(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.stream.write(text.encode(encoding, "replace").decode(encoding))
        self.stream.flush()


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
