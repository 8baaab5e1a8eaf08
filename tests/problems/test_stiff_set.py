"""The stiff set: at the end the error stays within 10 tolerances (100 for E5 and the ring modulator)."""

from itertools import product

import pytest
from problem_set import STIFF
from solved import final_units
from tiers import slow_but

TOLERANCES = (1e-3, 1e-6, 1e-9)
QUICK = ("hires", "rober", "vdpol_1e6")
"""Those that `make test` solves by methods beside rodas5p."""
BARS = {"stiff_e5": 100, "ring_modulator": 100}


@pytest.mark.parametrize(
    ("name", "rtol"), slow_but(product(STIFF, TOLERANCES), lambda name, _: name != "ring_modulator")
)
def test_rodas5p(name, rtol):
    assert final_units(name, "rodas5p", rtol, "native") < BARS.get(name, 10)


@pytest.mark.parametrize(
    ("name", "method", "rtol"),
    slow_but(
        product([n for n in STIFF if n != "ring_modulator"], ["kvaerno5", "radau_iia5"], TOLERANCES),
        lambda name, *_: name in QUICK,
    ),
)
def test_methods_that_iterate(method, name, rtol):
    """kvaerno5 by the plain difference of its two results: a filter would leave HIRES 110 tolerances off."""
    assert final_units(name, method, rtol, "native") < 10


@pytest.mark.parametrize(
    ("name", "method"),
    slow_but(
        product(["hires", "orego"], ["sdirk2", "kvaerno3", "kvaerno4", "rodas4"]),
        lambda name, method: name == "hires" and method in ("sdirk2", "kvaerno4"),
    ),
)
def test_lower_orders(method, name):
    """The two on which they err most; all problems are in benchmarks/results/accuracy.md."""
    assert final_units(name, method, 1e-6, "native") < 10


@pytest.mark.slow
def test_errors_of_steps_add_up_where_the_estimate_is_that_of_the_result():
    """By order 1 or 2: at a hundredth of the tolerance a tenth, or a twentieth, of the error."""
    for method, ratio in (("backward_euler", 10), ("trbdf2", 21.5), ("rosenbrock23", 21.5)):
        errors = [rtol * final_units("pollu", method, rtol, "native") for rtol in (1e-6, 1e-8)]
        assert 0.7 * ratio < errors[0] / errors[1] < 1.5 * ratio


@pytest.mark.parametrize(
    ("method", "rtol"),
    slow_but(
        product(["rosenbrock23", "ros3p", "rodas4", "rodas5p", "auto"], TOLERANCES[:2]),
        lambda method, _: method in ("ros3p", "rodas5p"),
    ),
)
def test_pyrolysis(method, rtol):
    """E5, where y2 - y3 - y4 = 0 must hold to 1e-23, and linear solves round it by 1e-20."""
    assert final_units("stiff_e5", method, rtol, "native") < 20


@pytest.mark.parametrize(
    "name", slow_but(zip([n for n in STIFF if n != "ring_modulator"]), lambda name: name in QUICK)
)
def test_torch(name):
    assert final_units(name, "rodas5p", 1e-3) < BARS.get(name, 10)


@pytest.mark.parametrize(
    ("name", "rtol"), slow_but(product(STIFF, TOLERANCES), lambda name, _: name in QUICK)
)
def test_auto(name, rtol):
    assert final_units(name, "auto", rtol, "native") < BARS.get(name, 10)


@pytest.mark.parametrize("name", slow_but(zip([*QUICK, "b5", "c3"]), lambda name: name in ("rober", "c3")))
def test_auto_torch(name):
    assert final_units(name, "auto", 1e-3) < 10


@pytest.mark.slow
def test_kvaerno5_on_the_circuit_that_it_misses():
    """It oscillates thousands of times, so that errors of 57,000 steps add up; see docs/which-method.md."""
    assert 100 < final_units("ring_modulator", "kvaerno5", 1e-6, "native") < 1000
