"""Switches where straight inputs cross a level are landed on: states and gradients against closed forms."""

import functools

import pytest
import torch
from switch_input_models import MODELS, PARAMS, STOP, D, leaves, series, side_by_side, text

import odec
from odec.runtime.shares import shares_of

TIMES = {
    "torch": torch.tensor([0.0, 1.0, 2.2], dtype=D),
    "native": torch.tensor([0.0, 1.0, 2.5, 3.0, 6.1, STOP], dtype=D),
}
"""As far as is quick."""
SLOW = pytest.mark.slow


EVERY = tuple(MODELS)
FEW = ("ramp", "scaled", "held")


@functools.cache
def loaded(method: str, engine: str, names: tuple[str, ...]):
    return odec.load(text(*names), method=method, engine=engine)


def net_of(method: str, engine: str, names: tuple[str, ...], **steps):
    return loaded(method, engine, names).Model(engine=engine, **steps)


def states(net, p, times=None):
    times = TIMES[net.engine] if times is None else times
    return net(times, params={name: p[name] for name in PARAMS}, inputs=series(p))


def weights(like):
    return torch.linspace(0.5, 2, like.numel(), dtype=D).reshape(like.shape)


@functools.cache
def solution(names, engine):
    """The states of models, and the gradients of their weighted sum by all that moves them."""
    p = leaves()
    x = side_by_side(names, TIMES[engine], p)
    (weights(x) * x).sum().backward()
    return x.detach(), {name: value.grad for name, value in p.items()}


@pytest.mark.parametrize(
    ("method", "engine", "names"),
    [
        ("tsit5", "torch", ("scaled",)),
        ("tsit5", "native", EVERY),
        *(pytest.param(method, "torch", ("scaled",), marks=SLOW) for method in ("auto", "rodas5p")),
    ],
)
def test_steps_by_a_tolerance_keep_it(method, engine, names):
    for rtol in (1e-3, 1e-6, 1e-9) if engine == "native" else (1e-3, 1e-6):
        with torch.no_grad():
            x = states(net_of(method, engine, names, rtol=rtol, atol=rtol), leaves())
        wanted = solution(names, engine)[0]
        off = (x - wanted).abs() / (rtol * (1 + wanted.abs()))
        assert off.max() < 10, dict(zip(names, off.amax(0).tolist(), strict=True))


@pytest.mark.parametrize(("method", "order"), [("rk4", 4), pytest.param("heun2", 2, marks=SLOW)])
def test_fixed_steps_keep_their_order(method, order):
    """With pieces that are long besides the steps: half of them lessens the error by 2**order."""
    found = []
    for dt in (0.08, 0.04):
        with torch.no_grad():
            x = states(net_of(method, "torch", ("scaled",), dt=dt), leaves())
        found.append(float((x - solution(("scaled",), "torch")[0]).abs().max()))
    assert found[0] / found[1] > 2 ** (order - 0.35), found


TIGHT = {"rtol": 1e-11, "atol": 1e-12}


@pytest.mark.parametrize(
    ("method", "engine", "names", "steps"),
    [
        ("tsit5", "native", EVERY, TIGHT),
        ("rk4", "native", EVERY, {"dt": 0.005}),
        ("rk4", "torch", ("scaled",), {"dt": 0.1}),
        ("dop853", "torch", ("scaled",), TIGHT),
        ("dop853", "torch", ("scaled",), {"rtol": 1e-11, "adjoint": "continuous"}),
        pytest.param("rk4", "torch", FEW, {"dt": 0.1}, marks=SLOW),
        pytest.param("dop853", "torch", ("held",), {**TIGHT, "adjoint": "autograd"}, marks=SLOW),
    ],
)
def test_gradients_by_all_that_moves_a_switch(method, engine, names, steps):
    """Levels, multiples, and the values of inputs, on both sides of a crossing."""
    p = leaves()
    x = states(net_of(method, engine, names, **steps), p)
    (weights(x) * x).sum().backward()
    near = 1e-5 if steps.get("dt", 0) > 0.01 else 1e-8
    for name, wanted in solution(names, engine)[1].items():
        found = torch.zeros_like(wanted) if p[name].grad is None else p[name].grad
        assert torch.allclose(
            found, torch.zeros_like(found) if wanted is None else wanted, rtol=near, atol=near
        ), name


@pytest.mark.parametrize(
    ("method", "engine", "names", "by"),
    [("euler", "torch", ("scaled",), ("q", "u")), ("rk4", "native", EVERY, tuple(leaves()))],
)
def test_tangents_are_adjoints(method, engine, names, by):
    """By parameters and by the values of inputs."""
    net, p = net_of(method, engine, names, dt=0.5), {name: v.detach() for name, v in leaves().items()}

    def weighted(moving):
        x = states(net, p | moving, TIMES[engine][[0, 1]])
        return torch.stack([(x * weights(x)).sum(), x[1].sum()])

    moving = {name: p[name] for name in by}
    back, forth = torch.func.jacrev(weighted)(moving), torch.func.jacfwd(weighted)(moving)
    for name in by:
        assert torch.allclose(back[name], forth[name], rtol=1e-10, atol=1e-12), name


