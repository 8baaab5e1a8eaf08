"""The contenders of w1: 1,000 epochs of Adam on the competition data, from one start."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import odec_engine, reference
from benchmarks.harness import Case, Contender, Ready
from benchmarks.problems import MODELS

MODEL = MODELS / "competition.ode"
DATA = Path(__file__).parents[1] / "examples" / "competition" / "data.csv"
START = (0.1, 0.1, 1e-3, 1e-3, 1e-3, 1e-3)
PARAMS = ("r1", "r2", "a1", "a2", "iN1", "iN2")
X0 = (100.0, 150.0)
EPOCHS, CHECKED, RATE, BETA1, BETA2, EPSILON = 1000, 300, 1e-4, 0.9, 0.999, 1e-8


@cache
def data() -> tuple[np.ndarray, np.ndarray]:
    """Days (6,) as whole numbers, and the counts (6, 2)."""
    with DATA.open() as file:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    return np.array([int(row[0]) for row in rows]), np.array([row[1:] for row in rows])


def step(x: Any, p: Any) -> tuple:
    """One Euler step of a day: x in two rows, p in six."""
    (x1, x2), (r1, r2, a1, a2, k1, k2) = x, p
    met = x1 * x2
    return x1 + (r1 * x1 * (1 - k1 * x1) - a1 * met), x2 + (r2 * x2 * (1 - k2 * x2) - a2 * met)


@cache
def _sum_of_squares() -> Callable[[Any], Any]:
    days, counts = data()
    seen, last = dict(zip(days.tolist(), counts.tolist())), int(days[-1])

    def loss(p: Any) -> Any:
        x, value = X0, 0.0
        for day in range(1, last + 1):
            x = step(x, p)
            if day in seen:
                value = value + (x[0] - seen[day][0]) ** 2 + (x[1] - seen[day][1]) ** 2
        return value

    return loss


def loss(p: Any) -> Any:
    """The sum of squares, day by day. p in six rows."""
    return _sum_of_squares()(p)


def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
    @cache
    def fitted() -> tuple[np.ndarray, float]:
        p = np.array(START, reference.REAL)
        m = v = np.zeros_like(p)
        for epoch in range(1, CHECKED + 1):
            gradient = reference.gradient(loss, p[:, None])[:, 0]
            m = BETA1 * m + (1 - BETA1) * gradient
            v = BETA2 * v + (1 - BETA2) * gradient**2
            scale = np.sqrt(v / (1 - reference.REAL(BETA2) ** epoch)) + EPSILON
            p = p - RATE * (m / (1 - reference.REAL(BETA1) ** epoch)) / scale
        return p, float(loss(p))

    return [Case(0, "float64", {"fitted": fitted})]


def errors(case: Case, result: Any) -> dict[str, float]:
    """Deviations of the parameters after 300 epochs (6,), and of their loss."""
    p, value = case.data["fitted"]()
    found = np.asarray(result, reference.REAL).reshape(6)
    return {
        "of the parameters": reference.relative(found, p),
        "of the loss": abs(float(loss(found)) - value) / value,
    }


def _timed(fit: Callable[[int], Any]) -> Ready:
    """fit(epochs) gives the parameters: timed for 1,000, compared after 300 (later ones amplify rounding)."""
    return Ready(lambda: fit(EPOCHS), lambda _: np.asarray(fit(CHECKED)))


def _with_torch_adam(value: Callable[[], Any], p: Sequence[Any], **options: Any) -> Ready:
    """Epochs with torch.optim.Adam from the values that p holds now."""
    import torch

    start = [one.detach().clone() for one in p]

    def fit(epochs: int) -> Any:
        with torch.no_grad():
            for one, first in zip(p, start):
                one.copy_(first)
        optimizer = torch.optim.Adam(p, lr=RATE, **options)
        for _ in range(epochs):
            optimizer.zero_grad()
            value().backward()
            optimizer.step()
        return [float(one) for one in p]

    return _timed(fit)


def odec(engine: str, **options: Any) -> Callable[[Case], Ready]:
    """The Model as any other module: its output, a loss, backward, torch.optim.Adam."""

    def prepare(case: Case) -> Ready:
        import torch

        model = odec_engine.model(MODEL, "euler", engine, "float64", dt=1.0)
        days, counts = data()
        t, seen = torch.tensor([0.0, *days], dtype=torch.float64), torch.from_numpy(counts)
        x0 = torch.tensor(X0, dtype=torch.float64)

        def value() -> Any:
            return (model(t, x0=x0)[1:] - seen).square().sum()

        return _with_torch_adam(value, [getattr(model, name) for name in PARAMS], **options)

    return prepare


def _torch_parameters() -> tuple[Any, list[Any]]:
    import torch

    return torch, [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in START]


def eager(case: Case) -> Ready:
    torch, p = _torch_parameters()
    return _with_torch_adam(lambda: loss(p), p)


def compiled(case: Case) -> Ready:
    torch, p = _torch_parameters()
    torch._dynamo.reset()
    fused = torch.compile(_sum_of_squares(), fullgraph=True)
    return _with_torch_adam(lambda: fused(p), p)


def torchdiffeq(case: Case) -> Ready:
    from torchdiffeq import odeint

    torch, p = _torch_parameters()
    days, counts = data()
    t, seen = torch.tensor([0.0, *days], dtype=torch.float64), torch.from_numpy(counts)
    x0 = torch.tensor(X0, dtype=torch.float64)

    def f(_: Any, x: Any) -> Any:
        return torch.stack(step((x[0], x[1]), p)) - x

    def value() -> Any:
        x = odeint(f, x0, t, method="euler", options={"step_size": 1.0})
        return (x[1:] - seen).square().sum()

    return _with_torch_adam(value, p)


def _jax_fit(value: Callable[[Any], Any]) -> Ready:
    """All epochs in one compiled loop; Adam written out."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    gradient = jax.grad(value)

    @jax.jit
    def fit(p: Any, epochs: Any) -> Any:
        def epoch(i: Any, state: tuple) -> tuple:
            p, m, v = state
            g = gradient(p)
            m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
            scale = jnp.sqrt(v / (1 - BETA2 ** (i + 1.0))) + EPSILON
            return p - RATE * (m / (1 - BETA1 ** (i + 1.0))) / scale, m, v

        return jax.lax.fori_loop(0, epochs, epoch, (p, jnp.zeros_like(p), jnp.zeros_like(p)))[0]

    start = jnp.asarray(START)
    return _timed(lambda epochs: jax.block_until_ready(fit(start, epochs)))


