"""torch.func, torch.compile, second derivatives and modules' manners, each by value."""

import copy

import pytest
import torch
from generated import FORCED, LOTKA_VOLTERRA, RICH, RICKER, assert_close, load
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vjp, vmap

D = torch.float64
T = torch.tensor([0.0, 0.45, 0.5, 1.3], dtype=D)
KNOTS = torch.tensor([0.0, 0.4, 0.9, 1.6], dtype=D)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


@pytest.fixture(params=[None, "sqrt", "continuous"], ids=["discrete", "sqrt", "continuous"])
def rich(request):
    """The model under test and its twin on torch's own tape; the continuous adjoint has a fine mesh."""
    module = load(RICH, "rk4")
    if request.param == "continuous":
        return module.Model(adjoint="continuous", dt=0.02), module.Model(adjoint="autograd", dt=0.02), 1e-6
    return module.Model(checkpoints=request.param), module.Model(adjoint="autograd"), 1e-10


def test_grad_and_vmap(rich):
    net, reference, relative = rich
    x0, a = torch.rand(3, 2, dtype=D), torch.rand(3, dtype=D) + 0.5

    def loss(net):
        return lambda x0, a: (net(T, x0=x0, params={"a": a}) ** 2).sum()

    both = grad(loss(net), (0, 1)), grad(loss(reference), (0, 1))
    assert_close(both[0](x0, a), both[1](x0, a), relative)
    mapped = vmap(both[0])(x0, a)
    alone = [both[1](x, v) for x, v in zip(x0, a)]
    assert_close(mapped, [torch.stack(column) for column in zip(*alone)], relative)
    assert_close(
        vmap(both[0], (0, None))(x0, a[0]),
        [torch.stack(c) for c in zip(*[both[1](x, a[0]) for x in x0])],
        relative,
    )
    assert_close(
        vmap(both[0], (None, 0))(x0[0], a),
        [torch.stack(c) for c in zip(*[both[1](x0[0], v) for v in a])],
        relative,
    )
    nested = vmap(vmap(both[0], (None, 0)), (0, None))(x0[:2], a)
    alone = [[both[1](x, v) for v in a] for x in x0[:2]]
    for k in range(2):
        assert_close(
            [nested[k]], [torch.stack([torch.stack([pair[k] for pair in row]) for row in alone])], relative
        )


@pytest.mark.parametrize("axis", [0, 1])
def test_vmap_of_values_along_any_axis(rich, axis):
    net, _, _ = rich
    x0 = torch.rand(3, 4, 2, dtype=D)
    x = vmap(lambda x: net(T, x0=x), axis)(x0)
    torch.testing.assert_close(x, net(T, x0=x0).movedim(axis + 1, 0), rtol=1e-13, atol=0)


def test_forward_mode(rich):
    net, reference, _ = rich
    x0, a, t = torch.rand(3, 2, dtype=D), torch.rand(3, dtype=D), T.clone()

    def solve(net):
        return lambda x0, a, t: net(t, x0=x0, params={"a": a, "c": 1 + a * t[1]})

    tangents = tuple(torch.randn_like(v) for v in (x0, a, t))
    assert_close(jvp(solve(net), (x0, a, t), tangents), jvp(solve(reference), (x0, a, t), tangents), 1e-10)
    forward = jacfwd(solve(net), (0, 1, 2))(x0, a, t)
    assert_close(forward, jacrev(solve(reference), (0, 1, 2))(x0, a, t), 1e-10)


def test_reverse_mode_jacobians(rich):
    net, reference, relative = rich
    x0, a, t = torch.rand(3, 2, dtype=D), torch.rand(3, dtype=D), T.clone()

    def solve(net):
        return lambda x0, a: net(T, x0=x0, params={"a": a})

    assert_close(jacrev(solve(net), (0, 1))(x0, a), jacfwd(solve(reference), (0, 1))(x0, a), relative)
    pulled = vjp(lambda t: net(t, x0=x0), t)[1](torch.ones(4, 3, 2, dtype=D))
    assert_close(
        pulled, vjp(lambda t: reference(t, x0=x0), t)[1](torch.ones(4, 3, 2, dtype=D)), relative * 10
    )


