"""run: the CSV, the options, and every way in which it can go wrong."""

from __future__ import annotations

import csv
import io
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import DECAY, EXAMPLES, Run

import odec as package
from odec.cli.support import assignments

EXPLODES = "dx/dt = x**2\ninit x = 1\nrun t = 0 .. 3 method rk4 dt 0.01\n"


def rows(text: str) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def test_csv(odec: Run) -> None:
    result = odec("run", "decay.ode", "--dt", "0.01")
    assert (result.exit_code, result.stderr) == (0, "rk4: 200 steps of 0.01\n")
    assert result.stdout.startswith("t,x,y,half\n0.0,4.0,8.0,2.0\n")
    found = rows(result.stdout)
    assert [row["t"] for row in found] == [0, 0.5, 1, 1.5, 2]
    for row in found:
        assert row["x"] == pytest.approx(4 * math.exp(-0.5 * row["t"]), rel=1e-9)
        assert row["half"] == row["x"] / 2


def test_times_are_as_typed(odec: Run) -> None:
    found = rows(odec("run", "decay.ode", "--step", "0.1", "--t1", "0.75").stdout)
    assert [row["t"] for row in found] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75]


def test_backwards_and_single_times(odec: Run) -> None:
    back = rows(odec("run", "decay.ode", "--t0", "1", "--t1", "0", "--dt", "0.01").stdout)
    assert back[-1]["t"] == 0
    assert back[-1]["x"] == pytest.approx(4 * math.exp(0.5), rel=1e-8)
    assert len(rows(odec("run", "decay.ode", "--times", "0").stdout)) == 1
    assert len(rows(odec("run", "decay.ode", "--t1", "0").stdout)) == 1


def test_set_parameters_and_initial_values(odec: Run) -> None:
    found = rows(odec("run", "decay.ode", "--times", "0,1", "--dt", "0.01", "--set", "k=1e-300, x=3").stdout)
    assert [row["x"] for row in found] == [3, 3]
    assert found[0]["y"] == 6, "an init that uses another follows it"
    assert rows(odec("run", "decay.ode", "--set", "x0=1").stdout)[0]["x"] == 1
    assert rows(odec("run", "decay.ode", "--set", "y=1").stdout)[0] == {"t": 0, "x": 4, "y": 1, "half": 2}


def test_settings_are_spelled_as_models_are() -> None:
    assert assignments(["k₁=2,θ′=1", "e\u0301=3"], "--set") == {"k1": 2, "θ'": 1, "\u00e9": 3}


def test_set_the_initial_value_of_a_derivative(odec: Run) -> None:
    pendulum = str(EXAMPLES / "pendulum" / "pendulum.ode")
    found = rows(odec("run", pendulum, "--set", "theta'=1", "--times", "0").stdout)
    assert found[0]["dtheta_dt"] == 1


def test_observables_can_be_left_out(odec: Run) -> None:
    assert odec("run", "decay.ode", "--no-observables").stdout.startswith("t,x,y\n")


def test_dtype(odec: Run) -> None:
    single = odec("run", "decay.ode", "--dtype", "float32").stdout.splitlines()[-1]
    double = odec("run", "decay.ode").stdout.splitlines()[-1]
    assert len(single) < len(double)
    assert float(single.split(",")[1]) == pytest.approx(float(double.split(",")[1]), rel=1e-5)


def test_output_and_picture(odec: Run, folder: Path) -> None:
    result = odec("run", "decay.ode", "-o", "run.csv", "--plot", "run.svg")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (folder / "run.csv").read_text() == odec("run", "decay.ode").stdout
    assert "<svg" in (folder / "run.svg").read_text()[:1000]
    odec("run", "decay.ode", "--plot", "run.png", "-o", os.devnull)
    assert (folder / "run.png").read_bytes().startswith(b"\x89PNG")


def test_inputs(odec: Run, folder: Path) -> None:
    text = "input u hold\ninit x = 0\ndx/dt = u\nrun t = 0 .. 2 method euler step 1 dt 1\n"
    (folder / "u.csv").write_text("t,u\n0,1\n1,3\n")
    found = rows(odec("run", "-", "--input", "u=u.csv", stdin=text).stdout)
    assert [row["x"] for row in found] == [0, 1, 4]
    assert rows(odec("run", "-", "--input", "u=2", stdin=text).stdout)[-1]["x"] == 4
    missing = odec("run", "-", stdin=text)
    assert missing.exit_code == 2
    assert "--input u=FILE.csv" in missing.stderr
    wrong = odec("run", "-", "--input", "v=1", "--input", "u=1", stdin=text)
    assert (wrong.exit_code, "no input 'v'" in wrong.stderr) == (2, True)
    (folder / "u.csv").write_text("t,u\n0,1\n1,three\n")
    broken = odec("run", "-", "--input", "u=u.csv", stdin=text)
    assert (broken.exit_code, "u.csv:3" in broken.stderr) == (2, True)


