"""All benchmarks, one after the other, each in a process of its own: `python -m benchmarks [--quick]`.

Options after it go to every side-by-side workload. An NVIDIA GPU adds gpu_ensemble.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WORKLOADS = (
    "w1_fit",
    "w2_ensemble",
    "w3_adaptive",
    "w4_gradient",
    "w5_stiff",
    "single",
    "transcendental",
    "ring_oscillator",
)
OTHERS = ("gradient", "compile_time")


def main() -> int:
    folder = Path(__file__).parent
    commands = [[name, *sys.argv[1:]] for name in WORKLOADS]
    commands.append(["work_precision", *(word for word in sys.argv[1:] if word == "--quick")])
    commands += [[name] for name in OTHERS if (folder / f"{name}.py").exists()]
    if _gpu():
        commands.append(["gpu_ensemble"])
    failed = []
    for name, *options in commands:
        print(f"\n== python -m benchmarks.{' '.join([name, *options])}\n", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        if subprocess.run(command, cwd=folder.parent).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    sys.exit(main())
