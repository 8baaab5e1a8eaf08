"""How far a fit is: a live bar on a terminal, a line per tenth elsewhere."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from typing import IO

from odec.progress import Line, Phase, elapsed

_WIDTH, _AFTER = 24, 1.0


class Progress:
    """What a stream is told of a fit's epochs, loss and time to go.

    On a terminal a bar from a second on, which goes when the fit ends; before the first epoch, what is being
    done. Elsewhere a line per tenth of the epochs.
    """

    def __init__(self, stream: IO[str]):
        self.stream, self.live = stream, stream.isatty()
        self.phase = Phase()
        self.clock = self.phase.clock
        self.epochs, self.first, self.tenth, self.started = 0, 0, 0, 0.0
        self.at: tuple[int, float] | None = None

    def begin(self, epochs: int, first: int) -> None:
        """Say that the optimizer starts at one epoch and ends at another."""
        self.epochs, self.first, self.started = epochs, first, self.clock()
        self.tenth = 10 * first // max(epochs, 1)

    def __call__(self, epoch: int, loss: float) -> None:
        self.at = epoch, loss
        if not self.live and 10 * epoch // self.epochs > self.tenth:
            self.tenth = 10 * epoch // self.epochs
            self.stream.write(f"epoch {epoch}/{self.epochs}  loss {loss:.6g}\n")
            self.stream.flush()

    def told(self) -> str:
        """What the live line says."""
        if self.at is None:
            return self.phase()
        epoch, loss = self.at
        part = min(epoch / max(self.epochs, 1), 1.0)
        filled = round(_WIDTH * part)
        bar = "█" * filled + "·" * (_WIDTH - filled)
        now, done = self.clock(), epoch - self.first
        left = (now - self.started) / done * (self.epochs - epoch) if done else math.nan
        since = elapsed(now - self.phase.started)
        return f"{bar} {epoch}/{self.epochs}  loss {loss:.6g}  {since}, at most {elapsed(left)} more"


@contextlib.contextmanager
def shown(progress: bool | IO[str] | None) -> Iterator[Progress | None]:
    """The progress that is asked for: on a stream, on stderr, or for None where stderr is a terminal."""
    stream = sys.stderr if progress is None or isinstance(progress, bool) else progress
    if progress is False or (progress is None and not stream.isatty()):
        yield None
        return
    told = Progress(stream)
    with Line(told.told, stream, after=_AFTER):
        yield told
