"""Models for the tests of implicit and Rosenbrock methods, and what is compared with what."""

import torch

from odec.methods import METHODS

D = torch.float64
STIFF = [name for name, method in METHODS.items() if method.family in ("implicit", "rosenbrock")]
ADAPTIVE = [name for name in STIFF if METHODS[name].adaptive]

LOTKA_VOLTERRA = """
param a = 1.1
param b = 0.4
param c = 0.4
param d = 0.1
init x = 10
init y = 5
dx/dt = a*x - b*x*y
dy/dt = d*x*y - c*y
run t = 0 .. 1 dt 0.1
"""

ROBERTSON = """
param k1 = 0.04
param k2 = 3e7
param k3 = 1e4
init y1 = 1
init y2 = 0
init y3 = 0
dy1/dt = -k1*y1 + k3*y2*y3
dy2/dt = k1*y1 - k3*y2*y3 - k2*y2**2
dy3/dt = k2*y2**2
run t = 0 .. 40
"""
ROBERTSON_AT_40 = torch.tensor([0.7158270687, 9.185534764e-6, 0.2841637457], dtype=D)
"""Hairer & Wanner II, IV.10."""

VAN_DER_POL = """
param mu = 1000
init x = 2
init y = 0
dx/dt = y
dy/dt = mu*(1 - x**2)*y - x
run t = 0 .. 2000
"""

FORCED = """
input u linear
input v cubic
input w hold
param k = 40
param g = 0.3
init x = 1
init y = 0.5
dx/dt = -k*(x - u) + g*y
dy/dt = g*v*x - y + w*cos(t)
run t = 0 .. 4 dt 0.1
"""
"""Linear in its states, with one of each kind of input."""

BENT = """
input u linear
input v cubic
param k = 0.5
init x = 1
init y = 0.5
dx/dt = -k*x**2*v + u*y*sin(t)
dy/dt = x*u**2 - y*exp(-v*y)
run t = 0 .. 4 dt 0.1
"""
"""Its Jacobian depends on the time, the states, the inputs and the parameters."""

KNOTS = {
    "u": torch.tensor([0.0, 1.0, 2.2, 3.0], dtype=D),
    "v": torch.tensor([0.5, 1.0, 2.2, 2.9, 5.0], dtype=D),
    "w": torch.tensor([0.01, 0.52, 1.61, 2.71], dtype=D),
}


def numbers(*shape, low=0.3, high=1.2, dtype=D):
    """Random leaves."""
    return (low + (high - low) * torch.rand(shape, dtype=dtype)).requires_grad_()


def gradients(net, leaves, weights, *args, **options):
    """The states, and the gradients of their weighted sum by the leaves and the model's parameters."""
    x = net(*args, **options)
    leaves = [*leaves, *net.parameters()]
    found = torch.autograd.grad((x * weights(x)).sum(), leaves, allow_unused=True)
    return x.detach(), [torch.zeros_like(v) if g is None else g for g, v in zip(found, leaves)]


def weights(x):
    """Cotangents of the states x that hang on their shape alone, relative to their size."""
    values = torch.randn(x.shape, dtype=D, generator=torch.Generator().manual_seed(11)).to(x.dtype)
    return values / x.detach().abs().amax(tuple(range(x.dim() - 1))).clamp(min=1e-300)


def assert_gradients(actual, expected, relative):
    """Each within a relative distance of the other; one that cancels, of what all weigh together."""
    floor = sum(g.norm() for g in expected) * 1e-9
    for k, (a, b) in enumerate(zip(actual, expected, strict=True)):
        assert a.shape == b.shape and torch.isfinite(b).all(), (k, a, b)
        assert (a - b).norm() <= relative * torch.maximum(b.norm(), floor), (k, a, b)
