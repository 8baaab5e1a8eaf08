"""Ensembles by fixed steps and by tolerance on an NVIDIA GPU: Lorenz by tsit5, Robertson by rodas5p.

    python -m benchmarks.gpu_adaptive [--quick] [--dry-run] [--sizes 131072,1048576]

Lorenz: float32, t = 0 … 10, final state, in 1,000 steps or at rtol = 1e-5, atol = 1e-7; a gradient is that
of the sum of the final states by every ρ, its steps found anew. Robertson: float64, a million problems with
rates of their own to t = 1e5, 9 outputs, at rtol = 1e-6, atol = 1e-10. The clock waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import gpu_device, lorenz_ensemble, odec_engine, robertson, w5_peers
from benchmarks.harness import Case, Contender, Ready, Row, Workload
from benchmarks.lorenz_ensemble import START, T1, slope
from benchmarks.problems import LORENZ
from benchmarks.report import times

FIXED, ADAPTIVE, STIFF = PROBLEMS = ("Lorenz fixed", "Lorenz adaptive", "Robertson")
STEPS, RTOL, ATOL = 1000, 1e-5, 1e-7
SIZES = tuple(2**k for k in range(17, 25))
STIFF_SIZE = 1_000_000
COMPARED = np.arange(16)


def cases(sizes: Sequence[int], problems: Sequence[str]) -> list[Case]:
    """Lorenz at every size; Robertson at a million, unless other sizes than all are asked for."""
    found = []
    for problem in problems:
        if problem == STIFF:
            at = [STIFF_SIZE] if tuple(sizes) == SIZES else sizes
            made = robertson.cases(at, ["float64"])
        else:
            made = lorenz_ensemble.cases(sizes, ["float32"])
        for case in made:
            data = case.data | {"some": COMPARED[: case.size], "dtype": case.dtype}
            found.append(Case(case.size, problem, data))
    return found


def errors(case: Case, result: Any) -> dict[str, float]:
    """The largest |x - truth|/(atol/rtol + |truth|) of up to 16 trajectories."""
    if result is None:
        return {}
    if case.dtype == STIFF:
        found, truth = result[:, case.data["some"]], robertson.truth(case)
        share = robertson.ATOL / robertson.RTOL
    else:
        found, truth = result[case.data["some"]], lorenz_ensemble.truth(case)
        share = ATOL / RTOL
    return {"relative": float(np.max(np.abs(found - truth) / (share + np.abs(truth))))}


def _rules(case: Case) -> dict[str, float]:
    return {"dt": T1 / STEPS} if case.dtype == FIXED else {"rtol": RTOL, "atol": ATOL}


def odec(case: Case) -> Ready:
    import torch

    device = gpu_device.name()
    options: dict[str, Any] = {"adjoint": "none", "device": device}
    if case.dtype == STIFF:
        rules = {"rtol": robertson.RTOL, "atol": robertson.ATOL}
        model = odec_engine.model(robertson.MODEL, "rodas5p", "native", "float64", **rules, **options)
        k = torch.from_numpy(case.data["k"]).to(device).T.contiguous()
        params, start = dict(zip(robertson.PARAMS, k)), robertson.START
        t = torch.tensor(robertson.TIMES, device=device)
        read = slice(1, None)
    else:
        model = odec_engine.model(LORENZ.model, "tsit5", "native", "float32", **_rules(case), **options)
        params, start = {"rho": torch.from_numpy(case.data["rho"]).to(device)}, START
        t = torch.tensor([0.0, T1], device=device)
        read = -1
    x0 = torch.tensor(start, dtype=t.dtype, device=device).expand(case.size, 3)

    def call() -> Any:
        x = model(t, x0=x0, params=params)
        gpu_device.wait()
        return x

    return Ready(call, lambda x: x[read].cpu().numpy())


def odec_gradient(case: Case) -> Ready:
    import torch

    device = gpu_device.name()
    model = odec_engine.model(LORENZ.model, "tsit5", "native", "float32", **_rules(case), device=device)
    rho = torch.from_numpy(case.data["rho"]).to(device).requires_grad_()
    t = torch.tensor([0.0, T1], device=device)
    x0 = torch.tensor(START, device=device).expand(case.size, 3)

    def call() -> Any:
        found = torch.autograd.grad(model(t, x0=x0, params={"rho": rho})[-1].sum(), rho)[0]
        gpu_device.wait()
        return found

    return Ready(call, lambda _: None)


def _diffrax(case: Case) -> tuple[Any, Any, Callable]:
    """JAX, ρ, and the final state of one Lorenz system by Tsit5."""
    jax = gpu_device.jax()
    import diffrax as dx

    jnp = jax.numpy
    rho = jnp.asarray(case.data["rho"])
    x0, ends = jnp.asarray(START, rho.dtype), jnp.asarray([0.0, T1, T1 / STEPS], rho.dtype)
    fixed = case.dtype == FIXED
    rules = dx.ConstantStepSize() if fixed else dx.PIDController(rtol=RTOL, atol=ATOL)

    def solve(rho: Any) -> Any:
        return dx.diffeqsolve(
            dx.ODETerm(lambda t, x, rho: jnp.stack(slope(x, rho))),
            dx.Tsit5(),
            ends[0],
            ends[1],
            ends[2] if fixed else None,
            x0,
            args=rho,
            stepsize_controller=rules,
            max_steps=4096,
            throw=False,
        ).ys[-1]

    return jax, rho, solve


def diffrax(case: Case) -> Ready:
    """vmap under jit: Tsit5, for Robertson Kvaerno5."""
    if case.dtype == STIFF:
        gpu_device.jax()
        return w5_peers.diffrax(case)
    jax, rho, solve = _diffrax(case)
    run = jax.jit(jax.vmap(solve))
    return Ready(lambda: jax.block_until_ready(run(rho)))


def diffrax_gradient(case: Case) -> Ready:
    """RecursiveCheckpointAdjoint, diffrax's default."""
    jax, rho, solve = _diffrax(case)
    run = jax.jit(jax.vmap(jax.grad(lambda rho: solve(rho).sum())))
    return Ready(lambda: jax.block_until_ready(run(rho)), lambda _: None)


