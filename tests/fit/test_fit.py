"""Fits from end to end, against fits that odec did not compute."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from fit_models import (
    COMPETITION,
    COMPETITION_DATA,
    COMPETITION_LOSS,
    COMPETITION_VALUES,
    DECAY,
    INFLUENZA,
    INFLUENZA_DATA,
    INFLUENZA_LOSS,
    INFLUENZA_VALUES,
    LYNX_HARE,
    LYNX_HARE_DATA,
    LYNX_HARE_LOSS,
    LYNX_HARE_VALUES,
    decay_data,
    saved,
)
from tiers import slow_but_for

import odec
from odec.errors import ArgumentError, DataError, SimulationError
from odec.fit.result import FitResult, step_times


@pytest.fixture(scope="module")
def competition() -> FitResult:
    return odec.fit(COMPETITION, COMPETITION_DATA)


def test_competition_reaches_its_optimum(competition: FitResult) -> None:
    assert competition.converged
    assert competition.losses[0] == pytest.approx(915369.64, abs=0.005)
    assert competition.loss == pytest.approx(COMPETITION_LOSS, rel=1e-9)
    assert competition.values == pytest.approx(COMPETITION_VALUES, rel=1e-5)
    assert competition.losses[-1] == competition.loss
    assert len(competition.losses) == competition.epochs + 1


@pytest.mark.parametrize("options", [{"transforms": "none"}, {"dtype": "float32"}])
def test_competition_in_other_coordinates_and_precision(options: dict[str, str]) -> None:
    result = odec.fit(COMPETITION, COMPETITION_DATA, **options)
    assert result.converged
    single = "dtype" in options
    assert result.loss == pytest.approx(COMPETITION_LOSS, rel=2e-4 if single else 1e-9)
    assert result.values == pytest.approx(COMPETITION_VALUES, rel=1e-3 if single else 1e-5)


def test_the_published_recipe() -> None:
    recipe = {"optimizer": "adam", "lr": 1e-4, "transforms": "none", "clip": 1e5}
    result = odec.fit(COMPETITION, COMPETITION_DATA, epochs=300, **recipe)
    assert result.losses[0] == pytest.approx(915369.64, abs=0.005)
    assert result.losses[300] == pytest.approx(3484.83, abs=0.005)
    assert result.loss == min(result.losses)
    assert not result.converged


def test_lynx_hare() -> None:
    result = odec.fit(LYNX_HARE, LYNX_HARE_DATA)
    assert result.converged
    assert result.loss == pytest.approx(LYNX_HARE_LOSS, rel=1e-4)
    assert result.values == pytest.approx(LYNX_HARE_VALUES, rel=1e-4)


def test_influenza() -> None:
    result = odec.fit(INFLUENZA, INFLUENZA_DATA)
    assert result.converged
    assert result.loss == pytest.approx(INFLUENZA_LOSS, rel=1e-4)
    assert result.values == pytest.approx(INFLUENZA_VALUES, rel=1e-4)


def test_data_that_are_met_exactly() -> None:
    result = odec.fit(DECAY, decay_data())
    assert result.message == "converged: the data are met to rounding"
    assert result.values["k"] == pytest.approx(1, rel=1e-10)
    assert result.net.k.item() == pytest.approx(1, rel=1e-10)


def test_a_map() -> None:
    text = "param r = 1.5\nparam K = 80 in (0, inf)\ninit N = 20\nN[t+1] = N[t]*exp(r*(1 - N[t]/K))\n"
    n = [20.0]
    for _ in range(5):
        n.append(n[-1] * np.exp(1.2 * (1 - n[-1] / 100)))
    result = odec.fit(text, {"t": range(6), "N": n})
    assert result.values == pytest.approx({"r": 1.2, "K": 100}, rel=1e-8)


def test_an_input_drives_the_fit() -> None:
    """x' = u - k x with u = 2, then 0: x = 2 (1 - e^-kt)/k up to t = 1."""
    text = "input u hold\nparam k = 0.3 in (0, inf)\ninit x = 0\ndx/dt = u - k*x\nrun t = 0 .. 2 step 0.01\n"
    t = np.array([0.5, 1.0, 2.0])
    x = 2 * (1 - np.exp(-0.7 * np.minimum(t, 1))) / 0.7 * np.exp(-0.7 * np.maximum(t - 1, 0))
    frame = {"t": [0, *t], "x": [np.nan, *x], "u": [2, np.nan, 0, np.nan]}
    assert odec.fit(text, frame).values["k"] == pytest.approx(0.7, rel=1e-2)
    series = {"u": ([0, 1], [2, 0])}
    assert odec.fit(text, {"t": t, "x": x}, inputs=series).values["k"] == pytest.approx(0.7, rel=1e-2)
    with pytest.raises(ArgumentError, match=r"the input 'u' has no values: give it a column in the data"):
        odec.fit(text, {"t": t, "x": x})
    with pytest.raises(ArgumentError, match="unknown input 'U': did you mean 'u'"):
        odec.fit(text, {"t": t, "x": x}, inputs={"U": ([0], [1])})


