"""The arguments of a kernel's call: the batch folded into one axis, and the Call with their addresses."""

from __future__ import annotations

import functools
import math
import os
from array import array
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import EngineError
from ..series import knots_of
from . import cuda, watch
from .kernel import Kernels
from .plans import plan_of
from .structures import View, view

GROUPS = 256
_SMALL_WORK = 100_000
"""So many slopes of states take about as long as waking other threads."""

if hasattr(os, "register_at_fork"):  # a forked process would wait for threads that only its parent has
    os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


def fitting(name: str, value: Tensor, shape: Sequence[int], dtype: torch.dtype, device: Any) -> Tensor:
    """The tensor, which a kernel reads as of this shape, dtype and device. Raises ValueError for another."""
    if value.shape != tuple(shape) or value.dtype != dtype or value.device != device:
        raise ValueError(
            f"{name} must be {tuple(shape)} in {dtype} on {device}, "
            f"not {tuple(value.shape)} in {value.dtype} on {value.device}"
        )
    return (value.detach() if value.requires_grad else value).resolve_neg()


def doubles(name: str, values: Any, count: int) -> array[float]:
    """So many numbers as a C array. Raises ValueError for another number of them."""
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{name} must be a list of {count} numbers, not {values!r:.80}")
    return array("d", values or [0.0])


class Batch:
    """A batch of trajectories: t (T,), x0 (*batch, n) and p (..., m), all that a kernel reads checked.

    Raises ValueError for what does not fit, EngineError for a dtype that kernels do not compute in.
    """

    adaptive = 0
    weighs = False
    grid: cuda.Grid
    plan: Any
    call: Any
    groups: int
    threads: int

    def __init__(
        self, kernels: Kernels, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], clip: float | None
    ):
        if x0.dtype not in (torch.float64, torch.float32):
            raise EngineError(
                f"the native engine computes in float64 or float32, not {x0.dtype}; use engine='torch'"
            )
        self.kernels, n, m = kernels, kernels.states, kernels.params
        if (x0.shape[-1], p.shape[-1]) != (n, m) or p.dtype != x0.dtype or p.device != x0.device:
            raise ValueError(
                f"x0 (*batch, {n}) and p (*batch, {m}) must have one dtype and device, not "
                f"{tuple(x0.shape)} {x0.dtype} {x0.device} and {tuple(p.shape)} {p.dtype} {p.device}"
            )
        if t.dim() != 1:
            raise ValueError(f"t must be (T,), not {tuple(t.shape)}")
        if len(series) != 2 * len(kernels.inputs):
            wanted = f"the times and the coefficients of each of {len(kernels.inputs)} inputs"
            raise ValueError(f"series must hold {wanted}")
        self.dtype, self.device, self.clip, self.shape = x0.dtype, x0.device, clip, x0.shape[:-1]
        self.size = math.prod(self.shape)
        x0, p = x0.resolve_neg(), p.resolve_neg()  # whose sign may be owed in memory
        self.x0 = x0.detach().reshape(self.size, n)
        self.shares_p = p.numel() == m
        self.p = (
            p.detach().reshape(1, m).contiguous()
            if self.shares_p
            else p.detach().expand(*self.shape, -1).reshape(self.size, m)
        )
        self.on_gpu = cuda.on_gpu(x0)
        if self.on_gpu:
            kernels.check_thread(self.dtype, self.shares_p)
        self.lanes = 1 if self.on_gpu else kernels.lanes(self.dtype, self.shares_p)
        self.series: list[Tensor] = []

    def hold(self, series: Sequence[Tensor]) -> None:
        """Enter the inputs' knots and coefficients into the Call."""
        for i, place in enumerate(self.call.series if series else ()):
            self._hold(place, i, series[2 * i], series[2 * i + 1])

    def _hold(self, place: Any, i: int, knots: Tensor, coefficients: Tensor) -> None:
        count, most, name = knots.numel(), self.kernels.terms[i], self.kernels.inputs[i]
        shape = (count, 1) if coefficients.dim() > 1 and coefficients.shape[1] == 1 else (count - 1, most)
        shape = (*shape, *coefficients.shape[2:])
        c = fitting(f"the coefficients of {name}", coefficients, shape, self.dtype, self.device)
        knots = fitting(f"the times of {name}", knots, (count,), knots.dtype, self.device)
        knots, c = knots.to(torch.float64).contiguous(), self.spread(c)
        place.knots, place.n_knots, place.c = knots.data_ptr(), len(knots), c.data_ptr()
        place.pieces, place.terms, place.item = c.shape[0], c.shape[1], int(c.dim() > 2)
        self.series += [knots, c]

    @property
    def shares_inputs(self) -> bool:
        """Whether there are inputs, the same for all trajectories."""
        return bool(self.series) and all(c.dim() == 2 for c in self.series[1::2])

    def spread(self, coefficients: Tensor) -> Tensor:
        """Coefficients (pieces, terms) where all trajectories share them, else (pieces, terms, size)."""
        c = coefficients.detach()
        if c.numel() == c.shape[0] * c.shape[1]:
            return c.reshape(c.shape[:2]).contiguous()
        c = c.reshape(*c.shape[:2], *[1] * (len(self.shape) - c.dim() + 2), *c.shape[2:])
        return c.expand(*c.shape[:2], *self.shape).reshape(*c.shape[:2], self.size).contiguous()

    def room(self, rows: int, columns: int) -> tuple[Tensor, View]:
        """An array (rows, *batch, columns) whose columns lie contiguous in memory, and its view."""
        value = cuda.allocate((rows, columns, self.size), self, f"{rows} x {columns} values of each of")
        place = View(value.data_ptr(), self.size, 1, columns * self.size)
        if len(self.shape) == 1:
            return value.mT, place
        if not self.shape:
            return value.squeeze(2), place
        return value.reshape(rows, columns, *self.shape).movedim(1, -1), place

    def outputs(self, rows: int, columns: int) -> tuple[Tensor, View]:
        """An array (rows, *batch, columns), contiguous as a whole, and its view."""
        value = cuda.allocate((rows, self.size, columns), self, f"{rows} x {columns} values of each of")
        place = View(value.data_ptr(), 1, columns, columns * self.size)
        return value.reshape(rows, *self.shape, columns), place

    def scratch(self, shared: int) -> Tensor:
        """Memory for the tapes of the threads and for the sums of shared gradients."""
        raise NotImplementedError

    def _scratch(self, shared: int) -> Tensor:
        tapes = self.threads * self.call.scratch_tape
        value = cuda.allocate((tapes + self.groups * shared,), self, "the tapes of")
        value[tapes:] = 0
        self.call.scratch = value.data_ptr()
        return value

    def run(self, name: str, times: bool = False) -> None:
        """Run a kernel on the Call. Raises EngineError where it cannot be built."""
        if self.size and self.on_gpu:
            cuda.launch(self, name, times)
        elif self.size:
            clips = self.clip is not None
            lanes = self.lanes
            if name == "tangent":  # whose lanes have tangents of the parameters
                lanes = min(lanes, self.kernels.lanes(self.dtype))
            how = (self.dtype, clips, times, lanes, self.adaptive, self.shares_p, self.shares_inputs)
            self.kernels.function(name, *how)(self.call)

    def report(self) -> Tensor:
        """Room for what became of each trajectory: (*batch, 0) of fixed steps."""
        return self.x0.new_empty((*self.shape, 0))

    def check_memory(self) -> None:
        """Raises EngineError where a tape did not fit."""


