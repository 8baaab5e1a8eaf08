"""Sums and shapes of tensors."""

import pytest
import torch

from odec.runtime.tensors import sum_to


@pytest.mark.parametrize("shape", [(2,), (1, 2), (5, 2), (1, 1, 2), (4, 1, 2), (1, 5, 2), (4, 5, 2)])
def test_a_gradient_is_summed_over_every_axis_along_which_its_tensor_was_repeated(shape):
    value = torch.arange(40, dtype=torch.float64).reshape(4, 5, 2)
    given = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    (wanted,) = torch.autograd.grad((given.expand(4, 5, 2) * value).sum(), given)
    found = sum_to(value, shape)
    assert found.shape == shape and torch.equal(found, wanted)
