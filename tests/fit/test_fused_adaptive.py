"""Fits by tolerance whose loop runs inside the native kernel, against the same rules in Python."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fit_models import INFLUENZA, INFLUENZA_DATA, INFLUENZA_LOSS, INFLUENZA_VALUES, LYNX_HARE, LYNX_HARE_DATA
from tiers import each_once

import odec
from odec.fit.fused import fused_problem
from odec.fit.loss import Objective

FORCED = """
input u linear
param a = 0.5 in (0, inf)
param b = 0.4 in (0, 1)
param c = 0.3
init x = 1 + c
init y = b*(1 + t)
dx/dt = -a*x + u*sin(t)
dy/dt = b*x - y**2
obs z = x*y + u + c*t
run t = 0 .. 4
"""
DATA = {
    "t": [0.0, 0.5, 0.5, 1.1, 2.0, 4.0],
    "x": [1.3, 1.0, 1.1, math.nan, 0.8, 0.4],
    "z": [math.nan, 0.9, math.nan, 1.4, 0.8, 0.6],
    "u": [0.0, 0.4, 0.4, 1.0, 0.5, 0.2],
}
"""Replicates, blanks, a state, an observable and an input."""
METHODS = ["dopri5", "dop853", "rodas4", "trbdf2", "radau_iia5", "auto"]
BLOW_UP = "param a = 0.5 in (0, inf)\ninit x = 1\ndx/dt = a*x**2\nrun t = 0 .. 1\n"


@pytest.fixture
def objectives(monkeypatch: pytest.MonkeyPatch) -> list[Objective]:
    """The objectives of the fits to come."""
    found: list[Objective] = []
    whole = Objective.__init__

    def noted(self: Objective, *args: Any) -> None:
        whole(self, *args)
        found.append(self)

    monkeypatch.setattr(Objective, "__init__", noted)
    return found


@pytest.mark.parametrize(("method", "optimizer"), each_once(METHODS, ["adam", "gauss-newton"]))
def test_the_kernel_takes_the_steps_of_the_loop_in_python(method: str, optimizer: str) -> None:
    fits = [
        odec.fit(FORCED, DATA, optimizer=optimizer, method=method, rtol=1e-3, epochs=4, engine=engine)
        for engine in ("torch", "native")
    ]
    np.testing.assert_allclose(fits[1].losses, fits[0].losses, rtol=1e-9)
    assert len(fits[1].losses) == 5
    for name, value in fits[0].values.items():
        assert fits[1].values[name] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("optimizer", ["adam", "gauss-newton"])
def test_outputs_within_steps(optimizer: str) -> None:
    options = {"optimizer": optimizer, "method": "bosh3", "rtol": 1e-3, "dense_output": True, "epochs": 4}
    fits = [odec.fit(FORCED, DATA, engine=engine, **options) for engine in ("torch", "native")]
    np.testing.assert_allclose(fits[1].losses, fits[0].losses, rtol=1e-9)


def test_gauss_newton_finds_the_reference() -> None:
    options = {"optimizer": "gauss-newton", "method": "dopri5", "rtol": 1e-9, "atol": 1e-9}
    result = odec.fit(INFLUENZA, INFLUENZA_DATA, **options)
    assert result.net.engine == "native" and result.converged
    assert result.loss == pytest.approx(INFLUENZA_LOSS, rel=1e-8)
    for name, value in INFLUENZA_VALUES.items():
        assert result.values[name] == pytest.approx(value, rel=1e-6)


def test_single_precision() -> None:
    options = {"optimizer": "gauss-newton", "method": "dopri5", "rtol": 1e-5, "dtype": "float32"}
    assert odec.fit(INFLUENZA, INFLUENZA_DATA, **options).loss == pytest.approx(INFLUENZA_LOSS, rel=1e-3)


def test_the_fit_is_inside_the_kernel(objectives: list[Objective]) -> None:
    """Python computes no loss; it is told at tenths."""
    shown = io.StringIO()
    options = {"optimizer": "adam", "method": "dopri5", "rtol": 1e-6}
    result = odec.fit(INFLUENZA, INFLUENZA_DATA, epochs=400, progress=shown, **options)
    assert len(result.losses) == 401 and result.losses[-1] < result.losses[0]
    assert objectives[0].evaluations == 0
    assert "epoch 400/400" in shown.getvalue() and "epoch 40/400" in shown.getvalue()


def test_a_resumed_fit_goes_on_where_it_stood(tmp_path: Path) -> None:
    options = {"optimizer": "adam", "method": "dopri5", "rtol": 1e-6}
    whole = odec.fit(INFLUENZA, INFLUENZA_DATA, epochs=60, **options)
    odec.fit(INFLUENZA, INFLUENZA_DATA, epochs=23, **options).save(tmp_path / "fit.json")
    resumed = odec.fit(INFLUENZA, INFLUENZA_DATA, resume=tmp_path / "fit.json", epochs=60)
    assert resumed.losses == whole.losses and resumed.values == whole.values


def test_an_interrupt_keeps_the_best() -> None:
    class Impatient(io.StringIO):
        def write(self, text: str) -> int:
            if "epoch 100/" in text:
                raise KeyboardInterrupt
            return super().write(text)

    options = {"optimizer": "adam", "method": "dopri5", "rtol": 1e-6, "epochs": 1000}
    result = odec.fit(INFLUENZA, INFLUENZA_DATA, progress=Impatient(), **options)
    assert result.interrupted and result.epochs == 100
    assert result.loss == min(result.losses) < result.losses[0]


def blow_up(rule: str, epochs: int, **options: Any) -> list[odec.FitResult]:
    """Fits that step beyond a pole of the solution (a > 1), in the kernel and in Python."""
    data = {"t": [0.5, 1.0], "x": [4.0, 50.0]}
    options |= {
        "set": {"a": 0.5 if rule == "adam" else 0.9},
        "method": "dopri5",
        "rtol": 1e-4,
        "max_steps": 300,
    }
    return [
        odec.fit(BLOW_UP, data, optimizer=rule, epochs=epochs, engine=engine, **options)
        for engine in ("native", "torch")
    ]


@pytest.mark.parametrize(("rule", "options"), [("adam", {"lr": 1.0}), ("gauss-newton", {})])
def test_a_step_into_a_failed_simulation_is_taken_back(rule: str, options: dict[str, float]) -> None:
    native, plain = blow_up(rule, 8, **options)
    np.testing.assert_allclose(native.losses, plain.losses, rtol=1e-7)
    assert all(map(math.isfinite, native.losses))
    pairs = zip(native.losses, native.losses[1:], strict=False)
    assert any(a == b for a, b in pairs), "no step was taken back"


def test_adam_says_why_it_cannot_go_on() -> None:
    native, plain = blow_up("adam", 40, lr=1e30)
    assert native.message == plain.message and not native.converged
    assert "fails all around this point (" in native.message and "lr fell to" in native.message


def test_used_up_steps_at_the_start_are_told() -> None:
    with pytest.raises(odec.SimulationError, match="max_steps are used up"):
        odec.fit(LYNX_HARE, LYNX_HARE_DATA, optimizer="adam", method="dopri5", rtol=1e-6, max_steps=5)


def test_loss_and_gradient_are_public(objectives: list[Objective]) -> None:
    """FusedFit.loss_gradient and FusedFit.loss by tolerance."""
    odec.fit(FORCED, DATA, optimizer="adam", method="dopri5", rtol=1e-4, epochs=0)
    found = fused_problem(objectives[0])
    assert found is not None
    (fused, rest), theta = found, np.array([0.2, -0.3, 0.1])
    loss, gradient = objectives[0](theta)
    mine, slopes = fused.loss_gradient(torch.tensor(theta))
    assert mine + rest == pytest.approx(loss, rel=1e-11)
    np.testing.assert_allclose(slopes.numpy(), gradient, rtol=1e-9, atol=1e-12)
    point = torch.tensor(theta, requires_grad=True)
    (2 * fused.loss(point)).backward()
    np.testing.assert_allclose(point.grad.numpy(), 2 * gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.optimised
def test_threads_change_no_bit() -> None:
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for optimizer in ("adam", "gauss-newton"):
            options = {"optimizer": optimizer, "method": "dopri5", "rtol": 1e-4, "epochs": 9}
            found.append(odec.fit(FORCED, DATA, **options).losses)
    torch.set_num_threads(before)
    assert found[:2] == found[2:]
