"""What coefficients do: measured orders, of the method and of its error estimate, and stability."""

import cmath
from dataclasses import replace

import pytest
from mpmath import log, mpf
from reference import Logistic, Sine, Witch, solve, step

from odec.methods import METHODS
from odec.methods.stability import real_interval, stability, stability_function

ONE_STEP = [m for m in METHODS.values() if m.family != "multistep"]
NAMED = {"ids": lambda m: m.name}


def equation_of(problem, method):
    """A problem on which the leading term of the method's error does not vanish."""
    if problem == "autonomous":
        return Logistic
    return Sine if method.order == 9 else Witch


@pytest.mark.parametrize(("problem", "backwards"), [("autonomous", True), ("non-autonomous", False)])
@pytest.mark.parametrize("method", ONE_STEP, **NAMED)
def test_measured_order(method, problem, backwards):
    equation = equation_of(problem, method)
    start, stop = equation.span[::-1] if backwards else equation.span
    counts = {1: (256, 512), 7: (160, 320)}.get(method.order, (80, 160))
    errors = [
        abs(solve(method, equation, start, stop, equation.solution(start), n) - equation.solution(stop))
        for n in counts
    ]
    slope = log(errors[0] / errors[1], 2)
    assert abs(slope - method.order) < 0.15, f"measured {float(slope):.3f}"


@pytest.mark.parametrize("equation", [Logistic, Sine])
@pytest.mark.parametrize("method", [m for m in ONE_STEP if m.adaptive], **NAMED)
def test_the_error_estimate_shrinks_at_its_order(method, equation):
    t = mpf("0.7")
    errors = [abs(step(method, equation, t, equation.solution(t), 1 / mpf(n))[1]) for n in (64, 128)]
    slope = log(errors[0] / errors[1], 2)
    assert abs(slope - (method.error_order + 1)) < 0.15, f"measured {float(slope):.3f}"


STIFF = [m for m in ONE_STEP if m.family != "explicit"]
AXIS = [10**exponent for exponent in (k / 8 for k in range(-24, 41))]


@pytest.mark.parametrize("method", STIFF, **NAMED)
def test_stiff_methods_are_as_stable_as_they_claim(method):
    """|R| ≤ 1 on the imaginary axis and no pole on the left: A-stable; R(∞) = 0 besides: L-stable."""
    assert max(abs(stability_function(method, 1j * y)) for y in AXIS) < 1 + 1e-12
    for angle in (0.5, 0.6, 0.75, 0.9, 1):
        rays = (y * cmath.exp(1j * cmath.pi * angle) for y in AXIS)
        assert max(abs(stability_function(method, z)) for z in rays) < 1 + 1e-12
    at_infinity = abs(stability_function(method, -1e7))
    kind, _, claimed = stability(method).partition(", |R(∞)| = ")
    assert kind in ("L-stable", "A-stable") and (kind == "L-stable") != bool(claimed)
    assert at_infinity == pytest.approx(float(claimed or 0), abs=5e-3 if claimed != "1" else 1e-5)


@pytest.mark.parametrize("name", ["kvaerno3", "kvaerno4", "kvaerno5"])
def test_estimates_by_a_difference_of_results_are_not_too_small(name):
    """On x' = λx with |hλ| ≤ 2 the error of x_next is within 5 % of the estimate or below it."""
    method = METHODS[name]
    weights = tuple(b - e for b, e in zip(method.b, method.error, strict=True))
    embedded = replace(method, order=method.error_order, b=weights, error=(), error_order=0)
    for size in (0.1, 0.3, 0.6, 1.0, 1.5, 2.0):
        for angle in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            z = size * cmath.exp(1j * cmath.pi * angle)
            next_x = stability_function(method, z)
            assert abs(next_x - cmath.exp(z)) < 1.05 * abs(next_x - stability_function(embedded, z))


def test_the_estimate_of_fehlberg2_is_not_too_small():
    """Without its margin the error of x_next on x' = λx is 85 |hλ| times the estimate."""
    method = METHODS["fehlberg2"]
    weights = tuple(b - e for b, e in zip(method.b, method.error, strict=True))
    embedded = replace(method, order=1, b=weights, error=(), error_order=0, dense=None)
    for size in (0.1, 0.3, 0.6):
        for angle in (0.0, 0.25, 0.5, 0.75, 1.0):
            z = size * cmath.exp(1j * cmath.pi * angle)
            next_x = stability_function(method, z)
            error, estimate = abs(next_x - cmath.exp(z)), abs(next_x - stability_function(embedded, z))
            assert estimate / 10 < error < estimate


@pytest.mark.parametrize(
    ("method", "known"), [("euler", 2), ("heun2", 2), ("rk4", 2.78), ("bosh3", 2.51), ("dopri5", 3.3)]
)
def test_intervals_of_explicit_methods(method, known):
    assert real_interval(METHODS[method]) == pytest.approx(known, abs=0.011)


def test_nodes_of_gauss_are_those_of_the_quadrature():
    """A widely used library has a Gauss method whose nodes are wrong: order 1 where time enters."""
    for name, distance in (("gauss_legendre4", 3**0.5 / 6), ("gauss_legendre6", 15**0.5 / 10)):
        nodes = [float(c) for c in METHODS[name].c]
        assert (nodes[0], nodes[-1]) == pytest.approx((0.5 - distance, 0.5 + distance), abs=1e-15)
        assert sum(nodes) == pytest.approx(len(nodes) / 2, abs=1e-15)
