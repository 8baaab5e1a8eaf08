"""The method auto: where it switches, and its gradient."""

import torch
from adaptive_models import D, generator, weighted
from generated import assert_close, load, taken

SWITCHING = """
input u linear
param mu = 1 in (0, inf)
param amplitude = 0.1
init x = 2
init y = 0
dx/dt = y
dy/dt = mu*(1 - x**2)*y - x + amplitude*u*sin(t)
"""


def switching_states(net, t, x0, mu, u):
    return net(t, x0=x0, params={"mu": mu}, inputs={"u": (torch.tensor([0.0, 4.0, 9.0]), u)})


def switching_arguments():
    """From hardly to very stiff: times, x0, mu and the values of the input, for three trajectories."""
    return (
        torch.tensor([0.0, 1.0, 8.0], dtype=D),
        torch.tensor([[2.0, 0.0], [1.0, 1.0], [2.0, 0.0]], dtype=D),
        torch.tensor([0.5, 3.0, 200.0], dtype=D),
        torch.randn(3, 3, dtype=D, generator=generator(6)),
    )


def test_auto_takes_the_stiff_method_where_it_pays():
    """The mesh says which method took a step; the states are those of rodas5p, in fewer steps than tsit5."""
    t, x0, mu, u = switching_arguments()
    steps, states = {}, {}
    for method in ("auto", "tsit5", "rodas5p"):
        net = load(SWITCHING, method).Model(rtol=1e-6, atol=1e-8, adjoint="none")
        states[method] = switching_states(net, t, x0, mu, u)
        steps[method] = net.status.steps
    assert_close([states["auto"]], [states["rodas5p"]], 1e-5)
    assert steps["auto"][0] == steps["tsit5"][0] and torch.equal(states["auto"][:, 0], states["tsit5"][:, 0])
    assert steps["auto"][2] < steps["tsit5"][2] / 3
    module = load(SWITCHING, "auto")
    net = module.Model(rtol=1e-6, atol=1e-8)
    p = torch.stack((mu, torch.full_like(mu, 0.1)), -1)
    series = [torch.tensor([0.0, 4.0, 9.0], dtype=D), torch.zeros(2, 2, 1, dtype=D)]
    kept = taken(net, t, x0, p, series).kept
    stiff, moved = kept[..., -2] != 0, kept[..., -3] != 0
    assert not stiff[:, 0].any()
    assert (stiff & moved)[:, 2].any() and (~stiff & moved)[:, 2].any()


def test_auto_goes_back_to_the_explicit_method():
    """Slow decay once the fast one has stopped: the last steps are explicit again."""
    text = "init x = 1\ninit y = 1\ndx/dt = -(if t*t < 1 then 1e4 else 0.1)*(x - cos(t))\ndy/dt = -y\n"
    module = load(text, "auto")
    net = module.Model(rtol=1e-5, atol=1e-7)
    t, x0 = torch.tensor([0.0, 1.0, 20.0], dtype=D), torch.ones(2, dtype=D)
    kept = taken(net, t, x0).kept
    stiff = kept[:, -2] != 0
    assert stiff.any() and not stiff[-1]


def test_gradient_of_auto():
    module, results = load(SWITCHING, "auto"), []
    for adjoint in ("discrete", "autograd"):
        net = module.Model(rtol=1e-4, atol=1e-6, adjoint=adjoint)
        leaves = [value.clone().requires_grad_() for value in switching_arguments()]
        x = switching_states(net, *leaves)
        results.append((x.detach(), torch.autograd.grad(weighted(x), [*leaves, net.amplitude])))
    assert_close([results[0][0]], [results[1][0]], 1e-12)
    assert_close(results[0][1], results[1][1], 1e-10)


def test_auto_alone_and_forwards():
    """One trajectory is the same alone as beside one of the other method; jvp agrees with the adjoint."""
    t, x0, mu, u = switching_arguments()
    net = load(SWITCHING, "auto").Model(rtol=1e-4, atol=1e-6)
    whole = switching_states(net, t, x0, mu, u)
    for i in range(3):
        assert torch.equal(switching_states(net, t, x0[i], mu[i], u[:, i]), whole[:, i])
    leaves = [value.clone().requires_grad_() for value in (x0, mu, u)]
    gradients = torch.autograd.grad(weighted(switching_states(net, t, *leaves)), leaves)
    tangents = tuple(torch.randn(v.shape, dtype=D, generator=generator(7)) for v in (x0, mu, u))
    _, tangent = torch.func.jvp(lambda *a: switching_states(net, t, *a), (x0, mu, u), tangents)
    pulled = sum((a * b).sum() for a, b in zip(gradients, tangents, strict=True))
    assert abs(weighted(tangent) - pulled) < 1e-9 * abs(pulled)
