"""The headers of C that kernels have in common, and a kernel's text with them in place."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "runtime" / "native" / "include"
_INCLUDE = re.compile(r'^#include "(odec/\w+\.h)"\n', re.MULTILINE)


def expanded(source: str) -> str:
    """A text whose lines `#include "odec/…"` are the headers themselves, so that it stands alone."""
    return _INCLUDE.sub(lambda m: expanded((FOLDER / m[1]).read_text(encoding="utf-8")), source)
