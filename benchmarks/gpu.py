"""All that an NVIDIA GPU can show, by one command: `python -m benchmarks.gpu [--quick] [--dry-run]`.

First the tests that need a GPU, then the ensembles with their peers. Where the tests fail, nothing is timed.
--dry-run takes all of it on the CPU, small, and writes nothing.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from benchmarks.__main__ import ON_GPU, ROOT, run


def main() -> int:
    given = sys.argv[1:]
    if "--dry-run" not in given:
        if importlib.util.find_spec("pytest") is None:
            print("the tests come first: pip install pytest", file=sys.stderr)
            return 2
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "gpu", "tests/native"]
        if code := subprocess.run(tests, cwd=ROOT).returncode:
            print("the tests on the GPU failed: nothing is timed", file=sys.stderr)
            return code
    done = [run(name, given) for name in ON_GPU]
    return int(not all(done))


if __name__ == "__main__":
    sys.exit(main())
