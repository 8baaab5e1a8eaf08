"""Switches in time are landed on: states and gradients against closed forms, for every method and engine."""

import functools
from dataclasses import replace

import pytest
import torch
from switch_models import MODELS, STOP, Switched

import odec
from odec.methods import METHODS

D = torch.float64
TIMES = torch.tensor([0.0, 1.0, 2.5, 3.0, 6.1, STOP], dtype=D)
ADAPTIVE = sorted(name for name, method in METHODS.items() if method.adaptive)


def net_of(model: Switched | str, method: str, engine: str = "torch", **steps):
    text = model if isinstance(model, str) else model.text
    return odec.load(text, method=method, engine=engine).Model(engine=engine, **steps)


def leaves(model: Switched) -> dict[str, torch.Tensor]:
    given = {**model.params, "k": 0.7}
    return {name: torch.tensor(value, dtype=D, requires_grad=True) for name, value in given.items()}


def weights(like: torch.Tensor) -> torch.Tensor:
    return torch.linspace(0.5, 2, like.numel(), dtype=D).reshape(like.shape)


def errors(model: Switched, method: str, rtol: float, engine: str = "torch") -> float:
    """The largest error, in tolerances."""
    net = net_of(model, method, engine, rtol=rtol, atol=rtol)
    with torch.no_grad():
        x, exact = net(TIMES)[:, 0], model.exact(TIMES, leaves(model))
    return float(((x - exact).abs() / (rtol * (1 + exact.abs()))).max())


@functools.cache
def smooth_error(method: str, rtol: float) -> float:
    """The same of x' = 2 + sin(t) - 0.7*x, which has no switch."""
    net = net_of("init x = 0.4\nx' = 2 + sin(t) - 0.7*x\n", method, rtol=rtol, atol=rtol)
    k = 0.7
    forced = (k * torch.sin(TIMES) - torch.cos(TIMES) + torch.exp(-k * TIMES)) / (1 + k * k)
    exact = 0.4 * torch.exp(-k * TIMES) - 2 / k * torch.expm1(-k * TIMES) + forced
    with torch.no_grad():
        return float(((net(TIMES)[:, 0] - exact).abs() / (rtol * (1 + exact.abs()))).max())


def slow_unless(quick: bool):
    return () if quick else (pytest.mark.slow,)


def shared_out(rows, quick=lambda row, name: False, every=4):
    """Rows with models: those that are quick, and of the others every fourth model, another one each row."""
    pairs = [(i + j, row, name) for i, row in enumerate(rows) for j, name in enumerate(MODELS)]
    return [
        pytest.param(row, name, marks=slow_unless(quick(row, name)))
        for k, row, name in pairs
        if quick(row, name) or k % every == 0
    ]


@pytest.mark.parametrize(("method", "name"), shared_out(ADAPTIVE, lambda method, _: method == "tsit5"))
def test_steps_by_a_tolerance_keep_it(name: str, method: str) -> None:
    """A method of low order is as far from its tolerance as on a smooth problem."""
    low = METHODS[method].order < 3
    for rtol in (1e-3, 1e-5) if low else (1e-3, 1e-6, 1e-9):
        most = max(10, 5 * smooth_error(method, rtol)) if low else 10
        assert errors(MODELS[name], method, rtol) < most, (name, method, rtol)


@pytest.mark.parametrize(("method", "name"), shared_out(["tsit5", "auto", "rodas5p", "radau_iia5"], every=2))
def test_the_same_in_the_kernel(name: str, method: str) -> None:
    for rtol in (1e-3, 1e-6, 1e-9):
        assert errors(MODELS[name], method, rtol, "native") < 10, (name, method, rtol)


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=slow_unless(name in ("rk4", "heun2")))
        for name, m in METHODS.items()
        if m.order < 6
    ],
)
def test_fixed_steps_keep_their_order(method: str) -> None:
    """Steps of at most dt between two stops: half of them lessens the error by 2**order."""
    model, order = MODELS["infusion"], METHODS[method].order
    sizes = (0.1, 0.05) if order < 5 else (0.25, 0.125)
    found = []
    for dt in sizes:
        with torch.no_grad():
            x = net_of(model, method, dt=dt)(TIMES)[:, 0]
            found.append(float((x - model.exact(TIMES, leaves(model))).abs().max()))
    assert found[0] / found[1] > 2 ** (order - 0.35), found


def gradients(model: Switched, method: str, engine: str, **steps) -> dict[str, torch.Tensor]:
    net, p = net_of(model, method, engine, **steps), leaves(model)
    x = net(TIMES, params=p)[:, 0]
    (weights(x) * x).sum().backward()
    return {name: value.grad for name, value in p.items()}


