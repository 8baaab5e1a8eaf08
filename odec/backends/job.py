"""What a backend hands to the renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """A template (its path under templates/) and the values it is filled with."""

    template: str
    context: dict[str, Any]
