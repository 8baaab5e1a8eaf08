"""Models as a new user writes them, run without a word on steps: against closed forms."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tiers import slow_but

import odec
from odec.errors import AccuracyWarning

DECAY = "param k = 5\ninit x = {start}\nx' = -k*x\nrun t = 0 .. 5 step 1{how}\n"
OSCILLATOR = "param w = 3.1416\ninit x = 1\ninit x' = 0\nx'' = -w^2*x\nrun t = 0 .. 100 step 0.5{how}\n"
INFUSION = "param k = 2\ninput rate\ninit A = 0\nA' = rate - k*A\nrun t = 0 .. 48 step 0.5\n"
DAILY = (
    "param k = 0.1\ninit A = 0\nA' = (if mod(t, 24) < 0.5 then 200 else 0) - k*A\nrun t = 0 .. 240 step 0.5\n"
)
UNFOUND = DAILY.replace("mod(t, 24) < 0.5", "cos(pi*(t - 0.25)/12) > cos(pi/48)")
"""The same pulses by a condition that is not located."""
ENGINES = ["torch", "native"]


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", AccuracyWarning)
        yield


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["", " method tsit5", " method auto rtol 1e-8"])
def test_outputs_far_apart(how: str, engine: str) -> None:
    run = odec.simulate(DECAY.format(start=1, how=how), engine=engine)
    np.testing.assert_allclose(run["x"], np.exp(-5 * run.times), atol=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("start", [1e-10, 1e-200])
def test_a_small_start_has_a_small_tolerance(start: float, engine: str) -> None:
    run = odec.simulate(DECAY.format(start=start, how=""), engine=engine)
    np.testing.assert_allclose(run["x"] / start, np.exp(-5 * run.times), atol=1e-8)


def test_a_batch_keeps_the_bits_of_its_trajectories() -> None:
    text = DECAY.format(start=1e-10, how="")
    many = odec.simulate(text, init={"x": [1e-10, 1e-3, 2.0]}, check=False)
    for k, start in enumerate((1e-10, 1e-3, 2.0)):
        one = odec.simulate(text, init={"x": start}, check=False)
        np.testing.assert_array_equal(one["x"], many["x"][:, k])


@pytest.mark.parametrize(
    ("lines", "atol"),
    [
        ("init x = 1e-10, y = 5", (1e-19, 1e-9)),
        ("init x = 0, y = 1e-3", (1e-12, 1e-12)),
        ("init x = 0, y = 0", (1e-9, 1e-9)),
        ("param a = 1e-4\ninit x = -a*t0, y = 2*x", (1e-13, 2e-13)),
        ("init x = 1e-310, y = 1", (2.2250738585072014e-308, 1e-9)),
        ("param a = 0\ninit x = log(a), y = 1", (1e-9, 1e-9)),
    ],
)
def test_the_absolute_tolerance_goes_by_state(lines: str, atol: tuple[float, ...]) -> None:
    net = odec.load(f"const t0 = 1\n{lines}\nx' = -x\ny' = -y\n", engine="torch").Model()
    assert net.atol == pytest.approx(atol, rel=1e-12)
    assert net.rtol == 1e-6 and net.dt is None


def test_the_tolerance_suits_single_precision() -> None:
    import torch

    module = odec.load(DECAY.format(start=1e-35, how=""), engine="torch")
    assert module.Model(dtype=torch.float32).atol == (torch.finfo(torch.float32).tiny,)
    assert module.Model(atol=1e-3).atol == (1e-3,) and module.Model(atol=[2e-3]).atol == (2e-3,)


def test_an_oscillator_keeps_its_amplitude() -> None:
    run = odec.simulate(OSCILLATOR.format(how=""))
    np.testing.assert_allclose(run["x"], np.cos(3.1416 * run.times), atol=1e-4)


def test_the_rate_of_coarse_data_is_found() -> None:
    times = np.arange(6.0)
    text = "param k = 1 in (0, inf)\ninit x = 1\nx' = -k*x\nrun t = 0 .. 5 step 1\n"
    result = odec.fit(text, {"t": times, "x": np.exp(-3 * times)})
    assert result.values["k"] == pytest.approx(3, rel=1e-5)
    assert result.steps == {"method": "auto", "rtol": 1e-6, "atol": [1e-9]}
    assert result.as_dict()["steps"] == result.steps and result.summary.startswith("auto: ")


PULSES = np.array([[12.0 * k, 12.0 * k + 0.1] for k in range(4)]).ravel()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dense", [False, True])
def test_pulses_of_an_input_between_outputs(dense: bool, engine: str) -> None:
    series = {"rate": (PULSES, np.tile([1000.0, 0.0], 4))}
    times = np.concatenate([[0.0], *([12 * k + 0.1, 12 * k + 0.5] for k in range(4)), [48.0]])
    run = odec.simulate(INFUSION, times, inputs=series, engine=engine, dense_output=dense or None)
    expected = np.array([90.63462346100909, 40.72476224747857])
    np.testing.assert_allclose(run["A"][1:9].reshape(4, 2), np.tile(expected, (4, 1)), rtol=1e-6)
    coarse = odec.simulate(INFUSION, inputs=series, engine=engine, dense_output=dense or None)
    assert coarse["A"][25] == pytest.approx(expected[1], rel=1e-6)


@pytest.mark.parametrize(
    ("dense", "engine"),
    slow_but([(d, e) for d in (False, True) for e in ENGINES], lambda _, engine: engine == "native"),
)
def test_no_step_by_tolerance_passes_over_a_pulse_as_wide_as_the_outputs_spacing(
    dense: bool, engine: str
) -> None:
    times = [0.0, 10, 30, 60, 100, 240]
    expected = [
        0,
        37.72316456611776,
        61.38162373405741,
        33.94112603108025,
        75.59333793698976,
        10.230508658534953,
    ]
    run = odec.simulate(UNFOUND, times, engine=engine, dense_output=dense or None)
    np.testing.assert_allclose(run["A"], expected, rtol=2e-4)
    net = odec.load(UNFOUND, engine=engine).Model()
    assert net.steps.tolerance.longest == 0.24
    coarse = odec.simulate(UNFOUND.replace("step 0.5", "step 240"), engine=engine, dense_output=dense or None)
    np.testing.assert_allclose(coarse["A"], [0, expected[-1]], rtol=2e-4)
    assert odec.load(UNFOUND, engine=engine).Model(max_step=0.1).steps.tolerance.longest == 0.1
    plain = odec.load(DAILY, engine=engine)
    landed = odec.simulate(DAILY, times, engine=engine, dense_output=dense or None)
    np.testing.assert_allclose(landed["A"], expected, rtol=1e-5)
    assert plain.Model().steps.tolerance.longest == np.inf
