"""Documents: code as nested chains, calls and parentheses, laid out within a line width.

A printer turns an expression into a document; `assignment` turns the document into lines, broken where
ruff and black would break them: at the loosest operators first, one operand a line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from odec.text import python_comment

WIDTH = 110
INDENT = "    "


@dataclass(frozen=True)
class Leaf:
    """A name or a literal."""

    text: str


@dataclass(frozen=True)
class Prefix:
    """A prefix operator on its operand."""

    operator: str
    operand: Doc


@dataclass(frozen=True)
class Parens:
    inner: Doc


@dataclass(frozen=True)
class Call:
    """name(args)."""

    name: str
    args: tuple[Doc, ...]


@dataclass(frozen=True)
class Chain:
    """first op operand op operand …, all operators of one precedence."""

    first: Doc
    rest: tuple[tuple[str, Doc], ...]


Doc = Leaf | Prefix | Parens | Call | Chain

_SIMPLE = re.compile(r"-?[0-9][\w.]*|[A-Za-z_][\w.]*")


def flat(doc: Doc) -> str:
    """The document on one line."""
    if isinstance(doc, Leaf):
        return doc.text
    if isinstance(doc, Prefix):
        return doc.operator + flat(doc.operand)
    if isinstance(doc, Parens):
        return f"({flat(doc.inner)})"
    if isinstance(doc, Call):
        return f"{doc.name}({', '.join(flat(arg) for arg in doc.args)})"
    parts = [flat(doc.first)]
    for operator, operand in doc.rest:
        text = flat(operand)
        hug = operator == "**" and _SIMPLE.fullmatch(parts[-1]) and _SIMPLE.fullmatch(text)
        parts += [operator, text] if hug else [f" {operator} ", text]
    return "".join(parts)


def lines(doc: Doc, indent: str = "", lead: str = "", trail: str = "") -> list[str]:
    """The document as lines at an indentation, after `lead` and before `trail`, inside some bracket."""
    whole = indent + lead + flat(doc) + trail
    if len(whole) <= WIDTH or isinstance(doc, Leaf):
        return [whole]
    if isinstance(doc, Prefix):
        return lines(doc.operand, indent, lead + doc.operator, trail)
    if isinstance(doc, Parens):
        return [f"{indent}{lead}(", *lines(doc.inner, indent + INDENT), f"{indent}){trail}"]
    if isinstance(doc, Call):
        return _call_lines(doc, indent, lead, trail)
    out = lines(doc.first, indent, lead)
    for k, (operator, operand) in enumerate(doc.rest):
        out += lines(operand, indent, f"{operator} ", trail if k == len(doc.rest) - 1 else "")
    return out


def _call_lines(doc: Call, indent: str, lead: str, trail: str) -> list[str]:
    inner = indent + INDENT
    together = inner + ", ".join(flat(arg) for arg in doc.args)
    if len(together) <= WIDTH and doc.name:
        body = [together]
    else:
        body = [line for arg in doc.args for line in lines(arg, inner, trail=",")]
    return [f"{indent}{lead}{doc.name}(", *body, f"{indent}){trail}"]


def assignment(target: str, doc: Doc, comment: str = "", indent: str = INDENT) -> list[str]:
    """`target = doc` as lines, the comment beside it where it fits, else above."""
    return _statement(f"{target} = ", doc, comment, indent)


def returned(doc: Doc, indent: str = INDENT) -> list[str]:
    """`return doc` as lines."""
    return _statement("return ", doc, "", indent)


def _statement(lead: str, doc: Doc, comment: str, indent: str) -> list[str]:
    whole = indent + lead + flat(doc)
    comment = python_comment(comment)
    remark = f"  # {comment}" if comment else ""
    if len(whole) + len(remark) <= WIDTH:
        return [whole + remark]
    above = [f"{indent}# {comment}"] if comment else []
    if len(whole) <= WIDTH or isinstance(doc, Leaf):
        return [*above, whole]
    if isinstance(doc, Call | Parens):
        return above + lines(doc, indent, lead)
    split = _last_bracket(doc)
    if (
        isinstance(doc, Chain)
        and split is not None
        and len(doc.rest) == 1
        and len(indent + lead + split[0]) < WIDTH
    ):
        return above + lines(split[1], indent, lead + split[0])
    return [*above, f"{indent}{lead}(", *lines(doc, indent + INDENT), f"{indent})"]


def _last_bracket(doc: Doc) -> tuple[str, Call | Parens] | None:
    """A chain that ends in a bracket, as the text before the bracket and the bracket."""
    if not isinstance(doc, Chain):
        return None
    *before, (operator, last) = doc.rest
    head = flat(Chain(doc.first, tuple(before))) + f" {operator} "
    if isinstance(last, Call | Parens):
        return head, last
    inner = _last_bracket(last)
    return (head + inner[0], inner[1]) if inner else None


def names_tuple(names: list[str]) -> Doc:
    """Names as a tuple to unpack into: `a, b`, or `(a,)` for one; long ones in parentheses."""
    if len(names) == 1:
        return Leaf(f"({names[0]},)")
    return Leaf(", ".join(names))


def unpack(names: list[str], value: str, indent: str = INDENT) -> list[str]:
    """`a, b = value` as lines; one name a line where they do not fit."""
    line = f"{indent}{flat(names_tuple(names))} = {value}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{indent}(", *(f"{indent}{INDENT}{name}," for name in names), f"{indent}) = {value}"]


def call_text(name: str, parts: Sequence[str], indent: int, used: int) -> str:
    """A call at an indentation, after so many characters; an argument a line where they do not fit on one."""
    line, pad = f"{name}({', '.join(parts)})", " " * indent
    if indent + used + len(line) <= WIDTH:
        return line
    inner = f"{pad}    {', '.join(parts)}"
    if len(inner) <= WIDTH:
        return f"{name}(\n{inner}\n{pad})"
    return f"{name}(\n" + "".join(f"{pad}    {part},\n" for part in parts) + f"{pad})"


def tuple_text(parts: Sequence[str], indent: int, beside: str) -> str:
    """A tuple at an indentation, with so much beside it; an item a line where they do not fit on one."""
    if len(parts) == 1:
        line, pad = f"({parts[0]},)", " " * indent
        fits = indent + len(beside) + len(line) <= WIDTH
        return line if fits else f"(\n{pad}    {parts[0]},\n{pad})"
    return call_text("", parts, indent, len(beside))
