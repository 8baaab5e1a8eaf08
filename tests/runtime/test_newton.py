"""Newton's iteration of implicit stages."""

import math

import pytest
import torch

from odec.runtime.reference.newton import Change, is_steep, root

D = torch.float64


def newton(function, slope):
    """The correction of an equation function(k) = 0 of one unknown."""

    def correction(k):
        return Change(-function(k) / slope(k), k, is_steep(slope(k).unsqueeze(-1)))

    return correction


def test_a_root_is_found_to_rounding():
    start = torch.tensor([[0.1], [3.0]], dtype=D)
    found = root(newton(lambda k: k - torch.cos(k), lambda k: 1 + torch.sin(k)), start, 1.0, False)
    assert found.flatten().tolist() == pytest.approx([0.7390851332151607] * 2, rel=4e-16)


@pytest.mark.parametrize("steep", [1e2, 1e4])
def test_a_root_of_strong_curvature_is_found_to_rounding(steep):
    def function(k):
        return torch.expm1(steep * (k - 1))

    start = torch.tensor([[1 + 1 / steep]], dtype=D)
    found = root(newton(function, lambda k: steep * (function(k) + 1)), start, 1.0, False)
    assert float(found) == pytest.approx(1.0, abs=1e-15)


def test_no_root_gives_nan_there_alone():
    shift = torch.tensor([[1.0], [-4.0]], dtype=D)
    found = root(
        newton(lambda k: k * k + shift, lambda k: 2 * k), torch.full((2, 1), 1.7, dtype=D), 1.0, False
    )
    assert math.isnan(found[0]) and float(found[1]) == 2.0


def test_a_cycle_gives_nan():  # Newton's iteration of k³ - 2k + 2 goes from 0 to 1 and back
    found = root(
        newton(lambda k: k**3 - 2 * k + 2, lambda k: 3 * k**2 - 2), torch.zeros(1, 1, dtype=D), 1.0, False
    )
    assert math.isnan(found)


def test_the_derivative_is_that_of_the_implicit_function():
    a = torch.tensor([[2.0]], dtype=D, requires_grad=True)
    found = root(newton(lambda k: k * k - a, lambda k: 2 * k), torch.ones(1, 1, dtype=D), 1.0, False)
    (first,) = torch.autograd.grad(found.sum(), a, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), a)
    assert float(first) == pytest.approx(0.5 / math.sqrt(2), rel=1e-14)
    assert float(second) == pytest.approx(-0.25 / 2**1.5, rel=1e-13)
