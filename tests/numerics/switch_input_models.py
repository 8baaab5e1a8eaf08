"""Models that switch where inputs cross levels, with their solutions in closed form: x' = g(t) - k*x."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

D = torch.float64
STOP = 10.0
KNOTS = {"u": [0.0, 2.0, 3.0, 5.0, 8.0, 9.0], "v": [1.0, 4.5, 6.0, 9.5], "h": [0.0, 2.5, 5.0, 7.0]}
VALUES = {
    "u": [0.1, 1.9, 1.2, -0.7, 2.3, 0.4],
    "v": [0.6, -0.2, 1.3, 0.9],
    "h": [0.3, 1.1, -0.4, 0.8],
}
PARAMS = {"L": 0.55, "c": 3.3, "q": 1.7, "a": 0.45, "T": 6.2, "k": 0.7}

Values = dict[str, Tensor]


def at(name: str, p: Values, side: Tensor, t: Tensor) -> Tensor:
    """An input at t, as it goes on about a time on the side; outside of its knots it stays."""
    knots, values = KNOTS[name], p[name]
    place = max(sum(knot < side.item() for knot in knots) - 1, 0)
    if name == "h" or not knots[0] < side < knots[-1]:
        return values[place]
    a, b = knots[place], knots[place + 1]
    return values[place] + (values[place + 1] - values[place]) / (b - a) * (t - a)


@dataclass(frozen=True)
class ByInputs:
    """g as a formula, the sums that switch it where they are 0, and its value at t on the side of s.

    Both are functions of the inputs u, v, h at t, of t and the parameters; g knows which sums are `beyond`.
    """

    formula: str
    sums: Callable[[dict[str, Tensor]], list[Tensor]]
    g: Callable[[list[Tensor], dict[str, Tensor]], Tensor]
    beyond: Callable[[Tensor, Tensor], Tensor] = torch.gt


def _at(p: Values, side: Tensor, t: Tensor) -> dict[str, Tensor]:
    return {**p, **{name: at(name, p, side, t) for name in KNOTS}, "t": t}


MODELS = {
    "level": ByInputs("if u > L then 2 else 0", lambda z: [z["u"] - z["L"]], lambda on, z: 2 * on[0]),
    "ramp": ByInputs("max(u - L, 0)", lambda z: [z["u"] - z["L"]], lambda on, z: on[0] * (z["u"] - z["L"])),
    "time": ByInputs(
        "if 2*u + t > c then 1 else 0", lambda z: [2 * z["u"] + z["t"] - z["c"]], lambda on, z: on[0]
    ),
    "scaled": ByInputs(
        "q*heaviside(q*u - v)", lambda z: [z["q"] * z["u"] - z["v"]], lambda on, z: z["q"] * on[0]
    ),
    "held": ByInputs("if u > h then u else 0", lambda z: [z["u"] - z["h"]], lambda on, z: on[0] * z["u"]),
    "clock": ByInputs("if t > 4 + h then 1 else 0", lambda z: [z["t"] - 4 - z["h"]], lambda on, z: on[0]),
    "size": ByInputs("abs(u)", lambda z: [z["u"]], lambda on, z: (2 * on[0] - 1) * z["u"]),
    "both": ByInputs(
        "if u > L and v < q or t > T then 3 else 1",
        lambda z: [z["u"] - z["L"], z["q"] - z["v"], z["t"] - z["T"]],
        lambda on, z: 1 + 2 * torch.maximum(on[0] * on[1], on[2]),
    ),
    "stairs": ByInputs(
        "floor(u/a)",
        lambda z: [z["u"] - n * z["a"] for n in range(-3, 7)],
        lambda on, z: sum(on) - 4,
        torch.ge,
    ),
    "rest": ByInputs(
        "mod(u - v, q)",
        lambda z: [z["u"] - z["v"] - n * z["q"] for n in range(-2, 3)],
        lambda on, z: z["u"] - z["v"] - z["q"] * (sum(on) - 3),
        torch.ge,
    ),
}


def text(*names: str) -> str:
    """Some models side by side."""
    given = ", ".join(f"{name} = {value}" for name, value in PARAMS.items())
    inputs = "input u linear\ninput v linear\ninput h\n"
    each = (f"init x_{name} = 0.4\nx_{name}' = ({MODELS[name].formula}) - k*x_{name}\n" for name in names)
    return f"param {given}\n{inputs}{''.join(each)}run t = 0 .. {STOP} step 1\n"


def leaves() -> Values:
    """Parameters and values of inputs, which require gradients."""
    given = {**PARAMS, **VALUES}
    return {name: torch.tensor(value, dtype=D, requires_grad=True) for name, value in given.items()}


def series(p: Values) -> dict[str, tuple[Tensor, Tensor]]:
    return {name: (torch.tensor(KNOTS[name], dtype=D), p[name]) for name in KNOTS}


def breaks(model: ByInputs, p: Values) -> list[Tensor]:
    """Where a sum crosses 0: in each segment between knots by Newton's method, which is exact at once."""
    inside = (knot for each in KNOTS.values() for knot in each if 0 < knot < STOP)
    knots = sorted({0.0, STOP, *inside})
    found = [torch.tensor(knot, dtype=D) for knot in knots]
    for a, b in zip(knots, knots[1:], strict=False):
        middle = torch.tensor((a + b) / 2, dtype=D)
        here, there = (model.sums(_at(p, middle, time)) for time in (middle, middle + 0.25))
        for k, (value, later) in enumerate(zip(here, there, strict=True)):
            rate = (later - value).detach() / 0.25
            if rate != 0 and a < (time := (middle - value / rate).detach()) < b:
                found.append(time - model.sums(_at(p, middle, time))[k] / rate)
    return sorted(found, key=lambda time: time.item())


def exact(model: ByInputs, times: Tensor, p: Values) -> Tensor:
    """The states at the times, differentiable by p; each piece is solved in closed form."""
    k, x, found = p["k"], torch.tensor(0.4, dtype=D), {}
    ends = breaks(model, p)
    for a, b in zip(ends, ends[1:], strict=False):
        side = ((a + b) / 2).detach()
        on = [
            model.beyond(value.detach(), torch.tensor(0.0)).to(D) for value in model.sums(_at(p, side, side))
        ]
        level, end = (model.g(on, _at(p, side, end)) for end in (a, b))
        slope = (end - level) / (b - a)

        def solved(t: Tensor, a=a, x=x, level=level, slope=slope) -> Tensor:
            e = -torch.expm1(-k * (t - a))
            return x * (1 - e) + level * e / k + slope * ((t - a) / k - e / k**2)

        found |= {i: solved(t) for i, t in enumerate(times) if a <= t <= b}
        x = solved(b)
    return torch.stack([found[i] for i in range(len(times))])


def side_by_side(names: tuple[str, ...], times: Tensor, p: Values) -> Tensor:
    """Of some models (T, n)."""
    return torch.stack([exact(MODELS[name], times, p) for name in names], -1)
