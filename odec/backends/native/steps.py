"""One explicit Runge–Kutta step, its adjoint and its tangent, as C over all components of the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from odec.methods import Tableau

Term = tuple[str, str]


@dataclass(frozen=True)
class When:
    """When a stage is: its time, and its c, empty where it is 0."""

    time: str
    c: str


@dataclass(frozen=True)
class Stage:
    """Stage i (number from 1): its time as C, and weighted sums as lists of (coefficient, vector).

    state: of y_i over k_j; cotangent: of w_i over w and v_j, and shares: products with w that are added to
    it as they are; slopes: Σ_j a_ij k_j without h; c: c_i.
    """

    number: int
    time: str
    state: tuple[Term, ...]
    cotangent: tuple[Term, ...]
    shares: tuple[str, ...]
    slopes: tuple[Term, ...]
    c: str


@dataclass(frozen=True)
class Group:
    """Stages with one weight, coefficient, or twice that, so that their slopes are added before it acts.

    share: the name of the product of the coefficient with w in the adjoint; empty for a single stage.
    """

    coefficient: str
    once: tuple[int, ...]
    twice: tuple[int, ...]
    share: str


@dataclass(frozen=True)
class Steps:
    """What templates/native/step.c.jinja needs of a tableau.

    coefficients: name and value of each a_ij and of each of the different b_i; groups: the stages by their
    h·b_i; plain_weights: (b_i, k_i), without h; error: those of the error estimate, without h; error3: those
    of a second one of lower order.
    """

    stages: tuple[Stage, ...]
    coefficients: tuple[Term, ...]
    groups: tuple[Group, ...]
    plain_weights: tuple[Term, ...]
    error: tuple[Term, ...]
    error3: tuple[Term, ...]


def c_steps(tableau: Tableau) -> Steps:
    """The sums of a tableau's steps. Adjoint: Hager, Numer. Math. 87 (2000) 247–282."""
    a, b, s = tableau.a, tableau.b, tableau.stages
    groups = _groups(b)
    stages = tuple(
        Stage(
            number=i + 1,
            time=stage_time(tableau.c[i]),
            state=_terms(a[i], f"a{i + 1}", "k"),
            cotangent=(*_own(groups, i + 1), *_pulled(a, i, s)),
            shares=_shares(groups, i + 1),
            slopes=tuple((plain(f"a{i + 1}{j + 1}", v), f"k{j + 1}") for j, v in enumerate(a[i]) if v),
            c=coefficient(tableau.c[i]) if tableau.c[i] else "",
        )
        for i in range(s)
    )
    rows = [(f"a{i + 1}{j + 1}", a[i][j]) for i in range(s) for j in range(i)]
    rows += [(f"b{i + 1}", b[i]) for i in range(s) if b.index(b[i]) == i]
    return Steps(
        stages=stages,
        coefficients=tuple((name, coefficient(value)) for name, value in rows if value),
        groups=groups,
        plain_weights=tuple((plain(f"b{b.index(v) + 1}", v), f"k{i + 1}") for i, v in enumerate(b) if v),
        error=tuple((coefficient(v), f"k{i + 1}") for i, v in enumerate(tableau.error) if v),
        error3=tuple((coefficient(v), f"k{i + 1}") for i, v in enumerate(tableau.error3) if v),
    )


def _groups(b: Sequence[Fraction]) -> tuple[Group, ...]:
    """The stages by their weights, in the order of the stages.

    Equal weights leave one product, where every processor has an addition for the price of a fused
    multiply–add, and some have adders of their own beside the multipliers.
    """
    stages: dict[Fraction, list[int]] = {}
    for i, weight in enumerate(b):
        if weight:
            stages.setdefault(weight, []).append(i + 1)
    found = []
    while stages:
        weight = min(stages, key=abs)
        once, twice = stages.pop(weight), stages.pop(2 * weight, [])
        share = f"w{once[0]}" if len(once) + len(twice) > 1 else ""
        found.append(Group(f"b{once[0]}", tuple(once), tuple(twice), share))
    return tuple(sorted(found, key=lambda group: group.once))


def _own(groups: Sequence[Group], stage: int) -> list[Term]:
    """What of a stage's weight acts on w in its cotangent itself."""
    return [(group.coefficient, "w") for group in groups if not group.share and stage in group.once]


def _shares(groups: Sequence[Group], stage: int) -> tuple[str, ...]:
    """The shared products with w in a stage's cotangent."""
    found = [[group.share] * (group.once.count(stage) + 2 * group.twice.count(stage)) for group in groups]
    return tuple(name for names in found for name in names if name)


def plain(name: str, value: Fraction) -> str:
    """A coefficient without h, by its name; 1 stays what it is, so that sums leave it out."""
    return "1.0" if value == 1 else f"plain_{name}"


def stage_time(c: Fraction) -> str:
    """The time of a stage, t + c h, as C."""
    if c == 0:
        return "t"
    return "t + h" if c == 1 else f"t + {coefficient(c)}*h"


def _terms(row: Sequence[Fraction], name: str, vector: str) -> tuple[Term, ...]:
    return tuple((f"{name}{j + 1}", f"{vector}{j + 1}") for j, value in enumerate(row) if value)


def _pulled(a: Sequence[Sequence[Fraction]], i: int, s: int) -> list[Term]:
    return [(f"a{j + 1}{i + 1}", f"v{j + 1}") for j in range(i + 1, s) if a[j][i]]


def coefficient(value: Fraction) -> str:
    """A coefficient as a C double: a quotient of small integers, else 17 digits."""
    if value.denominator == 1:
        text = f"{value.numerator}.0"
    elif value.denominator < 10**6:
        text = f"{abs(value.numerator)}.0/{value.denominator}"
        text = f"-{text}" if value < 0 else text
    else:
        text = repr(float(value))
    return f"({text})" if value < 0 or "/" in text else text
