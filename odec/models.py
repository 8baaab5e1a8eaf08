"""The modules that `odec.load` compiled, by name: a pickle that names one finds it in the cache."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from odec.files import cached

__path__: list[str] = []


class _Cache:
    """Finds odec.models.NAME in the cache of compiled models."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, own = name.rpartition(".")
        if package != __name__:
            return None

        def absent() -> str:
            where = "compile it again (odec.load), and load a state_dict into its Model"
            raise ModuleNotFoundError(f"the compiled model {own} is in the cache no more: {where}", name=name)

        return importlib.util.spec_from_file_location(name, cached(own, absent))


sys.meta_path.append(_Cache())
