"""Adaptive steps on the torch engine: accuracy, exact gradients, batches, times, inputs, failures."""

import math

import numpy as np
import pytest
import torch
from generated import FORCED, LOTKA_VOLTERRA, assert_close, load
from scipy.integrate import solve_ivp

from odec.methods import EXPLICIT_METHODS

ADAPTIVE = [name for name, method in EXPLICIT_METHODS.items() if method.adaptive]
STIFF = ["kvaerno3", "rodas4"]


def without_run(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("run ")) + "\n"


LV, PUSHED = without_run(LOTKA_VOLTERRA), without_run(FORCED)
TIMES = [0.0, 0.5, 2.0, 2.0, 7.0]
D = torch.float64


def reference(times, x0=(10.0, 5.0)):
    """Lotka-Volterra by DOP853 at 1e-12."""
    a, b, c, d = 1.1, 0.4, 0.4, 0.1
    found = solve_ivp(
        lambda t, x: [a * x[0] - b * x[0] * x[1], d * x[0] * x[1] - c * x[1]],
        (times[0], times[-1]),
        x0,
        t_eval=sorted(set(times), reverse=times[0] > times[-1]),
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    )
    where = {time: k for k, time in enumerate(found.t)}
    return torch.tensor(found.y.T[[where[time] for time in times]])


def generator(seed):
    return torch.Generator().manual_seed(seed)


def forced_arguments():
    """Times, x0 (3, 2) and the values of the three inputs of FORCED, some of them batched."""
    knots = {
        "u": torch.tensor([0.0, 0.7, 1.3, 3.1]),
        "v": torch.tensor([0.5, 1.0, 2.0]),
        "w": torch.tensor([0.5, 1.0, 2.0]),
    }
    t = torch.tensor([0.1, 0.4, 1.0, 1.0, 2.5], dtype=D)
    x0 = torch.rand(3, 2, dtype=D, generator=generator(1))
    u, v, w = (
        torch.randn(shape, dtype=D, generator=generator(k)) for k, shape in enumerate([(4, 3), (3,), (3, 3)])
    )
    return knots, (t, x0, u, v, w)


def forced_states(net, knots, t, x0, u, v, w):
    values = {"u": u, "v": v, "w": w}
    return net(t, x0=x0, inputs={name: (knots[name], values[name]) for name in knots})


def weighted(x):
    return (x * torch.linspace(-1, 2, x.numel(), dtype=x.dtype).reshape(x.shape)).sum()


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
    assert load(text.format(""), "tsit5").Model().control
    fixed = load(text.format("step 0.1 "), "tsit5")
    assert fixed.Model().dt == 0.1 and not fixed.Model().control
    assert fixed.Model(rtol=1e-4).dt is None and fixed.Model(atol=1e-4).control[5:] == (1e-6, 1e-4, 1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dt": 0.1, "rtol": 1e-3}, "one or the other"),
        ({"dt": -0.1}, "positive number"),
        ({"dt": 0.1, "max_steps": 5}, "give rtol or atol"),
        ({"rtol": 0}, "rtol must be a positive number"),
        ({"rtol": -1e-3}, "rtol must be a positive number"),
        ({"rtol": math.nan}, "rtol must be a positive number"),
        ({"rtol": 1e-9, "dtype": torch.float32}, "at least 4.8e-07 in float32"),
        ({"atol": 0}, "atol must be positive"),
        ({"atol": math.nan}, "atol must be positive"),
        ({"atol": [1e-6, 0.0]}, "atol must be positive"),
        ({"atol": [1e-6] * 3}, "each of the 2 states, not a list of 3"),
        ({"max_steps": 0}, "max_steps must be a positive whole number"),
        ({"max_steps": 10.5}, "max_steps must be a positive whole number"),
        ({"min_step": 2.0, "max_step": 1.0}, "min_step < max_step"),
        ({"first_step": 0.0}, "first_step must be a positive number"),
        ({"adjoint_rtol": 1e-6}, "of adjoint='continuous'"),
        ({"checkpoints": 3}, "of fixed steps"),
        ({"adjoint": "autograd", "engine": "native"}, "torch engine"),
    ],
)
def test_options_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match=words):
        load(LV, "tsit5").Model(**options)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([0, 1, 0.5], r"t\[2\] = 0.5 comes after 1"),
        ([0, math.nan], r"t\[1\] is nan"),
        ([0, math.inf], "finite"),
    ],
)
def test_times_that_do_not_fit(times, words):
    with pytest.raises(ValueError, match=words):
        load(LV, "tsit5").Model()(torch.tensor(times))


