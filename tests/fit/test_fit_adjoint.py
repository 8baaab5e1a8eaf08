"""How a fit comes by its gradient: the discrete and the continuous adjoint, and torch's own tape."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fit_models import LYNX_HARE, LYNX_HARE_DATA

import odec
from odec.errors import ArgumentError, SimulationError
from odec.fit.loss import Objective

GROWTH = """
param k = 0.5 in (0, inf)
param x0 = 3 in (0, inf)
init x = x0
init y = 0
dx/dt = -k*x
dy/dt = k*x - 0.1*y
run t = 0 .. 4
"""
TIMES = np.array([0.0, 0.5, 1.0, 2.5, 4.0])
DATA = {"t": TIMES, "x": 4 * np.exp(-0.8 * TIMES)}
ADAPTIVE: dict[str, Any] = {"method": "tsit5", "rtol": 1e-6, "atol": 1e-8}


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("adjoint", ["discrete", "continuous", "autograd"])
def test_every_adjoint_leads_to_the_optimum(adjoint: str, optimizer: str) -> None:
    options = ADAPTIVE | ({"lr": 0.2, "epochs": 60, "rtol": 1e-3} if optimizer == "adam" else {})
    result = odec.fit(GROWTH, DATA, adjoint=adjoint, optimizer=optimizer, **options)
    assert result.net.adjoint == adjoint and result.options["adjoint"] == adjoint
    assert result.net.engine == ("native" if adjoint == "discrete" else "torch")
    near = 1e-5 if optimizer == "lbfgs" else 0.02
    assert result.values == pytest.approx({"k": 0.8, "x0": 4}, rel=near)


@pytest.mark.parametrize("steps", [{"method": "rk4", "dt": 0.05}, {"method": "rodas4", "dt": 0.2}])
def test_fixed_steps(steps: dict[str, Any]) -> None:
    result = odec.fit(GROWTH, DATA, adjoint="continuous", **steps)
    assert result.values == pytest.approx({"k": 0.8, "x0": 4}, rel=1e-3)
    assert result.net.adjoint == "continuous" and result.net.dt == steps["dt"]


def gradient_at_the_start(monkeypatch: pytest.MonkeyPatch, **options: Any) -> np.ndarray:
    found: list[Objective] = []
    whole = Objective.__init__

    def noted(self: Objective, *args: Any) -> None:
        whole(self, *args)
        found.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(Objective, "__init__", noted)
        options |= {"epochs": 0, "method": "dopri5", "rtol": 1e-7, "atol": 1e-9}
        early = {name: values[:4] for name, values in LYNX_HARE_DATA.items()}
        start = odec.fit(LYNX_HARE, early, **options).trace.best.theta
    return found[0](start)[1]


def test_the_tolerances_of_the_adjoint_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The continuous gradient nears the exact one as its own tolerances go down, and is not that one."""
    exact = gradient_at_the_start(monkeypatch)
    errors = []
    for rtol in (1e-2, 1e-4, 1e-6):
        own = {"adjoint_rtol": rtol, "adjoint_atol": [rtol * 1e-2, rtol * 2e-2]}
        found = gradient_at_the_start(monkeypatch, adjoint="continuous", **own)
        errors.append(float(np.linalg.norm(found - exact) / np.linalg.norm(exact)))
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 0 and errors[2] < 1e-4, errors
    np.testing.assert_allclose(gradient_at_the_start(monkeypatch, adjoint="autograd"), exact, rtol=1e-9)


