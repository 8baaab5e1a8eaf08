"""Names of a model that the generated module, torch or Python might want for themselves."""

import ast
import builtins
import inspect
import keyword

import pytest
import torch
from generated import EVERY_NAME, FORCED, LOTKA_VOLTERRA, RICH, RICKER, load, plain

import odec
import odec.runtime.model
import odec.runtime.parameters
from odec import runtime
from odec.backends.torch import functions

D = torch.float64
T = torch.tensor([0.0, 0.5, 1.0], dtype=D)

TAKEN = """
_ __ __x _columns _time _over _gamma _exprel _common_shape _zeros _anchor _last _vector _solve _parameters
_modules _x_ __class__ __debug__ __init__
zeros entries places float int abs min own given like name value batch series
times list dict print len str Exception object isinstance tuple type training buffers vector chunk dt dx dp
du clip
rhs rhs_vjp slope step solve mesh Model StepCell Status STATES PARAMS Tensor Any None True False lambda class
torch math nn self p u w h k1 y1 g_p c0 c1 j_x_x g_x d_x w_x dx_dt fx parameter parametrizations forward
requires_grad_ inf_ pi_ kept xs out bisect difflib parametrize
""".split()


def fields(names, kind):
    """A model in which every name is a parameter, a constant or a state, beside a state called x."""
    total = " + ".join(f"{name}*{k + 1}" for k, name in enumerate(names))
    if kind == "states":
        return (
            "init x = 1\n"
            + "".join(f"init {name} = 0.01\n" for name in names)
            + f"dx/dt = -x*sin(t)/10 + ({total})*1e-3\n"
            + "".join(f"{name}' = -{name}*x\n" for name in names)
            + "run t = 0 .. 1 dt 0.5\n"
        )
    declared = "".join(f"{kind} {name} = 0.5{' in (0, 1)' if kind == 'param' else ''}\n" for name in names)
    formula = f"dx/dt = x*sin(t)/10 + gamma(2 + x)*({total})*1e-4\n"
    return declared + "init x = 1\n" + formula + "run t = 0 .. 1 dt 0.5\n"


@pytest.mark.parametrize("kind", ["param", "const", "states"])
def test_any_name_may_be_anything(kind):
    module = load(fields(TAKEN, kind), "heun2")
    net = module.Model()
    x = net(T)
    total = 0.5 if kind != "states" else 0.01
    weighed = total * sum(range(1, len(TAKEN) + 1))
    state = net(T[:1])[0]
    slope = module.rhs(0.5, state, net.vector())[0].item()
    scale = -0.1 if kind == "states" else 0.1
    expected = scale * torch.sin(torch.tensor(0.5)).item()
    assert slope == pytest.approx(expected + weighed * (1e-3 if kind == "states" else 2e-4), rel=1e-6)
    assert net.status.ok and str(net.status).startswith("ok")
    leaves = [x0 := x[0].detach().clone().requires_grad_(), *net.parameters()]
    found = torch.autograd.grad(net(T, x0=x0).square().sum(), leaves)
    reference = torch.autograd.grad(plain(module, T, x0, net.vector(), 0.5).square().sum(), leaves)
    for a, b in zip(found, reference, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-15)
    rows = torch.func.jacrev(lambda x: module.rhs(0.5, x, net.vector().detach()))(state.detach())
    batch = torch.stack([state.detach()] * 3)
    jacobian = module.jacobian(0.5, batch, net.vector().detach())
    assert torch.allclose(jacobian, rows.expand(3, *rows.shape), rtol=1e-12, atol=0)
    if kind == "param":
        assert set(TAKEN) == set(module.PARAMS)
        assert net(T, params=dict.fromkeys(TAKEN, 0.5)).shape == x.shape
        again = module.Model()
        again.load_state_dict(net.state_dict())
        assert torch.equal(again(T), x)


@pytest.mark.parametrize("name", ["time", "x", "p", "u", "w", "torch", "k", "lambda", "_", "dt", "s"])
def test_the_independent_variable_may_be_called_anything(name):
    text = f"time {name}\nparam q = 2\ninit t = {name} + 1\nt' = -q*t + sin({name})\nobs o = {name}*t\n"
    module = load(text + f"run {name} = 0 .. 1 dt 0.25\n")
    net = module.Model()
    plainly = load(
        "param q = 2\ninit y = t + 1\ny' = -q*y + sin(t)\nobs o = t*y\nrun t = 0 .. 1 dt 0.25\n"
    ).Model()
    assert torch.equal(net(T), plainly(T))
    assert torch.equal(net.observe(T, net(T)), plainly.observe(T, plainly(T)))
    found, expected = (torch.autograd.grad(n(T).sum(), n.q)[0] for n in (net, plainly))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("engine", ["torch", "native"])
