"""All benchmarks, one after the other, each in a process of its own, and one table over them all at the end.

    python -m benchmarks [--quick] [--only REGEX] [--repeats N] [--budget SECONDS] [--threads N]

The options go to the workloads that know them. A contender that ends a process is named, left out, and the
workload taken again without it. An NVIDIA GPU adds gpu_ensemble and gpu_adaptive.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import harness, summary, watch

ROOT = Path(__file__).parent.parent
SIDE_BY_SIDE = (
    "w1_fit",
    "w2_ensemble",
    "w3_adaptive",
    "w4_gradient",
    "w5_stiff",
    "single",
    "transcendental",
    "ring_oscillator",
    "mechanism",
)
OTHERS = ("w5_precision", "work_precision", "gradient", "compile_time", "startup", "small_call", "odeint")
ON_GPU = ("gpu_ensemble", "gpu_adaptive")
LONGEST = 1200
"""Seconds after which a workload is stopped, and taken again without the contender at work then."""
TRIES = 4


def main() -> int:
    given = sys.argv[1:]
    if "--help" in given or "-h" in given:
        print(__doc__)
        return 0
    quick = [word for word in given if word == "--quick"]
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            return _all([*given, "--out", folder], quick, Path(folder))
    return _all(given, [], harness.RESULTS)


def _all(given: Sequence[str], quick: Sequence[str], folder: Path) -> int:
    commands = [(name, given) for name in SIDE_BY_SIDE] + [(name, quick) for name in OTHERS]
    commands += [(name, given) for name in ON_GPU] if _gpu() else []
    begun, failed = time.monotonic(), []
    for k, (name, options) in enumerate(commands, 1):
        print(f"\n== {k} of {len(commands)}: python -m benchmarks.{' '.join([name, *options])}\n", flush=True)
        failed += [] if run(name, options) else [name]
    print(f"\n{time.monotonic() - begun:.0f} s for all", file=sys.stderr, flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    print("\n" + summary.main(folder))
    return bool(failed)


def run(name: str, options: Sequence[str]) -> bool:
    """Run a workload, without the contenders that end its process. False: it failed, or odec itself did."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "watch.json")
        path.touch()
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        for _ in range(TRIES):
            try:
                code = subprocess.run(
                    command, cwd=ROOT, timeout=LONGEST, env={**os.environ, watch.WATCH: str(path)}
                ).returncode
                reason = (
                    f"ended the process (signal {-code})" if code < 0 else f"ended the process (exit {code})"
                )
            except subprocess.TimeoutExpired:
                code, reason = 1, f"was at work when {LONGEST} s were over"
            found = watch.read(path)
            at_work = found["running"]
            if code == 0 or at_work is None:
                return code == 0 and not any(peer.startswith("odec") for peer in found["broken"])
            print(f"{name}: {at_work} {reason}; again without it", file=sys.stderr, flush=True)
            watch.write(path, {"running": None, "broken": found["broken"] | {at_work: reason}})
    return False


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    sys.exit(main())
