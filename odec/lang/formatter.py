"""The formatter: one standard spacing, aliases rewritten, comments and blank lines kept."""

from __future__ import annotations

from collections.abc import Iterable

from odec.diagnostics import ModelError, Source
from odec.lang import syntax
from odec.lang.lexer import Line, Token
from odec.lang.names import declared
from odec.lang.reader import read_statements
from odec.lang.source import check_source
from odec.lang.statements import ALIASES
from odec.lang.syntax import Statement

_INDENT = "    "
_MAX_BLANKS = 2
_OPERAND = frozenset({"name", "number", ")", "]", "'", ".T"})
_TIGHT = frozenset({"*", "/", "**"})


def format_source(source: Source) -> str:
    """The model's text in standard form; what it means does not change. Raises ModelError."""
    problems = check_source(source)
    if problems:
        raise ModelError(problems)
    reading = read_statements(source)
    if reading.errors:
        raise ModelError(reading.errors)
    own = _own_names(reading.statements)
    out: list[str] = []
    for line, statement in reading.lines:
        if out:
            out += [""] * min(line.blanks, _MAX_BLANKS)
        out.append(_line(line, statement, own))
    return "\n".join(out) + "\n" if out else ""


def _own_names(statements: Iterable[Statement]) -> set[str]:
    names = {name.text for statement in statements for name in declared(statement)}
    for statement in statements:
        if isinstance(statement, syntax.FunctionDefinition):
            names.update(arg.text for arg in statement.args)
    return names


def _line(line: Line, statement: Statement | None, own: set[str]) -> str:
    comment = "" if line.comment is None else _comment(line.comment)
    if statement is None:
        return comment
    text = _spaced(_rewritten(line.raw, statement, own), _operand_starts(statement))
    return f"{text}  {comment}" if comment else text


def _comment(token: Token) -> str:
    text = token.text.rstrip()
    return f"# {text[1:]}" if text[1:2].isalnum() else text


def _operand_starts(statement: Statement) -> set[int]:
    """Where an operand starts behind a word such as `in` or `step`, which looks like a name."""
    match statement:
        case syntax.Params(bounds=syntax.Bounds(span=span)):
            return {span.start}
        case syntax.RunLine(numbers=numbers):
            return {number.span.start for number, _ in numbers if number.span is not None}
        case _:
            return set()


# Aliases.


def _rewritten(raw: list[Token], statement: Statement, own: set[str]) -> list[Token]:
    """The tokens with XPP's words and `^` replaced by ours."""
    tokens = [t._replace(kind="**", text="**") if t.kind == "^" else t for t in raw]
    if isinstance(statement, (syntax.Params, syntax.Consts, syntax.Observation)):
        tokens[0] = tokens[0]._replace(text=ALIASES.get(tokens[0].text, tokens[0].text))
    if isinstance(statement, (syntax.Params, syntax.Consts, syntax.Inits)):
        tokens = _with_commas(tokens, statement.items)
    if isinstance(statement, syntax.Inits) and tokens[0].start == statement.items[0].name.span.start:
        tokens = _initial(tokens)
    if isinstance(statement, syntax.Rule) and statement.kind == "map" and tokens[1].kind == "(":
        tokens[1] = tokens[1]._replace(kind="[", text="[")
        at = next(i for i, t in enumerate(tokens) if t.kind == ")")
        tokens[at] = tokens[at]._replace(kind="]", text="]")
    return tokens if own & {"heav", "heaviside"} else _heavisides(tokens)


def _with_commas(tokens: list[Token], items: tuple[syntax.Binding, ...]) -> list[Token]:
    """XPP parts definitions by spaces."""
    starts = {item.name.span.start for item in items[1:]}
    out: list[Token] = []
    last = ""
    for token in tokens:
        if token.start in starts and last != ",":
            out.append(Token(",", ",", token.start, token.start))
        if token.kind not in ("newline", "comment"):
            last = token.kind
        out.append(token)
    return out


def _initial(tokens: list[Token]) -> list[Token]:
    """x(0) = 1 to init x = 1; left alone where a comment stands inside."""
    equals = next(i for i, t in enumerate(tokens) if t.kind == "=")
    if any(t.kind == "comment" for t in tokens[:equals]):
        return tokens
    name = tokens[0]
    return [Token("name", "init", name.start, name.start), name, *tokens[equals:]]


def _heavisides(tokens: list[Token]) -> list[Token]:
    """heav(x) to heaviside(x, 1): XPP's step is 1 at 0."""
    open_calls: list[int] = []
    out: list[Token] = []
    for token in tokens:
        if token.kind == "(":
            is_heav = bool(out) and out[-1].kind == "name" and out[-1].text == "heav"
            open_calls.append(len(out) - 1 if is_heav else -1)
        elif token.kind == "," and open_calls:
            open_calls[-1] = -1
        elif token.kind == ")" and open_calls:
            at = open_calls.pop()
            if at >= 0 and any(t.kind not in ("newline", "comment") for t in out[at + 2 :]):
                out[at] = out[at]._replace(text="heaviside")
                out.append(Token(",", ",", token.start, token.start))
                out.append(Token("number", "1", token.start, token.start))
        out.append(token)
    return out


# Spacing.


def _spaced(tokens: list[Token], operand_starts: set[int]) -> str:
    """The tokens in standard spacing, broken where the user broke them."""
    parts: list[str] = []
    fresh = True
    before: Token | None = None
    unary = in_unit = False
    indexes: list[bool] = []
    for token in tokens:
        if token.kind == "comment":
            parts.append(("" if fresh else "  ") + _comment(token))
            fresh = False
            continue
        if token.kind == "newline":
            parts += [] if fresh else ["\n" + _INDENT]
            fresh = True
            continue
        operand_before = before is not None and before.kind in _OPERAND and token.start not in operand_starts
        if before is not None and not fresh and not in_unit:
            named = bool(indexes) and "=" in (before.kind, token.kind)  # an argument by name
            index = bool(indexes) and indexes[-1]
            parts.append("" if named else _gap(before, token, unary, index, operand_before))
        is_unit = token.kind == ":" and not indexes
        parts.append(token.text + (" " if is_unit else ""))
        in_unit = in_unit or is_unit
        unary = token.kind in ("+", "-", "~") and not operand_before
        if token.kind in ("(", "["):
            indexes.append(token.kind == "[" and operand_before)
        elif token.kind in (")", "]") and indexes:
            indexes.pop()
        before, fresh = token, False
    return "".join(parts)


def _gap(before: Token, token: Token, unary: bool, index: bool, operand_before: bool) -> str:
    """What stands between two tokens of a line."""
    kind = token.kind
    if before.kind in ("(", "[") or kind in (")", "]", ",", "'", ".T") or unary:
        return ""
    if index and ":" in (kind, before.kind):
        return "" if before.kind != "," else " "
    if before.kind in _TIGHT or kind in _TIGHT:
        return ""
    if kind == "[" and operand_before and before.kind != "number":
        return ""
    if kind in ("(", "[") and before.kind == "name" and operand_before:
        return ""
    if index and (kind in ("+", "-") or before.kind in ("+", "-")):
        return ""
    return " "
