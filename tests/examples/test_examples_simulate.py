"""Every example simulated, and compared with what odec did not compute."""

from __future__ import annotations

import runpy
from types import ModuleType

import example_references as reference
import numpy as np
import pytest
import torch
from example_references import EXAMPLES
from scipy.integrate import solve_ivp

import odec

pytestmark = pytest.mark.optimised

NAMES = """competition ctrnn fisher_kpp gray_scott gru hodgkin_huxley influenza kuramoto lorenz lorenz96 lstm
    lynx_hare my_rnn pendulum ricker rnn sine ude""".split()


def model(name: str, **options: object) -> ModuleType:
    return odec.load(EXAMPLES / name / f"{name}.ode", **options)


def states(net: torch.nn.Module, times: np.ndarray, **options: object) -> np.ndarray:
    """(T, *batch, n)"""
    with torch.no_grad():
        return net(torch.as_tensor(times, dtype=torch.float64), **options).numpy()


def test_each_folder_is_complete() -> None:
    folders = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    assert folders == NAMES
    for name in folders:
        assert list((EXAMPLES / name).glob("*.ode"))
        assert (EXAMPLES / name / "README.md").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_no_diagnostics(name: str) -> None:
    for path in sorted((EXAMPLES / name).glob("*.ode")):
        assert list(odec.check(path)) == []


def test_competition_checkpoints() -> None:
    times = np.array([0.0, 10, 15, 30, 36, 40, 42])
    x = states(model("competition").Model(), times)
    expected = [
        (165.0207, 282.8620),
        (196.6267, 289.8660),
        (280.0375, 275.5214),
        (304.9387, 269.4088),
        (318.4999, 265.9264),
        (324.4187, 264.3717),
    ]
    np.testing.assert_allclose(x[1:], expected, atol=5.1e-5)
    truth = (0.1, 0.3, 1e-4, 2e-4, 2e-3, 3e-3)
    np.testing.assert_allclose(x, reference.competition_euler(truth, 0.1, times), rtol=1e-12)


def test_competition_data_are_the_simulation_rounded() -> None:
    data = reference.table(EXAMPLES / "competition" / "data.csv")
    x = states(model("competition").Model(), np.array([0.0, *data["t"]]))[1:]
    assert np.array_equal(np.round(x), np.stack([data["x1"], data["x2"]], -1))


def test_lynx_hare_at_the_published_optimum() -> None:
    data = reference.table(EXAMPLES / "lynx_hare" / "data.csv")
    names = ["alpha", "beta", "gamma", "delta", "hare0", "lynx0"]
    best = [0.481199, 0.0248318, 0.926018, 0.0275330, 34.9143, 3.86187]
    module = model("lynx_hare")
    assert list(module.PARAMS) == names
    params = {name: torch.tensor(value, dtype=torch.float64) for name, value in zip(names, best, strict=True)}
    x = states(module.Model(), data["t"], params=params)
    np.testing.assert_allclose(x, reference.predator_prey(best, data["t"]), rtol=1e-5)
    measured = np.stack([data["hare"], data["lynx"]], -1)
    assert ((x - measured) ** 2).sum() == pytest.approx(594.745, abs=2e-3)


def test_influenza_at_the_published_optimum() -> None:
    data = reference.table(EXAMPLES / "influenza" / "data.csv")
    times = np.array([0.0, *data["t"]])
    params = {"beta": torch.tensor(1.66923).double(), "gamma": torch.tensor(0.44345).double()}
    net = model("influenza").Model()
    x = states(net, times, params=params)
    in_bed = net.observe(torch.as_tensor(times), torch.as_tensor(x), params=params)[1:, 0].numpy()
    np.testing.assert_allclose(in_bed, reference.infected(1.66923, 0.44345, times)[1:], rtol=1e-5)
    assert ((in_bed - data["in_bed"]) ** 2).sum() == pytest.approx(4121.94, abs=0.01)
    np.testing.assert_allclose(x.sum(-1), 763, rtol=1e-13)