JUMP = """
param L = 0.5, k = 2
input u linear
init x = 0, above = 0, late = 0, root = 0
x' = if u > L then k else 0
above' = if u >= L then k else 0
late' = if u + t/2 > L then k else 0
root' = if u > L then sqrt(u - L) else 0
"""


@functools.cache
def jumping(engine):
    """Between switches the slopes are numbers, but for a root's: fixed steps are exact."""
    method, steps = ("tsit5", {"rtol": 1e-6, "atol": 1e-9}) if engine == "native" else ("rk4", {"dt": 1.0})
    return odec.load(JUMP, method, engine).Model(engine=engine, **steps)


def run(engine, values, level=0.5, state="x", times=(0.0, 1.0, 2.0, 4.0)):
    """A state at the times, with values at 0, 1, 2, …; the gradients of the last by level and values."""
    level = torch.tensor(level, dtype=D, requires_grad=True)
    values = torch.tensor(values, dtype=D, requires_grad=True)
    u = torch.arange(len(values), dtype=D), values
    net = jumping(engine)
    x = net(torch.tensor(times, dtype=D), params={"L": level}, inputs={"u": u})
    own = x[:, net.compiled.states.index(state)]
    return own.tolist(), [g.flatten().tolist() for g in torch.autograd.grad(own[-1], (level, values))]


@pytest.mark.parametrize("engine", ["torch", "native"])
class TestOneLevel:
    def test_an_input_may_rest_on_it(self, engine):
        """There the condition says itself on which side it is; it switches where the input leaves."""
        x, _ = run(engine, [1.5, 0.5, 0.5, 1.5, 1.5])
        assert x == pytest.approx([0, 2, 2, 6])
        x, _ = run(engine, [1.5, 0.5, 0.5, 1.5, 1.5], state="above")
        assert x == pytest.approx([0, 2, 4, 8])
        x, grads = run(engine, [0.5, 0.5, 0.5], state="above")
        assert x == pytest.approx([0, 2, 4, 8])
        assert grads == [[0.0], [0.0] * 3]

    def test_it_may_be_met_at_a_sample(self, engine):
        """The gradient is that of the later piece where the input goes through, and 0 where it turns back."""
        x, grads = run(engine, [0.0, 0.5, 2.5, 2.5, 2.5])
        assert x == pytest.approx([0, 0, 2, 6])
        assert grads[0] == pytest.approx([-2 / 2])
        assert grads[1] == pytest.approx([0, 2 * 0.5, 0, 0, 0])
        x, grads = run(engine, [0.0, 0.5, 0.0, 0.0, 0.0])
        assert (x, grads) == ([0.0] * 4, [[0.0], [0.0] * 5])

    def test_it_may_be_met_at_an_output_and_at_both_ends(self, engine):
        x, grads = run(engine, [0.0, 1.0, 0.0, 1.0, 0.0], times=(0.0, 0.5, 1.5, 3.5))
        assert x == pytest.approx([0, 0, 2, 4])
        assert grads[0] == pytest.approx([-2 * 3 - 2])
        x, grads = run(engine, [0.0, 1.0, 0.0], times=(0.5, 1.5))
        assert x == pytest.approx([0, 2])
        assert grads[0] == pytest.approx([-4])

    def test_beyond_its_samples_an_input_stays(self, engine):
        x, grads = run(engine, [0.0, 0.4], level=1.9, state="late")
        assert x == pytest.approx([0, 0, 0, 2])
        assert grads[0] == pytest.approx([-4])
        assert grads[1] == pytest.approx([0, 4])

    def test_the_time_may_run_backwards(self, engine):
        x, grads = run(engine, [0.0, 1.0, 0.2, 0.2, 0.2], times=(4.0, 1.0, 0.0))
        assert x == pytest.approx([0, -2 * 0.625, -2 * 1.125])
        assert grads[0] == pytest.approx([2 / 0.8 + 2])


def test_a_root_that_ends_at_it_is_not_taken_beyond():
    x, grads = run("native", [0.0, 1.0, 2.0, 3.0, 4.0], state="root")
    assert x[-1] == pytest.approx(2 / 3 * 3.5**1.5, rel=1e-5)
    assert grads[0] == pytest.approx([-(3.5**0.5)], rel=1e-4)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_each_trajectory_has_an_input_of_its_own(engine):
    """Its numbers and gradients are the bits of it alone; those without a switch run together with others."""
    net, t, knots = jumping(engine), torch.linspace(0, 3, 4, dtype=D), torch.arange(4, dtype=D)
    values = torch.tensor([[0.0, 1, 0, 1], [0.5, 0.5, 0.5, 0.7], [2, 3, 4, 5], [1, 0, 0.2, 0.9]], dtype=D)
    values, level = values.T.clone().requires_grad_(), torch.tensor(0.5, dtype=D, requires_grad=True)
    x = net(t, params={"L": level}, inputs={"u": (knots, values)})
    w = weights(x) * torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=D)
    by_level, by_values = torch.autograd.grad((w * x).sum(), (level, values))
    every = 0.0
    for k in range(4):
        own = values[:, k].detach().requires_grad_()
        alone = net(t, params={"L": level}, inputs={"u": (knots, own)})
        assert torch.equal(alone, x[:, k])
        one, each = torch.autograd.grad((w[:, k] * alone).sum(), (level, own))
        assert torch.equal(each, by_values[:, k])
        every += one.item()
    assert every == pytest.approx(by_level.item(), rel=1e-12)
    assert net.status.ok.all()


