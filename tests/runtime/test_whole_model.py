"""A Model of the run-time is that of a whole module, bit for bit where both run by the same loops."""

import copy
import io
import math
import pickle

import pytest
import torch
from engine_cases import KNOTS, MAP, PREY, PUSHED, TIMED
from frames import pair, thin_of
from thin_modules import module_of
from tiers import slow_but
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vmap

from odec.runtime.model import Model

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

D = torch.float64
BOUNDED = """
input u linear
param k = 0.5 in (0, inf)
param l = 0.5 in [0, 3]
param f = 2 in (-inf, 5)
param e = 0.3 in (0, inf) via log
param d = 0.4 in (0, inf) via log10
param b = 1
param m = 0.7 in (0, inf)
init x = k + 1
init y = 0.1
obs z = x*y + u*k
dx/dt = -k*x + l*u + e*d
dy/dt = x - b*y*m + f*0.1
run t = 0 .. 1 step 0.25
"""
CASES = {
    "rk4": (PREY, "rk4", {"dt": 0.1}),
    "checkpoints": (PREY, "rk4", {"dt": 0.05, "checkpoints": 3}),
    "sqrt": (TIMED, "heun2", {"dt": 0.05, "checkpoints": "sqrt"}),
    "clip": (PREY, "rk4", {"dt": 0.1, "clip": 0.5}),
    "autograd": (TIMED, "rk4", {"dt": 0.1, "adjoint": "autograd"}),
    "tsit5": (PUSHED, "tsit5", {"rtol": 1e-4}),
    "dense": (PREY, "dopri5", {"rtol": 1e-4, "dense_output": True}),
    "continuous": (TIMED, "kvaerno5", {"rtol": 1e-4, "adjoint": "continuous", "adjoint_rtol": 1e-5}),
    "fixed continuous": (PUSHED, "rk4", {"dt": 0.1, "adjoint": "continuous"}),
    "rodas5p": (TIMED, "rodas5p", {"rtol": 1e-4}),
    "auto": (PREY, "auto", {}),
    "adams": (PUSHED, "adams", {"rtol": 1e-4}),
    "float32": (PREY, "tsit5", {"rtol": 1e-3, "dtype": torch.float32}),
    "map": (MAP, None, {}),
    "bounded": (BOUNDED, "dopri5", {}),
}


def arguments(text, batch=()):
    """Times, and the inputs of a call."""
    times = [0.0, 1, 3, 4] if text is MAP else [0.0, 0.4, 0.4, 1.1]
    names = [line.split()[1] for line in text.splitlines() if line.startswith("input ")]
    given = {name: (KNOTS[name], torch.linspace(0.1, 0.7, len(KNOTS[name]), dtype=D)) for name in names}
    return torch.tensor(times, dtype=D), {"inputs": given} if names else {}


def same(found, wanted):
    assert len(found) == len(wanted) > 0
    for a, b in zip(found, wanted):
        assert a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def raised(function):
    """What a call says, or what it gives."""
    try:
        return function()
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("case", CASES)
def test_states_and_gradients(case):
    text, method, options = CASES[case]

    def found(net):
        t, given = arguments(text)
        n = len(thin_of(text, method).COMPILED.states)
        x0 = torch.linspace(0.5, 1.5, 3 * n, dtype=D).reshape(3, n).requires_grad_()
        t = t.to(x0.dtype).requires_grad_(text is not MAP)
        if given:
            given["inputs"] = {k: (a, b.requires_grad_()) for k, (a, b) in given["inputs"].items()}
        x = net(t, x0=x0, **given)
        y = net.observe(t, x, **given)
        leaves = [x0, *net.parameters(), *(b for _, b in given.get("inputs", {}).values())]
        leaves += [t] if t.requires_grad else []
        loss = (x.square() * torch.arange(1, 4, dtype=x.dtype).reshape(3, 1)).sum() + y.sum()
        gradients = torch.autograd.grad(loss, leaves)
        with torch.no_grad():
            plain = net(t, **given)
        return x, y, plain, *gradients, net.status.ok, torch.as_tensor(net.status.steps), str(net.status)

    new, old = (found(net) for net in pair(text, method, **options))
    same(new[:-1], old[:-1])
    assert new[-1] == old[-1]


