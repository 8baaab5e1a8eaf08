"""The expression parser and its inverse."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odec.diagnostics import ModelError
from odec.lang import expression_text, parse_expression
from odec.lang.expressions import MAX_NESTING
from odec.tree import INTERNAL, OPERATIONS, Expr, Number, Op, Symbol, evaluate

a, b, c, x = (Symbol(name) for name in "abcx")
one, two = Number(1.0, "1"), Number(2.0, "2")


def op(name: str, *args: Expr) -> Op:
    return Op(name, args)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b - c", op("add", a, b, op("neg", c))),
        ("(a + b) + c", op("add", op("add", a, b), c)),
        ("a + (b + c)", op("add", a, op("add", b, c))),
        ("a*b*c", op("mul", a, b, c)),
        ("a*b/c*x", op("mul", op("div", op("mul", a, b), c), x)),
        ("a/b/c", op("div", op("div", a, b), c)),
        ("-a**2", op("neg", op("pow", a, two))),
        ("-a*b", op("mul", op("neg", a), b)),
        ("a**-b**2", op("pow", a, op("neg", op("pow", b, two)))),
        ("a**b**c", op("pow", a, op("pow", b, c))),
        ("a^b", op("pow", a, b)),
        ("+a", a),
        ("a < b", op("lt", a, b)),
        ("a < b <= c", op("and", op("lt", a, b), op("le", b, c))),
        ("not a < b and b != c", op("and", op("not", op("lt", a, b)), op("ne", b, c))),
        ("a > 1 or b > 1 or c > 1", op("or", *(op("gt", v, one) for v in (a, b, c)))),
        ("(a > 1) & (b > 1) | ~(c == 1)", None),
        ("if a < b then a else b + c", op("select", op("lt", a, b), a, op("add", b, c))),
        ("Piecewise((a, a < 1), (b, a < 2), (c, True))", None),
        ("pow(a, 2)", op("pow", a, two)),
        ("Abs(a) + ln(b)", op("add", op("abs", a), op("log", b))),
        ("heav(a)", op("heaviside", a, one)),
        ("Heaviside(a, 1)", op("heaviside", a, one)),
        ("And(a < 1, Not(Eq(b, 1)))", op("and", op("lt", a, one), op("not", op("eq", b, one)))),
        ("2", two),
        ("pi", Number(math.pi, repr(math.pi))),
        ("x''", Symbol("d2x_dt2")),
    ],
)
def test_trees(text: str, tree: Expr | None) -> None:
    parsed = parse_expression(text)
    if tree is not None:
        assert parsed == tree
    assert parse_expression(expression_text(parsed)) == parsed


def test_piecewise_is_a_chain_of_selections() -> None:
    parsed = parse_expression("Piecewise((a, x < 1), (b, x < 2), (c, True))")
    inner = op("select", op("lt", x, two), b, c)
    assert parsed == op("select", op("lt", x, one), a, inner)
    assert parsed == parse_expression("if x < 1 then a else if x < 2 then b else c")


def test_sympy_logic_binds_as_in_python() -> None:
    parsed = parse_expression("(a > 1) & (b > 1) | ~(c == 1)")
    left = op("and", op("gt", a, one), op("gt", b, one))
    assert parsed == op("or", left, op("not", op("eq", c, one)))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("007", "7"), ("0.50", "0.50"), (".5", ".5"), ("1.", "1."), ("00", "0"), ("1E-3", "1E-3")],
)
def test_numbers_stay_as_typed(typed: str, kept: str) -> None:
    number = parse_expression(typed)
    assert isinstance(number, Number)
    assert (number.text, number.value) == (kept, float(typed))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E104"),
        ("a b", "E105"),
        ("a)", "E103"),
        ("(a", "E104"),
        ("a = b", "E106"),
        ("a\nb", "E104"),
        ("(a > 1) + 1", "E309"),
        ("if a then b else c", "E310"),
        ("[]", "E104"),
        ("x[0:3:2]", "E320"),
        ("x[1 .. 3]", "E320"),
        ("Min()", "E205"),
        ("1e400", "E501"),
    ],
)
def test_mistakes(text: str, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_expression(text)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_spans_cover_what_was_typed() -> None:
    text = "a + exp(b)*(c - 1)**2"
    parsed = parse_expression(text)
    assert isinstance(parsed, Op)

    def typed(expr: Expr) -> str:
        assert expr.span is not None
        return text[expr.span.start : expr.span.end]

    product = parsed.args[1]
    assert isinstance(product, Op)
    assert typed(parsed) == text
    assert [typed(arg) for arg in product.args] == ["exp(b)", "(c - 1)**2"]
    assert typed(product.args[1].args[0]) == "(c - 1)"  # type: ignore[union-attr]


NUMERIC = ["exp", "sin", "sqrt", "abs", "tanh", "call:rate"]


def numbers() -> st.SearchStrategy[Expr]:
    leaves = st.sampled_from([a, b, c, x, one, two, Number(0.5, ".5"), Number(math.pi, repr(math.pi))])
    return st.recursive(leaves, _larger, max_leaves=25)


def _larger(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    pair = st.tuples(inner, inner)
    compare = st.builds(Op, st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]), pair)
    negated = st.builds(lambda e: Op("not", (e,)), compare)
    simple = st.one_of(compare, negated)
    joined = st.builds(
        Op, st.sampled_from(["and", "or"]), st.lists(simple, min_size=2, max_size=3).map(tuple)
    )
    both = st.builds(lambda o, e, f: Op(o, (e, f)), st.sampled_from(["and", "or"]), joined, simple)
    conditions = st.one_of(simple, joined, both, st.builds(lambda e: Op("not", (e,)), joined))
    return st.one_of(
        st.builds(Op, st.sampled_from(["add", "mul", "min", "max"]), several),
        st.builds(Op, st.sampled_from(["div", "pow", "mod", "atan2"]), pair),
        st.builds(lambda o, e: Op(o, (e,)), st.sampled_from(["neg", "neg", *NUMERIC]), inner),
        st.builds(lambda c, y, n: Op("select", (c, y, n)), conditions, inner, inner),
    )


@settings(max_examples=400, deadline=None, derandomize=True)
@given(numbers())
def test_text_parses_to_the_same_tree(expr: Expr) -> None:
    assert parse_expression(expression_text(expr)) == expr


@settings(max_examples=300, deadline=None, derandomize=True)
@given(numbers())
def test_brackets_are_needed(expr: Expr) -> None:
    """No bracket pair can go, but for those of a sign or a conditional behind an operator."""
    text = expression_text(expr)
    stack: list[int] = []
    for i, char in enumerate(text):
        if char == "(":
            stack.append(i)
        elif char == ")":
            start = stack.pop()
            if (
                text[start - 1 : start].isalnum()
                and start
                or text[start + 1] == "-"
                or text[start + 1 : start + 4] == "if "
            ):
                continue
            shorter = f"{text[:start]} {text[start + 1 : i]} {text[i + 1 :]}"
            try:
                same = parse_expression(shorter) == expr
            except ModelError:
                same = False
            assert not same, (text, shorter)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["+", "-", "*", "/", "**", "**-", "- -", "*-"]), max_size=8), st.data())
def test_precedence_is_that_of_python(signs: list[str], data: st.DataObject) -> None:
    """Signs bind as in Python, by which the expected values are computed."""
    digits = [data.draw(st.sampled_from(["1.0", "2.0", "3.0"])) for _ in range(len(signs) + 1)]
    text = digits[0] + "".join(f" {s} {d}" for s, d in zip(signs, digits[1:], strict=True))
    try:
        expected = float(eval(text, {"__builtins__": {}}))
    except (OverflowError, ZeroDivisionError):
        return
    assert evaluate(parse_expression(text), {}) == pytest.approx(expected, rel=1e-12)


def test_deep_trees_are_printed_and_compared() -> None:
    """Every form at the deepest level allowed."""
    for form in ("({} + 1)", "({}*2 + 1)", "exp({})", "(1 - {})", "({})**2", "max(1, {})", "1/({})"):
        text = "x"
        for _ in range(MAX_NESTING - 1):
            text = form.format(text)
        parsed = parse_expression(text)
        assert parse_expression(expression_text(parsed)) == parsed


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if o.kind == "function"])
def test_every_function_can_be_called(name: str) -> None:
    if name in INTERNAL:
        return
    count = OPERATIONS[name].arity[0]
    text = f"{name}({', '.join('abc'[:count])})"
    assert parse_expression(text) == Op(name, (a, b, c)[:count])
    assert expression_text(parse_expression(text)) == text
