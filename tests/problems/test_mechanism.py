"""SAPRC-99: 74 species and 210 reactions on the native engine, beside a reading of them as arrays."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import odec

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.mechanism import ATOL, MODEL, RTOL, errors, network  # noqa: E402


@pytest.mark.slow
def test_a_day_of_a_large_mechanism():
    given, module = network(), odec.load(MODEL, method="rodas5p")
    t, x = 6.1e4, torch.from_numpy(np.maximum(given.start, 1e3))
    p, time = torch.zeros(0, dtype=torch.float64), torch.tensor(t, dtype=torch.float64)
    asked = time.expand(len(module.switches(p)))
    slope, jacobian = (function(time, x, p, asked) for function in (module.rhs, module.jacobian))
    largest = np.abs(given.stoichiometry) @ np.abs(given.rates * np.append(x, 1.0)[given.pairs].prod(0))
    assert (np.abs(slope.numpy() - given.slope(t, x.numpy())) <= 1e-12 * largest).all()
    np.testing.assert_allclose(jacobian.numpy(), given.jacobian(t, x.numpy()), rtol=1e-12, atol=1e-15)
    net = module.Model(rtol=RTOL, atol=ATOL, adjoint="none")
    states = net(torch.from_numpy(given.times))
    assert net.status.ok
    assert errors(None, states[1:].numpy())["concentration"] < 1e-6