@pytest.mark.parametrize(
    "case",
    slow_but(
        zip([name for name in CASES if name != "autograd"]), lambda case: case not in ("adams", "continuous")
    ),
)
def test_transforms(case):
    text, method, options = CASES[case]

    def found(net):
        t, given = arguments(text)
        names = [name for name, _ in net.named_parameters()]
        values = {name: value.detach() for name, value in net.named_parameters()}

        def last(value, name=names[0]):
            return functional_call(net, {**values, name: value}, (t,), given)[-1]

        start, one = values[names[0]], torch.ones((), dtype=net.vector().dtype)
        several = start + torch.tensor([0.0, 0.1], dtype=start.dtype)
        answers = [vmap(last)(several), vmap(jacrev(last))(several), jacrev(last)(start)]
        answers += [
            grad(lambda value: last(value).sum())(start),
            vmap(grad(lambda v: last(v).sum()))(several),
        ]
        if options.get("adjoint") != "continuous":
            answers += [jacfwd(last)(start), *jvp(last, (start,), (one,)), vmap(jacfwd(last))(several)]
        assert net.status is None
        own = torch.autograd.functional.jacobian(last, start, vectorize=True)
        return [*answers, own], raised(lambda: hessian(lambda v: last(v).sum())(start))

    new, old = (found(net) for net in pair(text, method, **options))
    same(new[0], old[0])
    assert new[1] == old[1] and "cannot be differentiated again" in new[1][1]


def test_twice_by_autograd():
    def found(net):
        t, k = torch.linspace(0, 1, 3, dtype=D), net.a.detach().clone()
        loss = lambda v: functional_call(net, {"a": v}, (t,)).sum()  # noqa: E731
        return [torch.autograd.functional.hessian(loss, k)]

    same(*(found(net) for net in pair(PREY, "rk4", dt=0.1, adjoint="autograd")))


@pytest.mark.parametrize("case", ["rk4", "tsit5", "continuous", "auto", "map", "bounded"])
def test_compiled(case):
    text, method, options = CASES[case]
    t, given = arguments(text)

    def found(net, run):
        x = run(t, **given)
        gradients = torch.autograd.grad(x.square().sum(), list(net.parameters()))
        return [x, *gradients]

    net, old = pair(text, method, **options)
    torch._dynamo.reset()
    compiled = found(net, torch.compile(net, fullgraph=True, backend="aot_eager"))
    assert net.status is None
    torch._dynamo.reset()
    for mine, theirs in zip(compiled, found(old, torch.compile(old, fullgraph=True, backend="aot_eager"))):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def through_file(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda n: pickle.loads(pickle.dumps(n))}


@pytest.mark.parametrize("how", [*COPIES, "file"])
@pytest.mark.parametrize("text", [BOUNDED, PREY], ids=["bounded", "free"])
def test_copies(text, how):
    net, _ = pair(text, "heun21", rtol=1e-4)
    t, given = arguments(text)
    x = net(t, **given)
    twin = {**COPIES, "file": through_file}[how](net)
    assert type(twin) is type(net) and twin.status is None and net.status.ok.all()
    assert torch.equal(twin(t, **given), x) and twin.steps == net.steps
    assert len(pickle.dumps(net)) < 10_000
    twin.rtol = 1e-3
    assert net.rtol == 1e-4 and twin.rtol == 1e-3 and not torch.equal(twin(t, **given), x)


def test_stacked():
    nets = pair(BOUNDED, "dopri5"), pair(BOUNDED, "dopri5", params={"k": 2.0, "b": -1.0})
    t, given = arguments(BOUNDED)

    def found(several):
        params, buffers = stack_module_state(several)
        base = copy.deepcopy(several[0]).to("meta")
        return [vmap(lambda p, b: functional_call(base, (p, b), (t,), given))(params, buffers)]

    same(*(found([one[i] for one in nets]) for i in (0, 1)))


