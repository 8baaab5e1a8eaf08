"""What is said of options, times, starts and problems that do not work, word for word, on both engines."""

import math

import pytest
import torch
from tiers import slow_but_for

import odec

D = torch.float64
ENGINES = ["torch", "native"]
PREY = """
param w = 1
init x = 1
init y = 1
dx/dt = w*x*(1 - y)
dy/dt = y*(x - 1)
"""
POSITIVE = "must be a positive number, at least 8.9e-16 in float64, not"
WHOLE = "max_steps must be a positive whole number, not"
LIST = "atol is one number, or a list of one for each of the 2 states, not a list of"


def model(text, method, engine, **options):
    return odec.load(text, method=method, engine=engine).Model(engine=engine, **options)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rtol": 0}, f"rtol {POSITIVE} 0.0"),
        ({"rtol": -1e-3}, f"rtol {POSITIVE} -0.001"),
        ({"rtol": math.nan}, f"rtol {POSITIVE} nan"),
        ({"rtol": math.inf}, f"rtol {POSITIVE} inf"),
        ({"rtol": "a"}, "rtol must be a number, not 'a'"),
        ({"rtol": [1e-3, 1e-3]}, "rtol must be a number, not [0.001, 0.001]"),
        ({"atol": 0}, "atol must be positive, not 0.0"),
        ({"atol": -1e-9}, "atol must be positive, not -1e-09"),
        ({"atol": math.nan}, "atol must be positive, not nan"),
        ({"atol": [1e-6, math.nan]}, "atol must be positive, not nan"),
        ({"atol": "a"}, "atol must be a number, or one for each state, not 'a'"),
        ({"atol": [1e-6, "b"]}, "atol must be a number, or one for each state, not [1e-06, 'b']"),
        ({"atol": [1e-6]}, f"{LIST} 1"),
        ({"atol": torch.tensor([1e-6])}, f"{LIST} 1"),
        ({"atol": [1e-6] * 3}, f"{LIST} 3"),
        ({"rtol": 1e-3, "max_steps": 0}, f"{WHOLE} 0"),
        ({"rtol": 1e-3, "max_steps": "many"}, f"{WHOLE} 'many'"),
        ({"rtol": 1e-3, "first_step": "a"}, "first_step must be a number, not 'a'"),
        ({"rtol": 1e-3, "first_step": -1}, "first_step must be a positive number, not -1.0"),
        ({"rtol": 1e-3, "min_step": "a"}, "min_step must be a number, not 'a'"),
        ({"rtol": 1e-3, "max_step": 0}, "0 <= min_step < max_step must hold; they are 0.0 and 0.0"),
        ({"dt": "a"}, "dt must be a number, not 'a'"),
        ({"dt": math.nan}, "dt, the longest step, must be a positive number, not nan"),
        (
            {"dt": 0.1, "rtol": 1e-3},
            "dt asks for fixed steps, rtol and atol for adaptive ones: give one or the other",
        ),
    ],
)
def test_options(engine, options, text):
    with pytest.raises(ValueError) as told:
        model(PREY, "tsit5", engine, **options)
    assert str(told.value) == text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("times", "text"),
    [
        ([0, 2, 1], "the times must all increase or all decrease; t[2] = 1 comes after 2"),
        ([0, -1, 3], "the times must all increase or all decrease; t[2] = 3 comes after -1"),
        ([0, math.nan], "the times must be finite numbers; t[1] is nan"),
        ([0, 1, math.inf], "the times must be finite numbers; t[2] is inf"),
        ([], "t holds no time"),
    ],
)
@pytest.mark.parametrize("options", [{"rtol": 1e-6}, {"dt": 0.1}], ids=["adaptive", "fixed"])
def test_times(engine, times, text, options):
    with pytest.raises(ValueError) as told:
        model(PREY, "tsit5", engine, **options)(torch.tensor(times, dtype=D))
    assert str(told.value) == text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dt", [1e-12, 1e-320])
def test_steps_without_end(engine, dt):
    """A slip of the keyboard, which no Ctrl-C would end within a kernel."""
    with pytest.raises(ValueError, match=r"steps of dt = \S+ from 0 to 1 are too many; take longer ones, or"):
        model(PREY, "rk4", engine, dt=dt)(torch.tensor([0.0, 1.0], dtype=D))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("options", [{"rtol": 1e-6}, {"dt": 0.1}], ids=["adaptive", "fixed"])
@pytest.mark.parametrize("batch", [(0,), (3, 0)])
def test_no_trajectory(engine, options, batch):
    net = model(PREY, "tsit5", engine, **options)
    x0 = torch.zeros(*batch, 2, dtype=D, requires_grad=True)
    x = net(torch.linspace(0, 1, 4), x0=x0)
    assert x.shape == (4, *batch, 2) and str(net.status).startswith("ok: ") and net.status.failures == []
    gradients = torch.autograd.grad(x.sum(), [x0, net.w])
    assert gradients[0].shape == x0.shape and gradients[1] == 0


