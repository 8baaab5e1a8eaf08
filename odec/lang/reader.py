"""A whole text to statements: one mistake is reported per statement, and reading goes on behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from odec.diagnostics import Diagnostic, Source
from odec.lang.expressions import Parser
from odec.lang.lexer import Line, logical_lines, tokenize
from odec.lang.report import Problem, Report
from odec.lang.statements import parse_statement
from odec.lang.syntax import Statement


@dataclass
class Reading:
    """Statements in source order; `lines` has every logical line with its statement (None: a comment)."""

    statements: list[Statement] = field(default_factory=list)
    lines: list[tuple[Line, Statement | None]] = field(default_factory=list)
    doc: str = ""
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_statements(source: Source) -> Reading:
    """Parse every statement of the text."""
    reading, report = Reading(), Report(source)
    header: list[str] = []
    in_header = True
    for line in logical_lines(tokenize(source.text)):
        is_comment = len(line.tokens) == 1
        in_header = in_header and is_comment and not (header and line.blanks)
        if in_header:
            header.append(line.doc)
        statement = None if is_comment else _read(source, line, report)
        if statement is not None:
            reading.statements.append(statement)
        reading.lines.append((line, statement))
        if report.full:
            break
    reading.doc = "\n".join(header).strip()
    reading.diagnostics = report.diagnostics()
    return reading


def _read(source: Source, line: Line, report: Report) -> Statement | None:
    bad = [token for token in line.tokens if token.kind == "bad"]
    if bad:
        for token in bad[:3]:
            report.extend([Parser(source, [token, line.tokens[-1]]).unexpected("").diagnostic])
        return None
    if line.unclosed is not None:
        text = line.unclosed.text
        report.add("E103", f"'{text}' is never closed", line.unclosed.span, "opened here")
        return None
    try:
        return parse_statement(source, line)
    except Problem as problem:
        report.extend([problem.diagnostic])
        return None
