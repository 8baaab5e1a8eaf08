"""Contenders timed side by side in one run: the same threads, taken in turn, compile time apart, medians."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import re
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import watch

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
SHORTEST_SAMPLE = 0.05
MEMORY_BASE_SIZE = 16
_BEGUN = time.perf_counter()


class Absent(Exception):
    """A contender that cannot run here; the message says why."""


@dataclass(frozen=True, eq=False)
class Case:
    """One setting of a workload: a number of trajectories, a dtype, and its arrays as `data`."""

    size: int
    dtype: str
    data: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def title(self) -> str:
        return f"N = {self.size:,}, {self.dtype}" if self.size else self.dtype


@dataclass(frozen=True)
class Ready:
    """A prepared contender: `call()` returns when all is done, `read(result)` gives numpy arrays."""

    call: Callable[[], Any]
    read: Callable[[Any], Any] = np.asarray


@dataclass(frozen=True)
class Contender:
    """A solver in a workload. `prepare(case)` imports, converts, compiles; ImportError or Absent: not here.

    compiles: its first call builds code, so it is no sample. heavy: left out of `--quick`. aside: the name of
    another task ("gradient"), shown beside the workload's own, which no ratio in its table refers to. dtypes:
    those that it takes part in, where not all.
    """

    name: str
    prepare: Callable[[Case], Ready]
    compiles: bool = True
    heavy: bool = False
    largest: int | None = None
    aside: str = ""
    dtypes: Sequence[str] = ()


@dataclass
class Row:
    """What was measured of one contender in one case."""

    name: str
    size: int
    dtype: str
    samples: list[float] = field(default_factory=list)
    first_call: float | None = None
    errors: dict[str, float] = field(default_factory=dict)
    megabytes: float | None = None
    aside: str = ""
    absent: str | None = None

    @property
    def seconds(self) -> float | None:
        return statistics.median(self.samples) if self.samples else None


@dataclass(frozen=True)
class Workload:
    """A benchmark: its cases, its contenders, and what a result is compared with.

    errors(case, result) names deviations from a reference, `deviations` says what they are; unit says what a
    time is for.
    """

    name: str
    title: str
    text: str
    cases: Callable[[Sequence[int], Sequence[str]], list[Case]]
    contenders: Sequence[Contender]
    errors: Callable[[Case, Any], dict[str, float]]
    sizes: Sequence[int]
    quick_sizes: Sequence[int]
    dtypes: Sequence[str] = ("float64",)
    quick_dtypes: Sequence[str] = ()
    unit: str = "time"
    memory: bool = False
    gpu: bool = False
    notes: Callable[[list[Row]], list[str]] | None = None
    deviations: str = "relative to the largest value of each row, against 80-bit arithmetic"


def use_threads(count: int, gpu: bool = False) -> None:
    """Hold the process, and every library loaded from here on, to `count` threads on as many processors.

    JAX runs on the CPU, or, for a GPU, takes only the memory that it needs.
    """
    for name in ("OMP", "MKL", "OPENBLAS", "NUMBA", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = str(count)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    if gpu:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    else:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    warnings.filterwarnings("ignore")


def main(workload: Workload, arguments: Sequence[str] | None = None) -> None:
    """The command line of a workload: measure, print the table, write it and its picture."""
    options = _options(workload).parse_args(arguments)
    options.load = load()
    options.repeats = options.repeats or (3 if options.quick else 7)
    options.budget = options.budget or (1 if options.quick else 4)
    use_threads(options.threads, workload.gpu)
    if options.peak:
        _report_peak(workload, options)
        return
    from benchmarks import report

    sizes = options.sizes or (workload.quick_sizes if options.quick else workload.sizes)
    dtypes = workload.quick_dtypes if options.quick and workload.quick_dtypes else workload.dtypes
    cases = workload.cases(sizes, options.dtypes or dtypes)
    chosen = [c for c in workload.contenders if re.search(options.only, c.name)]
    chosen = [c for c in chosen if not (options.quick and c.heavy)]
    found: dict[Case, list[Row]] = {}
    for case in sorted(cases, key=lambda case: -case.size):  # the largest first, if the time should be short
        say(f"{workload.name}: {case.title}")
        found[case] = measure(workload, case, chosen, options)
    rows = [row for case in cases for row in found[case]]
    text = report.markdown(workload, rows, options)
    print(text, flush=True)
    if not options.quick or options.out:
        folder = Path(options.out or RESULTS)
        report.write(workload, rows, options, text, folder)
        say(f"written to {folder}/{workload.name}.md, .svg and .json")


def measure(workload: Workload, case: Case, contenders: Sequence[Contender], options: Any) -> list[Row]:
    """Time the contenders on a case, one sample of each in every round."""
    running: list[tuple[Row, Ready, int]] = []
    rows = []
    for contender in contenders:
        if contender.dtypes and case.dtype not in contender.dtypes:
            continue
        row = Row(contender.name, case.size, case.dtype, aside=contender.aside)
        rows.append(row)
        row.absent = watch.broken(contender.name)
        if contender.largest and case.size > contender.largest:
            row.absent = f"left out above N = {contender.largest:,}"
        if not contender.name.startswith("odec") and elapsed() > options.limit:
            row.absent = f"left out, {options.limit:.0f} s being over (--limit)"
        if row.absent:
            continue
        with _kept_apart(row):
            running.append((row, *_start(workload, case, contender, row)))
        say(f"  {contender.name}: {row.absent or f'{row.first_call:.3g} s for its first call'}")
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no sample waits for a walk over all of it
    for _ in range(options.repeats):
        for row, ready, number in running:
            spent = sum(row.samples) * number if elapsed() < options.limit else options.budget
            if not row.absent and (not row.samples or spent < options.budget):
                with _kept_apart(row):
                    row.samples.append(_sample(ready, number))
    gc.unfreeze()
    if workload.memory and not options.no_memory and not options.quick:
        for row, _, _ in running:
            row.megabytes = _peak_rise(workload, row)
    return rows


@contextlib.contextmanager
def _kept_apart(row: Row) -> Iterator[None]:
    """A contender that is missing or breaks is named below the tables; the others go on."""
    watch.running(row.name)
    try:
        yield
    except (ImportError, Absent) as reason:
        row.absent = str(reason).strip().splitlines()[0]
    except Exception as error:  # a peer's own errors may be of any kind
        said = (str(error).strip().splitlines() or [""])[0][:100]
        row.absent = f"failed: {type(error).__name__} {said}"
    finally:
        watch.running(None)


def _start(workload: Workload, case: Case, contender: Contender, row: Row) -> tuple[Ready, int]:
    """Prepare and call once. Sets errors and first_call; returns how many calls make a sample."""
    begun = time.perf_counter()
    ready = contender.prepare(case)
    first = time.perf_counter()
    result = ready.call()
    taken = time.perf_counter() - first
    row.first_call = time.perf_counter() - begun
    row.errors = workload.errors(case, ready.read(result))
    del result
    if taken > 1 and not contender.compiles:
        row.samples.append(taken)
        return ready, 1
    again = _sample(ready, 1)
    if again >= SHORTEST_SAMPLE:
        row.samples.append(again)
    return ready, max(1, round(SHORTEST_SAMPLE / max(again, 1e-9)))


def _sample(ready: Ready, number: int) -> float:
    gc.collect()
    gc.disable()
    try:
        begun = time.perf_counter()
        for _ in range(number):
            ready.call()
        return (time.perf_counter() - begun) / number
    finally:
        gc.enable()


def _options(workload: Workload) -> argparse.ArgumentParser:
    def numbers(text: str) -> list[int]:
        return [int(float(part)) for part in text.split(",")]

    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{workload.name}", description=workload.text)
    add = parser.add_argument
    add("--quick", action="store_true", help="small sizes, few repeats, no slow compilers; writes no files")
    add("--only", default="", metavar="REGEX", help="contenders whose name matches")
    add("--sizes", type=numbers, metavar="N,N,…", help=f"default: {','.join(map(str, workload.sizes))}")
    add("--dtypes", type=lambda text: text.split(","), help=f"default: {','.join(workload.dtypes)}")
    add("--repeats", type=int, help="rounds of samples, one of each contender (default 7, quick 3)")
    add(
        "--budget",
        type=float,
        help="seconds after which a contender has no more samples (default 4, quick 1)",
    )
    add("--limit", type=float, default=300, help="seconds after which no other peer begins (default 300)")
    add("--threads", type=int, default=2, help="for every contender (default 2)")
    add("--no-memory", action="store_true", help="do not measure memory")
    add("--out", metavar="FOLDER", help="where the table and the picture go (default benchmarks/results)")
    add("--peak", help=argparse.SUPPRESS)
    return parser


def _peak_rise(workload: Workload, row: Row) -> float | None:
    """MB by which a process that makes two calls peaks above one that makes them with 16 trajectories."""
    peaks = []
    for size in (MEMORY_BASE_SIZE, row.size):
        command = [sys.executable, "-m", f"benchmarks.{workload.name}", "--peak", row.name]
        command += ["--sizes", str(size), "--dtypes", row.dtype]
        done = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER.parent)
        if done.returncode:
            say(f"  no peak memory of {row.name}: {done.stderr.strip().splitlines()[-1:]}")
            return None
        peaks.append(float(done.stdout.split()[-1]))
    return max(peaks[1] - peaks[0], 0.0)


def _report_peak(workload: Workload, options: Any) -> None:
    case = workload.cases(options.sizes, options.dtypes or workload.dtypes)[0]
    ready = next(c for c in workload.contenders if c.name == options.peak).prepare(case)
    ready.call()
    ready.call()
    print(peak_megabytes())


def peak_megabytes() -> float:
    """The largest resident size of this process so far, in MB.

    ru_maxrss counts the parent too where a child is forked from a large one: Linux's own mark comes first.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def load() -> float:
    """How many processes wanted a processor during the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def elapsed() -> float:
    """Seconds since the benchmark began."""
    return time.perf_counter() - _BEGUN


def say(text: str) -> None:
    """Print what is going on, and when."""
    print(f"[{elapsed():4.0f} s] {text}", file=sys.stderr, flush=True)
