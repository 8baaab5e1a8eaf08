"""Models, their generated modules, and a reference that takes their steps one by one under autograd."""

import atexit
import functools
import importlib.util
import math
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import torch

import odec
from odec.runtime.engines import ALL

LOTKA_VOLTERRA = """
param a = 1.1 in (0, inf)
param b = 0.4 in (0, inf)
param c = 0.4 in (0, inf)
param d = 0.1 in (0, inf)
init prey = 10
init predator = 5
dprey/dt = a*prey - b*prey*predator
dpredator/dt = d*prey*predator - c*predator
obs total = prey + predator
run t = 0 .. 10 dt 0.1
"""

RICH = """
param a = 0.8 in (0, inf)
param b = -0.3
param c = 1.2 in (0, 3)
param d = -0.5 in (-inf, 0)
param e = 0.7 in (0, inf) via log
param f = 1.5 in (0, inf) via log10
const g = 0.25
init x = c*b + 0.1*t
init y = 0.2
forcing = sin(c*t)*e
dx/dt = -a*x + y*b + forcing
dy/dt = d*y + g*tanh(x*y) - f*x + exp(-t/4)
obs z = x*y + a
run t = 0 .. 2 dt 0.2
"""

FORCED = """
input u linear
input v cubic
input w hold
param k = 0.5 in (0, inf)
param a = 1
param b = 2 in (0, 3)
param lambda = -1 in (-inf, 0)
init x = a
init y = 0.1*t
dx/dt = -k*x + u*sin(t) + v*lambda
dy/dt = x - y*b + w*x + t
obs z = x*u + y
obs s = v
run t = 0 .. 5 dt 0.1
"""

RICKER = """
param r = 1.3 in (0, inf)
param K = 100 in (0, inf)
init N = 20
N[t+1] = N[t]*exp(r*(1 - N[t]/K)) + 0.1*t
obs half = N/2
run t = 0 .. 60
"""

CLASHES = """
param beta = 0.5 in (0, inf)
param gamma = 0.25
param lambda = 0.1
param N = 10
param zeta = 0.3
param type = 0.2
param class = 0.7 in (0, 1)
param torch = 1.5
param math = 0.2
param self = 0.3
param forward = 0.4
param dt = 0.5
param du = 0.6
param __class__ = 0.1
param training = 0.35
param None = 0.2
const nn = 2
const len = 0.1
const rhs = 0.05
init S = 9
init I = 1
init E = 0.5
init Q = 0.1
init x = 0.3
init p = 0.2
init w = 0.1
init u = 0.4
step = beta*S*I/N
dS/dt = -step + lambda*type
dI/dt = gamma*E - zeta*I
dE/dt = step - gamma*E - len*E
dQ/dt = class*torch*I - math*Q*self
dx/dt = forward*p - x*dt + rhs
dp/dt = -p*du + w/nn
dw/dt = -w*__class__ + u*training
du/dt = -u*None
obs Tensor = S + I + E
obs h = x*p*w*u
run t = 0 .. 2 dt 0.1
"""


EVERY_NAME = """
input held hold
input straight linear
input smooth cubic
param none = 1
param above = 1 in (0, inf)
param below = -1 in (-inf, 0)
param between = 0.5 in (0, 1)
param logarithm = 1 in (0, inf) via log
param decades = 1 in (0, inf) via log10
init y = none*above*below*between*logarithm*decades
init z = 1
dy/dt = gamma(z) + held + straight + smooth
dz/dt = 1
obs q = t
run t = 0 .. 1 dt 0.5
"""
"""Every kind of input and transform, so that the module holds all its parts."""


