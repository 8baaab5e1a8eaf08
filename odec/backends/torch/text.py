"""Python's literals and tuples of them as text, broken where ruff would break them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from odec.backends.layout import WIDTH, tuple_text
from odec.backends.torch.arrays import column_names
from odec.passes.program import Layout
from odec.text import python_string


def literal(value: float) -> str:
    """A float as Python text."""
    if math.isfinite(value):
        return repr(float(value))
    return "math.nan" if math.isnan(value) else "math.inf" if value > 0 else "-math.inf"


def short_literal(value: float) -> str:
    """A float as Python text, a whole one without its point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e9 else literal(value)


def literal_tuple(names: Sequence[str]) -> str:
    """A tuple of strings as Python text; one a line where it does not fit."""
    texts = [python_string(name) for name in names]
    line = f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
    if len(line) <= WIDTH - len("OBSERVABLES = "):
        return line
    return "(\n" + "".join(f"    {text},\n" for text in texts) + ")"


def columns_tuple(values: Layout) -> str:
    """A tuple with a name for each column."""
    arrays = any(value.shape for value in values)
    return tuple_text(column_names(values), 0, "OBSERVABLES = ") if arrays else literal_tuple(values.names)


def numbers_in_a_call(numbers: Sequence[str]) -> str:
    """Numbers as a tuple; those that are alike throughout as a product."""
    if len(numbers) > 2 and len(set(numbers)) == 1:
        return f"({numbers[0]},) * {len(numbers)}"
    return tuple_text(numbers, 8, "atol=,")


def wrap(text: str, width: int = WIDTH) -> str:
    """A paragraph broken at the line width."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
