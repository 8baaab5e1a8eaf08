"""A day of SAPRC-99: 74 species and 210 reactions of the lower atmosphere, beside the solvers of others.

`python -m benchmarks.mechanism` measures; `--keep` computes the kept reference again (a minute).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import odec_engine
from benchmarks.harness import Case, Contender, Ready, Workload, main
from benchmarks.network import Network, read

MODEL = Path(__file__).parent / "models" / "saprc99.ode"
REFERENCE = MODEL.with_suffix(".json")
RTOL, ATOL = 1e-7, 1e-2
"""Of concentrations in molecules per cm³, which lie between 1e-3 (O1D at night) and 1e13."""

TEXT = (
    "SAPRC-99 (Carter 2000): 74 species, 210 reactions, photolysis by the sun; 24 hours from noon with 24 "
    "outputs, rtol = 1e-7, atol = 0.01 molecules per cm³. SciPy's right-hand side is a product of matrices, "
    "CVODES steps by compiled expressions. All have the exact Jacobian."
)


@cache
def network() -> Network:
    return read(MODEL)


def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
    return [Case(size, dtype) for dtype in dtypes for size in sizes]


@cache
def truth() -> np.ndarray:
    """The states (24, 74) after the first time, by SciPy's Radau at a tolerance of 1e-11."""
    return np.array(json.loads(REFERENCE.read_text())["states"])


def errors(case: Case, result: Any) -> dict[str, float]:
    """The largest deviation of a species at any time, relative to the largest that it reaches."""
    found, expected = np.asarray(result), truth()
    largest = np.abs(expected).max(0)
    return {
        "concentration": float((np.abs(found - expected).max(0) / np.where(largest > 0, largest, 1)).max())
    }


def odec(method: str) -> Callable[[Case], Ready]:
    """`net(t)` under torch.no_grad()."""

    def prepare(case: Case) -> Ready:
        import torch

        net = odec_engine.model(MODEL, method, "native", case.dtype, rtol=RTOL, atol=ATOL)
        t = torch.from_numpy(network().times)

        def call() -> Any:
            with torch.no_grad():
                return net(t)

        return Ready(call, lambda x: x[1:].numpy())

    return prepare


def scipy(method: str) -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        return Ready(lambda: by_scipy(network(), method, RTOL, ATOL))

    return prepare


def by_scipy(given: Network, method: str, rtol: float, atol: float) -> np.ndarray:
    """The states (T - 1, n) after the first time."""
    from scipy.integrate import solve_ivp

    span, outputs = (given.times[0], given.times[-1]), given.times[1:]
    options = {"method": method, "t_eval": outputs, "rtol": rtol, "atol": atol, "jac": given.jacobian}
    found = solve_ivp(given.slope, span, given.start, **options)
    if not found.success:
        raise RuntimeError(found.message)
    return found.y.T


def casadi(case: Case) -> Ready:
    """CVODES' BDF behind the same reactions as CasADi's expressions, its Jacobian exact and sparse."""
    import casadi as ca

    given = network()
    t, x = ca.SX.sym("t"), ca.SX.sym("x", len(given.states))
    noon = (2 * ca.fmod(t / 3600, 24) - 24) / 15
    sun = ca.if_else(ca.fabs(noon) < 1, (1 + ca.cos(np.pi * noon * ca.fabs(noon))) / 2, 0)
    y = ca.vertcat(x, 1)
    a, b = given.pairs
    speeds = ca.if_else(ca.DM(given.lit.astype(float)), given.rates * sun, given.rates) * y[a] * y[b]
    ode = ca.mtimes(ca.sparsify(ca.DM(given.stoichiometry)), speeds)
    options = {"reltol": RTOL, "abstol": ATOL, "max_num_steps": 100_000}
    problem = {"t": t, "x": x, "ode": ode}
    first, *outputs = given.times.tolist()
    function = ca.integrator("solve", "cvodes", problem, first, outputs, options)
    return Ready(lambda: np.asarray(function(x0=given.start)["xf"]).T)


def keep() -> None:
    """Compute the reference and keep it."""
    given = network()
    states = by_scipy(given, "Radau", 1e-11, 1e-6)
    said = (
        "SAPRC-99 at the hours after noon, species in the order of the model, by SciPy's Radau at rtol 1e-11"
    )
    rows = ",\n".join(json.dumps([float(f"{value:.13g}") for value in row]) for row in states)
    REFERENCE.write_text(f'{{"about": "{said}",\n"states": [\n{rows}\n]}}\n')


WORKLOAD = Workload(
    "mechanism",
    "A mechanism of atmospheric chemistry",
    TEXT,
    cases,
    [
        Contender("odec native (rodas5p)", odec("rodas5p")),
        Contender("odec native (auto)", odec("auto")),
        Contender("CasADi, CVODES (BDF)", casadi),
        Contender("scipy (BDF)", scipy("BDF"), compiles=False),
        Contender("scipy (LSODA)", scipy("LSODA"), compiles=False),
    ],
    errors,
    sizes=(1,),
    quick_sizes=(1,),
    deviations="of any species at any hour, relative to the largest concentration that it reaches",
)

if __name__ == "__main__":
    if "--keep" in sys.argv:
        keep()
    else:
        main(WORKLOAD)
