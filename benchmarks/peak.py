"""The multiply-add peak of one core, measured, as a yardstick for what a kernel reaches."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

_SOURCE = """
typedef REAL vector __attribute__((vector_size(64)));
REAL peak(long rounds) {
    vector a[12];
    for (int i = 0; i < 12; i++) a[i] = (vector){} + (REAL)(i + 1);
    vector m = (vector){} + (REAL)0.999, s = (vector){} + (REAL)0.001;
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < 12; i++) a[i] = a[i] * m + s;
    REAL sum = 0;
    for (int i = 0; i < 12; i++) for (unsigned j = 0; j < 64 / sizeof(REAL); j++) sum += a[i][j];
    return sum;
}
"""


@cache
def multiply_adds_per_second(dtype: str) -> float | None:
    """Fused multiply-adds that one core does in a second; None where there is no C compiler."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "peak.c"), Path(folder, "peak.so")
        source.write_text(_SOURCE)
        real = "double" if dtype == "float64" else "float"
        flags = ["-O3", "-march=native", "-mprefer-vector-width=512", "-ffp-contract=fast", "-funroll-loops"]
        flags += [f"-DREAL={real}", "-shared", "-fPIC"]
        command = [*compiler.split(), *flags, "-o", str(library), str(source)]
        if subprocess.run(command, capture_output=True).returncode:
            return None
        run = ctypes.CDLL(str(library)).peak
        run.restype = ctypes.c_double if dtype == "float64" else ctypes.c_float
        rounds, best = 4_000_000, float("inf")
        for _ in range(5):
            begun = time.process_time()
            run(ctypes.c_long(rounds))
            best = min(best, time.process_time() - begun)
    return rounds * 12 * (8 if dtype == "float64" else 16) / best


def share(dtype: str, rate: float, threads: int | None = None) -> str:
    """A sentence on a rate of multiplications, fused or not, beside the peak of the threads that did them."""
    threads = threads or int(os.environ.get("OMP_NUM_THREADS", "1"))
    peak = multiply_adds_per_second(dtype)
    if peak is None:
        return ""
    return (
        f"odec native, {dtype}: {rate / threads / 1e9:.1f} billion multiplications a second and thread, "
        f"{100 * rate / threads / peak:.0f} % of the {peak / 1e9:.1f} of multiply–adds at a core's peak."
    )
