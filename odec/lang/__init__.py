"""The language: text to a checked System, the formatter, and the error catalogue."""

from __future__ import annotations

from odec.diagnostics import Diagnostic, ModelError, Source
from odec.lang.checks import check
from odec.lang.codes import all_codes, explain
from odec.lang.expressions import Parser
from odec.lang.formatter import format_source
from odec.lang.lexer import Line, logical_lines, tokenize
from odec.lang.printer import expression_text
from odec.lang.reader import read_statements
from odec.lang.report import Problem, Report
from odec.lang.resolve import Context, Resolver
from odec.lang.source import check_source, decode, read_source, text_source
from odec.system import System
from odec.tree import Expr

__all__ = [
    "all_codes",
    "decode",
    "explain",
    "expression_text",
    "format_source",
    "parse",
    "parse_expression",
    "read_source",
    "text_source",
]


def parse(source: Source, *, methods: frozenset[str] | None = None) -> tuple[System | None, list[Diagnostic]]:
    """The System that a text describes, with its warnings; or None and every error of the phase that failed.

    methods: the names that `run … method NAME` may give; None accepts any.
    """
    problems = check_source(source)
    if problems:
        return None, problems
    return check(source, read_statements(source), methods)


def parse_expression(text: str | Source) -> Expr:
    """A lone expression, with every name taken for a number; raises ModelError."""
    source = text if isinstance(text, Source) else Source("<expression>", text)
    problems = check_source(source)
    if problems:
        raise ModelError(problems)
    report = Report(source)
    lines = [line for line in logical_lines(tokenize(source.text)) if line.tokens]
    line = lines[0] if lines else Line()
    if not line.tokens or line.tokens[-1].kind != "end":
        line.tokens.append(tokenize("")[0])
    parser = Parser(source, line.tokens)
    try:
        raw = parser.full_expression()
        if parser.token.kind != "end":
            raise parser.unexpected("an operator")
        if len(lines) > 1:
            raise parser.fail("E104", "expected one expression", lines[1].tokens[0].span, "a second line")
        expr = Resolver({}, "t", report, open_world=True, is_map=True).any(
            raw, Context("an expression", ahead=True, past=True)
        )
    except Problem as problem:
        raise ModelError([problem.diagnostic]) from None
    if report.failed:
        raise ModelError(report.diagnostics())
    return expr
