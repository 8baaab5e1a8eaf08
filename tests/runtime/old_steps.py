"""Steps of whole generated modules behind the run-time's interface, and what is compared with what."""

from __future__ import annotations

import inspect
from types import ModuleType

import torch

from odec.runtime.reference.stepper import StepGradients, Trial
from odec.runtime.series import COEFFICIENTS, Series

D = torch.float64

FORCED = """
input u linear
input v cubic
input w hold
param k = 4
param g = 0.3
init x = 1
init y = 0.5
dx/dt = -k*(x - u) + g*y
dy/dt = g*v*x - y + w*cos(t)
"""
"""Linear in its states, with one of each kind of input, and with the time."""

BENT = """
input u linear
input v cubic
param k = 0.5
init x = 1
init y = 0.5
dx/dt = -k*x**2*v + u*y*sin(t)
dy/dt = x*u**2 - y*exp(-v*y)
"""
"""Its Jacobian depends on the time, the states, the inputs and the parameters."""

LOTKA_VOLTERRA = """
param a = 1.1
param b = 0.4
param c = 0.4
param d = 0.1
init x = 1
init y = 0.5
dx/dt = a*x - b*x*y
dy/dt = d*x*y - c*y
"""

DECAY = """
param k = 2
init x = 1
init y = 0.5
dx/dt = -k*x + y
dy/dt = -x - 3*y
"""
"""Linear and without the time: its Jacobian depends on a parameter alone."""

QUADRATURE = """
input u cubic
param k = 2
init x = 1
init y = 0.5
dx/dt = k*u
dy/dt = exp(-k*t)
"""
"""Its right-hand side does not depend on the states."""

ALONE = """
param k = 2
init x = 1
init y = 0.5
dx/dt = k
dy/dt = k**2
"""
"""Its right-hand side depends neither on the states nor on the time."""

MODELS = {
    "forced": FORCED,
    "bent": BENT,
    "lotka_volterra": LOTKA_VOLTERRA,
    "decay": DECAY,
    "quadrature": QUADRATURE,
    "alone": ALONE,
}

KNOTS = ([0.0, 1.0, 2.2, 3.0], [0.5, 1.0, 2.2, 2.9, 5.0], [0.01, 0.52, 1.61, 2.71])
AROUND = ([-1.0, 4.0], [-2.0, -0.5, 3.5, 5.0], [-1.0, 3.3])
"""Outside the runs: fixed steps of whole modules do not end on knots."""


def random(generator, *shape, dtype=D, low=0.3, high=1.2):
    values = low + (high - low) * torch.rand(shape, dtype=D, generator=generator)
    return values.to(dtype)


class Case:
    """A step's arguments: states, time, size, parameters, inputs, cotangents and tangents, by a seed.

    each: whether every trajectory has a time and a size of its own, (*batch, 1).
    """

    def __init__(self, compiled, batch=(3,), dtype=D, each=False, shared=True, seed=1, knots=KNOTS):
        generator = torch.Generator().manual_seed(seed)
        n, m = len(compiled.states), len(compiled.params)
        self.compiled, self.batch, self.each, self.knots = compiled, batch, each, knots

        def values(*shape, **ends):
            return random(generator, *shape, dtype=dtype, **ends)

        self.x, self.dx, self.w = values(*batch, n), values(*batch, n), values(*batch, n, low=-1)
        self.p, self.dp = values(*(() if shared else batch), m), values(m)
        self.t, self.h = (1.3, 0.17) if not each else (1.2 + values(*batch, 1) / 4, values(*batch, 1) / 5)
        self.dt, self.dh = values(*batch, 1), values(*batch, 1)
        degree = _degree(compiled.method)
        self.w_q = values(degree, *batch, n, low=-1)
        self.pieces, self.d_pieces = self._series(values, dtype), self._series(values, dtype)

    def _series(self, values, dtype):
        pieces = []
        for i, one in enumerate(self.compiled.inputs):
            knots = torch.tensor(self.knots[i], dtype=dtype)
            pieces += [knots, COEFFICIENTS[one.kind](knots, values(len(knots), *self.batch))]
        return pieces

    def inputs(self, make):
        """The inputs' series during the step, and their tangents'; None where the model has none."""
        if not self.pieces:
            return None, None
        return tuple(self._during(make(pieces)) for pieces in (self.pieces, self.d_pieces))

    def _during(self, series):
        if self.each:
            return series.between(1.0, 2.2)
        if isinstance(series, Series):
            return series.between(self.t, self.t + self.h)
        return series.within(self.t + self.h / 2, self.h)

    def of_runtime(self):
        names = [one.name for one in self.compiled.inputs]
        return self.inputs(lambda pieces: Series(pieces, names))


def _degree(method):
    dense = getattr(getattr(method, "stiff", method), "dense", None)
    return dense.degree if dense else 1


