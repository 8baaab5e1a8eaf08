"""Fits by tolerance whose loop runs inside the native kernel, against the same rules in Python."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fit_models import INFLUENZA, INFLUENZA_DATA, INFLUENZA_LOSS, INFLUENZA_VALUES, LYNX_HARE, LYNX_HARE_DATA

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
BLOW_UP = """
param a = 0.5 in (0, inf)
init x = 1
dx/dt = a*x**2
run t = 0 .. 1
"""


def parts(monkeypatch: pytest.MonkeyPatch) -> list[Objective]:
    """The objectives of the fits to come."""
    found: list[Objective] = []
    whole = Objective.__init__

    def noted(self: Objective, *args: object) -> None:
        whole(self, *args)
        found.append(self)

    monkeypatch.setattr(Objective, "__init__", noted)
    return found


@pytest.mark.parametrize("optimizer", ["adam", "gauss-newton"])
@pytest.mark.parametrize("method", METHODS)
def test_the_kernel_takes_the_steps_of_the_loop_in_python(method: str, optimizer: str) -> None:
    fits = [
        odec.fit(FORCED, DATA, optimizer=optimizer, method=method, rtol=1e-4, epochs=4, engine=engine)
        for engine in ("torch", "native")
    ]
    np.testing.assert_allclose(fits[1].losses, fits[0].losses, rtol=1e-9)
    assert len(fits[1].losses) == 5
    for name, value in fits[0].values.items():
        assert fits[1].values[name] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    "method, optimizer",
    [("bosh3", "adam"), ("bosh3", "gauss-newton"), ("trbdf2", "adam"), ("radau_iia5", "gauss-newton")],
)
def test_outputs_within_steps(method: str, optimizer: str) -> None:
    options = {"optimizer": optimizer, "method": method, "rtol": 1e-3, "dense_output": True, "epochs": 4}
    fits = [odec.fit(FORCED, DATA, engine=engine, **options) for engine in ("torch", "native")]
    np.testing.assert_allclose(fits[1].losses, fits[0].losses, rtol=1e-9)


def test_gauss_newton_finds_the_reference() -> None:
    result = odec.fit(
        INFLUENZA, INFLUENZA_DATA, optimizer="gauss-newton", method="dopri5", rtol=1e-9, atol=1e-9
    )
    assert result.net.engine == "native" and result.converged
    assert result.loss == pytest.approx(INFLUENZA_LOSS, rel=1e-8)
    for name, value in INFLUENZA_VALUES.items():
        assert result.values[name] == pytest.approx(value, rel=1e-6)


def test_single_precision() -> None:
    found = odec.fit(
        INFLUENZA, INFLUENZA_DATA, optimizer="gauss-newton", method="dopri5", rtol=1e-5, dtype="float32"
    )
    assert found.loss == pytest.approx(INFLUENZA_LOSS, rel=1e-3)


def test_the_fit_is_inside_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python sees the start alone, and slices that end at tenths."""
    objectives = parts(monkeypatch)
    shown = io.StringIO()
    result = odec.fit(
        INFLUENZA, INFLUENZA_DATA, optimizer="adam", method="dopri5", rtol=1e-6, epochs=400, progress=shown
    )
    assert len(result.losses) == 401 and result.losses[-1] < result.losses[0]
    assert objectives[0].evaluations == 0
    assert "epoch 400/400" in shown.getvalue() and "epoch 40/400" in shown.getvalue()


def test_a_resumed_fit_goes_on_where_it_stood(tmp_path: Path) -> None:
    options = {"optimizer": "adam", "method": "dopri5", "rtol": 1e-6}
    whole = odec.fit(INFLUENZA, INFLUENZA_DATA, epochs=60, **options)
    odec.fit(INFLUENZA, INFLUENZA_DATA, epochs=23, **options).save(tmp_path / "fit.json")
    resumed = odec.fit(INFLUENZA, INFLUENZA_DATA, resume=tmp_path / "fit.json", epochs=60)
    assert resumed.losses == whole.losses and resumed.values == whole.values