def test_default_initial_values_under_transforms():
    module = load(RICH)
    nets = module.Model(), module.Model(adjoint="autograd")
    b = torch.rand(4, dtype=D)
    found = [vmap(grad(lambda b, net=net: net(T, params={"b": b}).square().sum()))(b) for net in nets]
    assert_close(found[:1], found[1:], 1e-10)


@pytest.mark.parametrize("seriesbatch", [(), (5,)], ids=["shared", "one each"])
def test_inputs_under_transforms(seriesbatch):
    module = load(FORCED, "heun3")
    net, reference = module.Model(dt=0.2), module.Model(dt=0.2, adjoint="autograd")
    values = torch.rand(4, *seriesbatch, dtype=D)
    k, x0 = torch.rand(5, dtype=D), torch.rand(5, 2, dtype=D)

    def loss(net):
        def value(values, k, x0):
            inputs = {"u": (KNOTS, values), "v": (KNOTS, values**2), "w": (KNOTS, 1 - values)}
            return (net(T, x0=x0, params={"k": k}, inputs=inputs) ** 2).sum()

        return value

    gradients = [grad(loss(n), (0, 1, 2)) for n in (net, reference)]
    dims = (1 if seriesbatch else None, 0, 0)
    mapped = vmap(gradients[0], dims)(values, k, x0)
    alone = [gradients[1](values[:, i] if seriesbatch else values, k[i], x0[i]) for i in range(5)]
    assert_close(mapped, [torch.stack(column) for column in zip(*alone)], 1e-10)
    whole = [g(values, k, x0) for g in gradients]
    assert_close(whole[0], whole[1], 1e-10)
    tangents = tuple(torch.randn_like(v) for v in (values, k, x0))
    pushed = [jvp(loss(n), (values, k, x0), tangents) for n in (net, reference)]
    assert_close(pushed[0], pushed[1], 1e-10)


def test_functional_call():
    module = load(RICH)
    net, other = module.Model(), module.Model()
    weights = {name: value.detach() + 0.1 for name, value in net.named_parameters()}
    with torch.no_grad():
        for name, value in other.named_parameters():
            value.copy_(weights[name])
    assert torch.equal(functional_call(net, weights, (T,)), other(T))
    found = grad(lambda w: functional_call(net, w, (T,)).sum())(weights)
    expected = torch.autograd.grad(other(T).sum(), list(other.parameters()))
    assert_close(list(found.values()), expected, 1e-12)


@pytest.mark.parametrize(
    ("text", "backend"),
    [(LOTKA_VOLTERRA, "inductor"), (RICKER, "aot_eager")],
    ids=["equations", "a map"],
)
def test_compiled(text, backend):
    module = load(text)
    net = module.Model()
    t = torch.arange(0, 4, dtype=D)
    x0 = torch.rand(5, len(module.STATES), dtype=D) + 1
    names = module.PARAMS[:1]
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    x, expected = compiled(t, x0=x0), net(t, x0=x0)
    torch.testing.assert_close(x, expected, rtol=1e-12, atol=0)
    found, reference = (torch.autograd.grad((v**2).sum(), list(net.parameters())) for v in (x, expected))
    assert_close(found, reference, 1e-10)

    def gradient(value):
        return grad(lambda value: (net(t, x0=x0, params={names[0]: value}) ** 2).sum())(value)

    value = torch.rand(5, dtype=D) + 0.5
    compiled = torch.compile(gradient, fullgraph=True, backend="aot_eager")
    assert_close([compiled(value)], [gradient(value)], 1e-10)


def test_a_module_loaded_again_leaves_the_graphs_of_the_first_alone():
    """A graph names its model by a key: that of another method or text is another."""
    first = load.__wrapped__(LOTKA_VOLTERRA)
    graph = torch.export.export(first.Model(), (T,)).module()
    expected = graph(T)
    second, others = load.__wrapped__(LOTKA_VOLTERRA), [load(LOTKA_VOLTERRA, "euler"), load(RICH)]
    assert first.COMPILED is not second.COMPILED and first.COMPILED.key == second.COMPILED.key
    assert len({module.COMPILED.key for module in (first, *others)}) == 3
    assert torch.equal(graph(T), expected) and torch.equal(second.Model()(T), expected)


