"""Statements of C as lines."""

from __future__ import annotations

from odec.backends.layout import INDENT, WIDTH, Chain, Doc, Leaf, flat, lines
from odec.text import c_comment


def statement(lead: str, doc: Doc, comment: str = "", indent: str = INDENT * 2) -> list[str]:
    """`lead doc;` as lines, the comment beside it where it fits, else above."""
    whole = f"{indent}{lead}{flat(doc)};"
    comment = c_comment(comment)
    remark = f"  // {comment}" if comment else ""
    if len(whole) + len(remark) <= WIDTH:
        return [whole + remark]
    above = [f"{indent}// {comment}"] if comment else []
    if len(whole) <= WIDTH or isinstance(doc, Leaf):
        return [*above, whole]
    if isinstance(doc, Chain):
        return [*above, f"{indent}{lead.rstrip()}", *_c_lines(lines(doc, indent + INDENT, "", ";"))]
    return above + _c_lines(lines(doc, indent, lead, ";"))


def _c_lines(broken: list[str]) -> list[str]:
    """Lines without the comma that Python allows after a call's last argument."""
    pairs = zip(broken, [*broken[1:], ""], strict=True)
    return [a[:-1] if a.endswith(",") and b.lstrip().startswith(")") else a for a, b in pairs]
