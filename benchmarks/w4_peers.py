"""The contenders of w4: the gradient of a sum of squares for every trajectory's parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import odec_engine
from benchmarks.ensemble import diffrax_rk4
from benchmarks.harness import Case, Contender, Ready
from benchmarks.lotka_volterra import EVERY, MODEL, PARAMS, STEPS, T1, TIMES, H, slope, step


def _torch(case: Case) -> tuple[Any, Any, Any, Any]:
    import torch

    p = torch.from_numpy(case.data["p"]).requires_grad_()
    return torch, p, torch.from_numpy(case.data["x0"]), torch.from_numpy(case.data["data"])


def _backwards(torch: Any, p: Any, loss: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> Any:
        value = loss()
        return value.detach(), torch.autograd.grad(value, p)[0]

    return call


def _gradient(result: Any) -> np.ndarray:
    return np.asarray(result[1])


def odec(engine: str) -> Callable[[Case], Ready]:
    """odec's discrete adjoint through torch's autograd."""

    def prepare(case: Case) -> Ready:
        torch, p, x0, data = _torch(case)
        model = odec_engine.model(MODEL, "rk4", engine, case.dtype, dt=H)
        t = torch.linspace(0, T1, TIMES + 1, dtype=p.dtype)
        start, seen = x0.T, data.movedim(1, -1)

        def loss() -> Any:
            x = model(t, x0=start, params=dict(zip(PARAMS, p)))
            return (x[1:] - seen).square().sum()

        return Ready(_backwards(torch, p, loss), _gradient)

    return prepare


def odec_forward(engine: str) -> Callable[[Case], Ready]:
    """The same states without a gradient."""

    def prepare(case: Case) -> Ready:
        torch, p, x0, _ = _torch(case)
        model = odec_engine.model(MODEL, "rk4", engine, case.dtype, dt=H, adjoint="none")
        t = torch.linspace(0, T1, TIMES + 1, dtype=p.dtype)
        start, params = x0.T, dict(zip(PARAMS, p.detach()))
        return Ready(lambda: model(t, x0=start, params=params), lambda _: None)

    return prepare


def odec_loss(case: Case) -> Ready:
    """odec's loss and gradient in one pass, called without autograd."""
    torch, p, x0, data = _torch(case)
    from odec.runtime.steps import Steps

    engine = odec_engine.load(MODEL, "rk4", "native").COMPILED.engine("native")
    t = torch.linspace(0, T1, TIMES + 1, dtype=p.dtype)
    seen = torch.cat((torch.zeros_like(data[:1]), data)).movedim(1, -1)
    weight = torch.ones((TIMES + 1, 2), dtype=p.dtype)
    weight[0] = 0
    start, rows = x0.T, p.detach().T

    def call() -> Any:
        loss, gradients, _ = engine.loss_gradient(t, start, rows, (), seen, weight, Steps(dt=H))
        return loss, gradients.p

    return Ready(call, lambda result: _gradient(result).T)


def eager(case: Case) -> Ready:
    torch, p, x0, data = _torch(case)
    return Ready(_backwards(torch, p, lambda: _loss_by_blocks(_ten_steps, p, x0, data)), _gradient)


def compiled(case: Case) -> Ready:
    torch, p, x0, data = _torch(case)
    torch._dynamo.reset()
    fused = torch.compile(_ten_steps, fullgraph=True, dynamic=False)
    return Ready(_backwards(torch, p, lambda: _loss_by_blocks(fused, p, x0, data)), _gradient)


def _ten_steps(x: tuple, p: tuple) -> tuple:
    for _ in range(EVERY):
        x = step(x, p)
    return x


def _loss_by_blocks(advance: Callable, p: Any, x0: Any, data: Any) -> Any:
    x, rows, loss = x0.unbind(), p.unbind(), 0.0
    for seen in data:
        x = advance(x, rows)
        loss = loss + sum((a - b).square().sum() for a, b in zip(x, seen))
    return loss