_folder = Path(tempfile.mkdtemp(prefix="odec-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


@functools.cache
def load(text: str, method: str = "rk4") -> ModuleType:
    """The generated module of a model's text, imported once per method."""
    code = odec.compile(text, method=None if "[t+1]" in text else method)
    return import_text(code, f"generated_{abs(hash((text, method)))}")


def import_text(code: str, name: str) -> ModuleType:
    path = _folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def is_map(module):
    return module.COMPILED.is_map


def taken(net, t, x0, p=None, series=()):
    """The run on the torch engine: states, the mesh of the steps taken, the report."""
    p = net.vector().detach() if p is None else p
    return net.compiled.reference.states(t, x0, p, list(series), net.steps, ALL)


def plain(module, t, x0, p, dt, u=None, clip=None):
    """The states at the times t by a loop over single steps: what every adjoint is compared with."""
    cell, x, xs = module.step if is_map(module) else module.StepCell(), x0, [x0]
    least = 0 if is_map(module) else 1
    for a, b, is_output in pieces_between(t, () if u is None or is_map(module) else u.knots):
        count = max(least, math.ceil(abs(float((b - a).detach())) / dt - 1e-6))
        h = (b - a) / max(count, 1)
        for j in range(count):
            options = {} if clip is None else {"clip": clip}
            middle = a + (j + 0.5) * h
            extra = [] if u is None else [u if is_map(module) else functools.partial(u, middle=middle)]
            extra = [*extra, None, None][:2] if is_map(module) else extra
            x = cell(x, a + j * h, h, p, *extra, **options)
        if is_output:
            xs.append(x)
    return torch.stack(torch.broadcast_tensors(*xs))


def pieces_between(t, knots):
    """The ends of the pieces between output times and knots, and whether a piece ends on an output."""
    for a, b in zip(t[:-1], t[1:]):
        inside = [knot for knot in knots if float(a) < knot < float(b)]
        ends = [a, *map(t.new_tensor, inside), b]
        yield from ((start, end, k == len(inside)) for k, (start, end) in enumerate(zip(ends, ends[1:])))


def interpolant(kind, times, values):
    """An input (K, *batch) as a function of time, written apart from the generated one.

    During a step it keeps the piece that it has in the step's middle; `knots` are its times.
    """
    times = torch.as_tensor(times, dtype=torch.float64)
    slopes = _slopes(times, values) if kind == "cubic" else None

    def at(t, middle=None):
        t = torch.as_tensor(t, dtype=times.dtype)
        here = t if middle is None else torch.as_tensor(middle, dtype=times.dtype)
        inside = torch.minimum(torch.maximum(here, times[0]), times[-1])
        k = int(torch.searchsorted(times, inside.detach(), right=True)) - 1
        s = inside.detach() if inside != here else t
        if kind == "hold":
            return values[k]
        k = min(k, len(times) - 2)
        h = times[k + 1] - times[k]
        z = (s - times[k]) / h
        if kind == "linear":
            return (1 - z) * values[k] + z * values[k + 1]
        return (
            (1 + 2 * z) * (1 - z) ** 2 * values[k]
            + z * (1 - z) ** 2 * h * slopes[k]
            + z**2 * (3 - 2 * z) * values[k + 1]
            + z**2 * (z - 1) * h * slopes[k + 1]
        )

    at.knots = times.tolist()
    return at


def _slopes(times, values):
    """Derivatives at the knots of the parabola through three neighbours."""
    slopes = []
    for k in range(len(times)):
        i = min(max(k - 1, 0), len(times) - 3)
        weights = []
        for j in range(i, i + 3):
            left, right = (n for n in range(i, i + 3) if n != j)
            top = 2 * times[k] - times[left] - times[right]
            weights.append(top / ((times[j] - times[left]) * (times[j] - times[right])))
        slopes.append(sum(weight * values[j] for weight, j in zip(weights, range(i, i + 3))))
    return torch.stack(slopes)


def stacked(functions):
    """Functions of time as the one function u(t) (*batch, n_inputs) that StepCell takes."""

    def at(t, middle=None):
        return torch.stack(torch.broadcast_tensors(*(function(t, middle) for function in functions)), -1)

    at.knots = sorted({knot for function in functions for knot in function.knots})
    return at


def assert_close(actual, expected, relative):
    """Every tensor within a relative distance (in the 2-norm) of its reference, of one shape."""
    for k, (a, b) in enumerate(zip(actual, expected, strict=True)):
        assert a.shape == b.shape, f"{k}: {tuple(a.shape)} instead of {tuple(b.shape)}"
        assert torch.isfinite(b).all(), f"{k}: the reference is not finite"
        distance = (a.double() - b.double()).norm()
        assert distance <= relative * b.double().norm() + 1e-300, f"{k}: {a} instead of {b}"
