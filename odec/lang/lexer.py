"""Text to tokens, and tokens to logical lines (a statement each, with its comments as trivia)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from odec.diagnostics import Span


class Token(NamedTuple):
    """kind: name, number, string, comment, newline, bad, end, or the text of a sign or a word of `WORDS`."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, max(self.end, self.start + 1))


WORDS = frozenset({"if", "then", "else", "and", "or", "not"})
"""Operators spelled as words: the only words besides the reserved names that no model can define."""

_POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹ⁿⁱ"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_TYPOGRAPHY = {
    "−": "-",
    **dict.fromkeys("·\u0387⋅∙×∗", "*"),
    **dict.fromkeys("∕÷", "/"),
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "∞": "inf",
    "′": "'",
    "″": "''",
    "‴": "'''",
}
"""Signs as papers set them, and what they are read as."""

_SIGNS = "".join(_TYPOGRAPHY)
_PATTERN = re.compile(
    rf"""(?P<space>(?:[^\S\n]|\ufeff|\\[^\S\n]*\n)+)
    |(?P<power>[⁺⁻]?[{_POWERS}]+)
    |(?P<name>[^\W\d](?:[^\W{_POWERS}]|[^\x00-\x7f\s{_POWERS}⁺⁻{_SIGNS}])*)
    |(?P<number>(?:[0-9]+(?:\.(?!\.)[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<newline>\n)
    |(?P<comment>\#[^\n]*)
    |(?P<op>\*\*|\.\.|\.T(?!\w)|==|!=|<=|>=|->|&&|\|\||[-+*/^=<>()\[\],:~'&|@])
    |(?P<string>"[^"\n]*")
    |(?P<typographic>[{_SIGNS}])
    |(?P<bad>.)""",
    re.VERBOSE,
)
_OPERAND = frozenset({"name", "number", ")", "]", "'", ".T"})


def tokenize(text: str) -> list[Token]:
    """All tokens but spaces, with an `end` token last; a character that has no meaning becomes `bad`.

    What papers write for an operator (`·`, `−`, `x²`, `k₁`) becomes the tokens that it means.
    """
    tokens: list[Token] = []
    append = tokens.append
    position, length, match = 0, len(text), _PATTERN.match
    while position < length:
        found = match(text, position)
        assert found is not None
        kind, start, position = found.lastgroup, position, found.end()
        if kind == "space":
            continue
        word = found.group()
        if kind == "op":
            kind = word
        elif kind == "name":
            if word in WORDS:
                kind = word
            elif not word.isascii():
                tokens.extend(_unicode_names(word, start))
                continue
        elif kind == "typographic":
            tokens.extend(_typographic(word, start))
            continue
        elif kind == "power":
            tokens.extend(_power(word, start, bool(tokens) and tokens[-1].kind in _OPERAND))
            continue
        append(Token(str(kind), word, start, position))
    append(Token("end", "", length, length))
    return tokens


def _typographic(sign: str, start: int) -> list[Token]:
    meant = _TYPOGRAPHY[sign]
    if meant == "inf":
        return [Token("name", meant, start, start + 1)]
    return [Token(part, part, start, start + 1) for part in (meant if "'" in meant else (meant,))]


def _power(word: str, start: int, behind_operand: bool) -> list[Token]:
    """Superscripts: `²` is `**2`, `⁻¹` is `**-1`, `ⁿ` is `**n`."""
    plain = unicodedata.normalize("NFKC", word).replace("−", "-")
    exponent = plain.lstrip("+-")
    if not behind_operand or not (exponent.isdecimal() or exponent.isalpha()):
        return [Token("bad", word, start, start + len(word))]
    tokens = [Token("**", "**", start, start + len(word))]
    if plain[0] == "-":
        tokens.append(Token("-", "-", start, start + 1))
    kind = "number" if exponent.isdecimal() else "name"
    return [*tokens, Token(kind, exponent, start + len(plain) - len(exponent), start + len(word))]


def _unicode_names(word: str, start: int) -> Iterator[Token]:
    """The identifiers of a word, in NFKC form (so that both signs for mu agree, é is é and k₁ is k1).

    What is no part of one, such as ½, is `bad` up to the next letter.
    """
    at = 0
    while at < len(word):
        is_name = word[at].isidentifier()
        end = at + 1
        while end < len(word) and (_goes_on(word[end]) if is_name else not word[end].isidentifier()):
            end += 1
        text = word[at:end]
        name = unicodedata.normalize("NFKC", text)
        is_name = is_name and "·" not in name  # ŀ, which is l· in that form: a product when read again
        kind = (name if name in WORDS else "name") if is_name else "bad"
        yield Token(kind, name if is_name else text, start + at, start + end)
        at = end


def _goes_on(char: str) -> bool:
    return char in _SUBSCRIPTS or ("a" + char).isidentifier()


@dataclass
class Line:
    """A logical line: one statement, or only a comment.

    tokens: what is parsed, ending in an `end` token. raw: the same with the newlines and comments between.
    comment: the trailing one. blanks: empty lines before. unclosed: a bracket that nothing closes.
    """

    tokens: list[Token] = field(default_factory=list)
    raw: list[Token] = field(default_factory=list)
    comment: Token | None = None
    blanks: int = 0
    unclosed: Token | None = None

    @property
    def doc(self) -> str:
        return "" if self.comment is None else self.comment.text.strip("#").strip()


_OPEN, _CLOSE = frozenset("(["), frozenset(")]")


def logical_lines(tokens: list[Token]) -> Iterator[Line]:
    """Statements and comments in order; a statement goes on over line ends inside open brackets.

    No bracket may hold a `=`: where one does, on a later line than the bracket's own, the bracket was
    forgotten and the statement ends before that line.
    """
    line, brackets, blanks = Line(), list[Token](), 0
    line_start = i = 0
    while i < len(tokens):
        token = tokens[i]
        kind = token.kind
        if kind == "newline" or kind == "end":
            if brackets and kind == "newline":
                line.raw.append(token)
            else:
                line.unclosed = brackets[-1] if brackets else None
                if line.tokens or line.comment is not None:
                    yield _finish(line, token)
                    line, blanks = Line(), 0
                else:
                    blanks += 1
                    line.blanks = blanks
                brackets = []
            line_start = i + 1
        elif kind == "comment":
            if brackets:
                line.raw.append(token)
            else:
                line.comment = token
        elif kind == "=" and _forgotten(brackets, tokens[line_start]) and not _axis(tokens, i):
            kept = tokens[line_start].start
            line.unclosed = next(b for b in reversed(brackets) if b.start < kept)
            line.tokens = [t for t in line.tokens if t.start < kept]
            yield _finish(line, tokens[line_start - 1])
            line, brackets, blanks, i = Line(), [], 0, line_start
            continue
        else:
            if kind in _OPEN:
                brackets.append(token)
            elif kind in _CLOSE and brackets:
                brackets.pop()
            line.tokens.append(token)
            line.raw.append(token)
        i += 1


def _forgotten(brackets: list[Token], first: Token) -> bool:
    """Whether the innermost open bracket stands before the first token of the line."""
    return bool(brackets) and brackets[-1].start < first.start


def _axis(tokens: list[Token], i: int) -> bool:
    """Whether the `=` is that of `sum(W, axis=0)`."""
    return i > 1 and tokens[i - 1].text == "axis" and tokens[i - 2].kind == ","


def _finish(line: Line, at: Token) -> Line:
    """The line with its `end` token, just behind the last thing written."""
    end = line.tokens[-1].end if line.tokens else at.start
    line.tokens.append(Token("end", "", end, end))
    return line
