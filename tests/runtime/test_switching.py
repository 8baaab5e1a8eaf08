"""Runs that land on their switches in time, against closed forms."""

import math
import pickle

import pytest
import torch
from switching_models import DOSE, PULSE, at_dose, at_pulse, dose, dosed, switching

import odec
from odec.runtime.engines import How
from odec.runtime.errors import EngineError
from odec.runtime.landing import landing_of
from odec.runtime.native.fused import FusedFit
from odec.runtime.switch_times import Switches

ENGINES = ["torch", "native"]
SLOW = pytest.mark.slow
P = [0.7, 2.0, 0.437, 1.5]


@pytest.fixture(autouse=True)
def _double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def numbers(*values):
    return torch.tensor(values, requires_grad=True)


def gradients(x, *given):
    """The gradients of a sum of states with unequal weights."""
    w = torch.linspace(1, 2, x.numel()).reshape(x.shape)
    return torch.autograd.grad((x * w).sum(), given)


CASES = [
    ("rk4", "torch", {"dt": 0.01}, 1e-7),
    ("tsit5", "torch", {}, 1e-8),
    ("tsit5", "native", {}, 1e-8),
    pytest.param("rodas5p", "torch", {}, 1e-8, marks=SLOW),
    ("tsit5", "torch", {"adjoint": "continuous"}, 1e-8),
    pytest.param("tsit5", "torch", {"adjoint": "autograd"}, 1e-8, marks=SLOW),
    ("tsit5", "native", {"dense_output": True}, 1e-7),
]


@pytest.mark.parametrize(("method", "engine", "settings", "near"), CASES)
@pytest.mark.parametrize("time", [0.437, 0.4, 0.0, *(pytest.param(far, marks=SLOW) for far in (1.0, 5.0))])
def test_states_and_gradients_are_those_of_the_solution(method, engine, settings, near, time):
    """With the switch between outputs, at one, at the start, at the end, and outside of the run."""
    net, p, t = dose(method, engine, **settings), numbers(0.7, 2.0, time, 1.5), torch.linspace(0, 1, 6)
    t = t.requires_grad_()
    x = net(t, params=p)
    q, s = p.detach().requires_grad_(), t.detach().requires_grad_()
    wanted = dosed(s, *q.unbind())
    assert torch.allclose(x, wanted, rtol=near, atol=near)
    (g_p, g_t), (w_p, w_t) = gradients(x, p, t), gradients(wanted, q, s)
    assert torch.allclose(g_p, w_p, rtol=10 * near, atol=10 * near)
    assert torch.allclose(g_t, w_t, rtol=10 * near, atol=10 * near)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("time", [0.437, 0.4, 0.0, 1.0])
def test_time_may_run_backwards(engine, time):
    net, p, t = dose(engine=engine), numbers(0.7, 2.0, time, 1.5), torch.linspace(1, 0, 6)
    x, q = net(t, params=p), numbers(0.7, 2.0, time, 1.5)
    wanted = dosed(t, *q.unbind())
    assert torch.allclose(x, wanted, rtol=1e-8)
    assert torch.allclose(gradients(x, p)[0], gradients(wanted, q)[0], rtol=1e-7)


