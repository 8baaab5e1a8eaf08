"""What a Model's status says of runs that fail is what whole modules say, sentence for sentence."""

import math
import warnings

import pytest
import torch
from engine_cases import MAP, PREY, PUSHED
from frames import pair, thin_of
from thin_modules import module_of

D = torch.float64
POLE = "param a = 1\ninit x = 1\ninit y = 1\ndx/dt = a*x^2\ndy/dt = -y\n"
STEEP = "param a = 1\ninit x = 0\ninit y = 1\ndx/dt = a/x\ndy/dt = -y\n"
STIFF = "param a = 1000\ninit x = 1\ndx/dt = -a*(x - cos(t))\n"
ROOT = "param a = 1\ninit x = 1\ndx/dt = -a*sqrt(x) - 0.1\n"
LOGISTIC = "param r = 5\ninit x = 0.3\nx[t+1] = r*x*(1 - x)\n"
CASES = {
    "fixed": (POLE, "rk4", {"dt": 0.1}, {}),
    "fixed of an adaptive method": (POLE, "tsit5", {"dt": 0.1}, {}),
    "implicit": (POLE, "kvaerno5", {"dt": 0.3}, {}),
    "implicit alone": (POLE, "implicit_midpoint", {"dt": 0.3}, {}),
    "rosenbrock": (POLE, "rodas5p", {"dt": 0.3}, {}),
    "auto, fixed": (POLE, "auto", {"dt": 0.3}, {}),
    "adams, fixed": (POLE, "explicit_adams", {"dt": 0.1}, {}),
    "underflow": (POLE, "tsit5", {"rtol": 1e-6}, {}),
    "least step": (POLE, "tsit5", {"rtol": 1e-6, "min_step": 1e-3}, {}),
    "auto": (POLE, "auto", {}, {}),
    "adams": (POLE, "adams", {"rtol": 1e-3}, {}),
    "used up": (PREY, "dopri5", {"rtol": 1e-8, "max_steps": 5}, {}),
    "used up, stiff": (PREY, "rodas5p", {"rtol": 1e-8, "max_steps": 5}, {}),
    "unsolved": (ROOT, "tsit5", {"rtol": 1e-6}, {}),
    "often unsolved": (ROOT, "rodas5p", {"rtol": 1e-6, "max_steps": 15}, {}),
    "slope": (STEEP, "rk4", {"dt": 0.1}, {}),
    "slope, adaptive": (STEEP, "tsit5", {"rtol": 1e-3}, {}),
    "start": (PREY, "rk4", {"dt": 0.1}, {"x0": [math.inf, 1.0]}),
    "parameter": (PREY, "rk4", {"dt": 0.1}, {"params": {"a": math.nan}}),
    "parameter, adaptive": (PREY, "tsit5", {"rtol": 1e-3}, {"params": {"a": [math.nan, 1, 1, 1, 1, 1]}}),
    "input": (PUSHED, "rk4", {"dt": 0.1}, {"inputs": {"u": ([0, 1], [1, math.nan]), "v": 1.0, "w": 2.0}}),
    "map": (LOGISTIC, None, {}, {}),
    "clip": (POLE, "rk4", {"dt": 0.1, "clip": 10.0}, {}),
    "no trajectory": (PREY, "tsit5", {"rtol": 1e-3}, {"x0": torch.zeros(0, 2, dtype=D)}),
}


def told(net, times, given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = net(torch.tensor(times, dtype=D), **given)
        del x
        status = net.status
    failures = [(f.batch, f.state, f.time, f.at_start, f.cause, str(f)) for f in status.failures]
    return str(status), failures, status.ok.tolist(), str(status.steps)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [(), (2,), (5,)])
@pytest.mark.parametrize("case", CASES)
def test_failures(case, batch):
    text, method, options, given = CASES[case]
    n = len(module_of(text, method).STATES)
    if batch and not given:
        least = 0.1 if text == ROOT else 0.0  # from 0 it cannot start, which whole modules did not say
        given = {"x0": torch.linspace(least, 2.0, batch[0] * n, dtype=D).reshape(*batch, n)}
    times = [0.0, 3.0, 12.0] if method is None else [0.0, 0.4, 1.2, 2.0]
    new, old = (told(net, times, given) for net in pair(text, method, **options))
    assert new == old


def test_stiffness():
    """The probes take the run-time's own steps."""
    new, old = (told(net, [0.0, 2.0], {}) for net in pair(STIFF, "tsit5", rtol=1e-6))
    assert new[0] == old[0] and "the problem is stiff at t = " in new[0]


@pytest.mark.parametrize("engine", [True, False], ids=["old loops", "new loops"])
def test_a_step_of_the_cell(engine):
    for text, method in ((PREY, "rk4"), (MAP, None), (PUSHED, "tsit5")):
        thin, whole = thin_of(text, method, engine), module_of(text, method)
        x, p = (
            torch.tensor([[0.4, 0.2]], dtype=D),
            whole.Model(dt=0.1).vector() if method else whole.Model().vector(),
        )
        u = [torch.tensor([0.3] * len(whole.INPUTS), dtype=D)] if whole.INPUTS else []
        torch.testing.assert_close(
            thin.StepCell()(x, 0.0, 0.1, p, *u), whole.StepCell()(x, 0.0, 0.1, p, *u), rtol=1e-14, atol=0
        )
    thin, whole = thin_of(PREY, "rk4", engine), module_of(PREY, "rk4")
    given = torch.tensor([3.0, 2.0], dtype=D), 0.0, 0.1, thin.Model(dt=1).vector().detach(), 0.5
    assert torch.allclose(thin.StepCell()(*given), whole.StepCell()(*given), rtol=1e-14)
