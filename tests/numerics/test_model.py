"""The Model and the cell: arguments, status, steps by hand, names that clash, independent trajectories."""

import math

import pytest
import torch
from generated import CLASHES, FORCED, LOTKA_VOLTERRA, RICH, RICKER, is_map, load, plain

from odec.methods import EXPLICIT_METHODS as METHODS
from odec.runtime.reference.mesh import mesh

D = torch.float64
T = torch.tensor([0.0, 0.5, 1.0], dtype=D)

BLOW_UP = """
param k = 1
init x = 1
init y = 1
dx/dt = k*x**2
dy/dt = -y
run t = 0 .. 4 dt 0.01
"""


def test_an_euler_cell_is_a_recurrent_cell():
    module = load(LOTKA_VOLTERRA, "euler")
    cell, net = module.StepCell(), module.Model(dt=0.1)
    p, x = net.vector(), torch.tensor([10.0, 5.0], dtype=D)
    states = [x]
    for k in range(20):
        by_hand = x + 0.1 * module.rhs(k * 0.1, x, p)
        x = cell(x, k * 0.1, 0.1, p)
        assert torch.equal(x, by_hand)
        states.append(x)
    whole = net(torch.arange(21, dtype=D) * 0.1)
    torch.testing.assert_close(torch.stack(states), whole, rtol=1e-13, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_cell_by_hand_equals_the_solver(method):
    module = load(RICH, method)
    net = module.Model()
    x0 = torch.rand(4, 2, dtype=D)
    torch.testing.assert_close(plain(module, T, x0, net.vector(), 0.2), net(T, x0=x0), rtol=1e-12, atol=0)


def test_a_cell_takes_inputs_as_values_or_as_a_function():
    module = load(FORCED, "rk4")
    cell, p = module.StepCell(), module.Model().vector()
    x, u = torch.rand(2, dtype=D), torch.rand(3, dtype=D)
    assert torch.equal(cell(x, 0.0, 0.1, p, u), cell(x, 0.0, 0.1, p, lambda t: u))
    assert not torch.equal(cell(x, 0.0, 0.1, p, u), cell(x, 0.0, 0.1, p, lambda t: u * (1 + t)))


def test_a_cell_of_a_map():
    module = load(RICKER)
    cell, net = module.StepCell(), module.Model()
    x = torch.tensor([20.0], dtype=D)
    for k in range(5):
        expected = x * torch.exp(net.r * (1 - x / net.K)) + 0.1 * k
        x = cell(None, x.squeeze(-1), k).unsqueeze(-1)
        torch.testing.assert_close(x, expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(net(torch.tensor([0.0, 5.0], dtype=D))[-1], x, rtol=1e-14, atol=0)


def test_shapes():
    module = load(RICH)
    net = module.Model()
    assert net(T).shape == (3, 2)
    assert net(T, params={"a": torch.ones(4)}).shape == (3, 4, 2)
    x0 = torch.rand(5, 1, 2)
    x = net(T, x0=x0, params={"a": torch.ones(4)})
    assert x.shape == (3, 5, 4, 2) and x.dtype == D
    assert net.observe(T, x, params={"a": torch.ones(4)}).shape == (3, 5, 4, 1)
    assert torch.equal(x[0], x0.double().expand(5, 4, 2))
    assert net([0.0, 1.0]).shape == (2, 2)
    assert net(torch.tensor([0, 1])).shape == (2, 2)
    assert net(T, x0=torch.rand(0, 2)).shape == (3, 0, 2)


def test_observables():
    module = load(RICH)
    net = module.Model()
    x = net(T, x0=torch.rand(4, 2, dtype=D))
    expected = x[..., 0] * x[..., 1] + net.a
    torch.testing.assert_close(net.observe(T, x)[..., 0], expected)
    assert module.OBSERVABLES == ("z",)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (RICH, {"dt": 0}, "dt, the longest step, must be a positive number, not 0"),
        (RICH, {"dt": math.nan}, "dt, the longest step, must be a positive number, not nan"),
        (RICH, {"dt": None}, "dt, the longest step, must be a positive number, not None"),
        (RICH, {"clip": -1.0}, "clip, the bound on |dx/dt|, must be a positive number, not -1.0"),
        (RICH, {"adjoint": "exact"}, "adjoint is discrete, continuous, autograd or none, not 'exact'"),
        (
            RICKER,
            {"adjoint": "continuous"},
            "adjoint is discrete, autograd or none, not 'continuous'; a map has no continuous one",
        ),
        (RICH, {"checkpoints": 0}, 'checkpoints is None, "sqrt" or a positive whole number, not 0'),
        (RICH, {"checkpoints": "all"}, "checkpoints is None, \"sqrt\" or a positive whole number, not 'all'"),
        (RICH, {"engine": "native"}, "this module holds the torch engine; 'native' is not in it"),
    ],
)
def test_options_that_do_not_fit(model, options, message):
    with pytest.raises(ValueError) as caught:
        load(model).Model(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (RICH, {"t": torch.zeros(2, 2)}, "t must be a vector of times, not of shape (2, 2)"),
        (RICH, {"t": 1.0}, "t must be a vector of times, not of shape ()"),
        (RICH, {"t": []}, "t holds no time"),
        (RICH, {"t": [0.0, 1.0, 0.5]}, "the times must all increase or all decrease"),
        (RICH, {"t": [0.0, math.nan]}, "the times must be finite numbers"),
        (RICH, {"t": [0.0, math.inf]}, "the times must be finite numbers"),
        (RICH, {"x0": torch.ones(3)}, "x0 must be (*batch, 2), a column for each of STATES, not (3,)"),
        (RICH, {"x0": torch.tensor(1.0)}, "x0 must be (*batch, 2), a column for each of STATES, not ()"),
        (RICH, {"params": {"A": 1.0}}, "unknown parameter 'A'; "),
        (RICH, {"params": {"alpha_": 1.0}}, "unknown parameter 'alpha_'; the model has a, b, c, d, e, f"),
        (RICKER, {"t": [0.0, 0.5]}, "a map runs at whole times; 0.5 is none"),
        (RICKER, {"t": [3.0, 1.0]}, "a map runs forwards only: time 1 comes after 3"),
        (FORCED, {}, "input 'u' has no values; give inputs={'u': (times, values), 'v': "),
        (FORCED, {"inputs": {"u": 0, "v": 0, "w": 0, "z": 0}}, "unknown input 'z'; give inputs={"),
    ],
)
def test_arguments_that_do_not_fit(model, arguments, message):
    arguments = {"t": T} | arguments
    with pytest.raises(ValueError) as caught:
        load(model).Model()(**arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (([0.0, 0.0], [1.0, 2.0]), "the times of input 'u' must increase"),
        (([0.0, 1.0], [1.0]), "input 'u' needs times (K,) and values (K,) or (K, *batch), not (2,) and (1,)"),
        (([], []), "input 'u' needs times (K,) and values (K,)"),
        (([[0.0]], [[1.0]]), "input 'u' needs times (K,) and values (K,)"),
        ((torch.tensor([0.0], requires_grad=True), [1.0]), "the times of input 'u' are not differentiable"),
    ],
)
def test_inputs_that_do_not_fit(samples, message):
    good = ([0.0, 1.0], [1.0, 2.0])
    with pytest.raises(ValueError) as caught:
        load(FORCED).Model()(T, inputs={"u": samples, "v": good, "w": good})
    assert str(caught.value).startswith(message)


