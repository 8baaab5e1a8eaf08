"""Non-stiff DETEST: at the end the error stays within 10 tolerances, by vern7 and by vern9."""

from itertools import cycle, product

import pytest
from problem_set import DETEST
from solved import final_units
from tiers import slow_but

TOLERANCES = (1e-3, 1e-6, 1e-9)


CASES = list(product(DETEST, ["vern7", "vern9"], TOLERANCES))
QUICK = set(zip([name for name in DETEST if name[1] == "5"], cycle(["vern7", "vern9"]), cycle(TOLERANCES)))


@pytest.mark.parametrize(("name", "method", "rtol"), slow_but(CASES, lambda *case: case in QUICK))
def test_all_within_ten(name, method, rtol):
    assert final_units(name, method, rtol) < 10


@pytest.mark.parametrize(
    "name", slow_but(zip([name for name in DETEST if name[0] != "d"]), lambda name: name[1] == "5")
)
def test_tsit5(name):
    assert final_units(name, "tsit5", 1e-6) < 10


@pytest.mark.parametrize(
    "name", slow_but(zip(["a3", "b4", "c5", "d5", "e2"]), lambda name: name in ("a3", "d5"))
)
def test_vern9_native(name):
    for rtol in TOLERANCES:
        assert final_units(name, "vern9", rtol, "native") < 10