@pytest.mark.parametrize("steps", [{}, {"rtol": 1e-6}], ids=["fixed", "adaptive"])
def test_a_model_without_gradients_is_exported(steps):
    method = "tsit5" if steps else "rk4"
    net = load(LOTKA_VOLTERRA, method).Model(adjoint="none", **steps)
    x = torch.export.export(net, (T,)).module()(T)
    assert torch.equal(x, net(T)) and not x.requires_grad


def test_what_cannot_be_exported_says_so():
    net = load(FORCED).Model(adjoint="autograd")
    given = T, None, None, dict.fromkeys(net.compiled.input_names, (KNOTS, KNOTS))
    with pytest.raises(RuntimeError, match='torch.export cannot follow adjoint="autograd".*"discrete"'):
        torch.export.export(net, given)

    class Observed(torch.nn.Module):
        def forward(self, t, inputs):
            return net.observe(t, torch.ones(len(t), len(net.compiled.states), dtype=D), inputs=inputs)

    with pytest.raises(RuntimeError, match="cannot follow observe.* of a model with inputs"):
        torch.export.export(Observed(), (T, given[3]))


def test_compiled_with_inputs():
    module = load(FORCED)
    net = module.Model(dt=0.2)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    values = torch.rand(4, 3, dtype=D, requires_grad=True)
    inputs = dict.fromkeys("uvw", (KNOTS, values))
    x, expected = compiled(T, inputs=inputs), net(T, inputs=inputs)
    torch.testing.assert_close(x, expected, rtol=1e-12, atol=0)
    leaves = [values, *net.parameters()]
    found, reference = (torch.autograd.grad((v**2).sum(), leaves, allow_unused=True) for v in (x, expected))
    assert_close(found, reference, 1e-10)


def test_second_derivatives():
    module = load(RICH)
    net = module.Model(adjoint="autograd")
    a = torch.tensor([0.7, 0.9], dtype=D, requires_grad=True)
    x0 = torch.rand(2, 2, dtype=D, requires_grad=True)
    t = torch.tensor([0.0, 0.45, 1.3], dtype=D, requires_grad=True)  # off the times where a step is added

    def solve(x0, a, t):
        return net(t, x0=x0, params={"a": a})

    assert torch.autograd.gradcheck(solve, (x0, a, t))
    assert torch.autograd.gradgradcheck(solve, (x0, a, t))


@pytest.mark.parametrize("adjoint", ["discrete", "continuous"])
def test_a_second_derivative_is_refused_where_it_would_be_wrong(adjoint):
    net = load(RICH).Model(adjoint=adjoint)
    x0 = torch.rand(2, dtype=D, requires_grad=True)
    (g,) = torch.autograd.grad(net(T, x0=x0).square().sum(), x0, create_graph=True)
    with pytest.raises(RuntimeError, match=r'differentiated again; use Model\(adjoint="autograd"\)'):
        torch.autograd.grad(g.sum(), x0)
    with pytest.raises(RuntimeError, match=r'differentiated again; use Model\(adjoint="autograd"\)'):
        torch.func.hessian(lambda x0: net(T, x0=x0).square().sum())(x0.detach())
    hessian = torch.func.jacrev(
        torch.func.jacrev(lambda x0: load(RICH).Model(adjoint="autograd")(T, x0=x0).sum())
    )
    assert hessian(x0.detach()).shape == (2, 2)


def test_state_dict_round_trip_and_copies():
    module = load(RICH)
    net, other = module.Model(), module.Model()
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.2)
    assert not torch.equal(net(T), other(T))
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(T), other(T))
    twin = copy.deepcopy(net)
    assert torch.equal(twin(T), net(T))
    with torch.no_grad():
        next(twin.parameters()).add_(1.0)
    assert not torch.equal(twin(T), net(T))


def test_conversion_to_single_precision():
    module = load(RICH)
    net = module.Model()
    expected = net(T)
    x = net.to(torch.float32)(T)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.double(), expected, rtol=1e-5, atol=1e-6)
    assert module.Model(dtype=torch.float32)(T).dtype == torch.float32
    assert load(LOTKA_VOLTERRA).Model().float()(T).dtype == torch.float32


