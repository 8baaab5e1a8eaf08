"""What the public objects say of themselves, and a run's numbers by name, as a table, a file, a picture."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import odec

FORCED = """input u linear
param k = 0.5 in (0, inf)
param batch = 1
init x = 2
dx/dt = -k*x + u*batch
obs double = 2*x
run t = 0 .. 1 step 0.25
"""
INPUTS = {"u": ([0.0, 1.0], [0.0, 0.1])}


@pytest.fixture(scope="module")
def run() -> odec.Simulation:
    return odec.simulate(FORCED, engine="torch", inputs=INPUTS)


def test_a_simulation_is_a_mapping(run: odec.Simulation) -> None:
    assert list(run) == list(run.keys()) == ["t", "x", "double"] and len(run) == 3
    assert "x" in run and "double" in run and "t" in run and "k" not in run and 3 not in run
    assert {name: column.shape for name, column in run.items()} == dict.fromkeys(run, (5,))
    assert run == run and run != odec.simulate(FORCED, engine="torch", inputs=INPUTS)
    assert run.get("y") is None


def test_a_derivative_goes_by_its_prime_too() -> None:
    run = odec.simulate("init x = 1\ninit x' = 0\nx'' = -x\nrun t = 0 .. 1 step 0.5", engine="torch")
    assert "x'" in run and "x''" not in run
    assert run["x'"] is not run["x"] and np.array_equal(run["x'"], run["dx_dt"])


def test_tables_of_one_run_and_of_a_batch(run: odec.Simulation, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(run.to_dataframe(), pd.DataFrame(dict(run)))
    assert list(run.to_dataframe(observables=False)) == ["t", "x"]
    run.to_csv(tmp_path / "run.csv")
    read = np.loadtxt(tmp_path / "run.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(read, run.to_dataframe())

    several = odec.simulate(
        FORCED, engine="torch", inputs=INPUTS, params={"k": [[1], [2]], "batch": [1, 2, 3]}
    )
    table = several.to_dataframe()
    assert list(table) == ["batch_0", "batch_1", "t", "x", "double"] and len(table) == 5 * 6
    for (i, j), rows in table.groupby(["batch_0", "batch_1"]):
        np.testing.assert_array_equal(rows["x"], several["x"][:, i, j])
        np.testing.assert_array_equal(rows["t"], several.times)
    assert list(pd.read_csv(io.StringIO(several.csv_text()))) == list(table)


def test_what_comes_after_a_failure_is_no_number() -> None:
    """A map that comes back from infinity, 1/(1 - 1), goes on from 1/∞ = 0: none of that is told."""
    text = "param k = 1\ninit x = 2\nx[t+1] = k/(x - 1)\nrun t = 0 .. 4\n"
    run = odec.simulate(text, params={"k": [1.0, 3.0]}, partial=True)
    assert run.status.ok.tolist() == [False, True]
    np.testing.assert_array_equal(run["x"][:, 0], [2, 1, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(run["x"][:, 1], [2, 3, 1.5, 6, 0.6], rtol=1e-15)


def test_a_name_of_the_model_keeps_its_column() -> None:
    text = "init batch = 1\ninit x = 1\ndbatch/dt = 1\ndx/dt = 0\nrun t = 0 .. 1 step 1 method euler\n"
    table = odec.simulate(text, engine="torch", init={"x": [1, 2]}).to_dataframe()
    assert list(table) == ["batch_", "t", "batch", "x"]
    assert table["batch_"].tolist() == [0, 0, 1, 1] and table["batch"].tolist() == pytest.approx([1, 2, 1, 2])


def test_a_run_draws_itself(run: odec.Simulation, tmp_path: Path) -> None:
    run.plot(tmp_path / "run.svg", show=["x"], y_log=True)
    assert "<svg" in (tmp_path / "run.svg").read_text()


def test_public_objects_are_told_in_a_few_lines(run: odec.Simulation) -> None:
    assert repr(run).splitlines()[:4] == [
        "Simulation of model: t = 0 .. 1 (5 times)",
        "  states (5, 1): x",
        "  observables (5, 1): double",
        "  inputs: u",
    ]
    assert repr(odec.parse(FORCED)).splitlines() == [
        "System model (model.ode): an ODE in t",
        "  states: x",
        "  params: k = 0.5 in (0, inf), batch = 1",
        "  inputs: u linear",
        "  observables: double",
    ]
    wide = "".join(f"init x{k} = 1\ndx{k}/dt = -x{k}\n" for k in range(500))
    told = repr(odec.parse(wide))
    assert len(told) < 300 and "x11, … (500 in all)" in told


def test_a_fit_is_told_as_its_table() -> None:
    data = {"t": [0.0, 1.0, 2.0], "x": [2.0, 1.0, 0.5]}
    result = odec.fit("param k = 1\ninit x = 2\ndx/dt = -k*x\n", data, engine="torch", epochs=1)
    assert result.table().strip() in repr(result) and len(repr(result)) < 1000
    assert isinstance(result, odec.FitResult)
    assert result._repr_html_() == f"<pre>{repr(result)}</pre>"


def test_what_a_notebook_shows_is_escaped() -> None:
    source = odec.Source("<script>a</script>.ode", "init x = 1\ndx/dt = -x\n")
    shown = odec.parse(source)._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;a&lt;/script&gt;.ode" in shown


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_runs_are_pickled_and_copied(engine: str) -> None:
    """Without what an engine holds: kernels, and the addresses of a call's arguments."""
    run = odec.simulate("init x = 1\nx' = x**2\n", [0, 0.5, 2], partial=True, method="tsit5", engine=engine)
    for again in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        assert np.array_equal(again.states, run.states, equal_nan=True) and again.system == run.system
        assert repr(again.status) == repr(run.status) and "state x forces the step" in repr(run.status)
        assert again.status.failures == run.status.failures


def test_the_keywords_of_fit_are_shown() -> None:
    import odec.fit.data

    assert {"optimizer", "fix", "rtol", "inputs", "resume"} <= set(inspect.signature(odec.fit).parameters)
    assert "optimizer: " in inspect.getdoc(odec.fit)
    assert odec.fit.data.Dataset is odec.fit.Dataset
    assert issubclass(odec.DataError, ValueError)
