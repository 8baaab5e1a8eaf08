"""Adaptive steps on the torch engine: accuracy, exact gradients, batches, times, inputs."""

import math

import numpy as np
import pytest
import torch
from adaptive_models import (
    LV,
    PUSHED,
    TIMES,
    D,
    forced_arguments,
    forced_states,
    generator,
    reference,
    weighted,
)
from generated import assert_close, load, taken

from odec.methods import EXPLICIT_METHODS

ADAPTIVE = [name for name, method in EXPLICIT_METHODS.items() if method.adaptive]
STIFF = ["kvaerno3", "rodas4"]


@pytest.mark.parametrize("method", ADAPTIVE)
def test_accuracy(method):
    low = EXPLICIT_METHODS[method].order <= 3
    module, expected = load(LV, method), reference(TIMES)
    errors = []
    for rtol in (1e-3, 1e-5) if low else (1e-6, 1e-9):
        net = module.Model(rtol=rtol, atol=rtol / 100, adjoint="none")
        error = ((net(torch.tensor(TIMES)) - expected).abs() / expected.abs()).max().item()
        assert error < (200 if low else 30) * rtol
        errors.append(error)
    assert errors[1] < errors[0] / 10


@pytest.mark.parametrize("method", ADAPTIVE + STIFF)
def test_gradient_is_that_of_the_steps_taken(method):
    module = load(PUSHED, method)
    knots, arguments = forced_arguments()
    results = []
    for adjoint in ("discrete", "autograd"):
        net = module.Model(rtol=1e-3, atol=1e-4, adjoint=adjoint)
        inputs = [value.clone().requires_grad_() for value in arguments]
        k = torch.tensor([0.4, 0.5, 0.6], dtype=D, requires_grad=True)
        names = [name for name, _ in net.named_parameters() if ".k." not in name and name != "a"]
        values = {"u": inputs[2], "v": inputs[3], "w": inputs[4]}
        series = {name: (knots[name], values[name]) for name in knots}
        x = net(inputs[0], x0=inputs[1], params={"k": k}, inputs=series)
        leaves = [*inputs, k, *(net.get_parameter(name) for name in names)]
        results.append((x.detach(), torch.autograd.grad(weighted(x), leaves)))
    (x, gradients), (x_plain, expected) = results
    assert_close([x], [x_plain], 1e-13)
    assert_close(gradients, expected, 1e-10)


@pytest.mark.parametrize("method", ["tsit5", "rodas4"])
def test_one_trajectory_is_the_same_alone_and_among_many(method):
    module, x0 = load(LV, method), 0.5 + 9 * torch.rand(37, 2, dtype=D, generator=generator(2))
    net = module.Model(rtol=1e-4, atol=1e-6, adjoint="none")
    together, t = net(torch.tensor(TIMES), x0=x0), torch.tensor(TIMES)
    steps = net.status.steps
    assert steps.min() < steps.max()
    for i in range(0, 37, 6):
        assert torch.equal(net(t, x0=x0[i]), together[:, i])
        assert net.status.steps == steps[i]


def test_every_trajectory_has_its_own_gradient():
    """The adjoint of one trajectory in a batch is that of the trajectory alone, to the last bit."""
    module, x0 = load(LV, "dopri5"), 0.5 + 9 * torch.rand(5, 2, dtype=D, generator=generator(3))
    net, t = module.Model(rtol=1e-5, atol=1e-7), torch.tensor(TIMES)

    def gradient(start):
        start = start.clone().requires_grad_()
        return torch.autograd.grad(net(t, x0=start).square().sum(), start)[0]

    together = gradient(x0)
    for i in range(5):
        assert torch.equal(gradient(x0[i]), together[i])


def test_compiled():
    module = load(PUSHED, "bosh3")
    knots, arguments = forced_arguments()
    net = module.Model(rtol=1e-3, atol=1e-4)
    results = []
    for function in (net, torch.compile(net, fullgraph=True, backend="aot_eager")):
        inputs = [value.clone().requires_grad_() for value in arguments]
        x = forced_states(function, knots, *inputs)
        results.append((x.detach(), torch.autograd.grad(weighted(x), inputs)))
    assert torch.equal(results[1][0], results[0][0])
    assert_close(results[1][1], results[0][1], 1e-13)


