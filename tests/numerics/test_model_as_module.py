"""A Model as Python expects a module: parameters and settings set, frozen, copied, pickled, saved, shown."""

import copy
import importlib
import io
import math
import multiprocessing
import operator
import pickle
import sys

import numpy as np
import pytest
import torch
from generated import load
from torch.func import functional_call, stack_module_state, vmap

import odec

D = torch.float64
T = torch.linspace(0, 1, 5, dtype=D)
TEXT = """input u linear
param k = 0.5 in (0, inf)
param l = 0.5 in [0, 3]
param e = 0.7 in (0, inf) via log
param f = 1.5 in (0, inf) via log10
param d = -0.5 in (-inf, 0)
param b = 1
init x = 2
init y = 1
dx/dt = -k*x + b*l + d*e*f + u
dy/dt = x - y
obs double = 2*x
run t = 0 .. 1 step 0.25
"""
INPUTS = {"u": 0.5}


@pytest.fixture
def module():
    return load(TEXT, "tsit5")


@pytest.fixture
def net(module):
    return module.Model(rtol=1e-6)


def test_parameters_are_set_in_natural_units(net, module):
    raw = list(net.parameters())
    net.k, net.b = 0.2, torch.tensor(3, dtype=torch.int32)
    net.k += 0.1
    net.l, net.d, net.e, net.f = torch.tensor([2.5]), -2, 1e-9, torch.tensor(8.0, requires_grad=True)
    expected = torch.tensor([0.3, 2.5, 1e-9, 8.0, -2.0, 3.0], dtype=D)
    torch.testing.assert_close(net.vector().detach(), expected, rtol=1e-13, atol=0)
    assert all(a is b for a, b in zip(raw, net.parameters(), strict=True))
    made = module.Model(params={"k": 0.3, "l": 2.5, "e": 1e-9, "f": 8.0, "d": -2.0, "b": 3}, rtol=1e-6)
    assert torch.equal(made(T, inputs=INPUTS), net(T, inputs=INPUTS))
    net.l = 0  # the end of a closed interval
    assert net.l == 0 and torch.isfinite(net(T, inputs=INPUTS)).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("k", -1, r"k = -1 lies outside its interval \(0, inf\)"),
        ("k", 0.0, r"k = 0 lies outside its interval \(0, inf\)"),
        ("k", math.nan, r"k = nan lies outside its interval \(0, inf\)"),
        ("l", torch.tensor(3.5), r"l = 3.5 lies outside its interval \[0, 3\]"),
        ("b", math.inf, r"b = inf lies outside its interval \(-inf, inf\)"),
        ("k", torch.ones(2), r"k takes a value of shape \(\), not \(2,\)"),
        ("k", "a", "k must be a tensor"),
    ],
)
def test_values_out_of_bounds_are_refused(net, module, name, value, message):
    before = net.vector()
    with pytest.raises(ValueError, match=message):
        setattr(net, name, value)
    with pytest.raises(ValueError, match=message):
        module.Model(params={name: value})
    assert torch.equal(net.vector(), before)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("K", 0.2, "this Model has no 'K'; did you mean 'k'?"),
        ("rtoll", 1e-8, "this Model has no 'rtoll'; did you mean 'rtol'?"),
        ("max_stp", torch.tensor(0.1), "this Model has no 'max_stp'; did you mean 'max_step'?"),
        ("method", "rk4", "method is what the module was compiled for: odec.load(model, method=…)"),
        ("dt", 0.1, "dt asks for fixed steps, rtol and atol for adaptive ones: give one or the other"),
    ],
)
def test_what_would_set_nothing_is_refused(net, name, value, message):
    with pytest.raises((AttributeError, ValueError)) as told:
        setattr(net, name, value)
    assert str(told.value) == message
    net.own_scale, net.note, net.layer = 3.0, "K", torch.nn.Linear(1, 1)  # what is nothing of the model's
    assert net.own_scale == 3 and net.note == "K"