def jax_scan(case: Case) -> Ready:
    import jax
    import jax.numpy as jnp

    days, counts = data()
    weights, seen = np.zeros(int(days[-1])), np.zeros((int(days[-1]), 2))
    weights[days - 1], seen[days - 1] = 1, counts

    def value(p: Any) -> Any:
        def day(x: tuple, row: tuple) -> tuple:
            x, (weight, seen) = step(x, p), row
            return x, weight * ((x[0] - seen[0]) ** 2 + (x[1] - seen[1]) ** 2)

        rows = jnp.asarray(weights), jnp.asarray(seen)
        return jax.lax.scan(day, (jnp.asarray(X0[0]), jnp.asarray(X0[1])), rows)[1].sum()

    return _jax_fit(value)


def diffrax(case: Case) -> Ready:
    import diffrax as dx
    import jax.numpy as jnp

    days, counts = data()

    def value(p: Any) -> Any:
        found = dx.diffeqsolve(
            dx.ODETerm(lambda t, x, p: jnp.stack(step((x[0], x[1]), p)) - x),
            dx.Euler(),
            0.0,
            float(days[-1]),
            1.0,
            jnp.asarray(X0),
            args=p,
            saveat=dx.SaveAt(ts=jnp.asarray(days, float)),
            max_steps=int(days[-1]),
            throw=False,
        )
        return ((found.ys - jnp.asarray(counts)) ** 2).sum()

    return _jax_fit(value)


