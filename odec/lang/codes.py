"""The catalogue of diagnostics, `odec/codes.md`: one section per code."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_CATALOGUE = Path(__file__).parent.parent / "codes.md"


@cache
def _sections() -> dict[str, str]:
    text = _CATALOGUE.read_text(encoding="utf-8")
    parts = re.split(r"^#+ ", text, flags=re.MULTILINE)
    return {part[:4]: f"## {part.strip()}\n" for part in parts if re.match(r"[EW]\d{3} ", part)}


def explain(code: str) -> str | None:
    """The section about a code (any case), as Markdown; None for a code that does not exist."""
    return _sections().get(code.upper())


def all_codes() -> tuple[str, ...]:
    """Every code, in order."""
    return tuple(sorted(_sections()))
