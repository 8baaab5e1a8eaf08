"""A place in the tokens of a statement, and what is wrong where something else should stand."""

from __future__ import annotations

import re
import unicodedata

from odec.diagnostics import Diagnostic, Fix, Source, Span
from odec.lang.functions import FUNCTIONS
from odec.lang.lexer import WORDS, Token
from odec.lang.report import Problem, meant, shown
from odec.lang.syntax import Name

_INSTEAD = {
    **dict.fromkeys("–—‒‐‑", "-"),
    **dict.fromkeys("’‘`´", "'"),
    "→": "->",
    "…": "..",
    "∂": "d",
}
_HINTS = {
    ";": "write one statement a line, with nothing at its end",
    "%": "a comment starts with '#'; the remainder of a division is mod(a, b)",
    "!": "a factorial is gamma(n + 1); a condition is negated by `not`",
    "?": "a conditional is written `if c then a else b`",
    "√": "a square root is sqrt(x)",
    "\\": "LaTeX is not read: a formula is written `dx/dt = -alpha*x/k1`",
}
_EXPECTED = {
    "if": "a conditional is written `if c then a else b`",
    "|": "an absolute value is abs(x)",
}
_ELSE_IF = frozenset({"elif", "elseif", "elsif"})
_NO_FACTORS = frozenset({"dt", "mod", "div", "rem", "xor", "is", "to", "by", "of", "where", "when", "with"})
"""Words that stand between two values in other languages; a `*` is not what is missing beside them."""

WITH_UNITS = frozenset("param par const number init obs aux".split())
_NO_NUMBER = r"(?:0[xX][0-9a-fA-F]+|[0-9.]+(?:[dD][+-]?[0-9]+|(?:_[0-9]+)+|[eE]))(?!\w)"


