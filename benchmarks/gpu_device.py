"""The GPU of a benchmark: what it is, how to wait for it, and a dry run of everything on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.harness import Absent, Workload, main

DRY = "ODEC_BENCHMARKS_DRY_RUN"


def name() -> str:
    """Where the tensors are to be."""
    return "cpu" if DRY in os.environ else "cuda"


def wait() -> None:
    """Return when the GPU has done what it was given."""
    if name() == "cuda":
        import torch

        torch.cuda.synchronize()


def jax() -> Any:
    """JAX with float64 where it has the GPU. Raises Absent where it has none."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if name() == "cuda" and jax.default_backend() != "gpu":
        raise Absent("JAX has no GPU here (pip install 'jax[cuda12]')")
    return jax


def asked(query: str) -> str:
    """What nvidia-smi says of the first GPU."""
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()


def clock() -> float:
    """The highest clock of the multiprocessors in Hz, as the driver gives it."""
    return float(asked("clocks.max.sm")) * 1e6


def run(workload: Workload) -> None:
    """The command line of a workload on a GPU; with --dry-run, small and on the CPU, to see that it runs."""
    import torch

    arguments = [word for word in sys.argv[1:] if word != "--dry-run"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ[DRY] = "1"
        with tempfile.TemporaryDirectory() as folder:
            small = ["--sizes", "64", "--repeats", "2", "--budget", "1", "--out", folder]
            main(workload, [*small, *arguments])
        return
    if not torch.cuda.is_available():
        sys.exit(
            f"{workload.name} needs an NVIDIA GPU that torch can use; --dry-run takes it small on the CPU"
        )
    main(workload, arguments)
