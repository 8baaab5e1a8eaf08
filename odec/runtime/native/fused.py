"""Fits within one kernel: a trajectory's loss with its gradient, its residuals, and Adam's whole loop."""

from __future__ import annotations

import ctypes
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..compiled import Compiled
from ..errors import EngineError
from ..steps import Steps
from . import toolchain, watch
from .batch import Batch, doubles, fitting
from .engine import Native, measured
from .structures import View, fields

KINDS = ("none", "above", "below", "between", "exponential", "power_of_ten")
"""How a coordinate becomes a parameter; see include/odec/fit.h."""

Coordinate = tuple[str, str, float, float, float, float]
"""A fitted parameter: (name, kind, lower, upper, offset, scale)."""


class _Coordinate(ctypes.Structure):
    _fields_ = [*fields(ctypes.c_int64, "param kind"), *fields(ctypes.c_double, "lower upper offset scale")]


class _Problem(ctypes.Structure):
    _fields_ = [*fields(ctypes.c_void_p, "call coordinates"), *fields(ctypes.c_int64, "size given_x0")]


class _Adam(ctypes.Structure):
    _fields_ = [
        *fields(ctypes.c_void_p, "theta gradient m v best losses"),
        *fields(ctypes.c_double, "loss best_loss lr beta1 beta2 eps decay1 decay2"),
        *fields(ctypes.c_int64, "failures most_failures best_epoch"),
    ]