def test_map(odec: Run) -> None:
    text = "param a = 2\ninit x = 1\nx[t+1] = a*x\nrun t = 0 .. 3\n"
    assert odec("run", "-", stdin=text).stdout == "t,x\n0.0,1.0\n1.0,2.0\n2.0,4.0\n3.0,8.0\n"
    result = odec("run", "-", "--method", "rk4", stdin=text)
    assert (result.exit_code, "a map is stepped" in result.stderr) == (2, True)
    assert odec("run", "-", "--times", "0,1.5", stdin=text).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "kk=1"], "no parameter or state 'kk': did you mean 'k'?"),
        (["--set", "half=1"], "'half' is computed from the others"),
        (["--set", "k"], "NAME=VALUE"),
        (["--set", "k=1,x"], "NAME=VALUE"),
        (["--set", "k=fast"], "'fast' is not a finite number"),
        (["--set", "k=nan"], "not a finite number"),
        (["--set", "k=-1"], "k = -1 lies outside its interval (0, inf)"),
        (["--t1", "inf"], "not a finite number"),
        (["--step", "0"], "must be positive"),
        (["--step", "1e-12"], "too many"),
        (["--dt", "-1"], "dt, the longest step, must be a positive number"),
        (["--times", "a,b"], "not a finite number"),
        (["--times", ","], "--times takes times"),
        (["--times", "0,1", "--step", "1"], "leave out"),
        (["--times", "0,2,1"], "all increase or all decrease"),
        (["--method", "dopri"], "did you mean 'dopri5'?"),
        (["--plot", "run.gif"], ".png, .svg or .pdf"),
        (["--plot", "nowhere/run.png"], "no such directory"),
        (["-o", "nowhere/run.csv"], "no such directory"),
        (["-o", "."], "is a directory"),
        (["--dtype", "float16"], "float16"),
        (["--engine", "steam"], "steam"),
    ],
)
def test_wrong_arguments(arguments: list[str], words: str, odec: Run, folder: Path) -> None:
    result = odec("run", "decay.ode", *arguments)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert result.stdout == ""
    assert sorted(path.name for path in folder.iterdir()) == ["decay.ode"]


def test_a_model_without_a_run_line(odec: Run) -> None:
    text = "dx/dt = -x\ninit x = 1\n"
    result = odec("run", "-", stdin=text)
    assert (result.exit_code, "--t1" in result.stderr) == (2, True)
    found = rows(odec("run", "-", "--t1", "1", stdin=text).stdout)
    assert len(found) == 101
    assert found[-1]["x"] == pytest.approx(math.exp(-1), rel=1e-9)


def test_a_failed_simulation(odec: Run, folder: Path) -> None:
    result = odec("run", "-", "-o", "run.csv", "--plot", "run.png", stdin=EXPLODES)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "state x left the finite numbers" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["decay.ode"]


def test_the_part_before_a_failure(odec: Run, folder: Path) -> None:
    """It is kept where it is asked for, and neither the file, the picture nor the exit code looks whole."""
    given = ["run", "-", "--engine", "torch", "--partial", "-o", "run.csv", "--plot", "run.svg"]
    result = odec(*given, stdin=EXPLODES)
    assert result.exit_code == 3
    assert "error: the run failed: state x left the finite numbers" in result.stderr
    found = rows((folder / "run.csv").read_text())
    assert 0.9 < found[-1]["t"] < 1.1 and all(math.isfinite(row["x"]) for row in found)
    last = found[-1]["t"]
    assert f"note: kept is what comes before it, up to t = {last:g}" in result.stderr
    drawn = (folder / "run.svg").read_text()
    assert f"<!-- ended early, after t = {last:g} -->" in drawn
    assert "<!-- 3.0 -->" in drawn, "the axis goes to the end that was asked for"
    at_once = "dx/dt = -x\ninit x = 1/0.0*0\nrun t = 0 .. 1\n".replace("1/0.0*0", "log(-k)") + "param k = 1\n"
    result = odec(*given, stdin=at_once)
    assert (result.exit_code, "not finite at the start" in result.stderr) == (3, True)
    used_up = ["--method", "tsit5", "--rtol", "1e-9", "--max-steps", "20"]
    result = odec(*given[:-4], *used_up, stdin="dx/dt = -x\ninit x = 1\nrun t = 0 .. 3 step 1\n")
    assert result.exit_code == 3 and "max_steps are used up" in result.stderr.replace(
        "--max-steps", "max_steps"
    )
    assert 1 <= len(rows(result.stdout)) < 4


def test_a_batch_of_which_some_fail() -> None:
    run = package.simulate(EXPLODES, init={"x": [0.1, 1.0]}, engine="torch", partial=True)
    assert math.isfinite(run["x"][-1, 0])
    lost = [math.isnan(value) for value in run["x"][:, 1]]
    assert lost == sorted(lost) and not lost[0] and lost[-1], "NaN from the failure on"
    assert run.status.ok.tolist() == [True, False]
    with pytest.raises(package.errors.SimulationError, match="1 of 2 trajectories failed"):
        package.simulate(EXPLODES, init={"x": [0.1, 1.0]}, engine="torch")


@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
def test_a_reader_that_goes_away(unbuffered: str, folder: Path) -> None:
    """`odec run … | head -1` ends without a traceback."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(package.__file__).parents[1]),
        "PYTHONUNBUFFERED": unbuffered,
    }
    command = [sys.executable, "-m", "odec", "run", "decay.ode", "--step", "1e-3", "-q"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"t,x,y,half\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_warnings_do_not_stop_a_run(odec: Run) -> None:
    result = odec("run", "-", "--times", "0", stdin=DECAY + "param unused = 1\n")
    assert result.exit_code == 0
    assert "warning[W6" in result.stderr
    assert result.stdout.startswith("t,x,y,half\n")


def test_an_observable_without_a_value_is_told(odec: Run) -> None:
    text = "dx/dt = -1\ninit x = 0.5\nobs y = log(x)\nrun t = 0 .. 2 step 1\n"
    result = odec("run", "-", stdin=text)
    assert result.exit_code == 0
    first, _ = result.stderr.splitlines()
    assert first == "note: the observable y is not a finite number at t = 1"
