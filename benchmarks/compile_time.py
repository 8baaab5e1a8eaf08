"""How compile time grows with the model: synthetic mass-action networks, text to torch module.

    python benchmarks/compile_time.py [--sizes 20x200,100x1000,500x5000] [--method rk4] [--repeats 3]

Each of the terms k*A*B stands in one equation and has its own rate constant. Prints seconds per phase, the
milliseconds per term (level where the growth is linear), the operations of the VJP over those of the
right-hand side, and the size of the module. The fastest of the repeats counts.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from typing import TypeVar

from odec import api
from odec.diagnostics import Source
from odec.passes import derive
from odec.passes.walk import count_operations

T = TypeVar("T")
PHASES = ("parse", "derive", "print", "total")


def network(states: int, terms: int, seed: int = 1) -> str:
    """A model of `states` species and `terms` mass-action terms, spread evenly and signed in turn."""
    draw = random.Random(seed)
    sums: list[list[str]] = [[] for _ in range(states)]
    for k in range(terms):
        one, two = draw.sample(range(states), 2)
        sums[k % states].append(f"k{k}*x{one}*x{two}")
    lines = ["# A synthetic reaction network."]
    lines += [f"param k{k} = {draw.uniform(0.1, 1):.4f} in (0, inf)" for k in range(terms)]
    lines += [f"init x{i} = {draw.uniform(0.5, 2):.3f}" for i in range(states)]
    for i, found in enumerate(sums):
        signed = "".join((" - " if j % 2 else " + ") + term for j, term in enumerate(found))
        lines.append(f"dx{i}/dt = -x{i}{signed}")
    return "\n".join(lines) + "\n"


def timed(action: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    value = action()
    return value, time.perf_counter() - start


def measure(states: int, terms: int, method: str) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds per phase, and the sizes of the derivative programs and of the module."""
    source = Source("network.ode", network(states, terms))
    system, parse = timed(lambda: api.parse(source))
    programs, derivation = timed(lambda: derive(system))
    text, total = timed(lambda: api.compile(system, method=method))
    seconds = {"parse": parse, "derive": derivation, "print": total - derivation, "total": parse + total}
    sizes = {
        "rhs": sum(count_operations(a.expr) for a in programs.rhs.body),
        "vjp": sum(count_operations(a.expr) for a in programs.rhs_vjp.body),
        "bytes": len(text.encode()),
    }
    return seconds, sizes


def size(text: str) -> tuple[int, int]:
    states, _, terms = text.partition("x")
    return int(states), int(terms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", default="20x200,50x500,100x1000,200x2000,500x5000", help="STATESxTERMS, …")
    parser.add_argument("--method", default="rk4")
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    head = f"{'states':>6} {'terms':>6}" + "".join(f" {phase:>8}" for phase in PHASES)
    print(f"{head} {'ms/term':>8} {'vjp/rhs':>8} {'MB':>6}   (seconds, {args.method})")
    api.compile(Source("warm_up.ode", network(3, 6)), method=args.method)
    for states, terms in map(size, args.sizes.split(",")):
        runs = [measure(states, terms, args.method) for _ in range(args.repeats)]
        seconds, sizes = min(runs, key=lambda run: run[0]["total"])
        cells = "".join(f" {seconds[phase]:8.2f}" for phase in PHASES)
        ratio = sizes["vjp"] / sizes["rhs"]
        per_term = 1000 * seconds["total"] / terms
        print(
            f"{states:6} {terms:6}{cells} {per_term:8.2f} {ratio:8.2f} {sizes['bytes'] / 1e6:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