class FusedFit:
    """A weighted sum of squares of one trajectory: its value, gradient, residuals and their Jacobian by one
    kernel each, and Adam with its whole loop in one.

    coordinates: for each fitted parameter (name, kind, lower, upper, offset, scale): its value is the
    transform `kind` of offset + scale·θ. p (m,): all parameters in natural units. data and weight (T, n + k):
    columns for the states, then the observables; weight 0 where nothing was measured. x0 (n,): the initial
    states, where they are not the model's own.
    """

    def __init__(
        self,
        compiled: Compiled,
        t: Tensor,
        p: Tensor,
        coordinates: Sequence[Coordinate],
        data: Tensor,
        weight: Tensor,
        steps: Steps,
        *,
        series: Sequence[Tensor] = (),
        x0: Tensor | None = None,
    ):
        engine = compiled.engine("native")
        if not isinstance(engine, Native):
            raise EngineError(
                f"a fit of {compiled.name} does not run in one kernel, as its equations switch in time: "
                "take loss_gradient of its engine, or a Model"
            )
        self.engine, self.kernels, self.steps = engine, engine.kernels, steps
        self.t, self.p, self.data, self.weight, self.series, self.x0 = t, p, data, weight, series, x0
        self.size, names = len(coordinates), [param.name for param in compiled.params]
        self.coordinates = (_Coordinate * max(self.size, 1))()
        for place, (name, kind, *numbers) in zip(self.coordinates, coordinates):
            place.param, place.kind = names.index(name), KINDS.index(kind)
            place.lower, place.upper, place.offset, place.scale = numbers
        self._made: dict[str, tuple[Any, Any, list[Any]]] = {}

    def _problem(self, kernel: str, lanes: int) -> tuple[Any, Any, list[Any]]:
        """The problem with its memory for a kernel, the kernel's library, made once."""
        if kernel in self._made:
            return self._made[kernel]
        t, p, n = self.t, self.p, self.kernels.states
        x0 = self.engine.compiled.equations.initial(t[0], p) if self.x0 is None else self.x0
        x0 = x0.detach().clone().expand(self.size if kernel == "fit_residuals" else 1, n)
        batch = self.engine.batch(t, x0, p.detach().clone(), self.series, self.steps, tape=True)
        if self.steps.tolerance is not None:
            batch.weighs = kernel == "fit_adam"
        held: list[Any] = [batch, batch.scratch(0), *self._hold_places(batch)]
        if kernel == "fit_residuals":
            held += self._hold_directions(batch)
        problem = _Problem(
            ctypes.addressof(batch.call),
            ctypes.addressof(self.coordinates),
            self.size,
            int(self.x0 is not None),
        )
        inner, clips = self.kernels.kernel.inner_lanes, self.steps.clip is not None
        how = (batch.dtype, clips, False, lanes, batch.adaptive, inner)
        macros = self.kernels.defines("loss", *how, shares_inputs=batch.shares_inputs)
        flags = () if self.steps.tolerance is not None else toolchain.REORDER
        library = toolchain.library(self.kernels.source, kernel, macros, flags)
        self._made[kernel] = problem, library, held
        return self._made[kernel]

    def _hold_places(self, batch: Batch) -> list[Any]:
        """Memory for the measurements, the loss and its gradients."""
        call = batch.call
        call.data, data = measured(self.data, batch, self.t)
        call.weight, weight = measured(self.weight, batch, self.t)
        g_x0, call.g_x0 = batch.room(1, self.kernels.states)
        g_p, call.g_p = batch.room(1, self.kernels.params)
        loss, call.loss = batch.room(1, 1)
        call.g_p.item = call.g_x0.item = call.loss.item = 1
        return [data, weight, g_x0, g_p, loss]

    def _hold_directions(self, batch: Batch) -> list[Any]:
        """Memory for the tangents of the states along each coordinate."""
        call, t, n = batch.call, self.t, self.kernels.states
        d_x0, call.d_x0 = batch.room(1, n)
        d_p, call.d_p = batch.room(1, self.kernels.params)
        d_t = torch.zeros(len(t) + 1, dtype=batch.dtype)
        call.d_t = View(d_t.data_ptr(), 0, 0, 1)
        out, call.out = batch.room(len(t), n)
        xs = torch.empty((len(t), n), dtype=batch.dtype)
        call.observed = View(xs.data_ptr(), 1, 0, n)
        still = [torch.zeros_like(c) for c in batch.series[1::2]]
        for place, tangent in zip(call.series if still else (), still):
            place.dc = tangent.data_ptr()
        return [d_x0, d_p, d_t, out, xs, *still]

    def _check_memory(self) -> None:
        """Raises EngineError where the steps by tolerance of a simulation did not fit into memory."""
        for _, _, (batch, *_) in self._made.values():
            batch.check_memory()

    def _theta(self, theta: Tensor) -> Tensor:
        return fitting("θ", theta, (self.size,), torch.float64, torch.device("cpu")).contiguous()

    def loss(self, theta: Tensor) -> Tensor:
        """The sum of squares at θ (size,), differentiable once: a scalar for any of torch's optimizers.

        Infinite, with a gradient of NaN, where the simulation fails. Raises ValueError for another shape or
        dtype.
        """
        found: Tensor = _FusedLoss.apply(theta, self)
        return found

    def loss_gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """The sum of squares at θ (size,), a float, and its gradient: infinite and NaN where it fails."""
        theta = self._theta(theta)
        gradient = torch.empty_like(theta)
        problem, library, (batch, *_) = self._problem("fit_adam", 1)
        library.loss_at.restype = ctypes.c_double
        with watch.over(batch.call):
            loss = library.loss_at(
                ctypes.byref(problem), ctypes.c_void_p(theta.data_ptr()), ctypes.c_void_p(gradient.data_ptr())
            )
        self._check_memory()
        return loss, gradient if loss < math.inf else gradient.fill_(math.nan)

    def adam(self, state: dict[str, Any], epochs: int) -> list[float]:
        """Run epochs of Adam on a state, in place; returns the loss after each.

        state: theta, gradient, m, v (lists), loss, lr, beta1, beta2, eps, count, failures; best and best_loss
        are added, and decay1 and decay2, the powers beta**count, which a resumed run carries on. A step into
        a failed simulation is taken back and lr halved; after 30 in a row it ends.
        Kingma & Ba (2015), algorithm 1.
        """
        problem, library, (batch, *_) = self._problem("fit_adam", 1)
        names = ("theta", "gradient", "m", "v")
        arrays = {name: doubles(name, state[name], self.size) for name in names}
        arrays["best"], arrays["losses"] = arrays["theta"][:], array("d", bytes(8 * max(epochs, 1)))
        s = _adam_of(state, arrays)
        library.fit_adam.restype = ctypes.c_int64
        with watch.over(batch.call):
            done = library.fit_adam(ctypes.byref(problem), ctypes.byref(s), ctypes.c_int64(epochs))
        self._check_memory()
        state.update({name: list(arrays[name]) for name in names})
        count = math.log(s.decay1) / math.log(s.beta1) if s.decay1 > 0 else state["count"] + done
        state.update(loss=s.loss, lr=s.lr, count=round(count), failures=s.failures)
        state.update(decay1=s.decay1, decay2=s.decay2)
        state.update(best=list(arrays["best"]), best_loss=s.best_loss)
        return list(arrays["losses"][:done])

    def residuals(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The residuals at θ (size,) of the M numbers measured, and their Jacobian: (M,) and (M, size).

        Each is √weight·(prediction − measurement), in order of time, states before observables. Not finite
        where the simulation fails.
        """
        problem, library, (batch, *_) = self._problem("fit_residuals", 32 // self.p.dtype.itemsize)
        theta = self._theta(theta)
        r = torch.empty(int((self.weight.to(self.p.dtype) != 0).sum()), dtype=torch.float64)
        jacobian = torch.empty((len(r), self.size), dtype=torch.float64)
        library.fit_residuals.restype = None
        with watch.over(batch.call):
            library.fit_residuals(
                ctypes.byref(problem), *(ctypes.c_void_p(each.data_ptr()) for each in (theta, r, jacobian))
            )
        self._check_memory()
        return r, jacobian


def _adam_of(state: Mapping[str, Any], arrays: Mapping[str, array[float]]) -> _Adam:
    """The kernel's state of Adam, over the memory of the arrays."""
    s = _Adam(**{name: values.buffer_info()[0] for name, values in arrays.items()})
    s.loss = s.best_loss = state["loss"]
    s.lr, s.beta1, s.beta2, s.eps = (state[name] for name in ("lr", "beta1", "beta2", "eps"))
    s.decay1 = state.get("decay1", s.beta1 ** state["count"])
    s.decay2 = state.get("decay2", s.beta2 ** state["count"])
    s.failures, s.most_failures, s.best_epoch = state["failures"], 30, -1
    return s


class _FusedLoss(torch.autograd.Function):
    """FusedFit.loss: the kernel makes the gradient along with the value."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, fit: FusedFit) -> Tensor:
        loss, gradient = fit.loss_gradient(theta)
        ctx.save_for_backward(gradient)
        return theta.new_tensor(loss)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, w: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return w * gradient, None