def test_a_resumed_fit_keeps_its_adjoint(tmp_path: Path) -> None:
    options = {**ADAPTIVE, "adjoint": "continuous", "adjoint_rtol": 1e-6, "adjoint_atol": (1e-8, 1e-7)}
    whole = odec.fit(GROWTH, DATA, optimizer="adam", epochs=9, **options)
    odec.fit(GROWTH, DATA, optimizer="adam", epochs=4, **options).save(tmp_path / "fit.json")
    kept = json.loads((tmp_path / "fit.json").read_text())
    assert kept["options"]["adjoint"] == "continuous"
    assert kept["options"]["adjoint_rtol"] == 1e-6 and kept["options"]["adjoint_atol"] == [1e-8, 1e-7]
    assert "adjoint='continuous'" in kept["command"] and "adjoint_rtol=1e-06" in kept["command"]
    again = odec.fit(GROWTH, DATA, resume=tmp_path / "fit.json", epochs=9)
    assert again.losses == whole.losses and again.net.adjoint == "continuous"
    assert again.net.steps.tolerance.adjoint == (1e-6, 1e-8, 1e-7)
    for given in ({"adjoint": "discrete"}, {"adjoint_atol": 1e-3}):
        with pytest.raises(ArgumentError, match="a resumed fit keeps its options"):
            odec.fit(GROWTH, DATA, resume=tmp_path / "fit.json", **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adjoint": "exact"}, "unknown adjoint 'exact'; known: discrete, continuous, autograd"),
        ({"adjoint": "continous"}, "unknown adjoint 'continous': did you mean 'continuous'?"),
        ({"adjoint": "none"}, "adjoint 'none' has no gradient, which a fit needs; known: discrete, "),
        (
            {"adjoint": "continuous", "optimizer": "gauss-newton"},
            "adjoint belongs to the optimizers lbfgs and adam; gauss-newton takes forward sensitivities",
        ),
        ({"adjoint_rtol": 1e-3, "optimizer": "gauss-newton"}, "adjoint_rtol belongs to the optimizers"),
        ({"adjoint_rtol": 1e-3}, "adjoint_rtol belongs to adjoint='continuous': give that too"),
        ({"adjoint_atol": 1e-3, "adjoint": "discrete"}, "adjoint_atol belongs to adjoint='continuous'"),
        (
            {"adjoint": "continuous", "engine": "native"},
            "adjoint='continuous' runs through torch's autograd, not in the native kernel: leave out "
            "engine='native', or give engine='torch'",
        ),
        (
            {"adjoint": "continuous", "adjoint_rtol": 1e-3, "dt": 0.1, "rtol": None, "atol": None},
            "the model cannot be made: adjoint_rtol and adjoint_atol are of adaptive steps: give rtol",
        ),
        (
            {"adjoint": "continuous", "adjoint_rtol": 1e-3, "method": "rk4", "rtol": None, "atol": None},
            "adjoint_rtol does not apply: the method has no error estimate to choose steps by",
        ),
        ({"adjoint": "continuous", "adjoint_rtol": 0.0}, "adjoint_rtol must be a positive number, at least"),
        ({"adjoint": "continuous", "adjoint_rtol": math.nan}, "adjoint_rtol must be a positive number"),
        ({"adjoint": "continuous", "adjoint_atol": [1e-3]}, "adjoint_atol is one number, or a list of one"),
        ({"adjoint": "continuous", "method": "adams"}, "the continuous one is of one-step methods"),
        (
            {"adjoint": "continuous", "adjoint_rtol": 1e-3, "method": "adams"},
            "adjoint_rtol does not apply: the method has no continuous adjoint",
        ),
    ],
)
def test_what_makes_no_sense_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as told:
        odec.fit(GROWTH, DATA, **{**ADAPTIVE, **options})
    assert message in str(told.value)


def test_a_map_has_no_continuous_adjoint() -> None:
    text = "param r = 0.5 in (0, 1)\ninit N = 1\nN[t+1] = r*N[t]\nrun t = 0 .. 3\n"
    with pytest.raises(ArgumentError, match="a map has no continuous one"):
        odec.fit(text, {"t": [0, 3], "N": [1, 0.2]}, adjoint="continuous")
    assert odec.fit(text, {"t": [0, 3], "N": [1, 0.2]}, adjoint="autograd").converged


def test_a_model_brings_its_own_adjoint() -> None:
    module = odec.load(GROWTH, "tsit5")
    net = module.Model(rtol=1e-6, atol=1e-8, adjoint="continuous")
    assert odec.fit(net, DATA).values == pytest.approx({"k": 0.8, "x0": 4}, rel=1e-5)
    with pytest.raises(ArgumentError, match="adjoint: to be set where the Model is made"):
        odec.fit(net, DATA, adjoint="discrete")
    made = odec.fit(module, DATA, rtol=1e-6, adjoint="continuous", epochs=0)
    assert made.net.adjoint == "continuous"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_fit_of_a_model_is_taken_up_again(dtype: torch.dtype, tmp_path: Path) -> None:
    module = odec.load(GROWTH, "tsit5")

    def fitted(**options: Any) -> odec.fit.FitResult:
        net = module.Model(rtol=1e-5, adjoint="continuous", dtype=dtype)
        return odec.fit(net, DATA, optimizer="adam", **options)

    whole = fitted(epochs=6)
    fitted(epochs=3).save(tmp_path / "fit.json")
    kept = json.loads((tmp_path / "fit.json").read_text())
    assert kept["options"]["dtype"] == str(dtype).removeprefix("torch.")
    assert fitted(resume=tmp_path / "fit.json", epochs=6).losses == whole.losses
    with pytest.raises(ArgumentError, match="dtype: to be set where the Model is made"):
        fitted(dtype="float32" if dtype == torch.float64 else "float64")


@pytest.mark.filterwarnings("ignore:the continuous adjoint could not be solved")
def test_an_adjoint_that_cannot_be_solved_at_the_start_is_told() -> None:
    options = {"method": "tsit5", "rtol": 1e-3, "max_steps": 40, "adjoint": "continuous"}
    with pytest.raises(SimulationError) as told:
        odec.fit(GROWTH, DATA, adjoint_rtol=1e-14, adjoint_atol=1e-14, **options)
    assert str(told.value) == (
        "the model can be simulated from the start values, but the gradient there is not finite: "
        "give a larger adjoint_rtol, more max_steps, or adjoint='discrete'"
    )


def test_a_gradient_too_coarse_is_told() -> None:
    """Where no step along an approximate gradient lowers the loss, the note says what may."""
    result = odec.fit(LYNX_HARE, LYNX_HARE_DATA, method="euler", dt=0.5, adjoint="continuous")
    assert not result.converged and result.message.startswith("stopped: ")
    assert result.notes == (
        "the continuous adjoint is approximate: a smaller dt, or the discrete one, may lead further",
    )
    exact = odec.fit(LYNX_HARE, LYNX_HARE_DATA, method="euler", dt=0.5)
    assert exact.loss < result.loss and not any("adjoint" in note for note in exact.notes)
