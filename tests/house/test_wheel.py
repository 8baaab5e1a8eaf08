"""The wheel holds all that odec needs, and its modules need nothing of odec."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples" / "competition" / "competition.ode"


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ODEC"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built by hatchling from the checkout, without isolation or network."""
    folder = tmp_path_factory.mktemp("wheel")
    script = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"  # PEP 517
    name = run(sys.executable, "-c", script, folder, cwd=ROOT).split()[-1]
    return folder / name


def test_wheel_holds_the_templates_the_headers_and_the_catalogue(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]
    assert templates
    assert {
        f"odec/_templates/{path.relative_to(ROOT / 'templates').as_posix()}" for path in templates
    } <= names
    headers = [path.relative_to(ROOT).as_posix() for path in (ROOT / "odec" / "runtime").rglob("*.h")]
    assert headers and {"odec/codes.md", "odec/py.typed", *headers} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests", "examples", "docs"))]


def test_installed_wheel_compiles_like_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)  # what an installer does with a pure wheel
    command = [sys.executable, "-c", "from odec.cli import main; main()", "compile", str(MODEL), "-o"]
    home = run(sys.executable, "-c", "import odec; print(odec.__file__)", cwd=tmp_path, PYTHONPATH=str(site))
    assert Path(home.strip()).is_relative_to(site)
    run(*command, tmp_path / "a.py", cwd=tmp_path, PYTHONPATH=str(site))
    run(*command, tmp_path / "b.py", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert (tmp_path / "a.py").read_bytes() == (tmp_path / "b.py").read_bytes()


ALONE = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not installed here")

BLOCKED = {"odec", "sympy", "jinja2", "click"}
sys.meta_path.insert(0, Block())
sys.path.insert(0, sys.argv[1])
for name in BLOCKED:
    try:
        __import__(name)
    except ImportError:
        pass
    else:
        raise AssertionError(f"{name} can be imported")

import competition as model
import torch

net = model.Model()
x = net(torch.tensor([0.0, 10.0, 42.0], dtype=torch.float64))
x.sum().backward()
assert all(parameter.grad is not None for parameter in net.parameters())
print(*x[-1].tolist())
"""


def test_a_module_runs_where_odec_is_not_installed(tmp_path: Path) -> None:
    run(sys.executable, "-m", "odec", "compile", MODEL, "-o", tmp_path / "competition.py", cwd=ROOT)
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    x1, x2 = map(float, run(sys.executable, script, tmp_path, cwd=tmp_path).split())
    assert (x1, x2) == pytest.approx((324.4187, 264.3717), abs=1e-4)
