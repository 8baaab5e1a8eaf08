"""The polynomial between the ends of a step, as C: x(t + θ h) = x + Σ_m θ^m q_m."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from odec.backends.native.steps import Term, coefficient, stage_time
from odec.methods import Implicit, Rosenbrock, Tableau


@dataclass(frozen=True)
class ExtraStage:
    """A stage that only the polynomial needs, as steps.Stage has it; inside: its cotangent, as Dense.shares.

    end: whether it is the slope at the step's end, whose state is x_next.
    """

    number: int
    time: str
    c: str
    end: bool
    state: tuple[Term, ...]
    inside: tuple[Term, ...]


@dataclass(frozen=True)
class Dense:
    """What the templates need of a method's polynomial.

    powers: q_m, without h, over the k_i; extra: the stages after the method's own, the first of them the
    slope at x_next; coefficients: names and values of their a_ij and of the b_mi of q_m = h Σ b_mi k_i;
    shares: what each of the method's own stages gets, without h, over g_m = Σ θ^m w of the outputs within the
    step and over v_j of extra stages.
    """

    powers: tuple[tuple[Term, ...], ...]
    extra: tuple[ExtraStage, ...]
    coefficients: tuple[Term, ...]
    shares: tuple[tuple[Term, ...], ...]
    excess: int

    @property
    def degree(self) -> int:
        return len(self.powers)

    @property
    def beside(self) -> tuple[ExtraStage, ...]:
        """The extra stages but for the slope at the end."""
        return self.extra[1:]


def dense_steps(method: Tableau | Rosenbrock | Implicit, ahead: int = 0) -> Dense | None:
    """The polynomial of a method, None where it has none. ahead: the stages before the method's own."""
    dense = method.dense
    if dense is None:
        return None
    weights, s = dense.weights, method.stages
    rows = [(s + 2 + i, row) for i, row in enumerate(dense.a)]
    columns = tuple(zip(*weights, strict=True))
    entries = [(m, i, v) for m, column in enumerate(columns) for i, v in enumerate(column)]

    def name(m: int, i: int, value: Fraction) -> str:
        return "1.0" if value == 1 else f"b{m + 1}_{i + 1 + ahead}"

    def share(i: int) -> tuple[Term, ...]:
        own = [(name(m, i, value), f"g[{m}]") for m, value in enumerate(weights[i]) if value]
        later = [(f"a{at}{i + 1}", f"v{at}") for at, row in rows if i < len(row) and row[i]]
        return (*own, *later)

    extra = [ExtraStage(s + 1, "t + h", "1.0", True, (), share(s))] if len(weights) > s else []
    extra += [
        ExtraStage(
            number=at,
            time=stage_time(c),
            c=coefficient(c),
            end=False,
            state=tuple((f"a{at}{j + 1}", f"k{j + 1}") for j, value in enumerate(row) if value),
            inside=share(at - 1),
        )
        for (at, row), c in zip(rows, dense.c, strict=True)
    ]
    return Dense(
        powers=tuple(
            tuple((name(m, i, v), f"k{i + 1 + ahead}") for i, v in enumerate(column) if v)
            for m, column in enumerate(columns)
        ),
        extra=tuple(extra),
        coefficients=(
            *((f"a{at}{j + 1}", coefficient(v)) for at, row in rows for j, v in enumerate(row) if v),
            *((name(m, i, v), coefficient(v)) for m, i, v in entries if v not in (0, 1)),
        ),
        shares=(*[()] * ahead, *(share(i) for i in range(s))),
        excess=dense.excess,
    )
