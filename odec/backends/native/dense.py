"""The polynomial between the ends of a step, as C: x(t + θ h) = x + Σ_m θ^m q_m."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from odec.backends.native.steps import coefficient, stage_time
from odec.methods import Implicit, Rosenbrock, Tableau

Term = tuple[str, str]


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
    slopes: tuple[Term, ...]
    inside: tuple[Term, ...]


@dataclass(frozen=True)
class Dense:
    """What the templates need of a method's polynomial.

    powers: q_m, without h, over the k_i; extra: the stages after the method's own, the first of them the
    slope at x_next; coefficients: names and values of their a_ij; shares: what each of the method's own
    stages gets, without h, over g_m = Σ θ^m w of the outputs within the step and over v_j of extra stages.
    """

    powers: tuple[tuple[Term, ...], ...]
    extra: tuple[ExtraStage, ...]
    coefficients: tuple[Term, ...]
    shares: tuple[tuple[Term, ...], ...]

    @property
    def degree(self) -> int:
        return len(self.powers)

    @property
    def beside(self) -> tuple[ExtraStage, ...]:
        """The extra stages but for the slope at the end."""
        return self.extra[1:]


def dense_steps(
    method: Tableau | Rosenbrock | Implicit,
    number: Callable[[Fraction], str] = coefficient,
    ahead: int = 0,
) -> Dense | None:
    """The polynomial of a method, None where it has none.

    number: how a coefficient is spelled; ahead: how many stages stand before the method's own.
    """
    dense = method.dense
    if dense is None:
        return None
    weights, s = dense.weights, method.stages
    rows = [(s + 2 + i, row) for i, row in enumerate(dense.a)]

    def share(i: int) -> tuple[Term, ...]:
        own = [(number(value), f"g[{m}]") for m, value in enumerate(weights[i]) if value]
        later = [(number(row[i]), f"v{at}") for at, row in rows if i < len(row) and row[i]]
        return (*own, *later)

    extra = [ExtraStage(s + 1, "t + h", "1.0", True, (), (), share(s))] if len(weights) > s else []
    extra += [
        ExtraStage(
            number=at,
            time=stage_time(c),
            c=number(c),
            end=False,
            state=tuple((f"a{at}{j + 1}", f"k{j + 1}") for j, value in enumerate(row) if value),
            slopes=_over(row, number),
            inside=share(at - 1),
        )
        for (at, row), c in zip(rows, dense.c, strict=True)
    ]
    return Dense(
        powers=tuple(_over(column, number, ahead) for column in zip(*weights, strict=True)),
        extra=tuple(extra),
        coefficients=tuple(
            (f"a{at}{j + 1}", number(value)) for at, row in rows for j, value in enumerate(row) if value
        ),
        shares=(*[()] * ahead, *(share(i) for i in range(s))),
    )


def _over(row: Sequence[Fraction], number: Callable[[Fraction], str], ahead: int = 0) -> tuple[Term, ...]:
    return tuple((number(value), f"k{i + 1}") for i, value in enumerate(row, ahead) if value)
