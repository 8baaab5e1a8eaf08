"""Models of the run-time beside those of modules that hold their whole run-time."""

from __future__ import annotations

import functools
import sys
from dataclasses import replace
from types import ModuleType

from old_engine import OldEngine
from thin_modules import compiled_of, module_of

from odec.runtime.cell import StepCell
from odec.runtime.model import Model


@functools.cache
def thin_of(text: str, method: str | None, old_engine: bool = True) -> ModuleType:
    """A module with a Model and a StepCell, as a generated one has them.

    old_engine: whether the whole module's loops run it, so that the rest must give the same bits.
    """
    compiled = replace(compiled_of(text, method), engines={})
    if old_engine:
        compiled.engines["torch"] = OldEngine(text, method)
    name = f"thin_{sum(name.startswith('thin_') for name in sys.modules)}"
    module = ModuleType(name)
    space = {"compiled": compiled, "__module__": name}
    module.COMPILED = compiled
    module.Model = type("Model", (Model,), {**space, "__qualname__": "Model"})
    module.StepCell = type("StepCell", (StepCell,), {**space, "__qualname__": "StepCell"})
    sys.modules[name] = module
    return module


def pair(text, method, old_engine=True, **options):
    """A Model of the run-time, and the whole module's."""
    return thin_of(text, method, old_engine).Model(**options), module_of(text, method).Model(**options)