def torchdiffeq(adjoint: bool) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        from torchdiffeq import odeint, odeint_adjoint

        torch, p, x0, data = _torch(case)
        t = torch.linspace(0, T1, TIMES + 1, dtype=p.dtype)
        options: dict[str, Any] = {"method": "rk4", "options": {"step_size": H}}
        if adjoint:
            options["adjoint_params"] = (p,)

        def f(_: Any, x: Any) -> Any:
            return torch.stack(slope(x, p))

        def loss() -> Any:
            x = (odeint_adjoint if adjoint else odeint)(f, x0, t, **options)
            return (x[1:] - data).square().sum()

        return Ready(_backwards(torch, p, loss), lambda result: (_gradient(result), "rk4_38"))

    return prepare


def _jax(case: Case) -> tuple[Any, Any, Any, Any, Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    return jax, jnp, *(jnp.asarray(case.data[name]) for name in ("p", "x0", "data"))


def jax_scan(case: Case) -> Ready:
    """Ten steps between observed times, recomputed in the backward pass."""
    jax, _, p, x0, data = _jax(case)

    def loss(p: Any, x0: Any, data: Any) -> Any:
        rows = tuple(p)

        @jax.checkpoint
        def block(x: tuple) -> tuple:
            return jax.lax.fori_loop(0, EVERY, lambda _, x: step(x, rows), x)

        def observe(x: tuple, seen: Any) -> tuple:
            x = block(x)
            return x, sum(((a - b) ** 2).sum() for a, b in zip(x, seen))

        return jax.lax.scan(observe, tuple(x0), data)[1].sum()

    run = jax.jit(jax.value_and_grad(loss))
    return Ready(lambda: jax.block_until_ready(run(p, x0, data)), _gradient)


def diffrax(adjoint: str) -> Callable[[Case], Ready]:
    """vmap over trajectories of the gradient of one solve."""

    def prepare(case: Case) -> Ready:
        import diffrax as dx

        jax, jnp, p, x0, data = _jax(case)
        ts = jnp.linspace(0, T1, TIMES + 1, dtype=p.dtype)[1:]
        ends = jnp.asarray([0, T1, H], p.dtype)

        def loss(p: Any, x0: Any, data: Any) -> Any:
            x = dx.diffeqsolve(
                dx.ODETerm(lambda t, x, p: jnp.stack(slope(x, p))),
                diffrax_rk4(),
                *ends,
                x0,
                args=p,
                saveat=dx.SaveAt(ts=ts),
                adjoint=getattr(dx, adjoint)(),
                max_steps=STEPS + 8,
                throw=False,
            ).ys
            return ((x - data) ** 2).sum()

        run = jax.jit(jax.vmap(jax.value_and_grad(loss)))
        arrays = p.T, x0.T, jnp.moveaxis(data, -1, 0)
        return Ready(lambda: jax.block_until_ready(run(*arrays)), lambda result: _gradient(result).T)

    return prepare


LANES = 32


@cache
def _adjoint_kernel() -> Any:
    from numba import njit, prange

    @njit(inline="always", error_model="numpy", fastmath={"contract"})
    def f(x, y, a, b, d, g):
        met = x * y
        return a * x - b * met, d * met - g * y

    @njit(inline="always", error_model="numpy", fastmath={"contract"})
    def pulled(x, y, v, w, a, b, d, g, ga, gb, gd, gg):
        met = x * y
        at_x, at_y = v * (a - b * y) + w * (d * y), w * (d * x - g) - v * (b * x)
        return at_x, at_y, ga + v * x, gb - v * met, gd + w * met, gg - w * y

    @njit(parallel=True, error_model="numpy", fastmath={"contract"})
    def run(p, x0, data, c, steps, every):
        h, half, third, sixth = c
        n = p.shape[1]
        blocks = (n + LANES - 1) // LANES
        out, losses = np.empty_like(p), np.zeros(blocks, p.dtype)
        for block in prange(blocks):
            first = block * LANES
            count = min(LANES, n - first)
            tape = np.empty((steps + 1, 2, LANES), p.dtype)
            q, gp = np.zeros((4, LANES), p.dtype), np.zeros((4, LANES), p.dtype)
            w = np.zeros((2, LANES), p.dtype)
            tape[0] = 0
            for i in range(count):
                for j in range(4):
                    q[j, i] = p[j, first + i]
                tape[0, 0, i], tape[0, 1, i] = x0[0, first + i], x0[1, first + i]
            for s in range(steps):
                for i in range(LANES):
                    x, y = tape[s, 0, i], tape[s, 1, i]
                    a, b, d, g = q[0, i], q[1, i], q[2, i], q[3, i]
                    k1, l1 = f(x, y, a, b, d, g)
                    k2, l2 = f(x + half * k1, y + half * l1, a, b, d, g)
                    k3, l3 = f(x + half * k2, y + half * l2, a, b, d, g)
                    k4, l4 = f(x + h * k3, y + h * l3, a, b, d, g)
                    k2, l2 = k2 + k3, l2 + l3
                    tape[s + 1, 0, i] = x + sixth * (k1 + k2 + k2 + k4)
                    tape[s + 1, 1, i] = y + sixth * (l1 + l2 + l2 + l4)
            for s in range(steps - 1, -1, -1):
                if (s + 1) % every == 0:
                    for j in range(2):
                        for i in range(count):
                            miss = tape[s + 1, j, i] - data[(s + 1) // every - 1, j, first + i]
                            losses[block] += miss * miss
                            w[j, i] += miss + miss
                for i in range(LANES):
                    x, y, v, u = tape[s, 0, i], tape[s, 1, i], w[0, i], w[1, i]
                    a, b, d, g = q[0, i], q[1, i], q[2, i], q[3, i]
                    ga, gb, gd, gg = gp[0, i], gp[1, i], gp[2, i], gp[3, i]
                    k1, l1 = f(x, y, a, b, d, g)
                    x2, y2 = x + half * k1, y + half * l1
                    k2, l2 = f(x2, y2, a, b, d, g)
                    x3, y3 = x + half * k2, y + half * l2
                    k3, l3 = f(x3, y3, a, b, d, g)
                    x4, y4 = x + h * k3, y + h * l3
                    v4, u4, ga, gb, gd, gg = pulled(x4, y4, sixth * v, sixth * u, a, b, d, g, ga, gb, gd, gg)
                    m, k = third * v + h * v4, third * u + h * u4
                    v3, u3, ga, gb, gd, gg = pulled(x3, y3, m, k, a, b, d, g, ga, gb, gd, gg)
                    m, k = third * v + half * v3, third * u + half * u3
                    v2, u2, ga, gb, gd, gg = pulled(x2, y2, m, k, a, b, d, g, ga, gb, gd, gg)
                    m, k = sixth * v + half * v2, sixth * u + half * u2
                    v1, u1, ga, gb, gd, gg = pulled(x, y, m, k, a, b, d, g, ga, gb, gd, gg)
                    w[0, i], w[1, i] = v + v1 + v2 + v3 + v4, u + u1 + u2 + u3 + u4
                    gp[0, i], gp[1, i], gp[2, i], gp[3, i] = ga, gb, gd, gg
            for j in range(4):
                for i in range(count):
                    out[j, first + i] = gp[j, i]
        return losses.sum(), out

    return run


def numba_adjoint(case: Case) -> Ready:
    """Lanes, a tape of each block's states, and the adjoint of rk4 written by hand."""
    run = _adjoint_kernel()
    c = np.array([H, H / 2, H / 3, H / 6], case.dtype)
    arrays = case.data["p"], case.data["x0"], case.data["data"]
    return Ready(lambda: run(*arrays, c, STEPS, EVERY), _gradient)


CONTENDERS = [
    Contender("odec native", odec("native")),
    Contender("odec native, loss_gradient", odec_loss),
    Contender("odec native, forward alone", odec_forward("native"), aside="forward"),
    Contender("odec torch", odec("torch"), compiles=False),
    Contender("numba, hand-written adjoint", numba_adjoint),
    Contender("torch.compile, 10 steps a call", compiled, heavy=True),
    Contender("JAX scan, rematerialised", jax_scan),
    Contender("eager torch, autograd", eager, compiles=False),
    Contender("torchdiffeq, backpropagation", torchdiffeq(adjoint=False), compiles=False),
    Contender("torchdiffeq, adjoint", torchdiffeq(adjoint=True), compiles=False),
    Contender("diffrax, RecursiveCheckpointAdjoint", diffrax("RecursiveCheckpointAdjoint")),
    Contender("diffrax, BacksolveAdjoint", diffrax("BacksolveAdjoint")),
]
