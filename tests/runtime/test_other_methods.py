"""The loops with implicit and Rosenbrock steps, and with auto, and Adams methods, against a whole module."""

import pytest
import torch
from engine_cases import AROUND, GROWING, PUSHED, TIMED, D, arguments, engines, hold
from tiers import each_once

from odec.runtime.engines import SQRT, How
from odec.runtime.steps import Steps, Tolerance

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

T = torch.tensor([0.1, 0.5, 0.5, 1.1, 1.7, 2.9], dtype=D)
STIFF = """
param k = 300
param a = 1
init x = 1
init y = 0
dx/dt = -k*(x - y)*(1 + x^2) + sin(t)
dy/dt = a*x - y
"""


@pytest.mark.parametrize(
    ("method", "text"),
    each_once(["rodas5p", "kvaerno5", "radau_iia5", "auto", "implicit_adams", "adams"], [PUSHED, TIMED]),
)
def test_fixed_steps(text, method):
    given = arguments(text, (3,), knots=AROUND)
    t = GROWING if "adams" in method else T
    hold(engines(text, method), t, *given, Steps(0.2), How(keep=SQRT), tolerance=1e-13)


@pytest.mark.parametrize(
    ("how", "text"),
    each_once(
        [
            ("rodas5p", True),
            ("rodas5p", False),
            ("kvaerno5", False),
            ("radau_iia5", True),
            ("auto", True),
            ("adams", False),
        ],
        [PUSHED, TIMED],
    ),
)
def test_steps_by_tolerance(text, how):
    method, dense = how
    steps = Steps(None, Tolerance(1e-5, (1e-8, 1e-7), dense=dense))
    hold(engines(text, method), T, *arguments(text, (3,)), steps, tolerance=1e-10)


def test_auto_takes_both_its_methods():
    steps = Steps(None, Tolerance(1e-4, (1e-7, 1e-7), dense=True))
    x0, p, series = arguments(STIFF, (2,))
    p[1, 0] = 1.0
    t = torch.linspace(0, 4, 9, dtype=D)
    run = hold(engines(STIFF, "auto"), t, x0, p, series, steps, tolerance=1e-8)
    by_stiff = run.kept[..., -2][run.kept[..., -3] != 0]
    assert 0 < by_stiff.sum() < by_stiff.numel()
