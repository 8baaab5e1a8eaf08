"""External nets: modules that a Model is given, as terms of its equations on the torch engine.

What is generated names a net. Which module that is differs from Model to Model, whose functions say it while
they run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .compiled import Cell, Compiled, Equations
from .external import External
from .tensors import common_shape

T = TypeVar("T", Equations, Cell)
Term = tuple["Given", int, int]
"""A module, and where its parameters stand among those of all."""

_given: ContextVar[Mapping[str, Term]] = ContextVar("modules of external nets")


@dataclass(frozen=True)
class ExternalNet:
    """A net that is a module of one's own, with the shapes of what it sees, () of a number, and gives."""

    name: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    attribute: str = ""

    @property
    def spelling(self) -> str:
        """The name of the Model's attribute."""
        return self.attribute or self.name


class Given:
    """A module for a net: one batch axis for all that it sees, (B, *shape), and (B,) for a number."""

    def __init__(self, net: ExternalNet, module: nn.Module):
        self.net, self.module = net, module
        self.of_rows = External.of_module(module)
        self.term = External(self._over_batches)
        self._last: tuple[Sequence[tuple[Tensor, int]], list[Tensor]] = ((), [])

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return sum(value.numel() for value in self.module.parameters())

    def _over_batches(self, p: Tensor, *arguments: Tensor) -> Tensor:
        """The value (*batch, *output); p (m,), or (*batch, m) where trajectories have their own."""
        pairs = [(value, value.dim() - len(own)) for value, own in zip(arguments, self.net.inputs)]
        batch = common_shape(*(value.shape[:rank] for value, rank in pairs), p.shape[:-1])
        rows = math.prod(batch)
        given = [
            value.expand((*batch, *value.shape[rank:])).reshape(rows, *value.shape[rank:]).contiguous()
            for value, rank in pairs
        ]
        if p.dim() == 1:
            found = self.of_rows(p, *given)
        else:
            apart = torch.func.vmap(self._one, randomness="different")
            found = apart(p.expand((*batch, p.shape[-1])).reshape(rows, -1).contiguous(), *given)
        if not isinstance(found, Tensor) or found.shape != (rows, *self.net.output):
            told = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            wanted = ", ".join(map(str, ("B", *self.net.output)))
            raise ValueError(
                f"the module of {self.net.name} returned {told} for B = {rows}; the model says ({wanted})"
            )
        return found.reshape((*batch, *self.net.output))

    def _one(self, p: Tensor, *arguments: Tensor) -> Tensor:
        return self.of_rows(p, *(value.unsqueeze(0) for value in arguments)).squeeze(0)

    def vjp(self, whole: Tensor, p: Tensor, arguments: Sequence[Tensor], w: Tensor) -> list[Tensor]:
        """The products of a cotangent w with the derivatives by p and by each argument.

        whole: the tensor that p is a part of. They are kept, as generated code asks for one after the other.
        """
        asked, (kept, found) = [(value, _version(value)) for value in (whole, *arguments, w)], self._last
        if len(kept) == len(asked) and all(a[0] is b[0] and a[1] == b[1] >= 0 for a, b in zip(kept, asked)):
            return found
        rank = len(self.net.output)
        batch = common_shape(w.shape[: w.dim() - rank], *self._batches(arguments))
        found = self.term.vjp(p, self._spread(arguments, batch), w.expand((*batch, *self.net.output)))
        self._last = asked, found
        return found

    def _batches(self, arguments: Sequence[Tensor]) -> list[Sequence[int]]:
        return [value.shape[: value.dim() - len(own)] for value, own in zip(arguments, self.net.inputs)]

    def _spread(self, arguments: Sequence[Tensor], batch: Sequence[int]) -> list[Tensor]:
        """The arguments over a whole batch, so that a cotangent of each trajectory comes of them."""
        pairs = zip(arguments, self.net.inputs)
        return [value.expand((*batch, *value.shape[value.dim() - len(own) :])) for value, own in pairs]

    def jvp(self, which: int, p: Tensor, arguments: Sequence[Tensor], tangent: Tensor) -> Tensor:
        """The tangent of the value for one of an argument, or of p, which is number 0."""
        rank = len(self.net.inputs[which - 1]) if which else 1
        batch = common_shape(tangent.shape[: tangent.dim() - rank], *self._batches(arguments))
        if not which:
            p = p.expand((*tangent.shape[:-1], p.shape[-1]))
        spread = self._spread(arguments, batch)
        tangents = [torch.zeros_like(value) for value in (p, *spread)]
        tangents[which] = tangent.expand(tangents[which].shape)
        return self.term.jvp(p, spread, tangents[0], tangents[1:])


