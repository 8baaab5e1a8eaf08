"""Gauss-Newton, and fits whose loop runs inside the native kernel, against the same rules in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fit_models import DECAY, decay_data

import odec
from odec.errors import ArgumentError
from odec.fit.adam import Adam
from odec.fit.fused import FusedAdam
from odec.fit.optimize import begin, minimize
from odec.runtime.native.fused import FusedFit
from odec.runtime.steps import Steps

EXAMPLES = Path(__file__).parents[2] / "examples"

BOUNDED = """
input u linear
param a = 0.5 in (0, inf)
param b = -0.3 in (-inf, 0.2)
param c = 0.4 in (0, 1)
param d = 0.2 in (0, inf) via log
param e = 0.1 in (0, inf) via log10
param f = 0.7
init x = f + a
init y = 0.2*c
dx/dt = -a*x + d*y + u*e*sin(t)
dy/dt = b*y + c*x - e*x*y
obs z = x*y + c
run t = 0 .. 4 step 0.1 method rk4 dt 0.1
"""


def bounded_data() -> dict[str, list[float]]:
    """Times with replicates, a state and an observable, blanks, and the input's samples."""
    return {
        "t": [0.0, 0.5, 0.5, 1.1, 2.0, 4.0],
        "x": [1.3, 1.0, 1.1, np.nan, 0.8, 0.4],
        "z": [np.nan, 0.7, np.nan, 0.9, 0.8, 0.6],
        "u": [0.0, 0.4, 0.4, 1.0, 0.5, 0.2],
    }


@pytest.mark.optimised
@pytest.mark.parametrize("engine", [pytest.param("torch", marks=pytest.mark.slow), "native"])
@pytest.mark.parametrize(
    ("name", "start", "optimum"),
    [
        ("competition", "start", 0.69664353723),
        ("influenza", "influenza", 4121.9414828),
        pytest.param("lynx_hare", "lynx_hare", 594.74456075, marks=pytest.mark.slow),
    ],
)
def test_gauss_newton_reaches_the_optimum(engine: str, name: str, start: str, optimum: float) -> None:
    folder = EXAMPLES / name
    model, data = folder / f"{start}.ode", folder / "data.csv"
    result = odec.fit(model, data, optimizer="gauss-newton", engine=engine)
    assert result.converged
    assert result.loss == pytest.approx(optimum, rel=1e-10 if name == "competition" else 1e-6)
    assert len(result.losses) < 100


@pytest.mark.parametrize("transforms", ["model", "none"])
def test_adam_in_the_kernel_takes_the_steps_of_adam(transforms: str) -> None:
    fits = {}
    for engine in ("torch", "native"):
        fits[engine] = odec.fit(
            BOUNDED,
            bounded_data(),
            optimizer="adam",
            lr=1e-3,
            epochs=20,
            engine=engine,
            transforms=transforms,
        )
    assert fits["native"].trace.state.memory["count"] == 20
    np.testing.assert_allclose(fits["native"].losses, fits["torch"].losses, rtol=1e-9)
    for name, value in fits["torch"].values.items():
        assert fits["native"].values[name] == pytest.approx(value, rel=1e-8)


def test_gauss_newton_in_the_kernel_takes_the_steps_of_gauss_newton() -> None:
    fits = [
        odec.fit(BOUNDED, bounded_data(), optimizer="gauss-newton", engine=e, epochs=12)
        for e in ("torch", "native")
    ]
    np.testing.assert_allclose(fits[1].losses, fits[0].losses, rtol=1e-7)


def test_float32_in_the_kernel() -> None:
    folder = EXAMPLES / "influenza"
    result = odec.fit(
        folder / "influenza.ode",
        folder / "data.csv",
        optimizer="gauss-newton",
        engine="native",
        dtype="float32",
    )
    assert result.loss == pytest.approx(4121.9414594, rel=1e-3)


def test_a_resumed_fit_goes_on_where_it_stood(tmp_path: Path) -> None:
    folder = EXAMPLES / "influenza"
    model, data = folder / "influenza.ode", folder / "data.csv"
    options = {"optimizer": "adam", "engine": "native"}
    whole = odec.fit(model, data, epochs=500, **options)
    part = odec.fit(model, data, epochs=200, **options)
    part.save(tmp_path / "fit.json")
    resumed = odec.fit(model, data, resume=tmp_path / "fit.json", epochs=500)
    assert len(resumed.losses) == 501
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=1e-9)


class _Quadratic:
    """A stand-in for the kernel: |θ|², one Adam-like step an epoch, a failure to look at from outside."""

    def __init__(self, interrupt_after: int):
        self.calls, self.interrupt_after = 0, interrupt_after

    def adam(self, state: dict, epochs: int) -> list[float]:
        self.calls += 1
        if self.calls > self.interrupt_after:
            raise KeyboardInterrupt
        losses = []
        for _ in range(epochs):
            state["theta"] = [0.9 * value for value in state["theta"]]
            losses.append(sum(value * value for value in state["theta"]))
        state.update(best=state["theta"], best_loss=losses[-1], loss=losses[-1])
        return losses


def test_an_interrupt_between_slices_keeps_the_best() -> None:
    def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return float(theta @ theta), 2 * theta

    optimizer = FusedAdam(Adam(), _Quadratic(interrupt_after=4), 0.0, 100_000)
    trace = minimize(function, optimizer, begin(function, np.ones(2)), epochs=100_000)
    assert trace.interrupted
    assert trace.best.loss == trace.losses[-1] < 1e-6
    assert len(trace.losses) == trace.state.epoch + 1