def test_a_module_lists_what_it_is_used_by(module):
    """Not what it imports, nor the numbers of its tableau."""
    names = ["COMPILED", "INPUTS", "METHOD", "Model", "OBSERVABLES", "PARAMS", "STATES", "StepCell"]
    names += [
        "initial",
        "jacobian",
        "observables",
        "rhs",
        "rhs_jvp",
        "rhs_vjp",
        "step",
        "step_jvp",
        "step_vjp",
    ]
    assert dir(module) == module.__all__ and set(names) <= set(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)
    assert not {"Tensor", "annotations", "rt", "A", "B", "C", "os", "sys"} & set(module.__all__)
    gathered = {}
    exec(f"from {module.__name__} import *", gathered)
    assert set(gathered) - {"__builtins__"} == set(module.__all__)


IN_PLACE = {
    "fill_": lambda k: k.fill_(3),
    "data": lambda k: k.data.fill_(3),
    "detached": lambda k: k.detach().mul_(2),
    "index": lambda k: k.__setitem__(..., 3),
    "init": lambda k: torch.nn.init.constant_(k, 3.0),
    "out": lambda k: torch.add(k, 1, out=k),
    "new data": lambda k: setattr(k, "data", torch.tensor(3.0)),
    "requires_grad": lambda k: setattr(k, "requires_grad", False),
    "view": lambda k: k.view(-1).fill_(3),
    "view of a view": lambda k: k[None].expand(1, 1).unbind(0)[0].squeeze().mul_(2),
    "same dtype": lambda k: k.double().fill_(3),
    "split": lambda k: k.reshape(1, 1).split(1)[0].zero_(),
    "alias": lambda k: torch.ops.aten.alias(k).fill_(3),
    "several": lambda k: torch._foreach_mul_([torch.ones(()), k], 3),
    "activation": lambda k: torch.nn.functional.relu(k, inplace=True),
    "set_": lambda k: k.set_(torch.tensor(3.0, dtype=D)),
    "remainder": lambda k: operator.imod(k, 2),
}


@pytest.mark.parametrize("kind", IN_PLACE)
def test_writes_that_would_be_lost_raise(net, kind):
    with torch.no_grad(), pytest.raises(RuntimeError, match=r"set it, as in net.k = 0.2"):
        IN_PLACE[kind](net.k)
    net.b.data.fill_(3)
    assert net.b == 3


@pytest.mark.parametrize("read", [lambda k: k.detach().numpy(), np.asarray, lambda k: k.view(1).numpy()])
def test_arrays_of_a_bounded_value_are_read_only(net, read):
    with torch.no_grad():
        array = read(net.k)
        assert array == pytest.approx(0.5)
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 3


def test_a_bounded_value_is_a_tensor_as_others(net):
    assert type(net.k * 2) is type(torch.stack([net.k, net.l])) is torch.Tensor
    assert repr(net.k).startswith("tensor(0.5000, dtype=torch.float64, grad_fn=")
    (net.k * 3 - 1).square().backward()
    assert net.parametrizations.k.original.grad != 0
    assert net.k.clone().detach().fill_(3) == 3
    with torch.no_grad():
        assert (net.k[None] + 1).fill_(3) == torch.cat([net.k.view(1)]).fill_(3) == 3
        assert torch.broadcast_tensors(net.k, torch.zeros(3, dtype=D))[0].sum() == pytest.approx(1.5)
        assert net.k.view(1).tolist() == pytest.approx([0.5])


def test_freezing(net):
    assert net.freeze("k", "b") is net
    loss = net(T, inputs=INPUTS).sum()
    loss.backward()
    assert net.parametrizations.k.original.grad is None and net.b.grad is None
    assert net.parametrizations.l.original.grad is not None
    assert "k = 0.5 in (0, inf) (frozen)" in repr(net)
    net.freeze()
    assert not net(T, inputs=INPUTS).requires_grad
    net.thaw("k")
    assert [p.requires_grad for p in net.parameters()].count(True) == 1
    with pytest.raises(ValueError, match="unknown parameter 'kk'; did you mean 'k'"):
        net.thaw("kk")