def test_training_inside_a_larger_module():
    """A scaled right-hand: Adam moves the model's parameters and its neighbours' as it moves any module's."""

    class Scaled(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net, self.scale = net, torch.nn.Parameter(torch.tensor(0.5, dtype=D))

        def forward(self, x0):
            return self.scale * self.net(T, x0=x0)[-1]

    module = load(RICH)
    outcomes = []
    for adjoint in ("discrete", "autograd"):
        net = module.Model(adjoint=adjoint)
        model = torch.nn.Sequential(Scaled(net), torch.nn.Linear(2, 1, dtype=D), torch.nn.Tanh())
        torch.manual_seed(0)
        model[1].reset_parameters()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        x0 = torch.rand(16, 2, dtype=D)
        for _ in range(5):
            optimizer.zero_grad()
            loss = (model(x0) - 1).square().mean()
            loss.backward()
            optimizer.step()
        outcomes.append([p.detach().clone() for p in model.parameters()])
        moved = dict(net.named_parameters())
        assert len(moved) == 6 and all(p.grad is not None for p in moved.values())
    assert_close(outcomes[0], outcomes[1], 1e-9)


def test_a_model_twice_in_one_graph_adds_its_gradients():
    net = load(RICH).Model()
    first, second = torch.rand(2, dtype=D), torch.rand(2, dtype=D)
    together = torch.autograd.grad((net(T, x0=first) + net(T, x0=second)).sum(), list(net.parameters()))
    apart = [torch.autograd.grad(net(T, x0=x0).sum(), list(net.parameters())) for x0 in (first, second)]
    assert_close(together, [a + b for a, b in zip(*apart)], 1e-12)


@pytest.mark.parametrize("text", [RICH, FORCED, RICKER], ids=["rich", "forced", "a map"])
def test_derivatives_of_the_right_hand_side(text):
    """rhs_vjp, rhs_jvp and jacobian against autograd through rhs, for batches that broadcast."""
    module = load(text)
    n, m, k = len(module.STATES), len(module.PARAMS), len(module.INPUTS)
    for state, parameter in (((), ()), ((3,), ()), ((3,), (3,)), ((2, 1), (3,)), ((2, 3), (2, 3))):
        batch = torch.broadcast_shapes(state, parameter)
        t = torch.rand(batch, dtype=D)
        x, p = torch.rand(*state, n, dtype=D) + 0.5, torch.rand(*parameter, m, dtype=D) + 0.5
        u = (torch.rand(*parameter, k, dtype=D),) if k else ()
        w = torch.rand(*batch, n, dtype=D)

        def rhs(t, x, p, *u, batch=batch):
            return module.rhs(t, x, p, *u).expand(*batch, n)

        wide = [v.expand(*batch, v.shape[-1]).clone() for v in (x, p, *u)]
        value, pull = vjp(rhs, t, *wide)
        assert_close(
            [v.expand(e.shape) for v, e in zip(module.rhs_vjp(t, x, p, *u, w), pull(w))], pull(w), 1e-12
        )
        tangents = [torch.randn_like(v) for v in (t, *wide)]
        expected = jvp(rhs, (t, *wide), tuple(tangents))[1]
        assert_close([module.rhs_jvp(t, x, p, *u, *tangents)], [expected], 1e-12)
        flat = [v.reshape(-1, v.shape[-1]) for v in wide]
        rows = vmap(jacrev(lambda t, x, p, *u: module.rhs(t, x, p, *u), 1))(t.reshape(-1), *flat)
        assert_close([module.jacobian(t, x, p, *u).expand(*batch, n, n)], [rows.reshape(*batch, n, n)], 1e-12)
        assert value.shape == (*batch, n)


@pytest.mark.parametrize("text", [LOTKA_VOLTERRA, RICH], ids=["autonomous", "rich"])
def test_gradcheck_of_rhs(text):
    module = load(text)
    x = torch.rand(3, len(module.STATES), dtype=D, requires_grad=True)
    p = torch.rand(3, len(module.PARAMS), dtype=D, requires_grad=True)
    t = torch.rand(3, dtype=D, requires_grad=True)
    w = torch.rand(3, len(module.STATES), dtype=D, requires_grad=True)
    assert torch.autograd.gradcheck(module.rhs, (t, x, p))
    assert torch.autograd.gradcheck(module.rhs_vjp, (t, x, p, w))
    assert torch.autograd.gradcheck(module.jacobian, (t, x, p))
