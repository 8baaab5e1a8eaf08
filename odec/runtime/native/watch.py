"""Kernels that end when told: what they look at now and then, and what they leave when they end early."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from .. import stopping
from ..errors import EngineError
from .structures import fields

GOES_ON, RAISED, TOLD, LATE = range(4)
"""Why a run ends before its time; see include/odec/watch.h."""


class _Board(ctypes.Structure):
    """What all runs of the process have in common; see include/odec/call.h."""

    _fields_ = [
        *fields(ctypes.c_int64, "told heard item batch"),
        *fields(ctypes.c_double, "reached end"),
        *fields(ctypes.c_int64, "clock_id"),
        *fields(ctypes.c_void_p, "clock nap take_lock check_signals fetch_error give_lock thread"),
        *fields(ctypes.c_ulong, "main"),
    ]


def _address(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


def _clock() -> int | None:
    """The clock of time.monotonic; None on a system that has none of these."""
    if sys.platform == "linux":
        return time.CLOCK_MONOTONIC
    if sys.platform == "darwin":
        return time.CLOCK_UPTIME_RAW
    return None


def _made() -> _Board | None:
    """The board with the functions that kernels call; None on a system that lacks them."""
    clock = _clock()
    if clock is None or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    library, python = ctypes.CDLL(None), ctypes.pythonapi
    return _Board(
        told=stopping.counts.told,
        heard=1,
        clock_id=clock,
        clock=_address(library.clock_gettime),
        nap=_address(library.usleep),
        take_lock=_address(python.PyGILState_Ensure),
        check_signals=_address(python.PyErr_CheckSignals),
        fetch_error=_address(python.PyErr_Fetch),
        give_lock=_address(python.PyGILState_Release),
        thread=_address(python.PyThread_get_thread_ident),
        main=threading.main_thread().ident or 0,
    )


BOARD = _made()
BOARD_AT = ctypes.addressof(BOARD) if BOARD is not None else None
"""Where kernels find the board."""


_main = threading.main_thread().ident


def _note_main() -> None:
    global _main
    _main = threading.main_thread().ident
    if BOARD is not None:
        BOARD.main = threading.main_thread().ident or 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_main)


def _tell() -> None:
    if BOARD is not None:
        BOARD.told = stopping.counts.told


def _heard() -> int:
    return 1 if BOARD is None else int(BOARD.heard)


class _Thread(threading.local):
    builds = False


_thread = _Thread()


@functools.cache
def _listener() -> Callable[[Any], None] | None:
    """What has Ctrl-C counted, in C; None where no compiler builds it."""
    from . import toolchain

    try:
        found = toolchain.library('#include "odec/signals.h"\n', "listen", {})["listen"]
    except EngineError:
        return None
    found.restype, found.argtypes = None, [ctypes.c_void_p]
    run: Callable[[Any], None] = found
    return run


def listen() -> None:
    """Have Ctrl-C heard by the runs of threads, as long as it means a KeyboardInterrupt in the main one."""
    if BOARD is None or _thread.builds or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    _thread.builds = True  # which asks to listen itself
    try:
        listener = _listener()
    finally:
        _thread.builds = False
    if listener is not None:
        listener(ctypes.addressof(BOARD) + _Board.heard.offset)


stopping.counts.tell, stopping.counts.heard, stopping.counts.listen = _tell, _heard, listen


def watched(kernel: Callable[[Any], None]) -> Callable[[Any], None]:
    """A kernel as a function of its Call that raises what ended the run before its time."""

    here, get_ident = stopping.here, threading.get_ident

    def run(call: Any) -> None:
        held = here.bounds
        if held is None and get_ident() != _main:
            listen()
        if held is not None:
            call.told, call.heard, call.deadline = held
        kernel(call)
        if call.stop:
            _raise(call)

    return run


@contextlib.contextmanager
def over(call: Any) -> Iterator[None]:
    """The same around a kernel that takes its Call in another way."""
    call.told, call.heard, call.deadline = stopping.bounds() or (0, 0, 0.0)
    yield
    if call.stop:
        _raise(call)


def _raise(call: Any) -> None:
    """Raises what ended a run; the Call may be used again."""
    why, call.stop = call.stop, GOES_ON
    if why == RAISED:
        restore = ctypes.pythonapi.PyErr_Restore
        restore.restype, restore.argtypes = None, [ctypes.c_void_p] * 3
        restore(*call.error)  # ctypes raises what is restored
    if why == LATE:
        error = stopping.OutOfTime()
        if BOARD is not None and call.batch == 1:
            error.at = BOARD.reached
        raise error
    raise stopping.Interrupted(stopping.INTERRUPTED)
