"""How compile time grows with the model: synthetic mass-action networks, text to torch module.

    python -m benchmarks.compile_time [--sizes 20x200,100x1000,500x5000] [--method rk4] [--repeats 3]

Each of the terms k*A*B stands in one equation and has its own rate constant. Prints seconds per phase, the
milliseconds per term (level where the growth is linear), the operations of the VJP over those of the
right-hand side, and the size of the module. The median of the repeats counts.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks import report
from benchmarks.harness import RESULTS, load, say
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
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two sizes, once; writes no files")
    args = parser.parse_args()
    before = load()
    if args.quick:
        args.sizes, args.repeats = "20x200,100x1000", 1
    head = [
        "states",
        "terms",
        *PHASES,
        "per term",
        "operations of the VJP over the right-hand side's",
        "module",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --: |" * len(head)]
    api.compile(Source("warm_up.ode", network(3, 6)), method=args.method)
    for states, terms in map(size, args.sizes.split(",")):
        runs = [measure(states, terms, args.method) for _ in range(args.repeats)]
        lines.append(_line(states, terms, runs))
        say(f"{states} states, {terms} terms")
    facts = report.facts("compile_time", 1, before)
    said = (
        f"Networks of mass-action terms, each with its own rate constant, to torch modules of {args.method}."
    )
    text = "\n\n".join(["# Seconds to compile a model", said, report.listed(facts), "\n".join(lines)]) + "\n"
    print(text, flush=True)
    if not args.quick:
        (RESULTS / "compile_time.md").write_text(text)


def _line(states: int, terms: int, runs: list[tuple[dict[str, float], dict[str, int]]]) -> str:
    seconds = {phase: statistics.median(run[0][phase] for run in runs) for phase in PHASES}
    sizes = runs[0][1]
    cells = [f"{states}", f"{terms:,}", *(f"{seconds[phase]:.2f} s" for phase in PHASES)]
    cells += [f"{1000 * seconds['total'] / terms:.2f} ms", f"{sizes['vjp'] / sizes['rhs']:.2f}"]
    return "| " + " | ".join([*cells, f"{sizes['bytes'] / 1e6:.2f} MB"]) + " |"


if __name__ == "__main__":
    main()
