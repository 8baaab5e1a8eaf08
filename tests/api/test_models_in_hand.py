"""Runs of a Model and of a fit as they stand, inputs in their forms, and Models in other processes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import odec

ROOT = Path(odec.__file__).parents[1]
TEXT = """input u linear
param k = 0.5 in (0, inf)
param m = 1
init x = 2
init y = x/2
dx/dt = -k*x + u*m
dy/dt = -y
obs double = 2*x
run t = 0 .. 1 step 0.25
"""
DATA = {"t": [0.0, 1.0], "x": [2.0, 1.5]}


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    net: torch.nn.Module = odec.load(TEXT, engine="torch").Model(params={"k": 0.8})
    return net


def test_a_fit_is_simulated_as_it_was_fitted() -> None:
    result = odec.fit(TEXT, DATA, inputs={"u": 1}, fix=["m"], engine="torch")
    run = odec.simulate(result)
    assert run["x"][-1] == pytest.approx(1.5, abs=1e-6) and run.times[-1] == 1
    np.testing.assert_array_equal(run.inputs["u"][1], [1.0])
    other = odec.simulate(result, [0, 0.5], method="rk4", dt=0.01, engine="torch")
    assert other.summary.startswith("rk4") and other["x"][1] == pytest.approx(run["x"][2], rel=1e-6)
    np.testing.assert_allclose(odec.simulate(result, init={"x": [1, 3]}).states[0], [[1, 0.5], [3, 1.5]])


def test_a_model_is_simulated_as_it_stands(net: torch.nn.Module) -> None:
    run = odec.simulate(net, inputs={"u": 1})
    expected = odec.simulate(TEXT, inputs={"u": 1}, params={"k": 0.8}, engine="torch")
    np.testing.assert_allclose(run.states, expected.states, rtol=1e-12)
    batch = odec.simulate(net, [0, 1], inputs={"u": 1}, params={"m": [0, 1]}, init={"x": 3})
    assert batch.states.shape == (2, 2, 2) and batch["x"][1, 0] == pytest.approx(3 * np.exp(-0.8), rel=1e-5)
    with pytest.raises(odec.ArgumentError, match="rtol, method: to be set on the Model"):
        odec.simulate(net, inputs={"u": 1}, rtol=1e-8, method="rk4")
    with pytest.raises(odec.ArgumentError, match="k = -1 lies outside"):
        odec.simulate(net, inputs={"u": 1}, params={"k": -1})


def test_a_model_whose_text_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "compiled_alone.py").write_text(odec.compile(TEXT, method="tsit5"))
    import compiled_alone

    net = compiled_alone.Model()
    run = odec.simulate(net, [0, 1], inputs={"u": 1}, init={"x": 3, "y": [1, 2]})
    assert run.states.shape == (2, 2, 2) and run.system is None
    with pytest.raises(odec.ArgumentError, match="init takes all its states, x, y, or none"):
        odec.simulate(net, [0, 1], inputs={"u": 1}, init={"x": 3})
    assert np.array_equal(
        odec.simulate(net, inputs={"u": 1}).times, odec.simulate(TEXT, inputs={"u": 1}).times
    )
    with pytest.raises(odec.ArgumentError, match="unknown parameter 'n'"):
        odec.simulate(net, [0, 1], inputs={"u": 1}, params={"n": 3})


def test_inputs_in_their_forms(tmp_path: Path, net: torch.nn.Module) -> None:
    path = tmp_path / "u.csv"
    path.write_text("time,u\n0,1\n0.4,3\n1,2\n")
    times, values = [0, 0.4, 1], [1, 3, 2]
    frame = pd.DataFrame({"time": times, "rate": values})
    forms = [(times, values), pd.Series(values, times), path, str(path), frame]
    semicolons = tmp_path / "semicolons.csv"
    semicolons.write_text("# pump; log\nTime (s);u\n0;1\n0,4;3\n1;2\n")
    forms.append(semicolons)
    runs = [odec.simulate(net, inputs={"u": form}).states for form in forms]
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])
    losses = {odec.fit(TEXT, DATA, inputs={"u": form}, engine="torch", epochs=2).loss for form in forms[:3]}
    assert len(losses) == 1
    path.write_text("0,1 mg\n0.4,2\n")
    with pytest.raises(odec.ArgumentError, match=r"u.csv:1: two numbers, a time and a value, not '0,1 mg'"):
        odec.simulate(net, inputs={"u": path})
    path.write_text("time,u\n0,1\n0.4,\n")
    with pytest.raises(odec.ArgumentError, match=r"u.csv:3: two numbers, a time and a value, not '0.4,'"):
        odec.simulate(net, inputs={"u": path})
    path.write_bytes(b"time,u\n0,\xff\n")
    with pytest.raises(odec.ArgumentError, match=r"u.csv, line 2: the file is not UTF-8"):
        odec.simulate(net, inputs={"u": path})


def test_what_would_be_read_as_something_else_is_refused(net: torch.nn.Module) -> None:
    lengths = pd.to_timedelta([0, 30], unit="min")
    with pytest.raises(
        odec.ArgumentError, match="the times of input 'u' must be numbers: dates and durations"
    ):
        odec.simulate(net, inputs={"u": pd.Series([1.0, 2.0], lengths)})
    with pytest.raises(odec.ArgumentError, match="times must be numbers: dates and durations are none"):
        odec.simulate(net, lengths, inputs={"u": 1})
    with pytest.raises(odec.DataError, match="row 0: .* is not a number: dates and durations are none"):
        odec.fit(TEXT, {"t": lengths, "x": [1, 2]}, inputs={"u": 1}, engine="torch")
    with pytest.raises(odec.ArgumentError, match="a DataFrame has two columns here, times and values"):
        odec.simulate(net, inputs={"u": pd.DataFrame({"a": [0, 1], "b": [0, 1], "c": [0, 1]})})
    with pytest.raises(odec.ArgumentError, match="times= says all outputs: leave out t1= and step="):
        odec.simulate(net, [0, 1], t1=2, inputs={"u": 1})
    with pytest.raises(odec.ArgumentError, match=r"'x' is a state: init=\{'x': …\} sets where it starts"):
        odec.simulate(TEXT, params={"x": 1}, inputs={"u": 1}, engine="torch")


def test_a_frozen_parameter_stays_in_a_fit() -> None:
    net = odec.load(TEXT, engine="torch").Model(params={"m": 0.9}).freeze("m")
    result = odec.fit(net, DATA, inputs={"u": 1})
    assert result.values["m"] == 0.9 and result.fixed == ("m",) and result.values["k"] != 0.5


@pytest.mark.slow
def test_a_pickled_model_of_the_cache_runs_in_another_process(net: torch.nn.Module, tmp_path: Path) -> None:
    """It names its module, which is found there without a word of odec in that process."""
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(net))
    script = "import pickle; net = pickle.load(open('net.pkl', 'rb')); print(net.k.item())"

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        words = [sys.executable, "-c", script]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert float(run().stdout) == pytest.approx(0.8)
    elsewhere = run(ODEC_CACHE_DIR=str(tmp_path / "empty"))
    assert "is in the cache no more: compile it again" in elsewhere.stderr


def test_a_model_in_hand_is_told_of_steps_that_are_too_long() -> None:
    text = "param k = 1\ninit x = 1\nx' = -k*x\nrun t = 0 .. 5 step 1 method euler dt 1\n"
    own = odec.load(text, engine="torch").Model(params={"k": 0.5})
    with pytest.warns(odec.AccuracyWarning, match="euler, 5 steps of 1: halving the step moves x by 7 %"):
        odec.simulate(own)
    assert own.dt == 1 and own.status is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        odec.simulate(own, check=False)