def test_trajectories_that_meet_no_level_run_together():
    """Each on its own side of it, with its own numbers."""
    knots = torch.arange(3, dtype=D)
    values = torch.tensor([[2.0, -9.0, 3.0], [4.0, -8.0, 1.0], [3.0, -9.0, 1.0]], dtype=D)
    net, t = jumping("native"), torch.tensor([0.0, 2.0], dtype=D)
    p = torch.tensor([0.5, 2.0], dtype=D)
    x = net(t, params=p, inputs={"u": (knots, values)})[-1]
    assert x[:, 0].tolist() == pytest.approx([4, 0, 4])
    alone = [net(t, params=p, inputs={"u": (knots, values[:, k])})[-1] for k in range(3)]
    assert torch.equal(x, torch.stack(alone))
    lines = torch.stack((values[:-1], values.diff(dim=0)), 1)
    assert [share.items for share in shares_of(net.compiled.turns, t, p, [knots, lines], (3,))] == [None]


def test_an_input_that_is_no_number_is_told():
    """In one trajectory, where the run comes past it; the other has the numbers of it alone."""
    knots, t = torch.arange(4, dtype=D), torch.tensor([0.0, 2.5], dtype=D)
    values = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, torch.nan], [1.0, 1.0]], dtype=D)
    net = jumping("torch")
    x = net(t, inputs={"u": (knots, values)})
    assert net.status.ok.tolist() == [True, False]
    assert "its input u is not finite throughout" in str(net.status)
    assert torch.equal(x[:, 0], net(t, inputs={"u": (knots, values[:, 0])}))
    net(t[:1].repeat(2) + torch.tensor([0.0, 0.9], dtype=D), inputs={"u": (knots, values)})
    assert net.status.ok.all()


def test_several_levels_share_an_input():
    """A level for each trajectory, with one series for all."""
    net, t, knots = jumping("native"), torch.tensor([0.0, 3.0], dtype=D), torch.arange(4, dtype=D)
    level = torch.tensor([0.2, 0.5, 7.0], dtype=D, requires_grad=True)
    values = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=D, requires_grad=True)
    x = net(t, params={"L": level}, inputs={"u": (knots, values)})[-1, :, 0]
    assert x.tolist() == pytest.approx([2 * 3 * 0.8, 2 * 3 * 0.5, 0])
    by_level, by_values = torch.autograd.grad(x.sum(), (level, values))
    assert by_level.tolist() == pytest.approx([-6, -6, 0])
    assert by_values.tolist() == pytest.approx([2 * 1.3, 2 * 1.4, 2 * 2.6, 2 * 0.7])


def test_a_step_cell_asks_in_the_middle_of_its_step():
    cell = odec.load(JUMP, "rk4", "torch").StepCell()
    p, x = torch.tensor([0.5, 2.0], dtype=D), torch.zeros(4, dtype=D)
    for t, wanted in ((0.0, 0.0), (0.5, 1.0)):
        assert cell(x, t, 0.5, p, lambda t: torch.as_tensor(t).reshape(1))[0].item() == pytest.approx(wanted)


@pytest.mark.parametrize(("condition", "after"), [("u > L", 0), ("u >= L", 1), ("2*L < 2*u", 0)])
def test_an_input_that_ends_on_its_level_stays_there(condition, after):
    """Behind its last sample x moves by the condition at this, not at 0.9 + slope·3.1 with its roundings."""
    net = odec.load(
        f"param L = 1\ninput u linear\ninit x = 0\nx' = if {condition} then 1 else 0\nrun t = 0 .. 10",
        method="heun2",
        engine="torch",
    ).Model(dt=10.0, engine="torch")
    draw = torch.Generator().manual_seed(1)
    knots = torch.stack((torch.zeros(20, dtype=D), 0.5 + 4 * torch.rand(20, dtype=D, generator=draw)), 1)
    begin, level = torch.rand((2, 20), dtype=D, generator=draw).mul(40).round().div(10)
    for times, low, L in zip(knots, begin, level + 0.1, strict=True):
        given = {"params": {"L": L}, "inputs": {"u": (times, torch.stack((low, L)))}}
        x = net(torch.tensor([0.0, 5, 10], dtype=D), **given)[:, 0]
        assert x[2] - x[1] == 5 * after
