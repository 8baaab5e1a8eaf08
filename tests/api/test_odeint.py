"""odeint and odeint_adjoint: states and gradients beside closed forms, options, and what is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import odec
from odec.integrate import tables

FEW = 2e-6
"""What the adaptive methods may miss at rtol 1e-7; interpolants of low order miss more."""
ERRORS = {
    **dict.fromkeys(tables.ADAPTIVE, FEW), "fehlberg2": 4e-5, "euler": 8e-3, "implicit_euler": 8e-3,
    "midpoint": 3e-5, "heun2": 3e-5, "implicit_midpoint": 3e-5, "trapezoid": 3e-5, "sdirk2": 3e-5,
    "trbdf2": 3e-5, "heun3": 2e-8, "radauIIA3": 1e-7, "rk4": 2e-10, "explicit_adams": 1e-7,
    "implicit_adams": 1e-9, "fixed_adams": 1e-9, "gl4": 1e-9, "radauIIA5": 1e-12, "gl6": 1e-13,
}  # fmt: skip
FIXED = {"step_size": 0.01}


def swing(t: Tensor, y: Tensor) -> Tensor:
    """dy/dt of y = y(0) exp(cos t - 1)."""
    return -y * torch.sin(t)


def exact(t: Tensor, y0: Tensor) -> Tensor:
    """The solution from y0 at t[0]."""
    grown = torch.exp(torch.cos(t) - torch.cos(t[0]))
    return grown.reshape(-1, *[1] * y0.dim()) * y0


def options_of(method: str) -> dict[str, Any]:
    own = {"max_order": 5} if method == "explicit_adams" else {}
    return {} if method in tables.ADAPTIVE else {**FIXED, **own}


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.slow
def test_the_page_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "odeint.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    (shown,) = re.findall(r"^```text\n(.*?)^```", page, re.M | re.S)
    exec(compile(program, "odeint.md", "exec"), {})
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == ["0", "30", "60"]
    # Single precision, trained on: other digits on another machine.
    numbers = [float(number) for number in printed.split()]
    assert numbers == pytest.approx([float(number) for number in shown.split()], rel=0.05)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("method", tables.NAMES)
def test_states_of_every_method(method: str, backwards: bool) -> None:
    t = double(0.0, 0.3, 0.65, 1.0)
    t = t.flip(0) if backwards else t
    y0 = double(1.0, 2.0, 3.0, 4.0).reshape(2, 2)
    y = odec.odeint(swing, y0, t, method=method, options=options_of(method))
    assert y.shape == (4, 2, 2) and torch.equal(y[0], y0)
    torch.testing.assert_close(y, exact(t, y0), rtol=0, atol=4 * ERRORS[method])


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "rk4", "implicit_adams", "gl4"])
def test_gradients_of_the_numbers_and_of_the_solution(method: str) -> None:
    """By y0, by the times and by what the function uses, both ways, beside those of the closed form."""
    y0 = double(1.0, 2.0).requires_grad_()
    k = double(0.5).requires_grad_()
    t = double(0.0, 0.5, 1.0).requires_grad_()
    w = double(1.0, -2.0, 0.5, 1.5, 1.0, 3.0).reshape(3, 2)

    def decay(t: Tensor, y: Tensor) -> Tensor:
        return -k * t * y

    shift = (t**2 - t[0] ** 2).unsqueeze(-1)
    wanted = torch.autograd.grad((w * y0 * torch.exp(-k * shift / 2)).sum(), (y0, k, t))
    given = {"method": method, "options": {} if method in tables.ADAPTIVE else {"step_size": 0.02}}
    given |= {"rtol": 1e-9, "atol": 1e-11}
    forth = odec.odeint(decay, y0, t, **given)
    back = odec.odeint_adjoint(decay, y0, t, adjoint_params=(k,), **given)
    for y, miss in ((forth, 5e-2), (back, 1e-5)):
        found = torch.autograd.grad((w * y).sum(), (y0, k, t))
        for value, right in zip(found[:2], wanted):
            torch.testing.assert_close(value, right, rtol=1e-6, atol=1e-6)
        # between grid points outputs are on straight lines, whose slopes are those of a coarser method
        torch.testing.assert_close(found[2], wanted[2], rtol=miss, atol=miss)


@pytest.mark.parametrize("method", ["dopri5", "tsit5", "bosh3", "rk4", "implicit_midpoint"])
def test_odeint_is_differentiable_twice(method: str) -> None:
    y0, t = double(0.4, 0.7).requires_grad_(), double(0.0, 0.2, 0.5).requires_grad_()
    options, loose = {}, {}
    if method in tables.ADAPTIVE:  # all steps of one size, as it counts as a number
        options, loose = {"first_step": 0.1, "max_step": 0.1}, {"rtol": 1e-2, "atol": 1e-2}
        t = t.detach()

    def solve(y0: Tensor, t: Tensor) -> Tensor:
        return odec.odeint(lambda t, y: y * (1 - y) * t, y0, t, method=method, options=options, **loose)

    assert torch.autograd.gradcheck(solve, (y0, t))
    assert torch.autograd.gradgradcheck(solve, (y0, t))


def test_the_adjoint_is_differentiable_once() -> None:
    y0 = double(1.0).requires_grad_()
    y = odec.odeint_adjoint(swing, y0, double(0.0, 1.0), adjoint_params=())
    (slope,) = torch.autograd.grad(y[-1].sum(), y0, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable no further"):
        slope.sum().backward()


def test_rk4_is_the_rule_of_three_eighths() -> None:
    f: Callable[[float, Tensor], Tensor] = lambda t, y: y * t - y**2  # noqa: E731
    y, h, t = double(0.7), 0.25, 0.5
    k1 = f(t, y)
    k2 = f(t + h / 3, y + h * k1 / 3)
    k3 = f(t + 2 * h / 3, y + h * (k2 - k1 / 3))
    k4 = f(t + h, y + h * (k1 - k2 + k3))
    wanted = y + h * (k1 + 3 * k2 + 3 * k3 + k4) / 8
    found = odec.odeint(f, y, double(t, t + h), method="rk4")[1]
    torch.testing.assert_close(found, wanted, rtol=1e-15, atol=0)


class Counted(torch.nn.Module):
    """A small net, which counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
        self.idle = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
        self.calls, self.steps = 0, list[float]()

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        self.calls += 1
        return self.net(y) * torch.cos(t)


