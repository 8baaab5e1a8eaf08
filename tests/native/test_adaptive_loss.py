"""The weighted sum of squares of steps by tolerance, and its gradient, in one kernel: against autograd."""

import math

import gpu_stand_in
import pytest
import torch
from native_calls import loss_gradient, solve
from native_models import GATED, LORENZ, arguments, gap, load, times
from test_adaptive_kernels import GROWTH, SMOOTH, control, spread
from test_gpu_source import figures

EACH, SHARED = ((19,), True), ((2, 3), False)
"""The batch, and whether each trajectory has parameters and data of its own."""
CASES = [
    (LORENZ, "dopri5", EACH),
    (SMOOTH, "bosh3", EACH),
    (SMOOTH, "bosh3", SHARED),
    (GATED, "rodas4", SHARED),
]
CASES += [(LORENZ, "kvaerno3", EACH), (LORENZ, "radau_iia5", SHARED), (LORENZ, "auto", EACH)]


def problem(module, shape, batched, **options):
    """The Model on the engine torch, its times, arguments, data with gaps, and weights of 0 there."""
    net = module.Model(engine="torch", rtol=1e-4, atol=1e-6, **options)
    t, given = times(module), arguments(module, shape, batched_params=batched)
    width = len(module.STATES) + len(module.OBSERVABLES)
    generator = torch.Generator().manual_seed(2)
    shape = (len(t), *(shape if batched else ()), width)
    data, weight = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    weight[::2, ..., 0] = 0
    weight[3] = 0
    return net, t, given, data.masked_fill(weight == 0, math.nan), weight


def by_autograd(module, net, t, given, data, weight):
    """The losses, and the gradients of their sum by x0, p and the inputs' values."""
    p = net.vector(given["params"]).detach().requires_grad_()
    x0 = given["x0"].clone().requires_grad_()
    values = {name: v.clone().requires_grad_() for name, (_, v) in given.get("inputs", {}).items()}
    more = {"inputs": {name: (k, values[name]) for name, (k, _) in given["inputs"].items()}} if values else {}
    params = dict(zip(module.PARAMS, p.unbind(-1), strict=True))
    x = net(t, x0=x0, params=params, **more)
    columns = torch.cat([x, net.observe(t, x, params=params, **more)], -1) if module.OBSERVABLES else x
    single = (len(t), *[1] * (x0.dim() - 1), -1)
    data, weight = (v.reshape(single) if v.dim() == 2 else v for v in (data, weight))
    loss = (weight * torch.where(weight == 0, 0.0, columns - data) ** 2).sum((0, -1))
    return loss.detach(), torch.autograd.grad(loss.sum(), [x0, p, *values.values()])


def in_the_kernel(module, net, t, given, data, weight):
    """The same from the kernel, and the report."""
    p = net.vector(given["params"]).detach()
    values = {name: v.clone().requires_grad_() for name, (_, v) in given.get("inputs", {}).items()}
    series = []
    if values:
        inputs = {name: (k, values[name]) for name, (k, _) in given["inputs"].items()}
        series = net.series(inputs, given["x0"])
    held = [s.detach() for s in series]
    loss, g, report = loss_gradient(module, t, given["x0"], p, data, weight, net.steps, held)
    g_values = torch.autograd.grad(series[1::2], list(values.values()), g.u) if values else ()
    return loss, (g.x0, g.p, *g_values), report


@pytest.mark.parametrize("text, method, batch", CASES)
def test_the_gradient_is_that_of_autograd(text, method, batch):
    module = load(text, method)
    given = problem(module, *batch)
    loss, expected = by_autograd(module, *given)
    mine, found, report = in_the_kernel(module, *given)
    assert mine.shape == batch[0] and gap(mine, loss) < 1e-9
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape and gap(ours, theirs) < 1e-9
    assert not report[..., 0].any() and bool((report[..., 3] > 0).all())


@pytest.mark.parametrize("text, method", [(SMOOTH, "bosh3"), (LORENZ, "rodas4")])
def test_outputs_within_steps(text, method):
    module = load(text, method)
    given = problem(module, (9,), True, dense_output=True)
    loss, expected = by_autograd(module, *given)
    mine, found, _ = in_the_kernel(module, *given)
    assert gap(mine, loss) < 1e-9
    assert all(gap(ours, theirs) < 1e-9 for ours, theirs in zip(found, expected, strict=True))


def same(first, second):
    """Whether tensors agree bit for bit, NaN with NaN."""
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0)) for a, b in pairs)


