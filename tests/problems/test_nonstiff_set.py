"""Non-stiff DETEST: at the end the error stays within 10 tolerances, by vern7 and by vern9."""

import pytest
from problem_set import DETEST
from solved import final_units

TOLERANCES = (1e-3, 1e-6, 1e-9)


@pytest.mark.parametrize("rtol", TOLERANCES)
@pytest.mark.parametrize("method", ["vern7", "vern9"])
@pytest.mark.parametrize("name", DETEST)
def test_all_within_ten(name, method, rtol):
    assert final_units(name, method, rtol) < 10


@pytest.mark.parametrize("name", [name for name in DETEST if name[0] != "d"])
def test_tsit5(name):
    assert final_units(name, "tsit5", 1e-6) < 10


@pytest.mark.parametrize("name", ["a3", "b4", "c5", "d5", "e2"])
def test_vern9_native(name):
    for rtol in TOLERANCES:
        assert final_units(name, "vern9", rtol, "native") < 10
