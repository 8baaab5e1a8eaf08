"""Modules that hold both engines, their arguments, and how results are compared."""

import atexit
import functools
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch

import odec

_folder = Path(tempfile.mkdtemp(prefix="odec-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

LORENZ = """
param sigma = 10, rho = 20, beta = 2.6
init x = 1
init y = 0
init z = 0.5
dx/dt = sigma*(y - x)
dy/dt = x*(rho - z) - y
dz/dt = x*y - beta*z
run t = 0 .. 1 dt 0.01
"""

TIMED = """
param a = 0.5
param b = 1.5 in (0, inf)
param c = 2
const q = 0.75                                     # a quotient
input u linear
input v cubic
init x = a
init y = 1 + b
z = sin(b*t) + log(1 + b)
dx/dt = -a*x + u*z*y/(1 + x**4) + erf(x) + mod(2 + tanh(x), 10)
dy/dt = v - y*exp(-c*t) + tanh(x*y) - gamma(b)*sigmoid(x) + max(x, y, 0.2) - x**2.5 + hill(b, 2, 3)*q
obs total = x*y*t + u
obs logged = log(x**2 + b)
run t = 0 .. 1 dt 0.01
"""

SMOOTH = """
param a = 0.5, b = 1.5
input u linear
input v cubic
init x = a
init y = 1 + b
dx/dt = -a*x + u*sin(b*t)*y/(1 + x**2)
dy/dt = v - y*exp(-t) + tanh(x*y)
obs total = x*y*t + u
run t = 0 .. 1 dt 0.01
"""
"""Like TIMED, of what compiles in a moment."""

GATED = """
input I hold
param g = 1.2 in (0, inf)
param k = 0.4
vtrap(x, y) = if abs(x/y) < 1e-6 then y*(1 - x/y/2) else x/(exp(x/y) - 1)
init V = -1
init m = 0.3
dV/dt = I - g*m**3*(V - 1) - (if V > 0 then k*V else sqrt(1 - V) - 1)
dm/dt = vtrap(V + 0.5, 2)*(1 - m) - k*m
obs open = m > 0.5 and V < 1
run t = 0 .. 2 dt 0.05
""".replace("obs open = m > 0.5 and V < 1\n", "obs open = if m > 0.5 and not V >= 1 then m else V**2\n")

FACTORS = """
const c = 3, tau = 0.4                             # in front of derivatives
param a = 0.5
param b = 1.5
init x = 1
init y = 0.4
init z = 0.2
dx/dt = -c*(x - y)*x
dy/dt = (a - y*sin(t))/tau/2
speed = 2*x*b
dz/dt = speed
obs fast = speed**2
run t = 0 .. 1 dt 0.01
"""

RICKER = """
param r = 1.3 in (0, inf)
param K = 100 in (0, inf)
init N = 20
N[t+1] = N[t]*exp(r*(1 - N[t]/K)) + 0.1*t
obs half = N/2
run t = 0 .. 60
"""

PAIR_MAP = """
param a = 1.2, b = 0.3
init x = 0.1
init y = 0.2
x[t+1] = 1 - a*x[t]**2 + y[t]
y[t+1] = b*x[t]
run t = 0 .. 20
"""

CLASHES = """
time time
param double = 0.5
param register = 0.25
param l = 0.1
param LANES = 2
param R = 0.3
param exp = 0.2
param square = 1.5
param call = 0.4
param k1 = 0.5
param μ = 0.6
const linux = 2
init x = 0.3
init p = 0.2
init w = 0.1
init u = 0.4
init h = 1
init class = 0.5
dx/dtime = double*p - x*register + sin(l*time)
dp/dtime = -p*LANES + w/R*exp
dw/dtime = -w**2*square + u*call
du/dtime = -u*k1 + μ*x
dh/dtime = -h/linux + x**5
dclass/dtime = -class + sigmoid(h)
obs y = x*p*w*u
run time = 0 .. 2 dt 0.1
"""


def load(text: str, method: str = "rk4"):
    """The module of a model with both engines, with kernels of the compiler and flags of the test."""
    return _load(text, method, os.environ.get("CC", "") + os.environ.get("ODEC_CFLAGS", ""))


@functools.cache
def _load(text: str, method: str, flags: str):
    code = odec.compile(text, method=None if "[t+1]" in text else method, engine="native")
    name = f"native_{hashlib.sha256((text + method + flags).encode()).hexdigest()[:16]}"
    path = _folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def times(module, dtype=torch.float64):
    """Output times with a repeated one and unequal intervals."""
    is_map = module.COMPILED.is_map
    values = [0.0, 3.0, 3.0, 7.0, 12.0] if is_map else [0.1, 0.25, 0.25, 0.6, 1.13]
    return torch.tensor(values, dtype=dtype)


def models(module, **options):
    """The Model on the native engine, and on torch."""
    if not module.COMPILED.is_map:
        options.setdefault("dt", 0.04)
    return module.Model(engine="native", **options), module.Model(engine="torch", **options)


def arguments(module, shape, *, batched_params=True, seed=0, dtype=torch.float64):
    """Keywords of a call: x0 (*shape, n), every parameter (*shape,) or scalar, inputs of both shapes."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*size):
        return torch.rand(size, generator=generator, dtype=dtype)

    own = module.Model(dt=1.0) if not module.COMPILED.is_map else module.Model()
    p = own.vector().detach().to(dtype)
    first = module.initial(torch.zeros((), dtype=dtype), p).detach()
    x0 = first * (1 + 0.2 * noise(*shape, len(module.STATES))) + 0.05 * noise(*shape, len(module.STATES))
    size = shape if batched_params else ()
    params = {name: p[i] * (1 + 0.1 * noise(*size)) for i, name in enumerate(module.PARAMS)}
    given = {"x0": x0, "params": params}
    if module.INPUTS:
        knots = torch.linspace(0.17, 0.9, 9, dtype=dtype)
        given["inputs"] = {
            name: (knots, noise(9, *(shape if i % 2 else ()))) for i, name in enumerate(module.INPUTS)
        }
    return given


def gap(value, reference):
    """The largest difference relative to the largest reference value."""
    assert value.shape == reference.shape
    if reference.numel() == 0:
        return 0.0
    return float((value - reference).abs().max() / reference.abs().max().clamp(min=1e-300))


def leaves(given, t):
    """The differentiable tensors of a call, made leaves; and the call that uses them."""
    t = t.clone().requires_grad_()
    x0 = given["x0"].clone().requires_grad_()
    params = {name: value.clone().requires_grad_() for name, value in given["params"].items()}
    call, found = {"x0": x0, "params": params}, [t, x0, *params.values()]
    if "inputs" in given:
        values = {name: value.clone().requires_grad_() for name, (_, value) in given["inputs"].items()}
        call["inputs"] = {name: (given["inputs"][name][0], value) for name, value in values.items()}
        found += values.values()
    return t, call, found


def gradients(net, given, t, weights):
    """Gradients of Σ weights·x by the times, x0, every parameter and the inputs' values."""
    t, call, found = leaves(given, t)
    total = (net(t, **call) * weights).sum()
    return torch.autograd.grad(total, found, allow_unused=True)