@cache
def _numba_kernel() -> Any:
    from numba import njit

    @njit(error_model="numpy", fastmath={"contract"})
    def fit(p, days, counts, epochs):
        p, m, v, g = p.copy(), np.zeros(6), np.zeros(6), np.zeros(6)
        last = days[-1]
        x, y = np.empty(last + 1), np.empty(last + 1)
        x[0], y[0] = X0
        power1 = power2 = 1.0
        for _ in range(epochs):
            r1, r2, a1, a2, k1, k2 = p[0], p[1], p[2], p[3], p[4], p[5]
            for d in range(last):
                met = x[d] * y[d]
                x[d + 1] = x[d] + (r1 * x[d] * (1 - k1 * x[d]) - a1 * met)
                y[d + 1] = y[d] + (r2 * y[d] * (1 - k2 * y[d]) - a2 * met)
            g[:] = 0
            w = u = 0.0
            j = len(days) - 1
            for d in range(last - 1, -1, -1):
                if j >= 0 and days[j] == d + 1:
                    w += 2 * (x[d + 1] - counts[j, 0])
                    u += 2 * (y[d + 1] - counts[j, 1])
                    j -= 1
                a, b = x[d], y[d]
                g[0] += w * a * (1 - k1 * a)
                g[1] += u * b * (1 - k2 * b)
                g[2] -= w * a * b
                g[3] -= u * a * b
                g[4] -= w * r1 * a * a
                g[5] -= u * r2 * b * b
                at_x = w * (1 + r1 * (1 - 2 * k1 * a) - a1 * b) - u * a2 * b
                u = u * (1 + r2 * (1 - 2 * k2 * b) - a2 * a) - w * a1 * a
                w = at_x
            power1 *= BETA1
            power2 *= BETA2
            for i in range(6):
                m[i] = BETA1 * m[i] + (1 - BETA1) * g[i]
                v[i] = BETA2 * v[i] + (1 - BETA2) * g[i] * g[i]
                p[i] -= RATE * (m[i] / (1 - power1)) / (np.sqrt(v[i] / (1 - power2)) + EPSILON)
        return p

    return fit


def numba_fit(case: Case) -> Ready:
    fit = _numba_kernel()
    days, counts = data()
    start = np.array(START)
    return _timed(lambda epochs: fit(start, days, counts, epochs))


def _fused_fit() -> Any:
    """The FusedFit of the data."""
    import torch

    from odec.runtime.native.fused import FusedFit
    from odec.runtime.steps import Steps

    compiled = odec_engine.load(MODEL, "euler", "native").COMPILED
    days, counts = data()
    t = torch.tensor([0.0, *days], dtype=torch.float64)
    seen = torch.from_numpy(np.concatenate((np.zeros((1, 2)), counts)))
    weight = torch.ones_like(seen)
    weight[0] = 0
    p = torch.tensor(START, dtype=torch.float64)
    rows = [(name, "none", 0.0, 0.0, 0.0, 1.0) for name in PARAMS]
    return FusedFit(compiled, t, p, rows, seen, weight, Steps(dt=1.0))


def odec_fused_loss(case: Case) -> Ready:
    """The sum of squares as one differentiable function of the parameters, torch.optim.Adam outside."""
    import torch

    fit = _fused_fit()
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)

    def run(epochs: int) -> Any:
        with torch.no_grad():
            p.copy_(torch.tensor(START, dtype=torch.float64))
        optimizer = torch.optim.Adam([p], lr=RATE, fused=True)
        for _ in range(epochs):
            optimizer.zero_grad()
            fit.loss(p).backward()
            optimizer.step()
        return p.tolist()

    return _timed(run)


def odec_in_kernel(case: Case) -> Ready:
    """odec's whole fit in one kernel, the first gradient included."""
    import torch

    fit = _fused_fit()
    rule = {"lr": RATE, "beta1": BETA1, "beta2": BETA2, "eps": EPSILON, "count": 0, "failures": 0}

    def run(epochs: int) -> Any:
        value, gradient = fit.loss_gradient(torch.tensor(START, dtype=torch.float64))
        state = {"theta": list(START), "gradient": gradient.tolist(), "m": [0.0] * 6, "v": [0.0] * 6}
        state.update(rule, loss=value)
        fit.adam(state, epochs)
        return state["theta"]

    return _timed(run)


CONTENDERS = [
    Contender("odec native, fit loop in the kernel", odec_in_kernel),
    Contender("odec native, FusedFit.loss, torch.optim.Adam(fused)", odec_fused_loss),
    Contender("odec native, torch.optim.Adam", odec("native"), heavy=True),
    Contender("odec native, torch.optim.Adam(fused)", odec("native", fused=True)),
    Contender("odec torch, torch.optim.Adam", odec("torch"), compiles=False, heavy=True),
    Contender("numba, hand-written adjoint and Adam", numba_fit),
    Contender("JAX scan, epochs compiled", jax_scan),
    Contender("diffrax, epochs compiled", diffrax),
    Contender("torch.compile, torch.optim.Adam", compiled, heavy=True),
    Contender("eager torch, torch.optim.Adam", eager, compiles=False, heavy=True),
    Contender("torchdiffeq, torch.optim.Adam", torchdiffeq, compiles=False, heavy=True),
]