def test_transforms():
    """vmap, jvp, and jacfwd against jacrev, with inputs and per-trajectory steps."""
    module = load(PUSHED, "bosh3")
    knots, (t, x0, u, v, w) = forced_arguments()
    net = module.Model(rtol=1e-3, atol=1e-4)

    def states(start, u_, w_):
        return forced_states(net, knots, t, start, u_, v, w_)

    whole = states(x0, u, w)
    mapped = torch.func.vmap(states, in_dims=(0, 1, 1))(x0, u, w)
    assert torch.equal(mapped.movedim(0, 1), whole)
    forward = torch.func.vmap(torch.func.jacfwd(states, argnums=(0, 1)), in_dims=(0, 1, 1))(x0, u, w)
    backward = torch.func.vmap(torch.func.jacrev(states, argnums=(0, 1)), in_dims=(0, 1, 1))(x0, u, w)
    assert_close(forward, backward, 1e-11)
    tangents = [torch.randn(value.shape, dtype=D, generator=generator(5)) for value in (t, x0)]
    _, tangent = torch.func.jvp(lambda *a: forced_states(net, knots, *a, u, v, w), (t, x0), tuple(tangents))
    leaves = [t.clone().requires_grad_(), x0.clone().requires_grad_()]
    gradients = torch.autograd.grad(weighted(forced_states(net, knots, *leaves, u, v, w)), leaves)
    pulled = sum((a * b).sum() for a, b in zip(gradients, tangents, strict=True))
    assert abs(weighted(tangent) - pulled) < 1e-11 * abs(pulled)


def test_twice_differentiable_on_the_recorded_mesh():
    net = load(LV, "bosh3").Model(rtol=1e-3, atol=1e-5, adjoint="autograd")
    x0 = torch.tensor([3.0, 2.0], dtype=D)
    hessian = torch.func.hessian(lambda x: net(torch.tensor([0.0, 1.0]), x0=x)[-1].square().sum())(x0)
    assert_close([hessian], [hessian.T.contiguous()], 1e-12)
    assert hessian.abs().min() > 0


def test_backwards_in_time_and_repeated_times():
    module, times = load(LV, "tsit5"), [7.0, 3.0, 3.0, 0.0]
    end = reference(TIMES)[-1]
    x = module.Model(rtol=1e-9, atol=1e-11)(torch.tensor(times), x0=end)
    assert_close([x[-1]], [torch.tensor([10.0, 5.0])], 1e-6)
    assert torch.equal(x[1], x[2])


def test_one_time_and_no_interval():
    net = load(LV, "tsit5").Model()
    start = torch.tensor([10.0, 5.0], dtype=D)
    for times in ([3.0], [2.0, 2.0, 2.0]):
        x = net(torch.tensor(times))
        assert torch.equal(x, start.expand(len(times), 2))
        assert net.status.steps == 0
        (gradient,) = torch.autograd.grad(x.sum(), net.parametrizations.a.original, allow_unused=True)
        assert gradient is None or gradient == 0


def test_empty_batch():
    net = load(LV, "tsit5").Model()
    assert net(torch.tensor(TIMES), x0=torch.empty(0, 2)).shape == (5, 0, 2)


def test_steps_end_where_an_input_jumps():
    """A held input: three exponentials in turn, to the tolerance, with hardly a step rejected."""
    module = load("input u hold\ninit x = 1\ndx/dt = u - x\n", "dopri5")
    net = module.Model(rtol=1e-10, atol=1e-12)
    x = net(torch.tensor([0.0, 3.0]), inputs={"u": ([0.0, 1.0, 2.0], [0.0, 5.0, -4.0])})[-1, 0].item()
    expected = 1.0
    for level in (0.0, 5.0, -4.0):
        expected = level + (expected - level) * math.exp(-1)
    assert abs(x - expected) < 1e-9
    assert net.status.rejected <= 3