def test_a_module_by_both_gradients() -> None:
    func, t = Counted(), torch.linspace(0, 2, 7, dtype=torch.float64)
    y0 = double(1.0, -0.5, 0.3, 0.8).reshape(2, 2)
    gradients = []
    for solve in (odec.odeint, odec.odeint_adjoint):
        func.zero_grad()
        solve(func, y0, t, rtol=1e-9, atol=1e-11).square().sum().backward()
        gradients.append([p.grad for p in func.parameters()])
    for name, one, other in zip(dict(func.named_parameters()), *gradients):
        if name == "idle":
            assert other is not None and not other.any()
            continue
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_outputs_within_steps_cost_nothing() -> None:
    y0, costs = double(1.0, 2.0), []
    for count in (2, 300):
        func, t = Counted(), torch.linspace(0, 3, count, dtype=torch.float64)
        y = odec.odeint(func, y0, t)
        costs.append(func.calls)
    fine = odec.odeint(Counted(), y0, t, rtol=1e-12, atol=1e-12, method="dopri8")
    assert costs[0] == costs[1]
    torch.testing.assert_close(y, fine, rtol=1e-6, atol=1e-6)


def test_a_tuple_of_tensors() -> None:
    """As one tensor of all: each part has its tolerance, and the norm is the largest of the parts'."""
    y0 = double(1.0, 2.0).reshape(1, 2), torch.tensor(3.0, dtype=torch.float64)
    t = double(0.0, 0.4, 1.0)
    seen: list[Any] = []

    def norm(error: Any) -> Tensor:
        seen.append([tuple(part.shape) for part in error])
        return torch.stack([part.abs().max() for part in error]).max()

    def func(t: Tensor, y: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return swing(t, y[0]), swing(t, y[1])

    found = odec.odeint(func, y0, t, rtol=(1e-8, 1e-6), atol=(1e-9, 1e-9), options={"norm": norm})
    assert seen and seen[0] == [(1, 2), ()]
    for part, start in zip(found, y0):
        torch.testing.assert_close(part, exact(t, start), rtol=0, atol=1e-6)


def test_one_norm_over_the_whole() -> None:
    """y0 is one trajectory: a fast part makes the steps of the slow one as short as its own."""
    rates = double(1.0, 40.0)
    costs = []
    for chosen in (rates, rates[:1]):
        calls = [0]

        def func(t: Tensor, y: Tensor, chosen: Tensor = chosen, calls: list[int] = calls) -> Tensor:
            calls[0] += 1
            return -chosen * y

        odec.odeint(func, torch.ones_like(chosen), double(0.0, 1.0))
        costs.append(calls[0])
    assert costs[0] > 2 * costs[1]


def test_float32_states_at_float64_times() -> None:
    seen = set()

    def func(t: Tensor, y: Tensor) -> Tensor:
        seen.add(t.dtype)
        return -y

    for method in ("dopri5", "rk4", "implicit_adams", "trapezoid"):
        t = torch.linspace(0, 1, 9, dtype=torch.float64)
        y = odec.odeint(func, torch.ones(3), t, method=method, rtol=1e-5, atol=1e-6)
        assert y.dtype == torch.float32 and seen == {torch.float32}
        torch.testing.assert_close(y[:, 0].double(), torch.exp(-t), rtol=0, atol=2e-3)


@pytest.mark.parametrize("adjoint", [False, True])
def test_jumps_are_stepped_on(adjoint: bool) -> None:
    """func is never asked at the jump itself, and the result is exact but for the tolerance."""
    seen = []

    def func(t: Tensor, y: Tensor) -> Tensor:
        seen.append(float(t))
        return (1.0 if t < 0.3 else -2.0) * y

    solve = odec.odeint_adjoint if adjoint else odec.odeint
    given = {"adjoint_params": ()} if adjoint else {}
    y0 = double(1.0).requires_grad_()
    options = {"jump_t": double(0.3, 7.0), "step_t": double(0.65)}
    y = solve(func, y0, double(0.0, 1.0), options=options, **given)
    y[-1].sum().backward()
    wanted = math.exp(0.3 - 1.4)
    assert 0.3 not in seen and 0.65 in seen and len(seen) < (200 if adjoint else 100)
    assert float(y[-1, 0].detach()) == pytest.approx(wanted, rel=1e-6)
    assert y0.grad is not None and float(y0.grad) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4", "explicit_adams", "trapezoid"])
def test_perturbed_steps_do_not_touch_their_ends(method: str) -> None:
    for perturb in (False, True):
        seen: list[float] = []

        def func(t: Tensor, y: Tensor, seen: list[float] = seen) -> Tensor:
            seen.append(float(t))
            return -y

        odec.odeint(
            func,
            double(1.0),
            double(0.0, 1.0),
            method=method,
            options={"step_size": 0.25, "perturb": perturb},
        )
        assert {0.0, 0.25, 0.5, 0.75}.isdisjoint(seen) == perturb


def test_grids_and_outputs_between_their_points() -> None:
    t, y0 = double(0.0, 0.125, 0.3, 1.0), double(1.0)
    cubic = odec.odeint(swing, y0, t, method="rk4", options={"step_size": 0.1, "interp": "cubic"})
    torch.testing.assert_close(cubic, exact(t, y0), rtol=0, atol=2e-6)
    straight = odec.odeint(swing, y0, t, method="rk4", options={"step_size": 0.1})
    assert 1e-4 < float((straight - exact(t, y0)).abs().max()) < 2e-3
    asked = []

    def grid(func: Any, y0: Tensor, t: Tensor) -> Tensor:
        asked.append(t.tolist())
        return torch.linspace(float(t[0]), float(t[-1]), 11)

    y0.requires_grad_()
    ends = double(0.0, 1.0)
    y = odec.odeint_adjoint(
        lambda t, y: y, y0, ends, method="euler", options={"grid_constructor": grid}, adjoint_params=()
    )
    y[-1].backward()
    assert asked == [[0.0, 1.0], [1.0, 0.0]]
    assert float(y[-1].detach()) == pytest.approx(1.1**10, rel=1e-6) and float(y0.grad) == pytest.approx(
        1.1**10, rel=1e-6
    )


def test_callbacks() -> None:
    func = Counted()
    counts = dict.fromkeys(("step", "accept_step", "reject_step", "step_adjoint"), 0)
    for name in counts:

        def count(t: Tensor, y: Any, h: Tensor, name: str = name) -> None:
            assert h > 0
            counts[name] += 1

        setattr(func, f"callback_{name}", count)
    y0 = double(1.0, 2.0).requires_grad_()
    odec.odeint_adjoint(func, y0, double(0.0, 3.0)).sum().backward()
    assert counts["step"] == counts["accept_step"] + counts["reject_step"] > 5 and counts["step_adjoint"] > 5
    with pytest.warns(UserWarning, match="euler takes fixed steps: callback_accept_step is never called"):
        odec.odeint(func, y0, double(0.0, 1.0), method="euler")


def test_the_seminorm_costs_no_more() -> None:
    costs = []
    for options in ({}, {"norm": "seminorm"}, {"norm": lambda parts: parts[1].abs().max()}):
        func = Counted()
        y = odec.odeint_adjoint(func, double(1.0, 2.0), double(0.0, 2.0), adjoint_options=options)
        func.calls = 0
        y.sum().backward()
        costs.append(func.calls)
    assert costs[2] <= costs[1] <= costs[0]


def test_steps_within_bounds() -> None:
    seen: list[float] = []

    class Seen:
        def __call__(self, t: Tensor, y: Tensor) -> Tensor:
            return -y

        def callback_accept_step(self, t: Tensor, y: Tensor, h: Tensor) -> None:
            seen.append(float(h))

    odec.odeint(Seen(), double(1.0), double(0.0, 1.0), options={"max_step": 0.1, "first_step": 0.05})
    assert seen[0] == 0.05 and max(seen) <= 0.1 and sum(seen) == pytest.approx(1.0)
    seen.clear()
    odec.odeint(Seen(), double(1.0), double(0.0, 1.0), options={"min_step": 0.25})
    assert len(seen) <= 4 and sum(seen) == pytest.approx(1.0)


solve = odec.odeint
Y0, T = torch.ones(2), torch.linspace(0, 1, 3)


def decaying(t: Tensor, y: Tensor) -> Tensor:
    return -y


REFUSED = {
    "shape": (lambda: solve(lambda t, y: y[:1], Y0, T), "a tensor (2,) of torch.float32; it returned (1,)"),
    "dtype": (lambda: solve(lambda t, y: y.double(), Y0, T), "it returned (2,) of torch.float64: convert"),
    "nothing": (lambda: solve(lambda t, y: None, Y0, T), "it returned None"),
    "parts": (lambda: solve(lambda t, y: y[:1], (Y0, Y0), T), "a tuple of 2 tensors, as y0 is, not"),
    "times": (lambda: solve(decaying, Y0, torch.tensor([0.0, 1, 1])), "t[1] is 1 and t[2] is 1"),
    "time": (lambda: solve(decaying, Y0, [0, 1]), "t must be a tensor (T,) of a floating dtype, not a list"),
    "y0": (lambda: solve(decaying, [1.0], T), "a tensor or a tuple of tensors, not a list"),
    "whole": (lambda: solve(decaying, torch.ones(2, dtype=torch.long), T), "must have a floating dtype"),
    "complex": (lambda: solve(decaying, Y0 + 0j, T), "y0 is complex: give its real and its imaginary part"),
    "method": (lambda: solve(decaying, Y0, T, method="dopri6"), "no method 'dopri6': did you mean 'dopri"),
    "scipy": (lambda: solve(decaying, Y0, T, method="scipy_solver"), "scipy_solver is not here"),
    "event": (lambda: solve(decaying, Y0, T, event_fn=decaying), "event_fn and odeint_event are not here"),
    "events": (lambda: odec.odeint_event(decaying, Y0, T), "event_fn and odeint_event are not here"),
    "option": (
        lambda: solve(decaying, Y0, T, method="rk4", options={"stepsize": 1}),
        "there is no option 'stepsize': did you mean 'step_size'?",
    ),
    "zero": (lambda: solve(decaying, Y0, T, rtol=0, atol=0), "rtol and atol are both 0"),
    "negative": (lambda: solve(decaying, Y0, T, rtol=-1.0), "rtol must not be negative"),
    "many": (lambda: solve(decaying, Y0, T, rtol=(1e-3, 1e-3)), "rtol must be a number, not 2 of them"),
    "adjoint": (lambda: odec.odeint_adjoint(decaying, Y0, T), "func is no nn.Module: say by adjoint_params"),
    "two methods": (
        lambda: odec.odeint_adjoint(
            decaying, Y0, T, method="rk4", options=FIXED, adjoint_method="euler", adjoint_params=()
        ),
        "give those of adjoint_method as adjoint_options",
    ),
    "grid": (
        lambda: solve(decaying, Y0, T, method="rk4", options={"grid_constructor": lambda f, y, t: t[:2]}),
        "must give times that lead strictly from 0 to 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    call, said = REFUSED[case]
    with pytest.raises(odec.ArgumentError) as error:
        call()
    assert said in str(error.value)


LOST = {
    "y0": (lambda: solve(decaying, Y0 * math.nan, T), "y0 has entries that are no finite numbers"),
    "start": (
        lambda: solve(lambda t, y: y / 0, Y0, T),
        "func has entries that are no finite numbers, at t = 0",
    ),
    "later": (
        lambda: solve(lambda t, y: y if t < 0.3 else y * math.nan, Y0, T),
        "func gives no finite numbers beyond t = 0.3",
    ),
    "pole": (lambda: solve(lambda t, y: y**2, Y0, torch.tensor([0.0, 2.0])), "underflows at t = 1"),
    "fixed": (
        lambda: solve(lambda t, y: y**2, Y0 * 1e3, T, method="euler", options=FIXED),
        "the states are not finite at t = 0.5, where they were at 0",
    ),
    "steps": (lambda: solve(decaying, Y0, T, options={"max_num_steps": 2}), "max_num_steps = 2 steps"),
}


@pytest.mark.parametrize("case", LOST)
def test_runs_that_cannot_go_on(case: str) -> None:
    call, said = LOST[case]
    with pytest.raises(odec.SimulationError) as error:
        call()
    assert said in str(error.value)


def test_an_option_of_other_methods_is_told() -> None:
    with pytest.warns(UserWarning, match="the option step_size is not of dopri5, and does nothing"):
        solve(decaying, Y0, T, options={"step_size": 0.1})


def test_a_corrector_that_does_not_converge_is_told() -> None:
    with pytest.warns(UserWarning, match="the corrector has not converged at t = "):
        solve(lambda t, y: -3 * y, Y0, torch.linspace(0, 3, 7), method="implicit_adams")