def test_path_system_module_and_model_give_one_fit(tmp_path: Path) -> None:
    path = saved(tmp_path, DECAY)
    module = odec.load(path)
    net = module.Model()
    results = [odec.fit(model, decay_data()) for model in (path, str(path), odec.parse(path), module, net)]
    assert (
        len({tuple(result.values.items()) for result in results}) <= 2
    )  # a Model's default is rounded once more
    for result in results:
        assert result.values == pytest.approx(results[0].values, rel=1e-12)
    assert results[-1].net is net
    assert net.k.item() == pytest.approx(1, rel=1e-10)
    with pytest.raises(ArgumentError, match="dt: to be set where the Model is made"):
        odec.fit(net, decay_data(), dt=0.1)
    assert {Path(result.name).name for result in results} == {"model.ode"}
    assert (
        results[-1].ode_text() == pytest.approx(results[0].ode_text()) or "param k" in results[-1].ode_text()
    )
    with pytest.raises(ArgumentError, match="this is not a Model that odec wrote"):
        odec.fit(torch.nn.Linear(1, 1), decay_data())


def test_fix_and_set(competition: FitResult) -> None:
    result = odec.fit(COMPETITION, COMPETITION_DATA, fix=["iN1", "iN2"], set={"iN1": 2e-3, "iN2": 3e-3})
    assert (result.values["iN1"], result.values["iN2"]) == (2e-3, 3e-3)
    assert result.fixed == ("iN1", "iN2")
    assert competition.loss < result.loss < 1.5
    assert odec.fit(DECAY, decay_data(), set={"k": 2}, epochs=0).values == {"k": 2.0}


