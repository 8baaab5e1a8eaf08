"""odec as a contender: a model of benchmarks/models on one of its engines."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.harness import Absent

ENGINES = ("torch", "native")


def load(path: Path, method: str, engine: str) -> ModuleType:
    """The compiled model on the torch or the native engine. Raises Absent where the engine is not there."""
    import odec
    from odec.errors import ArgumentError

    try:
        return odec.load(path, method=method, engine=engine)
    except ArgumentError as error:
        raise Absent(str(error)) from error


def model(path: Path, method: str, engine: str, dtype: str, **options: Any) -> Any:
    """The generated Model in the given dtype; `options` are its own keywords (dt, adjoint, …)."""
    import torch

    module = load(path, method, engine)
    try:
        return module.Model(dtype=getattr(torch, dtype), engine=engine, **options)
    except ValueError as error:
        raise Absent(str(error)) from error
