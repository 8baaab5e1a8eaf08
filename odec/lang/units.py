"""Unit strings: only their form is looked at here."""

from __future__ import annotations

from odec.lang.lexer import Token

_OPERATORS = {"*": "*", "/": "/", "**": "**", "^": "**"}


def read_unit(tokens: list[Token]) -> tuple[str | None, Token | None]:
    """The unit in its standard spelling, or None and the token that is out of place (None: the end)."""
    text, depth = "", 0
    operand_next = True
    for i, token in enumerate(tokens):
        kind = token.kind
        if operand_next:
            if kind in ("name", "number"):
                text, operand_next = text + token.text, False
            elif kind == "(":
                text, depth = text + "(", depth + 1
            elif kind == "-" and text.endswith("**"):
                text += "-"
            else:
                return None, token
        elif kind in _OPERATORS:
            text, operand_next = text + _OPERATORS[kind], True
        elif kind == ")" and depth:
            text, depth = text + ")", depth - 1
        elif kind == "-" and i + 1 < len(tokens) and tokens[i + 1].kind == "number":
            return None, token
        else:
            return None, token
    return (None, None) if operand_next or depth else (text, None)
