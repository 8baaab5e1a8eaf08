"""Runs, fits and modules whose steps follow a tolerance, from the command line."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from types import ModuleType

import pytest
from cli_support import DECAY, Run

FREE = DECAY.replace("run t = 0 .. 2 step 0.5 method rk4", "run t = 0 .. 2 method tsit5")
STIFF = """\
param mu = 60
init x = 2
init y = 0
dx/dt = y
dy/dt = mu*(1 - x**2)*y - x
run t = 0 .. 40 method dopri5
"""


def last(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in list(csv.DictReader(io.StringIO(text)))[-1].items()}


@pytest.mark.parametrize(
    ("model", "arguments", "relative"),
    [
        (FREE, [], 1e-5),
        (FREE, ["--rtol", "1e-10", "--atol", "1e-12"], 1e-9),
        (FREE, ["--rtol", "1e-10", "--atol", "1e-12,1e-11"], 1e-9),
        (FREE, ["--method", "dopri8", "--rtol", "1e-10"], 1e-9),
        (FREE.replace(" method tsit5", ""), ["--rtol", "1e-10"], 1e-9),
        (DECAY, ["--method", "bosh3", "--rtol", "1e-7"], 1e-6),
        (FREE, ["--dt", "0.01"], 1e-9),
    ],
)
def test_run(model: str, arguments: list[str], relative: float, odec: Run, folder: Path) -> None:
    (folder / "free.ode").write_text(model)
    result = odec("run", "free.ode", *arguments)
    assert result.exit_code == 0 and len(result.stderr.splitlines()) == 1, "the line on its steps"
    assert last(result.stdout)["x"] == pytest.approx(4 * math.exp(-1), rel=relative)
    assert len(result.stdout.splitlines()) in (6, 102), "the step of the outputs is not that of the method"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rtol", "0"], "rtol must be a positive number"),
        (["--rtol", "nan"], "--rtol: 'nan' is not a finite number"),
        (["--atol", "-1"], "atol must be positive"),
        (["--atol", "1,2,3"], "one for each of the 2 states, not a list of 3"),
        (["--atol", "1,x"], "--atol: 'x' is not a finite number"),
        (["--rtol", "1e-3", "--dt", "0.1"], "give one or the other"),
        (["--rtol", "1e-3", "--method", "rk4"], "rk4 has no error estimate"),
        (["--rtol", "1e-3", "--method", "rk4"], "dopri5, tsit5"),
        (["--max-steps", "0", "--rtol", "1e-3"], "--max-steps"),
        (["--max-steps", "9", "--method", "rk4"], "--max-steps does not apply"),
        (["--max-steps", "9", "--dt", "0.1"], "leave out dt"),
        (["--times", "0,2,1"], "t[2] = 1 comes after 2"),
    ],
)
def test_wrong_arguments(arguments: list[str], words: str, odec: Run, folder: Path) -> None:
    (folder / "free.ode").write_text(FREE)
    result = odec("run", "free.ode", *arguments)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert result.stdout == ""


def test_a_map_keeps_no_tolerance(odec: Run, folder: Path) -> None:
    (folder / "map.ode").write_text("init N = 1\nN[t+1] = N[t]/2\nrun t = 0 .. 3\n")
    result = odec("run", "map.ode", "--rtol", "1e-3")
    assert result.exit_code == 2
    assert "a tolerance does not apply" in result.stderr


def test_failed_run(odec: Run, folder: Path) -> None:
    (folder / "free.ode").write_text("dx/dt = x**2\ninit x = 1\nrun t = 0 .. 3 method tsit5\n")
    result = odec("run", "free.ode")
    assert result.exit_code == 3
    assert "the error of state x forces the step below the least at t = 1" in result.stderr
    result = odec("run", "free.ode", "--t1", "0.9", "--max-steps", "5")
    assert result.exit_code == 3
    assert "--max-steps are used up" in result.stderr and "more --max-steps" in result.stderr


PULSE = """\
init x = 0
dx/dt = if t > 40 and t < 40.1 then 10 else -1e-3*x
run t = 0 .. 100 method tsit5
"""


def test_no_pulse_is_missed_by_short_steps(odec: Run, folder: Path) -> None:
    (folder / "pulse.ode").write_text(PULSE)
    run = ("run", "pulse.ode", "--times", "0,100", "--rtol", "1e-6")
    assert last(odec(*run).stdout)["x"] == pytest.approx(math.exp(-0.0599), rel=1e-3)
    result = odec(*run, "--max-step", "0.05")
    assert last(result.stdout)["x"] == pytest.approx(math.exp(-0.0599), rel=1e-3)
    (folder / "fast.ode").write_text("init x = 0\ndx/dt = -1e4*(x - cos(t))\nrun t = 0 .. 1 method tsit5\n")
    result = odec("run", "fast.ode", "--max-step", "0.05", "--min-step", "0.01")
    assert result.exit_code == 3
    assert "below --min-step = 0.01 at t = " in result.stderr and "a shorter --min-step" in result.stderr
    result = odec(*run, "--max-step", "x")
    assert result.exit_code == 2 and "--max-step: 'x' is not a finite number" in result.stderr
    result = odec(*run, "--max-step", "-1")
    assert result.exit_code == 2 and "0 <= --min-step < --max-step must hold" in result.stderr
    (folder / "data.csv").write_text("t,x\n100,0.94\n")
    fit = ("fit", "pulse.ode", "data.csv", "-q", "--max-step", "0.05")
    (folder / "pulse.ode").write_text("param k = 1\n" + PULSE.replace("10 ", "10*k "))
    result = odec(*fit)
    assert result.exit_code == 0, result.stderr
    assert json.loads((folder / "fit.json").read_text())["options"]["max_step"] == 0.05


def test_a_stiff_problem_is_told(odec: Run, folder: Path) -> None:
    (folder / "stiff.ode").write_text(STIFF)
    result = odec("run", "stiff.ode", "--step", "20", "--rtol", "1e-4")
    assert result.exit_code == 0
    assert result.stderr.startswith("note: the problem is stiff") and "rodas5p" in result.stderr
    quiet = odec("run", "stiff.ode", "--step", "20", "--rtol", "1e-4", "--method", "rodas5p")
    assert quiet.exit_code == 0 and "stiff" not in quiet.stderr
    assert last(quiet.stdout)["x"] == pytest.approx(last(result.stdout)["x"], rel=1e-2)


def test_a_stiff_problem_is_told_while_it_runs(odec: Run, folder: Path) -> None:
    (folder / "stiff.ode").write_text("init x = 1\ndx/dt = -1e4*(x - cos(t))\nrun t = 0 .. 0.2 step 0.2\n")
    result = odec("run", "stiff.ode", "--rtol", "1e-4", "--engine", "torch", "--method", "tsit5")
    assert result.exit_code == 0
    line, steps = result.stderr.splitlines()
    assert (
        steps.startswith("tsit5: ")
        and line.startswith("warning: the problem is stiff at t = ")
        and "rodas5p or auto" in line
    )


def test_fit(odec: Run, folder: Path) -> None:
    (folder / "free.ode").write_text(FREE)
    rows = [f"{t},{4 * math.exp(-0.8 * t)!r}" for t in (0, 0.3, 0.7, 1.1, 1.9)]
    (folder / "data.csv").write_text("\n".join(["t,x", *rows]) + "\n")
    for optimizer in ("lbfgs", "gauss-newton"):
        arguments = ["--rtol", "1e-10", "--atol", "1e-12,1e-11", "--optimizer", optimizer, "--fix", "x0"]
        result = odec("fit", "free.ode", "data.csv", "-q", *arguments)
        assert result.exit_code == 0, result.stderr
        kept = json.loads((folder / "fit.json").read_text())
        assert kept["values"]["k"] == pytest.approx(0.8, rel=1e-7)
        assert kept["options"]["rtol"] == 1e-10 and kept["options"]["atol"] == [1e-12, 1e-11]
    again = odec("fit", "free.ode", "data.csv", "-q", "--resume", "fit.json", "--epochs", "300")
    assert again.exit_code == 0, again.stderr
    other = odec("fit", "free.ode", "data.csv", "-q", "--resume", "fit.json", "--rtol", "1e-3")
    assert other.exit_code == 2
    assert "was fitted with rtol = 1e-10, not 0.001" in other.stderr


def module_of(text: str) -> ModuleType:
    module = ModuleType("compiled")
    exec(text, module.__dict__)
    return module


def test_compiled_module_is_adaptive(odec: Run, folder: Path) -> None:
    result = odec("compile", "decay.ode", "-o", "-", "--method", "dopri5")
    assert result.exit_code == 0
    assert "Method: dopri5, order 5, 6 stages, adaptive or of fixed step" in result.stdout
    assert module_of(result.stdout).COMPILED.adaptive
    assert not module_of(odec("compile", "decay.ode", "-o", "-", "--method", "rk4").stdout).COMPILED.adaptive


def test_dense_output(odec: Run, folder: Path) -> None:
    (folder / "free.ode").write_text(FREE)
    arguments = ["run", "free.ode", "--rtol", "1e-9", "--atol", "1e-11", "--step", "0.01"]
    found = [
        list(csv.reader(io.StringIO(odec(*arguments, *more).stdout)))
        for more in (["--no-dense"], ["--dense"])
    ]
    assert len(found[0]) == len(found[1]) == 202 and found[0] != found[1]
    for landing, dense in zip(found[0][1:], found[1][1:], strict=True):
        assert [float(v) for v in dense] == pytest.approx([float(v) for v in landing], rel=1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rtol", "1e-4", "--method", "kvaerno3"], "kvaerno3 has no interpolant for --dense; heun21"),
        (["--dt", "0.1"], "--dense is of adaptive steps: leave out dt"),
        (["--dt", "0.1", "--method", "rk4"], "--dense does not apply"),
    ],
)
def test_dense_output_is_refused_where_it_cannot_be(
    arguments: list[str], message: str, odec: Run, folder: Path
) -> None:
    (folder / "free.ode").write_text(FREE)
    refused = odec("run", "free.ode", "--dense", *arguments)
    assert refused.exit_code == 2 and message in refused.stderr, refused.stderr


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss-newton"])
def test_a_fit_with_dense_output(optimizer: str, odec: Run, folder: Path) -> None:
    (folder / "free.ode").write_text(FREE)
    rows = [f"{k / 50},{4 * math.exp(-0.8 * k / 50)!r}" for k in range(100)]
    (folder / "data.csv").write_text("\n".join(["t,x", *rows]) + "\n")
    arguments = ["--rtol", "1e-9", "--atol", "1e-11", "--dense", "--optimizer", optimizer, "--fix", "x0"]
    result = odec("fit", "free.ode", "data.csv", "-q", *arguments)
    assert result.exit_code == 0, result.stderr
    kept = json.loads((folder / "fit.json").read_text())
    assert kept["values"]["k"] == pytest.approx(0.8, rel=1e-6)
    assert kept["options"]["dense_output"] is True
