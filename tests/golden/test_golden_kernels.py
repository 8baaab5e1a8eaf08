"""Kernels, held byte for byte; `pytest --update-golden` rewrites them.

Each is held against the torch engine too, so that a wrong one cannot be blessed.
"""

import difflib
import subprocess

import pytest
import torch
from test_golden import HERE, ROOT, source
from tiers import slow_but

import odec
from odec.runtime.native.toolchain import INCLUDE, macros_of

CASES = [("competition", method) for method in ("euler", "rk4", "dopri5", "rodas5p")]
CASES += [("forced", "rk4"), ("clashes", "euler"), ("dosing", "rk4"), ("ricker", "map")]
KERNELS = ("solve", "adjoint", "tangent", "loss", "fit_adam", "fit_residuals")
MOST_LINES = 10_000
"""Of all golden files together: so many can still be read where they change."""


def golden(model, method):
    return HERE / model / f"{method}.c"


def load(model, method):
    return odec.load(source(model), method=None if method == "map" else method, engine="native")


@pytest.mark.parametrize(("model", "method"), CASES)
def test_the_text_is_the_golden_one(model, method, request):
    text, path = load(model, method).KERNEL.source.removeprefix("\n"), golden(model, method)
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = (expected.splitlines(keepends=True), text.splitlines(keepends=True))
    difference = "".join(difflib.unified_diff(*lines, str(path.relative_to(ROOT)), "now"))
    assert not difference, f"{difference}\nIf this is meant: pytest --update-golden tests/golden"


def test_no_golden_file_is_left_behind_and_all_can_be_read():
    assert set(HERE.rglob("*.c")) == {golden(*case) for case in CASES}
    held = [*HERE.rglob("*.c"), *HERE.rglob("torch_*.py")]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in held) <= MOST_LINES


@pytest.mark.parametrize(("model", "method"), CASES)
def test_a_c_compiler_takes_every_kernel(model, method):
    path = golden(model, method)
    adapts = "#define CAN_ADAPT 1" in path.read_text(encoding="utf-8")
    for kernel in KERNELS:
        defines = {"REAL_BITS": 64, "LANES": 4, "INNER_LANES": 0, "CLIP": 0, "TIMES": 1}
        defines |= {"LAST_STATE": int(kernel == "loss"), **({"ADAPTIVE": 2} if adapts else {})}
        words = ["gcc", "-std=gnu11", "-Wall", "-Wno-unused", "-Werror", *macros_of(kernel, defines)]
        words += [f"-I{INCLUDE}", "-fsyntax-only", path]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, (kernel, done.stderr)


@pytest.mark.parametrize(("model", "method"), slow_but(CASES, lambda _, method: method in ("rk4", "map")))
def test_the_kernel_has_the_numbers_of_torch(model, method):
    module, found = load(model, method), []
    steps = {} if method == "map" else {"dt": 0.05}
    t = torch.tensor([0.0, 1.0, 4.0] if method == "map" else [0.0, 0.05, 0.21], dtype=torch.float64)
    knots = torch.tensor([-0.01, 0.013, 0.06], dtype=torch.float64)
    inputs = {"inputs": {name: (knots, torch.cos(knots * 9)) for name in module.INPUTS}}
    for engine in ("native", "torch"):
        net = module.Model(engine=engine, **steps)
        x = net(t, **(inputs if module.INPUTS else {}))
        gradient = torch.autograd.grad((x / x.detach().abs().clamp(min=1e-3)).sum(), list(net.parameters()))
        found.append((x.detach(), *gradient))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