def test_batches_that_do_not_fit():
    with pytest.raises((ValueError, RuntimeError), match="(?i)shape|size|broadcast"):
        load(RICH).Model()(T, x0=torch.ones(3, 2), params={"a": torch.ones(4)})


def test_a_parameter_s_misspelling_is_guessed():
    text = "param growth = 1\ninit x = 1\ndx/dt = growth*x\nrun t = 0 .. 1 dt 0.1\n"
    with pytest.raises(ValueError, match="unknown parameter 'grwoth'; did you mean 'growth'"):
        load(text).Model()(T, params={"grwoth": 1.0})


def test_status_of_a_good_call():
    net = load(RICH).Model()
    assert net.status is None
    net(T, x0=torch.rand(3, 2))
    assert net.status.ok.tolist() == [True] * 3
    assert net.status.steps == 6 and net.status.failures == []
    assert str(net.status) == "ok: 6 steps"


@pytest.mark.parametrize("adjoint", ["discrete", "none", "autograd", "continuous"])
def test_status_of_trajectories_that_leave_the_finite_numbers(adjoint):
    module = load(BLOW_UP)
    net = module.Model(adjoint=adjoint)
    t = torch.tensor([0.0, 0.4, 4.0], dtype=D)
    x0 = torch.tensor([[[0.1, 1.0], [1.0, 2.0]], [[0.2, 3.0], [-1.0, math.inf]]], dtype=D)
    x = net(t, x0=x0)
    status = net.status
    assert status.ok.tolist() == [[True, False], [True, False]]
    first, second = status.failures
    assert (first.batch, first.state) == ((0, 1), "x") and 1.0 < first.time < 1.1
    assert (second.batch, second.state, second.time) == ((1, 1), "y", 0.0)
    assert str(first) == (
        f"state x of trajectory (0, 1) left the finite numbers in the step to t = {first.time:.6g}; "
        "try a smaller dt, a method that follows a tolerance (auto; rodas5p where the problem is stiff), "
        "other parameters or, in a fit, the clip option"
    )
    assert str(second) == "state y of trajectory (1, 1) is not finite at the start, t = 0"
    assert str(status) == f"2 of 4 trajectories failed: {first}; {second}"
    alone = net(t, x0=x0[:, 0])
    assert torch.equal(x[:, :, 0], alone), "the others are untouched, bit for bit"
    assert torch.isfinite(x[:2, 0, 1]).all(), "what came before the failure stands"


