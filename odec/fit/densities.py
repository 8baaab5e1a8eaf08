"""The densities of measurements about their prediction, with all constants, and their Fisher information."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

SHARE = 4000
"""So many values of a count are summed one by one, of larger ones steps of about as many parts."""


@dataclass(frozen=True)
class Density:
    """A distribution of a measurement y about its prediction μ, its further arguments a in order.

    log(y, μ, *a): the log density of each y, (M,). information(μ, *a): of each argument, μ first,
    the expected square of the derivative of log by it, (M,); arguments do not share any. positive: whether y
    must be; counts: whether y is 0, 1, 2, …; above: whether μ must be positive.
    """

    log: Callable[..., Tensor]
    information: Callable[..., tuple[Tensor, ...]]
    positive: bool = False
    counts: bool = False
    above: bool = False


def _normal(y: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    return -0.5 * ((y - mean) / sigma).square() - sigma.log() - 0.5 * math.log(2 * math.pi)


def _lognormal(y: Tensor, median: Tensor, sigma: Tensor) -> Tensor:
    return _normal(y.log(), median.log(), sigma) - y.log()


def _student_t(y: Tensor, mean: Tensor, nu: Tensor, sigma: Tensor) -> Tensor:
    z = (y - mean) / sigma
    scale = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * (nu * math.pi).log() - sigma.log()
    return scale - (nu + 1) / 2 * torch.log1p(z.square() / nu)


def _student_information(mean: Tensor, nu: Tensor, sigma: Tensor) -> tuple[Tensor, ...]:
    """Of ν none: it is a constant of the model."""
    each = sigma.square() * (nu + 3)
    return (nu + 1) / each, torch.zeros_like(nu), 2 * nu / each


def _poisson(y: Tensor, mean: Tensor) -> Tensor:
    return torch.xlogy(y, mean) - mean - torch.lgamma(y + 1)


def _neg_binomial(y: Tensor, mean: Tensor, phi: Tensor) -> Tensor:
    """Mean μ, variance μ + μ²/φ: Stan's neg_binomial_2."""
    ways = torch.lgamma(y + phi) - torch.lgamma(phi) - torch.lgamma(y + 1)
    return ways - phi * torch.log1p(mean / phi) - y * torch.log1p(phi / mean)


def _neg_binomial_information(mean: Tensor, phi: Tensor) -> tuple[Tensor, ...]:
    """That of φ is ψ'(φ) − E ψ'(y + φ) − 1/φ + 1/(μ + φ), the expectation by a sum over y."""
    expected = [_expected_trigamma(float(m), float(p)) for m, p in zip(mean, phi, strict=True)]
    of_phi = torch.special.polygamma(1, phi) - torch.tensor(expected, dtype=phi.dtype)
    return phi / (mean * (mean + phi)), of_phi - 1 / phi + 1 / (mean + phi)


def _expected_trigamma(mean: float, phi: float) -> float:
    """E ψ'(y + φ) of a count y: the sum over y while it is short, then one over ever longer steps."""
    last = mean + 40 * math.sqrt(mean + mean * mean / phi) + 100 + 40 * mean / phi
    y = torch.arange(min(SHARE, math.ceil(last)), dtype=torch.float64)
    steps = torch.ones_like(y)
    if last > SHARE:
        length = math.ceil((last - SHARE) / SHARE)
        further = SHARE + length * torch.arange(SHARE, dtype=torch.float64) + (length - 1) / 2
        y, steps = torch.cat([y, further]), torch.cat([steps, torch.full_like(further, length)])
    mass = _neg_binomial(y, torch.tensor(mean), torch.tensor(phi, dtype=torch.float64)).exp() * steps
    return float((mass * torch.special.polygamma(1, y + phi)).sum() / mass.sum())


DENSITIES: Mapping[str, Density] = {
    "normal": Density(_normal, lambda mean, s: (s**-2, 2 * s**-2)),
    "lognormal": Density(
        _lognormal, lambda median, s: ((s * median) ** -2, 2 * s**-2), positive=True, above=True
    ),
    "student_t": Density(_student_t, _student_information),
    "poisson": Density(_poisson, lambda mean: (1 / mean,), counts=True, above=True),
    "neg_binomial": Density(_neg_binomial, _neg_binomial_information, counts=True, above=True),
}
"""By the names that a model's `~` knows; of a laplace one the derivative jumps, which no optimizer bears."""