def test_settings_can_be_changed_and_are_checked(net, module):
    net.rtol = 1e-3
    net(T, inputs=INPUTS)
    few = net.status.steps
    net.rtol, net.atol = 1e-10, (1e-12, 1e-10)
    net(T, inputs=INPUTS)
    assert net.status.steps > few and net.rtol == 1e-10 and tuple(net.atol) == (1e-12, 1e-10)
    for name, value in (
        ("rtol", -1),
        ("atol", [1e-3] * 3),
        ("max_steps", 0),
        ("adjoint", "exact"),
        ("dt", 0.1),
    ):
        with pytest.raises(ValueError, match=name if name != "dt" else "one or the other"):
            setattr(net, name, value)
    assert net.rtol == 1e-10
    net.max_steps = 3
    net(T, inputs=INPUTS)
    assert not net.status.ok and "max_steps" in str(net.status)
    fixed = load(TEXT, "heun2").Model()
    fixed.dt, fixed.adjoint = 0.05, "autograd"
    fixed(T, inputs=INPUTS)
    assert fixed.status.steps == 20 and fixed.dt == 0.05
    with pytest.raises(ValueError, match="dt, the longest step, must be a positive number, not -1"):
        fixed.dt = -1
    for name in ("rtol", "max_step", "dtype", "chunk"):
        with pytest.raises(AttributeError, match=f"{name} (does not apply|is set by)"):
            setattr(fixed, name, 1)


def test_parameters_of_a_call_as_a_tensor(net):
    p = net.vector().detach().expand(3, 6) * torch.tensor([[1.0], [1.5], [2.0]])
    by_name = dict(zip(("k", "l", "e", "f", "d", "b"), p.unbind(-1), strict=True))
    assert torch.equal(net(T, params=p, inputs=INPUTS), net(T, params=by_name, inputs=INPUTS))
    x = net(T, params=p, inputs=INPUTS)
    assert torch.equal(net.observe(T, x, params=p, inputs=INPUTS)[..., 0], 2 * x[..., 0])


def test_shapes_that_would_make_a_square_of_a_batch_are_refused(net):
    column, row, x0 = torch.ones(3, 1, dtype=D), torch.ones(3, dtype=D), torch.ones(3, 2)
    with pytest.raises(ValueError, match=r"x0 has the batch \(3,\) and params \(3, 1\): .* \(3, 3\)"):
        net(T, x0=x0, params={"k": column}, inputs=INPUTS)
    with pytest.raises(ValueError, match=r"params\['l'\] has the batch \(3,\) and params\['k'\] \(3, 1\)"):
        net.vector({"k": column, "l": row})
    series = {"u": (torch.tensor([0.0, 1.0]), torch.ones(2, 3, 1))}
    with pytest.raises(ValueError, match=r"x0 has the batch \(3,\) and the input 'u' \(3, 1\)"):
        net(T, x0=x0, inputs=series)
    assert net.vector({"k": column, "l": row[None]}).shape == (3, 3, 6)
    assert net.vector({"k": column[:2], "l": row}).shape == (2, 3, 6)


def test_inputs_as_numbers_and_series(net):
    pd = pytest.importorskip("pandas")
    times, values = [0.0, 0.4, 1.0], [0.1, 0.5, 0.2]
    assert torch.equal(net(T, inputs={"u": pd.Series(values, times)}), net(T, inputs={"u": (times, values)}))
    assert torch.equal(net(T, inputs={"u": 0.5}), net(T, inputs={"u": ([0.0], [0.5])}))
    assert torch.equal(net(T, inputs={"u": torch.tensor(0.5)}), net(T, inputs={"u": 0.5}))


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "torch.save": lambda net: _through_file(net),
}


