"""The same model gives the same bytes, whatever the process."""

import json
import os
import subprocess
import sys

import pytest
from generated import CLASHES, FORCED, RICH, RICKER

import odec

PROGRAM = """
import hashlib, json, sys, odec
for text, method in json.load(sys.stdin):
    print(hashlib.sha256(odec.compile(text, method=method).encode()).hexdigest())
"""


def test_three_processes_with_three_hash_seeds_write_the_same_bytes():
    cases = [(text, method) for text in (RICH, FORCED, CLASHES) for method in ("euler", "tsit5")] + [
        (RICKER, None)
    ]
    outputs = []
    for seed in ("0", "1", "4242"):
        command, environment = [sys.executable, "-c", PROGRAM], os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            command, input=json.dumps(cases), env=environment, capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout.split())
    assert len(outputs[0]) == len(set(outputs[0])) == 7
    assert outputs[0] == outputs[1] == outputs[2]


RUNTIME = {False: "from odec import runtime as rt", True: "from . import _runtime as rt"}


@pytest.mark.parametrize("standalone", RUNTIME)
def test_a_module_needs_torch_and_the_run_time_alone(standalone):
    """Of odec the run-time, or that in its own folder; tests of the whole package see what that needs."""
    for text in (RICH, FORCED, RICKER):
        method = None if text is RICKER else "rk4"
        code = odec.compile(text, method=method, standalone=standalone)
        lines = [line for line in code.splitlines() if line.startswith(("import ", "from "))]
        assert lines.count(RUNTIME[standalone]) == 1
        roots = {line.split()[1].split(".")[0] for line in lines if line != RUNTIME[standalone]}
        assert roots <= {"torch", *sys.stdlib_module_names}, roots
