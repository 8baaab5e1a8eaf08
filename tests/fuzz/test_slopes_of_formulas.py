"""Derivatives of random formulas at their singular points, with seeds that stay."""

from __future__ import annotations

import random

import pytest

from .slopes import MOST_LOST, check, formula, points


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 30), *(pytest.param(seed, 200, marks=pytest.mark.slow) for seed in (1, 3))],
)
def test_a_slope_is_right_or_no_number(seed: int, count: int) -> None:
    """Never another number; and few entries are not found."""
    judged, lost = 0, 0
    for index in range(count):
        rng = random.Random(f"{seed}/{index}")
        entries, wrong = check(formula(rng), list(points(rng, 8)))
        assert not [str(entry) for entry in wrong if entry.kind == "wrong"]
        judged, lost = judged + entries, lost + len(wrong)
    assert judged > 50 * count and lost < MOST_LOST * judged


@pytest.mark.parametrize(
    ("written", "n"),
    [
        ("1/(k + z**n)", -1.0),
        ("1/(k + z**n)", -3.0),
        ("exp(-n/(3/z))", 2.0),
        ("exp(-(3/z)**n)", -1.0),
        ("atan(k/z)", 1.0),
        ("exp(-(n/(3/z)))", 2.0),
        ("1/(1 + (k/z)**n)", 0.5),
        ("1/(1 + (k/z)**n)", 1.2),
        ("sqrt(z)*tanh(z)", 1.0),
        ("(tanh(k*(b/z - k))*b)*z**n", 1.0),
        ("b/(k + k/sqrt(z))", 1.0),
        ("max(-(k/z), k)", 1.0),
        ("exp(-k*log(1 + k**z))", 1.0),
        ("sqrt(exp(-(k/z)**2)*log(1 + exp(b*z)))", 1.0),
        ("sqrt(1/sqrt(1 + (k/z)**4)*relu(b/z**2 - k))", 1.0),
    ],
)
def test_limits_at_zero_and_beside(written: str, n: float) -> None:
    at = [{"z": z, "k": 1.7, "b": 2.3, "n": n} for z in (0.0, 1e-80, 1e-4, 0.7)]
    judged, wrong = check(written, at)
    assert judged and not wrong


def test_what_is_decided_by_rounding_alone_is_no_slope() -> None:
    """Beside z = 1e-80, k - (b - z) is z where b and k are equal, but 0 in floating point."""
    at = [{"z": 1e-80, "k": 2.0, "b": b, "n": 1.0} for b in (2.0, 2.5)]
    assert check("relu(k - (b - z))/b", at[:1]) == (0, [])
    assert check("relu(k - (b - z))/b", at)[0] > 0
