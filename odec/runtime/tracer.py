"""What torch.compile keeps as one call, told to its tracer not before that is there.

torch.compiler.allow_in_graph would import torch._dynamo and SymPy, which take a second.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch

_TRACER = "torch._dynamo"
_waiting: list[Callable[..., Any]] = []


class _OnceTracing:
    """A finder of modules that finds the tracer as the others do, with a word at the end of its import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _TRACER:
            return None
        later = sys.meta_path[sys.meta_path.index(self) + 1 :]  # type: ignore[arg-type,unused-ignore]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in later)), None)
        if spec is not None and spec.loader is not None:
            load, loader = spec.loader.exec_module, spec.loader

            def load_and_tell(module: ModuleType) -> None:
                load(module)
                self.tell()

            loader.exec_module = load_and_tell  # type: ignore[method-assign]
        return spec

    def tell(self) -> None:
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        torch.compiler.allow_in_graph(_waiting)
        _waiting.clear()


_finder = _OnceTracing()


def when_dynamo(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep calls of a function as they are in torch.compile's graphs; returns the function."""
    if _TRACER in sys.modules:
        torch.compiler.allow_in_graph(function)
        return function
    _waiting.append(function)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    return function
