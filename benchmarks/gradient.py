"""Memory and time of a gradient: odec's adjoints beside torch's own tape through the plain loop of steps.

    python -m benchmarks.gradient [--trajectories 10000] [--steps 1000] [--method rk4] [--repeats 3]

Lotka–Volterra in float64, engine torch, initial values per trajectory and parameters shared by all. Every
contender runs in processes of its own: its peak memory is what forward and backward pass together add to a
process that has done the same with 16 trajectories and 10 steps. Times are medians over the repeats, taken
in turn.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import report
from benchmarks.harness import RESULTS, load, say

MODEL = """
param a = 1.1 in (0, inf)
param b = 0.4 in (0, inf)
param c = 0.4 in (0, inf)
param d = 0.1 in (0, inf)
init prey = 10
init predator = 5
dprey/dt = a*prey - b*prey*predator
dpredator/dt = d*prey*predator - c*predator
"""

CONTENDERS = {
    "torch autograd through the plain loop": None,
    'odec, adjoint="discrete"': {"adjoint": "discrete"},
    'odec, checkpoints="sqrt"': {"adjoint": "discrete", "checkpoints": "sqrt"},
    'odec, adjoint="continuous"': {"adjoint": "continuous"},
}
TAPE, EXACT = list(CONTENDERS)[:2]
STEP = 0.01


def main() -> None:
    options = _options()
    before = load()
    if options.only:
        print(json.dumps(_measure(options)))
        return
    rows: dict[str, list[dict]] = {name: [] for name in CONTENDERS}
    for _ in range(options.repeats):
        for name, samples in rows.items():
            samples.append(_in_a_process(name, options))
            say(f"{name}: {samples[-1]['seconds']:.2f} s, {samples[-1]['bytes'] / 2**20:,.0f} MB")
    facts = report.facts("gradient", options.threads, before)
    text = _report(rows, options, facts)
    print(text, flush=True)
    if not options.quick:
        (RESULTS / "gradient.md").write_text(text, encoding="utf-8")
        _keep(rows, options, facts)


def _keep(rows: dict[str, list[dict]], options: argparse.Namespace, facts: dict[str, str]) -> None:
    """Write the samples as the side-by-side workloads do."""
    exact, kept = rows[TAPE][0]["gradient"], []
    for name, samples in rows.items():
        seconds = [sample["seconds"] for sample in samples]
        found = {"name": name, "size": options.trajectories, "dtype": "float64", "samples": seconds}
        found["megabytes"] = statistics.median(sample["bytes"] for sample in samples) / 2**20
        found["errors"] = {"from autograd's": _deviation(samples[0]["gradient"], exact)}
        kept.append(found | {"aside": "", "seconds": statistics.median(seconds)})
    text = json.dumps(
        {**facts, "title": "Adjoints of the torch engine", "unit": "time", "rows": kept}, indent=1
    )
    (RESULTS / "gradient.json").write_text(text + "\n")


def _deviation(gradient: list[float], exact: list[float]) -> float:
    """Relative to the largest component."""
    return max(abs(a - b) for a, b in zip(gradient, exact, strict=True)) / max(map(abs, exact))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trajectories", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--method", default="rk4")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a small one, once; writes no files")
    parser.add_argument("--only", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.trajectories, options.steps, options.repeats = 1_000, 200, 1
    return options


def _in_a_process(name: str, options: argparse.Namespace) -> dict:
    command = [sys.executable, "-m", "benchmarks.gradient", "--only", name]
    for key in ("trajectories", "steps", "method", "threads"):
        command += [f"--{key}", str(getattr(options, key))]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def _measure(options: argparse.Namespace) -> dict:
    """Seconds, rise of the peak memory in bytes, the loss and its gradient for the raw parameters."""
    import torch

    torch.set_num_threads(options.threads)
    _gradient(options, 16, 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    loss, gradient = _gradient(options, options.trajectories, options.steps)
    seconds = time.perf_counter() - begun
    rise = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "bytes": rise * 1024, "loss": loss, "gradient": gradient}


def _gradient(options: argparse.Namespace, trajectories: int, steps: int) -> tuple[float, list[float]]:
    """Mean square of the last states over an ensemble, and its gradient for the raw parameters."""
    import torch

    import odec

    module = odec.load(MODEL, method=options.method, engine="torch")
    x0 = 1 + 9 * torch.rand(trajectories, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x0.requires_grad_()
    choice = CONTENDERS[options.only]
    net = module.Model(dt=STEP, **(choice or {}))
    if choice is None:
        cell, p, x = module.StepCell(), net.vector(), x0
        for k in range(steps):
            x = cell(x, k * STEP, STEP, p)
    else:
        x = net(torch.tensor([0.0, steps * STEP], dtype=torch.float64), x0=x0)[-1]
    loss = x.square().mean()
    loss.backward()
    return loss.item(), [value.grad.item() for value in net.parameters()]


def _report(rows: dict[str, list[dict]], options: argparse.Namespace, facts: dict[str, str]) -> str:
    seconds = {name: statistics.median(s["seconds"] for s in samples) for name, samples in rows.items()}
    memory = {name: statistics.median(s["bytes"] for s in samples) for name, samples in rows.items()}
    exact = rows[TAPE][0]["gradient"]
    lines = ["|  | peak memory | of autograd's | time | of autograd's | gradient's deviation |"]
    lines += ["| --- | --: | --: | --: | --: | --: |"]
    for name, samples in rows.items():
        deviation = _deviation(samples[0]["gradient"], exact)
        lines.append(
            f"| {name} | {memory[name] / 2**20:,.0f} MB | {memory[name] / memory[TAPE]:.3f} "
            f"| {seconds[name]:.2f} s | {seconds[name] / seconds[TAPE]:.2f} | {deviation:.1e} |"
        )
    size = f"{options.trajectories:,} trajectories × {options.steps:,} {options.method} steps"
    wanted = (
        "The discrete adjoint's peak memory is to be at most a fifth of autograd's, and it no slower; found: "
        f"{memory[EXACT] / memory[TAPE]:.3f} of the memory, {seconds[EXACT] / seconds[TAPE]:.2f} of the time."
    )
    text = "Lotka–Volterra, float64, engine torch; forward and backward pass together."
    title = f"# A gradient of {size}\n\n{text}"
    return "\n\n".join([title, report.listed(facts), "\n".join(lines), wanted]) + "\n"


if __name__ == "__main__":
    main()
