"""`net f(a, b) -> (u, v) = mlp(16, 16, tanh)`, or `… external`: a statement's tokens to its node."""

from __future__ import annotations

from odec.lang.definitions import DefinitionParser
from odec.lang.syntax import Net, Output
from odec.tree import Expr

_FORM = "a network is `net f(a, b) -> (u, v) = mlp(16, 16, tanh)`"
_OPTIONS = ("bias", "seed")


class NetParser(DefinitionParser):
    """Statements that define a network."""

    def _net(self) -> Net:
        name = self.name("the name of a net")
        if self.token.kind != "(":
            raise self.fail("E321", "a net says what it sees", name.span, "", _FORM)
        self.advance()
        args = self._arguments()
        if self.token.kind != "->":
            raise self.fail("E321", "a net says what it gives", self.token.span, "`-> NAME`", _FORM)
        self.advance()
        outputs = self._outputs()
        if self._word("external"):
            return Net(name, args, outputs, None, None, None, self.doc, self.whole)
        if self.token.kind != "=":
            note = "a module of your own, which Model is given, is `net f(a) -> u external`"
            raise self.fail("E321", "a net has layers", self.token.span, "`= mlp(…)`", _FORM, note)
        self._equals("'='")
        layers, options = self._layers()
        return Net(
            name, args, outputs, layers, options.get("bias"), options.get("seed"), self.doc, self.whole
        )

    def _outputs(self) -> tuple[Output, ...]:
        """NAME, NAME[8], or several of them in brackets."""
        if not self.accept("("):
            return (self._output(),)
        found = [self._output()]
        while self.accept(","):
            if self.token.kind == ")":
                break
            found.append(self._output())
        self.expect(")", "',' or ')'")
        return tuple(found)

    def _output(self) -> Output:
        name = self.name("the name of what a net gives")
        place = self._place()
        return Output(name, place[0] if place else ())

    def _layers(self) -> tuple[tuple[Expr, ...], dict[str, Expr]]:
        """The arguments of `mlp`, and those by name."""
        kind = self.name("mlp(…)")
        if kind.text != "mlp" or self.token.kind != "(":
            raise self.fail("E321", f"'{kind.text}' is no kind of network", kind.span, "", _FORM)
        self.advance()
        layers: list[Expr] = []
        options: dict[str, Expr] = {}
        while not self.accept(")"):
            word = self.token
            if word.text in _OPTIONS and self.peek().kind == "=":
                self.advance()
                self.advance()
                if word.text in options:
                    raise self.fail("E314", f"'{word.text}' is given twice", word.span)
                options[word.text] = self._nested(0)
            elif options:
                note = "sizes and the activation come first: `mlp(16, 16, tanh, bias=false, seed=3)`"
                raise self.fail("E321", "a layer behind `bias` or `seed`", word.span, "", note)
            else:
                layers.append(self._nested(0))
            if self.token.kind != ")" and not self.accept(","):
                raise self.unexpected("',' or ')'")
        return tuple(layers), options
