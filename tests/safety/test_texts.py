"""A user's text stays in its comment or literal: hostile strings change no syntax tree and no token of C."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import odec
from odec import api
from odec.diagnostics import Source
from odec.passes import derive as derived
from odec.passes.program import Programs
from odec.passes.show import equations_text, params_table
from odec.render import module_text
from odec.results import plot_run
from odec.runtime.native.toolchain import INCLUDE
from odec.text import c_comment, python_comment, python_docstring, python_string

MODEL = """\
param r = 0.5 in (0, inf) : 1/h
param lambda = 2
const k = 2 : 1/h
input u linear
double(a) = 2*a
z = double(r)*u
init x = 1
init M_E = k
dx/dt = -r*x*k + z - lambda*M_E
dM_E/dt = -M_E*x
obs total = x + M_E ~ normal(k)
run t = 0 .. 1 step 0.5 method euler
"""
PIECES = [
    "\n",
    "\r",
    "\r\n",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\x0b",
    "\x0c",
    "\x1c",
    "\ud800",
    "\udfff",
    "\u202e",
]
PIECES += [
    "*/",
    "/*",
    "//",
    "\\",
    "\\\n",
    "??/",
    "???/",
    "\\\\",
    '"',
    '"""',
    "'''",
    '\\"',
    "'",
    "#",
    "{{ x }}",
    "{% raw %}",
    "{",
    "}",
    "{1/0}",
    "{__import__('os').abort()}",
]
PIECES += [
    "    import os",
    "os.system('touch OWNED')",
    ";",
    "}",
    "__attribute__((constructor)) void f(void) { exit(1); }",
]
PIECES += [
    "#define x",
    "#include <stdio.h>",
    'R"(',
    " - ",
    ", ",
    " = ",
    " ? ",
    "\\N{DIGIT ONE}",
    "\\x00",
    "\\u000a",
    "%s",
    "é",
    " ",
]
HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=25).map("".join)
TEXTS = (
    HOSTILE | st.builds(lambda head, text: "-" * head + " " + text, st.integers(60, 120), HOSTILE) | st.text()
)
SAME: dict[str, Any] = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
FEW, MANY = settings(max_examples=3, **SAME), settings(max_examples=15, **SAME)


def spoken(system: odec.System, text: str) -> odec.System:
    """The model with a text in every place that holds one."""
    parts: dict[str, Any] = {"name": text, "doc": text, "time_unit": text, "state_units": {"x": text}}
    for name in (
        "params",
        "consts",
        "equations",
        "initials",
        "intermediates",
        "functions",
        "inputs",
        "observables",
    ):
        entries = [replace(entry, doc=text) for entry in getattr(system, name)]
        if hasattr(entries[0], "unit"):
            entries = [replace(entry, unit=text) for entry in entries]
        parts[name] = tuple(entries)
    return replace(system, source=Source(text.replace("/", "|") or ".", system.source.text), **parts)


@cache
def derive(text: str) -> Programs:
    return derived(api.parse(text))


def module_of(system: odec.System) -> str:
    programs = replace(derive(system.source.text), system=system)
    return module_text(programs, "euler", version="0", engine="native")


TOLD = {
    "rt.Compiled": ("name", "time_unit"),
    "rt.Noise": ("place",),
    "rt.Param": ("unit", "doc"),
    "rt.Kernel": ("source",),
}
"""The arguments that hold a user's words, or the kernel, each a literal string."""


def pieces(text: str) -> tuple[str, str]:
    """A module's syntax tree without docstrings and kernel, and the kernel's source."""
    text.encode()
    tree, kernel = ast.parse(text), ""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            body[0].value = ast.Constant("")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in TOLD:
            named = [entry for entry in node.keywords if entry.arg in TOLD[ast.unparse(node.func)]]
            said = {entry.arg: ast.literal_eval(entry.value) for entry in named}
            assert all(isinstance(value, str) for value in said.values())
            node.keywords = [entry for entry in node.keywords if entry not in named]
            kernel = said.get("source", kernel)
    return ast.dump(tree), kernel


