"""Kernels made ready for arguments of certain shapes: a call costs little Python and finds nothing anew."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from ..engines import Gradients, Run
from ..errors import EngineError
from ..tensors import empty
from .adaptive import LACKING, AdaptiveBatch
from .batch import FixedBatch
from .structures import View

_SHORT = 1000
"""So many numbers are set to zero sooner than a part of them is taken."""


class _Ready:
    """A kernel and its Call, of which every run fills a copy: several threads may run it at once.

    batch: of arguments on the CPU, which are not kept; parameters are shared, or of the states' batch.
    """

    def __init__(self, batch: FixedBatch | AdaptiveBatch, kernel: str, times: bool = False):
        self._held = batch.plan, batch.series  # to whose memory the Call points
        self._dtype, self._batch, self._size = batch.dtype, batch.shape, batch.size
        self._states, self._params = batch.kernels.states, batch.kernels.params
        self._times, self._shares_p = batch.call.times, batch.shares_p
        self._adaptive = isinstance(batch, AdaptiveBatch)
        how = (batch.dtype, batch.clip is not None, times, batch.lanes, batch.adaptive)
        shares = batch.shares_p, batch.shares_inputs
        self._kernel = batch.kernels.function(kernel, *how, *shares)
        self._call, self._kind = batch.call, type(batch.call)
        self._call.x0 = View(None, 1, self._states)
        self._call.p = View(None, 1, 0 if batch.shares_p else self._params)

    def _columns(self, count: int) -> Tensor:
        """Room for columns (*batch, count), each contiguous in memory."""
        value = torch.empty((count, *self._batch), dtype=self._dtype)
        return value.movedim(0, -1) if self._batch else value


class ReadyStates(_Ready):
    """The states from x0 (*batch, n) and p, contiguous as the kernel reads them."""

    def __init__(self, batch: FixedBatch | AdaptiveBatch):
        super().__init__(batch, "solve")
        n = self._states
        self._call.out = View(None, 1, n, n * self._size)
        self._outputs = (self._times, *self._batch, n)
        self._kept = empty(1, batch.x0.reshape(*self._batch, n))
        self._untold = torch.empty((*self._batch, 0), dtype=self._dtype)
        if self._adaptive:
            self._call.control.report = View(None, self._size, 1, 5 * self._size)

    def __call__(self, x0: Tensor, p: Tensor) -> Run:
        """The run, which keeps nothing for an adjoint."""
        xs = torch.empty(self._outputs, dtype=self._dtype)
        call = self._kind.from_buffer_copy(self._call)
        call.x0.at, call.p.at, call.out.at = x0.data_ptr(), p.data_ptr(), xs.data_ptr()
        report = self._untold
        if self._adaptive:
            report = self._columns(5)
            call.control.report.at = report.data_ptr()
        self._kernel(call)
        return Run(xs, self._kept, report)


class ReadyAdjoint(_Ready):
    """The gradients of a run's first states and parameters, from states that are all finite at the end.

    times: whether also those of its times. The inputs' are not told.
    """

    def __init__(self, batch: FixedBatch | AdaptiveBatch, times: bool = False):
        super().__init__(batch, "adjoint", times)
        n, m, call = self._states, self._params, self._call
        self._moves, self._unread = times, [torch.zeros_like(c) for c in batch.series[1::2]]
        offset = 0
        for place, unread in zip(call.series if self._unread else (), self._unread):
            place.g, place.offset = unread.data_ptr(), offset
            offset += unread.numel()
        whole = batch.scratch(m + offset)
        self._scratch, self._tapes = whole.numel(), batch.threads * call.scratch_tape
        call.g_x0 = View(None, self._size, 1, n * self._size)
        call.g_p = View(None, 1) if self._shares_p else View(None, self._size, 1)
        call.g_t = View(None, self._size, 1, self._size)
        self._still = torch.zeros((), dtype=self._dtype).expand(self._times, *self._batch)

    def __call__(self, xs: Tensor, p: Tensor, w: Tensor) -> Gradients:
        """From contiguous states xs (T, *batch, n), p as it was, and the states' cotangents w."""
        g_x0 = self._columns(self._states)
        g_p = torch.zeros(p.shape, dtype=self._dtype) if self._shares_p else self._columns(self._params)
        scratch = self._room()
        call = self._kind.from_buffer_copy(self._call)
        w = w if w.dim() <= 3 else w.reshape(self._times, self._size, self._states)
        call.w = self._place(w)
        call.x0.at, call.p.at, call.scratch = xs.data_ptr(), p.data_ptr(), scratch.data_ptr()
        call.g_x0.at, call.g_p.at = g_x0.data_ptr(), g_p.data_ptr()
        g_t = self._still
        if self._moves:  # with a row behind the last
            g_t = torch.zeros((self._times + 1, *self._batch), dtype=self._dtype)
            call.g_t.at = g_t.data_ptr()
        lacking = ctypes.c_int64(0)
        if self._adaptive:
            call.control.lacking = ctypes.addressof(lacking)
        self._kernel(call)
        if lacking.value:
            raise EngineError(LACKING)
        return Gradients(g_t[: self._times], g_x0, g_p, [])

    def _place(self, w: Tensor) -> View:
        """Where the cotangents lie, which need not be contiguous."""
        if w.dim() == 2:
            times, rows = w.stride()
            return View(w.data_ptr(), rows, 0, times)
        times, items, rows = w.stride()
        return View(w.data_ptr(), rows, items, times)

    def _room(self) -> Tensor:
        """Memory for tapes, and zeros for the sums of shared gradients."""
        if self._scratch < _SHORT:
            return torch.zeros(self._scratch, dtype=self._dtype)
        value = torch.empty(self._scratch, dtype=self._dtype)
        value[self._tapes :] = 0
        return value