def test_saved_under_other_bounds():
    """A state_dict of one kind of module is that of the other, and its values survive other bounds."""
    net, old = pair(BOUNDED, "dopri5", params={"k": 0.25, "l": 1.5, "b": 4.0})
    saved = net.state_dict()
    assert list(saved) == list(old.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(saved.values(), old.state_dict().values()))
    other = BOUNDED.replace("k = 0.5 in (0, inf)", "k = 0.5 in (0.1, 9)").replace("b = 1", "b = 1 in (0, 9)")
    for twin in pair(other.replace("l = 0.5 in [0, 3]", "l = 0.5"), "dopri5"):
        assert not any(twin.load_state_dict(saved))
        torch.testing.assert_close(twin.vector(), net.vector(), rtol=1e-12, atol=0)
    narrow = pair(BOUNDED.replace("k = 0.5 in (0, inf)", "k = 4 in (3, 9)"), "dopri5")
    told = [raised(lambda one=one: one.load_state_dict(saved)) for one in narrow]
    assert told[0] == told[1] and "k = 0.25 lies outside its interval (3, 9)" in told[0][1]
    assert [one.k.item() for one in narrow] == pytest.approx([4, 4])


def test_parameters_and_settings():
    """What is read, set, frozen and refused is said in the same words."""
    script = [
        lambda n: n.k, lambda n: setattr(n, "k", -1), lambda n: setattr(n, "k", 0.75), lambda n: n.vector(),
        lambda n: n.k.mul_(2), lambda n: setattr(n, "l", [1, 2]), lambda n: setattr(n, "b", math.inf),
        lambda n: n.freeze("kk"), lambda n: [p.requires_grad for p in n.freeze("k", "b").parameters()],
        repr, lambda n: [p.requires_grad for p in n.thaw().parameters()], lambda n: n.vector({"q": 1}),
        lambda n: n.vector({"k": [1.0, 2.0], "b": torch.ones(2, 1)}), lambda n: n.vector({"k": [1.0, 2.0]}),
        lambda n: n.vector({"l": 4}), lambda n: n.vector({"k": [1.0, -2.0]}), lambda n: n.vector({"f": 5}),
        lambda n: n.vector({"l": 3}), lambda n: n.vector({"k": torch.tensor([1.0, -2.0])}),
        lambda n: n.vector(torch.ones(3)), lambda n: n.vector(torch.ones(2, 7)), lambda n: n.vector({}),
        lambda n: setattr(n, "rtol", -1), lambda n: setattr(n, "rtol", 1e-3), repr, lambda n: n.rtol,
        lambda n: n.atol, lambda n: setattr(n, "dtype", 1), lambda n: setattr(n, "chunk", 1),
        lambda n: setattr(n, "adjoint", "exact"), lambda n: setattr(n, "checkpoints", 3),
        lambda n: setattr(n, "engine", "native"), lambda n: (n.max_steps, n.first_step, n.dt),
        lambda n: bool(n.dense_output),
        lambda n: setattr(n, "rtol", None), lambda n: setattr(n, "dt", 0.1), repr, lambda n: n.dt,
        lambda n: setattr(n, "checkpoints", -3), lambda n: n._repr_html_(), lambda n: n.rtol,
    ]  # fmt: skip
    for step, do in enumerate(script):
        new, old = (raised(lambda net=net, do=do: do(net)) for net in pair_kept(BOUNDED, "dopri5"))
        assert str(new) == str(old), step


_kept = {}


def pair_kept(text, method):
    return _kept.setdefault((text, method), pair(text, method))


@pytest.mark.parametrize(
    ("text", "method", "options"),
    [
        (PREY, "rk4", {"rtol": 1e-3}), (PREY, "rk4", {}), (PREY, "rk4", {"dt": 0.1, "chunk": 1}),
        (PREY, "rk4", {"dt": "a"}), (PREY, "rk4", {"dt": 0.1, "params": {"z": 1}}), (MAP, None, {"dt": 1}),
        (PREY, "tsit5", {"dtype": torch.int64}), (PREY, "tsit5", {"engine": "native"}),
        (PREY, "rodas5p", {"clip": 1}), (PREY, "adams", {"adjoint_rtol": 1e-3}), (MAP, None, {"clip": 1}),
        (PREY, "tsit5", {"params": {"a": math.nan}}), (BOUNDED, "tsit5", {"params": {"k": -1}}),
        (BOUNDED, "tsit5", {"params": {"l": [1.0, 9.0]}}), (PREY, "tsit5", {"checkpoints": "all"}),
        (MAP, None, {"adjoint": "continuous"}),
    ],
)  # fmt: skip
def test_options_that_are_refused(text, method, options):
    new = raised(lambda: thin_of(text, method).Model(**options))
    old = raised(lambda: module_of(text, method).Model(**options))
    assert isinstance(new, tuple) and isinstance(old, tuple)
    if "unexpected keyword argument" in old[1]:  # Python's own words, where there are better ones now
        assert new[0] == old[0] and "has no setting" in new[1] and old[1].split("'")[1] in new[1]
    else:
        assert new == old