def c_tokens(source: str) -> str:
    """C without comments, after trigraphs and spliced lines as every standard of the language has them."""
    source = re.sub(r"\\[ \t\f\v]*\r?\n", "", source.replace("??/", "\\"))
    strings_and_comments = r'"(?:\\.|[^"\\\n])*"|//[^\n\r]*|/\*.*?\*/'
    kept = re.sub(strings_and_comments, lambda m: m[0] if m[0][0] == '"' else " ", source, flags=re.DOTALL)
    return " ".join(re.findall(r"\n#|\w+|[^\w\s]", kept))


@cache
def plain() -> tuple[odec.System, str, str]:
    system = api.parse(MODEL)
    tree, kernel = pieces(module_of(spoken(system, "a word")))
    return system, tree, c_tokens(kernel)


@FEW
@given(TEXTS)
@example("".join(PIECES))
def test_no_text_leaves_its_place(text: str) -> None:
    stays(text)


@pytest.mark.slow
@MANY
@given(TEXTS)
def test_none_of_many_texts_leaves_its_place(text: str) -> None:
    stays(text)


def stays(text: str) -> None:
    system, tree, tokens = plain()
    found, kernel = pieces(module_of(spoken(system, text)))
    assert found == tree
    assert c_tokens(kernel) == tokens


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("standard", ["gnu11", "c11"])  # c11 has trigraphs
def test_the_preprocessor_sees_no_text(standard: str, tmp_path: Path) -> None:
    system, _, _ = plain()
    wanted = ""
    for text in ("a word", "".join(PIECES), "-" * 64 + " " + "".join(PIECES), "??/\n".join(PIECES), "x\\"):
        kernel = pieces(module_of(spoken(system, text)))[1]
        words = [
            "cc",
            f"-std={standard}",
            f"-I{INCLUDE}",
            "-E",
            "-P",
            "-DREAL_BITS=64",
            "-DLANES=4",
            "-DINNER_LANES=1",
            "-DADJOINT",
        ]
        done = subprocess.run(
            [*words, "-DKERNEL=adjoint", "-DCLIP=0", "-DTIMES=0", "-x", "c", "-"],
            input=kernel.encode(), capture_output=True, check=True,
        )  # fmt: skip
        found = " ".join(done.stdout.decode().split())
        assert "adjoint" in found and found == (wanted := wanted or found)


def test_a_long_remark_of_a_constant_is_folded_as_a_remark() -> None:
    code = '__attribute__((constructor)) void f(void){int system(const char*);system("touch OWNED");} //'
    for remark in ("-" * 64 + " " + code, "a harmless remark, " * 20):
        text = f"const k = 2  # {remark}\ninit x = 1\nx' = -k*x\nrun t = 0 .. 1\n"
        kernel = pieces(module_of(api.parse(text)))[1]
        assert "constructor" not in c_tokens(kernel) and "harmless" not in c_tokens(kernel)
        words = " ".join(line.strip().removeprefix("//") for line in kernel.splitlines())
        assert remark.split()[1] in words


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\x85"])
def test_the_name_of_a_file_runs_nothing(end: str, tmp_path: Path) -> None:
    marker = tmp_path / "OWNED"
    code = f"__import__('pathlib').Path({str(marker)!r}.replace('|', chr(47))).touch()".replace("/", "|")
    path = tmp_path / f"a{end}    {code}{end}.ode"
    path.write_text("param k = 1\ninit x = 1\nx' = -k*x\nrun t = 0 .. 1 step 0.5\n", encoding="utf-8")
    assert odec.simulate(path, engine="torch")["x"][0] == 1
    assert not marker.exists()


