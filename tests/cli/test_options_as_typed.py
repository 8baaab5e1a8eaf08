"""Messages that name the options as a command has them, and the options of a fit's adjoint."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from cli_support import Run

from odec.cli.support import as_typed

FREE = "param k = 0.5 in (0, inf)\ninit x = 4\ninit y = 0\ndx/dt = -k*x\ndy/dt = k*x\nrun t = 0 .. 2\n"


@pytest.fixture
def free(folder: Path) -> None:
    (folder / "free.ode").write_text(FREE)
    rows = [f"{t},{4 * math.exp(-0.8 * t)!r}" for t in (0, 0.3, 0.7, 1.1, 1.9)]
    (folder / "data.csv").write_text("\n".join(["t,x", *rows]) + "\n")


@pytest.mark.parametrize(
    ("message", "typed"),
    [
        ("install one, set CC, or use engine='torch'", "install one, set CC, or use --engine torch"),
        ("try adjoint='discrete'", "try --adjoint discrete"),
        ("a tolerance (rtol=1e-6, or --rtol 1e-6), or", "a tolerance (--rtol 1e-6), or"),
        ("max_steps are used up", "--max-steps are used up"),
        ("adjoint_rtol and adjoint_atol are", "--adjoint-rtol and --adjoint-atol are"),
        ("use engine='torch'\ncc -O2: max_steps", "use --engine torch\ncc -O2: max_steps"),
        ("state engine is nan (inputs={'u': (t, u)})", "state engine is nan (inputs={'u': (t, u)})"),
    ],
)
def test_words(message: str, typed: str) -> None:
    assert as_typed(message) == typed


def test_no_compiler(odec: Run, free: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    for arguments in (["run", "free.ode"], ["fit", "free.ode", "data.csv", "-q"]):
        result = odec(*arguments, "--engine", "native")
        assert result.exit_code == 2 and "or use --engine torch" in result.stderr, result.stderr
        assert "engine=" not in result.stderr


def test_a_compiler_that_fails(odec: Run, free: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself the run goes on, with a warning that names the command-line option too."""
    script = "#!/bin/sh\nif [ $# = 1 ]; then echo broken 1.0; else echo no >&2; exit 1; fi\n"
    (folder / "cc").write_text(script)
    (folder / "cc").chmod(0o755)
    monkeypatch.setenv("CC", str(folder / "cc"))
    refused = odec("run", "free.ode", "--engine", "native")
    assert refused.exit_code == 2 and "use --engine torch meanwhile" in refused.stderr, refused.stderr
    warned = odec("run", "free.ode")
    assert warned.exit_code == 0 and "use --engine torch meanwhile" in warned.stderr, warned.stderr
    assert "engine=" not in warned.stderr


@pytest.mark.parametrize("adjoint", ["discrete", "continuous", "autograd"])
def test_the_adjoint_of_a_fit(adjoint: str, odec: Run, free: None, folder: Path) -> None:
    own = ["--adjoint-rtol", "1e-7", "--adjoint-atol", "1e-9,1e-8"] if adjoint == "continuous" else []
    options = ["--rtol", "1e-8", "--atol", "1e-10", "--adjoint", adjoint, *own]
    result = odec("fit", "free.ode", "data.csv", "-q", *options)
    assert result.exit_code == 0, result.stderr
    kept = json.loads((folder / "fit.json").read_text())
    assert kept["values"]["k"] == pytest.approx(0.8, rel=1e-5)
    assert kept["options"]["adjoint"] == adjoint and f"--adjoint {adjoint}" in kept["command"]
    assert kept["options"].get("adjoint_atol") == ([1e-9, 1e-8] if own else None)
    again = odec("fit", "free.ode", "data.csv", "-q", "--resume", "fit.json", "--epochs", "200")
    assert again.exit_code == 0, again.stderr
    other = odec("fit", "free.ode", "data.csv", "-q", "--resume", "fit.json", "--adjoint-rtol", "1e-3")
    assert other.exit_code == 2, other.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--adjoint", "none"], "'none' is not one of"),
        (["--adjoint-rtol", "1e-3"], "--adjoint-rtol belongs to --adjoint continuous: give that too"),
        (["--adjoint-rtol", "x"], "--adjoint-rtol: 'x' is not a finite number"),
        (["--adjoint-atol", "1,x"], "--adjoint-atol: 'x' is not a finite number"),
        (["--adjoint", "continuous", "--optimizer", "gauss-newton"], "takes forward sensitivities"),
        (
            ["--adjoint", "continuous", "--engine", "native"],
            "--adjoint continuous runs through torch's autograd, not in the native kernel: leave out "
            "--engine native, or give --engine torch",
        ),
        (
            ["--adjoint", "continuous", "--adjoint-rtol", "1e-3", "--method", "tsit5", "--dt", "0.1"],
            "--adjoint-rtol and --adjoint-atol are of adaptive steps: give rtol or atol too",
        ),
        (["--adjoint", "continuous", "--adjoint-rtol", "1e-3", "--method", "rk4"], "-rtol does not apply"),
        (["--adjoint", "continuous", "--adjoint-atol", "1,2,3", "--rtol", "1e-3"], "a list of 3"),
    ],
)
def test_an_adjoint_that_makes_no_sense(arguments: list[str], words: str, odec: Run, free: None) -> None:
    result = odec("fit", "free.ode", "data.csv", "-q", *arguments)
    assert result.exit_code == 2 and words in result.stderr, result.stderr


@pytest.mark.parametrize(
    ("command", "option", "meant"),
    [
        ("run", "--param", "--set"),
        ("run", "--x0", "--set"),
        ("run", "--tol", "--rtol"),
        ("run", "--solver", "--method"),
        ("run", "--step_size", "--dt"),
        ("fit", "--params", "--set"),
        ("fit", "--frozen", "--fix"),
        ("fit", "--max-iter", "--epochs"),
    ],
)
def test_options_of_other_programs(command: str, option: str, meant: str, odec: Run) -> None:
    result = odec(command, "model.ode", option, "1")
    assert result.exit_code == 2
    assert f"No such option '{option}'. Did you mean '{meant}'?" in result.stderr, result.stderr


def test_options_that_only_look_alike_are_guessed_as_before(odec: Run) -> None:
    assert "'--method'" in odec("run", "model.ode", "--metod", "rk4").stderr
