"""Inputs of odd type, shape or dtype: each right, or an error that says what would be, on both engines."""

import numpy as np
import pytest
import torch

import odec

D = torch.float64
ENGINES = ["torch", "native"]
PREY = """
input u linear
param w = 1 in (0, inf)
param v = 0.5
init x = 1
init y = 1
dx/dt = w*x*(1 - y) + u
dy/dt = v*y*(x - 1)
obs z = x + u
run t = 0 .. 2
"""
STEPS = {"adaptive": {"rtol": 1e-6}, "fixed": {"dt": 0.1}}
TIMES, START, VALUES = [0.0, 1.0, 2.0], [1.5, 0.75], [0.0, 0.25, -0.5]
WANTED = "a tensor, an array or lists of real numbers, with rows of one length"
APART = "take .real, or write real and imaginary parts as states or parameters of their own"


@pytest.fixture(params=[(e, s) for e in ENGINES for s in STEPS], ids=lambda p: "-".join(p))
def net(request):
    engine, steps = request.param
    return odec.load(PREY, method="tsit5", engine=engine).Model(engine=engine, **STEPS[steps])


def states(net, t=TIMES, x0=START, w=1.25, values=VALUES):
    return net(t, x0=x0, params={"w": w}, inputs={"u": (TIMES, values)})


def tensors(net):
    given = {"t": TIMES, "x0": START, "w": 1.25, "values": VALUES}
    return states(net, **{name: torch.tensor(value, dtype=D) for name, value in given.items()})


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.array,
        lambda v: np.array(v, dtype=np.float32),
        lambda v: np.array(v, dtype=">f8"),
        lambda v: np.array(v, dtype=object).astype(float),
        lambda v: np.array(v[::-1])[::-1],
        lambda v: torch.tensor(v, dtype=torch.float32),
        lambda v: torch.tensor(v, dtype=torch.float16),
        lambda v: [np.float64(number) for number in v],
        lambda v: [torch.tensor(number) for number in v],
        lambda v: torch.tensor(v, dtype=D).repeat_interleave(2)[::2],
    ],
)
def test_numbers_of_any_kind(net, kind):
    found = states(net, kind(TIMES), kind(START), kind([1.25])[0], kind(VALUES))
    assert found.dtype == D and torch.equal(found, tensors(net))


def test_whole_numbers_and_truth_values(net):
    """They are numbers like others, however they are written: nothing is rounded or divided as integers."""
    for kind in (torch.int64, torch.int32, torch.uint8):
        given = [torch.tensor(value, dtype=kind) for value in ([0, 1, 2], [2, 1], 2, [0, 1, 3])]
        expected = states(net, *(value.to(D) for value in given))
        assert torch.equal(states(net, *given), expected) and torch.equal(
            states(net, *(value.numpy() for value in given)), expected
        )
    given = [torch.tensor(value) for value in ([False, True], [True, False], True, [False, True, True])]
    assert torch.equal(states(net, *given), states(net, *(value.to(D) for value in given)))


