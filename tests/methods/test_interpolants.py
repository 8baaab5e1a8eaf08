"""Interpolants fulfil every continuous order condition that their order claims, and meet the step's ends."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from mpmath import log, mpf
from reference import Logistic, Witch, _sum, implicit_stages, number, rosenbrock_stages
from rooted_trees import defect_of, elementary

from odec.methods import AUTO, METHODS, tableau
from odec.methods.interpolant import hermite, powers
from odec.methods.listing import detail

DENSE = [m for m in METHODS.values() if m.dense_order]
ORDERS = {"heun21": 2, "fehlberg2": 2, "bosh3": 3, "dopri5": 4, "tsit5": 4}
ORDERS |= {"dop853": 7, "vern7": 7, "vern9": 9}
ORDERS |= {"rosenbrock23": 2, "rodas4": 3, "rodas5p": 4}
ORDERS |= {"backward_euler": 1, "trbdf2": 2, "radau_iia5": 3}
VISIBLE = Fraction(1, 10**6)
PLACES = [Fraction(1, 7), Fraction(1, 2), Fraction(22, 25)]


def slopes(method):
    """Square α (with every slope of the interpolant a stage), β of Rosenbrock methods, and the weights."""
    if method.family == "rosenbrock":
        alpha, gammas, *_ = method.plain()
        beta = [[x + y for x, y in zip(left, right)] for left, right in zip(alpha, gammas)]
        return alpha, beta, method.plain_dense()
    rows = [*method.a, method.b, *method.dense.a][: len(method.dense.weights)]
    zero = [Fraction(0)] * len(rows)
    return [[*row, *zero[len(row) :]] for row in rows], None, method.dense


def scaled_defect(method, theta, sizes, phi):
    """The largest |Σ b_i(θ) φ_i - θ^q/γ| over the trees of q vertices, q in sizes."""
    weights = slopes(method)[2].at(theta)
    return max(theta**q * defect_of([w / theta**q for w in weights], [q], phi) for q in sizes)


def test_these_methods_have_one():
    assert {m.name: m.dense_order for m in DENSE} == ORDERS
    assert AUTO.dense_order == 4 and METHODS["adams"].dense_order == METHODS["kvaerno5"].dense_order == 0


@pytest.mark.parametrize("method", DENSE, ids=lambda m: m.name)
def test_continuous_order_conditions_hold_up_to_the_order_and_no_further(method):
    tolerance = 1000 * max(method.dense.tolerance, Fraction(1, 10**30))
    phi = elementary(*slopes(method)[:2])
    for theta in PLACES:
        assert scaled_defect(method, theta, range(1, method.dense_order + 1), phi) <= tolerance
    assert max(scaled_defect(method, theta, [method.dense_order + 1], phi) for theta in PLACES) > VISIBLE


@pytest.mark.parametrize("method", DENSE, ids=lambda m: m.name)
def test_the_polynomial_meets_both_ends(method):
    b = method.m if method.family == "rosenbrock" else method.b
    weights = method.dense.at(Fraction(1))
    last = [*b, *[0] * (len(weights) - len(b))]
    assert max(abs(x - y) for x, y in zip(weights, last)) <= max(method.dense.tolerance, Fraction(1, 10**12))
    assert not any(method.dense.at(Fraction(0)))


@pytest.mark.parametrize("name", ["bosh3", "dopri5", "tsit5", "dop853", "vern7", "vern9"])
def test_slopes_of_explicit_methods_go_on_from_step_to_step(name):
    """At its ends the polynomial has the slopes of the equation there: k_1, and that at x_next."""
    method = METHODS[name]
    for theta, own in ((0, 0), (1, method.stages)):
        rates = [sum((j + 1) * theta**j * w for j, w in enumerate(row)) for row in method.dense.weights]
        assert max(abs(rate - (i == own)) for i, rate in enumerate(rates)) < Fraction(1, 10**12)


@pytest.mark.parametrize("equation", [Logistic, Witch], ids=["autonomous", "non-autonomous"])
@pytest.mark.parametrize("method", DENSE, ids=lambda m: m.name)
def test_the_local_error_shrinks_at_the_order(method, equation):
    """Halving the step divides the largest error of the states within it by 2^(order + 1)."""
    t, exact = mpf("0.3"), equation.solution
    parts = 512 if method.family == "implicit" else 64 if method.dense_order < 9 else 16
    errors = [
        max(abs(within(method, equation, t, exact(t), h, k) - exact(t + number(k) * h)) for k in PLACES)
        for h in (mpf(1) / parts, mpf(1) / (2 * parts))
    ]
    slope = log(errors[0] / errors[1], 2)
    assert slope > method.dense_order + 1 - 0.15, f"measured {float(slope):.3f}"


def within(method, equation, t, x, h, theta):
    """The state at t + θ h by the step from x at t."""
    weights = method.dense.at(theta)
    if method.family == "rosenbrock":
        return x + _sum(weights, rosenbrock_stages(method, equation, t, x, h))
    if method.family == "implicit":
        return x + h * _sum(weights, implicit_stages(method, equation, t, x, h))
    k = []
    rows = [*method.a, method.b, *method.dense.a][: len(weights)]
    for row, node in zip(rows, [*method.c, Fraction(1), *method.dense.c]):
        k.append(equation.f(t + number(node) * h, x + h * _sum(row, k)))
    return x + h * _sum(weights, k)


@pytest.mark.parametrize(
    ("dense", "problem"),
    [
        (powers(1, "1; 0; 0; 0", ""), "needs weights for 3 slopes"),
        (powers(1, "1; 1", ""), "the interpolant's weight 0 at 1 is 1.0, not 1/2"),
        (powers(1, "1 -1/2; 0 1/2", ""), ""),
        (powers(2, "1/2; 1/2", ""), "the interpolant's Σ b_i(θ) c_i is not θ²/2"),
        (powers(2, "1 -1/2; 0 1", ""), "the interpolant's weight 1 at 1 is 1.0, not 1/2"),
        (powers(2, "1 -1/2; 0", ""), "need one degree"),
    ],
)
def test_a_wrong_interpolant_is_refused(dense, problem):
    if not problem:
        assert tableau("right", 2, "1", "1/2 1/2", "", dense=dense).dense_order == 1
        return
    with pytest.raises(ValueError, match=re.escape(problem)):
        tableau("wrong", 2, "1", "1/2 1/2", "", dense=dense)


def test_rosenbrock_interpolants_are_checked_too():
    method = METHODS["rodas4"]
    weights = ((*method.dense.weights[0][:-1], Fraction(1)), *method.dense.weights[1:])
    with pytest.raises(ValueError, match="coefficients 'rodas4': the interpolant's weight 0 at 1"):
        replace(method, dense=replace(method.dense, weights=weights))
    with pytest.raises(ValueError, match="needs weights for 6 stages"):
        replace(method, dense=replace(method.dense, weights=weights[1:]))
    with pytest.raises(ValueError, match="ros3p has no interpolant"):
        METHODS["ros3p"].plain_dense()


def test_it_is_told_of_adaptive_methods():
    assert dict(detail(METHODS["dop853"]))["dense output"] == "of order 7"
    assert dict(detail(METHODS["ros3p"]))["dense output"] == "none"
    assert "dense output" not in dict(detail(METHODS["rk4"]))
    assert hermite(3)(METHODS["bosh3"].b) == METHODS["bosh3"].dense