FED = """
input u linear
param w = 1
init x = 1
init y = 1
dx/dt = w*x*(1 - y) + u
dy/dt = y*(x - 1)
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("options", [{"rtol": 1e-6}, {"dt": 0.1}], ids=["adaptive", "fixed"])
@pytest.mark.parametrize(
    ("times", "text"),
    [
        ([0, 2, 1], "the times of input 'u' must increase"),
        ([0, 1, 1], "the times of input 'u' must increase"),
        ([0, math.nan, 1], "the times of input 'u' must be finite numbers"),
        ([0, 1, math.inf], "the times of input 'u' must be finite numbers"),
    ],
)
def test_times_of_an_input(engine, options, times, text):
    net = model(FED, "tsit5", engine, **options)
    with pytest.raises(ValueError) as told:
        net(torch.tensor([0.0, 1.0]), inputs={"u": (times, [1.0, 2.0, 3.0])})
    assert str(told.value) == text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"rtol": 1e-6}, "state x of trajectory (1,) or its derivative is not finite at the start, t = 0"),
        ({"dt": 0.1}, "state x of trajectory (1,) left the finite numbers in the step to t = 0.1"),
    ],
)
def test_parameters_and_inputs_that_are_not_finite(engine, options, start):
    """The parameter or input is named, and no step size is blamed; the other trajectory goes on."""
    net, t = model(FED, "tsit5", engine, **options), torch.tensor([0.0, 1.0])
    good = torch.tensor([[1.0, 1], [1, 1]])
    bad = torch.tensor([[1.0, math.nan], [1, 1]])
    x = net(t, params={"w": bad[0]}, inputs={"u": ([0, 1], good)})
    assert str(net.status) == f"1 of 2 trajectories failed: {start}; its parameter w is nan"
    assert torch.isfinite(x[:, 0]).all()
    x = net(t, inputs={"u": ([0, 1], bad)})
    assert str(net.status) == f"1 of 2 trajectories failed: {start}; its input u is not finite throughout"
    assert torch.isfinite(x[:, 0]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_batches_that_do_not_fit(engine):
    net = model(PREY, "tsit5", engine, dt=0.1)
    with pytest.raises(ValueError) as told:
        net(torch.tensor([0.0, 1.0]), x0=torch.ones(3, 2, dtype=D), params={"w": torch.ones(2, dtype=D)})
    assert str(told.value) == "batches of the shapes (3,), (2,) do not broadcast to one"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["tsit5", "rodas5p", "kvaerno3"])
def test_a_start_that_is_not_finite(engine, method):
    net = model(PREY, method, engine, rtol=1e-6)
    x = net(torch.tensor([0.0, 1.0]), x0=torch.tensor([[1.0, 1.0], [2.0, math.inf]]))
    text, advice = (
        "its derivative is not finite at the start, t =",
        "look at its initial value, and for a division",
    )
    assert str(net.status).startswith(
        f"1 of 2 trajectories failed: state x of trajectory (1,) or {text} 0; {advice}"
    )
    assert torch.isfinite(x[:, 0]).all() and torch.isnan(x[1:, 1]).all()
    net = model("init x = 0\ndx/dt = 1/x\n", method, engine, rtol=1e-6)
    net(torch.tensor([0.5, 1.0]))
    assert str(net.status).startswith(f"the run failed: state x or {text} 0.5; {advice}")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("method", "more"), [("tsit5", "a stiff method such as rodas5p, "), ("rodas5p", "")])
def test_steps_that_are_used_up(engine, method, more):
    net = model(PREY, method, engine, rtol=1e-6, max_steps=3)
    x = net(torch.tensor([0.0, 100.0]), x0=torch.tensor([2.0, 1.0]))
    reason, fix = str(net.status).split("; ")
    assert reason.startswith("the run failed: max_steps are used up at t = 0.")
    assert reason.endswith((", where state x has the largest error", ", where state y has the largest error"))
    assert fix == f"try {more}a looser tolerance, or more max_steps"
    assert torch.isnan(x[1]).all() and int(net.status.steps + net.status.rejected) == 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["backward_euler", "kvaerno3", "rodas4"])
def test_a_singular_iteration_matrix(engine, method):
    """1 - h γ f_x is 0 at h = 1/γ: a fixed step has no solution, an adaptive one is made smaller."""
    gamma = float(odec.methods.get(method).gamma)
    text = "init x = 1\ndx/dt = x\n"
    net = model(text, method, engine, dt=10.0)
    x = net(torch.tensor([0.0, 1 / gamma], dtype=D))
    assert torch.isnan(x[1]).all() and str(net.status) == (
        f"the run failed: the step to t = {1 / gamma:.6g} has no solution for state x, "
        "or none in the finite numbers; try a smaller dt, a tolerance instead (rtol=1e-6, or --rtol 1e-6), "
        "or other parameters"
    )
    net = model(text, method, engine, rtol=1e-4, first_step=1 / gamma)
    x = net(torch.tensor([0.0, 5.0], dtype=D))
    assert (
        net.status.ok and int(net.status.rejected) >= 1 and x[1, 0].item() == pytest.approx(math.exp(5), 5e-2)
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["tsit5", "backward_euler", "trbdf2", "kvaerno5", "ros3p", "rodas5p"])
def test_a_jacobian_that_is_zero(engine, method):
    """A quadrature is no special case, nor are equations that stand still."""
    net = model("init x = 1\ninit y = 2\ndx/dt = 3*t\ndy/dt = 0\n", method, engine, rtol=1e-4)
    x = net(torch.tensor([0.0, 2.0]))
    assert str(net.status).startswith("ok: ") and x[1, 0].item() == pytest.approx(7, rel=1e-2)
    assert x[1, 1] == 2


@pytest.mark.parametrize("engine", slow_but_for(ENGINES, "native"))
def test_a_pole(engine):
    found = []
    for method in ("tsit5", "rodas5p"):
        net = model("init x = 1\ndx/dt = x**2\n", method, engine, rtol=1e-6)
        net(torch.tensor([0.0, 2.0], dtype=D))
        found.append(str(net.status))
    assert found == [
        "the run failed: the error of state x forces the step below the least at t = 1; "
        "try a stiff method such as rodas5p, a looser tolerance, or an end before it",
        "the run failed: however small the step at t = 1, state x is no finite number after it; "
        "look for a division by zero or the like in its equation, or for a pole of the solution",
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shortest_step_that_is_too_long(engine):
    net = model("init x = 1\ndx/dt = -1000*x\n", "tsit5", engine, rtol=1e-6, min_step=0.1)
    net(torch.tensor([0.0, 2.0], dtype=D))
    assert str(net.status) == (
        "the run failed: the error of state x forces the step below min_step = 0.1 at t = 0; "
        "try a stiff method such as rodas5p, a shorter min_step, a looser tolerance, or an end before it"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_steps_that_blow_up(engine):
    net = model("init x = 1\ndx/dt = -1000*x\n", "tsit5", engine, dt=1.0)
    net(torch.tensor([0.0, 100.0], dtype=D))
    reason, fix = str(net.status).split("; ")
    assert reason.startswith("the run failed: state x left the finite numbers in the step to t = ")
    assert fix == (
        "try a smaller dt, a tolerance instead (rtol=1e-6, or --rtol 1e-6), a stiff method such as rodas5p, "
        "other parameters or, in a fit, the clip option"
    )
    (failure,) = net.status.failures
    assert 15 < failure.time < 30


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stiff_problem_given_to_an_explicit_method(engine):
    net = model("init x = 1\ndx/dt = -1000*(x - cos(t))\n", "tsit5", engine, rtol=1e-5)
    net(torch.tensor([0.0, 3.0], dtype=D))
    counts, told = str(net.status).split("; ", 1)
    assert counts.startswith("ok: ") and told == net.status.stiffness
    start, end = "the problem is stiff at t = ", "there stability sets the steps (h·|λ| = "
    assert told.startswith(start) and end in told
    assert told.endswith(
        ", and tsit5's limit is 3.5), not the tolerance; "
        "try the method rodas5p or auto, which take longer ones"
    )
    assert 2 < float(told.split("h·|λ| = ")[1].split(",")[0]) < 4


def test_parameters_keep_their_names():
    """w and torch mean something else within the module's functions, lambda in Python, train in nn.Module."""
    text = "param w = 1\nparam torch = 2\nparam lambda = 3\nparam train = 4\n"
    text += "init x = w\ndx/dt = -torch*lambda*x*train\n"
    net = model(text, "tsit5", "torch", rtol=1e-6)
    assert [net.w.item(), net.torch.item(), net.lambda_.item(), net.train_.item()] == [1, 2, 3, 4]
    assert [name for name, _ in net.named_parameters()] == ["w", "torch", "lambda_", "train_"]
    assert "\n    lambda_ = 3.0  the parameter `lambda`\n" in type(net).__doc__
    with pytest.raises(ValueError) as told:
        net(torch.tensor([0.0, 1.0]), params={"lambda_": 2.0})
    assert str(told.value) == "unknown parameter 'lambda_'; did you mean 'lambda'?"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["rk4", "tsit5", "rodas4", "kvaerno3"])
def test_a_derivative_that_is_not_finite_at_the_start_of_fixed_steps(engine, method):
    """No smaller step would help, so none is advised; later on the step is told, as before."""
    text = "input u linear\ninit y = 1\ninit x = 0\ndy/dt = u\ndx/dt = y/x\n"
    net = model(text, method, engine, dt=0.1)
    x = net([0.5, 1.0], x0=[[1.0, 0.0], [1.0, 2.0]], inputs={"u": ([0.0], [1.0])})
    assert str(net.status) == (
        "1 of 2 trajectories failed: the derivative of state x of trajectory (0,) is not finite at the start"
        ", t = 0.5; look for a division by zero or the like in its equation"
    )
    (failure,) = net.status.failures
    assert (failure.batch, failure.state, failure.time, failure.at_start) == ((0,), "x", 0.5, True)
    assert torch.isfinite(x[:, 1]).all()
