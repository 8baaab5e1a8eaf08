"""What engines are asked without a Model: states, adjoint, tangent, losses; kernels of another layout."""

from odec.runtime.engines import ALL, NO_REPORT, How, Run
from odec.runtime.native import toolchain
from odec.runtime.steps import Steps, Tolerance


def fixed(dt, clip=None):
    return Steps(dt, None, clip)


def tolerance(rtol, atol, **bounds):
    return Steps(None, Tolerance(rtol, tuple(atol), **bounds))


def engine_of(module, name="native"):
    return module.COMPILED.engine(name)


def kernels_of(module):
    """The engine that has the kernels, under the one that lands on switches."""
    engine = engine_of(module)
    return engine if module.COMPILED.turns is None else engine.inner


def solve(module, t, x0, p, steps, series=(), engine="native"):
    """The states and the report."""
    xs, _, report = engine_of(module, engine).states(t, x0, p, series, steps, 1)
    return xs, report


def last(module, t, x0, p, steps, series=()):
    """The states at the last time and the report."""
    return engine_of(module).last(t, x0, p, series, steps)


def observe(module, t, x0, p, steps, series=()):
    """The observables and the report."""
    return engine_of(module).observe(t, x0, p, series, steps)


def adjoint(module, t, x0, p, w, steps, series=(), wrt_times=False, chunk=0):
    """The gradients of Σ w·xs on the native engine, which goes from the first states alone; none is lost."""
    run = Run(x0.unsqueeze(0), NO_REPORT, NO_REPORT)
    return engine_of(module).adjoint(t, run, p, series, w, steps, How(chunk=chunk), wrt_times)


def adjoint_by_torch(module, t, x0, p, w, steps, series=(), wrt_times=False):
    engine = engine_of(module, "torch")
    run = engine.states(t, x0, p, series, steps, ALL)
    return engine.adjoint(t, run, p, series, w, steps, How(), wrt_times)


def tangent(module, t, x0, p, d_t, d_x0, d_p, steps, series=(), d_series=()):
    return engine_of(module).tangent(t, x0, p, series, d_t, d_x0, d_p, d_series, steps)


def loss_gradient(module, t, x0, p, data, weight, steps, series=()):
    """The loss, its gradients, the report."""
    return engine_of(module).loss_gradient(t, x0, p, series, data, weight, steps)


def sensitivities(module, t, x0, p, steps, series=()):
    return engine_of(module).sensitivities(t, x0, p, series, steps)


def put_lanes_inside(module, monkeypatch):
    """Have the kernels of a module built in the layout for large models."""
    library = toolchain.library

    def inside(source, kernel, defines, flags=()):
        return library(source, kernel, {**defines, "INNER_LANES": 1}, flags)

    monkeypatch.setattr(toolchain, "library", inside)
    monkeypatch.setattr(kernels_of(module).kernels, "_functions", {})
    monkeypatch.setattr(kernels_of(module), "_ready", {})