def test_tensors_in_lists_keep_their_gradients(net):
    """torch.as_tensor would cut them off."""
    a, b, c = (torch.tensor(value, dtype=D, requires_grad=True) for value in (1.5, 0.75, 2.0))
    found = torch.autograd.grad(states(net, t=[0, 1, c], x0=[a, b]).square().sum(), [a, b, c])
    x0, t = (torch.tensor(value, dtype=D, requires_grad=True) for value in (START, TIMES))
    whole = torch.autograd.grad(states(net, t=t, x0=x0).square().sum(), [x0, t])
    torch.testing.assert_close(torch.stack(found), torch.stack([*whole[0], whole[1][2]]), rtol=1e-14, atol=0)
    rows = torch.autograd.grad(states(net, x0=[[a, b], [1.0, 1]])[:, 0].square().sum(), [a, b])
    torch.testing.assert_close(torch.stack(rows), whole[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x0": torch.tensor([1 + 2j, 1])}, f"x0 must be real, not torch.complex64: {APART}"),
        ({"x0": np.array([1 + 2j, 1])}, f"x0 must be real, not complex128: {APART}"),
        ({"x0": [torch.tensor(1 + 2j), 1.0]}, f"x0 must be real, not torch.complex64: {APART}"),
        ({"x0": [1 + 2j, 1]}, f"x0 must be {WANTED}, not [(1+2j), 1]"),
        ({"t": torch.tensor([0, 1j])}, f"t must be real, not torch.complex64: {APART}"),
        ({"w": torch.tensor(1 + 0j)}, f"w must be real, not torch.complex64: {APART}"),
        ({"w": 1 + 2j}, f"w must be {WANTED}, not (1+2j)"),
        ({"values": np.array([0, 1j, 0])}, f"input 'u' must be real, not complex128: {APART}"),
        ({"x0": "ab"}, f"x0 must be {WANTED}, not 'ab'"),
        ({"x0": {"x": 1, "y": 2}}, f"x0 must be {WANTED}, not {{'x': 1, 'y': 2}}"),
        ({"x0": [[1.0, 2.0], [1.0]]}, f"x0 must be {WANTED}, not [[1.0, 2.0], [1.0]]"),
        (
            {"x0": [torch.ones(2), torch.ones(3)]},
            f"x0 must be {WANTED}, not [tensor([1., 1.]), tensor([1., 1., 1.])]",
        ),
        ({"x0": np.array([None, 1.0])}, f"x0 must be {WANTED}, not array([None, 1.0], dtype=object)"),
        ({"x0": [1e400, "a" * 99]}, f"x0 must be {WANTED}, not this list"),
        ({"w": None}, f"w must be {WANTED}, not None"),
        ({"t": None}, f"t must be {WANTED}, not None"),
        (
            {"t": np.array(["2020-01-01"], dtype="datetime64[D]")},
            f"t must be {WANTED}, not array(['2020-01-01']",
        ),
        ({"t": [[0.0, 1.0]]}, "t must be a vector of times, not of shape (1, 2)"),
        ({"t": 1.0}, "t must be a vector of times, not of shape ()"),
        ({"t": []}, "t holds no time"),
        ({"x0": torch.ones(3)}, "x0 must be (*batch, 2), a column for each of STATES, not (3,)"),
        ({"x0": torch.ones(2, 5)}, "x0 must be (*batch, 2), a column for each of STATES, not (2, 5)"),
        ({"x0": 1.0}, "x0 must be (*batch, 2), a column for each of STATES, not ()"),
        (
            {"x0": torch.ones(3, 2), "w": torch.ones(4)},
            "batches of the shapes (3,), (4,) do not broadcast to one",
        ),
        (
            {"values": [1.0, 2.0]},
            "input 'u' needs times (K,) and values (K,) or (K, *batch), not (3,) and (2,)",
        ),
    ],
)
def test_what_is_told(net, given, message):
    with pytest.raises(ValueError) as told:
        states(net, **given)
    assert str(told.value).startswith(message)


COLUMNS = "values by name, like dict(k=0.5), or (*batch, 2), a column for each of PARAMS"
PAIR = "a number, a pandas Series or a pair, (times, values)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"params": torch.ones(3)}, f"params must be {COLUMNS}, not of shape (3,)"),
        ({"params": 1.0}, f"params must be {COLUMNS}, not of shape ()"),
        ({"params": {"ww": 1.0}}, "unknown parameter 'ww'; did you mean 'w'?"),
        ({"inputs": None}, "input 'u' has no values; give inputs={'u': (times, values)}"),
        ({"inputs": torch.ones(3)}, "inputs must be (times, values) by name, not a Tensor"),
        ({"inputs": {"u": "a"}}, f"input 'u' needs {PAIR}, not 'a'"),
        ({"inputs": {"u": ([0], [1], 0)}}, f"input 'u' needs {PAIR}, not ([0], [1], 0)"),
    ],
)
def test_parameters_and_inputs_that_are_no_mappings(net, arguments, message):
    with pytest.raises(ValueError) as told:
        net(TIMES, **{"inputs": {"u": (TIMES, VALUES)}} | arguments)
    assert str(told.value) == message


