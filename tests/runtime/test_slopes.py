"""The right-hand side within its clip: its derivatives against torch's of clamp."""

import pytest
import torch

from odec.runtime.series import COEFFICIENTS, Series
from odec.runtime.slopes import Slope

D = torch.float64


def formula(t, x, p, u):
    return torch.stack((x[..., 0] * p[..., 0] * t, x[..., 1] ** 2 + u[..., 0]), -1)


def rhs_vjp(t, x, p, u, w):
    _, pull = torch.func.vjp(formula, t, x, p, u)
    return pull(w)


def rhs_jvp(t, x, p, u, dt, dx, dp, du):
    return torch.func.jvp(formula, (t, x, p, u), (dt, dx, dp, du))[1]


@pytest.mark.parametrize("clip", [None, 2.0, 0.5])
def test_derivatives_within_and_beyond_the_clip(clip):
    knots = torch.tensor([0.0, 2.0], dtype=D)
    u = Series([knots, COEFFICIENTS["linear"](knots, torch.tensor([0.3, 1.1], dtype=D))], ["u"])
    d_u = Series([knots, COEFFICIENTS["linear"](knots, torch.tensor([-0.2, 0.5], dtype=D))], ["u"])
    t, x = torch.tensor(0.7, dtype=D), torch.tensor([[1.0, 0.4], [5.0, 3.0]], dtype=D)
    p, w = torch.tensor([[0.9], [1.2]], dtype=D), torch.tensor([[1.0, -0.5], [0.3, 2.0]], dtype=D)
    dt, dx, dp = torch.tensor(0.4, dtype=D), x.cos(), p.sin()
    slope = Slope(lambda *given: formula(*given), rhs_vjp, rhs_jvp)

    def whole(t, x, p):  # with the inputs as what they are of the time
        k = formula(t, x, p, (0.3 + 0.4 * t).reshape(1))
        return k if clip is None else k.clamp(-clip, clip)

    assert torch.allclose(slope(t, x, p, u, clip), whole(t, x, p), rtol=1e-15)
    _, pull = torch.func.vjp(whole, t, x, p)
    wanted = pull(w)
    found = slope.vjp(t, x, p, u, clip, w)
    for a, b in zip(found[:3], wanted):
        torch.testing.assert_close(a.sum_to_size(b.shape), b, rtol=1e-14, atol=1e-15)
    _, tangent = torch.func.jvp(whole, (t, x, p), (dt, dx, dp))
    still = Series([knots, torch.zeros(1, 2, dtype=D)], ["u"])
    got = slope.jvp(t, x, p, u, clip, dt.reshape(1), dx, dp, still)
    torch.testing.assert_close(got, tangent, rtol=1e-14, atol=1e-15)
    moved = slope.jvp(t, x, p, u, clip, dt.reshape(1), dx, dp, d_u) - got
    free = (whole(t, x, p).abs() < (clip or 1e9))[:, 1]
    torch.testing.assert_close(moved[:, 1], free * d_u(0.7), rtol=1e-13, atol=1e-15)
