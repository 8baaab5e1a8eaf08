"""Models that switch in time, with their solutions in closed form: x' = g(t) - k*x, g in straight pieces."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STOP = 10.0


@dataclass(frozen=True)
class Switched:
    """g: as a formula with its parameters, and by hand: its breaks, and its value at t on the side of s."""

    lines: str
    params: dict[str, float]
    breaks: Callable[..., list[Tensor]]
    g: Callable[..., Tensor]

    @property
    def text(self) -> str:
        given = ", ".join(f"{name} = {value!r}" for name, value in self.params.items())
        head = f"param {given}, k = 0.7\ninit x = 0.4\n"
        return f"{head}{self.lines}\nx' = g - k*x\nrun t = 0 .. {STOP} step 1\n"

    def exact(self, times: Tensor, p: dict[str, Tensor]) -> Tensor:
        """The states at the times, differentiable by p, k among it; each piece is solved in closed form."""
        own, k = {name: p[name] for name in self.params}, p["k"]
        inner = [b for b in self.breaks(**own) if 0 < b < STOP]
        ends = [
            torch.tensor(0.0, dtype=k.dtype),
            *sorted(inner, key=lambda b: b.item()),
            torch.tensor(STOP, dtype=k.dtype),
        ]
        found, x = {}, torch.tensor(0.4, dtype=k.dtype)
        for a, b in zip(ends, ends[1:], strict=False):
            if a == b:
                continue
            side = ((a + b) / 2).detach()
            level = self.g(side, a, **own)
            slope = (self.g(side, b, **own) - level) / (b - a)

            def at(t: Tensor, a=a, x=x, level=level, slope=slope) -> Tensor:
                e = -torch.expm1(-k * (t - a))
                return x * (1 - e) + level * e / k + slope * ((t - a) / k - e / k**2)

            found |= {i: at(t) for i, t in enumerate(times) if a <= t <= b}
            x = at(b)
        return torch.stack([found[i] for i in range(len(times))])


def _train(start: Tensor, period: Tensor, lasting: Tensor | float) -> list[Tensor]:
    each = [start + n * period for n in range(-8, 40)]
    return each + [t + lasting for t in each]


def _step(s: Tensor, at: Tensor) -> Tensor:
    return (s > at).to(at.dtype)


def _whole(value: Tensor) -> Tensor:
    return torch.floor(value.detach())


def _inside(s: Tensor, start: Tensor, lasting: Tensor) -> Tensor:
    return _step(s, start) * (1 - _step(s, start + lasting))


def _pulse(s: Tensor, start: Tensor, period: Tensor, lasting: Tensor) -> Tensor:
    phase = s - start - _whole((s - start) / period) * period
    return (phase < lasting).to(period.dtype)


MODELS = {
    "pulses": Switched(
        "g = if mod(t, P) < D then r else 0",
        {"P": 2.3, "D": 0.31, "r": 3.0},
        lambda P, D, r: _train(0 * P, P, D),
        lambda s, t, P, D, r: r * _pulse(s, 0 * P, P, D),
    ),
    "infusion": Switched(
        "g = if t > T and t < T + D then r else 0.2",
        {"T": 2.6, "D": 3.7, "r": 3.0},
        lambda T, D, r: [T, T + D],
        lambda s, t, T, D, r: 0.2 + (r - 0.2) * _inside(s, T, D),
    ),
    "doses_by_floor": Switched(
        "g = r*(1 + floor((t - T)/W))",
        {"T": 0.4, "W": 1.7, "r": 0.6},
        lambda T, W, r: _train(T, W, 0.0),
        lambda s, t, T, W, r: r * (1 + _whole((s - T) / W)),
    ),
    "ramp": Switched(
        "g = abs(t - T)*r",
        {"T": 4.3, "r": 0.6},
        lambda T, r: [T],
        lambda s, t, T, r: r * torch.sign(s - T) * (t - T),
    ),
    "until": Switched(
        "g = min(t, T) - clip(t, c, d)/4 + relu(t - d)",
        {"T": 4.3, "c": 1.1, "d": 6.2},
        lambda T, c, d: [T, c, d],
        lambda s, t, T, c, d: (
            torch.where(s < T, t, T)
            - torch.where(s < c, c, torch.where(s < d, t, d)) / 4
            + _step(s, d) * (t - d)
        ),
    ),
    "heavisides": Switched(
        "g = heaviside(t - a) + 2*heaviside(t - b, 1) - heaviside(-(t - c)/2)",
        {"a": 1.2, "b": 3.4, "c": 7.7},
        lambda a, b, c: [a, b, c],
        lambda s, t, a, b, c: _step(s, a) + 2 * _step(s, b) - 1 + _step(s, c),
    ),
    "sign": Switched(
        "g = r*sign(2*T - 2*t) + ceil(t/4)",
        {"T": 4.3, "r": 0.6},
        lambda T, r: [T, T * 0 + 4, T * 0 + 8],
        lambda s, t, T, r: r * torch.sign(T - s) + _whole(s / 4) + 1,
    ),
    "nested": Switched(
        "g = if t < a then 1 else if t < b and not (t > c) or t > d then t else 0.5",
        {"a": 1.2, "b": 6.4, "c": 3.7, "d": 8.2},
        lambda a, b, c, d: [a, b, c, d],
        lambda s, t, a, b, c, d: torch.where(
            s < a, 1.0, torch.where((s < b) & (s <= c) | (s > d), t, t * 0 + 0.5)
        ),
    ),
    "at_one_instant": Switched(
        "g = heaviside(t - a) + (if t >= b then 2 else 0)",
        {"a": 3.2, "b": 3.2},
        lambda a, b: [a, b + 1e-12],
        lambda s, t, a, b: _step(s, a) + 2 * _step(s, b + 1e-12),
    ),
    "sawtooth": Switched(
        "g = mod(t - T, P)",
        {"T": 0.7, "P": 2.9},
        lambda T, P: _train(T, P, 0.0),
        lambda s, t, T, P: t - T - _whole((s - T) / P) * P,
    ),
    "used_twice": Switched(
        "on = if t < T then 1 else 0\nlast = 2*T\n"
        "g = on*r + (1 - on)*2 + on*on + (if t > last then 1 else 0)",
        {"T": 4.3, "r": 0.6},
        lambda T, r: [T, 2 * T],
        lambda s, t, T, r: (1 - _step(s, T)) * (r + 1) + 2 * _step(s, T) + _step(s, 2 * T),
    ),
    "function": Switched(
        "box(a, w) = if a > 0 and a < w then 1 else 0\ng = box(t - T, W) + 2*box(mod(t, S), W)",
        {"T": 5.1, "W": 1.3, "S": 4.7},
        lambda T, W, S: [T, T + W, *_train(0 * S, S, W)],
        lambda s, t, T, W, S: _inside(s, T, W) + 2 * _pulse(s, 0 * S, S, W),
    ),
}
