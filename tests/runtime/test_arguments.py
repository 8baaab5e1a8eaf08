"""Times that a dtype cannot tell apart."""

import pytest
import torch

from odec.runtime.arguments import vector_of_times

SINGLE = torch.zeros(1, dtype=torch.float32)


@pytest.mark.parametrize(
    ("times", "fits"),
    [
        ([1e5, 1e5 + 1], True),
        ([1e5, 1e5 + 0.2], True),  # 0.0078 apart lie float32's numbers there: 0.2 becomes 0.203
        ([1e5, 1e5 + 0.02], False),
        ([1e7, 1e7 + 0.4], False),
        ([2.0**24, 2.0**24 + 1], False),
        ([0.0, 1e-30], True),
    ],
)
def test_single_precision_must_tell_times_apart_to_a_tenth(times, fits):
    if fits:
        assert vector_of_times(times, SINGLE).tolist() == torch.tensor(times).tolist()
        return
    with pytest.raises(ValueError, match="float32 is too coarse for the times .* count the time from"):
        vector_of_times(times, SINGLE)


def test_times_in_double_precision_are_held_against_themselves():
    exact = torch.tensor([1e7, 1e7 + 0.4], dtype=torch.float64)
    assert torch.equal(vector_of_times(exact, exact), exact)
    with pytest.raises(ValueError, match="too coarse for the times 10000000.0 and 10000000.4"):
        vector_of_times(exact, SINGLE)
