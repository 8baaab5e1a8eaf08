"""What is asked of steps means what it means in the modules that hold their whole run-time."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from thin_modules import compiled_of, module_of

from odec.methods import AUTO, METHODS
from odec.runtime.steps import DENSE_METHODS, Steps, Tolerance

PLAIN = "param k = 1\ninit x = 2\ninit y = 1e-8\ndx/dt = -k*x\ndy/dt = x - y\n"
RUN = PLAIN + "run t = 0 .. 1 step 0.25 dt 0.1\n"
TIMED = "param k = 1\ninit x = 2\ndx/dt = -k*x + (if t > 0.5 then 1 else 0)\nrun t = 0 .. 24 step 0.24\n"
NUMBERS = (None, 0.1, -1, "a", math.nan, math.inf, [1e-3, 1e-4], torch.tensor(0.5), 1e-18)
OPTIONS = [
    {},
    *({name: value} for name in ("dt", "rtol", "atol", "clip") for value in NUMBERS if value is not None),
    *({"rtol": 1e-3, f"{name}_step": value} for name in ("first", "min", "max") for value in NUMBERS[1:]),
    *({"rtol": 1e-3, "max_steps": value} for value in (0, 7, "many", 2.5)),
    *({name: value} for name, value in (("first_step", 0.1), ("max_step", 2), ("max_steps", 5))),
    *({"dt": 0.1, name: value} for name, value in (("first_step", 0.1), ("dense_output", True))),
    {"dt": 0.1, "rtol": 1e-3}, {"dense_output": True}, {"dense_output": True, "atol": 1e-6},
    {"min_step": 0.3, "max_step": 0.2, "rtol": 1e-4}, {"atol": [1e-6, 1e-5, 1e-4]},
    *({"adjoint": kind} for kind in ("continuous", "autograd", "none", "exact")),
    {"adjoint": "continuous", "adjoint_rtol": 1e-7}, {"adjoint_atol": 1e-7},
    {"adjoint": "continuous", "adjoint_rtol": -1},
    {"adjoint": "continuous", "rtol": 1e-3, "adjoint_atol": [1, -1]},
    {"adjoint": "continuous", "dt": 0.1, "adjoint_atol": 1e-3}, {"adjoint": "x", "adjoint_atol": 1e-3},
]  # fmt: skip
FIXED = ("dt", "clip", "adjoint")


def outcome(make):
    """What it gives, or what it says."""
    try:
        return make()
    except ValueError as error:
        return str(error)


def told(net):
    """The numbers of the steps of an old Model."""
    control = getattr(net, "control", ())
    clip = math.inf if net.clip is None else net.clip
    if not control:
        return [clip, net.dt]
    n = (len(control) - 6) if net.adjoint != "continuous" else (len(control) - 7) // 2
    first, least, longest, most, dense, rtol, *rest = control
    return [clip, first, least, longest, most, dense, rtol, float(n), *rest]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("text", [PLAIN, RUN, TIMED], ids=["plain", "run", "timed"])
@pytest.mark.parametrize("method", ["rk4", "tsit5", "kvaerno5", "rodas5p", "auto", "adams", "explicit_adams"])
def test_options(text, method, dtype):
    """Of a model that switches in time as if steps landed on no switch, which they did of none."""
    module, compiled = module_of(text, method), compiled_of(text, method)
    if text is TIMED:
        compiled = replace(compiled, defaults=replace(compiled.defaults, longest=0.024))
    adaptive = compiled.adaptive
    asked = OPTIONS if adaptive else [o for o in OPTIONS if all(name in FIXED for name in o)]
    if not compiled.continuous:
        asked = [o for o in asked if "adjoint_rtol" not in o and "adjoint_atol" not in o]
    for options in asked:
        options = {"dense_output": False, **options} if adaptive else options  # None was not known
        old = outcome(lambda options=options: told(module.Model(dtype=dtype, **options)))
        new = outcome(lambda options=options: Steps.of(compiled, dtype, **options).numbers())
        assert old == new, options


def test_a_map():
    compiled = compiled_of("param a = 1\ninit x = 1\nx[t+1] = a*x\n", None)
    assert Steps.of(compiled, torch.float64) == Steps()
    with pytest.raises(
        ValueError, match="adjoint is discrete, autograd or none, not 'continuous'; a map has no"
    ):
        Steps.of(compiled, torch.float64, adjoint="continuous")


def test_a_fixed_step_method_takes_no_tolerance():
    compiled = compiled_of(RUN, "rk4")
    for options in ({"rtol": 1e-3}, {"max_steps": 5}, {"dense_output": True}, {"min_step": 0.1}):
        with pytest.raises(ValueError, match="rk4 takes fixed steps: it has no error estimate"):
            Steps.of(compiled, torch.float64, **options)


@pytest.mark.parametrize("adjoint", [(), (1e-5, 1e-6, 1e-7)])
def test_numbers_there_and_back(adjoint):
    pace = [Tolerance(1e-3, (1e-6, 1e-7), 0.1, 0.0, math.inf, 17, dense, adjoint) for dense in (False, True)]
    for clip, (dt, tolerance) in itertools.product(
        (None, 3.0), [(0.1, None), (None, pace[0]), (None, pace[1])]
    ):
        steps = Steps(dt, tolerance, clip)
        assert Steps.from_numbers(steps.numbers()) == steps


def test_the_methods_that_messages_name():
    assert tuple(method.name for method in (*METHODS.values(), AUTO) if method.dense_order) == DENSE_METHODS