def test_gradients_of_the_others_are_untouched_by_a_failure():
    module = load(BLOW_UP)
    net = module.Model()
    x0 = torch.tensor([[0.1, 1.0], [1.0, 2.0], [0.2, 0.5]], dtype=D, requires_grad=True)
    k = torch.ones(3, dtype=D, requires_grad=True)
    t = torch.tensor([0.0, 4.0], dtype=D)
    x = net(t, x0=x0, params={"k": k})
    g = torch.autograd.grad(x[:, [0, 2]].sum(), (x0, k))
    alone = torch.autograd.grad(net(t, x0=x0[[0, 2]], params={"k": k[[0, 2]]}).sum(), (x0, k))
    for together, apart in zip(g, alone):
        assert torch.equal(together[[0, 2]], apart[[0, 2]])


def test_status_of_one_trajectory_and_of_inputs():
    module = load("input u linear\ninit x = 1\ndx/dt = u*x**2\nrun t = 0 .. 4 dt 0.01\n")
    net = module.Model()
    net(torch.tensor([0.0, 3.0], dtype=D), inputs={"u": ([0.0, 3.0], torch.tensor([[1.0, 0.1], [1.0, 0.1]]))})
    assert net.status.ok.tolist() == [False, True]
    assert str(net.status).startswith(
        "1 of 2 trajectories failed: state x of trajectory (0,) left the finite"
    )
    net(torch.tensor([0.0, 3.0], dtype=D), inputs={"u": ([0.0, 3.0], [1.0, 1.0])})
    assert str(net.status).startswith("the run failed: state x left the finite numbers in the step to t")


def test_status_of_a_map():
    module = load("param a = 3\ninit x = 2\nx[t+1] = a*x*x\nrun t = 0 .. 60\n")
    net = module.Model()
    net(torch.tensor([0.0, 50.0], dtype=D))
    (failure,) = net.status.failures
    assert (failure.state, failure.time) == ("x", 9.0)
    assert str(net.status).endswith("try other parameters or initial values")