class Old:
    """A generated module's own step functions as a Stepper; prefix: "auto_", where the mask comes last."""

    def __init__(self, module: ModuleType, prefix: str = ""):
        self.module, self.prefix = module, prefix

    def series(self, pieces):
        """The module's own series, whose within() takes a step's middle and size."""
        series = self.module.Series(pieces)
        within = vars(self.module.Series).get("within")
        if within is None:
            series.within = lambda middle, h: series
        elif "h" not in inspect.signature(within).parameters:
            series.within = lambda middle, h: within(series, middle)
        return series

    def has(self, name):
        return hasattr(self.module, self.prefix + name)

    def call(self, name, *given, **options):
        """The function of that name, without the inputs where there are none, with the mask where it is."""
        function = getattr(self.module, self.prefix + name)
        return function(*(value for value in given if value is not None), **options)

    def gradients(self, found):
        g_x, g_p, *g_u, g_t, g_h = found
        return StepGradients(g_x, g_p, g_u[0] if g_u else [], g_t, g_h)

    def step(self, x, t, h, p, u, clip=None, which=None):
        return self.call("step", x, t, h, p, u, which, clip=clip)

    def trial(self, x, t, h, p, u, clip=None, which=None, unit=None):
        options = {} if unit is None else {"unit": unit}
        if not self.has("step_stages"):
            x_next, *errors = self.call("step_error", x, t, h, p, u, clip=clip)
            return Trial(x_next, tuple(errors), None, None)
        found = self.call("step_stages", x, t, h, p, u, which, clip=clip, **options)
        x_next, error, *reach, stages = found
        return Trial(x_next, (error,), reach[0] if reach else None, stages)

    def vjp(self, x, t, h, p, u, w, clip=None, wrt_times=False, which=None):
        return self.gradients(self.call("step_vjp", x, t, h, p, u, w, which, clip=clip, wrt_times=wrt_times))

    def jvp(self, x, t, h, p, u, dx, dt, dh, dp, du, clip=None, which=None):
        return self.call("step_jvp", x, t, h, p, u, dx, dt, dh, dp, du, which, clip=clip)

    def within(self, x, t, h, p, u, x_next, stages, clip=None, which=None):
        return self.call("step_interpolant", x, t, h, p, u, x_next, stages, which, clip=clip)

    def dense_vjp(self, x, t, h, p, u, w, w_q, clip=None, wrt_times=False, which=None):
        given = (x, t, h, p, u, w, w_q, which)
        *found, q = self.call("step_dense_vjp", *given, clip=clip, wrt_times=wrt_times)
        return self.gradients(found), q

    def dense_jvp(self, x, t, h, p, u, dx, dt, dh, dp, du, clip=None, which=None):
        return self.call("step_dense_jvp", x, t, h, p, u, dx, dt, dh, dp, du, which, clip=clip)


def everything(stepper, case, u, du, which=None, unit=None):
    """All that a stepper says of a step, as a flat list of tensors."""
    given = (case.x, case.t, case.h, case.p, u)
    tangents = (case.dx, case.dt, case.dh, case.dp, du)
    found = [stepper.step(*given, None, which), *stepper.jvp(*given, *tangents, None, which)]
    found += [
        *stepper.vjp(*given, case.w, None, False, which),
        *stepper.vjp(*given, case.w, None, True, which),
    ]
    if case.compiled.adaptive:
        trial = stepper.trial(*given, None, which, unit)
        found += [trial.x, *trial.errors, trial.reach]
        if case.compiled.dense_order:
            found.append(stepper.within(*given, trial.x, trial.stages, None, which))
    if case.compiled.dense_order:
        found += stepper.dense_jvp(*given, *tangents, None, which)
        for wrt_times in (False, True):
            gradients, q = stepper.dense_vjp(*given, case.w, case.w_q, None, wrt_times, which)
            found += [*gradients, q]
    return list(flat(found))


def flat(values):
    """Tensors, numbers and None out of nested lists."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flat(value)
        else:
            yield value


def assert_alike(actual, expected, relative):
    """Tensor by tensor within a relative distance of the largest entry; None where the other is None."""
    assert len(actual) == len(expected)
    for k, (a, b) in enumerate(zip(actual, expected)):
        if b is None or a is None:
            assert a is b, k
            continue
        a, b = torch.as_tensor(a), torch.as_tensor(b)
        assert a.shape == b.shape and a.dtype == b.dtype, (k, a.shape, b.shape)
        assert torch.isfinite(b).all(), k
        assert (a - b).abs().max() <= relative * b.abs().max().clamp(min=1e-3), (k, a, b)


def assert_steps_alike(stepper, module, case, relative=1e-12, prefix="", which=None, unit=None):
    """That a stepper and a generated module say the same of a step."""
    old = Old(module, prefix)
    actual = everything(stepper, case, *case.of_runtime(), which, unit)
    assert_alike(actual, everything(old, case, *case.inputs(old.series), which, unit), relative)