@pytest.mark.parametrize("engine", [pytest.param("torch", marks=SLOW), "native"])
@pytest.mark.parametrize("settings", [{}, {"dt": 0.02}])
def test_tangents_are_the_adjoint(engine, settings):
    """By torch.func and by forward mode, by parameters, first states and output times."""
    net = dose("tsit5", engine, **settings)
    p, x0, t = torch.tensor(P), torch.tensor([1.5]), torch.linspace(0, 1, 6)

    def states(p, x0, t):
        return net(t, x0, params=p)

    back = torch.func.jacrev(states, (0, 1, 2))(p, x0, t)
    forth = torch.func.jacfwd(states, (0, 1, 2))(p, x0, t)
    for one, other in zip(back, forth, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-12)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(p, torch.tensor([0.0, 0.0, 1.0, 0.0]))
        d_x = torch.autograd.forward_ad.unpack_dual(states(dual, x0, t)).tangent
    assert torch.allclose(d_x, back[0][..., 2], rtol=1e-10, atol=1e-12)
    q = p.clone().requires_grad_()
    x = states(q, x0, t)[:, 0]
    (rows,) = torch.autograd.grad(x, q, torch.eye(6), is_grads_batched=True)
    assert torch.allclose(rows, back[0][:, 0], rtol=1e-12)
    wanted = torch.func.jacrev(lambda p: dosed(t, *p.unbind()))(p)
    assert torch.allclose(back[0], wanted.index_fill(-1, torch.tensor(3), 0.0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("engine", [pytest.param("torch", marks=SLOW), "native"])
@pytest.mark.parametrize("settings", [{}, {"dt": 0.02}])
def test_each_trajectory_switches_at_its_own_times(engine, settings):
    """Its numbers and gradients are the bits of the trajectory alone; torch.vmap is a batch."""
    net, t = dose("tsit5", engine, **settings), torch.linspace(0, 1, 6)
    times = torch.tensor([[0.437, 0.9, 5.0], [0.437, -3.0, 0.4]])
    p = torch.tensor([0.7, 2.0, 0.0, 1.5]).repeat(2, 3, 1)
    p[..., 2] = times
    p.requires_grad_()
    x0 = torch.linspace(1, 2, 6).reshape(2, 3, 1).requires_grad_()
    x = net(t, x0, params=p)
    g_p, g_x0 = gradients(x, p, x0)
    w = torch.linspace(1, 2, x.numel()).reshape(x.shape)
    for place in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)):
        q, y0 = p.detach()[place].requires_grad_(), x0.detach()[place].requires_grad_()
        y = net(t, y0, params=q)
        assert torch.equal(y, x[:, *place])
        own_p, own_x0 = torch.autograd.grad((y * w[:, *place]).sum(), (q, y0))
        assert torch.equal(own_p, g_p[place])
        assert torch.equal(own_x0, g_x0[place])
    mapped = torch.vmap(torch.vmap(lambda p, x0: net(t, x0, params=p)))(p.detach(), x0.detach())
    assert torch.equal(mapped, x.detach().movedim(0, 2))
    each = torch.vmap(torch.vmap(torch.func.grad(lambda p, x0: net(t, x0, params=p).sum())))
    (g_p,) = torch.autograd.grad(net(t, x0, params=p).sum(), p)
    assert torch.allclose(each(p.detach(), x0.detach()), g_p)


@pytest.mark.parametrize("engine", ENGINES)
def test_two_switches_at_one_instant_have_gradients_of_their_own(engine):
    net = switching(PULSE, "tsit5", engine, at_pulse, 2, rtol=1e-10, atol=1e-12)
    p, t = numbers(0.7, 2.0, 0.5, 0.5), torch.tensor([0.0, 1.0])
    x = net(t, params=p)
    assert torch.allclose(x[1], torch.exp(torch.tensor(-0.7)), rtol=1e-9)
    (g,) = torch.autograd.grad(x[1].sum(), p)
    slope = 2 * math.exp(-0.7 * 0.5)
    assert torch.allclose(g[2:], torch.tensor([-slope, slope]), rtol=1e-8)


