"""Every row of `odec list methods --detail` from the command line: what it promises, and what it refuses."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest
from cli_support import Run
from click.testing import CliRunner
from tiers import slow_but_for

from odec.cli import cli
from odec.methods.listing import listed

MODEL = """\
param k = 1 in (0, inf)
init x = 1
dx/dt = -k*x*(1 + sin(t))
run t = 0 .. 1
"""
EXACT = math.exp(-1 - (1 - math.cos(1)))
NAMES = [method.name for method in listed()]
FITTED = ["euler", "dopri5", "rodas5p", "adams"]
QUICK = ["euler", "rk4", "heun21", "dopri5", "dop853", "backward_euler", "kvaerno5", "radau_iia5"]
QUICK += ["rosenbrock23", "rodas5p", "explicit_adams", "adams", "auto"]
"""One of each kind."""


@functools.cache
def rows() -> dict[str, dict[str, str]]:
    """The printed list: for each method the values by the words before them."""
    text = CliRunner().invoke(cli, ["list", "methods", "--detail"]).stdout
    found: dict[str, dict[str, str]] = {}
    for block in text.strip().split("\n\n"):
        name, *lines = block.splitlines()
        found[name] = {line[4:20].strip(): line[20:].strip() for line in lines}
    return found


def test_the_list_is_whole() -> None:
    assert list(rows()) == NAMES
    assert all({"kind", "order", "steps", "engines"} <= set(row) for row in rows().values())


@pytest.fixture
def model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small model, and kernels that are compiled in a moment, as their speed is of no matter here."""
    monkeypatch.setenv("ODEC_CFLAGS", "-O0")
    (folder / "m.ode").write_text(MODEL)
    return folder


def final(text: str) -> float:
    return float(text.splitlines()[-1].split(",")[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but_for(NAMES, *QUICK))
def test_run(name: str, odec: Run, model: Path) -> None:
    row, found = rows()[name], {}
    order, adaptive = int(row["order"]), "adaptive" in row["steps"]
    for engine in ("torch", "native"):
        base = ("run", "m.ode", "--method", name, "--engine", engine, "--step", "0.5", "-q")
        if engine not in row["engines"].split(", "):
            refused = odec(*base)
            assert refused.exit_code == 2 and "does not run on the native engine" in refused.stderr
            continue
        fixed = odec(*base, "--dt", "0.05")
        assert (fixed.exit_code, fixed.stderr) == (0, "")
        assert final(fixed.stdout) == pytest.approx(EXACT, rel=max(2 * 0.05**order, 1e-9))
        found[engine] = [final(fixed.stdout)]
        kept = odec(*base, "--rtol", "1e-4")
        if not adaptive:
            assert kept.exit_code == 2 and f"{name} has no error estimate" in kept.stderr
            assert odec(*base, "--dense").exit_code == 2
            continue
        assert (kept.exit_code, kept.stderr) == (0, "")
        dense = odec(*base, "--rtol", "1e-4", "--dense")
        if row["dense output"] == "none":
            assert dense.exit_code == 2 and "no interpolant" in dense.stderr
            dense = kept
        assert dense.exit_code == 0, dense.stderr
        assert [final(kept.stdout), final(dense.stdout)] == pytest.approx([EXACT] * 2, rel=1e-2)
        found[engine] += [final(kept.stdout), final(dense.stdout)]
    assert found["torch"] == pytest.approx(found.get("native", found["torch"]), rel=1e-10)


@pytest.mark.parametrize("name", slow_but_for(FITTED, "euler", "dopri5"))
def test_fit(name: str, odec: Run, model: Path) -> None:
    row = rows()[name]
    data = [f"{t},{math.exp(-2 * (t + 1 - math.cos(t)))!r}" for t in (0, 0.25, 0.5, 1)]
    (model / "data.csv").write_text("\n".join(["t,x", *data]) + "\n")
    for engine in row["engines"].split(", "):
        steps = ["--rtol", "1e-6"] if "adaptive" in row["steps"] else ["--dt", "0.001"]
        result = odec("fit", "m.ode", "data.csv", "-q", "--method", name, "--engine", engine, *steps)
        assert result.exit_code == 0, result.stderr
        (line,) = [line for line in result.stdout.splitlines() if line.startswith("k  ")]
        assert float(line.split()[2]) == pytest.approx(2, rel=5e-3)