class FixedBatch(Batch):
    """A batch with steps of at most dt, or a map's one unit (dt None). tape: whether the adjoint follows."""

    def __init__(
        self,
        kernels: Kernels,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        dt: float | None,
        clip: float | None,
        tape: bool,
        chunk: int = 0,
    ):
        super().__init__(kernels, t, x0, p, series, clip)
        if kernels.kernel.inner_lanes:
            self.lanes = kernels.few_lanes(self.lanes, self.size, self.dtype)
        state_bytes = kernels.states * self.lanes * self.dtype.itemsize if tape else 0
        times = tuple(t.tolist())
        knots = tuple(map(tuple, knots_of(series, kernels.inputs)))
        given = times, dt, t.dtype
        inputs = knots, tuple(len(c) for c in series[1::2])
        if self.on_gpu:
            self.grid = cuda.Grid(self.size, self.device, tape, chunk)
            self.groups = self.threads = self.grid.threads
            self.plan = cuda.device_plan(given, state_bytes, inputs, self.threads, self.device)
            addresses = self.plan.addresses_on(self.device)
        else:
            self.plan = plan_of(*given, state_bytes, *inputs)
            self.groups = max(1, min(GROUPS, -(-self.size // self.lanes)))
            few = self.plan.steps * self.size * kernels.states * kernels.stages < _SMALL_WORK
            self.threads = 1 if few else min(torch.get_num_threads(), self.groups)
            addresses = self.plan.addresses
        self.call = kernels.structures.call(
            batch=self.size,
            times=len(t),
            steps=self.plan.steps,
            segment=self.plan.segment,
            groups=self.groups,
            threads=self.threads,
            clip=0.0 if clip is None else clip,
            x0=view(self.x0, 1, 0),
            p=view(self.p, 1, None if self.shares_p else 0),
            board=watch.BOARD_AT,
            **addresses,
        )
        if series:
            self.call.stops = len(self.plan.arrays["output"])
            self.hold(series)

    def scratch(self, shared: int) -> Tensor:
        """Memory for the tapes of the threads and for the sums of shared gradients."""
        call, plan = self.call, self.plan
        call.scratch_tape = (plan.segment + 1 + plan.segments) * self.kernels.states * self.lanes
        call.scratch_sums = shared
        return self._scratch(shared)
