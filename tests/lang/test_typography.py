"""Models as papers set them: read as what they mean, and rewritten in ASCII by the formatter."""

from __future__ import annotations

import pytest
from models import errors_of, system_of, without_spans

from odec.diagnostics import Source, render_text
from odec.lang import expression_text, format_source, parse_expression
from odec.tree import evaluate

PAPER = (
    "param α = 0.5, β = 0.02\nparam k₁ = 0.3 in (0, ∞) : 1/s·m⁻²\ninit x = 10, y = 5\n"
    "dx/dt = α·x − β·x·y\ndy/dt = β·x·y − k₁·y²\n"
)


def test_a_paper() -> None:
    system = system_of(PAPER)
    at = {"α": 0.5, "β": 0.02, "k1": 0.3, "x": 10.0, "y": 5.0}
    assert [evaluate(e.expr, at) for e in system.equations] == pytest.approx([4.0, -6.5], rel=1e-15)
    assert (system.params[2].name, system.params[2].unit) == ("k1", "1/s*m**-2")
    once = format_source(Source("model.ode", PAPER))
    assert once == (
        "param α = 0.5, β = 0.02\nparam k1 = 0.3 in (0, inf) : 1/s*m**-2\ninit x = 10, y = 5\n"
        "dx/dt = α*x - β*x*y\ndy/dt = β*x*y - k1*y**2\n"
    )
    assert without_spans(system_of(once)) == without_spans(system)


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("a·b⋅c∙a×b∗c", "a*b*c*a*b*c"),
        ("a ÷ b ∕ c", "a/b/c"),
        ("−a²", "-a**2"),
        ("a⁻¹b", None),
        ("a⁻¹ − b¹⁰", "a**-1 - b**10"),
        ("(a + b)³", "(a + b)**3"),
        ("2ⁿ·aᵢ", "2**n*ai"),
        ("a²ⁿ", None),
        ("x′ + x″ + x‴", "x' + x'' + x'''"),
        ("x′²", "x'**2"),
        ("if a ≤ b and b ≠ c or c ≥ a then a else b", "if a <= b and b != c or c >= a then a else b"),
        ("x₁₂ + x12", "x12 + x12"),
        ("µ + μ", "μ + μ"),
        ("e\u0301 + \u00e9", "\u00e9 + \u00e9"),
        ("\u0e01\u0e33", "\u0e01\u0e4d\u0e32"),
        ("10⁻³", "10**-3"),
    ],
)
def test_signs(typed: str, plain: str | None) -> None:
    if plain is None:
        assert errors_of(f"init y = 1\ny' = {typed}\n")
    else:
        assert parse_expression(typed) == parse_expression(plain)
        assert expression_text(parse_expression(typed)) == expression_text(parse_expression(plain))


def test_spans_are_those_of_the_text() -> None:
    text = "init e\u0301 = 1\nde\u0301/dt = −k₁·e\u0301² + qq\nparam k₁ = 1\n"
    (found,) = errors_of(text)
    assert found.span is not None
    assert (found.code, text[found.span.start : found.span.end]) == ("E201", "qq")
    expr = system_of(text.replace("qq", "1")).equations[0].expr
    assert expr.span is not None
    assert text[expr.span.start : expr.span.start + 9] == "−k₁·e\u0301² +"


def test_carets_stand_under_wide_characters() -> None:
    """速 takes two columns of a terminal, an accent of its own none."""
    shown = render_text(errors_of("param 速 = 1, x\u0304 = 1\ninit x = 1\nx' = 速*x\u0304*速力\n"))
    line, caret = shown.split("\n")[3:5]
    assert line == "3 | x' = 速*x\u0304*速力"
    assert caret == "  |      " + " " * len("..*x*") + "^" * 4 + " did you mean '速'?"


def test_look_alikes_are_named() -> None:
    found = errors_of("param a = 1, К = 2\ninit x = 1\nx' = -а*x + K + ο\n")
    assert [(d.label, d.notes) for d in found] == [
        ("did you mean 'a'?", ("'а' (cyrillic small letter a) looks like 'a' (latin small letter a)",)),
        (
            "did you mean 'К'?",
            ("'K' (latin capital letter k) looks like 'К' (cyrillic capital letter ka)",),
        ),
        ("", ()),
    ]
