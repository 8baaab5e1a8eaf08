"""How the public objects say in a few lines what they are."""

from __future__ import annotations

import html
from collections.abc import Iterable

_MOST = 12


def listed(names: Iterable[str], most: int = _MOST) -> str:
    """Names with commas; of many the first, and how many more there are."""
    names = list(names)
    rest = f", … ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def as_html(text: str) -> str:
    """Text as a notebook shows it: as it is, whatever stands in it."""
    return f"<pre>{html.escape(text)}</pre>"
