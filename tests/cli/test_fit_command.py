"""fit: its files, its exit codes and its errors; what it finds is tested elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import DECAY, Run

import odec as package

DATA = "t,x\n0,4.1\n0.5,3.1\n1,2.4\n2,1.5\n"


@pytest.fixture
def data(folder: Path) -> Path:
    path = folder / "data.csv"
    path.write_text(DATA)
    return path


def test_files(odec: Run, folder: Path, data: Path) -> None:
    result = odec("fit", "decay.ode", "data.csv", "-o", "out/deep", "--plot", "fit.svg")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("parameter")
    report = json.loads((folder / "out" / "deep" / "fit.json").read_text())
    assert report["command"] == "odec fit decay.ode data.csv -o out/deep --plot fit.svg"
    assert set(report["values"]) == {"k", "x0"}
    assert report["losses"][0] > report["loss"]
    assert "<svg" in (folder / "fit.svg").read_text()[:1000]
    assert (folder / "decay.ode").read_text() == DECAY
    checked = odec("run", "out/deep/fit.ode", "--times", "0")
    assert float(checked.stdout.splitlines()[1].split(",")[1]) == pytest.approx(report["values"]["x0"])


def test_names_of_the_files(odec: Run, folder: Path, data: Path) -> None:
    assert odec("fit", "decay.ode", "data.csv", "-o", "best.json", "-q").exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.json",
        "best.ode",
        "data.csv",
        "decay.ode",
    ]


def test_the_model_is_never_overwritten(odec: Run, folder: Path, data: Path) -> None:
    (folder / "fit.ode").write_text(DECAY)
    result = odec("fit", "fit.ode", "data.csv")
    assert (result.exit_code, "is the model itself" in result.stderr) == (2, True)
    assert (folder / "fit.ode").read_text() == DECAY
    assert odec("fit", "fit.ode", "data.csv", "-o", "second").exit_code == 0


def test_options_reach_the_fit(odec: Run, folder: Path, data: Path) -> None:
    result = odec(
        *[
            "fit",
            "decay.ode",
            "data.csv",
            "--optimizer",
            "adam",
            "--lr",
            "0.02",
            "--epochs",
            "7",
            "--seed",
            "3",
        ],
        *["--fix", "k", "--set", "k=0.25", "--set", "x0=5", "--dtype", "float32", "--transforms", "none"],
        *["--method", "heun2", "--dt", "0.25", "--t0", "0", "--clip", "1e5"],
    )
    assert result.exit_code == 0, result.stderr
    report = json.loads((folder / "fit.json").read_text())
    assert report["epochs"] == 7
    assert report["values"]["k"] == 0.25
    assert report["start"]["x0"] == 5
    wanted = {"optimizer": "adam", "lr": 0.02, "seed": 3, "dtype": "float32", "transforms": "none"}
    wanted |= {"method": "heun2", "dt": 0.25, "t0": 0, "clip": 1e5}
    assert {name: report["options"][name] for name in wanted} == wanted


def test_no_progress_where_stderr_is_no_terminal(odec: Run, data: Path) -> None:
    result = odec("fit", "decay.ode", "data.csv", "--optimizer", "adam", "--epochs", "50")
    assert result.stderr == "rk4: 1000 steps of 0.002\nwrote fit.json\nwrote fit.ode\n"


def test_resume(odec: Run, folder: Path, data: Path) -> None:
    adam = ["fit", "decay.ode", "data.csv", "--optimizer", "adam", "-q"]
    odec(*adam, "--epochs", "40", "-o", "whole")
    odec(*adam, "--epochs", "15", "-o", "half")
    resumed = ["--resume", "half/fit.json", "--epochs", "40", "-o", "half"]
    assert odec("fit", "decay.ode", "data.csv", *resumed).exit_code == 0
    whole, half = (json.loads((folder / name / "fit.json").read_text()) for name in ("whole", "half"))
    assert half["losses"] == whole["losses"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["decay.ode", "nothing.csv"], 2, "nothing.csv: no such file"),
        (["decay.ode", "."], 2, "directory"),
        (["nothing.ode", "data.csv"], 1, "E113"),
        (["decay.ode", "bad.csv"], 1, "bad.csv, line 3"),
        (["decay.ode", "data.csv", "--fix", "kk"], 2, "did you mean 'k'?"),
        (["decay.ode", "data.csv", "--fix", "k,x0"], 2, "nothing to fit"),
        (["decay.ode", "data.csv", "--set", "k=-1"], 2, "outside its bounds (0, inf)"),
        (["decay.ode", "data.csv", "--set", "k"], 2, "NAME=VALUE"),
        (["decay.ode", "data.csv", "--lr", "fast"], 2, "not a finite number"),
        (["decay.ode", "data.csv", "--epochs", "-1"], 2, "--epochs"),
        (["decay.ode", "data.csv", "--optimizer", "sgd"], 2, "sgd"),
        (["decay.ode", "data.csv", "--plot", "fit.doc"], 2, ".png, .svg or .pdf"),
        (["decay.ode", "data.csv", "--resume", "data.csv"], 2, "not a fit.json"),
        (["decay.ode"], 2, "DATA"),
    ],
)
def test_errors(arguments: list[str], code: int, words: str, odec: Run, folder: Path, data: Path) -> None:
    (folder / "bad.csv").write_text("t,x\n0,1\n1,one\n")
    before = sorted(path.name for path in folder.iterdir())
    result = odec("fit", *arguments)
    assert result.exit_code == code, result.stderr
    assert words in result.stderr
    assert result.stdout == ""
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_start_that_cannot_be_simulated(odec: Run, folder: Path) -> None:
    (folder / "data.csv").write_text("t,x\n0,1\n3,2\n")
    text = "param a = 1\ndx/dt = a*x**2\ninit x = 1\nrun t = 0 .. 3 method rk4 dt 0.01\n"
    result = odec("fit", "-", "data.csv", stdin=text)
    assert result.exit_code == 3
    assert "state x left the finite numbers" in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "param a = 1\ndx/dt = a/x\ninit x = 0\nrun t = 0 .. 3 step 0.01\n",
            "derivative is not finite at the start, t = 0; look at its initial value, and for a division",
        ),
        (
            "param a = 1\ndx/dt = -2.2e6*a*x\ninit x = 1\nrun t = 0 .. 3 method euler dt 0.1\n",
            "too large a number; the start values lie far off, or the steps are too long for the method",
        ),
        (
            "param a = 1\ndy/dt = -a\ninit y = 1\nobs x = log(y)\nrun t = 0 .. 3 step 0.1\n",
            "fails: the observable x (line 4) is nan at t = 3, where the data have a value (start values",
        ),
    ],
)
def test_why_a_start_cannot_be_simulated(text: str, words: str, odec: Run, folder: Path) -> None:
    (folder / "data.csv").write_text("t,x\n0,1\n3,2\n")
    for engine in ("torch", "native"):
        for optimizer in ("lbfgs", "adam", "gauss-newton"):
            arguments = ["fit", "-", "data.csv", "--engine", engine, "--optimizer", optimizer]
            result = odec(*arguments, stdin=text)
            assert result.exit_code == 3 and words in result.stderr, result.stderr


@pytest.mark.slow
def test_interrupted_keeps_the_best(folder: Path, data: Path) -> None:
    """Ctrl-C in the middle: exit code 130, and fit.json from which the fit can go on."""
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    script = (
        "import odec.fit.adam as adam, os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "steps = adam.Adam.steps\n"
        "def interrupted(*arguments):\n"
        "    for count, state in enumerate(steps(*arguments)):\n"
        "        if count == 20:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "        yield state\n"
        "adam.Adam.steps = interrupted\n"
        "from odec.cli import main\n"
        "main()\n"
    )
    options = ["--optimizer", "adam", "--epochs", "1000", "--engine", "torch"]
    command = [sys.executable, "-c", script, "fit", "decay.ode", "data.csv", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    report = json.loads((folder / "fit.json").read_text())
    assert report["interrupted"]
    assert 15 <= report["epochs"] <= 25
    assert "--resume fit.json" in done.stderr
