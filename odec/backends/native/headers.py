"""The names that the headers of C define, which no name of a model may have."""

from __future__ import annotations

import functools
import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "runtime" / "native" / "include"

_MACRO = r"^#define (\w+)"
_FUNCTION = r"^(?:\w+[ *]+)+(\w+)\("
_TYPE = r"^(?:typedef .*?|} )(\w+)(?:\[\w+\])?;"


@functools.cache
def words() -> frozenset[str]:
    """The names of the headers' macros, functions and types."""
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.h")]
    patterns = [re.compile(pattern, re.MULTILINE) for pattern in (_MACRO, _FUNCTION, _TYPE)]
    return frozenset(name for text in texts for pattern in patterns for name in pattern.findall(text))
