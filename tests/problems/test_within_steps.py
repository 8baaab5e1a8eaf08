"""Outputs within steps keep the tolerance as well as the steps' ends do: within 10, or 3 times those."""

from itertools import product

import pytest
from tiers import slow_but
from within import SETS, errors_within

EXPLICIT, STIFF = ("tsit5", "dopri5", "dop853", "vern7", "auto"), ("rodas4", "rodas5p", "radau_iia5", "auto")
CASES = [*product([*SETS["all but orbits"], *SETS["orbits"]], EXPLICIT), *product(SETS["stiff"], STIFF)]
QUICK = {("c2", "dop853"), ("a3", "auto"), ("e5", "tsit5"), ("hires", "rodas4")}
LOOSER = {"stiff_e5": 40}
"""Of E5, whose states fall through twenty decades, polynomials of order 3 in ever longer steps."""


@pytest.mark.parametrize(("name", "method"), slow_but(CASES, lambda *case: case in QUICK))
@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
def test_an_output_within_a_step_is_as_good_as_a_steps_end(name, method, rtol):
    found = errors_within(name, method, rtol)
    assert found is not None
    assert found.within < max(LOOSER.get(name, 10), 3 * found.ends), found