CALLS = [
    {"x0": torch.ones(3)}, {"x0": torch.ones(3, 2), "params": {"k": torch.ones(3, 1, dtype=D)}},
    {"x0": "a"}, {"params": {"kk": 1}}, {"params": {"k": -1}}, {"params": torch.ones(2)}, {"x0": 1j},
    {"inputs": None}, {"inputs": 3}, {"inputs": {"v": 1}}, {"inputs": {"u": "ab"}}, {"inputs": {"u": 2.0}},
    {"inputs": {"u": ([0.0, 1.0], [1.0])}}, {"inputs": {"u": (torch.ones(2, requires_grad=True), [1, 2])}},
    {"inputs": {"u": ([0.0, 1.0], torch.ones(2, 4, 1))}, "x0": torch.ones(4, 2)},
    {"inputs": {"u": ([0.0, 0.0], [1.0, 2.0])}}, {"t": [[0.0, 1.0]]}, {"t": []}, {"t": ["a"]},
    {"t": [0, 2, 1]},
    {"inputs": {"u": ([0.0, 1.0], torch.ones(2, 4))}, "x0": torch.ones(3, 2)}, {"x0": torch.ones(0, 2)},
]  # fmt: skip


@pytest.mark.parametrize("dtype", [D, torch.float32])
def test_calls_that_are_refused(dtype):
    told = []
    for given in CALLS:
        given = {"t": [0.0, 0.5, 1.0], "inputs": {"u": 1.0}, **given}
        new, old = (
            raised(lambda n=n, g=given: n(**g).tolist()) for n in pair(BOUNDED, "dopri5", dtype=dtype)
        )
        assert new == old, given
        told += [new] if isinstance(new, tuple) else []
    assert len(told) > len(CALLS) / 2
    close = [1e9, 1e9 + 1e-3]
    new, old = (
        raised(lambda n=n: n(close, inputs={"u": 1.0}).tolist()) for n in pair(BOUNDED, "dopri5", dtype=dtype)
    )
    assert str(new) == str(old) and (dtype == D or "is too coarse for the times" in new[1])


def test_observables_and_initial_values_have_their_printed_derivatives():
    """Of functions whose formulas overflow where torch differentiates them."""
    text = "param a = 800\nparam b = 2\ninit x = tanh(a)*b\nobs z = log(1 + exp(a*x))\ndx/dt = -b*x\n"

    def found(net):
        t = torch.linspace(0, 1, 3, dtype=D)
        a = torch.tensor([800.0, 3.0], dtype=D, requires_grad=True)

        def observed(a):
            return net.observe(t, net(t, params={"a": a}), params={"a": a})

        (gradient,) = torch.autograd.grad(observed(a).sum(), a)
        return [gradient, jacrev(observed)(a), jacfwd(observed)(a), vmap(jacrev(observed))(a), observed(a)]

    new, old = (found(net) for net in pair(text, "rk4", dt=0.1))
    same(new, old)
    assert all(bool(value.isfinite().all()) for value in new)


def test_a_module_that_is_loaded_again():
    text, name = PREY.replace("0.4", "0.35"), "thin_reloaded"
    first = thin_of(text, "rk4")
    space = {"compiled": first.COMPILED, "__module__": name, "__qualname__": "Model"}
    old, new = (type("Model", (Model,), space)(dt=0.1) for _ in range(2))
    with pytest.raises(
        RuntimeError, match="this Model was made before its module was loaded again: make it anew"
    ):
        old([0.0, 1.0])
    assert new([0.0, 1.0]).isfinite().all()
