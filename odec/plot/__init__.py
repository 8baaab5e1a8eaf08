"""Pictures of curves, as PNG, SVG or PDF: the same numbers give the same file."""

from __future__ import annotations

from odec.plot.captions import ended_early, title_of, units_of
from odec.plot.curves import MOST_TRAJECTORIES, Series, View, inputs_of, spans_decades
from odec.plot.figure import draw, labelled

__all__ = [
    "MOST_TRAJECTORIES",
    "Series",
    "View",
    "draw",
    "ended_early",
    "inputs_of",
    "labelled",
    "spans_decades",
    "title_of",
    "units_of",
]