def test_the_kernel_is_used_only_where_it_can_be() -> None:
    folder = EXAMPLES / "influenza"
    module = odec.load(folder / "influenza.ode", engine="native")
    assert module.COMPILED.kernel is not None
    assert odec.load(folder / "influenza.ode", engine="torch").COMPILED.kernel is None
    net = module.Model(engine="torch")
    result = odec.fit(net, folder / "data.csv", optimizer="gauss-newton", t0=0.0)
    assert result.loss == pytest.approx(4121.9414594, rel=1e-6)


def test_a_failing_start_of_gauss_newton_is_told() -> None:
    text = "param a = 3 in (0, inf)\ninit x = 1\ndx/dt = a*x**3\nrun t = 0 .. 5 method euler dt 0.1\n"
    with pytest.raises(odec.SimulationError, match="start values"):
        odec.fit(text, {"t": [1.0, 5.0], "x": [1.0, 2.0]}, optimizer="gauss-newton", engine="native")


def test_replicates_count_one_by_one() -> None:
    """Two measurements at one time pull twice: the fitted constant is the mean of all three."""
    text = "param a = 1\ninit x = a\ndx/dt = 0\nrun t = 0 .. 1 method euler dt 0.5\n"
    result = odec.fit(
        text, {"t": [0.5, 0.5, 1.0], "x": [1.0, 2.0, 6.0]}, optimizer="gauss-newton", engine="native"
    )
    assert result.values["a"] == pytest.approx(3.0)
    assert result.loss == pytest.approx(14.0)
    assert result.losses[-1] == pytest.approx(14.0)


def fused_and_plain():
    """The fused sum of squares of the bounded model, and the same by torch's own tape."""
    module = odec.load(BOUNDED, engine="native")
    generator = torch.Generator().manual_seed(5)
    times = torch.tensor([0.0, 0.5, 1.1, 2.0, 4.0], dtype=torch.float64)
    data, weight = (torch.rand(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    inputs = {"u": (times, torch.sin(times))}
    net = module.Model(engine="torch", adjoint="autograd")
    p = net.vector().detach()
    rows = [(name, "exponential", 0.0, 0.0, 0.0, 1.0) for name in ("a", "d")]
    series = net.series(inputs, p)
    fused = FusedFit(module.COMPILED, times, p, rows, data, weight, net.steps, series=series)

    def plain(theta):
        params = dict(zip(("a", "d"), theta.exp(), strict=True))
        x = net(times, params=params, inputs=inputs)
        values = torch.cat([x, net.observe(times, x, params=params, inputs=inputs)], dim=-1)
        return (weight * (values - data) ** 2).sum()

    return fused, plain


def test_the_fused_loss_is_a_torch_function_of_the_coordinates() -> None:
    fused, plain = fused_and_plain()
    theta = torch.tensor([-0.4, -1.2], dtype=torch.float64, requires_grad=True)
    assert fused.loss(theta).item() == pytest.approx(plain(theta).item(), rel=1e-12)
    mine, theirs = (torch.autograd.grad(3 * loss(theta), theta)[0] for loss in (fused.loss, plain))
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    optimizer = torch.optim.Adam([theta], lr=0.05)
    before = fused.loss(theta).item()
    for _ in range(40):
        optimizer.zero_grad()
        fused.loss(theta).backward()
        optimizer.step()
    assert fused.loss(theta).item() < before - 0.01


def test_the_fused_loss_says_what_does_not_fit() -> None:
    fused, _ = fused_and_plain()
    with pytest.raises(ValueError, match=r"must be \(2,\) in torch.float64"):
        fused.loss(torch.zeros(5, dtype=torch.float64))
    compiled, given = fused.engine.compiled, (fused.t, fused.p, [], fused.data[:, :2], fused.weight)
    narrow = FusedFit(compiled, *given, fused.steps, series=fused.series)
    with pytest.raises(ValueError, match="a row for each of the 5 times and a column for each of the 3"):
        narrow.loss(torch.zeros(0, dtype=torch.float64))


@pytest.mark.parametrize("optimizer", ["adam", "gauss-newton"])
def test_a_fit_goes_on_without_a_compiler(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """engine="auto" takes the torch engine where the compiler fails, and says so; "native" does not."""
    broken = tmp_path / "broken-cc"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho no room >&2\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path / "cache"))
    options = {"optimizer": optimizer, "epochs": 2, "method": "heun2", "dt": 0.5}
    with pytest.warns(UserWarning, match="the torch engine is used instead of the native one"):
        result = odec.fit(DECAY, decay_data(), **options)
    assert result.net.engine == "torch" and result.losses[-1] < result.losses[0]
    with pytest.raises(ArgumentError, match="no room"):
        odec.fit(DECAY, decay_data(), engine="native", **options)


@pytest.mark.parametrize(
    ("engine", "method"), [("torch", "rk4"), ("native", "rk4"), ("torch", "explicit_adams")]
)
def test_an_engine_is_told_how_to_step(engine: str, method: str) -> None:
    compiled = odec.load("init x = 1\nx' = -x\nrun t = 0 .. 1\n", method=method, engine=engine).COMPILED
    t = torch.tensor([0.0, 2.0], dtype=torch.float64)
    given = (t, torch.ones(1, dtype=torch.float64), torch.zeros(0, dtype=torch.float64), ())
    with pytest.raises(ValueError, match="say how to step"):
        compiled.engine(engine).states(*given, Steps(), 1)