def test_float32():
    net = load(LV, "dopri5").Model(rtol=1e-4, atol=1e-5, dtype=torch.float32)
    x = net(torch.tensor(TIMES))
    assert x.dtype == torch.float32
    assert_close([x], [reference(TIMES).float()], 1e-3)
    weighted(x).backward()
    assert torch.isfinite(net.parametrizations.b.original.grad)


def test_tolerance_for_each_state():
    module = load(LV, "bosh3")
    steps = []
    for atol in (1e-1, [1e-1, 1e-7], torch.tensor([1e-7, 1e-7])):
        net = module.Model(rtol=1e-7, atol=atol, adjoint="none")
        net(torch.tensor([0.0, 3.0]))
        steps.append(int(net.status.steps))
    assert steps[0] < steps[1] < steps[2]


def test_longest_and_first_step():
    module = load(LV, "tsit5")
    net = module.Model(rtol=1e-3, max_step=0.1)
    net(torch.tensor([0.0, 3.0]))
    assert net.status.steps >= 30
    net = module.Model(rtol=1e-3, first_step=1e-9)
    net(torch.tensor([0.0, 1e-6]))
    assert 4 <= net.status.steps <= 8


def test_the_run_line_says_which_steps():
    text = LV + "run t = 0 .. 1 {}method tsit5\n"
    for words in ("", "step 0.1 "):
        net = load(text.format(words), "tsit5").Model()
        assert net.dt is None and net.rtol == 1e-6 and net.atol == (1e-9, 1e-9)
    fixed = load(text.format("dt 0.1 "), "tsit5")
    assert fixed.Model().dt == 0.1 and fixed.Model().rtol is None and fixed.Model().atol is None
    tolerance = fixed.Model(atol=1e-4).steps.tolerance
    assert fixed.Model(rtol=1e-4).dt is None and (tolerance.rtol, tolerance.atol) == (1e-6, (1e-4, 1e-4))
    both = load(text.format("atol 1e-8, 1e-7 rtol 1e-5 "), "tsit5")
    assert both.Model().rtol == 1e-5 and both.Model().atol == (1e-8, 1e-7)
    assert both.Model(rtol=1e-3).atol == (1e-8, 1e-7) and both.Model(dt=0.1).dt == 0.1
    euler = load(text.format("step 0.1 "), "euler").Model()
    assert euler.dt == 1e-3


def test_gradient_by_finite_differences_on_the_frozen_mesh():
    """The gradient by parameters and times against differences of the replayed steps."""
    module = load(LV, "tsit5")
    t = torch.tensor(TIMES[:3] + TIMES[4:], dtype=D)
    net = module.Model(rtol=1e-4, atol=1e-6)
    p = net.vector().detach()
    x0 = torch.tensor([10.0, 5.0], dtype=D)
    kept = taken(net, t, x0).kept

    def replay(times, parameters):
        x, row = x0, 0
        states = [x]
        for k, (a, b) in enumerate(zip(times[:-1], times[1:], strict=True)):
            while row < len(kept) and kept[row, -1] == k:
                begin, part = kept[row, -3], kept[row, -2]
                x = module.step(x, a + (b - a) * begin, (b - a) * part, parameters)
                row += 1
            states.append(x)
        return weighted(torch.stack(states))

    leaves = [t.clone().requires_grad_(), p.clone().requires_grad_()]
    values = dict(zip(module.PARAMS, leaves[1], strict=True))
    gradients = torch.autograd.grad(weighted(net(leaves[0], x0=x0, params=values)), leaves)
    for place, gradient in enumerate(gradients):
        for i in range(len(gradient)):
            arguments = [t.clone(), p.clone()]
            sides = []
            for sign in (1, -1):
                moved = [value.clone() for value in arguments]
                moved[place][i] += sign * 1e-6
                sides.append(replay(*moved))
            difference = (sides[0] - sides[1]) / 2e-6
            assert abs(difference - gradient[i]) < 1e-6 * max(1.0, np.abs(gradient.numpy()).max())
