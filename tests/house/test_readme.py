"""What the README shows is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import odec

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)
    return found[-1]


def test_the_model_compiles_and_the_code_runs(tmp_path: Path) -> None:
    (tmp_path / "competition.ode").write_text(block("ode"))
    assert odec.check(tmp_path / "competition.ode") == []
    (tmp_path / "competition.py").write_text(odec.compile(tmp_path / "competition.ode"))
    script = block("python") + "assert x.shape == (43, 1000, 2)\nassert net.parametrizations is not None\n"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_links() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_the_version_stands_in_one_place() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(rf'^version = "{re.escape(odec.__version__)}"$', project, re.M)