def test_pendulum_against_the_elliptic_functions() -> None:
    period = reference.pendulum_period(1, 2)
    times = np.array([0.0, 0.3, period / 4, period / 2, period, 2.9, 7.7, 10.0])
    net = model("pendulum").Model()
    x = states(net, times)
    np.testing.assert_allclose(x[:, 0], reference.pendulum_angle(times, 1, 2), atol=1e-6)
    assert x[2, 0] == pytest.approx(0, abs=1e-6)  # hangs down after a quarter of the period
    assert x[4, 0] == pytest.approx(2, abs=1e-6)
    energy = net.observe(torch.as_tensor(times), torch.as_tensor(x))[:, 2]
    assert energy.detach().numpy() == pytest.approx(-9.80665 * np.cos(2), rel=1e-6)


def test_hodgkin_huxley_against_a_restarted_solver() -> None:
    folder = EXAMPLES / "hodgkin_huxley"
    current = reference.table(folder / "current.csv")
    times = np.linspace(0, 50, 501)
    inputs = {"I": (torch.as_tensor(current["t"]), torch.as_tensor(current["I"]))}
    x = states(model("hodgkin_huxley").Model(), times, inputs=inputs)
    exact = reference.axon(times, current)
    expected = reference.spikes(times, exact[:, 0])
    assert len(expected) == 3
    # A held current keeps its value throughout a step, so that the jumps, where steps end, cost no order.
    np.testing.assert_allclose(reference.spikes(times, x[:, 0]), expected, atol=1e-3)
    np.testing.assert_allclose(x[:, 0], exact[:, 0], atol=1e-2)
    np.testing.assert_allclose(x[:, 1:], exact[:, 1:], atol=1e-4)


