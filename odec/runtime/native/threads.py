"""A kernel shared out among threads of Python where its compiler has no OpenMP: same parts, same bits."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import Any

from . import watch


def runner(library: ctypes.CDLL, name: str, call_type: Any) -> Callable[[Any], None]:
    """A library's kernel as a function of its Call, which runs on as many threads as that says."""
    kernel = library[name]
    kernel.restype, kernel.argtypes = None, [ctypes.POINTER(call_type)]
    return watch.watched(_shared_out(library, name, kernel))


def _shared_out(library: ctypes.CDLL, name: str, kernel: Any) -> Callable[[Any], None]:
    """The kernel, which shares its work out itself or has a team of Python's threads do so."""
    try:
        part = library["odec_part"]
    except AttributeError:  # built with OpenMP, whose threads share out the work inside the kernel
        run: Callable[[Any], None] = kernel
        return run
    part.restype, part.argtypes = None, [kernel.argtypes[0], ctypes.c_int64, ctypes.POINTER(ctypes.c_int64)]
    total = library["odec_total"] if name in ("adjoint", "loss") else None
    if total is not None:
        total.restype, total.argtypes = None, kernel.argtypes

    def by_team(call: Any) -> None:
        if call.threads <= 1:
            kernel(call)
            return

        def stop() -> None:
            call.stop = watch.TOLD

        try:
            _Team(lambda worker, following: part(call, worker, following), stop).work(call.threads)
        except BaseException:
            call.stop = watch.GOES_ON
            raise
        if total is not None:
            total(call)

    return by_team


class _Team:
    """Threads that take parts of one piece of work, counted by what they all have in common.

    ctypes lets go of Python's lock while a part runs. The one who starts them comes back when nobody is at
    work, whatever interrupts it, since parts write to its memory; who comes too late does nothing.
    stop: what has the parts end.
    """

    def __init__(self, part: Callable[[int, Any], None], stop: Callable[[], None] = lambda: None):
        self._stop = stop
        self._part, self._following = part, ctypes.c_int64(0)
        self._busy, self._over, self._change = 0, False, threading.Condition()

    def work(self, count: int) -> None:
        """Do the work with so many threads, the caller's among them; with fewer where no more can start."""
        try:
            with contextlib.suppress(RuntimeError):  # the system allows no more, or Python ends
                for worker in range(1, count):
                    threading.Thread(target=self._help, args=(worker,)).start()
            self._part(0, self._following)
        finally:
            self._wait()

    def _help(self, worker: int) -> None:
        with self._change:
            if self._over:
                return
            self._busy += 1
        try:
            self._part(worker, self._following)
        finally:
            with self._change:
                self._busy -= 1
                self._change.notify()

    def _wait(self) -> None:
        interruption: BaseException | None = None
        while not self._over or self._busy:
            try:
                with self._change:
                    self._over = True
                    self._change.wait_for(lambda: not self._busy)
            except BaseException as error:  # such as KeyboardInterrupt, which has to wait
                interruption = error
                self._stop()
        if interruption is not None:
            raise interruption
