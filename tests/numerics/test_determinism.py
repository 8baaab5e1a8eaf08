"""The same model gives the same bytes, whatever the process."""

import json
import os
import subprocess
import sys

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


def test_a_module_needs_torch_and_the_standard_library_alone():
    for text in (RICH, FORCED, RICKER):
        method = None if text is RICKER else "rk4"
        code = odec.compile(text, method=method)
        lines = [line for line in code.splitlines() if line.startswith(("import ", "from "))]
        roots = {line.split()[1].split(".")[0] for line in lines}
        assert roots <= {"torch", *sys.stdlib_module_names}, roots