def lorenz_losses(x0, p, rules, count=4):
    """Losses and gradients of Lorenz problems at some times, against data of zeros."""
    module = load(LORENZ, "tsit5")
    t = torch.linspace(0, 1, count).double()
    data = torch.zeros((count, 3), dtype=torch.float64)
    loss, g, report = loss_gradient(module, t, x0, p, data, data + 1, rules)
    return loss, g.x0, g.p, report


@pytest.mark.optimised
def test_bits_depend_neither_on_the_threads_nor_on_the_company():
    x0, p = spread(700)
    found, before = [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(lorenz_losses(x0, p[0], control(1e-8)))
    torch.set_num_threads(before)
    for more in found[1:]:
        assert same(found[0], more)
    many = lorenz_losses(x0, p, control())
    for k in (0, 123, 699):
        alone = lorenz_losses(x0[k : k + 1], p[k : k + 1], control())
        assert same([a[0] for a in alone], [b[k] for b in many])


def test_many_outputs_take_several_tapes():
    """There is room for the outputs of a few trajectories at a time; each of them is right."""
    x0, p = spread(60)
    many = lorenz_losses(x0, p, control(), count=1500)
    for k in (0, 17, 59):
        alone = lorenz_losses(x0[k], p[k], control(), count=1500)
        assert same(alone, [b[k] for b in many])


@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
def test_a_failed_trajectory_has_an_infinite_loss(method):
    module = load(GROWTH, method)
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    x0 = torch.tensor([[0.2, 1.0], [3.0, 1.0], [0.5, 1.0]], dtype=torch.float64)
    r = torch.tensor([[1.0], [1.0], [1.1]], dtype=torch.float64)
    data = torch.zeros((3, 2), dtype=torch.float64)
    rules = control(states=2)
    loss, (_, g_x0, g_r, _), report = loss_gradient(module, t, x0, r, data, data + 1, rules)
    assert same([report], [solve(module, t, x0, r, rules)[1]])
    assert report[:, 0].bool().tolist() == [False, True, False]
    assert loss[1] == math.inf and loss[[0, 2]].isfinite().all()
    assert g_x0[1].isnan().all() and g_x0[[0, 2]].isfinite().all() and g_r[[0, 2]].isfinite().all()
    _, shared, _ = loss_gradient(module, t, x0, r[0], data, data + 1, rules)
    assert shared.p.isnan().all(), "what a failed trajectory shares has no gradient"
    early = data + torch.tensor([[1.0], [0.0], [0.0]], dtype=torch.float64)
    assert loss_gradient(module, t, x0, r[0], data, early, rules)[0].isfinite().all()


def test_unmeasured_observables_give_nothing_where_they_are_not_finite():
    text = "param a = 0.5\ninit x = 0\ndx/dt = a - x\nobs y = log(x)\nrun t = 0 .. 1\n"
    module = load(text, "tsit5")
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    weight = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    x0, p = torch.zeros(1, dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    zeros = torch.zeros_like(weight)
    loss, (_, g_x0, g_p, _), _ = loss_gradient(module, t, x0, p, zeros, weight, control(states=1))
    assert loss.isfinite() and g_x0.isfinite().all() and g_p.isfinite().all() and g_p.abs() > 0.1


def test_no_trajectories_and_misshapen_data():
    module = load(LORENZ, "tsit5")
    t, data = torch.linspace(0, 1, 3).double(), torch.zeros((3, 3), dtype=torch.float64)
    x0, p = torch.zeros((0, 3), dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    loss, (_, g_x0, g_p, _), report = loss_gradient(module, t, x0, p, data, data, control())
    assert loss.shape == (0,) and g_x0.shape == (0, 3) and report.shape == (0, 5) and not g_p.any()
    with pytest.raises(ValueError, match="a row for each of the 3 times and a column for each of the 3"):
        loss_gradient(module, t, x0, p, data[:2], data, control())


@pytest.mark.parametrize("text, method", [(LORENZ, "dopri5"), (SMOOTH, "bosh3")])
def test_a_stand_in_for_a_gpu(text, method, monkeypatch):
    module = load(text, method)
    for batch in (EACH, SHARED):
        given = problem(module, *batch)
        expected = in_the_kernel(module, *given)
        with monkeypatch.context() as patch:
            gpu_stand_in.install(patch)
            loss, found, report = in_the_kernel(module, *given)
        assert gap(loss, expected[0]) < 1e-9 and torch.equal(report[..., 3], expected[2][..., 3])
        assert all(gap(ours, theirs) < 1e-9 for ours, theirs in zip(found, expected[1], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("text, method", [(LORENZ, "bosh3"), (LORENZ, "rodas4")])
def test_the_gpu_s_compiler_takes_the_kernel(text, method):
    registers, stack, spilled = figures(load(text, method), "loss", torch.float64, adaptive=True)
    assert registers <= 255 and stack < 1000 and spilled < 1000