def _through_file(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("how", COPIES)
def test_copies_stand_alone(net, how):
    net.k, net.b, net.extra = 0.25, 4, torch.nn.Linear(1, 1)
    net.freeze("l").eval()
    x = net(T, x0=torch.ones(1000, 2), inputs=INPUTS)
    twin = COPIES[how](net)
    assert type(twin) is type(net) and twin.status is None and not twin.training
    assert torch.equal(twin(T, x0=torch.ones(1000, 2), inputs=INPUTS), x)
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in net.parameters()]
    assert len(pickle.dumps(net)) < 10_000
    twin.k = 3
    assert net.k.item() == pytest.approx(0.25) and twin.k.item() == pytest.approx(3)
    twin.rtol = 1e-3
    assert net.rtol == 1e-6
    assert torch.equal(copy.copy(net)(T, inputs=INPUTS), net(T, inputs=INPUTS))


def test_the_last_output_is_not_kept_alive(net):
    import gc
    import weakref

    x = net(T, x0=torch.ones(7, 2), inputs=INPUTS)
    told, steps, storage = str(net.status), net.status.steps, weakref.ref(x.untyped_storage())
    kept = weakref.ref(x)
    del x
    gc.collect()
    assert kept() is None and storage() is None
    assert str(net.status) == told and torch.equal(net.status.steps, steps) and net.status.ok.all()


def test_checkpoints_keep_natural_values_under_other_bounds(net):
    net.k, net.l, net.b = 0.25, 1.5, 4.0
    saved = _through_file(net.state_dict())
    other = TEXT.replace("k = 0.5 in (0, inf)", "k = 0.5 in (0.1, 9)")
    other = other.replace("l = 0.5 in [0, 3]", "l = 0.5").replace("b = 1", "b = 1 in (0, inf)")
    twin = load(other, "heun2").Model()
    assert not any(twin.load_state_dict(saved))
    torch.testing.assert_close(twin.vector(), net.vector(), rtol=1e-12, atol=0)
    back = load(TEXT, "tsit5").Model()
    outer = torch.nn.ModuleDict({"net": back})
    outer.load_state_dict(torch.nn.ModuleDict({"net": twin}).state_dict())
    torch.testing.assert_close(back.vector(), net.vector(), rtol=1e-12, atol=0)

    narrow = load(TEXT.replace("k = 0.5 in (0, inf)", "k = 4 in (3, 9)"), "heun2").Model()
    with pytest.raises(RuntimeError, match=r"k = 0.25 lies outside its interval \(3, 9\)"):
        narrow.load_state_dict(saved)
    torch.testing.assert_close(narrow.k.clone(), torch.tensor(4.0, dtype=D))

    old = {name: value for name, value in saved.items() if not name.endswith("_extra_state")}
    assert len(old) == 6 and not any(back.load_state_dict(old))
    assert torch.equal(back.vector(), net.vector())


def test_checkpoints_are_held_to_bounds_that_no_transform_holds(net):
    """A parameter within bounds by `via none`: what an optimizer has led out of them is refused."""
    loose = load(TEXT.replace("k = 0.5 in (0, inf)", "k = 0.5 in (0, 1) via none"), "heun2").Model()
    saved = loose.state_dict()
    for value in (1.5, 1.0, math.nan):
        saved["k"] = torch.tensor(value, dtype=D)
        with pytest.raises(RuntimeError, match=rf"k = {value:g} lies outside its interval \(0, 1\)"):
            loose.load_state_dict(saved)
        assert loose.k == 0.5
    net.k = 1.5
    with pytest.raises(RuntimeError, match=r"k = 1.5 lies outside its interval \(0, 1\)"):
        loose.load_state_dict(net.state_dict())
    saved["k"] = torch.tensor(0.75, dtype=D)
    assert not any(loose.load_state_dict(saved)) and loose.k == 0.75


def test_models_stack(net, module):
    other = module.Model(rtol=1e-6, params={"k": 2.0, "b": -1.0})
    params, buffers = stack_module_state([net, other])
    base = copy.deepcopy(net).to("meta")
    x = vmap(lambda p, b: functional_call(base, (p, b), (T,), {"inputs": INPUTS}))(params, buffers)
    torch.testing.assert_close(
        x, torch.stack([n(T, inputs=INPUTS) for n in (net, other)]), rtol=1e-13, atol=0
    )