def exact_gradients(model: Switched) -> dict[str, torch.Tensor]:
    p = leaves(model)
    x = model.exact(TIMES, p)
    (weights(x) * x).sum().backward()
    return {name: value.grad for name, value in p.items()}


RUNS = [
    ("dop853", "torch", {"rtol": 1e-11, "atol": 1e-12}),
    ("tsit5", "torch", {"rtol": 1e-11, "atol": 1e-12}),
    ("rk4", "torch", {"dt": 0.01}),
    ("radau_iia5", "torch", {"dt": 0.05}),
    ("adams", "torch", {"rtol": 1e-11, "atol": 1e-12}),
    ("tsit5", "torch", {"rtol": 1e-11, "adjoint": "continuous"}),
    ("tsit5", "native", {"rtol": 1e-11, "atol": 1e-12}),
    ("rodas5p", "native", {"rtol": 1e-11, "atol": 1e-12}),
    ("auto", "native", {"rtol": 1e-11, "atol": 1e-12}),
    ("rk4", "native", {"dt": 0.01}),
]


@pytest.mark.parametrize(
    ("run", "name"),
    shared_out(
        RUNS, lambda run, name: run[0] == "dop853" and name in ("pulses", "nested", "at_one_instant"), every=3
    ),
)
def test_gradients_by_what_moves_a_switch(run: tuple, name: str) -> None:
    method, engine, steps = run
    found, exact = gradients(MODELS[name], method, engine, **steps), exact_gradients(MODELS[name])
    for param, value in exact.items():
        assert abs(found[param] - value) < 1e-8 * max(1, abs(value)), (param, found[param], value)


@pytest.mark.parametrize(
    ("method", "engine", "steps"),
    [
        ("tsit5", "torch", {"rtol": 1e-5}),
        ("rk4", "torch", {"dt": 0.3}),
        pytest.param("rodas5p", "torch", {"rtol": 1e-5}, marks=pytest.mark.slow),
        pytest.param("tsit5", "native", {"rtol": 1e-5}, marks=pytest.mark.slow),
        pytest.param("rodas5p", "native", {"rtol": 1e-5}, marks=pytest.mark.slow),
    ],
)
def test_tangents_are_adjoints(method: str, engine: str, steps: dict) -> None:
    """At tolerances so coarse that both are of the steps that were taken."""
    model = MODELS["pulses"]
    net, found = net_of(model, method, engine, **steps), gradients(model, method, engine, **steps)
    names = list(found)

    def states(*values: torch.Tensor) -> torch.Tensor:
        x = net(TIMES, params=dict(zip(names, values, strict=True)))[:, 0]
        return (weights(x) * x).sum()

    values = tuple(value.detach() for value in leaves(model).values())
    for k, name in enumerate(names):
        tangent = tuple(torch.ones_like(v) if i == k else torch.zeros_like(v) for i, v in enumerate(values))
        _, pushed = torch.func.jvp(states, values, tangent)
        assert abs(pushed - found[name]) < 1e-10 * max(1, abs(pushed)), name


DOSES = """
param CL = 3, V = 30
init A = 0
A' = (if mod(t, 24) < 0.5 then 200 else 0) - CL/V*A
"""


@pytest.mark.parametrize("method", ["tsit5", pytest.param("rodas5p", marks=pytest.mark.slow), "auto"])
def test_no_dose_is_missed_between_outputs(method: str) -> None:
    """One of ten pulses of half an hour each in 240 hours: a sum of exponentials."""
    times = torch.tensor([0.0, 10.0, 30.0, 60.0, 100.0, 240.0], dtype=D)
    with torch.no_grad():
        x = net_of(DOSES, method, rtol=1e-6, atol=1e-9)(times)[:, 0]
    starts = torch.arange(0, 240, 24, dtype=D)
    since = (times[:, None] - starts).clamp(min=0)
    exact = 2000 * (torch.exp(-0.1 * (since - 0.5).clamp(min=0)) - torch.exp(-0.1 * since)).sum(1)
    assert ((x - exact).abs() / exact.clamp(min=1)).max() < 1e-5