class Cursor:
    """The tokens of one logical line and a place in them; every mistake raises Problem.

    warnings: what was read, but may be read otherwise by a person.
    """

    def __init__(self, source: Source, tokens: list[Token]):
        self.source = source
        self.tokens = tokens
        self.index = 0
        self.token = tokens[0]
        self.warnings: list[Diagnostic] = []

    def fail(
        self, code: str, message: str, span: Span, label: str = "", *notes: str, fix: Fix | None = None
    ) -> Problem:
        return Problem(Diagnostic(code, message, self.source, span, label, notes, fix))

    def guess(
        self, code: str, message: str, span: Span, text: str, *notes: str, at: Span | None = None
    ) -> Problem:
        """`did you mean 'TEXT'?`: text in place of the span, or of the span `at`."""
        return self.fail(code, message, span, meant(text), *notes, fix=Fix(at or span, text))

    def advance(self) -> Token:
        """Step over the current token and return it; the last one (`end`) stays."""
        token = self.token
        if token.kind != "end":
            self.index += 1
            self.token = self.tokens[self.index]
        return token

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    @property
    def previous(self) -> Token:
        return self.tokens[max(self.index - 1, 0)]

    def accept(self, kind: str) -> bool:
        if self.token.kind == kind:
            self.advance()
            return True
        return False

    def expect(self, kind: str, wanted: str) -> Token:
        if self.token.kind != kind:
            raise self.unexpected(wanted)
        return self.advance()

    def name(self, wanted: str) -> Name:
        token = self.token
        if token.kind in WORDS:
            message = f"'{token.text}' is an operator of the language"
            raise self.fail("E206", message, token.span, "choose another name")
        self.expect("name", wanted)
        return Name(token.text, token.span)

    def typed(self, span: Span) -> str:
        return self.source.text[span.start : span.end]

    # What is wrong.

    def unexpected(self, wanted: str) -> Problem:
        """What is wrong with the current token, where `wanted` should stand."""
        token, before = self.token, self.previous
        if token.kind == "bad":
            return self._bad_character()
        if (word := self._word_of_others(wanted)) is not None:
            return word
        if token.kind in ("name", "number", "(") and before.kind in ("name", "number", ")", "'"):
            return self._missing_operator(before, token, wanted)
        if (sign := self._sign_of_others()) is not None:
            return sign
        if token.kind in (")", "]") and wanted in ("')'", "']'"):
            message = f"'{token.text}' closes a bracket of another kind"
            return self.guess("E103", message, token.span, wanted[1])
        if token.kind in (")", "]") and not self._open_brackets():
            return self.fail("E103", f"'{token.text}' closes no bracket", token.span, f"expected {wanted}")
        if (comma := self.decimal_comma()) is not None:
            return comma
        found = "the line ends here" if token.kind == "end" else f"found '{token.text}'"
        notes = (_EXPECTED[token.kind],) if token.kind in _EXPECTED else ()
        return self.fail("E104", f"expected {wanted}", token.span, found, *notes)

    def _word_of_others(self, wanted: str) -> Problem | None:
        """A word that other languages have here."""
        token, text = self.token, self.token.text
        if token.kind == "name" and text in _ELSE_IF:
            return self.guess("E104", f"'{text}' is not a word of the language", token.span, "else if")
        for near in (token, self.previous):
            small = near.text.casefold()
            if near.kind == "name" and near.text not in WORDS and small in WORDS:
                return self.guess("E104", f"'{near.text}' is not a word of the language", near.span, small)
        if token.kind == "name" and text == "for":
            note = "it stands behind a formula, `u[i]' = … for i in 0 .. n-1`, or in sum(… for j in 0 .. n-1)"
            return self.fail("E320", "`for` has no place here", token.span, "", note)
        if token.kind == "name" and text in ("to", "until") and wanted.startswith("'..'"):
            return self.guess("E107", f"unexpected '{text}'", token.span, "..")
        return None

    def _sign_of_others(self) -> Problem | None:
        """A sign that other languages have here."""
        token, before, span = self.token, self.previous, self.token.span
        if token.kind == "=":
            return self._equals_sign()
        if token.kind in ("&&", "||"):
            word = "and" if token.kind == "&&" else "or"
            fix = Fix(span, self._spaced(word, span))
            return self.fail("E101", f"'{token.text}' is not an operator", span, meant(word), fix=fix)
        if token.kind == ">" and before.kind == "<" and before.end == token.start:
            return self.guess("E101", "'<>' is not an operator", before.span.to(span), "!=")
        return None

    def _open_brackets(self) -> int:
        """How many brackets are open before the current token."""
        before = [token.kind for token in self.tokens[: self.index]]
        return before.count("(") + before.count("[") - before.count(")") - before.count("]")

    def _spaced(self, word: str, span: Span) -> str:
        """A word in place of a sign: with spaces where it would touch something."""
        before, behind = (
            self.source.text[span.start - 1 : span.start],
            self.source.text[span.end : span.end + 1],
        )
        return " " * (not before.isspace()) + word + " " * (not behind.isspace())

    def _equals_sign(self) -> Problem:
        span, behind = self.token.span, self.peek()
        if behind.kind in ("<", ">") and behind.start == span.end:
            sign = Span(span.start, behind.end)
            return self.guess("E101", f"'{self.typed(sign)}' is not an operator", sign, f"{behind.kind}=")
        note = "a definition is `NAME = EXPR`, one a line; a test for equality is `==`"
        return self.guess("E106", "'=' inside an expression", span, "==", note)

    def decimal_comma(self) -> Problem | None:
        """1,5 where a 1.5 is meant."""
        at = self.index - (self.token.kind == "number")
        if not 0 < at < len(self.tokens) - 1:
            return None
        before, comma, behind = self.tokens[at - 1 : at + 2]
        touching = before.end == comma.start and comma.end == behind.start
        if not (comma.kind == "," and before.kind == behind.kind == "number" and touching):
            return None
        if not (before.text + behind.text).isdecimal():
            return None
        span = Span(before.start, behind.end)
        return self.guess("E102", "a decimal comma", span, f"{before.text}.{behind.text}")

    def _bad_character(self) -> Problem:
        char, span = self.token.text[:1], Span(self.token.start, self.token.start + 1)
        last = self.peek().kind == "end"
        if not char.isprintable():
            message = f"unexpected character U+{ord(char):04X}"
            return self.fail("E101", message, span, "leave this out", fix=Fix(span, ""))
        message = f"unexpected character '{char}'"
        if char == "." and (other := self._dot(message)) is not None:
            return other
        if char == "{":
            return self._braces(message, span)
        if char == "!" and self.previous.kind not in ("name", "number", ")"):
            return self.fail("E101", message, span, meant("not"), fix=Fix(span, "not "))
        if char == ";" and last:
            return self.fail("E101", message, span, "leave this out", _HINTS[char], fix=Fix(span, ""))
        plain = unicodedata.normalize("NFKC", char)
        instead = _INSTEAD.get(char) or (plain if plain != char and plain in "+-*/=<>()[],:^|&~" else "")
        if instead:
            return self.guess("E101", message, span, instead)
        return self.fail("E101", message, span, "", *((_HINTS[char],) if char in _HINTS else ()))

    def _dot(self, message: str) -> Problem | None:
        """np.exp(x), Math.sqrt(x): a function of a library; x.^2, x.*y: an operator on arrays."""
        before, dot, behind = self.previous, self.token, self.peek()
        if dot.end != behind.start:
            return None
        if behind.kind in ("*", "/", "^", "**"):
            return self.guess("E101", message, Span(dot.start, behind.end), behind.kind)
        if before.kind == behind.kind == "name" and before.end == dot.start and behind.text in FUNCTIONS:
            span = Span(before.start, behind.end)
            return self.guess("E101", message, span, behind.text)
        return None

    def _braces(self, message: str, span: Span) -> Problem:
        if self.previous.text == "int":
            span = Span(self.previous.start, span.end)
            return self.fail(
                "E325", "integral equations (`int{…}`) are not supported yet", span, "an integral"
            )
        close = next((t for t in self.tokens[self.index :] if t.text == "}"), None)
        if close is None or self.index == 0:
            return self.fail("E101", message, span)
        inside = self.source.text[span.end : close.start]
        return self.fail(
            "E101", message, span, meant("("), fix=Fix(Span(span.start, close.end), f"({inside})")
        )

    def _missing_operator(self, before: Token, token: Token, wanted: str) -> Problem:
        between = Span(before.start, token.end)
        if before.kind == "number" and before.end == token.start and token.kind != "(":
            problem = self._malformed_number(before, token)
            if problem is not None:
                return problem
        left, right = shown(self.typed(before.span)), shown(self.typed(token.span))
        message = f"an operator is missing between '{left}' and '{right}'"
        notes = () if wanted == "an operator" else (f"or {wanted} was expected here",)
        is_call = self.peek().kind in ("(", "[", "'")
        if before.kind == "name" and before.text in FUNCTIONS and token.kind != "(" and not is_call:
            message = f"the argument of '{before.text}' stands in brackets"
            return self.guess("E105", message, between, f"{before.text}({self.typed(token.span)})")
        if before.kind == "number" and token.kind == "name" and self._may_have_unit(before, token):
            note = f"a unit stands behind a colon: `{left} : {right}`"
            return self.fail("E105", message, between, "", *notes, note)
        if token.kind == "(" and (call := self._power_of_a_call(message)) is not None:
            return call
        if token.kind == "number" or {before.text, token.text} & _NO_FACTORS:
            return self.fail("E105", message, between, "", *notes)
        fix = Fix(Span(before.end, token.start), "*")
        label = meant(f"{left}*{right}") if token.kind != "(" else "missing '*'?"
        return self.fail("E105", message, between, label, *notes, fix=fix)

    def _power_of_a_call(self, message: str) -> Problem | None:
        """sin^2(x): in this language the power stands behind the call."""
        at = self.index
        if at < 3 or self.tokens[at - 2].kind not in ("^", "**") or self.tokens[at - 3].text not in FUNCTIONS:
            return None
        depth = 0
        for closing in self.tokens[at:]:
            depth += (closing.kind == "(") - (closing.kind == ")")
            if not depth:
                break
        called = self.typed(Span(self.token.start, closing.end))
        function, power = self.tokens[at - 3], self.tokens[at - 1]
        span = Span(function.start, closing.end)
        return self.guess("E105", message, span, f"{function.text}{called}^{power.text}")

    def _may_have_unit(self, before: Token, token: Token) -> bool:
        """`init x = 1 mol`: a product or a unit, nobody can tell."""
        return self.tokens[0].text in WITH_UNITS and before.end < token.start and not self._open_brackets()

    def _malformed_number(self, before: Token, token: Token) -> Problem | None:
        """1.2.3, 0x10, 1d-3, 1_000, 1e: digits with something at their end."""
        text = self.source.text
        found = re.compile(_NO_NUMBER).match(text, before.start)
        if found is None:
            span = Span(before.start, token.end)
            if token.kind != "number":
                return None
            return self.fail("E102", f"'{shown(self.typed(span))}' is not a number", span)
        span, typed = Span(found.start(), found.end()), found.group()
        message = f"'{shown(typed)}' is not a number"
        if typed[:2] in ("0x", "0X"):
            value = str(int(typed, 16)) if len(typed) <= 14 else ""
            message = "numbers are decimal: 16 or 1.6e1"
            return self.guess("E102", message, span, value) if value else self.fail("E102", message, span)
        if "_" in typed:
            return self.guess("E102", message, span, typed.replace("_", ""))
        if typed[-1] in "eE":
            return self.fail("E102", message, span, "an exponent is missing")
        return self.guess("E102", message, span, re.sub("[dD]", "e", typed))