def test_braces_in_the_name_of_a_file_are_braces(tmp_path: Path) -> None:
    name = "{__import__('os').abort()} {{x}} {"
    path = tmp_path / f"{name}.ode"
    path.write_text("param k = 1\ninit x = 1\nx' = -k*x\nrun t = 0 .. 1 step 0.5\n", encoding="utf-8")
    assert repr(odec.load(path, engine="torch").Model()).startswith(f"Model of {name}: ")


def test_a_name_that_is_no_text_of_utf8(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.ode"
    try:
        path.write_text("param k = 1\ninit x = 1\nx' = -k*x\nrun t = 0 .. 1 step 0.5\n", encoding="utf-8")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system holds no such name")
    assert odec.simulate(path, engine="torch")["x"][0] == 1


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x85", "\u2028", "\x0c"])
def test_remarks_from_python_run_nothing_and_define_nothing(end: str) -> None:
    parts = dict[str, Any](
        equations={"x": f"-k*x  # a{end}import os"},
        consts={"k": f"2 # a{end}import os; os.system('touch OWNED')"},
        params={"r": f"1 in (0, inf) : 1/h # b{end}init y = 2"},
        inputs={"u": f"hold # c{end}param j = 1"},
        init={"x": f"1 # d{end}y' = 3"},
        run=f"t = 0 .. 1 step 0.5  # e{end}const q = 1",
    )
    if end in ("\n", "\r", "\r\n"):  # the definition goes on, and this is no formula
        with pytest.raises(odec.ModelError):
            odec.System.from_equations(**parts)
        return
    system = odec.System.from_equations(**parts)
    assert system.states == ("x",) and [p.name for p in system.params] == ["r"]
    assert [c.name for c in system.consts] == ["k"]
    kernel = pieces(module_of(system))[1]
    tree = ast.parse(odec.compile(system))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {getattr(node, "module", None) for node in imports} == {"__future__", "torch", "odec"}
    assert "system" not in c_tokens(kernel)


def test_a_definition_of_several_lines_keeps_all_of_its_formula() -> None:
    system = odec.System.from_equations(
        {"x": "-k*x  # decay\n  + r  # and growth"}, {"k": 1, "r": 2}, {"x": 1}
    )
    assert "x' = -k*x + r  # decay and growth" in system.source.text


def test_a_symbol_is_a_name() -> None:
    import sympy

    for symbol in (
        sympy.Symbol("k\ninit y = 2"),
        sympy.Symbol("k # a"),
        sympy.Function("f\n")(sympy.Symbol("x")),
    ):
        with pytest.raises(odec.ArgumentError, match="plain name"):
            odec.System.from_equations({"x": -symbol}, {"k": 1}, {"x": 1})


@FEW
@given(TEXTS)
def test_each_way_of_writing_a_text(text: str) -> None:
    assert ast.literal_eval(python_string(text)) == text
    assert ast.dump(ast.parse(f"# {python_comment(text)}\nx")) == ast.dump(ast.parse("#\nx"))
    assert ast.literal_eval(f'"""{python_docstring(text)}"""') == python_comment(text)
    assert c_tokens(f"a // {c_comment(text)}\nb /* {c_comment(text)} */ c") == "a b c"
    assert '"""' not in c_comment(text)


def test_pictures_and_listings_hold_no_controls(tmp_path: Path) -> None:
    system = spoken(api.parse(MODEL), "a\x1b]0;b\x07 & <c> \ud800 \x00 --> ]]>")
    run = odec.simulate(MODEL, inputs={"u": ([0.0, 1.0], [1.0, 1.0])}, engine="torch")
    plot_run(system, run, tmp_path / "a.svg")
    ElementTree.parse(tmp_path / "a.svg")
    listed = equations_text(system) + params_table(system)
    assert np.all([c.isprintable() or c == "\n" for c in listed])


def test_half_a_character_is_told() -> None:
    (found,) = odec.check("init x = 1  # \ud800\nx' = 1\n")
    assert found.code == "E110" and "half" in found.message