@pytest.mark.parametrize("shape", [(2,), (3, 3), (2, 2), (3, 4, 1)])
def test_observe_of_other_shapes(net, shape):
    with pytest.raises(ValueError) as told:
        net.observe(TIMES, torch.zeros(shape), inputs={"u": (TIMES, VALUES)})
    assert str(told.value) == f"observe needs times t (T,) and states x (T, *batch, 2), not (3,) and {shape}"


def test_observe_takes_what_the_model_takes(net):
    inputs = {"u": (TIMES, VALUES)}
    x = states(net).detach()
    expected = net.observe(torch.tensor(TIMES, dtype=D), x, inputs=inputs)
    assert torch.equal(net.observe(np.array(TIMES), x.numpy(), inputs=inputs), expected)
    with pytest.raises(ValueError, match="x must be real, not torch.complex128"):
        net.observe(TIMES, x.to(torch.complex128), inputs=inputs)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_s_dtype_and_parameters_given_as_a_module(engine):
    module = odec.load(PREY, method="tsit5", engine=engine)
    for dtype in (torch.complex128, torch.int64, "float64", float):
        with pytest.raises(ValueError, match="dtype must be torch.float64, torch.float32 or the like, not "):
            module.Model(dtype=dtype)
    net = module.Model(engine=engine, rtol=1e-6)
    held = torch.nn.ParameterDict({"w": torch.nn.Parameter(torch.tensor(1.25, dtype=D))})
    inputs = {"u": (TIMES, VALUES)}
    x = net(TIMES, params=held, inputs=inputs)
    assert torch.equal(x, net(TIMES, params={"w": 1.25}, inputs=inputs))
    x.sum().backward()
    assert held["w"].grad != 0
    assert torch.equal(net(TIMES, params={}, inputs=inputs), net(TIMES, inputs=inputs))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": [0, 1j]}, "times must be real, not complex: take .real, or make two of it"),
        ({"times": [[0, 1]]}, "times must be a vector of one time or more, not of shape (1, 2)"),
        ({"times": 2.0}, "times must be a vector of one time or more, not of shape ()"),
        ({"times": []}, "times must be a vector of one time or more, not of shape (0,)"),
        (
            {"times": ["a"]},
            "times must be a number, or an array of numbers with rows of one length, not ['a']",
        ),
        (
            {"times": [[0], [0, 1]]},
            "times must be a number, or an array of numbers with rows of one length, not",
        ),
        ({"params": {"w": 1 + 1j}}, "w must be real, not complex: take .real, or make two of it"),
        (
            {"params": {"w": "a"}},
            "w must be a number, or an array of numbers with rows of one length, not 'a'",
        ),
        ({"init": {"x": np.array([1j, 1])}}, "x must be real, not complex: take .real, or make two of it"),
        ({"init": {"x": {}}}, "x must be a number, or an array of numbers with rows of one length, not {}"),
        (
            {"inputs": {"u": [1.0]}},
            "input 'u' needs a number, a pandas Series, a path or a pair, (times, values), not [1.0]",
        ),
    ],
)
def test_simulate(engine, options, message):
    given = {"times": TIMES, "inputs": {"u": (TIMES, VALUES)}, "method": "tsit5"} | options
    with pytest.raises(odec.ArgumentError) as told:
        odec.simulate(PREY, engine=engine, **given)
    assert str(told.value).startswith(message)


def test_simulate_takes_tensors_and_iterators():
    expected = odec.simulate(PREY, TIMES, params={"w": 1.25}, inputs={"u": (TIMES, VALUES)}).states
    w = torch.tensor(1.25, requires_grad=True)
    for times in (torch.tensor(TIMES), np.array(TIMES), (time for time in TIMES), range(3)):
        found = odec.simulate(PREY, times, params={"w": w}, inputs={"u": (TIMES, VALUES)})
        assert np.array_equal(found.states, expected)
