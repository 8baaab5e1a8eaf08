"""A call where nothing is differentiated takes a shorter way; what it gives, and what it must not forget."""

import pytest
import torch
from native_models import LORENZ, arguments, gap, load, times
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap

pytestmark = pytest.mark.optimised

BOUNDED = """
param r = 0.3, s = 0.4 in (0, inf)
param c = 1.5
param K = 2 in (0, 10)
param L = 3 in (0, 10)
param d = 0.1 in [0, inf) via log
init x = 0.5*r
init y = c
dx/dt = r*x*(1 - x/K) - d*x*y
dy/dt = s*y*(1 - y/L) - c*d*x*y
obs total = x + y
run t = 0 .. 2 dt 0.05
"""
OPTIONS = [{"dt": 0.05}, {"rtol": 1e-6, "atol": 1e-8}]


@pytest.fixture(params=OPTIONS, ids=["fixed", "adaptive"])
def net(request):
    return load(BOUNDED, "tsit5").Model(engine="native", **request.param)


def test_the_same_bits_with_and_without_a_gradient(net):
    t = torch.tensor([0.0, 0.7, 2.0], dtype=torch.float64)
    for shape in ((), (3,), (2, 2)):
        x0 = torch.rand((*shape, 2), generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.1
        recorded = net(t, x0=x0)
        first = str(net.status), net.status.ok.clone()
        with torch.no_grad():
            plain = net(t, x0=x0)
        assert recorded.requires_grad and not plain.requires_grad
        assert plain.equal(recorded) and str(net.status) == first[0] and net.status.ok.equal(first[1])
        quiet = type(net).__mro__[1](engine="native", adjoint="none", **options_of(net))
        assert quiet(t, x0=x0).equal(plain)
        for parameter in net.parameters():
            parameter.requires_grad_(False)
        frozen = net(t, x0=x0)
        assert frozen.equal(plain) and not frozen.requires_grad
        net.requires_grad_(True)


def options_of(net):
    return {"rtol": 1e-6, "atol": 1e-8} if net.steps.tolerance else {"dt": 0.05}


def test_failures_are_told_after_both(net):
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    x0 = torch.tensor([[0.5, 0.5], [float("nan"), 0.5]], dtype=torch.float64)
    net(t, x0=x0)
    said = str(net.status)
    with torch.no_grad():
        net(t, x0=x0)
    assert said == str(net.status) and said.startswith("1 of 2 trajectories failed")
    assert net.status.failures[0].batch == (1,)


def test_parameters_are_read_anew_however_they_change(net):
    """In place, through data, by an optimizer, a state_dict, another dtype, without a bound: never stale."""
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)

    def plain():
        with torch.no_grad():
            return net(t)

    seen = [plain()]

    def changed():
        seen.append(plain())
        assert not seen[-1].equal(seen[-2])
        recorded, given = (
            net(t),
            {name: getattr(net, name).detach() for name in ("r", "s", "c", "K", "L", "d")},
        )
        assert seen[-1].equal(recorded)
        with torch.no_grad():
            assert gap(seen[-1], net(t, params=given)) < 1e-13

    net.r = torch.tensor(0.6, dtype=torch.float64)
    changed()
    net.parametrizations["K"].original.data.add_(0.3)
    changed()
    net.c.detach().fill_(1.1)
    changed()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net(t).sum().backward()
    optimizer.step()
    changed()
    other = load(BOUNDED, "tsit5").Model(engine="native", dt=0.05)
    net.load_state_dict(other.state_dict())
    changed()
    torch.nn.utils.parametrize.remove_parametrizations(net, "s", leave_parametrized=True)
    with torch.no_grad():
        net.s.fill_(0.9)
    changed()
    net.to(torch.float32)
    assert net(t).dtype == torch.float32 and gap(net(t).detach().double(), seen[-1]) < 1e-5


def test_vector_is_what_the_parameters_read(net):
    own = torch.stack([getattr(net, name) for name in ("r", "s", "c", "K", "L", "d")])
    assert gap(net.vector().detach(), own.detach()) < 1e-15
    w = torch.arange(1.0, 7.0, dtype=torch.float64)
    leaves = list(net.parameters())
    pairs = zip(
        torch.autograd.grad(net.vector() @ w, leaves), torch.autograd.grad(own @ w, leaves), strict=True
    )
    assert all(gap(a, b) < 1e-14 for a, b in pairs)
    assert gap(net.vector({"c": 7.0}).detach(), own.detach().index_fill(0, torch.tensor(2), 7.0)) < 1e-15
    assert net.vector({"c": torch.ones(4)}).shape == (4, 6)
    raw = {name: value.expand(3) for name, value in net.named_parameters()}
    many = functional_call(net, raw, (torch.tensor([0.0, 1.0], dtype=torch.float64),))
    assert many.shape == (2, 3, 2) and many[:, 1].equal(many[:, 0])