def gradsolve(recording: bool) -> Callable[[Case], Ready]:
    """GRADSOLVE's two halves of a gradient: recording the steps, and the gradient on recorded steps."""

    def prepare(case: Case) -> Ready:
        from benchmarks import w3_peers

        gpu_device.jax()
        at = Case(case.size, case.dtype, case.data | {"rtol": RTOL, "atol": ATOL})
        return (w3_peers.gradsolve_record if recording else w3_peers.gradsolve_gradient)(at)

    return prepare


def notes(rows: Sequence[Row]) -> list[str]:
    """How far the peers are from odec."""
    own = {(row.dtype, row.size, row.aside): row.seconds for row in rows if row.name.startswith("odec")}
    lines = []
    for row in rows:
        seconds = own.get((row.dtype, row.size, row.aside))
        if row.seconds and seconds and not row.name.startswith("odec"):
            case = f"{row.dtype}, N = {row.size:,}"
            lines.append(f"{case}: odec is {times(row.seconds / seconds)} times as fast as {row.name}.")
    return lines


def _gradient(name: str, make: Callable, task: str = "gradient", **options: Any) -> Contender:
    return Contender(name, make, aside=task, dtypes=(ADAPTIVE,), **options)


CONTENDERS = [
    Contender("odec native", odec),
    Contender("diffrax, vmap", diffrax),
    _gradient("odec native, gradient", odec_gradient),
    _gradient("diffrax, vmap, gradient", diffrax_gradient, largest=2**20, heavy=True),
    _gradient("GRADSOLVE, gradient", gradsolve(False), largest=2**20, heavy=True),
    _gradient("GRADSOLVE, recording the steps", gradsolve(True), "recording", largest=2**20, heavy=True),
]
WORKLOAD = Workload(
    "gpu_adaptive",
    "GPU: ensembles by tolerance",
    (__doc__ or "").split("\n\n")[2].replace("\n", " "),
    cases,
    CONTENDERS,
    errors,
    sizes=SIZES,
    quick_sizes=(2**17,),
    dtypes=PROBLEMS,
    notes=notes,
    gpu=True,
    deviations="the largest |x - truth|/(atol/rtol + |truth|) of 16 trajectories, from DOP853 or Radau",
)

if __name__ == "__main__":
    gpu_device.run(WORKLOAD)
