"""Runs that end before their time: told to by `interrupt`, by Ctrl-C, or out of the time they were given."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Interrupted(BaseException):
    """A run was told to end, by `interrupt` or, in a thread of its own, by Ctrl-C.

    As asyncio's CancelledError it is no Exception, so that nothing takes it for a fault of the model's; nor
    is it a KeyboardInterrupt, which would end an event loop along with the run.
    """


class OutOfTime(Exception):
    """A run did not end within the seconds that it was given (`within`). at: how far it was, where known."""

    seconds: float | None = None
    at: float | None = None

    def __str__(self) -> str:
        given = "the time that it was given" if self.seconds is None else f"max_time = {self.seconds:g} s"
        reached = "" if self.at is None else f"; it had come to t = {self.at:.6g}"
        advice = "give it more time, end it sooner, or take longer steps"
        return f"the run did not end within {given}{reached}: {advice}"


INTERRUPTED = "the run was interrupted"


class Bounds(NamedTuple):
    """When the runs of a piece of work end: once told again, or after a deadline (time.monotonic; 0: none).

    told: how often runs had been told to end when the work began; heard: how often Ctrl-C had been heard.
    """

    told: int
    heard: int
    deadline: float = 0.0


class _Thread(threading.local):
    bounds: Bounds | None = None


here = _Thread()
"""The present thread's."""
_lock = threading.Lock()


def _listen_first() -> None:
    from .native import watch  # type: ignore[import-untyped, unused-ignore]  # which puts its own in place

    watch.listen()


class _Count:
    """How often runs were told to end and Ctrl-C was heard, from 1; others may keep them for kernels."""

    told = 1

    def __init__(self) -> None:
        self.tell: Callable[[], None] = lambda: None
        self.heard: Callable[[], int] = lambda: 1
        self.listen: Callable[[], None] = _listen_first


counts = _Count()


def interrupt() -> None:
    """End all runs under way in this process, whichever thread calls it: they raise Interrupted.

    Simulations, their gradients and losses on both engines end within a few steps, kernels on a GPU when they
    are done; a fit ends with its best values so far. Runs that begin later are not touched.
    """
    with _lock:
        counts.told += 1
        counts.tell()


@contextlib.contextmanager
def within(seconds: float | None = None) -> Iterator[None]:
    """One piece of work: the runs that this thread makes in it end together, and OutOfTime after so long."""
    if not _is_main():  # which hears Ctrl-C by itself
        counts.listen()
    outer = here.bounds
    own = outer or Bounds(counts.told, counts.heard())
    deadline = 0.0 if seconds is None else time.monotonic() + seconds
    if deadline and not 0 < own.deadline < deadline:
        own = own._replace(deadline=deadline)
    here.bounds = own
    try:
        yield
    except OutOfTime as error:
        if own.deadline == deadline:
            error.seconds = error.seconds or seconds
        raise
    finally:
        here.bounds = outer


def bounds() -> Bounds | None:
    """Those of the piece of work that this thread is at."""
    return here.bounds


def look() -> None:
    """Asks once a step, of the piece of work that this thread is at, whether it is to end.

    The main thread hears Ctrl-C by itself. Raises Interrupted or OutOfTime.
    """
    held = here.bounds
    if held is None:
        return
    if counts.told != held.told or counts.heard() != held.heard and not _is_main():
        raise Interrupted(INTERRUPTED)
    if held.deadline and time.monotonic() > held.deadline:
        raise OutOfTime


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
