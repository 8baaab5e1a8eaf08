"""A user's text in what is written for others to read or run: a function for each kind of place.

Whatever stands in a remark, a unit or a name, it stays within its comment or literal.
"""

from __future__ import annotations

import re
import unicodedata


def printable(text: str) -> str:
    """Text for a terminal or a picture: controls and what has no sign become �, line feeds and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def python_comment(text: str) -> str:
    """Text as one line: runs of blanks, line ends and controls become a space, halves of characters a �."""
    return " ".join("".join(map(_visible, text)).split())


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    kind = unicodedata.category(char)
    if kind == "Cf":  # joins, marks and directions, which would turn the code beside them around
        return ""
    return " " if kind in ("Cc", "Zs", "Zl", "Zp") else "\N{REPLACEMENT CHARACTER}"


def python_docstring(text: str) -> str:
    """Text as one line within three quotation marks."""
    return re.sub(r'"(?="|$)', r"\"", python_comment(text).replace("\\", "\\\\"))


def python_string(text: str) -> str:
    """The text as a literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def c_comment(text: str) -> str:
    """Text as one line of C behind `//`, or within a comment, and within a raw string of Python.

    A backslash, which would go on with the comment on the next line, becomes a slash, as trigraphs do.
    """
    line = python_comment(text).replace("\\", "/").replace("??", "? ?").replace("??", "? ?")
    return re.sub(r'"(?=")', "'", line.replace("*/", "* /").replace("/*", "/ *"))
