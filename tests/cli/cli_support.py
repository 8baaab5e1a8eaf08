"""A small model, and the type of the fixture that runs odec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

DECAY = """\
# Decay of one substance.
time t : h
param k = 0.5 in (0, inf) : 1/h  # rate
init x = x0
init y = 2*x
param x0 = 4 in (0, inf)
dx/dt = -k*x
dy/dt = 0
obs half = x/2
run t = 0 .. 2 step 0.5 method rk4
"""

Run = Callable[..., Result]
