"""A stiff problem given to an explicit method on the torch engine: told early, once, and the run goes on."""

import warnings

import pytest
import torch
from tiers import slow_but

import odec

D = torch.float64
DECAY = """
input u linear
param k = 1000
init x = 1
init y = 0
dx/dt = -k*(x - u)
dy/dt = x - y
"""


def run(method, k, *, end=10.0, **options):
    """The states, the status and the warnings of a run of three trajectories, the last with the given k."""
    net = odec.load(DECAY, method=method, engine="torch").Model(
        rtol=1e-5, atol=1e-7, adjoint="none", **options
    )
    times = torch.tensor([0.0, end], dtype=D)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        x = net(times, params={"k": torch.tensor([1.0, 2.0, k])}, inputs={"u": ([0, 5, 10], [0, 1, -1])})
    return x, net.status, [str(warning.message) for warning in told]


@pytest.mark.parametrize(
    ("method", "limit"),
    slow_but(
        [("tsit5", 3.5), ("bosh3", 2.5), ("vern9", 4.5), ("dop853", 6.4)],
        lambda method, _: method in ("tsit5", "bosh3"),
    ),
)
def test_told_before_the_steps_are_used_up(method, limit):
    x, status, (told,) = run(method, 1e6, max_steps=520)
    assert told.startswith("the problem is stiff at t = 0.00")
    assert f"and {method}'s limit is {limit})" in told
    assert told.endswith(
        "not the tolerance; try the method rodas5p or auto, which take longer ones; "
        f"this run goes on with {method}"
    )
    reach = float(told.split("h·|λ| = ")[1].split(",")[0])
    assert 0.5 * limit < reach < 1.3 * limit
    assert status.ok.tolist() == [True, True, False] and torch.isfinite(x[-1, :2]).all()
    assert "max_steps are used up" in str(status) and "trajectory (2,)" in str(status)


def test_the_run_goes_on_and_is_told_once():
    x, status, told = run("tsit5", 1000.0, end=3.0)
    assert len(told) == 1 and status.ok.all() and int(status.steps.max()) > 700
    assert "stiff" in status.stiffness and abs(x[-1, 2, 0] - 0.6) < 1e-2


def test_backwards_in_time_the_growing_parts_decay():
    _, _, told = run("tsit5", -1e4, end=-0.3)
    assert len(told) == 1 and "the problem is stiff at t = -0" in told[0]


@pytest.mark.parametrize(
    ("method", "k"),
    slow_but(
        [("tsit5", 5.0), ("auto", 1e4), ("rodas5p", 1e4), ("bosh3", 20.0)],
        lambda method, _: method == "tsit5",
    ),
)
def test_not_told_of_what_is_not_stiff_or_by_methods_for_it(method, k):
    x, status, told = run(method, k, max_step=0.01, end=6.0)
    assert told == [] and status.ok.all() and int(status.steps.max()) >= 600
    assert torch.isfinite(x).all()