def test_clip_bounds_every_derivative():
    module = load(BLOW_UP, "euler")
    x = module.Model(clip=2.0)(torch.tensor([0.0, 4.0], dtype=D))
    assert torch.isfinite(x).all()
    assert x[-1, 0].item() <= 1 + 2 * 4
    by_hand = module.StepCell()(x[0], 0.0, 0.1, torch.tensor([50.0], dtype=D), 2.0)
    assert by_hand.tolist() == pytest.approx([1.2, 0.9])


def test_names_that_clash():
    module = load(CLASHES)
    header = " ".join(module.__doc__.split())
    assert "Renamed, as the name means something else in Python or here:" in header
    for pair in ("lambda -> lambda_", "class -> class_", "torch -> torch_", "math -> math_", "None -> None_"):
        assert pair in header
    assert module.PARAMS[:4] == ("beta", "gamma", "lambda", "N") and "class" in module.PARAMS
    net = module.Model()
    p = dict(zip(module.PARAMS, net.vector().tolist()))
    S, sick, E, Q, x, pp, w, u = z = [9, 1, 0.5, 0.1, 0.3, 0.2, 0.1, 0.4]
    step = p["beta"] * S * sick / p["N"]
    expected = [
        -step + p["lambda"] * p["type"],
        p["gamma"] * E - p["zeta"] * sick,
        step - p["gamma"] * E - 0.1 * E,
        p["class"] * p["torch"] * sick - p["math"] * Q * p["self"],
        p["forward"] * pp - x * p["dt"] + 0.05,
        -pp * p["du"] + w / 2,
        -w * p["__class__"] + u * p["training"],
        -u * p["None"],
    ]
    state = torch.tensor(z, dtype=D)
    assert module.rhs(0.0, state, net.vector()).tolist() == pytest.approx(expected, rel=1e-14)
    assert net(T)[0].tolist() == z
    assert module.OBSERVABLES == ("Tensor", "h")
    assert net.observe(T, net(T))[0].tolist() == pytest.approx([10.5, 0.3 * 0.2 * 0.1 * 0.4], rel=1e-14)
    start = state.clone().requires_grad_()
    given = {
        "torch": torch.rand(2, dtype=D, requires_grad=True),
        "None": torch.rand(2, dtype=D, requires_grad=True),
    }
    leaves = [start, *given.values(), *net.parameters()]
    found = torch.autograd.grad(net(T, x0=start, params=given).square().sum(), leaves, allow_unused=True)
    reference = plain(module, T, start.expand(2, 8), net.vector(given), 0.1)
    expected = torch.autograd.grad(reference.square().sum(), leaves, allow_unused=True)
    for a, b in zip(found, expected):
        assert (a is None or not a.any()) if b is None else torch.allclose(a, b, rtol=1e-10, atol=1e-14)


def test_a_model_without_parameters_observables_or_a_run_line():
    module = load("init x = 1\ndx/dt = -x\n", "heun2")
    assert (module.PARAMS, module.OBSERVABLES, module.INPUTS) == ((), (), ())
    with pytest.raises(ValueError, match="dt, the longest step, must be a positive number, not None"):
        module.Model()
    net = module.Model(dt=0.1)
    x0 = torch.ones(3, 1, dtype=D, requires_grad=True)
    x = net(T, x0=x0)
    x[-1].sum().backward()
    torch.testing.assert_close(x0.grad, torch.full((3, 1), (1 - 0.1 + 0.005) ** 10, dtype=D))
    assert net.observe(T, x).shape == (3, 3, 0)
    assert net.to(torch.float32)(T).dtype == torch.float32


