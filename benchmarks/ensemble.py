"""Ensembles integrated to a final state by fixed steps, and all who contend for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from benchmarks import ensemble_numba, odec_engine, reference
from benchmarks.harness import Case, Contender, Ready, Row, Workload
from benchmarks.problems import Problem
from benchmarks.report import times


def workload(problem: Problem, name: str, title: str, text: str, **options: Any) -> Workload:
    """The workload of an ensemble problem with all its contenders."""

    def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
        return [_case(problem, size, dtype) for dtype in dtypes for size in sizes]

    return Workload(name, title, text, cases, contenders(problem), _errors, **options)


def _case(problem: Problem, size: int, dtype: str) -> Case:
    """The arrays of a case; of up to 64 of its trajectories, the scheme's end and the solution's."""
    x0, p = problem.arrays(size, dtype)
    some = reference.sample(size)
    x, q = x0[:, some].astype(np.longdouble), p[some].astype(np.longdouble)

    def rhs(y: Any) -> Any:
        return problem.rhs(y, q, np)

    @cache
    def end(method: str, refine: int) -> Any:
        steps = refine * problem.steps
        return reference.solve(rhs, x, np.longdouble(problem.t1) / steps, steps, method)

    return Case(size, dtype, {"x0": x0, "p": p, "some": some, "end": end})


def _errors(case: Case, result: Any) -> dict[str, float]:
    """Deviations of a final state (n, N), or (state, scheme): from its own scheme, and from the solution."""
    x, scheme = result if isinstance(result, tuple) else (result, "rk4")
    x = np.asarray(x)[:, case.data["some"]]
    found = {"from the solution": reference.relative(x, case.data["end"]("rk4", 4))}
    if scheme:
        found["from the same scheme"] = reference.relative(x, case.data["end"](scheme, 1))
    return found


def rk4(f: Callable, x: tuple, h: float) -> tuple:
    """One step for a state in parts, f(x) -> dx/dt in parts."""

    def moved(c: float, k: tuple) -> tuple:
        return tuple(a + c * b for a, b in zip(x, k))

    k1 = f(x)
    k2 = f(moved(h / 2, k1))
    k3 = f(moved(h / 2, k2))
    k4 = f(moved(h, k3))
    return tuple(a + h / 6 * (b + 2 * (c + d) + e) for a, b, c, d, e in zip(x, k1, k2, k3, k4))


def in_parts(problem: Problem, x: Any) -> tuple:
    """The state as a loop of one's own would hold it: in rows, or as one array where rhs takes the whole."""
    return (x,) if problem.whole else tuple(x)


def rhs_in_parts(problem: Problem, p: Any, m: Any) -> Callable:
    if problem.whole:
        return lambda x: (problem.rhs(x[0], p, m),)
    return lambda x: problem.rhs(x, p, m)


def rhs_of_array(problem: Problem, p: Any, m: Any) -> Callable:
    if problem.whole:
        return lambda x: problem.rhs(x, p, m)
    return lambda x: m.stack(problem.rhs(x, p, m))


def _joined(problem: Problem, x: tuple) -> np.ndarray:
    return np.asarray(x[0]) if problem.whole else np.stack([np.asarray(row) for row in x])


def _torch(case: Case) -> tuple[Any, Any, Any]:
    import torch

    return torch, torch.from_numpy(case.data["x0"]), torch.from_numpy(case.data["p"])


def odec(problem: Problem, engine: str) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        torch, x0, p = _torch(case)
        model = odec_engine.model(problem.model, "rk4", engine, case.dtype, dt=problem.h, adjoint="none")
        t = torch.tensor([0.0, problem.t1], dtype=x0.dtype)
        start, params = x0.T, {problem.parameter: p}
        return Ready(lambda: model(t, x0=start, params=params), lambda x: x[-1].T.numpy())

    return prepare


