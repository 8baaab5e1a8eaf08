"""What a backend hands to the renderer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from odec.methods import MAP
from odec.passes.program import Programs


@dataclass(frozen=True)
class Job:
    """A template (its path under templates/) and the values it is filled with."""

    template: str
    context: dict[str, Any]


def of_the_model(programs: Programs, version: str) -> dict[str, Any]:
    """What every template knows of a model, and of the odec that writes it.

    widths: how many columns each group has.
    """
    system, layouts = programs.system, programs.layouts
    return {
        "version": version,
        "system": system,
        "source_name": PurePath(system.source.name).name,
        "is_map": system.kind == MAP,
        "widths": {name: layout.width for name, layout in layouts.items()},
        "states": programs.shown,
        "hidden": programs.hidden,
        "observables": programs.observables,
    }
