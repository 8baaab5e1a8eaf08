"""What a run and a fit say of their steps: one line, and warnings where numbers may be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_support import Run

import odec as package

DECAY = "param k = 5\ninit x = 1\nx' = -k*x\nrun t = 0 .. 5 step 1{how}\n"
FORCED = "input F linear\ninit T = 0\nT' = F - T\nrun t = 0 .. 100 step 10\n"


@pytest.mark.parametrize(
    ("how", "arguments", "line"),
    [
        ("", [], "auto: 67 steps, rtol 1e-06, atol 1e-09"),
        (" atol 1e-7 rtol 1e-5", [], "auto: 40 steps, rtol 1e-05, atol 1e-07"),
        (" method rk4 dt 0.01", [], "rk4: 500 steps of 0.01"),
        (" method rk4 dt 0.01", ["--dt", "0.02"], "rk4: 250 steps of 0.02"),
        (" method rk4", [], "rk4: 1000 steps of 0.005"),
        (" method rk4 dt 0.01", ["--method", "dopri5", "--rtol", "1e-6"], "dopri5: 76 steps, rtol"),
        (" rtol 1e-4", ["--method", "dopri5", "--dt", "0.01"], "dopri5: 500 steps of 0.01"),
        (" method rk4", ["--times", "0,0.5,1.7"], "rk4: 1001 steps of at most 0.00169972"),
    ],
)
def test_one_line_says_how_it_was_taken(
    how: str, arguments: list[str], line: str, odec: Run, folder: Path
) -> None:
    (folder / "decay.ode").write_text(DECAY.format(how=how))
    result = odec("run", "decay.ode", "--engine", "torch", *arguments)
    assert result.exit_code == 0 and result.stderr.startswith(line), result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert odec("run", "decay.ode", "--engine", "torch", "--quiet", *arguments).stderr == ""


def test_half_the_step_is_compared(odec: Run, folder: Path) -> None:
    (folder / "decay.ode").write_text(DECAY.format(how=" method euler dt 0.1"))
    run = ("run", "decay.ode", "--engine", "torch")
    found = odec(*run)
    first, second = found.stderr.splitlines()
    moved = 100 * (0.75**20 - 0.5**10) / (1 - 0.5**50)
    assert first.startswith(f"warning: euler, 50 steps of 0.1: halving the step moves x by {moved:.1g} %")
    assert "a smaller dt, or a tolerance" in first and second == "euler: 50 steps of 0.1"
    assert odec(*run, "--no-check").stderr == "euler: 50 steps of 0.1\n"
    assert odec(*run, "--quiet").stderr == ""
    assert odec(*run, "--no-check").stdout == found.stdout
    with pytest.warns(package.AccuracyWarning, match="halving the step moves x by"):
        package.simulate(folder / "decay.ode", engine="torch")


def test_a_state_below_the_reach_of_its_tolerance(odec: Run, folder: Path) -> None:
    text = "init x = 1e-10, y = 1, z = 0\nx' = -5*x\ny' = -y\nz' = 0\nrun t = 0 .. 5 step 1{how}\n"
    (folder / "small.ode").write_text(text.format(how=" atol 1e-9"))
    told = odec("run", "small.ode", "--engine", "torch").stderr.splitlines()
    assert told[0] == "warning: x stays below 1e-10: atol 1e-09 does not control it; set atol 1e-16"
    assert len(told) == 2
    (folder / "small.ode").write_text(text.format(how=""))
    assert len(odec("run", "small.ode", "--engine", "torch").stderr.splitlines()) == 1


def test_samples_within_a_step_are_counted(odec: Run, folder: Path) -> None:
    (folder / "forced.ode").write_text(FORCED)
    rows = [f"{t},{np.sin(t)}" for t in range(101)]
    (folder / "F.csv").write_text("\n".join(["t,F", *rows]) + "\n")
    run = ("run", "forced.ode", "--engine", "torch", "--input", "F=F.csv")
    told = odec(*run, "--method", "rk4", "--dt", "10").stderr
    assert told.startswith("warning: 90 of 100 samples of F lie within a step of 10: take a smaller dt")
    assert odec(*run, "--method", "rk4", "--dt", "1", "--no-check").stderr == "rk4: 100 steps of 1\n"
    assert "samples" not in odec(*run, "--method", "rk4", "--dt", "1").stderr
    assert odec(*run).stderr.startswith("auto: ")


def test_a_fit_keeps_and_tells_its_steps(odec: Run, folder: Path) -> None:
    times = np.arange(0, 5, 0.5)
    noise = 0.01 * np.cos(7 * times)
    rows = [f"{t},{x}" for t, x in zip(times, np.exp(-0.7 * times) + noise, strict=True)]
    (folder / "data.csv").write_text("\n".join(["t,x", *rows]) + "\n")
    text = "param k = 1 in (0, inf)\ninit x = 1\nx' = -k*x\nrun t = 0 .. 5 step 1{how}\n"
    (folder / "m.ode").write_text(text.format(how=" method euler dt 0.5"))
    fit = ("fit", "m.ode", "data.csv", "--engine", "torch")
    told = odec(*fit).stderr.splitlines()
    assert told[0].startswith("warning: euler, 9 steps of 0.5: halving the step moves x by ")
    assert "of the spread of the residuals" in told[0] and told[1] == "euler: 9 steps of 0.5"
    assert json.loads((folder / "fit.json").read_text())["steps"] == {"method": "euler", "dt": 0.5}
    assert not any(
        line.startswith(("warning", "euler")) for line in odec(*fit, "--quiet").stderr.splitlines()
    )
    assert "warning" not in odec(*fit, "--no-check").stderr
    (folder / "m.ode").write_text(text.format(how=" rtol 1e-7"))
    told = odec(*fit).stderr.splitlines()
    assert told[0].startswith("auto: ") and told[0].endswith("rtol 1e-07, atol 1e-09")
    kept = json.loads((folder / "fit.json").read_text())
    assert kept["steps"] == {"method": "auto", "rtol": 1e-7, "atol": [1e-9]}
    assert kept["values"]["k"] == pytest.approx(0.7, rel=0.1)
    assert text.format(how=" rtol 1e-7").splitlines()[-1] in (folder / "fit.ode").read_text()


@pytest.mark.parametrize(
    ("how", "arguments", "code", "words"),
    [
        (" dt 0.1", [], 1, "error[E319]: dt asks for fixed steps of a method, and none is named"),
        (" dt 0.1", ["--method", "rk4"], 0, ""),
        (" dt 0.1", ["--rtol", "1e-6"], 0, ""),
        (" method rk4 rtol 1e-6", [], 1, "error[E319]: rk4 has no error estimate"),
        (" method rk4 rtol 1e-6", ["--dt", "0.1"], 0, ""),
        (" rtol 1e-6", ["--method", "rk4"], 0, ""),
        ("", ["--dt", "0.1"], 2, "dt asks for fixed steps of a method: name one, such as --method rk4"),
        ("", ["--dt", "0.1", "--rtol", "1e-6"], 2, "give one or the other"),
        ("", ["--method", "rk4", "--rtol", "1e-6"], 2, "rk4 has no error estimate"),
    ],
)
def test_fixed_steps_and_a_tolerance_exclude_each_other(
    how: str, arguments: list[str], code: int, words: str, odec: Run, folder: Path
) -> None:
    (folder / "decay.ode").write_text(DECAY.format(how=how))
    result = odec("run", "decay.ode", "--engine", "torch", "--quiet", *arguments)
    assert result.exit_code == code and words in result.stderr, result.stderr
    checked = odec("check", "decay.ode")
    assert (checked.exit_code == 1) == ("dt" in how or "rk4 rtol" in how)


def test_a_run_tells_of_switches_in_time_by_the_line_on_its_steps(odec: Run, folder: Path) -> None:
    """Check and compile warn; a run, which is repeated, says how short a pulse may be missed."""
    equation = "param k = 1\ninput u linear\ninit x = 2\nx' = -k*x + (if {} > 2 then 1 else 0)\n"
    text = equation + "run t = 0 .. 5 step 2.5\n"
    (folder / "pulse.ode").write_text(text.replace("input u linear\n", "").format("t*t/2"))
    assert "warning[W606]" in odec("check", "pulse.ode").stderr
    run = ("run", "pulse.ode", "--engine", "torch")
    missed = "; a pulse shorter than a step may be missed"
    (line,) = odec(*run).stderr.splitlines()
    assert "steps of at most 0.005, " in line and line.endswith(f"rtol 1e-06, atol 1e-09{missed}")
    (line,) = odec(*run, "--max-step", "0.004").stderr.splitlines()
    assert "steps of at most 0.004, " in line and line.endswith(missed)
    assert odec(*run, "--method", "rk4", "--dt", "0.5", "--no-check").stderr == "rk4: 10 steps of 0.5\n"
    (folder / "driven.ode").write_text(text.replace("linear", "cubic").format("u"))
    (line,) = odec("run", "driven.ode", "--engine", "torch", "--input", "u=1").stderr.splitlines()
    assert line.startswith("auto: ") and "at most" not in line and line.endswith(missed)
    for landed in (
        text.replace("input u linear\n", "").format("t"),
        text.replace("linear", "hold").format("u"),
        text.format("u"),
    ):
        (folder / "landed.ode").write_text(landed)
        given = ("--input", "u=1") if "input" in landed else ()
        assert odec("check", "landed.ode").stderr == ""
        (line,) = odec("run", "landed.ode", "--engine", "torch", *given).stderr.splitlines()
        assert "at most" not in line and "missed" not in line
