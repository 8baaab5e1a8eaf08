"""Ctrl-C in the middle of a run, a simulation and a fit: the process ends, in words, with whole files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import odec as package

pytestmark = pytest.mark.slow  # processes of their own

START = """
import contextlib, os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background has it ignored
import odec
from odec.cli import main
"""
RUN = """
arguments = ["run", "decay.ode", "--engine", ENGINE, "--dt", "0.1", "--no-check", "-q", "-o", "out.csv"]
with contextlib.suppress(SystemExit):
    main([*arguments, "--t1", "1"])
os.remove("out.csv")
print("ready", flush=True)
main([*arguments, "--t1", END, "--step", END])
"""
SIMULATE = """
def run(end):
    odec.simulate("decay.ode", t1=end, step=end, dt=0.1, engine=ENGINE, check=False)
run(1)
print("ready", flush=True)
run(float(END))
"""
FIT = """
arguments = ["fit", "decay.ode", "data.csv", "--engine", ENGINE, "--optimizer", "adam", "--lr", "1e-9"]
with contextlib.suppress(SystemExit):
    main([*arguments, "--no-check", "--epochs", "1", "-o", "first"])
print("ready", flush=True)
main([*arguments, "--no-check", "--epochs", "100000000"])
"""
ENDS = {"native": "1e8", "torch": "1e6"}
"""So far that a run takes a minute or more, and is not refused as too long."""
MOST_SECONDS = 30.0
"""By far more than it takes to end."""


def interrupted(script: str, engine: str, folder: Path, after: float) -> tuple[int, str]:
    """The exit code and stderr of a script that gets SIGINT some seconds after it says that it is ready."""
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    text = START + script.replace("ENGINE", repr(engine)).replace("END", repr(ENDS[engine]))
    command = [sys.executable, "-c", text]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready\n" in iter(process.stdout.readline, "")
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        try:
            _, told = process.communicate(timeout=MOST_SECONDS)
        finally:
            process.kill()
    return process.returncode, told


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_run_ends_in_words_and_leaves_no_file(engine: str, folder: Path) -> None:
    code, told = interrupted(RUN, engine, folder, 0.3)
    assert (code, told.strip().splitlines()[-1]) == (130, "interrupted")
    assert [path.name for path in folder.iterdir()] == ["decay.ode"]


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_simulate_raises_keyboard_interrupt(engine: str, folder: Path) -> None:
    code, told = interrupted(SIMULATE, engine, folder, 0.3)
    assert code in (-signal.SIGINT, 130) and told.strip().splitlines()[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_fit_ends_with_its_best_values(engine: str, folder: Path) -> None:
    (folder / "data.csv").write_text("t,x\n0,4.1\n0.5,3.1\n1,2.4\n2,1.5\n")
    code, told = interrupted(FIT, engine, folder, 3.0)
    assert code == 130 and "--resume fit.json" in told
    report = json.loads((folder / "fit.json").read_text())
    assert report["interrupted"] and report["losses"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "data.csv",
        "decay.ode",
        "first",
        "fit.json",
        "fit.ode",
    ]