@pytest.mark.parametrize(
    ("formula", "exact"),
    [
        ("if t > T then (t - T)**b else 0", lambda t: (t - 2).clamp(min=0) ** 1.5 / 1.5),
        ("sqrt(relu(t - T))", lambda t: (t - 2).clamp(min=0) ** 1.5 / 1.5),
        ("if t < T then sqrt(T - t) else 0", lambda t: (2**1.5 - (2 - t).clamp(min=0) ** 1.5) / 1.5),
        ("if t > T then g else 0", lambda t: (t - 2).clamp(min=0) ** 1.5 / 1.5),
        (
            "if t >= T and t > T then 1/sqrt(1 + t - T) else 0",
            lambda t: 2 * ((t - 1).clamp(min=1).sqrt() - 1),
        ),
        (
            "if t > T then exp(-1/(t - T))/(t - T)**2 else 0",
            lambda t: torch.exp(-1 / (t - 2).clamp(min=1e-9)),
        ),
    ],
)
def test_formulas_that_end_at_a_switch_are_not_taken_beyond_it(formula: str, exact) -> None:
    """Roots, powers and divisions that exist on one side of a switch, at an output's time and between."""
    text = f"param T = 2, b = 0.5\ninit x = 0\ng = (t - T)**b\nx' = {formula}\n"
    for times in ([0.0, 1.0, 2.0, 3.0], [0.0, 1.7, 4.1]):
        t = torch.tensor(times, dtype=D)
        with torch.no_grad():
            x = net_of(text, "tsit5", rtol=1e-8, atol=1e-10)(t)[:, 0]
        assert (x - exact(t)).abs().max() < 1e-6


def test_a_value_at_the_start_that_a_condition_replaces() -> None:
    """sin(t)/t, as a user guards it at 0; Si(3) by mpmath."""
    with torch.no_grad():
        x = net_of("init x = 0\nx' = if t > 0 then sin(t)/t else 1\n", "rk4", dt=0.01)(
            torch.tensor([0.0, 3.0])
        )
    assert abs(float(x[-1, 0]) - 1.8486525279994683) < 1e-8


@pytest.mark.parametrize("b", [0.5, 1.6])
def test_gradients_of_roots_that_end_at_a_switch(b: float) -> None:
    """Their slopes are infinite there: (t - T)**b on from T and sqrt(2*T - t) until 2*T, in closed form."""
    text = "param T = 2.1, b = 1\ninit x = 0\n"
    formula = "x' = (if t > T then (t - T)**b else 0) + (if t < 2*T then sqrt(2*T - t) else 0)\n"
    T, power = (torch.tensor(value, dtype=D, requires_grad=True) for value in (2.1, b))
    net = net_of(text + formula, "tsit5", rtol=1e-9, atol=1e-11)
    x = net(torch.tensor([0.0, 7.0], dtype=D), params={"T": T, "b": power})[-1, 0]
    exact = (7 - T) ** (power + 1) / (power + 1) + (2 * T) ** 1.5 / 1.5
    assert abs(x - exact) < 1e-6
    for found, value in zip(torch.autograd.grad(x, (T, power)), torch.autograd.grad(exact, (T, power))):
        assert abs(found - value) < 1e-5


@pytest.mark.parametrize("name", ["P", "T"])
def test_a_switch_whose_time_is_no_number_is_a_status(name: str) -> None:
    """A period of 0, under which no condition holds, and an onset that is NaN; the others run on."""
    text = "param T = 2, P = 3\ninit x = 0\nx' = (if mod(t, P) < 1 then 1 else 0) + heaviside(t - T)\n"
    net = net_of(text, "tsit5")
    value = torch.tensor([{"P": 3.0, "T": 2.0}[name], {"P": 0.0, "T": torch.nan}[name]], dtype=D)
    with torch.no_grad():
        x = net(torch.tensor([0.0, 4.0], dtype=D), params={name: value})[-1, :, 0]
    assert abs(x[0] - 4) < 1e-9 and x[1].isnan()
    assert {"P": "switch is no number", "T": "parameter T is nan"}[name] in str(net.status)


def test_steps_that_switches_use_up_are_told():
    net = net_of(
        "param k = 0.7\ninit x = 0\nx' = (if mod(t, 1) < 0.3 then 1 else 0) - k*x\n", "tsit5", max_steps=200
    )
    net(torch.tensor([0.0, 40.0], dtype=D))
    told = "steps end on each of 80 switches; take more max_steps, or a shorter run"
    assert told in str(net.status)
    net(torch.tensor([0.0, 3.0], dtype=D))
    assert net.status.ok


def test_steps_of_equal_size_by_chance_on_both_sides_of_an_output() -> None:
    """19 steps of 0.02 lead from the switch at 2.62 to the output at 3, and one to the switch at 3.02."""
    model = replace(MODELS["pulses"], params={"P": 1.31, "D": 0.4, "r": 2.0})
    times, p = torch.tensor([0.0, 3.0, 3.2], dtype=D), leaves(model)
    found, exact = (
        torch.autograd.grad(x[-1], p["P"])[0]
        for x in (net_of(model, "explicit_adams", dt=0.02)(times, params=p)[:, 0], model.exact(times, p))
    )
    assert abs(found - exact) < 1e-6
