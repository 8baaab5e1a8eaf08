"""Runs that would not end, or not fit into memory, are refused before they start."""

from __future__ import annotations

import numpy as np
import pytest

import odec
import odec.cost
from odec.errors import ArgumentError
from odec.runtime.engines import ENGINES

DECAY = "param k = 1\ninit x = 1\ndx/dt = -k*x\nrun t = 0 .. 10 step 1\n"
DATA = {"t": np.array([0.0, 5.0, 10.0]), "x": np.array([1.0, 0.1, 0.01])}


@pytest.mark.parametrize(("engine", "dt"), [("torch", 1e-8), ("native", 1e-10)])
def test_too_many_fixed_steps(engine: str, dt: float) -> None:
    words = rf"fixed steps of {dt:g} are too many for the {engine} engine .*longer dt \(--dt\), or"
    for call in (
        lambda: odec.simulate(DECAY, dt=dt, method="rk4", engine=engine),
        lambda: odec.fit(DECAY, DATA, dt=dt, method="rk4", engine=engine),
        lambda: odec.fit(DECAY, DATA, dt=dt, method="rk4", engine=engine, optimizer="adam"),
    ):
        with pytest.raises(ArgumentError, match=words):
            call()


def test_steps_without_end_of_a_map() -> None:
    with pytest.raises(ArgumentError, match="too many for the torch engine"):
        odec.simulate("init n = 1\nn[t+1] = n\nrun t = 0 .. 1\n", times=[0, 1e9], engine="torch")


def test_the_cost_of_every_engine_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert odec.cost._MOST_STEPS.keys() == ENGINES.keys()
    monkeypatch.setattr(odec.cost, "_MOST_STEPS", {"native": 1e10})
    with pytest.raises(ArgumentError, match="a step costs on the engine 'torch' is not known; known: native"):
        odec.simulate(DECAY, dt=0.1, method="rk4", engine="torch")


def test_more_than_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odec.cost, "_memory", lambda: 1e6)
    with pytest.raises(ArgumentError, match=r"11 outputs take 0.0176 GB, and this machine has 0.001 GB"):
        odec.simulate(DECAY + "obs y = 2*x\n", params={"k": np.ones(10**5)}, engine="torch")
    with pytest.raises(
        ArgumentError, match=r"the states after 1e\+06 steps, which a gradient needs, take 0.008"
    ):
        odec.fit(DECAY, DATA, dt=1e-5, method="rk4", engine="torch")
    assert odec.simulate(DECAY, dt=1e-3, method="rk4", engine="torch").states.shape == (11, 1)