def test_an_interrupt_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(io.StringIO):
        def write(self, text: str) -> int:
            if "epoch 100/" in text:
                raise KeyboardInterrupt
            return super().write(text)

    result = odec.fit(
        INFLUENZA,
        INFLUENZA_DATA,
        optimizer="adam",
        method="dopri5",
        rtol=1e-6,
        epochs=1000,
        progress=Impatient(),
    )
    assert result.interrupted and result.epochs == 100
    assert result.loss == min(result.losses) < result.losses[0]


def blow_up(module: object, epochs: int, rule: str, lr: float = 0.5) -> list[object]:
    """Fits that step into a pole of the solution (a > 1), in the kernel and in Python."""
    found = []
    for fused in (True, False):
        options = {"method": "dopri5", "rtol": 1e-6, "optimizer": rule, "epochs": epochs}
        options |= {"lr": lr} if rule == "adam" else {}
        engine = "native" if fused else "torch"
        found.append(odec.fit(BLOW_UP, {"t": [0.5, 1.0], "x": [4.0, 50.0]}, engine=engine, **options))
    return found


@pytest.mark.parametrize(("rule", "epochs"), [("adam", 12), ("gauss-newton", 12)])
def test_a_step_into_a_failed_simulation_is_taken_back(rule: str, epochs: int) -> None:
    native, plain = blow_up(odec, epochs, rule)
    np.testing.assert_allclose(native.losses, plain.losses, rtol=1e-8)
    assert all(map(math.isfinite, native.losses))
    repeated = [a == b for a, b in zip(native.losses, native.losses[1:], strict=False)]
    assert any(repeated), "no step was taken back"


def test_adam_says_why_it_cannot_go_on() -> None:
    native, plain = blow_up(odec, 200, "adam", lr=1e30)
    for result in (native, plain):
        assert not result.converged
        assert "fails all around this point (" in result.message and "lr fell to" in result.message
    assert native.message == plain.message


def test_max_steps_at_the_start_are_told() -> None:
    with pytest.raises(odec.SimulationError, match="max_steps are used up"):
        odec.fit(LYNX_HARE, LYNX_HARE_DATA, optimizer="adam", method="dopri5", rtol=1e-6, max_steps=5)


def fused_of(objective: Objective) -> tuple[object, float]:
    import sys

    net = objective.loss.net
    module = next(
        sys.modules[c.__module__] for c in type(net).__mro__ if hasattr(sys.modules[c.__module__], "STATES")
    )
    found = fused_problem(module, objective)
    assert found is not None
    return found


def test_loss_and_gradient_are_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """FusedFit.loss_gradient and FusedFit.loss by tolerance; one of the two kinds of steps is asked for."""
    objectives = parts(monkeypatch)
    odec.fit(FORCED, DATA, optimizer="adam", method="dopri5", rtol=1e-4, epochs=0)
    fused, rest = fused_of(objectives[0])
    theta = np.array([0.2, -0.3, 0.1])
    loss, gradient = objectives[0](theta)
    mine, slopes = fused.loss_gradient(torch.tensor(theta))
    assert mine + rest == pytest.approx(loss, rel=1e-11)
    np.testing.assert_allclose(slopes.numpy(), gradient, rtol=1e-9, atol=1e-12)
    point = torch.tensor(theta, requires_grad=True)
    (2 * fused.loss(point)).backward()
    np.testing.assert_allclose(point.grad.numpy(), 2 * gradient, rtol=1e-9, atol=1e-12)
    for options in ({}, {"dt": 0.1, "control": fused.control}):
        with pytest.raises(ValueError, match="a fit takes fixed steps"):
            type(fused)(*fused.arguments[:2], [], *fused.arguments[2:4], **options)


def test_threads_change_no_bit() -> None:
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for optimizer in ("adam", "gauss-newton"):
            found.append(
                odec.fit(FORCED, DATA, optimizer=optimizer, method="dopri5", rtol=1e-4, epochs=9).losses
            )
    torch.set_num_threads(before)
    assert found[:2] == found[2:]