FAILING = """
param on = 1
init x = 1
init y = 1
dx/dt = if on > 0 then {} else 0
dy/dt = -y
"""


@pytest.mark.parametrize(
    ("equation", "options", "words", "time"),
    [
        ("x**2", {}, "state x of trajectory (1,) forces the step below the least", 1.0),
        ("-1 - sqrt(x)", {}, "no finite number after it; look for a division", None),
        ("log(x - 1)", {}, "its derivative is not finite at the start", 0.0),
        ("-1e4*(x - cos(t))", {"max_steps": 50}, "max_steps are used up", None),
        ("-1e4*(x - cos(t))", {"min_step": 0.1}, "forces the step below the least", 0.0),
    ],
)
def test_failure_of_one_trajectory(equation, options, words, time):
    """Where one of two trajectories fails, status says why, its states are NaN, and the other goes on."""
    module = load(FAILING.format(equation), "dopri5")
    net = module.Model(rtol=1e-4, atol=1e-6, **options)
    on = torch.tensor([0.0, 1.0], dtype=D)
    start = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=D, requires_grad=True)
    x = net(torch.tensor([0.0, 2.0, 3.0]), x0=start, params={"on": on})
    status = net.status
    assert status.ok.tolist() == [True, False]
    assert torch.isnan(x[1:, 1]).all() and torch.isfinite(x[:, 0]).all()
    assert words in str(status) and str(status).startswith("1 of 2 trajectories failed")
    (failure,) = status.failures
    assert failure.batch == (1,) and failure.state == "x"
    if time is not None:
        assert abs(failure.time - time) < 1e-2
    assert abs(x[-1, 0, 1] - math.exp(-3)) < 1e-3
    (gradient,) = torch.autograd.grad(x[:, 0].sum(), start)
    assert torch.isfinite(gradient).all() and gradient[1].abs().sum() == 0


def test_gradient_by_finite_differences_on_the_frozen_mesh():
    """The gradient by parameters and times against differences of the replayed steps."""
    module = load(LV, "tsit5")
    t = torch.tensor(TIMES[:3] + TIMES[4:], dtype=D)
    net = module.Model(rtol=1e-4, atol=1e-6)
    p = net.vector().detach()
    x0 = torch.tensor([10.0, 5.0], dtype=D)
    _, kept, _ = module.solve_adaptive(t, x0, p, net.control, None)

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


STIFF_PROBLEM = """
input u linear
param mu = 50
init x = 2
init y = 0
dx/dt = y + 0*u
dy/dt = mu*(1 - x**2)*y - x
"""


def test_a_stiff_problem_is_told():
    """An explicit method at its limit of stability: status says so, with h·|λ| close to the limit."""
    net = load(STIFF_PROBLEM, "dopri5").Model(rtol=1e-4, atol=1e-6, adjoint="none")
    inputs = {"u": ([0.0, 3.0], torch.ones(2, 3, dtype=D))}
    net(torch.tensor([0.0, 5.0, 15.0]), inputs=inputs, params={"mu": torch.tensor([1.0, 10.0, 90.0])})
    assert "stiff" in net.status.stiffness and net.status.stiffness in str(net.status)
    reach = float(net.status.stiffness.split("h·|λ| = ")[1].split(",")[0])
    assert 2.5 < reach < 3.8
    net(torch.tensor([0.0, 5.0, 15.0]), inputs=inputs, params={"mu": torch.tensor([1.0, 2.0, 3.0])})
    assert net.status.stiffness == ""


def test_a_long_accurate_run_is_not_called_stiff():
    net = load(LV, "bosh3").Model(rtol=1e-7, atol=1e-8, adjoint="none")
    net(torch.tensor([0.0, 10.0]))
    assert net.status.steps > 500
    assert net.status.stiffness == ""


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
    kept = module.solve_adaptive(t, x0, p, series, net.control, None)[1]
    stiff, taken = kept[..., -2] != 0, kept[..., -3] != 0
    assert not stiff[:, 0].any()
    assert (stiff & taken)[:, 2].any() and (~stiff & taken)[:, 2].any()


def test_auto_goes_back_to_the_explicit_method():
    """Slow decay once the fast one has stopped: the last steps are explicit again."""
    text = "init x = 1\ninit y = 1\ndx/dt = -(if t < 1 then 1e4 else 0.1)*(x - cos(t))\ndy/dt = -y\n"
    module = load(text, "auto")
    net = module.Model(rtol=1e-5, atol=1e-7)
    t, x0 = torch.tensor([0.0, 1.0, 20.0], dtype=D), torch.ones(2, dtype=D)
    kept = module.solve_adaptive(t, x0, net.vector(), net.control, None)[1]
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