def test_autograd_differentiates_twice():
    net, t = dose(adjoint="autograd"), torch.linspace(0, 1, 3)

    def last(p):
        return net(t, params=p)[-1, 0]

    found = torch.autograd.functional.hessian(last, torch.tensor(P))
    wanted = torch.autograd.functional.hessian(lambda p: dosed(t, *p.unbind())[-1, 0], torch.tensor(P))
    assert torch.allclose(found, wanted, rtol=1e-7, atol=1e-8)
    several = torch.tensor([P, P]).index_put((torch.tensor(1), torch.tensor(2)), torch.tensor(0.3))
    several.requires_grad_()
    x = net(t, params=several)
    for k in (0, 1):
        assert torch.equal(x[:, k], net(t, params=several[k]))
    (g,) = gradients(x, several)
    q = several.detach().requires_grad_()
    wanted = torch.stack([dosed(t, *one.unbind()) for one in q], 1)
    assert torch.allclose(g, gradients(wanted, q)[0], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_input_goes_through_the_pieces(engine):
    """Its gradient is that of what the infusion adds, and a knot between switches is one of its own."""
    text = DOSE.replace("INPUT", "input u hold").replace("GIVEN", "u")
    net = switching(text, "tsit5", engine, at_dose, 1, rtol=1e-10, atol=1e-12)
    t, p, values = torch.linspace(0, 1, 5), numbers(*P), numbers(2.0, 3.0)
    x = net(t, params=p, inputs={"u": (torch.tensor([0.0, 0.6]), values)})
    first, second = values.detach().requires_grad_(), numbers(*P)
    k = second[0]
    wanted = dosed(t, k, first[0], *second[2:])
    wanted = (
        wanted
        + torch.where(t >= 0.6, (first[1] - first[0]) / k * (1 - torch.exp(-k * (t - 0.6))), 0.0)[:, None]
    )
    assert torch.allclose(x, wanted, rtol=1e-8)
    for mine, theirs in zip(gradients(x, p, values), gradients(wanted, second, first), strict=False):
        assert torch.allclose(mine, theirs, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("method", "engine", "settings"), [("rk4", "torch", {"dt": 0.1}), ("tsit5", "native", {})]
)
def test_a_time_that_is_no_number_is_told(method, engine, settings):
    """One trajectory's, and none of its neighbours'; one at infinity never comes."""
    net, p = dose(method, engine, **settings), torch.tensor([P, P, P])
    p[0, 2], p[1, 2] = math.nan, math.inf
    p.requires_grad_()
    t = torch.linspace(0, 1, 3)
    x = net(t, params=p)
    assert torch.equal(x[1:, 0].isnan(), torch.ones(2, 1, dtype=torch.bool))
    near = 1e-5 if settings else 1e-8
    assert torch.allclose(x[:, 1], 1.5 * torch.exp(-0.7 * t)[:, None], rtol=near)
    assert torch.equal(x[:, 2], net(t, params=p[2]))
    net(t, params=p)
    assert net.status.ok.tolist() == [False, True, True]
    assert "its parameter T is nan" in str(net.status)
    (g,) = torch.autograd.grad(x[:, 1:].sum(), p)
    assert g[0].tolist() == [0.0] * 4
    assert g[1:].isfinite().all()
    (g,) = torch.autograd.grad(net(t, params=p)[-1].sum(), p)
    assert g[0].isnan().all()
    assert g[1:].isfinite().all()


def test_too_many_switches_are_refused():
    def often(p):
        return (((1.0, 0.0, 1e-7),),)

    text = DOSE.replace("INPUT\n", "").replace("GIVEN", "a")
    net = switching(text, "rk4", "torch", often, 1, dt=0.1)
    with pytest.raises(ValueError, match=r"switch 1e\+07 times from t = 0 to 1, more than 1,000,000"):
        net(torch.tensor([0.0, 1.0]))


def test_the_trajectory_and_the_parameter_with_too_many_switches_are_named():
    text = "param T = 1, P = 3\ninit x = 0\nx' = if mod(t - T, 2*P) < 1 then 1 else 0\n"
    net, t = odec.load(text, method="rk4", engine="torch").Model(dt=0.1), torch.tensor([0.0, 4.0])
    words = r"switch 2e\+09 times from t = 0 to 4, more.*000{}, whose period is 2e-09 \(P = 1e-09\): take"
    for shape, where in ((3,), ", in trajectory 2"), ((1, 3), r", in trajectory \(0, 2\)"), ((), ""):
        period = torch.tensor([3.0, 2.0, 1e-9] if shape else 1e-9).double().reshape(shape)
        with pytest.raises(ValueError, match=words.format(where)):
            net(t, params={"P": period})


@pytest.mark.parametrize("engine", ENGINES)
def test_float32(engine):
    net, t = dose("tsit5", engine, dtype=torch.float32, rtol=1e-5, atol=1e-6), torch.linspace(0, 1, 6).float()
    p = torch.tensor([0.7, 2.0, 0.4, 1.5], dtype=torch.float32, requires_grad=True)
    x, q = net(t, params=p), numbers(0.7, 2.0, 0.4, 1.5)
    wanted = dosed(t.double(), *q.unbind())
    assert x.dtype == torch.float32
    assert torch.allclose(x.double(), wanted, rtol=1e-5)
    (g,), (w,) = torch.autograd.grad(x.sum(), p), torch.autograd.grad(wanted.sum(), q)
    assert torch.allclose(g.double(), w, rtol=1e-4)


def test_checkpoints_change_no_gradient():
    t, p = torch.linspace(0, 1, 6), numbers(*P)
    (plain,) = gradients(dose("rk4", dt=0.05)(t, params=p), p)
    for checkpoints in ("sqrt", 2):
        assert torch.equal(gradients(dose("rk4", dt=0.05, checkpoints=checkpoints)(t, params=p), p)[0], plain)


def test_equal_output_times_have_gradients_of_their_own():
    net, t = dose(), torch.tensor([0.0, 0.2, 0.2, 0.437, 0.437, 1.0], requires_grad=True)
    s = t.detach().requires_grad_()
    found, wanted = gradients(net(t), t)[0], gradients(dosed(s, *torch.tensor(P).unbind()), s)[0]
    assert torch.allclose(found, wanted, rtol=1e-7)


FAMILIES = [
    ("explicit_adams", {"dt": 0.0011}, 1e-6),
    pytest.param("radau_iia3", {"dt": 0.011}, 1e-6, marks=SLOW),
    pytest.param("backward_euler", {"dt": 0.011}, 1e-2, marks=SLOW),
    pytest.param("adams", {}, 1e-7, marks=SLOW),
    pytest.param("kvaerno5", {}, 1e-7, marks=SLOW),
    ("auto", {}, 1e-7),
]


@pytest.mark.parametrize(("method", "settings", "near"), FAMILIES)
def test_every_family_lands_on_a_switch(method, settings, near):
    """What is left on either side of it is the error of the method's own order."""
    p, q, t = numbers(*P), numbers(*P), torch.tensor([0.0, 0.5, 1.0])
    x, wanted = dose(method, **settings)(t, params=p), dosed(t, *q.unbind())
    assert torch.allclose(x, wanted, rtol=near)
    assert torch.allclose(gradients(x, p)[0], gradients(wanted, q)[0], rtol=10 * near)


def test_status_counts_and_locates():
    """Fixed steps from switch to switch, by trajectory; where one leads to no finite number."""
    net, t = dose("rk4", dt=0.1), torch.tensor([0.0, 0.5, 1.0])
    p = torch.tensor([P, P, P])
    p[:, 2] = torch.tensor([0.42, 0.4, 7.0])
    x = net(t, params=p)
    assert net.status.steps.tolist() == [11, 10, 10]
    assert str(net.status) == "ok: 10 to 11 steps each"
    assert x.shape == (3, 3, 1)
    p = torch.tensor([0.7, math.inf, 0.42, 1.5])
    assert not net(t, params=p).isfinite().all()
    assert "its parameter a is inf" in str(net.status)
    text = DOSE.replace("INPUT\n", "").replace("GIVEN", "x*x*x*x*1e30")
    made = switching(text, "rk4", "torch", at_dose, 1, dt=0.1)
    assert not made(t)[-1].isfinite().all()
    assert str(made.status).startswith(
        "the run failed: state x left the finite numbers in the step to t = 0.5"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_runs_made_ready(engine):
    """Whose switches move with the parameters that they are given, or stay where they are."""
    net, t, p = dose("tsit5", engine), torch.linspace(0, 1, 6), torch.tensor(P)
    run = net.prepared(t)
    for time in (0.437, 0.2):
        p[2] = time
        assert torch.equal(run(p[3:], p), net(t, params=p))

    def at_a_number(p):
        return (((1.0, -0.25, 0.0),),)

    text = DOSE.replace("INPUT\n", "").replace("GIVEN", "a").replace("asked > T", "asked > 0.25")
    still = switching(text, "tsit5", engine, at_a_number, 1)
    assert torch.equal(still.prepared(t)(p[3:], p), still(t, params=p))


def test_a_cell_asks_in_the_middle_of_its_step():
    from odec.runtime.cell import StepCell

    net, p = dose("rk4", dt=0.1), torch.tensor(P)
    cell = type("Cell", (StepCell,), {"compiled": net.compiled})()
    t = torch.tensor([0.0, 0.437, 0.5])
    x = cell(cell(p[3:], 0.0, 0.437, p), 0.437, torch.tensor(0.063), p)
    assert torch.allclose(x, dosed(t, *p.unbind())[-1], rtol=1e-4)
    both = cell(p[3:].expand(2, 1), torch.tensor([[0.4], [0.437]]), torch.tensor([[0.037], [0.1]]), p)
    assert torch.equal(both[1], cell(p[3:], 0.437, 0.1, p))


def test_models_are_pickled_with_their_state():
    net, t = dose("rk4", dt=0.1), torch.linspace(0, 1, 3)
    again = dose("rk4", dt=0.1)
    again.load_state_dict(pickle.loads(pickle.dumps(net.state_dict())))
    assert torch.equal(again(t), net(t))


def test_what_the_native_engine_has_besides():
    net = dose("tsit5", "native")
    native, p, t = net.compiled.engine("native"), torch.tensor(P), torch.linspace(0, 1, 6)
    x0, steps = torch.tensor([1.5]), net.steps
    wanted = dosed(t, *p.unbind())
    assert torch.allclose(native.last(t, x0, p, (), steps)[0], wanted[-1], rtol=1e-8)
    assert torch.allclose(native.observe(t, x0, p, (), steps)[0], 2 * wanted, rtol=1e-8)
    by_x0, by_p = native.sensitivities(t, x0, p, (), steps)
    assert torch.allclose(by_x0, torch.exp(-0.7 * t).reshape(-1, 1, 1), rtol=1e-8)
    slopes = torch.func.jacfwd(lambda p: dosed(t, *p.unbind()))(p)
    assert torch.allclose(by_p[..., :3], slopes[..., :3], rtol=1e-7, atol=1e-8)
    data, weight = torch.ones(6, 2), torch.linspace(0, 1, 12).reshape(6, 2)
    loss, found, _ = native.loss_gradient(t, x0, p, (), data, weight, steps)

    def squares(p):
        x = dosed(t, *p.unbind())
        return (weight * (torch.cat((x, 2 * x), -1) - data) ** 2).sum()

    assert torch.allclose(loss, squares(p), rtol=1e-8)
    assert torch.allclose(found.p[:3], torch.func.grad(squares)(p)[:3], rtol=1e-7)
    assert torch.allclose(found.x0, torch.func.grad(squares)(p)[3:], rtol=1e-7)
    with pytest.raises(EngineError, match="does not run in one kernel, as its equations switch in time"):
        FusedFit(net.compiled, t, p, [], data, weight, steps)


def test_an_engine_takes_parameters_alone():
    """Without what moves switches behind them: its gradients are then by the parameters."""
    net = dose("tsit5")
    engine, p, t, x0 = (
        net.compiled.engine("torch"),
        torch.tensor([P, P]),
        torch.linspace(0, 1, 3),
        torch.ones(2, 1),
    )
    p[1, 2] = 0.2
    run = engine.states(t, x0, p, [], net.steps, 1)
    w = torch.ones_like(run.xs)
    found = engine.adjoint(t, run, p, [], w, net.steps, How(), True)
    q = p.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(net(t, x0, params=q).sum(), q)
    assert torch.equal(found.p, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [{}, {"dt": 0.05}])
def test_torch_compile(engine, settings):
    net, t = dose("tsit5", engine, **settings), torch.linspace(0, 1, 6)
    compiled = torch.compile(net, backend="aot_eager")
    p = torch.tensor([P, P])
    p[1, 2] = 0.2
    p.requires_grad_()
    x = compiled(t, params=p)
    assert torch.equal(x, net(t, params=p))
    assert torch.allclose(gradients(x, p)[0], gradients(net(t, params=p), p)[0], rtol=1e-12)


# when the switches are


def landing(turns, times, numbers=(), dtype=torch.float64):
    def switches(p):
        return turns

    found = Switches(switches, [])
    return landing_of(found, times, (*numbers, *found.constants), (), dtype, torch.device("cpu"))


def test_periodic_turns_come_at_every_multiple():
    """Of mod(t - 0.5, 2) in 0 .. 5, forwards, backwards and with the time's sign turned."""
    for rate, offset, period in ((1.0, -0.5, 2.0), (-1.0, 0.5, 2.0), (2.0, -1.0, -4.0)):
        found = landing((((rate, offset, period),),), (0.0, 5.0))
        assert found.times[found.switches].tolist() == [0.5, 2.5, 4.5]
        knots, values = found.asked
        assert knots.tolist() == [0.0, 0.5, 2.5, 4.5]
        assert values[:, 0].tolist() == [0.25, 1.5, 3.5, 4.75]
    found = landing((((1.0, -0.5, 2.0),),), (5.0, 0.0))
    assert found.times.tolist() == [5.0, 4.5, 2.5, 0.5, 0.0]
    assert [part.flatten().tolist() for part in found.asked] == [[0.0, 0.5, 2.5, 4.5], [0.25, 1.5, 3.5, 4.75]]


def test_conditions_share_their_turns():
    """One landing for both, where a condition holds another's turns too."""
    found = landing((((1.0, 0.0, 2.0),), ((1.0, 0.0, 2.0), (1.0, -0.5, 2.0))), (0.0, 3.0))
    assert found.times[found.switches].tolist() == [0.5, 2.0, 2.5]
    one, two = found.asked[1], found.asked[3]
    assert one[:, 0].tolist() == [1.0, 2.5]
    assert two[:, 0].tolist() == [0.25, 1.25, 2.25, 2.75]


def test_a_switch_at_an_output_comes_just_before_it():
    """Each of several apart from the others, as near as the dtype tells them apart."""
    for dtype in (torch.float64, torch.float32):
        eps = torch.finfo(dtype).eps
        found = landing((((1.0, -1.0, 0.0), (2.0, -2.0, 0.0)),), (0.0, 1.0, 3.0), dtype=dtype)
        first, second = found.times[found.switches].tolist()
        assert 1 - 20 * eps < first < second < 1
        assert found.times[found.outputs].tolist() == [0.0, 1.0, 3.0]
        assert found.outputs.tolist() == [0, 3, 4]
    with pytest.raises(ValueError, match="cannot tell apart"):
        above = math.nextafter(1.0, 2.0)
        landing((((1.0, -above, 0.0), (2.0, -2 * above, 0.0)),), (1.0, above))


def test_times_that_go_forth_and_back_are_told_as_they_are():
    with pytest.raises(ValueError, match=r"t\[2\] = 1 comes after 3"):
        dose()(torch.tensor([0.0, 3.0, 1.0]))
