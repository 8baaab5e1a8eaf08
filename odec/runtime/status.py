"""What happened in a Model's last call, in sentences, found by taking a trajectory's steps again."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .compiled import Compiled
from .engines import ALL, MAX_STEPS, NOT_FINITE, OFTEN_UNSOLVED, UNDERFLOW, UNSOLVED
from .landing import Landing
from .methods import Auto, Explicit, Implicit, Rosenbrock
from .reference.interpolant import landings
from .reference.jacobians import SlopeJacobian, SlopeRate
from .reference.mesh import Mesh, mesh
from .reference.stiffness import is_stiff, reach, sentence
from .series import Series
from .shares import joined, shares_of
from .steps import Steps
from .tensors import Time, first_bad
from .torch_private import numbers

Batch = tuple[int, ...]

_OF_SWITCH = 20
"""No more steps than that are laid to each switch, at which they become short and grow again."""


@dataclass
class Failure:
    """One trajectory that could not be finished: its batch index, the state, the time and a sentence.

    cause: the parameter or input to blame, as words; "" for none. code: what ended adaptive steps, as in a
    report. of_slope: whether it is the state's derivative at the start that is not finite. steep: with what
    that derivative changes infinitely fast where the step that failed began; "" for nothing. switches: how
    many a run lands on whose steps they use up; 0 where they do not.
    """

    compiled: Compiled
    batch: Batch
    state: str
    time: float
    at_start: bool
    cause: str
    code: int | None = None
    min_step: float = 0.0
    of_slope: bool = False
    steep: str = ""
    switches: int = 0

    def __str__(self) -> str:
        reason, advice = self._words()
        return "; ".join(words for words in (reason, self.cause or advice) if words)

    def __repr__(self) -> str:
        return f"<Failure: {self}>"

    @property
    def _where(self) -> str:
        return f" of trajectory {self.batch}" if self.batch else ""

    @property
    def _stiff(self) -> str:
        warned = self.compiled.adaptive and isinstance(self.compiled.method, Explicit)
        return "a stiff method such as rodas5p, " if warned else ""

    def _words(self) -> tuple[str, str]:
        """What happened, and what to do where no parameter or input is the cause."""
        if self.steep:
            return self._of_steep_slope()
        if self.code == NOT_FINITE:
            reason = f"state {self.state}{self._where} or its derivative is not finite at the start"
            advice = "look at its initial value, and for a division by zero or the like in its equation"
            return f"{reason}, t = {self.time:.6g}", advice
        if self.code in (UNDERFLOW, MAX_STEPS, OFTEN_UNSOLVED, UNSOLVED):
            return self._of_steps()
        if self.of_slope:
            reason = f"the derivative of state {self.state}{self._where} is not finite at the start"
            advice = "look for a division by zero or the like in its equation"
            return f"{reason}, t = {self.time:.6g}", advice
        if self.at_start:
            return f"state {self.state}{self._where} is not finite at the start, t = {self.time:.6g}", ""
        return self._of_fixed_steps()

    def _of_steep_slope(self) -> tuple[str, str]:
        """What ended a run at a place like that of sqrt(x) at 0."""
        method = self.compiled.method
        reason = (
            f"the derivative of state {self.state}{self._where} changes infinitely fast with {self.steep}"
        )
        reason = f"{reason} at t = {self.time:.6g}, as sqrt(x) does at 0"
        if isinstance(method, Implicit):
            advice = "try shorter steps, or an explicit method such as tsit5"
            return f"{reason}, and {method.name} finds no step from there", advice
        name = method.stiff.name if isinstance(method, Auto) else method.name
        instead = "kvaerno5 or tsit5" if self.code is None else "kvaerno5, tsit5 or auto"
        return f"{reason}, and {name} has no step from there", f"try {instead}"

    def _of_steps(self) -> tuple[str, str]:
        """What ended steps by tolerance."""
        where, when, stiff = self._where, f"at t = {self.time:.6g}", self._stiff
        if self.code == UNDERFLOW:
            least = f"min_step = {self.min_step:g}" if self.min_step else "the least"
            reason = f"the error of state {self.state}{where} forces the step below {least} {when}"
            shorter = "a shorter min_step, " if self.min_step else ""
            return reason, f"try {stiff}{shorter}a looser tolerance, or an end before it"
        if self.code == MAX_STEPS and self.switches:
            reason = (
                f"max_steps are used up {when}{where}, as steps end on each of {self.switches:,} switches"
            )
            return reason, "take more max_steps, or a shorter run"
        if self.code == MAX_STEPS:
            reason = f"max_steps are used up {when}{where}, where state {self.state} has the largest error"
            return reason, f"try {stiff}a looser tolerance, or more max_steps"
        if self.code == OFTEN_UNSOLVED:
            reason = f"max_steps are used up {when}{where}, where longer steps lead to no finite numbers"
            if isinstance(self.compiled.method, Rosenbrock | Auto):
                far = "rates lie further apart than rounding allows, or a formula leaves its domain"
                return reason, f"{far}: try kvaerno5 or radau_iia5, whose iterations mend rounding"
            return reason, f"try {stiff}more max_steps; or does a formula leave its domain?"
        reason = f"however small the step {when}, state {self.state}{where} is no finite number after it"
        advice = "look for a division by zero or the like in its equation, or for a pole of the solution"
        return reason, advice

    def _of_fixed_steps(self) -> tuple[str, str]:
        """What ended fixed steps."""
        compiled, where = self.compiled, self._where
        tolerance = "a method that follows a tolerance (auto; rodas5p where the problem is stiff), "
        if compiled.adaptive:
            tolerance = "a tolerance instead (rtol=1e-6, or --rtol 1e-6), "
        if isinstance(compiled.method, Implicit | Rosenbrock | Auto):
            reason = f"the step to t = {self.time:.6g} has no solution for state {self.state}{where}"
            instead = tolerance if compiled.adaptive else ""
            advice = f"try a smaller dt, {instead}or other parameters"
            return f"{reason}, or none in the finite numbers", advice
        reason = f"state {self.state}{where} left the finite numbers in the step to t = {self.time:.6g}"
        if compiled.is_map:
            return reason, "try other parameters or initial values"
        others = "other parameters or, in a fit, the clip option"
        return reason, f"try a smaller dt, {tolerance}{self._stiff}{others}"


class Status:
    """What happened in a call, per trajectory: `ok` (*batch) bool, `steps` and `rejected`, how many it took.

    With fixed steps, `steps` is one number for all, and none is rejected. `failures` lists the trajectories
    that could not be finished; str() says it in sentences.
    """

    steps: Tensor | int
    rejected: Tensor | int

    def __init__(self, t: Tensor, xs: Tensor, retake: Retake, report: Tensor):
        self.ok = torch.isfinite(xs).flatten(-1).all(-1).all(0)
        self._t, self._xs, self._retake, self._report = t, xs, retake, report
        if retake.steps.tolerance is not None:
            self.steps, self.rejected = report[..., 3].to(torch.long), report[..., 4].to(torch.long)
            self.ok = self.ok & (report[..., 0] == 0)
        else:
            self.steps = retake.count(t) if len(t) else 0
            self.rejected = 0

    @property
    def failures(self) -> list[Failure]:
        """The failure of each trajectory; that of fixed steps is found by taking its steps again."""
        return [self._failure(tuple(index.tolist())) for index in torch.nonzero(~self.ok)]

    def __repr__(self) -> str:
        return f"<Status: {self}>"

    def __str__(self) -> str:
        failed, stiffness = int((~self.ok).sum()), self.stiffness
        rest = [stiffness] if stiffness else []
        if not failed:
            return "; ".join([f"ok: {self._counts()}", *rest])
        shown = [str(self._failure(tuple(index.tolist()))) for index in torch.nonzero(~self.ok)[:3]]
        rest = [f"and {failed - len(shown)} more", *rest] if failed > len(shown) else rest
        several = self.ok.numel() > 1
        what = f"{failed} of {self.ok.numel()} trajectories failed" if several else "the run failed"
        return f"{what}: " + "; ".join(shown + rest)

    def _counts(self) -> str:
        if isinstance(self.steps, int):
            return f"{self.steps} steps"
        if not self.steps.numel():
            return "no trajectory"
        least, most = int(self.steps.min()), int(self.steps.max())
        rejected = int(torch.as_tensor(self.rejected).sum())
        several = f"{least} to {most} steps each" if least < most else f"{most} steps"
        return f"{several}, {rejected} rejected" if rejected else several

    @functools.cached_property
    def stiffness(self) -> str:
        """A sentence where stability rather than the tolerance sets the steps: a stiff problem. Else "".

        If an explicit method took many steps, a few of the longest run are taken again from some of its
        times, to see how h·|λ| stands to the end of its interval of stability. Hairer & Wanner II, IV.2.
        """
        method = self._retake.compiled.method
        if isinstance(self.steps, int) or not isinstance(method, Explicit) or not self.steps.numel():
            return ""
        if self._retake.steps.tolerance is None:
            return ""
        many = self.steps + self.rejected
        if int(many.max()) < max(500, 5 * len(self._t)):
            return ""
        batch = tuple(torch.nonzero(many == many.max())[0].tolist())
        finite = int(torch.isfinite(self._along(batch)).all(-1).sum())
        places = sorted({finite * k // 4 for k in range(4)} - {len(self._t) - 1})
        probes = [self._retake.probe(self._t[[k, -1]], self._along(batch)[k], batch) for k in places]
        found, time = max(probes, default=(0.0, 0.0))
        return sentence(method, found, time) if is_stiff(method, found) else ""

    def _along(self, batch: Batch) -> Tensor:
        """The states (T, n) of one trajectory."""
        place: Any = (slice(None), *batch)
        return self._xs[place]

    def _failure(self, batch: Batch) -> Failure:
        retake, states = self._retake, self._retake.compiled.columns
        cause, pace = retake.cause(batch), retake.steps.tolerance
        if pace is not None:
            code, time, state = self._report[batch][:3].tolist()
            at_start, code = code == NOT_FINITE, int(code)
            unsolved = code in (UNSOLVED, OFTEN_UNSOLVED)
            there = [k for k, when in enumerate(self._t.tolist()) if when == time] if unsolved else []
            steep = retake.steep(time, self._along(batch)[there[0]], batch) if there else None
            place, what = steep or (int(state), "")
            given = retake.compiled, batch, states[place], time, at_start, cause, code, pace.least
            switches = retake.switches(batch) if code == MAX_STEPS else 0
            return Failure(*given, steep=what, switches=switches if _OF_SWITCH * switches > pace.most else 0)
        xs = self._along(batch)
        bad = int(torch.nonzero(~torch.isfinite(xs).all(-1))[0, 0])
        place, time = first_bad(xs[bad]), float(self._t[bad])
        infinite = retake.infinite(self._t[0], xs[0], batch) if bad > 0 and not cause else None
        if infinite is not None:
            name, start = states[infinite], float(self._t[0])
            return Failure(retake.compiled, batch, name, start, True, cause, of_slope=True)
        found = retake.locate(self._t[bad - 1 : bad + 1], xs[bad - 1], batch) if bad > 0 else None
        if found is not None:
            place, time = found.state, found.time
            steep = retake.steep(found.start, found.x, batch)
            if steep is not None:
                name, what = states[steep[0]], steep[1]
                return Failure(retake.compiled, batch, name, found.start, False, cause, steep=what)
        return Failure(retake.compiled, batch, states[place], time, bad == 0, cause)


class Lost(NamedTuple):
    """The fixed step that leads to no finite numbers: the state, its end, its start, the states there."""

    state: int
    time: float
    start: float
    x: Tensor


@dataclass
class Retake:
    """The arguments of a call, to take the steps of one trajectory again."""

    compiled: Compiled
    p: Tensor
    series: Sequence[Tensor]
    steps: Steps
    batch: Sequence[int]
    t: Tensor

    def count(self, t: Tensor) -> Tensor | int:
        """How many fixed steps lie between the times: (*batch) where trajectories switch at their own."""
        if self.compiled.turns is None:
            return mesh(t, self.steps.dt, self._inputs(self.series)).steps
        shares = shares_of(self.compiled.turns, t, self.p, self.series, self.batch)
        u = Series(self.series, self.compiled.input_names) if self.series else None
        counts = [mesh(share.landing.times, self.steps.dt, u).steps for share in shares]
        if min(counts) == max(counts):
            return counts[0]
        every = self.p.new_empty(tuple(self.batch), dtype=torch.long)
        rows = [torch.full_like(share.of(every, 0), k) for share, k in zip(shares, counts)]
        return joined(shares, rows, 0)

    def mesh(self, t: Tensor, batch: Batch, u: Series | None) -> Mesh:
        """The fixed steps of one trajectory between two times."""
        landing = self._landing(batch)
        if landing is not None:
            every, low, high = landing.times, t.min(), t.max()
            t = every[(every >= low) & (every <= high)]
        return mesh(t, self.steps.dt, u)

    def _landing(self, batch: Batch) -> Landing | None:
        """Where one trajectory lands on its switches; None of a model without."""
        if self.compiled.turns is None:
            return None
        p = self.p.expand(*self.batch, self.p.shape[-1])[batch]
        return shares_of(self.compiled.turns, self.t, p, self._series(batch), ())[0].landing

    def switches(self, batch: Batch) -> int:
        """How many switches one trajectory lands on."""
        landing = self._landing(batch)
        return 0 if landing is None else len(landing.switches)

    def _series(self, batch: Batch) -> list[Tensor]:
        """The inputs of one trajectory."""
        series = list(self.series)
        for k, c in enumerate(series[1::2]):
            each = c.reshape(*c.shape[:2], *[1] * (2 + len(self.batch) - c.dim()), *c.shape[2:])
            place: Any = (..., *batch)
            series[2 * k + 1] = each.expand(*c.shape[:2], *self.batch)[place]
        return series

    def _of(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """The parameters and inputs of one trajectory, and behind these what its equations ask for."""
        landing, series = self._landing(batch), self._series(batch)
        series += [] if landing is None else landing.asked
        return self.p.expand(*self.batch, self.p.shape[-1])[batch], series

    def _inputs(self, series: Sequence[Tensor]) -> Series | None:
        own = self.compiled.held
        return Series(series, own.input_names) if own.inputs else None

    def cause(self, batch: Batch) -> str:
        """The parameter or input of one trajectory that is no finite number, as words; "" where none is."""
        p, series = self._of(batch)
        values = zip((name for param in self.compiled.params for name in param.columns), p.tolist())
        wrong = [f"its parameter {name} is {value}" for name, value in values if not math.isfinite(value)]
        pieces = zip(self.compiled.input_names, series[1::2])
        broken = [name for name, c in pieces if bool((c - c != 0).any())]
        wrong += [f"its input {name} is not finite throughout" for name in broken]
        landing = self._landing(batch)
        if landing is not None and landing.lost:
            wrong.append("a time at which its equations switch is no number, or they switch with period 0")
        return wrong[0] if wrong else ""

    def infinite(self, t: Time, x: Tensor, batch: Batch) -> int | None:
        """The first state whose derivative at a time is not finite, else None; None of a map."""
        if self.compiled.is_map:
            return None
        p, series = self._of(batch)
        dx = self.compiled.slope(t, x, p, self._inputs(series))
        return None if bool(torch.isfinite(dx).all()) else first_bad(dx)

    def steep(self, t: float, x: Tensor, batch: Batch) -> tuple[int, str] | None:
        """The first state whose derivative is finite but changes infinitely fast, and with what; else None.

        None of methods that do not ask for ∂f/∂x.
        """
        (p, series), method = self._of(batch), self.compiled.method
        if not isinstance(method, Implicit | Rosenbrock | Auto) or self.infinite(t, x, batch) is not None:
            return None
        u = self._inputs(series)
        found = torch.nonzero(~torch.isfinite(SlopeJacobian(self.compiled.equations)(t, x, p, u)))
        if len(found):
            return int(found[0, 0]), self.compiled.states[int(found[0, 1])]
        rate = None if isinstance(method, Implicit) else SlopeRate(self.compiled.equations)(t, x, p, u)
        return None if rate is None or bool(torch.isfinite(rate).all()) else (first_bad(rate), "the time")

    def locate(self, t: Tensor, x: Tensor, batch: Batch) -> Lost | None:
        """The first step to a number that is not finite, else None."""
        p, series = self._of(batch)
        u, step = self._inputs(series), self.compiled.held.stepper.step
        for interval in self.mesh(t, batch, u).intervals:
            start, h, count = interval
            here = u if u is None or self.compiled.is_map else u.between(start, interval.end)
            for j in range(count):
                x, before = step(x, start + j * h, h, p, here, self.steps.clip), x
                if not torch.isfinite(x).all():
                    return Lost(first_bad(x), start + (j + 1) * h, start + j * h, before)
        return None

    def probe(self, t: Tensor, x: Tensor, batch: Batch) -> tuple[float, float]:
        """h·|λ| after some steps from t[0], for λ the largest decaying eigenvalue of ∂f/∂x, and the time."""
        pace = self.steps.tolerance
        assert pace is not None
        steps = replace(self.steps, tolerance=replace(pace, first=0.0, most=60))
        p, series = self._of(batch)
        kept = self.compiled.held.reference.states(t, x, p, series, steps, ALL).kept[-20:]
        if len(kept) < 20:
            return 0.0, float(t[0])
        u = self._inputs(series)
        stops = landings(t, u, pace.over(numbers(t), self.compiled).dense)[0]
        sizes = [float(row[-2]) * (stops[int(row[-1]) + 1][0] - stops[int(row[-1])][0]) for row in kept]
        a, b = (stops[int(kept[-1, -1]) + k][0] for k in (0, 1))
        time, h = a + (b - a) * float(kept[-1, -3]), sum(sizes) / len(sizes)
        given = (time, kept[-1, :-3], p) if u is None else (time, kept[-1, :-3], p, u(time))
        return reach(self.compiled.equations.jacobian(*given), h), time
