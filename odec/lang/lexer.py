"""Text to tokens, and tokens to logical lines (a statement each, with its comments as trivia)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from odec.diagnostics import Span


class Token(NamedTuple):
    """kind: name, number, comment, newline, bad, end, or the text of an operator or a word of `WORDS`."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, max(self.end, self.start + 1))


WORDS = frozenset({"if", "then", "else", "and", "or", "not"})
"""Operators spelled as words: the only words besides the reserved names that no model can define."""

_PATTERN = re.compile(
    r"""(?P<space>(?:[^\S\n]|\ufeff|\\[^\S\n]*\n)+)
    |(?P<name>[^\W\d]\w*)
    |(?P<number>(?:[0-9]+(?:\.(?!\.)[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<newline>\n)
    |(?P<comment>\#[^\n]*)
    |(?P<op>\*\*|\.\.|==|!=|<=|>=|->|&&|\|\||[-+*/^=<>()\[\],:~'&|@])
    |(?P<bad>.)""",
    re.VERBOSE,
)


def tokenize(text: str) -> list[Token]:
    """All tokens but spaces, with an `end` token last; a character that has no meaning becomes `bad`."""
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
                word, position, kind = _unicode_name(word, start)
        append(Token(str(kind), word, start, position))
    append(Token("end", "", length, length))
    return tokens


def _unicode_name(word: str, start: int) -> tuple[str, int, str]:
    """The identifier that `word` starts with, in NFKC form (so that both signs for mu agree).

    Digits such as ² are no part of one; where the word starts with such, it is `bad` up to the next letter.
    """
    if not word[0].isidentifier():
        length = next((n for n, char in enumerate(word) if char.isidentifier()), len(word))
        return word[:length], start + length, "bad"
    length = next((n for n, char in enumerate(word) if not ("a" + char).isidentifier()), len(word))
    return unicodedata.normalize("NFKC", word[:length]), start + length, "name"


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
        elif kind == "=" and brackets and brackets[-1].start < tokens[line_start].start:
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


def _finish(line: Line, at: Token) -> Line:
    """The line with its `end` token, just behind the last thing written."""
    end = line.tokens[-1].end if line.tokens else at.start
    line.tokens.append(Token("end", "", end, end))
    return line
