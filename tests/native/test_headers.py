"""The headers that kernels have in common: what they say of themselves, and that C compilers take them."""

import re
import shutil
import subprocess

import pytest
from tiers import slow_but

import odec
from odec.backends.native import kernel_job
from odec.backends.native.names import c_spelling
from odec.methods import get
from odec.passes import derive
from odec.render import render
from odec.runtime.native.toolchain import INCLUDE

HEADERS = sorted(INCLUDE.rglob("*.h"))

PLAIN = """
param a = 2
init x = 1
init y = 0.5
x' = -a*x*y
y' = if x > y then x**5 else lgamma(y)
run t = 0 .. 1
"""
FULL = """
param a = 2
input u hold
input v cubic
init x = a*t
init y = 0.5
x' = -a*x*y + u*sin(t)
y' = v - 2*y
obs z = x*u*t
run t = 0 .. 1
"""
MAP = """
param a = 2
input u hold
init x = a
x[t+1] = a*x[t]*u
obs z = x*t
run t = 0 .. 9
"""
SOURCES = [
    *((PLAIN, method) for method in ("rk4", "dopri5", "rodas5p")),
    *((FULL, method) for method in ("dop853", "kvaerno5", "radau_iia5", "auto")),
    (MAP, None),
]
KERNELS = ("solve", "adjoint", "tangent", "loss", "fit_adam", "fit_residuals")


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_a_header_says_what_it_holds_and_what_it_needs(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    remark = " ".join(line[3:] for line in lines[: next(i for i, line in enumerate(lines) if not line)])
    assert len(re.findall(r"\.(?= |$)", remark)) >= 2 and "Needs" in remark
    assert max(map(len, lines)) <= 110 and len(lines) < 400
    assert not any(line != line.rstrip() or "\t" in line for line in lines) and text.endswith("\n")


def kernel_text(text, method):
    """A kernel's source, which names the headers."""
    return render(kernel_job(derive(odec.parse(text)), get(method) if method else None, version="0"))


@pytest.mark.parametrize(
    ("text", "method", "compiler"),
    slow_but(
        ((*source, compiler) for source in SOURCES for compiler in ("gcc", "clang")),
        lambda text, method, _: text == MAP or method in ("dopri5", "auto"),
    ),
)
def test_compilers_take_the_headers_under_every_flag(text, method, compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    source = tmp_path / "kernel.c"
    source.write_text(kernel_text(text, method), encoding="utf-8")
    estimates = method is not None and get(method).adaptive
    for k, kernel in enumerate(KERNELS):
        for adaptive in (0, 1, 2) if estimates else (0,):
            macros = {"REAL_BITS": 64 if k % 2 else 32, "LANES": 4, "INNER_LANES": (k + adaptive) % 2}
            macros |= {"CLIP": k // 2 % 2, "TIMES": int(k < 3), "LAST_STATE": int(k > 2)}
            macros |= {"ADAPTIVE": adaptive, "VECTOR_LIBM": int(compiler == "gcc"), "KERNEL": kernel}
            macros |= {} if adaptive or macros["INNER_LANES"] or k == 0 else {"SHARED_INPUTS": 1}
            flags = [f"-D{name}={value}" for name, value in macros.items()]
            words = [compiler, "-std=gnu11", "-fopenmp", "-Wundef", "-Werror=undef", "-Werror=implicit"]
            words += [f"-D{kernel.upper()}", *flags, "-I", INCLUDE, "-fsyntax-only", source]
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, (kernel, adaptive, done.stderr)


def test_no_name_of_a_model_is_a_function_or_a_type_of_a_kernel(tmp_path):
    """By a compiler's own list: as a constant, which stands outside functions, each is spelled otherwise."""
    found = set()
    for text, method in SOURCES:
        source, listed = tmp_path / "kernel.c", tmp_path / "listed.h"
        source.write_text(kernel_text(text, method), encoding="utf-8")
        adaptive = int(method is not None and get(method).adaptive)
        for kernel in KERNELS:
            flags = [f"-D{name}=1" for name in ("CLIP", "TIMES", "LAST_STATE", kernel.upper())]
            flags += ["-DREAL_BITS=64", "-DLANES=4", "-DINNER_LANES=0", f"-DADAPTIVE={2 * adaptive}"]
            words = ["gcc", "-std=gnu11", *flags, f"-DKERNEL={kernel}", "-fsyntax-only"]
            words += ["-I", INCLUDE, "-aux-info", listed, source]
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            found |= set(re.findall(r":NF \*/ (?:static|extern) .*?(\w+) \(", listed.read_text()))
    found |= set(re.findall(r"^} (\w+);", "".join(path.read_text() for path in HEADERS), re.MULTILINE))
    assert {"rhs", "solve_block", "record", "input_values", "damp_solve", "loss_at", "Call"} <= found
    assert not [name for name in found if c_spelling(name, constant=True) == name]