def test_transforms_inside_no_grad(net):
    """torch.func and forward mode follow a call wherever it stands."""
    t, x0 = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), torch.tensor([0.4, 0.7], dtype=torch.float64)
    loss = lambda x, c: (net(t, x0=x, params={"c": c}) ** 2).sum()  # noqa: E731
    c, v = torch.tensor(1.2, dtype=torch.float64), torch.tensor([0.3, -1.0], dtype=torch.float64)
    leaf = x0.clone().requires_grad_()
    (expected,) = torch.autograd.grad(loss(leaf, c), leaf)
    with torch.no_grad():
        assert gap(grad(loss)(x0, c), expected) < 1e-13
        assert gap(vmap(grad(loss), (0, None))(torch.stack([x0, x0]), c)[1], expected) < 1e-13
        assert gap(jvp(lambda x: loss(x, c), (x0,), (v,))[1], expected @ v) < 1e-12
        with forward_ad.dual_level():
            pushed = forward_ad.unpack_dual(loss(forward_ad.make_dual(x0, v), c)).tangent
        assert gap(pushed, expected @ v) < 1e-12


def test_a_second_derivative_is_refused(net):
    t, x0 = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([0.4, 0.7], dtype=torch.float64)
    (g,) = torch.autograd.grad(net(t, x0=x0.requires_grad_())[-1].sum(), x0, create_graph=True)
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        g.sum().backward()


@pytest.mark.parametrize("options", OPTIONS, ids=["fixed", "adaptive"])
def test_torch_takes_the_short_way_too(options):
    module = load(LORENZ, "tsit5")
    native, torch_ = (module.Model(engine=engine, **options) for engine in ("native", "torch"))
    t, given = times(module), arguments(module, (3,))
    with torch.no_grad():
        plain = torch_(t, **given)
        assert gap(native(t, **given), plain) < 1e-11
    assert plain.equal(torch_(t, **given).detach())
    given["x0"].requires_grad_()
    assert torch_(t, **given).detach().equal(plain) and torch_(t, **given).requires_grad


def test_a_gradient_of_few_trajectories_has_the_bits_of_many():
    """However few trajectories share a block of lanes."""
    module = load(LORENZ, "tsit5")
    net = module.Model(engine="native", rtol=1e-6, atol=1e-8)
    t, given = times(module), arguments(module, (40,))
    x0 = given["x0"].requires_grad_()
    (all_,) = torch.autograd.grad(net(t, **given).square().sum(), x0)
    some = {
        "x0": x0.detach()[30:33].requires_grad_(),
        "params": {k: v[30:33] for k, v in given["params"].items()},
    }
    (few,) = torch.autograd.grad(net(t, **some).square().sum(), some["x0"])
    assert few.equal(all_[30:33])


@pytest.mark.parametrize("options", OPTIONS, ids=["fixed", "adaptive"])
def test_what_an_engine_keeps_ready_is_never_out_of_date(options):
    """Times written in place, settings, dtypes, threads, memory that is not contiguous: each as a new net."""
    module = load(BOUNDED, "tsit5")
    net = module.Model(engine="native", **options)
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)

    def results(net, x0=None):
        net.zero_grad()
        x = net(t, x0)
        (x * torch.arange(1, 1 + x.numel(), dtype=x.dtype).reshape(x.shape)).sum().backward()
        with torch.no_grad():
            assert torch.equal(x, net(t, x0))
        return [x.detach(), *(p.grad.clone() for p in net.parameters())]

    def as_new(x0=None, **changed):
        engines = dict(module.COMPILED.engines)
        module.COMPILED.engines.clear()
        try:
            other = module.Model(engine="native", **{**options, **changed}).to(net.vector().dtype)
            found, wanted = results(net, x0), results(other, x0)
        finally:
            module.COMPILED.engines.update(engines)
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
        return found[0]

    seen = [as_new()]
    t[1:] += 0.25
    seen.append(as_new())
    changed = {"dt": 0.025} if "dt" in options else {"rtol": 1e-4}
    setattr(net, *next(iter(changed.items())))
    seen.append(as_new(**changed))
    rows = torch.rand(2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(7)) + 0.5
    for x0 in (
        rows[:, 0],
        rows[:, :2].mT,
        rows.mT.contiguous(),
        torch.complex(rows, -2 * rows).conj().imag.mT,
    ):
        seen.append(as_new(x0, **changed))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert torch.equal(as_new(x0, **changed), seen[-1])
    finally:
        torch.set_num_threads(threads)
    net.to(torch.float32)
    seen.append(as_new(**changed))
    assert all(a.shape != b.shape or not torch.equal(a, b) for a, b in zip(seen, seen[1:]))


def test_states_that_are_numbers_alone_are_not_those_of_another_dtype_or_batch():
    net = load(LORENZ, "tsit5").Model(engine="native", dt=0.1)
    assert net.compiled.equations.initial_vjp is None
    t = torch.tensor([0.0, 0.2], dtype=torch.float64)
    with torch.no_grad():
        double = net(t)
        many = net(t, params=net.vector().expand(3, -1))
        assert torch.equal(many, double.unsqueeze(1).expand(-1, 3, -1))
        single = net.to(torch.float32)(t)
    assert single.dtype == torch.float32 and gap(single.double(), double) < 1e-5
