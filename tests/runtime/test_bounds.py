"""Bounds of parameters: which values belong to them."""

import math

import pytest
import torch

from odec.runtime.compiled import Param
from odec.runtime.parameters import check_inside


@pytest.mark.parametrize(
    ("ends", "inside"),
    [("()", []), ("[)", [1.0]), ("(]", [3.0]), ("[]", [1.0, 3.0])],
    ids=lambda one: str(one),
)
def test_ends_belong_to_an_interval_where_its_brackets_say_so(ends, inside):
    param = Param("k", 2.0, 1.0, 3.0, ends, "none")
    for value in (1.0, 1.0000001, 2.0, 3.0, 2.9999999):
        values = torch.tensor([2.0, value], dtype=torch.float64)
        if value in inside or 1 < value < 3:
            check_inside(param, values)
        else:
            with pytest.raises(ValueError, match=f"k = {value:g} lies outside its interval"):
                check_inside(param, values)


@pytest.mark.parametrize("value", [0.5, 3.5, math.nan, math.inf, -math.inf])
def test_what_lies_beyond_or_is_no_number_is_refused(value):
    for lower, upper in ((1.0, 3.0), (-math.inf, math.inf)):
        param = Param("k", 2.0, lower, upper, "[]", "none")
        if lower < value < upper:
            continue
        with pytest.raises(ValueError, match=f"k = {value:g} lies outside its interval"):
            check_inside(param, torch.tensor([[value]], dtype=torch.float64))
