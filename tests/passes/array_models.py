"""Models of arrays built by hand, and their modules."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from building import E, expr, system

from odec.passes import derive
from odec.render import module_text
from odec.system import System
from odec.tree import Op


def array_op(name: str, *args: object, static: tuple[int | str, ...] = ()) -> E:
    """An operation of arrays."""
    return E(Op(name, tuple(expr(a).tree for a in args), static=static))


def shaped(model: System, shapes: dict[str, tuple[int, ...]]) -> System:
    """The model with its states, parameters and observables of these shapes, by name."""

    def of(items, field="name"):
        return tuple(replace(item, shape=shapes.get(getattr(item, field), ())) for item in items)

    return replace(
        model,
        params=of(model.params),
        equations=of(model.equations, "state"),
        initials=of(model.initials, "state"),
        observables=of(model.observables),
    )


def array_model(equations, shapes, params=None, **rest) -> System:
    """A System of array states and parameters, by `building.system` and their shapes."""
    return shaped(system(equations, params=params, **rest), shapes)


def module_of(model: System, method: str = "euler") -> ModuleType:
    """The model's module, of the torch engine."""
    text = module_text(derive(model), method, version="0")
    made = ModuleType("made")
    made.__dict__["text"] = text
    exec(compile(text, "made.py", "exec"), made.__dict__)
    return made