DEGENERATE = {
    "a constant slope": ("init x = 1\ndx/dt = 2\nobs q = 3\n", lambda t: 1 + 2 * t),
    "a slope of parameters alone": ("param k = 2\ninit x = 1\ndx/dt = k\nobs q = k\n", lambda t: 1 + 2 * t),
    "a slope of time alone": ("init x = 0\ndx/dt = 2*t\nobs q = t\n", lambda t: t**2),
    "a slope of an input alone": ("input u linear\ninit x = 1\ndx/dt = u\nobs q = u\n", lambda t: 1 + t),
    "a start at time and parameters": ("param k = 3\ninit x = k + t\ndx/dt = 1\n", lambda t: 3 + t),
    "an unused parameter": ("param k = 3\nparam l = 1\ninit x = l\ndx/dt = 0*x + 1\n", lambda t: 1 + t),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_right_hand_sides_without_states(case):
    text, solution = DEGENERATE[case]
    module = load(text + "run t = 0 .. 1 dt 0.25\n")
    inputs = {"inputs": {"u": ([0.0, 1.0], [1.0, 1.0])}} if module.INPUTS else {}
    for adjoint in ("discrete", "continuous", "autograd"):
        net = module.Model(adjoint=adjoint)
        t = T.clone().requires_grad_()
        x = net(t, **inputs)
        assert x[:, 0].tolist() == pytest.approx([solution(time) for time in T.tolist()], rel=1e-14)
        x.sum().backward()
        x0 = torch.rand(3, 1, dtype=D)
        x = net(T, x0=x0, **inputs)
        assert x.shape == (3, 3, 1)
        assert net.observe(T, x, **inputs).shape == (3, 3, len(module.OBSERVABLES))
        torch.testing.assert_close(
            x - x[0], (net(T, **inputs) - net(T, **inputs)[0]).unsqueeze(1).expand(3, 3, 1)
        )
    x = torch.rand(4, 1, dtype=D)
    p, u = net.vector(), [torch.ones(1, dtype=D)] * len(module.INPUTS)
    assert module.rhs(0.5, x, p, *u).shape == (4, 1)
    assert module.jacobian(0.5, x, p, *u).shape == (4, 1, 1)
    w_t, w_x, w_p, *_ = module.rhs_vjp(0.5, x, p, *u, torch.ones(4, 1, dtype=D))
    assert (w_t.shape, w_x.shape, w_p.shape) == ((4,), (4, 1), (4, len(module.PARAMS)))


@pytest.mark.parametrize("text", [LOTKA_VOLTERRA, RICH, RICKER], ids=["products", "functions", "a map"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("method", ["euler", "rk4", "tsit5"])
def test_a_trajectory_has_the_same_bits_alone_and_among_many(text, dtype, method):
    module = load(text, "rk4" if "[t+1]" in text else method)
    net = module.Model(dtype=dtype)
    generator = torch.Generator().manual_seed(1)
    x0 = torch.rand(1037, len(module.STATES), generator=generator, dtype=dtype) + 0.5
    name = module.PARAMS[0]
    values = torch.rand(1037, generator=generator, dtype=dtype) + 0.5
    t = torch.tensor([0.0, 1.0, 2.0], dtype=dtype)

    def solve(rows):
        start, value = x0[rows].clone().requires_grad_(), values[rows].clone().requires_grad_()
        x = net(t, x0=start, params={name: value})
        return [x.movedim(1, 0), *torch.autograd.grad(x.square().sum(), (start, value))]

    whole = solve(slice(None))
    for rows in ([0], [1, 2, 3], [511], [1036], list(range(100, 117))):
        for together, apart in zip(whole, solve(rows)):
            assert torch.equal(together[rows], apart), f"rows {rows} of {is_map(module)}"


def test_steps_land_on_output_times_and_are_at_most_dt():
    for times, dt, counts in [
        ([0.0, 1.0], 0.1, [10]),
        ([0.0, 0.3], 0.1, [3]),
        ([0.0, 0.31], 0.1, [4]),
        ([1900.0, 1900.1], 0.1, [1]),
        ([0.0, 1e-3, 1.0], 0.5, [1, 2]),
        ([5.0, 4.0, 4.0], 0.3, [4, 1]),
    ]:
        intervals = mesh(torch.tensor(times, dtype=D), dt).intervals
        assert [count for _, _, count in intervals] == counts
        for (start, h, count), a, b in zip(intervals, times, times[1:]):
            assert start == a and abs(h) <= dt * (1 + 1e-9)
            assert start + count * h == pytest.approx(b, rel=1e-15)