def odec_prepared(problem: Problem) -> Callable[[Case], Ready]:
    """`net.prepared(t)`, as a loop of one's own calls it."""

    def prepare(case: Case) -> Ready:
        torch, x0, p = _torch(case)
        model = odec_engine.model(problem.model, "rk4", "native", case.dtype, dt=problem.h, adjoint="none")
        t = torch.tensor([0.0, problem.t1], dtype=x0.dtype)
        start, params = x0.T.contiguous(), model.vector().detach().repeat(case.size, 1)
        params[:, model.compiled.param_names.index(problem.parameter)] = p
        run = model.prepared(t, start, params)
        return Ready(lambda: run(start, params), lambda x: x[-1].T.numpy())

    return prepare


def eager(problem: Problem) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        torch, x0, p = _torch(case)
        f = rhs_in_parts(problem, p, torch)

        def call() -> tuple:
            x = in_parts(problem, x0)
            with torch.inference_mode():
                for _ in range(problem.steps):
                    x = rk4(f, x, problem.h)
            return x

        return Ready(call, lambda x: _joined(problem, x))

    return prepare


def compiled(problem: Problem) -> Callable[[Case], Ready]:
    rhs = problem.in_rows or problem.rhs

    def prepare(case: Case) -> Ready:
        torch, x0, p = _torch(case)
        torch._dynamo.reset()

        def several(x: tuple, p: Any) -> tuple:
            def f(x: tuple) -> tuple:
                return rhs(x, p, torch)

            for _ in range(problem.compiled_steps):
                x = rk4(f, x, problem.h)
            return x

        fused = torch.compile(several, fullgraph=True, dynamic=False)

        def call() -> tuple:
            x = tuple(x0)
            with torch.no_grad():
                for _ in range(problem.steps // problem.compiled_steps):
                    x = fused(x, p)
            return x

        return Ready(call, lambda x: np.stack([row.numpy() for row in x]))

    return prepare


def torchdiffeq(problem: Problem) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        from torchdiffeq import odeint

        torch, x0, p = _torch(case)
        f = rhs_of_array(problem, p, torch)
        t = torch.tensor([0.0, problem.t1], dtype=x0.dtype)
        options = {"step_size": problem.h}

        def call() -> Any:
            with torch.inference_mode():
                return odeint(lambda _, x: f(x), x0, t, method="rk4", options=options)[-1]

        return Ready(call, lambda x: (x.numpy(), "rk4_38"))

    return prepare


def torchode(problem: Problem) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        import torchode as to

        torch, x0, p = _torch(case)

        class RK4(to.single_step_methods.runge_kutta.ExplicitRungeKutta):
            def __init__(self, term: Any) -> None:
                a = [[], [0.5], [0.0, 0.5], [0.0, 0.0, 1.0]]
                b, error = [1 / 6, 1 / 3, 1 / 3, 1 / 6], [0.0] * 4
                table = to.single_step_methods.runge_kutta.ButcherTableau
                super().__init__(term, table.from_lists(c=[0.0, 0.5, 0.5, 1.0], a=a, b=b, b_err=error))

            def convergence_order(self) -> int:
                return 4

            def build_interpolation(self, data: Any) -> Any:
                cubic = to.interpolation.ThirdOrderPolynomialInterpolation
                return cubic.from_k(data.t0, data.dt, data.y0, data.y1, data.k)

        f = rhs_of_array(problem, p, torch)
        term = to.ODETerm(lambda t, x: f(x.T).T)
        solver = to.AutoDiffAdjoint(RK4(term), to.FixedStepController())
        ends = torch.zeros(case.size, dtype=x0.dtype), torch.full((case.size,), problem.t1, dtype=x0.dtype)
        task = to.InitialValueProblem(x0.T.contiguous(), *ends, None)
        dt = torch.full((case.size,), problem.h, dtype=x0.dtype)

        def call() -> Any:
            with torch.inference_mode():
                return solver.solve(task, dt0=dt).ys

        return Ready(call, lambda x: x.reshape(case.size, -1).T.numpy())

    return prepare


def _jax(case: Case) -> tuple[Any, Any, Any, Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    return jax, jnp, jnp.asarray(case.data["x0"]), jnp.asarray(case.data["p"])


def jax_loop(problem: Problem) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        jax, jnp, x0, p = _jax(case)

        @jax.jit
        def run(x0: Any, p: Any) -> Any:
            f = rhs_in_parts(problem, p, jnp)
            start = in_parts(problem, x0)
            return jax.lax.fori_loop(0, problem.steps, lambda _, x: rk4(f, x, problem.h), start)

        return Ready(lambda: jax.block_until_ready(run(x0, p)), lambda x: _joined(problem, x))

    return prepare


def diffrax_rk4() -> Any:
    """Kutta's method for diffrax, which has none of its own."""
    import diffrax

    class RK4(diffrax.AbstractERK):
        tableau = diffrax.ButcherTableau(
            a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
            b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
            b_error=np.zeros(4),
            c=np.array([0.5, 0.5, 1.0]),
        )
        interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

        def order(self, terms: Any) -> int:
            return 4

    return RK4()


def diffrax(problem: Problem, mapped: bool) -> Callable[[Case], Ready]:
    """One solve per trajectory under vmap, or one solve of all trajectories as a single system."""

    def prepare(case: Case) -> Ready:
        import diffrax as dx

        jax, jnp, x0, p = _jax(case)
        parts = not mapped and not problem.whole

        def slope(t: Any, x: Any, p: Any) -> Any:
            return (rhs_in_parts if parts else rhs_of_array)(problem, p, jnp)(x)

        def one(x0: Any, p: Any) -> Any:
            found = dx.diffeqsolve(
                dx.ODETerm(slope),
                diffrax_rk4(),
                *jnp.asarray([0.0, problem.t1, problem.h], x0.dtype),
                in_parts(problem, x0) if parts else x0,
                args=p,
                saveat=dx.SaveAt(t1=True),
                max_steps=None,
                throw=False,
            )
            return found.ys

        run = jax.jit(jax.vmap(one) if mapped else one)
        start = x0.T if mapped else x0

        def read(ys: Any) -> np.ndarray:
            if parts:
                return np.stack([np.asarray(row)[0] for row in ys])
            return np.asarray(ys)[:, 0].T if mapped else np.asarray(ys)[0]

        return Ready(lambda: jax.block_until_ready(run(start, p)), read)

    return prepare


def contenders(problem: Problem) -> list[Contender]:
    """odec first, then the peers, each optional."""
    fused = f"torch.compile, {problem.compiled_steps} step{'s' * (problem.compiled_steps > 1)} a call"
    return [
        Contender("odec native", odec(problem, "native")),
        Contender("odec native, prepared", odec_prepared(problem)),
        Contender("odec torch", odec(problem, "torch"), compiles=False, largest=10_000),
        Contender("numba, hand-written lanes", ensemble_numba.lanes(problem)),
        Contender(fused, compiled(problem), heavy=True),
        Contender("JAX fori_loop", jax_loop(problem)),
        Contender("eager torch loop", eager(problem), compiles=False),
        Contender("torchdiffeq", torchdiffeq(problem), compiles=False),
        Contender("torchode, fixed steps", torchode(problem), compiles=False, largest=10_000),
        Contender("diffrax, vmap", diffrax(problem, mapped=True), largest=100_000),
        Contender("diffrax, one solve of all", diffrax(problem, mapped=False)),
        Contender("numbalsoda, adaptive", ensemble_numba.lsoda(problem), largest=10_000),
    ]


def speedups(rows: Sequence[Row], peers: Sequence[str] = ("torchdiffeq", "diffrax, vmap")) -> list[str]:
    """How many times faster odec's native engine is than some peers in the largest cases."""
    found = {(row.name, row.size, row.dtype): row.seconds for row in rows if row.seconds}
    lines = []
    for size, dtype in sorted({key[1:] for key in found}, reverse=True):
        own = found.get(("odec native", size, dtype))
        others = {peer: found[peer, size, dtype] for peer in peers if (peer, size, dtype) in found}
        if own and others:
            said = " and ".join(
                f"{times(value / own)} times that of {peer}" for peer, value in others.items()
            )
            lines.append(f"odec native at N = {size:,}, {dtype}: the speed is {said}.")
    return lines
