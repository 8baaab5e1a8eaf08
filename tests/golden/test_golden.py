"""Generated modules, held byte for byte; `pytest --update-golden` rewrites them.

Each is checked against finite differences too, so that a wrong one cannot be blessed.
"""

import difflib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import odec

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
METHODS = ("euler", "rk4", "dopri5")
EXAMPLES = ("competition", "hodgkin_huxley", "lynx_hare", "pendulum")
OWN = ("forced", "clashes", "dosing")

CASES = [(model, method) for model in EXAMPLES + OWN[:2] for method in METHODS]
CASES += [("dosing", "rk4"), ("ricker", "map")]
NAMES = [f"{model}-{method}" for model, method in CASES]


def source(model):
    return HERE / model / f"{model}.ode" if model in OWN else ROOT / "examples" / model / f"{model}.ode"


def golden(model, method):
    return HERE / model / f"torch_{method}.py"


@pytest.mark.parametrize(("model", "method"), CASES, ids=NAMES)
def test_the_text_is_the_golden_one(model, method, request):
    text = odec.compile(source(model), method=None if method == "map" else method, engine="torch")
    path = golden(model, method)
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = (expected.splitlines(keepends=True), text.splitlines(keepends=True))
    difference = "".join(difflib.unified_diff(*lines, str(path.relative_to(ROOT)), "now"))
    assert not difference, f"{difference}\nIf this is meant: pytest --update-golden tests/golden"


def test_no_golden_file_is_left_behind():
    assert set(HERE.rglob("torch_*.py")) == {golden(*case) for case in CASES}


@pytest.mark.parametrize(("model", "method"), CASES, ids=NAMES)
def test_gradcheck_of_the_golden_file(model, method):
    """Two steps of every golden module against finite differences, in the states, parameters and inputs."""
    module = load(golden(model, method), f"golden_{model}_{method}")
    torch.manual_seed(5)
    net = module.Model() if method == "map" else module.Model(dt=0.05)
    t = torch.tensor([0.0, 1.0, 2.0] if method == "map" else [0.0, 0.05, 0.09], dtype=torch.float64)
    natural = net.vector().detach()
    start = module.initial(t[0], natural)
    x0 = (start + 0.1 * torch.rand(2, len(module.STATES)).double()).requires_grad_()
    p = (natural * (1 + 0.1 * torch.rand(2, len(natural)).double())).requires_grad_()
    knots = torch.tensor([-0.01, 0.013, 0.06], dtype=torch.float64)
    series = torch.rand(len(module.INPUTS), 3, 2, dtype=torch.float64, requires_grad=True)
    if not module.INPUTS:
        series.requires_grad_(False)

    def solve(x0, p, series):
        params = dict(zip(module.PARAMS, p.unbind(-1)))
        inputs = {"inputs": {name: (knots, series[i]) for i, name in enumerate(module.INPUTS)}}
        x = net(t, x0=x0, params=params, **(inputs if module.INPUTS else {}))
        return x / scale

    scale = 1.0
    scale = solve(x0, p, series).detach().abs().clamp(min=1e-3)
    assert torch.autograd.gradcheck(solve, (x0, p, series), eps=1e-7, rtol=1e-4, atol=2e-6)


def load(path, name):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.mark.parametrize("command", [["format", "--check"], ["check"]], ids=" ".join)
def test_goldens_are_formatted_and_clean(command):
    files = sorted(map(str, HERE.rglob("torch_*.py")))
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *files], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_updating_is_refused_where_ci_is_set():
    command = [sys.executable, "-m", "pytest", "--update-golden", "--collect-only", str(HERE)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"CI": "1"}, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--update-golden is refused where CI is set" in done.stderr
