"""Options of a fit, and of a simulation, of a type that they cannot be of: told in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import odec
from odec.fit.options import Options
from odec.steps import StepRequest

FED = "input u linear\nparam w = 1\ninit x = 2\ndx/dt = -w*x + u\nrun t = 0 .. 2\n"
DATA = {"t": [0, 1, 2], "x": [2.0, 1.0, 0.5]}
INPUTS = {"u": ([0.0, 2.0], [0.0, 0.1])}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": "fast", "optimizer": "adam"}, "lr must be a number, not 'fast'"),
        ({"t0": "now"}, "t0 must be a number, not 'now'"),
        ({"clip": 1j}, "clip must be a number, not 1j"),
        ({"epochs": "all"}, "epochs must be a number, not 'all'"),
        ({"seed": "a"}, "seed must be a number, not 'a'"),
        ({"atol": [1e-3, None]}, "atol must be a number, not None"),
        ({"adjoint_atol": "tiny"}, "adjoint_atol must be a number, not 't'"),
        ({"fix": 3}, "fix takes names of parameters, not 3"),
        ({"set": [1.0]}, "set must be given by name, like {'k': 0.5}, not as list"),
        ({"set": {"w": None}}, "the start value of 'w' must be a number, not None"),
        ({"inputs": [1.0]}, "inputs must be given by name, like {'u': (times, values)}, not as list"),
        (
            {"inputs": {"u": [3]}},
            "input 'u' needs a number, a pandas Series, a path or a pair, (times, values), not [3]",
        ),
        ({"inputs": {"u": ([0, 1], [0, 1j])}}, "input 'u' must be real, not complex"),
        ({"inputs": {"u": (["a"], [0])}}, "the times of input 'u' must be a number, or an array of numbers"),
        ({"method": 3}, "unknown method 3; known: euler, "),
        ({"engine": 3}, "unknown engine 3; known: torch, native"),
        ({"resume": 3}, "resume is the path of a fit.json, not 3"),
    ],
)
def test_a_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(odec.ArgumentError) as told:
        odec.fit(FED, DATA, **{"inputs": INPUTS, **options})
    assert str(told.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"t0": "now"}, "t0 must be a number, not 'now'"),
        ({"t1": 1j}, "t1 must be a number, not 1j"),
        ({"step": []}, "step must be a number, not []"),
        ({"params": [1.0]}, "params must be given by name, like {'k': 0.5}, not as list"),
        ({"init": 3}, "init must be given by name, like {'k': 0.5}, not as int"),
        ({"inputs": 3}, "inputs must be given by name, like {'u': (times, values)}, not as int"),
        ({"method": 3}, "unknown method 3; known: euler, "),
    ],
)
def test_a_simulation(options: dict[str, Any], message: str) -> None:
    with pytest.raises(odec.ArgumentError) as told:
        odec.simulate(FED, **{"inputs": INPUTS, **options})
    assert str(told.value).startswith(message)


def test_numbers_of_numpy_and_torch_are_numbers(tmp_path: Path) -> None:
    options = {"lr": np.float32(0.25), "epochs": np.int64(3), "seed": torch.tensor(1), "t0": np.float64(0)}
    options |= {"rtol": np.float64(1e-6), "atol": np.array(1e-8), "set": {"w": np.float32(0.5)}}
    found = odec.fit(FED, DATA, inputs=INPUTS, optimizer="adam", method="tsit5", **options)
    assert len(found.losses) == 4 and found.start["w"] == 0.5
    found.save(tmp_path / "fit.json")
    kept = json.loads((tmp_path / "fit.json").read_text())["options"]
    assert (kept["lr"], kept["epochs"], kept["seed"], kept["t0"]) == (0.25, 3, 1, 0)
    assert (kept["rtol"], kept["atol"], kept["set"]) == (1e-6, 1e-8, {"w": 0.5})


def test_options_are_kept_under_the_keywords_that_were_given() -> None:
    given: dict[str, Any] = {"optimizer": "adam", "lr": 0.1, "dt": 0.5, "max_steps": 7, "method": "rk4"}
    options = Options.of({**given, "atol": np.array([1e-9, 1e-8]), "rtol": None, "data": "no option"})
    assert options.given == {**given, "atol": [1e-9, 1e-8]}
    assert list(options.given) == ["optimizer", "lr", "dt", "atol", "max_steps", "method"]
    assert options.steps == StepRequest(dt=0.5, atol=(1e-9, 1e-8), max_steps=7)
    assert Options.of(options.given) == options
