"""How soon odec answers: processes that start, run a small model and end, beside a bare `import torch`.

    python -m benchmarks.startup [--repeats 7]

The processes are started in turn; the least of the repeats counts, which a loaded machine disturbs least.
Cold: with an empty cache, the C compiler's own time apart.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import odec
from benchmarks import report
from benchmarks.harness import FOLDER, RESULTS, load, say, use_threads

MODEL = """param a = 1.1 in (0, inf)
param b = 0.4 in (0, inf)
init prey = 10
init predator = 5
dprey/dt = a*prey - b*prey*predator
dpredator/dt = 0.1*prey*predator - 0.4*predator
run t = 0 .. 10 step 0.1
"""
DATA = "t,prey\n0,10\n1,3.9\n2,1.5\n4,0.9\n8,2.9\n"
COMPILER = """#!/bin/sh
begun=$(date +%s%N)
cc "$@"
code=$?
echo $(( $(date +%s%N) - begun )) >> "$COMPILER_TIMES"
exit $code
"""


@dataclass
class Task:
    """A command, and what was measured of it: seconds, of the processor too, its compiler's, peak memory."""

    name: str
    words: Sequence[str]
    cold: bool = False
    limit: float | None = None
    seconds: list[float] = field(default_factory=list)
    compiler: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    megabytes: float = 0.0


def tasks(folder: Path) -> list[Task]:
    model, data, module = (str(folder / name) for name in ("model.ode", "data.csv", "module.py"))
    command = [sys.executable, "-m", "odec"]
    return [
        Task("`import torch`", [sys.executable, "-c", "import torch"]),
        Task("import of a generated module", [sys.executable, module]),
        Task("`odec check`", [*command, "check", model]),
        Task("`odec run`, warm", [*command, "run", model], limit=1.4),
        Task("`odec run`, cold", [*command, "run", model], cold=True, limit=2.0),
        Task("`odec fit`, warm", [*command, "fit", model, data, "-q", "-o", str(folder)]),
    ]


def take(task: Task, folder: Path, cache: Path) -> None:
    """Run a task once, with the cache of all or one of its own."""
    with tempfile.TemporaryDirectory() as own:
        log = Path(own, "times")
        place = {"ODEC_CACHE_DIR": own if task.cold else str(cache), "COMPILER_TIMES": str(log)}
        environment = {
            **os.environ,
            **place,
            "CC": str(folder / "compiler"),
            "PYTHONPATH": str(FOLDER.parent),
        }
        begun = time.perf_counter()
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(task.words, env=environment, cwd=folder, **silent)
        _, status, usage = os.wait4(process.pid, 0)
        task.seconds.append(time.perf_counter() - begun)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, list(task.words))
        task.processor.append(usage.ru_utime + usage.ru_stime)
        task.megabytes = max(task.megabytes, usage.ru_maxrss / 1024)
        # of the first, `--version`, too
        task.compiler.append(sum(map(int, log.read_text().split())) / 1e9 if log.exists() else 0.0)


ALONE = """import time, torch
begun = time.process_time()
import module
print(time.process_time() - begun)
"""


def import_alone(folder: Path) -> float:
    """Seconds of the processor that a process with torch takes to import its first generated module."""
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as where odec is installed, compiled
    words = [sys.executable, "-c", ALONE]
    said = subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=True)
    return float(said.stdout)


def measure(repeats: int) -> tuple[list[Task], list[float]]:
    """Every task, in turn, after one time that is not counted; the import of a module beside torch alone."""
    alone: list[float] = []
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as cache:
        folder = Path(name)
        (folder / "model.ode").write_text(MODEL)
        (folder / "data.csv").write_text(DATA)
        (folder / "compiler").write_text(COMPILER)
        (folder / "compiler").chmod(0o755)
        (folder / "module.py").write_text(odec.compile(MODEL, engine="native"))
        found = tasks(folder)
        for k in range(repeats + 1):
            for task in found:
                take(task, folder, Path(cache))
                if k == 0:
                    task.seconds, task.compiler, task.processor = [], [], []
            alone += [import_alone(folder)]
            say(f"{k} of {repeats}")
    return found, alone[1:]


def _line(task: Task, bare: Task) -> str:
    rest = [whole - own for whole, own in zip(task.seconds, task.compiler, strict=True)]
    ratio = min(rest) / min(bare.seconds)
    of_processor = "" if task.cold else f"{min(task.processor) / min(bare.processor):.2f}"
    bar = "" if task.limit is None else f"{task.limit:g}"
    cells = [task.name, report.duration(min(task.seconds))]
    cells += [report.duration(min(task.compiler)) if task.cold else "", f"{ratio:.2f}", of_processor, bar]
    return "| " + " | ".join([*cells, f"{task.megabytes:.0f} MB"]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="once; writes no files")
    args = parser.parse_args()
    before = load()
    use_threads(1)
    found, alone = measure(1 if args.quick else args.repeats)
    head = [
        "",
        "wall time",
        "of it the C compiler's",
        "the rest over `import torch`",
        "of the processor's seconds",
        "at most",
        "peak memory",
    ]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " --: |" * (len(head) - 1)]
    lines += [_line(task, found[0]) for task in found]
    facts = report.facts("startup", 1, before)
    said = f"A process from its start to its end, the least of {len(found[0].seconds)}."
    least = f"{min(alone) * 1e3:.0f} ms of the processor"
    beside = f"The import of a generated module where torch is imported already: {least}."
    parts = ["# How soon odec answers", said, report.listed(facts), "\n".join(lines), beside]
    text = "\n\n".join(parts) + "\n"
    print(text, flush=True)
    if not args.quick:
        (RESULTS / "startup.md").write_text(text)


if __name__ == "__main__":
    main()
