"""The run-time of generated modules: torch alone, and for the native engine a C compiler.

A generated module holds a model's equations and, of explicit methods, one step with its adjoint; everything
that is the same for all models stands here. exports.py: what modules name; compiled.py: what a module says of
itself; model.py: the nn.Module; autograd.py, operators.py: how torch sees a solve; reference/: the torch
engine; native/: the C and CUDA engine.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exports import *  # noqa: F403

INTERFACE = 1
"""What generated modules are written for; it changes where a name or a meaning that they use does."""


def needs(interface: int) -> None:
    """Bring in what generated modules name. Raises ImportError for one written for another interface."""
    if interface != INTERFACE:
        raise ImportError(
            f"this module was written for interface {interface} of odec.runtime, and the installed one has "
            f"{INTERFACE}: compile the model again, or write it with --standalone"
        )
    # only now, with torch: the compiler of models and its cache do without
    exports = importlib.import_module(".exports", __name__)
    globals().update({name: getattr(exports, name) for name in exports.__all__})


def __getattr__(name: str) -> Any:
    known = name.startswith("_") or importlib.util.find_spec(f"{__name__}.{name}") is not None
    if known or "Model" in globals():  # a file of this folder, which is imported as such
        raise AttributeError(f"odec.runtime has no {name!r}")
    needs(INTERFACE)
    return getattr(sys.modules[__name__], name)
