"""`lookup f = (0, 1), (2, 5)`, `lookup f from "FILE"` and `values from "FILE"`: their tokens to nodes."""

from __future__ import annotations

from odec.lang.definitions import DefinitionParser
from odec.lang.syntax import FittedValues, Name, Table
from odec.lookups import KINDS
from odec.tree import Expr

_FORM = 'a table is `lookup f = (0, 1), (2, 5), …`, or `lookup f from "file.csv"`'


class TableParser(DefinitionParser):
    """Statements whose numbers are points, or stand in a file."""

    def _lookup(self) -> Table:
        name = self._plain_name("the name of a table")
        kind = self.name("linear or cubic") if self.token.text in KINDS else None
        file, points = None, list[tuple[Expr, Expr]]()
        if self._word("from"):
            file = self._file()
        elif self.token.kind == "=":
            self._equals("'='")
            points.append(self._point())
            while self.accept(",") and self.token.kind != "end":
                points.append(self._point())
        else:
            raise self.fail("E407", f"the table '{name.text}' has no points", self.token.span, "", _FORM)
        extrapolate = self._word("extrapolate")
        return Table(name, kind, tuple(points), file, extrapolate, self.doc, self.whole)

    def _point(self) -> tuple[Expr, Expr]:
        """(x, y)"""
        if self.token.kind != "(":
            raise self.fail("E407", "a point is two numbers in brackets", self.token.span, "", _FORM)
        self.advance()
        x = self.full_expression()
        if not self.accept(","):
            raise self.fail("E407", "a point is two numbers in brackets", self.token.span, "", _FORM)
        y = self.full_expression()
        self.expect(")", "')' behind the two numbers of a point")
        return x, y

    def _fitted_values(self) -> FittedValues:
        if not self._word("from"):
            note = 'the defaults of parameters in a file are `values from "file.csv"`'
            raise self.fail("E104", "expected `from`", self.token.span, "", note)
        return FittedValues(self._file(), self.doc, self.whole)

    def _file(self) -> Name:
        """A file's name in quotes."""
        if self.token.kind != "string":
            raise self.fail("E104", "expected a file's name in quotes", self.token.span, '"file.csv"')
        token = self.advance()
        return Name(token.text[1:-1], token.span)