def test_hodgkin_huxley_at_the_removable_singularities() -> None:
    """α_m(-40) = 1, α_n(-55) = 0.1, and slopes 0.05 and 0.005: 0/0 without the conditional."""
    module = model("hodgkin_huxley")
    p = torch.tensor([120, 36, 0.3, 50, -77, -54.387], dtype=torch.float64)
    u, t = torch.zeros(1, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    gate = {"m": 1, "n": 3}
    for name, voltage, rate, slope in (("m", -40.0, 1.0, 0.05), ("n", -55.0, 0.1, 0.005)):
        x = torch.tensor([voltage, 0, 0, 0], dtype=torch.float64)
        dx = module.rhs(t, x, p, u)
        jacobian = module.jacobian(t, x, p, u)
        assert dx[gate[name]].item() == pytest.approx(rate, rel=1e-12)
        assert jacobian[gate[name], 0].item() == pytest.approx(slope, rel=1e-9)
        assert torch.isfinite(dx).all() and torch.isfinite(jacobian).all()


def test_ricker_against_plain_python() -> None:
    times = np.arange(0.0, 61)
    module = model("ricker")
    x = states(module.Model(), times)
    np.testing.assert_allclose(x[:, 0], reference.ricker(2.3, 100, 20, 60), rtol=1e-12)


def test_ricker_route_to_chaos() -> None:
    """K is stable below r = 2, then a cycle of two, of four above 2.526. May, Nature 261 (1976)."""
    r = torch.tensor([1.8, 2.3, 2.6], dtype=torch.float64)
    x = states(model("ricker").Model(), np.arange(0.0, 2001), params={"r": r})[..., 0]
    assert x[-1, 0] == pytest.approx(100, rel=1e-9)
    for column, length in ((1, 2), (2, 4)):
        tail = x[-40:, column]
        np.testing.assert_allclose(tail[length:], tail[:-length], rtol=1e-8)
        assert abs(tail[-1] - tail[-1 - length // 2]) > 1
    assert x[-2:, 1].sum() == pytest.approx(200, rel=1e-9)  # x exp(r(1-x)) = y and back: x + y = 2


def test_lorenz_against_an_accurate_solver() -> None:
    times = np.linspace(0, 5, 51)
    starts = np.array([[0.0, 1, 0], [-8, 8, 27], [1, 1, 1]])
    net = model("lorenz", method="rk4").Model(dt=0.001)
    x = states(net, times, x0=torch.as_tensor(starts))
    assert x.shape == (51, 3, 3)
    for i, start in enumerate(starts):
        np.testing.assert_allclose(x[:, i], reference.lorenz(start, times), rtol=0, atol=2e-6)


def test_lorenz_as_printed_in_1963() -> None:
    """Steps and maxima that Lorenz names in section 7 of his paper, by his own method and step."""
    x = states(model("lorenz").Model(), np.arange(0, 3001) / 100)
    assert int(10 * x[45, 2]) == 483  # the first maximum of z in his table
    assert x[45, 2] == x[:100:5, 2].max()
    assert x[50, 0] > 0 > x[50, 1]  # "by step 50 X and Y have opposite signs"
    assert (x[61:85, 0] < 0).all()
    turns = np.flatnonzero(np.diff(np.sign(x[85:, 1]))) + 85
    assert 1600 < turns[0] < 1700  # "until near step 1650. … thereafter Y changes sign"
    assert len(turns) > 10


def test_lorenz_ensemble_forgets_its_start() -> None:
    """Neighbours part at the largest Lyapunov exponent, 0.9056; the mean of z is 23.55."""
    torch.manual_seed(1)
    start = torch.tensor([[1.0, 1, 20]], dtype=torch.float64) + torch.randn(128, 3, dtype=torch.float64)
    net = model("lorenz", method="rk4").Model(dt=0.01)
    start = torch.as_tensor(states(net, np.array([0.0, 10]), x0=start))[-1]
    near = start + 1e-8 * torch.randn(128, 3, dtype=torch.float64)
    times = np.linspace(0, 15, 151)
    pair = states(net, times, x0=torch.stack([start, near]))
    gap = np.log(np.linalg.norm(pair[:, 0] - pair[:, 1], axis=-1)).mean(-1)
    assert (gap[120] - gap[20]) / 10 == pytest.approx(0.9056, abs=0.06)
    assert pair[..., 2].mean() == pytest.approx(23.55, abs=0.25)


def test_outputs_at_given_times_start_where_the_run_line_says() -> None:
    """The initial values hold at t = 0, whatever the first output is; `t0` moves them."""
    path = EXAMPLES / "competition" / "competition.ode"
    x = odec.simulate(path, [10, 42]).states
    np.testing.assert_allclose(x, [(165.0207, 282.8620), (324.4187, 264.3717)], atol=5.1e-5)
    moved = odec.simulate(path, [15, 47], t0=5).states
    np.testing.assert_allclose(moved, x, rtol=1e-12)
    with pytest.raises(odec.ArgumentError, match="before the start of the run"):
        odec.simulate(path, [-5, 10])
    with pytest.raises(odec.ArgumentError, match=r"all increase or all decrease; t\[2\] = 3 comes after 1"):
        odec.simulate(path, [5, 1, 3])


def test_ude_learns_from_what_its_script_measures() -> None:
    """The data of examples/ude beside scipy, and the first epochs of its training."""
    own = runpy.run_path(str(EXAMPLES / "ude" / "train.py"))
    t, truth, measured = own["measurements"]()
    rate = lambda _, x: (1.3 * x[0] - 0.9 * x[0] * x[1], 0.8 * x[0] * x[1] - 1.8 * x[1])  # noqa: E731
    exact = solve_ivp(rate, (0, 12), (0.44, 4.6), "DOP853", t.numpy(), rtol=1e-11, atol=1e-12).y.T
    np.testing.assert_allclose(truth, exact, rtol=1e-7)
    assert 0.02 < ((measured - truth).std(0) / truth.mean(0)).mean() < 0.04
    net = model("ude").Model(seed=0)
    losses = own["train"](net, t[:8], measured[:8], epochs=(15, 10), iterations=5)
    assert losses[14] < 0.7 * losses[0] and losses[-1] < losses[16]


def test_lorenz96_is_that_of_scipy() -> None:
    def rate(_: float, x: np.ndarray) -> np.ndarray:
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8

    start = np.full(40, 8.0)
    start[19] += 0.01
    run = odec.simulate(EXAMPLES / "lorenz96" / "lorenz96.ode", [0, 0.5, 1], rtol=1e-11, atol=1e-11)
    exact = solve_ivp(rate, (0, 1), start, "DOP853", [0, 0.5, 1], rtol=1e-12, atol=1e-12).y.T
    np.testing.assert_allclose(run["x"], exact, atol=1e-6)


def test_kuramoto_is_that_of_the_mean_field() -> None:
    own = 0.5 * np.tan(np.pi * ((np.arange(64) + 0.5) / 64 - 0.5))

    def rate(_: float, th: np.ndarray) -> np.ndarray:
        mean = np.exp(1j * th).mean()
        return own + 2 * np.abs(mean) * np.sin(np.angle(mean) - th)

    run = odec.simulate(EXAMPLES / "kuramoto" / "kuramoto.ode", [0, 2, 4], dt=0.01, check=False)
    exact = solve_ivp(rate, (0, 4), 2.4 * np.arange(64), "DOP853", [0, 2, 4], rtol=1e-11, atol=1e-11).y.T
    np.testing.assert_allclose(run["th"], exact, atol=1e-5)
    np.testing.assert_allclose(run["order"], np.abs(np.exp(1j * exact).mean(-1)), atol=1e-6)


def test_gray_scott_is_a_runge_kutta_step_of_numpy() -> None:
    def laplacian(x: np.ndarray) -> np.ndarray:
        return sum(np.roll(x, by, axis) for by in (1, -1) for axis in (0, 1)) - 4 * x

    def rate(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        eaten = u * v**2
        return np.array(
            [0.16 * laplacian(u) - eaten + 0.035 * (1 - u), 0.08 * laplacian(v) + eaten - 0.1 * v]
        )

    run = odec.simulate(EXAMPLES / "gray_scott" / "gray_scott.ode", [0, 2], check=False)
    x = np.array([run["u"][0], run["v"][0]])
    for _ in range(4):
        a = rate(*x)
        b = rate(*(x + 0.25 * a))
        c = rate(*(x + 0.25 * b))
        x = x + 0.5 / 6 * (a + 2 * b + 2 * c + rate(*(x + 0.5 * c)))
    np.testing.assert_allclose([run["u"][1], run["v"][1]], x, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_the_front_of_fisher_kpp_has_its_speed() -> None:
    times = [0, 39, 40, 41]
    front = odec.simulate(EXAMPLES / "fisher_kpp" / "fisher_kpp.ode", times, check=False)["front"]
    speed, dx = (front[3] - front[1]) / 2, 170 / 255
    assert speed == pytest.approx(2 - 3 / (2 * 40) + dx**2 / 12, rel=3e-3)


def test_ctrnn_is_that_of_scipy() -> None:
    data = reference.table(EXAMPLES / "ctrnn" / "held_out.csv")
    assert data["t"][0] == 20.25
    rng = np.random.default_rng(0)
    w, b, c = rng.normal(size=(4, 4)), rng.normal(size=(4, 2)), rng.normal(size=4)
    knots = np.array([0.0, 1, 2, 3])
    taps = rng.uniform(size=(2, 4))
    inputs = {"fill": (knots, taps[0]), "drain": (knots, taps[1])}
    params = {"tau": np.array([0.5, 1, 2, 1]), "W": w, "B": b, "c": c}
    path = EXAMPLES / "ctrnn" / "ctrnn.ode"
    run = odec.simulate(path, [0, 1.5, 3], dt=0.01, params=params, inputs=inputs)

    def rate(t: float, h: np.ndarray) -> np.ndarray:
        heard = [np.interp(t, knots, one) for one in taps]
        return (w @ np.tanh(h) + b @ heard - h) / params["tau"]

    exact = solve_ivp(rate, (0, 3), np.zeros(4), "DOP853", [0, 1.5, 3], rtol=1e-10, atol=1e-12, max_step=0.1)
    np.testing.assert_allclose(run["h"], exact.y.T, atol=1e-6)
    np.testing.assert_allclose(run["y"], exact.y.T @ c, atol=1e-6)
