"""Lorenz ensembles on an NVIDIA GPU, forward and with gradients, beside the floor that its issue rate sets.

    python -m benchmarks.gpu_ensemble [--quick] [--dry-run] [--sizes 131072,1048576] [--dtypes float32]

rk4, 1,000 steps, final state; the gradient is that of its sum of squares for every trajectory's rho. The
floor is the arithmetic instructions of the steps over what the device can issue: no solver of this arithmetic
can be faster. Peers that run out of memory say so. Everything is synchronised before the clock is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import ensemble, gpu_device, odec_engine, reference
from benchmarks.harness import Case, Contender, Ready, Row, Workload
from benchmarks.problems import LORENZ
from benchmarks.report import times
from benchmarks.w2_ensemble import ADDITIONS, MULTIPLIES

INSTRUCTIONS = MULTIPLIES + ADDITIONS
FORWARD_AND_BACK = 3.5
"""The discrete adjoint's instructions over those of the steps alone, estimated: forward twice, then back."""
LANES = {
    "float32": {(7, 0): 64, (7, 5): 64, (8, 0): 64},
    "float64": {(7, 5): 2, (8, 6): 2, (8, 7): 2, (8, 9): 2, (12, 0): 2, (7, 0): 32, (8, 0): 32},
}
"""Instructions that a multiprocessor issues in a cycle, by compute capability (CUDA Programming Guide).

Others have 128 and 64.
"""
SIZES = tuple(2**k for k in range(17, 25))


def _cuda(case: Case) -> tuple[Any, Any, Any]:
    import torch

    return torch, *(torch.from_numpy(case.data[name]).to(gpu_device.name()) for name in ("x0", "p"))


def floor_seconds(size: int, dtype: str) -> float:
    """Steps × instructions × N over multiprocessors × lanes × clock."""
    import torch

    device = torch.cuda.get_device_properties(0)
    lanes = LANES[dtype].get((device.major, device.minor), 128 if dtype == "float32" else 64)
    rate = device.multi_processor_count * lanes * gpu_device.clock()
    return LORENZ.steps * INSTRUCTIONS * size / rate


def odec(gradient: bool) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        torch, x0, p = _cuda(case)
        adjoint = "discrete" if gradient else "none"
        options = {"dt": LORENZ.h, "adjoint": adjoint, "device": gpu_device.name()}
        model = odec_engine.model(LORENZ.model, "rk4", "native", case.dtype, **options)
        t = torch.tensor([0.0, LORENZ.t1], dtype=p.dtype, device=p.device)
        return _ready(torch, p, lambda p: model(t, x0=x0.T, params={"rho": p})[-1].T, gradient, "rk4")

    return prepare


def torchdiffeq(gradient: bool) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        from torchdiffeq import odeint

        torch, x0, p = _cuda(case)
        t = torch.tensor([0.0, LORENZ.t1], dtype=p.dtype, device=p.device)

        def solve(p: Any) -> Any:
            f = ensemble.rhs_of_array(LORENZ, p, torch)
            return odeint(lambda _, x: f(x), x0, t, method="rk4", options={"step_size": LORENZ.h})[-1]

        return _ready(torch, p, solve, gradient, "rk4_38")

    return prepare


def _ready(torch: Any, p: Any, solve: Callable[[Any], Any], gradient: bool, scheme: str) -> Ready:
    """A call of solve(p) -> x (3, N), or of the gradient of its sum of squares, that waits for the device."""

    def forward() -> Any:
        with torch.no_grad():
            x = solve(p)
        gpu_device.wait()
        return x

    def backward() -> Any:
        q = p.detach().requires_grad_()
        found = torch.autograd.grad(solve(q).square().sum(), q)[0]
        gpu_device.wait()
        return found

    return Ready(backward if gradient else forward, lambda x: (x.cpu().numpy(), gradient, scheme))