@pytest.mark.parametrize("text", [LOTKA_VOLTERRA, RICH, FORCED, RICKER, EVERY_NAME])
def test_the_module_s_own_names_are_known_to_clash(text, engine):
    """A constant stands beside the module's own names, a parameter beside the Model's attributes."""
    method = None if "[t+1]" in text else "auto"
    tree = ast.parse(odec.compile(text, method=method, engine=engine))
    system = odec.api.parse(text)
    own = {*(c.name for c in system.consts), *(p.name for p in system.params)}
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    public = {name for name in names - own if not functions._private(name) and not hasattr(builtins, name)}
    assert public <= functions._MODULE_NAMES, public - functions._MODULE_NAMES
    model = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Model")
    assert _attributes(model) <= functions._MODULE_ATTRIBUTES


def _attributes(kind):
    """The public attributes of a class that its source names: methods, annotated ones, those of self."""
    found = {node.name for node in ast.walk(kind) if isinstance(node, ast.FunctionDef)}
    found |= {node.target.id for node in kind.body if isinstance(node, ast.AnnAssign)}
    for node in ast.walk(kind):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            found.add(node.attr)
    return {name for name in found if not functions._private(name) and not name.startswith("__")}


@pytest.mark.parametrize("method", ["tsit5", "rodas5p", "adams"])
def test_every_attribute_of_a_model_is_known_to_clash(method):
    """Those that the run-time's classes name, and those that a net has."""
    for kind in (runtime.model.Model, runtime.parameters.Parameters):
        (tree,) = ast.parse(inspect.getsource(kind)).body
        named = _attributes(tree)
        assert "compiled" in named and named <= functions._MODULE_ATTRIBUTES, named
    module = load(EVERY_NAME, method)
    public = {name for name in dir(module.Model()) if not functions._private(name)}
    own = set(module.COMPILED.param_names)
    assert {name for name in public if not name.startswith("__")} - own <= functions._MODULE_ATTRIBUTES


def test_every_attribute_of_a_torch_module_is_known_to_clash():
    public = {name for name in dir(torch.nn.Module()) if not functions._private(name)}
    assert {name for name in public if not name.startswith("__")} <= functions._MODULE_ATTRIBUTES


def test_python_s_words_are_renamed():
    words = [word for word in keyword.kwlist if word not in ("and", "or", "not", "if", "else", "in", "is")]
    used = []
    for word in words:
        try:
            odec.api.parse(f"param {word} = 1\ninit x = 1\ndx/dt = -{word}*x\n")
            used.append(word)
        except odec.ModelError:
            continue
    assert {"lambda", "class", "None", "def", "return", "yield", "del", "global"} <= set(used)
    text = (
        "".join(f"param {word} = 0.1\n" for word in used) + f"init x = 1\ndx/dt = -x*({' + '.join(used)})\n"
    )
    assert load(text).rhs(
        0.0, torch.ones(1, dtype=D), torch.full((len(used),), 0.1, dtype=D)
    ).item() == pytest.approx(-0.1 * len(used))


@pytest.mark.parametrize("method", ["rk4", "tsit5", "rodas5p", "radau_iia5", "trbdf2", "adams", "auto"])
def test_a_module_defines_each_of_its_functions_once(method):
    """A curved model with a time in it, an input and bounds has all parts that a module can have."""
    text = (
        "param k = 0.5 in (0, 1)\ninput u linear\ninit x = 1, y = 0\n"
        "x' = u - k*x*y*sin(t)\ny' = x**2 - y\nobs s = x + y\n"
    )
    engine = "torch" if method == "adams" else "native"  # whose module holds all of the other
    tree = ast.parse(odec.compile(text, method=method, engine=engine))
    kinds = ast.FunctionDef | ast.ClassDef
    defined = [node.name for node in tree.body if isinstance(node, kinds) and node.name != "_"]
    assert len(defined) >= 8 and sorted(defined) == sorted(set(defined))
