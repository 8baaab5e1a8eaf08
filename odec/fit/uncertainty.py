"""How sure a fit is: errors, intervals and correlations from the Fisher information at its optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from odec.accuracy import percent
from odec.errors import ArgumentError
from odec.fit.ending import limits
from odec.fit.loss import Coordinates
from odec.fit.quantiles import t_quantile
from odec.fit.verdict import SINGULAR, Local, listed

MOST = 200
"""Of more parameters no covariance is made."""

IN_IT = 1e-4
"""A parameter with a larger part in a direction without effect is not determined."""

STRONG = 0.95
"""Parameters with a larger correlation are told."""

MOST_PAIRS = 3
"""So many pairs of correlated parameters are told."""


@dataclass(frozen=True)
class Uncertainty:
    """The covariance of the k estimated parameters, to first order: s² (JᵀJ)⁻¹, J by exact sensitivities.

    names: the parameters. covariance (k, k): in natural units (the delta method), nan for what is not
    determined or lies on its bound. errors (k,): its roots; inf where not determined, nan on a bound.
    theta, moved (k,): the optimum in the optimizer's coordinates and the standard errors there. freedom:
    n − p where s² is SSR/(n − p), p being the directions that are determined; None where
    sigma is known. spreads: the relative standard deviation along each direction that has an effect, the
    largest first, and the parameters that it is made of.
    """

    names: tuple[str, ...]
    covariance: np.ndarray
    errors: np.ndarray
    coordinates: Coordinates
    theta: np.ndarray
    moved: np.ndarray
    freedom: int | None
    spreads: tuple[tuple[float, tuple[str, ...]], ...]

    @cached_property
    def correlations(self) -> np.ndarray:
        """The correlation of each two parameters, (k, k); nan where one has no error."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found: np.ndarray = self.covariance / np.outer(self.errors, self.errors)
        return found

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """The confidence interval of each parameter, in natural units.

        θ ± q·(standard error of θ), where θ is what the optimizer moves, mapped back by the parameter's
        transform, so that an interval keeps the bounds; q is a quantile of Student's t with n − p degrees of
        freedom, of the normal distribution where sigma is known. Raises ArgumentError for a level outside 0
        and 1.
        """
        if not 0 < level < 1:
            raise ArgumentError(f"level is a probability between 0 and 1, like 0.95, not {level!r}")
        reach = t_quantile((1 + level) / 2, self.freedom) * self.moved
        known = np.isfinite(reach)
        ends = [self._natural(self.theta + sign * np.where(known, reach, 0.0)) for sign in (-1.0, 1.0)]
        pairs = [(min(a, b), max(a, b)) for a, b in zip(*ends, strict=True)]
        for k in np.flatnonzero(~known):
            transform = self.coordinates.transforms[k]
            wide = (-math.inf, math.inf) if transform is None else limits(transform)
            pairs[k] = wide if np.isinf(self.errors[k]) else (math.nan, math.nan)
        return dict(zip(self.names, pairs, strict=True))

    def _natural(self, theta: np.ndarray) -> list[float]:
        with torch.no_grad():
            found: list[float] = self.coordinates.natural(torch.as_tensor(theta)).tolist()
        return found

    @property
    def sentence(self) -> str:
        """What the data determine, in words: the sloppiest direction, and parameters that go together."""
        lost = [name for name, error in zip(self.names, self.errors, strict=True) if np.isinf(error)]
        if lost:
            return f"not determined: {listed(lost)}"
        if not self.spreads:
            return ""
        (sloppy, made_of), (stiff, _) = self.spreads[0], self.spreads[-1]
        if sloppy >= 1:
            told = f"hardly determined: {listed(made_of)}, no better than to their own size"
        elif len(self.names) == 1:
            told = f"{self.names[0]} is determined to {percent(sloppy)}"
        else:
            told = f"every parameter is determined: along the sloppiest direction ({listed(made_of)})"
            told += f" to {percent(sloppy)}, along the stiffest to {percent(stiff)}"
        pairs = [f"{a} and {b} ({value:.3f})" for value, a, b in self.strong[:MOST_PAIRS]]
        return told + (f"; strongly correlated: {', '.join(pairs)}" if pairs else "")

    @property
    def strong(self) -> list[tuple[float, str, str]]:
        """The strongly correlated pairs, the strongest first: correlation and names."""
        found = [
            (float(self.correlations[i, k]), self.names[i], self.names[k])
            for k in range(len(self.names))
            for i in range(k)
        ]
        return sorted((pair for pair in found if abs(pair[0]) > STRONG), key=lambda pair: -abs(pair[0]))


def uncertainty_of(
    local: Local, coordinates: Coordinates, theta: np.ndarray, sigma: float | None
) -> Uncertainty | None:
    """The uncertainty of a least-squares optimum θ (k,); sigma: of one residual, where it is known.

    None of too many parameters, and where no measurement is left to tell the scatter by.
    """
    if len(local.names) > MOST:
        return None
    parts, lost, rank = _of_parts(local)
    freedom = local.count - rank
    if sigma is None and freedom < 1:
        return None
    scatter = math.sqrt(local.loss / freedom) if sigma is None else sigma
    slopes = _slopes(coordinates, theta)
    units = scatter * slopes * local.sizes
    covariance = parts * np.outer(units, units)
    errors = np.sqrt(np.diag(covariance))
    errors[lost] = np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = errors / np.abs(slopes)
    own = None if sigma is not None else freedom
    spreads = local.directions(scatter) if rank else ()
    return Uncertainty(local.names, covariance, errors, coordinates, theta, moved, own, spreads)


def _of_parts(local: Local) -> tuple[np.ndarray, np.ndarray, int]:
    """(EᵀE)⁻¹ (k, k) of the effects E by parts of the parameters' sizes, which have none (k,), and the rank.

    A parameter on its bound is held there, with those of the others as they are then.
    """
    moving = local.moving & (local.influence > 0)
    parts = np.full((len(moving), len(moving)), np.nan)
    lost = ~moving & ~local.on_bound
    if not moving.any():
        return parts, lost, 0
    norms = local.influence[moving]
    _, sizes, v = np.linalg.svd(local.effects[:, moving] / norms, full_matrices=True)
    sizes = np.append(sizes, np.zeros(len(v) - len(sizes)))
    there = sizes > max(SINGULAR, 1e3 * local.precision) * sizes[0]
    blurred = (np.abs(v[~there]) > IN_IT).any(axis=0)
    scaled = v[there] / sizes[there][:, None] / norms
    known = np.flatnonzero(moving)[~blurred]
    parts[np.ix_(known, known)] = (scaled.T @ scaled)[np.ix_(~blurred, ~blurred)]
    lost[np.flatnonzero(moving)[blurred]] = True
    return parts, lost, int(there.sum())


def _slopes(coordinates: Coordinates, theta: np.ndarray) -> np.ndarray:
    """dp/dθ of each parameter (k,), which depends on its own entry of θ alone."""
    point = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        (found,) = torch.autograd.grad(coordinates.natural(point).sum(), point)
    slopes: np.ndarray = found.numpy()
    return slopes
