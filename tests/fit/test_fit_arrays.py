"""Fits of parameters that are arrays, element by element."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import odec

MODEL = """\
# Two units that drive one another.
param W[2, 2] = [[-1, 0.3], [0.2, -0.5]]  # how
param g[i] = 0.5 + 0*i for i in 0 .. 1 in (0, 10) : 1/s
param b = 0.1 in [0, inf)
init h[2] = [1, 2]
h' = W @ h - g*h**2 + b
obs y[2] = 2*h
run t = 0 .. 3 step 0.5 method rk4 dt 0.05
"""
TIMES = np.linspace(0, 3, 7)
TRUE = {"W": np.array([[-0.8, 0.5], [0.1, -0.7]]), "g": np.array([0.4, 0.6]), "b": 0.2}


def solution(theta: NDArray[Any], times: NDArray[Any] = TIMES) -> NDArray[Any]:
    """h (T, 2) from W, g and b side by side."""
    W, g, b = theta[:4].reshape(2, 2), theta[4:6], theta[6]
    solved = solve_ivp(
        lambda t, h: W @ h - g * h**2 + b, (0, 3), [1, 2], "DOP853", times, rtol=1e-9, atol=1e-9
    )
    return solved.y.T


def measured() -> dict[str, Any]:
    """Both elements, with seeded noise."""
    theta = np.concatenate([TRUE["W"].ravel(), TRUE["g"], [TRUE["b"]]])
    h = solution(theta) + 0.001 * np.random.default_rng(3).normal(size=(7, 2))
    return {"t": TIMES, "h[0]": h[:, 0], "h[1]": h[:, 1]}


@pytest.fixture(scope="module")
def system() -> odec.System:
    return odec.parse(MODEL)


@pytest.fixture(scope="module")
def best() -> Any:
    """The least squares of scipy: of W[0,0], W[0,1], W[1,0] and g[0]."""
    data = measured()
    rows = np.stack([data["h[0]"], data["h[1]"]], 1)
    own = np.array([-1.0, 0.3, 0.2, -0.7, 0.5, 0.6, 0.2])  # those of W but the last, and g[0] move

    def residuals(theta: NDArray[Any]) -> NDArray[Any]:
        own[:3], own[4] = theta[:3], theta[3]
        return (solution(own) - rows).ravel()

    return least_squares(residuals, [-1.0, 0.3, 0.2, 0.5], xtol=1e-10, ftol=1e-10, gtol=1e-10)


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss-newton"])
def test_a_fit_of_arrays_finds_the_least_squares_of_scipy(
    system: odec.System, optimizer: str, best: Any
) -> None:
    found = odec.fit(
        system,
        measured(),
        engine="native",
        optimizer=optimizer,
        fix=["W[1,1]"],
        free=["W", "g[0]"],
        set={"W[1, 1]": -0.7, "g": [0.5, 0.6], "b": 0.2},
    )
    assert found.fixed == ("W[1,1]", "g[1]", "b") and list(found.values)[:2] == ["W[0,0]", "W[0,1]"]
    got = [found.values[name] for name in ("W[0,0]", "W[0,1]", "W[1,0]", "g[0]")]
    np.testing.assert_allclose(got, best.x, rtol=1e-4)
    np.testing.assert_allclose(found.loss, 2 * best.cost, rtol=1e-4)
    np.testing.assert_array_equal(found.net.W.detach().numpy(), found.params["W"])


def test_adam_and_both_engines_move_arrays_alike(system: odec.System) -> None:
    adam: dict[str, Any] = {"optimizer": "adam", "lr": 0.05, "epochs": 3}
    native, torch_ = (odec.fit(system, measured(), engine=engine, **adam) for engine in ("native", "torch"))
    np.testing.assert_allclose(native.losses, torch_.losses, rtol=1e-11)
    np.testing.assert_allclose([*native.values.values()], [*torch_.values.values()], rtol=1e-9)
    assert native.losses[-1] < native.losses[0]


def test_the_table_the_files_and_a_resumed_fit_name_elements(system: odec.System, tmp_path: Any) -> None:
    data = measured()
    whole = odec.fit(system, data, engine="native", fix="g", epochs=12)
    first = odec.fit(system, data, engine="native", fix="g", epochs=5)
    rows = [line.split() for line in first.table().splitlines()]
    assert ["g[1]", "0.5", "0.5", "1/s", "fixed"] in rows and ["W[0,1]", "0.3"] in [row[:2] for row in rows]
    first.save(tmp_path / "fit.json")
    kept = json.loads((tmp_path / "fit.json").read_text())
    assert kept["values"] == first.values and kept["fixed"] == ["g[0]", "g[1]"]
    again = odec.fit(system, data, resume=tmp_path / "fit.json", epochs=12)
    assert again.values == whole.values
    first.write_ode(tmp_path / "fit.ode")
    text = (tmp_path / "fit.ode").read_text()
    assert text.splitlines()[2] == MODEL.splitlines()[2] and "# how" in text
    net = odec.load(tmp_path / "fit.ode").Model()
    np.testing.assert_array_equal(net.W.detach().numpy(), first.params["W"])
    moved = odec.fit(system, data, engine="native", free=["g"], epochs=3).ode_text().splitlines()[2]
    assert moved.startswith("param g[2] = [") and moved.endswith("] in (0, 10) : 1/s")
    run = odec.simulate(first, TIMES, params={"W[0,1]": 0.25})
    np.testing.assert_array_equal(run.system and run["y"], 2 * run["h"])


def test_noise_of_an_array_is_that_of_its_elements() -> None:
    text = MODEL.replace("obs y[2] = 2*h", "obs y = 2*h ~ normal(0.1)")
    data = measured()
    of_y = {"t": data["t"], "y[0]": 2 * data["h[0]"], "y[1]": 2e3 * data["h[1]"]}
    found = odec.fit(odec.parse(text), of_y, engine="native", free="b", epochs=1)
    assert not any("weighted" in note for note in found.notes)
    with pytest.raises(odec.ArgumentError, match=r"noise of y\[0\] is given and that of h\[0\] is not"):
        odec.fit(odec.parse(text), {**of_y, "h[0]": data["h[0]"]}, engine="native")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fix": "V"}, "fix: unknown parameter 'V'"),
        ({"fix": ["W[2,0]"]}, r"fix: unknown parameter 'W\[2,0\]'; W has W\[0,0\] to W\[1,1\]"),
        ({"free": ["b[0]"]}, r"free: unknown parameter 'b\[0\]'; it is a number"),
        ({"set": {"W": [1.0, 2.0]}}, "set: W takes a number, or 4 of them, not of shape"),
        ({"set": {"g[1]": 11.0}}, r"the start value 11 of 'g\[1\]' lies outside its bounds \(0, 10\)"),
        ({"fix": ["W", "g", "b"]}, "every parameter is fixed"),
    ],
)
def test_what_there_is_not_of_an_array_is_told(
    system: odec.System, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(odec.ArgumentError, match=message):
        odec.fit(system, measured(), engine="native", **options)


def test_large_arrays_have_one_row_and_drawn_ones_start_where_the_seed_says(tmp_path: Any) -> None:
    text = "param W[9, 8] = glorot()\ninit h[8] = 1\ninit z[9] = 0\nh' = -h\nz' = W @ h - z\nrun t = 0 .. 1\n"
    system = odec.parse(text.replace(" .. 1", " .. 1 method rk4 dt 0.1"))
    data = {"t": [0.5, 1.0], "z[3]": [0.2, 0.3]}
    found = odec.fit(system, data, engine="native", seed=5, epochs=0)
    drawn = odec.load(system, engine="native").Model(seed=5).W.detach()
    np.testing.assert_array_equal(list(found.start.values()), drawn.numpy().ravel())
    row = next(line for line in found.table().splitlines() if line.startswith("W[9, 8]"))
    ends = f"{float(drawn.min()):.6g} .. {float(drawn.max()):.6g}"
    assert ends in row and len(found.notes) < 25
    assert found.write_ode(tmp_path / "big.ode") == (
        str(tmp_path / "big.ode"),
        str(tmp_path / "big.values.csv"),
    )
    again = odec.load(tmp_path / "big.ode", engine="native").Model()
    np.testing.assert_array_equal(again.W.detach().numpy(), found.params["W"])


def test_values_of_elements_and_of_trajectories() -> None:
    module = odec.load(odec.parse(MODEL), engine="native")
    net, t = module.Model(params={"W[0, 1]": 0.25}), torch.as_tensor(TIMES)
    assert net.W.tolist() == [[-1, 0.25], [0.2, -0.5]]
    several = torch.stack([torch.tensor(TRUE["W"]), 2 * torch.tensor(TRUE["W"])]).requires_grad_()
    x = net(t, params={"W": several, "g": 0.5})
    assert x.shape == (7, 2, 2)
    (slope,) = torch.autograd.grad(x[-1].sum(), several)
    for k in range(2):
        one = several[k].detach().requires_grad_()
        parts = {f"W[{i},{j}]": one[i, j] for i in range(2) for j in range(2)}
        alone = net(t, params={**parts, "g": 0.5})
        np.testing.assert_allclose(alone.detach(), x[:, k].detach(), rtol=1e-13)
        (own,) = torch.autograd.grad(alone[-1].sum(), one)
        np.testing.assert_allclose(own, slope[k], rtol=1e-12)
    for wrong, message in [
        ({"W[2,0]": 1.0}, r"there is no W\[2,0\]: W has the elements W\[0,0\] to W\[1,1\]"),
        ({"b[0]": 1.0}, r"there is no b\[0\]: b is a number"),
        ({"W": torch.ones(3, 3)}, r"W takes values \(\*batch, 2, 2\), not of shape \(3, 3\)"),
        ({"g[0]": 20.0}, r"g = 20 lies outside its interval \(0, 10\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            net(t, params=wrong)


def test_initial_values_of_elements() -> None:
    run = odec.simulate(odec.parse(MODEL), TIMES, init={"h[1]": [2.5, 3.0], "h": [1.5, 0.0]}, engine="native")
    np.testing.assert_array_equal(run["h"][0], [[1.5, 2.5], [1.5, 3.0]])
    own = odec.simulate(odec.parse(MODEL), TIMES, init={"h[0]": 4}, params={"W[0,1]": [0.1, 0.2]})
    np.testing.assert_array_equal(own["h"][0], [[4, 2], [4, 2]])
    with pytest.raises(odec.ArgumentError, match=r"there is no h\[2\]: h is of shape \[2\], counted from 0"):
        odec.simulate(odec.parse(MODEL), TIMES, init={"h[2]": 4})