def test_a_parametrization_of_ones_own_stays_with_its_model(net, module):
    class Doubled(torch.nn.Module):
        def forward(self, raw):
            return 2 * raw

    torch.nn.utils.parametrize.register_parametrization(net, "b", Doubled())
    other = module.Model()
    assert net.b == 2 and other.b == 1 and net.vector()[-1] == 2 and other.vector()[-1] == 1


def test_a_model_of_before_a_reload_does_not_take_new_equations(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "param k = 1 in (0, inf)\ninit x = 1\ndx/dt = -k*x\nrun t = 0 .. 1 step 0.5\n"
    path = tmp_path / "reloaded_model.py"
    path.write_text(odec.compile(text, method="heun2"))
    module = importlib.import_module("reloaded_model")
    old = module.Model()
    torch.export.export(old, (T,))
    path.write_text(odec.compile(text.replace("-k*x", "-2.5*k*x"), method="heun2"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.invalidate_caches()
    for cached in tmp_path.rglob("*.pyc"):
        cached.unlink()
    importlib.reload(module)
    with pytest.raises(RuntimeError, match="made before its module was loaded again"):
        old(T)
    new = module.Model()
    new.load_state_dict(old.state_dict())
    exported = torch.export.export(new, (T,))
    torch.testing.assert_close(exported.module()(T), new(T))
    assert new(T)[-1] < 0.2
    del sys.modules["reloaded_model"]


def test_modules_hold_their_own_names_and_few_others(module):
    names = {name for name in dir(module) if not name.startswith("__")}
    assert {"Model", "StepCell", "COMPILED", "rhs", "step", "STATES", "PARAMS"} <= names
    assert not any(name.startswith("_") for name in names)
    foreign = {name for name in names if getattr(vars(module)[name], "__module__", None) != module.__name__}
    foreign -= {name for name in foreign if name == name.upper()} | {"step", "step_vjp", "step_jvp", "slope"}
    assert foreign <= {"annotations", "rt", "Tensor", "torch", "math"}


def test_a_model_is_told_in_a_few_lines(net, module):
    assert repr(net).splitlines()[:4] == [
        "Model of model: tsit5, rtol 1e-06, atol 1e-09, engine torch, float64",
        "  k = 0.5 in (0, inf)",
        "  l = 0.5 in [0, 3]",
        "  e = 0.7 in (0, inf)",
    ]
    assert repr(module.Model(dt=0.1)).startswith("Model of model: tsit5, dt 0.1, engine torch")
    assert net._repr_html_() == f"<pre>{repr(net)}</pre>"
    many = "".join(f"param k{i} = {i + 1} in (0, inf)\n" for i in range(60))
    text = (
        many + "init x = 1\ndx/dt = " + " + ".join(f"k{i}" for i in range(60)) + "\nrun t = 0 .. 1 step 1\n"
    )
    assert repr(load(text, "euler").Model()).splitlines()[-2:] == [
        "  k19 = 20 in (0, inf)",
        "  … (60 in all)",
    ]


@pytest.mark.parametrize("engine", [pytest.param("torch", marks=pytest.mark.slow), "native"])
def test_a_net_with_bounds_works_in_a_process_of_its_own(engine, tmp_path, monkeypatch):
    """By spawn, which imports the module anew, from a path, and unpickles the net."""
    name = f"spawned_{engine}"
    (tmp_path / f"{name}.py").write_text(odec.compile(TEXT, method="tsit5", engine=engine))
    monkeypatch.syspath_prepend(tmp_path)
    net = importlib.import_module(name).Model(rtol=1e-6, params={"k": 0.3, "l": 2.5}).freeze()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(net, (T,), {"inputs": INPUTS})
        assert torch.equal(pool.apply(net.vector), net.vector())
    assert torch.equal(found, net(T, inputs=INPUTS))
