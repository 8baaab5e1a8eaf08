"""Hostile and huge texts: an answer, and little memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from models import codes_of, system_of

import odec
from odec.diagnostics import ModelError, Source, render_text
from odec.lang import decode, expression_text, format_source, parse, read_source
from odec.lang.source import MAX_LINE_CHARACTERS

HEAD = "init x = 1\ndx/dt = "


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (HEAD + "9**9**9**9\n", "E502"),
        (HEAD + "x**(9**9**9)\n", "E502"),
        (HEAD + "(" * 20_000 + "x" + ")" * 20_000, "E108"),
        (HEAD + "(" * 20_000, "E103"),
        (HEAD + "-" * 20_000 + "x", "E108"),
        (HEAD + "not " * 20_000 + "x", "E108"),
        (HEAD + "exp(" * 20_000 + "x" + ")" * 20_000, "E108"),
        (HEAD + "x" + "**x" * 20_000, "E108"),
        (HEAD + "x" + "/x" * 20_000, "E108"),
        (HEAD + "if x > 1 then 1 else " * 5_000 + "2", "E108"),
        (HEAD + "x" + "'" * 20_000, "E313"),
        ("init x = 1\nx" + "'" * 20_000 + " = 1", "E107"),
        (HEAD + "x" * 10_000_000, "E112"),
        (HEAD + "x" * 1_000_000, "E111"),
        (HEAD + "\0", "E110"),
        ("x(" * 20_000, "E103"),
        ("((\n" * 20_000 + "x = 1", "E103"),
        ("a = (\n" * 20_000, "E103"),
        (")" * 50_000, "E107"),
        ("\u00b2" * 50_000, "E101"),
        ("y = a\n" * 3_000, "E202"),
        ("".join(f"y{i} = z{i}\n" for i in range(3_000)), "E201"),
        (HEAD + "1" * 100_000, "E501"),
        (HEAD + "1_" * 90_000, "E105"),
        (HEAD + "1" + "_0" * 90_000, "E102"),
        ("".join(f"y{i} = {i}{'x ' * 400}\n" for i in range(100)), "E105"),
        ("d/d" + " " * 150_000 + "t(x) = 1", "E107"),
        ("a + " * 4_500 + "-> b : 3", "E325"),
        ("\u00bda" * 9_000, "E101"),
        (HEAD + "x" + "\u00b2" * 90_000, "E501"),
        ("f(" + ", ".join("abcdefgh"[i % 8] for i in range(3_000)) + ") = 1\n", "E202"),
    ],
)
def test_an_answer(text: str, code: str) -> None:
    tracemalloc.start()
    try:
        system, found = parse(Source("model.ode", text))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert system is None
    assert code in {d.code for d in found}
    assert len(found) <= 100
    assert len(render_text(found)) < 100_000
    assert peak < 64 * 1024 * 1024


def test_reading_stops_early(tmp_path: Path) -> None:
    path = tmp_path / "huge.ode"
    with path.open("wb") as file:
        file.truncate(10**9)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="E112"):
            read_source(path)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_wide_is_no_problem() -> None:
    """Sums, chains of intermediates and `else if` have no depth."""
    terms = " + ".join(f"k*x*{i}" for i in range(4_000))
    chain = "".join(f"y{i} = y{i + 1} + x\n" for i in range(2_000)) + "y2000 = x\n"
    branches = "".join(f"if x < {i} then {i} else " for i in range(150)) + "0"
    text = f"param k = 1\n{HEAD}{terms} + y0 + {branches}\n{chain}"
    system = system_of(text)
    assert len(system.equations[0].expr.args) == 4_002  # type: ignore[union-attr]
    assert expression_text(system.equations[0].expr).count("*") == 8_000
    assert system_of(format_source(Source("model.ode", text))).states == ("x",)


def test_a_line_may_be_long() -> None:
    text = HEAD + "x" + "+x" * (MAX_LINE_CHARACTERS // 2 - 10) + "\n"
    assert system_of(text).states == ("x",)


def test_circles_of_any_length() -> None:
    chain = "".join(f"y{i} = y{(i + 1) % 3000}\n" for i in range(3_000))
    assert codes_of(f"{HEAD}y0\n{chain}") == ["E303"]


def test_brackets_beyond_the_limit_are_refused_alike_everywhere(tmp_path: Path) -> None:
    """With the number allowed; what is within it is compiled."""
    allowed = HEAD + "(" * 100 + "x" + ")" * 100 + "\nrun t = 0 .. 1\n"
    assert "def rhs" in odec.compile(allowed)
    path = tmp_path / "deep.ode"
    path.write_text(HEAD + "(" * 500 + "x" + ")" * 500 + "\nrun t = 0 .. 1\n")
    (found,) = odec.check(path)
    words = "the expression is nested too deeply (at most 100 brackets, signs or branches)"
    assert (found.code, found.message) == ("E108", words)
    for command in (odec.compile, odec.simulate, odec.parse):
        with pytest.raises(ModelError) as error:
            command(path)
        assert [(d.code, d.message, d.span) for d in error.value.diagnostics] == [
            (found.code, found.message, found.span)
        ]


def test_functions_that_explode_are_not_computed() -> None:
    body = "".join(f"f{i}(a) = f{i - 1}(a) + f{i - 1}(a + 1)\n" for i in range(1, 60))
    text = f"f0(a) = a\n{body}const c = f59(1)\n{HEAD}-c*x\n"
    assert codes_of(text) == ["E311"]
    nested = "".join(f"f{i}(a) = f{i - 1}(a) + 1\n" for i in range(1, 2_000))
    assert codes_of(f"f0(a) = a\n{nested}const c = f1999(1)\n{HEAD}-c*x\n") == ["E311"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("init x = 1".encode("utf-16"), "E109"),
        (b"init x = \xff", "E109"),
        ("init Größe = 1".encode("latin-1"), "E109"),
    ],
)
def test_not_utf8(data: bytes, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        decode("model.ode", data)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_line_ends_and_byte_order_mark() -> None:
    text = "init x = 1\ndx/dt = -x\n"
    for data in (
        text.encode("utf-8-sig"),
        text.replace("\n", "\r\n").encode(),
        text.replace("\n", "\r").encode(),
    ):
        assert decode("model.ode", data).text == text
    assert system_of("\ufeff" + text).states == ("x",)
    assert system_of(text.replace("\n", "\r\n")).states == ("x",)


def test_a_line_of_blanks_is_soon_told() -> None:
    """Quadratic work would take a minute and more, as the suite would show."""
    for line in (" " * 190_000 + "x", "Real x" + "->" * 90_000, " " * 90_000 + "->" * 45_000):
        assert parse(Source("m", f"{HEAD}-x\n{line}\n"))[0] is None


def test_no_heavy_imports() -> None:
    """Checking a model needs none of the numerical libraries."""
    code = (
        "import sys; from odec.lang import parse; from odec.diagnostics import Source; "
        f"assert parse(Source('m', {HEAD + '-x'!r}))[0] is not None; "
        "print([m for m in ('numpy', 'sympy', 'torch', 'matplotlib', 'jinja2', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
