"""Runs by tolerance: all states by the same steps, one norm over the whole."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from odec.errors import SimulationError
from odec.integrate.options import Adaptive
from odec.integrate.problem import Problem, Slope
from odec.integrate.steps import Stages, added, advanced, stages, summed
from odec.integrate.tables import Sparse, Table, sparse

_FEW = 8
"""For so many outputs within a step the weights are numbers; for more they are a product of matrices."""


class Run:
    """A run and how far it has come: the time t, the states y with their slope, the next step's size h.

    Sizes of steps count as numbers: gradients are those of the steps as they were taken.
    Hairer, Nørsett & Wanner I, II.4.
    """

    def __init__(self, problem: Problem, table: Table, control: Adaptive):
        self.problem, self.table, self.control = problem, table, control
        self.t, self.end, self.sign = problem.times[0], problem.times[-1], problem.sign
        self.y, self.total = problem.y0, problem.total
        self.slope = problem.first_slope(problem.clock([self.t])[0], self.y)
        self.before = self.y.detach().abs()
        self.h = self._clamped(self._first() if control.first is None else control.first)
        self.stops, self.tried = _stops(control, self.t, self.end, self.sign), 0
        self.jumped = False

    def states(self) -> list[Tensor]:
        """The states at the times."""
        found = [self.y]
        while len(found) < len(self.problem.times):
            found += self._step(len(found))
        return found

    def _first(self) -> float:
        """The first step's size. Hairer, Nørsett & Wanner I, II.4, page 169."""
        with torch.no_grad():
            (slope, along), total = self.slope, self.total
            norm = self._norm_beside(self.before, None if total is None else total.abs())
            d0, d1 = norm(self.y, total), norm(slope, along)
            known = 1e-5 <= d0 < math.inf and 1e-5 <= d1 < math.inf
            guess = 0.01 * d0 / d1 if known else 1e-6
            guess = min(guess, abs(self.end - self.t))
            time = self.problem.clock([self.t + self.sign * guess])[0]
            after, other = self.problem.rate(time, torch.add(self.y, slope, alpha=self.sign * guess))
            change = None if along is None or other is None else other - along
            most = max(d1, norm(after - slope, change) / guess)
        if not math.isfinite(most):
            return guess
        if most <= 1e-15:
            return min(100 * guess, max(1e-6, guess * 1e-3))
        return min(100 * guess, (0.01 / most) ** (1 / self.table.order))

    def _norm_beside(self, size: Tensor, other: Tensor | None) -> Callable[[Tensor, Tensor | None], float]:
        """The norm of errors over what is allowed of states of a size, and of the integral besides."""
        (rtol, atol), (r, a) = self.problem.tolerances, self.problem.total_tolerances
        unit = size * rtol + atol
        along = None if other is None else other * r + a

        def norm(error: Tensor, of_total: Tensor | None) -> float:
            relative = None if of_total is None or along is None else of_total / along
            return abs(float(self.problem.measure(error / unit, relative)))

        return norm

    def _clamped(self, h: float) -> float:
        return min(max(h, self.control.least), self.control.longest)

    def _target(self) -> tuple[float, bool]:
        """The next time that a step ends on, and whether the right-hand side jumps there."""
        return self.stops[-1] if self.stops else (self.end, False)

    def _step(self, output: int) -> list[Tensor]:
        """Try a step. Returns the states at the times that it came past, from the number `output` on."""
        planned, (target, jumps) = self.h, self._target()
        left = self.sign * (target - self.t)
        lands = planned >= left * (1 - 1e-12)
        size = left if lands else planned
        h, end = self.sign * size, target if lands else self.t + self.sign * planned
        self._check(end)
        _tell(self.problem, self.problem.callbacks.step, self.t, self.y, size)
        found, last = self._attempt(h, end, lands and jumps)
        error = self._error(found, h)
        accepted = error <= 1 or (size <= self.control.least and math.isfinite(error))
        callbacks = self.problem.callbacks
        told = callbacks.accept if accepted else callbacks.reject
        _tell(self.problem, told, self.t, self.y, size)
        self.h = self._clamped(size * self._factor(error))
        if not accepted:
            self._check_least(size, error)
            return []
        if lands and not jumps:
            self.h = max(self.h, planned)
        return self._accept(found, last, h, end, lands, jumps, output)

    def _check(self, end: float) -> None:
        self.tried += 1
        if self.tried > self.control.most:
            raise SimulationError(
                f"max_num_steps = {self.control.most} steps were taken at t = {self.t:.6g}: allow more, or a "
                "larger rtol; where there are very many, an implicit method (radauIIA5) may fit better"
            )
        if end == self.t:
            raise SimulationError(_underflow(self.t, self.h))

    def _check_least(self, size: float, error: float) -> None:
        if not math.isfinite(error) and size <= max(self.control.least, 1e-14 * abs(self.t), 1e-300):
            raise SimulationError(f"func gives no finite numbers beyond t = {self.t:.6g}")

    def _factor(self, error: float) -> float:
        """The next step's length over this one's."""
        control = self.control
        if error == 0:
            return control.most_growth
        if not math.isfinite(error):
            return control.least_growth
        least = 1.0 if error < 1 else control.least_growth
        return min(control.most_growth, max(control.safety * error ** (-1 / self.table.order), least))

    def _attempt(self, h: float, end: float, before_end: bool) -> tuple[Stages, Slope | None]:
        """A step, and the slope at its end where the error takes it; before_end: where f jumps there."""
        problem, table = self.problem, self.table
        nodes = [end if c == 1 else self.t + c * h for c in table.nodes]
        *times, last = problem.clock([*nodes, end])
        if before_end:
            times = [beside(time, self.t) if c == 1 else time for c, time in zip(table.nodes, times)]
            last = beside(last, self.t)
        found = stages(problem.rate, table, self.y, h, self.slope, times)
        if not table.first_same_as_last:
            return found, None
        slope = problem.rate(last, found.y)
        _append(found, slope)
        return found, slope

    def _error(self, found: Stages, h: float) -> float:
        """The norm of the error estimate over what is allowed; inf where it is no number."""
        with torch.no_grad():
            other, total = None, found.total(self.total, h, self.table.weights)
            if self.total is not None and total is not None:
                other = torch.maximum(self.total.abs(), total.abs())
            norm = self._norm_beside(torch.maximum(self.before, found.y.abs()), other)

            def of(weights: Sparse) -> float:
                along = None if other is None else summed(h, weights, found.along)
                return norm(summed(h, weights, found.slopes), along)

            error = of(self.table.error)
            if self.table.error3 and error:  # Hairer, Nørsett & Wanner I, II.10, eq. 10.17
                error = error**2 / math.sqrt(error**2 + 0.01 * of(self.table.error3) ** 2)
        return error if math.isfinite(error) else math.inf

    def _accept(
        self, found: Stages, last: Slope | None, h: float, end: float, lands: bool, jumps: bool, output: int
    ) -> list[Tensor]:
        """Go on to the step's end. Returns the states at the times within."""
        times = self.problem.times
        past = output
        while past < len(times) and self.sign * (end - times[past]) >= 0:
            past += 1
        done = past == len(times)
        if last is None and not (done and past - output == 1):
            time = self.problem.clock([end])[0]
            last = self.problem.rate(beside(time, self.t) if lands and jumps else time, found.y)
            _append(found, last)
        outputs = self._outputs(found, last, h, end, output, past) if past > output else []
        self.tried = 0 if outputs else self.tried
        self.total = found.total(self.total, h, self.table.weights)
        self.y, self.before = found.y, found.y.detach().abs()
        if lands and jumps and not done:
            time = self.problem.clock([end])[0]
            last = self.problem.rate(beside(time, time.item() + self.sign), found.y)
        if lands and self.stops:
            self.stops.pop()
        self.t = end
        self.slope = self.slope if last is None else last
        return outputs

    def _outputs(
        self, found: Stages, last: Slope | None, h: float, end: float, output: int, past: int
    ) -> list[Tensor]:
        """The states at the times from the number `output` to before `past`, within a step of size h."""
        problem = self.problem
        if problem.t is None and problem.times[output] == end:
            return [found.y]
        places = [(problem.times[i] - self.t) / h for i in range(output, past)]
        if last is None:  # of the last time alone
            if problem.t is None:
                return [found.y]
            _append(found, problem.rate(problem.clock([end])[0], found.y))
        slopes = found.slopes + self._further(found, h)
        if problem.t is not None:
            start = problem.t[0].double() + (self.t - problem.times[0])
            thetas = (problem.t[output:past].double() - start) / h
            return self._at(slopes, self._weights_at(thetas, h))
        if len(places) == 1:
            return [advanced(self.y, h, sparse(self.table.at(places[0])), slopes)]
        return self._at(slopes, self._weights(places, h))

    def _weights(self, places: list[float], h: float) -> Tensor:
        """h times the weights (m, slopes) of the slopes for the states at places of the step."""
        y, table = self.y, self.table
        if len(places) > _FEW:
            thetas = torch.tensor(places, dtype=torch.float64, device=y.device)
            return self._weights_at(thetas, h)
        rows = [[h * weight for weight in table.at(place)] for place in places]
        return torch.tensor(rows, dtype=y.dtype, device=y.device)

    def _weights_at(self, thetas: Tensor, h: float) -> Tensor:
        """The same for places (m,) that may have a gradient."""
        rows = torch.tensor(self.table.dense, dtype=torch.float64, device=thetas.device)
        powers = thetas.unsqueeze(-1) ** torch.arange(1, rows.shape[-1] + 1, device=thetas.device)
        return (h * powers @ rows.T).to(self.y.dtype)

    def _at(self, slopes: list[Tensor], weights: Tensor) -> list[Tensor]:
        """The states y + Σ_i w_i k_i for each row of weights (m, slopes)."""
        k = torch.stack(slopes).view(len(slopes), -1)
        moved = (weights @ k).view(len(weights), *self.y.shape)
        return list((self.y + moved).unbind())

    def _further(self, found: Stages, h: float) -> list[Tensor]:
        """The slopes of the interpolant's further stages."""
        table, slopes = self.table, list(found.slopes)
        if table.further_nodes:
            times = self.problem.clock([self.t + c * h for c in table.further_nodes])
            for row, time in zip(table.further_rows, times):
                slopes.append(self.problem.rate(time, added(self.y, h, row, slopes))[0])
        return slopes[len(found.slopes) :]


def _append(found: Stages, slope: Slope) -> None:
    found.slopes.append(slope[0])
    if slope[1] is not None:
        found.along.append(slope[1])


def _stops(control: Adaptive, start: float, end: float, sign: float) -> list[tuple[float, bool]]:
    """The times within a run that steps end on, the next one last."""
    within = [stop for stop in control.stops if sign * (stop[0] - start) > 0 < sign * (end - stop[0])]
    return sorted(within, key=lambda stop: -sign * stop[0])


def beside(time: Tensor, towards: float) -> Tensor:
    """The next number to a time, towards another; its gradient is the time's."""
    with torch.no_grad():
        step = torch.nextafter(time, torch.full_like(time, towards)) - time
    return time + step


def _underflow(t: float, h: float) -> str:
    return (
        f"the step underflows at t = {t:.6g} (h = {h:.3g}): the solution may end there, or func jumps; name "
        "the times of jumps as the option jump_t, or allow a larger rtol or atol"
    )


def _tell(problem: Problem, callback: object, t: float, y: Tensor, h: float) -> None:
    """Call a callback, where there is one, with the time, the states and the step's length as tensors."""
    if callable(callback):
        time, size = torch.tensor([t, h], dtype=torch.float64, device=y.device)
        callback(time, y, size)