def _version(value: Tensor) -> int:
    """How often a tensor was changed in place; -1 where torch does not count."""
    return -1 if value.is_inference() else value._version


def _term(name: str, parameters: Tensor) -> tuple[Given, Tensor]:
    """A net's module and its parameters. Raises RuntimeError outside of a Model."""
    try:
        given, start, size = _given.get()[name]
    except LookupError:
        raise RuntimeError(f"the net {name} is external: only Model({name}=module) knows it") from None
    return given, parameters[..., start : start + size]


def external(name: str, parameters: Tensor, *arguments: Tensor) -> Tensor:
    """What a net gives (*batch, *output); parameters: those of all external nets."""
    given, p = _term(name, parameters)
    return given.term(p, *arguments)


def external_vjp(name: str, which: int, parameters: Tensor, *rest: Tensor) -> Tensor:
    """The product of a cotangent, the last of `rest`, with the derivative by an argument.

    Number 0 are the parameters, among those of all external nets.
    """
    given, p = _term(name, parameters)
    *arguments, w = rest
    found = given.vjp(parameters, p, arguments, w)[which]
    return found if which else _among(found, parameters, _given.get()[name])


def external_jvp(name: str, which: int, parameters: Tensor, *rest: Tensor) -> Tensor:
    """The tangent of the value for one of an argument, the last of `rest`; number 0 are the parameters."""
    given, p = _term(name, parameters)
    *arguments, tangent = rest
    if not which:
        _, start, size = _given.get()[name]
        tangent = tangent[..., start : start + size]
    return given.jvp(which, p, arguments, tangent)


def _among(found: Tensor, parameters: Tensor, term: Term) -> Tensor:
    """A gradient by a module's parameters among those by all."""
    _, start, size = term
    return nn.functional.pad(found, (start, parameters.shape[-1] - start - size))


def terms_of(modules: Sequence[tuple[ExternalNet, nn.Module]]) -> dict[str, Term]:
    """Modules by their nets' names, and where the parameters of each stand among those of all."""
    found: dict[str, Term] = {}
    start = 0
    for net, module in modules:
        given = Given(net, module)
        found[net.name] = given, start, given.size
        start += given.size
    return found


def with_modules(compiled: Compiled, terms: Mapping[str, Term]) -> Compiled:
    """A model whose functions find the modules of its external nets."""
    cell = compiled.cell and _within(compiled.cell, terms)
    return replace(compiled, equations=_within(compiled.equations, terms), cell=cell, engines={})


def _within(functions: T, terms: Mapping[str, Term]) -> T:
    def within(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **keywords: Any) -> Any:
            token = _given.set(terms)
            try:
                return function(*args, **keywords)
            finally:
                _given.reset(token)

        return run

    own = {entry.name: getattr(functions, entry.name) for entry in fields(functions)}
    found: dict[str, Any] = {name: within(value) for name, value in own.items() if callable(value)}
    return replace(functions, **found)


def check_module(net: ExternalNet, module: Any) -> nn.Module:
    """The module, where it is one. Raises TypeError; warns of one that couples trajectories."""
    if not isinstance(module, nn.Module):
        kind = "none was given" if module is None else f"not a {type(module).__name__}"
        raise TypeError(f"the net {net.name} is external, Model({net.name}=…) takes an nn.Module: {kind}")
    coupling = nn.modules.batchnorm._BatchNorm
    if any(isinstance(part, coupling) and part.training for part in module.modules()):
        warnings.warn(
            f"the module of {net.name} has batch norm that trains: trajectories depend on one another, and "
            "each stage changes its statistics; take group norm, or module.eval()",
            stacklevel=4,
        )
    return module