def test_epochs_bound_the_run() -> None:
    result = odec.fit(COMPETITION, COMPETITION_DATA, epochs=5)
    assert (result.epochs, result.converged) == (5, False)
    assert result.message.startswith("stopped at the last epoch, before a minimum was found: a Gauss-Newton")
    assert result.message.endswith("; --epochs (epochs= from Python) takes more")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "adm"}, ArgumentError, "unknown optimizer 'adm': did you mean 'adam'"),
        ({"transforms": "log"}, ArgumentError, "unknown transforms 'log'; known: model, none"),
        ({"dtype": "float16"}, ArgumentError, "unknown dtype 'float16'"),
        ({"lr": 0.1}, ArgumentError, "lr belongs to the optimizer adam"),
        ({"lr": -1, "optimizer": "adam"}, ArgumentError, "lr must be a positive number, not -1"),
        ({"epochs": -1}, ArgumentError, "epochs must be a whole number"),
        ({"fix": ["k"]}, ArgumentError, "every parameter is fixed: there is nothing to fit"),
        ({"fix": "kk"}, ArgumentError, "fix: unknown parameter 'kk': did you mean 'k'"),
        ({"set": {"k": "one"}}, ArgumentError, "the start value of 'k' must be a number, not 'one'"),
        (
            {"set": {"k": -1.0}},
            ArgumentError,
            r"the start value -1 of 'k' lies outside its bounds \(0, inf\)",
        ),
        ({"method": "rk5"}, ArgumentError, "unknown method 'rk5'"),
        ({"dt": -1.0}, ArgumentError, "the model cannot be made: dt"),
        ({"t0": 1.0}, DataError, "the time 0 lies before 1, t0"),
    ],
)
def test_options_that_do_not_fit(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        odec.fit(DECAY, decay_data(), **options)


def test_a_start_that_cannot_be_simulated() -> None:
    text = "param k = 60\ninit x = 1\ndx/dt = x**2*k\nrun t = 0 .. 4 method euler dt 0.5\n"
    with pytest.raises(
        SimulationError, match="from the start values fails: .*state x left the finite numbers"
    ):
        odec.fit(text, {"t": [40], "x": [1.0]})


def test_a_model_without_a_run_line() -> None:
    text = "param k = 0.5 in (0, inf)\ninit x = 2\ndx/dt = -k*x\n"
    data = {"t": [1, 1.02, 1.04], "x": 2 * np.exp([0, -0.02, -0.04])}
    result = odec.fit(text, data)
    assert result.values["k"] == pytest.approx(1, rel=1e-6) and result.notes == ()
    result = odec.fit(text, data, method="rk4")
    assert result.values["k"] == pytest.approx(1, rel=1e-6)
    assert result.notes == ("no dt is given (in the `run` line, or --dt): steps of at most 4e-05 were taken",)
    assert odec.fit(text, {"t": [1, 2], "x": [2, 1]}, method="rk4", dt=0.25).notes == ()


def test_what_is_noted() -> None:
    text = "param k = 0 in [0, inf)\nparam idle = 1\ninit x = 1\ndx/dt = -k*x + 0*idle\nrun t = 0 .. 4\n"
    result = odec.fit(text, {"t": [1, 2], "x": [0.8, 0.7]}, method="rk4", dt=0.5)
    assert result.values["idle"] == 1
    assert result.notes == (
        "k starts on its bound 0, where it cannot move; taken as 0.001",
        "idle has no effect on what was measured at 1; it stays at its start",
    )
    assert result.values["k"] > 0.1
    grows = odec.fit(text, {"t": [1, 2], "x": [1.1, 1.2]}, fix=["idle"], set={"k": 1}, method="rk4", dt=0.5)
    assert any(note == "k has run onto its bound 0" for note in grows.notes), grows.notes
    free = odec.fit(
        text, {"t": [1, 2], "x": [1.1, 1.2]}, fix=["idle"], transforms="none", method="rk4", dt=0.5
    )
    assert free.values["k"] < 0
    assert any("k has left its bounds [0, inf)" in note for note in free.notes)
    with pytest.raises(
        ArgumentError, match=r"cannot be written: k = -0\.\d+ lies outside its interval \[0, inf\)"
    ):
        free.ode_text()


@pytest.mark.parametrize("given", ["text", "module", "Model"])
@pytest.mark.parametrize("via", ["", " via none"])
def test_values_beyond_their_bounds_are_noted(given: str, via: str) -> None:
    """Whatever of a model is fitted, and whether the fit or the model leaves the bounds to themselves."""
    text = f"param k = 0.5 in (0, 1){via}\ninit x = 1\ndx/dt = -k*x\nrun t = 0 .. 3\n"
    data = {"t": [0, 1, 2, 3], "x": np.exp(-1.7 * np.arange(4))}
    model: Any = text if given == "text" else odec.load(text)
    result = odec.fit(model.Model() if given == "Model" else model, data, transforms="none")
    assert result.values["k"] == pytest.approx(1.7, rel=1e-5)
    keeps = "without `via none` a fit keeps them" if via else "transforms 'model' keeps them"
    assert result.notes == (f"k has left its bounds (0, 1): {keeps}",)
    with pytest.raises(ArgumentError, match=r"k = 1\.7 lies outside its interval \(0, 1\)"):
        result.ode_text()


def imported(path: Path, text: str) -> ModuleType:
    """A module that stands in a file and that no text is known of."""
    path.write_text(odec.compile(text))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_a_module_is_fitted_as_its_text(tmp_path: Path) -> None:
    """From the start of the run line, by the name and unit of the time, with what is said of the noise."""
    text = "time tau : h\nparam k = 0.5\ninit x = 1\ndx/dtau = -k*x\nobs y = x ~ {}\nrun tau = 1 .. 3\n"
    data = {"other": [1.0, 2.0], "tau (min)": [2.0, 3.0], "y": np.exp(-0.7 * np.array([1.0, 2.0]))}
    plain = text.format("normal(1)")
    for module in (odec.load(plain), imported(tmp_path / "fit_constant.py", plain)):
        for model in (module, module.Model()):
            with pytest.raises(DataError, match="other"):
                odec.fit(model, data)
            result = odec.fit(model, {name: data[name] for name in ("tau (min)", "y")})
            assert result.values["k"] == pytest.approx(0.7, rel=1e-6)
            assert "multiply them by 0.0166667" in result.notes[0]
        runs = [odec.simulate(module.Model(), **asked) for asked in ({}, {"times": [2, 3]})]
        assert [(run.time_name, run.times[0], len(run.times)) for run in runs] == [
            ("tau", 1, 101),
            ("tau", 2, 2),
        ]
        assert runs[1]["x"][0] == pytest.approx(np.exp(-0.5), rel=1e-5)
    other = text.format("lognormal(1)")
    for module in (odec.load(other), imported(tmp_path / "fit_lognormal.py", other)):
        for model in (module, module.Model()):
            with pytest.raises(
                ArgumentError, match="line 5: the noise of y is lognormal, which a fit does not"
            ):
                odec.fit(model, {name: data[name] for name in ("tau (min)", "y")})


def test_the_table(competition: FitResult) -> None:
    lines = competition.table().splitlines()
    assert lines[0].split() == ["parameter", "start", "fitted", "±", "error", "95", "%", "interval"]
    assert re.fullmatch(r"r1 +0\.1 +0\.0995784 +± 0\.001616 +\[0\.0956\d+, 0\.1036\d+\] +1/day", lines[2])
    assert "sum of squares 0.696644 over 12 measurements (at the start 915370)" in lines
    assert re.fullmatch(r"converged: the .* \(\d+ epochs, from one start\)", lines[-1])
    fixed = odec.fit(COMPETITION, COMPETITION_DATA, fix=["r1"], epochs=0)
    assert fixed.table().splitlines()[2].split() == ["r1", "0.1", "0.1", "1/day", "fixed"]


def test_fit_json(tmp_path: Path, competition: FitResult) -> None:
    competition.save(tmp_path / "fit.json")
    found = json.loads((tmp_path / "fit.json").read_text())
    assert found["values"] == competition.values
    assert found["losses"] == competition.losses
    assert found["options"] == {"optimizer": "lbfgs", "transforms": "model", "dtype": "float64"}
    assert found["model"]["sha256"] == odec.parse(COMPETITION).digest
    assert len(found["data"]["sha256"]) == 64
    assert found["versions"]["odec"] == odec.__version__
    assert found["command"] == "odec.fit('model.ode', 'data')"
    assert [path.name for path in tmp_path.iterdir()] == ["fit.json"]


def test_fit_ode_keeps_the_text(tmp_path: Path, competition: FitResult) -> None:
    competition.write_ode(tmp_path / "fit.ode")
    text = (tmp_path / "fit.ode").read_text()
    system = odec.parse(tmp_path / "fit.ode")
    assert {param.name: param.value for param in system.params} == competition.values
    number = re.compile(r"(param r1  = |r2  = |a1  = |a2  = |iN1 = |iN2 = )[-+.e\d]+")
    assert number.sub(r"\1_", text) == number.sub(r"\1_", COMPETITION)
    again = odec.fit(tmp_path / "fit.ode", COMPETITION_DATA, epochs=0)
    assert again.loss == pytest.approx(competition.loss, rel=1e-12)


def test_fit_ode_replaces_expressions_and_nothing_else() -> None:
    text = """\
const half = 1/2
param a = (1 + half)*2, b = 3 in (0, inf)  # two in a line
param c = 2*half
init x = 2
dx/dt = -a*x + 0*b*c
run t = 0 .. 2 step 0.1
"""
    result = odec.fit(text, {"t": [0, 1, 2], "x": [2, 1, 0.5]}, fix=["b", "c"], set={"b": 0.5})
    assert result.values["a"] == pytest.approx(np.log(2), rel=1e-4)
    before, after = text.splitlines(), result.ode_text().splitlines()
    assert re.fullmatch(r"param a = 0\.69\d+, b = 0\.5 in \(0, inf\)  # two in a line", after[1])
    assert before[:1] + before[2:] == after[:1] + after[2:]
    assert {p.name: p.value for p in odec.parse(result.ode_text()).params} == result.values


def test_fit_ode_of_a_model_from_python() -> None:
    system = odec.System.from_equations(equations={"x": "-k*x"}, params={"k": 0.5}, init={"x": 2})
    result = odec.fit(system, decay_data(), method="rk4", dt=0.5)
    assert odec.parse(result.ode_text()).params[0].value == result.values["k"] == pytest.approx(1, rel=1e-9)


def test_curves_pass_through_what_was_fitted(competition: FitResult) -> None:
    times, curves = competition.curves()
    assert times.tolist() == list(range(43))
    x = np.array(
        [curves["x1"][times == t][0] - v for t, v in zip(*competition.data.column("x1"), strict=True)]
    )
    y = np.array(
        [curves["x2"][times == t][0] - v for t, v in zip(*competition.data.column("x2"), strict=True)]
    )
    assert x @ x + y @ y == pytest.approx(competition.loss, rel=1e-12)


def test_step_times_end_steps_of_the_fit() -> None:
    np.testing.assert_allclose(step_times(np.array([0, 1.0, 1.0, 1.3]), 0.5), [0, 0.5, 1, 1, 1.3])
    np.testing.assert_allclose(step_times(np.array([2.0, 0.0]), 1.0), [2, 1, 0])
    many = step_times(np.array([0.0, 10.0]), 1e-4)
    assert 300 < len(many) <= 401
    np.testing.assert_allclose(many / 1e-4, np.round(many / 1e-4), atol=1e-6)
    assert step_times(np.array([3.0]), 0.1).tolist() == [3.0]


@pytest.mark.parametrize(
    "first",
    slow_but_for(
        ["import odec.fit", "from odec.fit.data import Dataset", "odec.fit", "pass"], "import odec.fit"
    ),
)
def test_odec_fit_is_the_function_and_the_package(first: str, tmp_path: Path) -> None:
    """Whichever name is bound first: the callable package, or the function that odec imports when asked."""
    path = saved(tmp_path, DECAY)
    code = f"""
import odec
{first}
result = odec.fit({str(path)!r}, {{"t": [0, 1], "x": [2, 1]}}, epochs=1)
from odec.fit.data import Dataset
from odec.fit import FitResult, fit
assert isinstance(result, FitResult) and isinstance(result.data, Dataset)
for function in (odec.fit, fit):
    assert function({str(path)!r}, {{"t": [0, 1], "x": [2, 1]}}, epochs=1).loss == result.loss
"""
    subprocess.run([sys.executable, "-c", code], check=True)


LOCKDOWN = """
param tl = 2.5 in (0, 5)
param k = 1.1
init x = 1
x' = (if t < tl then k else -1)*x
run t = 0 .. 5 method tsit5
"""
LOCKED = {"t": [1, 2, 3, 4, 5], "x": [2.718281828, 2.718281828, 1, 0.36787944, 0.135335283]}


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss-newton"])
def test_a_parameter_of_a_condition_alone_is_named_as_such(optimizer):
    unseen = LOCKDOWN.replace("t < tl", "t*t < tl*tl")
    result = odec.fit(unseen, LOCKED, optimizer=optimizer, progress=False)
    notes = " ".join(result.notes)
    assert "tl stands only in a condition on line 5, which gradients do not see" in notes
    assert "sigmoid" in notes and "no effect" not in notes and "k stands" not in notes
    assert result.values["tl"] == 2.5


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss-newton"])
def test_the_time_of_a_switch_is_fitted(optimizer):
    """Growth at rate 1 until 1.5, then decay: as exact data say."""
    result = odec.fit(LOCKDOWN, LOCKED, optimizer=optimizer, progress=False)
    assert result.values["tl"] == pytest.approx(1.5, abs=1e-6)
    assert result.values["k"] == pytest.approx(1, abs=1e-6) and "tl" not in " ".join(result.notes)