def diffrax(gradient: bool) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        import diffrax as dx

        jax = gpu_device.jax()
        jnp = jax.numpy
        x0, p = jnp.asarray(case.data["x0"]), jnp.asarray(case.data["p"])
        ends = jnp.asarray([0.0, LORENZ.t1, LORENZ.h], p.dtype)

        def one(x0: Any, p: Any) -> Any:
            term = dx.ODETerm(lambda t, x, p: jnp.stack(LORENZ.rhs(x, p, jnp)))
            how = {"adjoint": dx.RecursiveCheckpointAdjoint(), "max_steps": LORENZ.steps + 8}
            how = how if gradient else {"max_steps": None}
            save = dx.SaveAt(t1=True)
            return dx.diffeqsolve(
                term, ensemble.diffrax_rk4(), *ends, x0, args=p, saveat=save, throw=False, **how
            ).ys[0]

        whole = jax.vmap(one)
        if gradient:
            whole = jax.vmap(jax.grad(lambda p, x0: (one(x0, p) ** 2).sum()))
            run = jax.jit(lambda x0, p: whole(p, x0))
        else:
            run = jax.jit(whole)
        start = x0.T
        return Ready(
            lambda: jax.block_until_ready(run(start, p)),
            lambda x: (np.asarray(x) if gradient else np.asarray(x).T, gradient, "rk4"),
        )

    return prepare


def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
    found = []
    for dtype in dtypes:
        for size in sizes:
            x0, p = LORENZ.arrays(size, dtype)
            some = reference.sample(size)
            start, q = x0[:, some].astype(reference.REAL), p[some].astype(reference.REAL)
            found.append(Case(size, dtype, {"x0": x0, "p": p, "some": some, "start": start, "q": q}))
    return found


def errors(case: Case, result: Any) -> dict[str, float]:
    value, gradient, scheme = result
    start, h = case.data["start"], reference.REAL(LORENZ.h)

    def end(p: Any) -> Any:
        return reference.solve(lambda x: LORENZ.rhs(x, p, np), start.astype(p.dtype), h, LORENZ.steps, scheme)

    q, found = case.data["q"], value[..., case.data["some"]]
    if gradient:
        expected = reference.gradient(lambda p: (end(p[0]) ** 2).sum(0), q[None])[0]
        return {"of the gradient": reference.relative(found[None], expected[None])}
    return {"of the state": reference.relative(found, end(q))}


def notes(rows: Sequence[Row]) -> list[str]:
    """The physical floor of each case, how near odec comes to it, and how far the peers are from odec."""
    found = {(row.name, row.size, row.dtype): row.seconds for row in rows}
    lines = []
    for (name, size, dtype), seconds in found.items():
        peer = found.get((name.replace("odec native", "diffrax, vmap"), size, dtype))
        if name.startswith("odec") and seconds and peer:
            lines.append(f"{name}, N = {size:,}, {dtype}: {times(peer / seconds)} times as fast as diffrax.")
    if gpu_device.name() == "cpu":
        return lines
    lines.append(f"{INSTRUCTIONS} instructions a step, {gpu_device.clock() / 1e9:.2f} GHz at most")
    for row in rows:
        if row.name.startswith("odec") and row.seconds:
            floor = floor_seconds(row.size, row.dtype) * (FORWARD_AND_BACK if "gradient" in row.name else 1)
            what = f"{row.name}, N = {row.size:,}, {row.dtype}"
            share = 100 * floor / row.seconds
            lines.append(f"{what}: floor {floor * 1e3:.3g} ms, reached {share:.0f} % of its rate")
    return lines


CONTENDERS = [
    Contender(
        f"{name}{', gradient' * gradient}",
        make(gradient),
        largest=largest if gradient else None,
        aside="gradient" * gradient,
    )
    for gradient in (False, True)
    for name, make, largest in (
        ("odec native", odec, None),
        ("diffrax, vmap", diffrax, 2**21),
        ("torchdiffeq", torchdiffeq, 2**20),
    )
]
WORKLOAD = Workload(
    "gpu_ensemble",
    "GPU: ensembles of Lorenz systems",
    (__doc__ or "").split("\n\n")[2].replace("\n", " "),
    cases,
    CONTENDERS,
    errors,
    sizes=SIZES,
    quick_sizes=(2**17,),
    dtypes=("float32", "float64"),
    notes=notes,
    gpu=True,
)

if __name__ == "__main__":
    gpu_device.run(WORKLOAD)
