"""Fuzz odec: mutated models, random words and generated models, from the parser to both engines.

    python -m tests.fuzz --seed 1 --texts 30000      # read every text as `odec check` and `odec fmt` do
    python -m tests.fuzz --seed 1 --compile 300      # valid models through the torch engine
    python -m tests.fuzz --seed 1 --native 60        # valid models through both engines, compared
    python -m tests.fuzz --seed 1 --slopes 600       # derivatives at singular points, against mpmath
    python -m tests.fuzz --seed 1 --only 4711        # one text again: shows it and what it does

Faults are printed once a kind and kept, as text and report, under --out. The exit code is the number of kinds
of faults, at most 100.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from odec import lang

from .reading import Fault, guarded
from .texts import seeds_of, text_of

ROOT = Path(__file__).resolve().parents[2]
RUNS = 10_000_000
"""The index of the first text that is run and not only read."""


class Worker:
    """The process that compiles and runs; started again where it dies or hangs."""

    def __init__(self, seconds: float, folder: str):
        self.seconds, self.folder = seconds, folder
        self.process: subprocess.Popen[str] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer of the process, or that it hangs or died."""
        process = self.process or self._start()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], self.seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        self.close()
        fault = f"the process dies ({process.returncode})" if ready else "the process hangs"
        return {"fault": fault, "details": ""}

    def _start(self) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-m", "tests.fuzz", "--worker"]
        environment = {**os.environ, "ODEC_CACHE_DIR": self.folder}
        self.process = subprocess.Popen(
            command, env=environment, cwd=ROOT, text=True, start_new_session=True, **pipes
        )
        return self.process

    def close(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Log:
    """Faults by kind; the first texts of each are kept."""

    def __init__(self, out: Path):
        self.out, self.kinds = out, Counter[str]()

    def add(self, index: int, stage: str, data: bytes, fault: Fault) -> None:
        kind = f"{stage}: {fault.kind}"
        self.kinds[kind] += 1
        if self.kinds[kind] > 5:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"{stage}-{index}"
        path.with_suffix(".ode").write_bytes(data)
        report = f"{kind}\n\n{fault.details}\n"
        path.with_suffix(".txt").write_text(report, encoding="utf-8", errors="backslashreplace")
        if self.kinds[kind] == 1:
            print(f"FAULT {kind}: {path}.ode", flush=True)


def read_all(options: argparse.Namespace, seeds: list[str], log: Log) -> None:
    """So many texts as `odec check` and `odec fmt` read them."""
    codes, answers, slowest = set(lang.all_codes()), Counter[str](), (0.0, -1)
    started = time.perf_counter()
    for index in range(options.first, options.first + options.texts):
        data = text_of(options.seed, index, seeds)
        before = time.process_time()
        try:
            answers[guarded(data, codes, options.seconds, options.megabytes)] += 1
        except Fault as fault:
            log.add(index, "read", data, fault)
        slowest = max(slowest, (time.process_time() - before, index))
    took = time.perf_counter() - started
    print(f"read {options.texts} texts in {took:.0f} s; slowest {slowest[0]:.2f} s (index {slowest[1]})")
    print("  " + ", ".join(f"{code} {count}" for code, count in answers.most_common()))


def run_all(options: argparse.Namespace, seeds: list[str], log: Log, count: int, stage: str) -> None:
    """So many valid models through compile and a short run."""
    from .engines import METHODS

    codes, outcomes, done, index = set(lang.all_codes()), Counter[str](), 0, RUNS + options.first
    methods = METHODS[: 10 if stage == "native" else None]
    with tempfile.TemporaryDirectory(prefix="odec-fuzz-") as folder:
        worker = Worker(options.patience, folder)
        while done < count:
            index += 1
            data = text_of(options.seed, index, seeds)
            with contextlib.suppress(Fault):
                if guarded(data, codes, options.seconds, options.megabytes) == "valid":
                    done += 1
                    method = random.Random(f"{options.seed}/{index}/method").choice(methods)
                    text = lang.decode("model.ode", data).text
                    request = {"text": text, "method": method, "native": stage == "native", "seed": index}
                    answer = worker.ask(request)
                    if answer["fault"]:
                        fault = Fault(answer["fault"], f"method {method}\n{answer['details']}")
                        log.add(index, stage, data, fault)
                    else:
                        outcomes[answer["outcome"]] += 1
        worker.close()
    told = ", ".join(f"{outcome}: {number}" for outcome, number in outcomes.most_common())
    print(f"{stage}: {done} valid models of {index - RUNS - options.first} texts; {told}", flush=True)


def slopes_all(options: argparse.Namespace, log: Log) -> None:
    """Derivatives of so many random formulas: wrong ones are faults, and too many that are no number."""
    from .slopes import MOST_LOST, check, formula, points
    from .slopes import text_of as text_of_formula

    judged, lost = 0, 0
    for index in range(options.first, options.first + options.slopes):
        rng = random.Random(f"{options.seed}/{index}")
        written = formula(rng)
        entries, faults = check(written, list(points(rng, 8)))
        judged, lost = judged + entries, lost + sum(fault.kind != "wrong" for fault in faults)
        told = "\n".join(str(fault) for fault in faults if fault.kind == "wrong")
        if told:
            log.add(index, "slopes", text_of_formula(written).encode(), Fault("a wrong derivative", told))
    if lost > MOST_LOST * judged:
        fault = Fault("too many slopes are no number", f"{lost} of {judged}")
        log.add(options.first, "slopes", b"", fault)
    print(f"slopes: {judged} entries of {options.slopes} formulas, {lost} no number though a limit exists")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=int, default=0, help="how many texts to read")
    parser.add_argument("--compile", type=int, default=0, help="how many valid models to run by torch")
    parser.add_argument("--native", type=int, default=0, help="how many valid models to run by both engines")
    parser.add_argument("--slopes", type=int, default=0, help="how many formulas to differentiate")
    parser.add_argument("--first", type=int, default=0, help="the first index")
    parser.add_argument("--only", type=int, help="one index alone")
    parser.add_argument("--out", type=Path, default=Path("fuzz-faults"), help="where faults are kept")
    parser.add_argument("--seconds", type=float, default=2.0, help="of CPU for reading a text")
    parser.add_argument("--megabytes", type=int, default=300, help="by which a text may grow the process")
    parser.add_argument("--patience", type=float, default=240.0, help="seconds for compiling and running")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = _options()
    if options.worker:
        from .engines import work

        work()
        return 0
    seeds = seeds_of(ROOT)
    if options.only is not None:
        data = text_of(options.seed, options.only, seeds)
        print(data.decode("utf-8", "backslashreplace"))
        print("->", guarded(data, set(lang.all_codes()), options.seconds, options.megabytes))
        return 0
    log = Log(options.out)
    if options.texts:
        read_all(options, seeds, log)
    for stage in ("compile", "native"):
        if count := getattr(options, stage):
            run_all(options, seeds, log, count, stage)
    if options.slopes:
        slopes_all(options, log)
    for kind, number in log.kinds.most_common():
        print(f"{number:6d}  {kind}")
    print(f"{len(log.kinds)} kinds of faults, texts in {options.out}" if log.kinds else "no faults")
    return min(len(log.kinds), 100)


if __name__ == "__main__":
    sys.exit(main())
