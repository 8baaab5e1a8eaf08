"""The wheel holds all that odec needs, and what it writes as a folder needs nothing of odec."""

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


def test_wheel_holds_the_templates_the_run_time_and_the_catalogue(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]
    assert templates
    assert {
        f"odec/_templates/{path.relative_to(ROOT / 'templates').as_posix()}" for path in templates
    } <= names
    parts = [path for kind in ("*.py", "*.h") for path in (ROOT / "odec" / "runtime").rglob(kind)]
    assert {".py", ".h"} == {path.suffix for path in parts}
    assert {"odec/codes.md", "odec/py.typed", *(path.relative_to(ROOT).as_posix() for path in parts)} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests", "examples", "docs"))]


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer does with a pure one."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


COMPILE = (sys.executable, "-c", "from odec.cli import main; main()", "compile", MODEL)


def end() -> tuple[float, float]:
    """The states of MODEL at t = 42, by its 420 steps of Euler's method."""
    x1, x2 = 100.0, 150.0
    for _ in range(420):
        slopes = (
            0.1 * x1 * (1 - 2e-3 * x1) - 1e-4 * x1 * x2,
            0.3 * x2 * (1 - 3e-3 * x2) - 2e-4 * x1 * x2,
        )
        x1, x2 = x1 + 0.1 * slopes[0], x2 + 0.1 * slopes[1]
    return x1, x2


def test_installed_wheel_compiles_like_the_checkout(site: Path, tmp_path: Path) -> None:
    home = run(sys.executable, "-c", "import odec; print(odec.__file__)", cwd=tmp_path, PYTHONPATH=str(site))
    assert Path(home.strip()).is_relative_to(site)
    run(*COMPILE, "-o", tmp_path / "a.py", cwd=tmp_path, PYTHONPATH=str(site))
    run(*COMPILE, "-o", tmp_path / "b.py", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert (tmp_path / "a.py").read_bytes() == (tmp_path / "b.py").read_bytes()


SIMULATED = """
import sys, odec
net = odec.load(sys.argv[1], engine="native").Model(engine=sys.argv[2])
assert net.engine == sys.argv[2]
print(*odec.simulate(net, [0, 10, 42]).states[-1])
"""


@pytest.mark.parametrize("engine", ["native", pytest.param("torch", marks=pytest.mark.slow)])
def test_installed_wheel_runs_a_model(engine: str, site: Path, tmp_path: Path) -> None:
    """With a cache of its own, so that the kernel is built with the headers of the wheel."""
    command = (sys.executable, "-c", SIMULATED, MODEL, engine)
    found = run(*command, cwd=tmp_path, PYTHONPATH=str(site), XDG_CACHE_HOME=str(tmp_path))
    assert tuple(map(float, found.split())) == pytest.approx(end(), rel=1e-12)


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


def test_a_folder_runs_where_odec_is_not_installed(site: Path, tmp_path: Path) -> None:
    run(*COMPILE, "--standalone", "-o", tmp_path / "competition", cwd=tmp_path, PYTHONPATH=str(site))
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    x1, x2 = map(float, run(sys.executable, script, tmp_path, cwd=tmp_path).split())
    assert (x1, x2) == pytest.approx(end(), rel=1e-12)
