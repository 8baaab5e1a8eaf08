"""Derivatives where exponentials and powers overflow though the value is finite, against mpmath."""

import math
import re

import mpmath as mp
import pytest
import torch
from native_models import load

pytestmark = pytest.mark.optimised

CASES = {
    "1/(1 + exp(z))": [{"z": z} for z in (709, 705, 720, -800, 0.3)],
    "1/(1 + k*exp(b*z))": [{"z": z, "k": 3, "b": 30} for z in (30, 23.6, 23.5, -40, 0.01)],
    "exp(z)/(1 + exp(z))": [{"z": z} for z in (700, 300, -800, 2)],
    "(exp(z) - exp(-z))/(exp(z) + exp(-z))": [{"z": z} for z in (700, 354, -700, 0.2)],
    "(exp(2*z) - 1)/(exp(2*z) + 1)": [{"z": z} for z in (350, 354.5, -400, 0.2)],
    "log(1 + exp(z))": [{"z": z} for z in (709, 708, -800, 3)],
    "k/(b + exp(z))": [{"z": z, "k": 3, "b": 2} for z in (709, 708, 710, -750)],
    "1/(1 + exp((z + 50)/k))": [{"z": z, "k": 3} for z in (2e4, -2e4, 2075)],
    "k*(z + 40)/(1 - exp(-(z + 40)/b))": [{"z": z, "k": 0.1, "b": 10} for z in (-8e3, -7130, 5e3, 12)],
    "exp(-k*exp(z))": [{"z": z, "k": 3} for z in (800, 709, 3)],
    "1/cosh(z)": [{"z": z} for z in (710, 711, -720, 0.3)],
    "k/(k + z**n)": [{"z": z, "k": 3, "n": 3} for z in (1e200, 1e103, 0, 2)],
    "k**n/(k**n + z**n)": [{"z": z, "k": 3, "n": 3} for z in (1e200, 1e102, 0, 2)],
    "z**n/(k**n + z**n)": [{"z": z, "k": 3, "n": n} for z, n in ((0, 3), (0, 1), (1e102, 3), (2, 2.5))],
    "1/(1 + z**8)": [{"z": z} for z in (1e39, 1e38, -1e60, 0, 1.5)],
    "min(exp(z), k)": [{"z": z, "k": 3} for z in (800, 0.1)],
    "tanh(k*exp(z))": [{"z": z, "k": 3} for z in (800, 709, 1)],
    "1/(1 + k*exp(z) + exp(2*z))": [{"z": z, "k": 3} for z in (354, 355, 400, 708, 0.1)],
    "(1 + exp(z))**(-2)": [{"z": z} for z in (709, 400, -800, 1)],
    "1/(1 + 10**((k - z)*n))": [{"z": z, "k": 3, "n": 2} for z in (-152, -300, -150.9, 3.1, 400)],
    "exp(z)*exp(-k*z)": [{"z": z, "k": 3} for z in (600, 200, 1)],
    "z*exp(-k*z)": [{"z": z, "k": 3} for z in (800, 0, 240)],
    "1/(1 + exp(z)/k)": [{"z": z, "k": 3} for z in (800, 709, 1)],
    "exp(n*log(k*z))": [{"z": z, "k": 3, "n": n} for z, n in ((0, 3), (0, 1), (2, 0.5))],
    "exp(log(b) + n*log(k*z)/2 - k*z)": [{"z": z, "k": 3, "b": 2, "n": n} for z, n in ((0, 5), (0, 2))],
    "exp(b - (-n*log(z)))": [{"z": z, "b": 2, "n": n} for z, n in ((0, 4), (0, 1), (1e-3, 1))],
}
"""Formulas with points; the value is finite at each in double precision."""

LEAST = 1e-13


def written(k: int, formula: str) -> str:
    """The formula with names of its own."""
    return re.sub(r"\b([zkbn])\b", rf"\g<1>{k}", formula)


def names(formula: str) -> list[str]:
    return sorted(set(re.findall(r"\b[zkbn]\b", formula)))


def slope(formula: str, at: dict[str, float], name: str) -> float:
    functions = {f: getattr(mp, f) for f in ("exp", "log", "cosh", "tanh")} | {"min": min}
    code = compile(formula, "formula", "eval")  # one of the formulas above
    with mp.workdps(60):
        point = {key: mp.mpf(value) for key, value in at.items()}
        one_sided = 1 if at[name] == 0 else 0

        def value(x: mp.mpf) -> mp.mpf:
            if x == 0 and "log" in formula:
                return mp.mpf(0)
            return mp.mpf(eval(code, functions | point | {name: x}))

        if at["z"] == 0 and name != "z" and "log" in formula:
            return 0.0  # the value is 0 at z = 0 whatever the rest is
        return float(mp.diff(value, point[name], h=mp.mpf(10) ** -40, direction=one_sided))


def points() -> list[dict[str, float]]:
    """Values of all states, the first point of a formula again where it has fewer than others."""
    return [
        {f"{n}{k}": at[min(j, len(at) - 1)][n] for k, (f, at) in enumerate(CASES.items()) for n in names(f)}
        for j in range(max(map(len, CASES.values())))
    ]


@pytest.fixture(scope="module")
def module():
    """Every formula as the right-hand side of its z, what it depends on as states at rest."""
    text = ""
    for k, formula in enumerate(CASES):
        text += "".join(f"init {name}{k} = 1\n" for name in names(formula))
        text += f"dz{k}/dt = {written(k, formula)}\n"
        text += "".join(f"d{name}{k}/dt = 0\n" for name in names(formula) if name != "z")
    return load(text + "run t = 0 .. 1 dt 1\n", "euler")


@pytest.fixture(scope="module")
def expected(module):
    """The exact Jacobian at each point."""
    column = {name: j for j, name in enumerate(module.STATES)}
    found = torch.zeros(len(points()), len(column), len(column), dtype=torch.float64)
    for k, (formula, at) in enumerate(CASES.items()):
        for j in range(len(found)):
            for name in names(formula):
                exact = slope(formula, at[min(j, len(at) - 1)], name)
                found[j, column[f"z{k}"], column[f"{name}{k}"]] = exact
    return found


def states(module, dtype=torch.float64):
    return torch.tensor([[at[name] for name in module.STATES] for at in points()], dtype=dtype)


def test_derivatives_in_every_direction(module, expected):
    """As a Jacobian, from the left and from the right."""
    x, p = states(module), torch.zeros(0, dtype=torch.float64)
    assert torch.isfinite(module.rhs(0.0, x, p)).all()
    close = {"rtol": 1e-9, "atol": LEAST}
    torch.testing.assert_close(module.jacobian(0.0, x, p), expected, **close)
    for row in range(len(module.STATES)):
        e = torch.eye(len(module.STATES), dtype=x.dtype)[row].expand_as(x)
        torch.testing.assert_close(module.rhs_vjp(0.0, x, p, e)[1], expected[:, row], **close)
        pushed = module.rhs_jvp(0.0, x, p, torch.zeros(len(x), dtype=x.dtype), e, p.expand(len(x), 0))
        torch.testing.assert_close(pushed, expected[:, :, row], **close)


def test_derivatives_of_the_native_engine(module, expected):
    """One step of Euler's method has the Jacobian 1 + dt*J."""
    net = module.Model(dt=1.0, engine="native")
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    x = states(module).requires_grad_()
    (pulled,) = torch.autograd.grad((net(t, x0=x)[1] - x).sum(), x)
    scale = 1 + expected.abs().amax(1)
    assert ((pulled - expected.sum(1)).abs() <= 1e-9 * scale).all()
    step = torch.ones_like(x)
    _, pushed = torch.func.jvp(lambda x: net(t, x0=x)[1], (x.detach(),), (step,))
    assert ((pushed - step - expected.sum(2)).abs() <= 1e-9 * (1 + expected.abs().amax(2))).all()


def test_derivatives_in_single_precision(module):
    """Where the value is finite in single precision, the Jacobian is, and is that of double precision."""
    x, p = states(module, torch.float32), torch.zeros(0)
    finite = torch.isfinite(module.rhs(0.0, x, p)) & torch.isfinite(x)
    single, double = module.jacobian(0.0, x, p), module.jacobian(0.0, x.double(), p.double())
    found, exact = single[finite].double(), double[finite]
    assert torch.isfinite(found).all()
    assert ((found - exact).abs() <= 1e-3 * exact.abs().amax(-1, keepdim=True) + 1e-5).all()


@pytest.mark.parametrize("jacobian", [torch.func.jacrev, torch.func.jacfwd])
def test_derivatives_of_observables(module, expected, jacobian):
    """Every formula as an observable, by the states and by parameters of the same names."""
    at_rest = "".join(f"init {name} = 1\n{name}' = 0\n" for name in module.STATES)
    given = "".join(f"param {name} = 1\n" for name in module.STATES) + "init rest = 1\nrest' = 0\n"
    formulas = "".join(f"obs y{k} = {written(k, formula)}\n" for k, formula in enumerate(CASES))
    rows = [module.STATES.index(f"z{k}") for k in range(len(CASES))]
    t, points = torch.zeros(1, dtype=torch.float64), states(module)
    for text in (at_rest, given):
        net = load(text + formulas + "run t = 0 .. 1 dt 1\n", "euler").Model()
        rest = torch.ones(1, 1, dtype=torch.float64)

        def observed(x, net=net, by_states=text is at_rest, rest=rest):
            return (net.observe(t, x[None]) if by_states else net.observe(t, rest, params=x))[0]

        found = torch.func.vmap(jacobian(observed))(points)
        torch.testing.assert_close(found, expected[:, rows], rtol=1e-9, atol=LEAST)


@pytest.mark.parametrize("engine", ["torch", pytest.param("native", marks=pytest.mark.slow)])
def test_derivatives_of_initial_values(module, expected, engine):
    """Every formula as the initial value of a state at rest; one in four where they become one kernel."""
    chosen = dict([*enumerate(CASES)][:: 1 if engine == "torch" else 4])
    text = "".join(f"param {name} = 1\n" for name in module.STATES)
    text += "".join(f"init s{k} = {written(k, formula)}\ns{k}' = 0\n" for k, formula in chosen.items())
    net = load(text + "run t = 0 .. 1 dt 1\n", "euler").Model(engine=engine)
    rows = [module.STATES.index(f"z{k}") for k in chosen]
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for k, row in enumerate(rows):
        p = states(module).requires_grad_()
        (found,) = torch.autograd.grad(net(t, params=p)[1, :, k].sum(), p)
        torch.testing.assert_close(found, expected[:, row], rtol=1e-9, atol=LEAST)


def test_second_derivatives_stay_finite():
    """The Jacobian's own derivatives, which adjoints of Rosenbrock methods need."""
    text = "param b = 30, k = 3\ninit u = 0, w = 1, v = 0\n"
    text += "u' = -u + 1/(1 + k*exp(b*w))\nw' = w\nv' = (w - 20)/(exp(k*w) - 1) - v\nrun t = 0 .. 5\n"
    module = load(text, "rodas5p")
    t = torch.tensor([0.0, 2.5, 5.0, 6.0], dtype=torch.float64)
    for engine in ("torch", "native"):
        net = module.Model(engine=engine, rtol=1e-8, atol=1e-10)
        x = net(t)
        assert x[2, 0].item() < 1e-9 and x[2, 1].item() == pytest.approx(math.exp(5), rel=1e-7)
        gradient = torch.autograd.grad(x.sum(), [net.b, net.k])
        assert all(torch.isfinite(g) for g in gradient)


SAVIC = """
param cl = 17.2, vc = 45.1, ka = 0.38, mtt = 0.37, n = 20.1
const dose = 20
ktr = (n + 1)/mtt
init depot = 0, cen = 0
depot' = exp(log(dose) + log(ktr) + n*log(ktr*t) - ktr*t - lgamma(n + 1)) - ka*depot
cen' = ka*depot - cl/vc*cen
run t = 0 .. 7 dt 0.5
"""


def test_a_logarithm_of_zero_at_the_start():
    """Transit compartments (Savic et al., J. Pharmacokinet. Pharmacodyn. 34, 2007): no rate at t = 0."""
    module = load(SAVIC, "rodas5p")
    t = torch.arange(0, 7.5, 0.5, dtype=torch.float64)
    for engine in ("torch", "native"):
        net = module.Model(engine=engine, rtol=1e-8, atol=1e-11)
        total = net(t)[:, 1].sum()
        assert total.item() == pytest.approx(77.265287, abs=1e-6)
        by_mtt, by_n = torch.autograd.grad(total, [net.mtt, net.n])
        assert by_mtt.item() == pytest.approx(-9.0291, abs=1e-4)
        assert by_n.item() == pytest.approx(0.00059422, abs=1e-7)


def test_a_power_of_the_time_at_the_start():
    """y = t**k/k by exponent k - 1, at k = 1 too, where t**(k - 1) is 0**0 at t = 0."""
    module = load("param k = 1\ninit y = 0\ny' = t**(k - 1)\nrun t = 0 .. 1 dt 1\n", "rodas5p")
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for k in (1.0, 3.0):
        for engine in ("torch", "native"):
            net = module.Model(engine=engine, rtol=1e-9, atol=1e-11)
            value = torch.tensor(k, dtype=torch.float64, requires_grad=True)
            y = net(t, params={"k": value})[1, 0]
            (slope,) = torch.autograd.grad(y, value)
            assert y.item() == pytest.approx(1 / k, rel=1e-7)
            assert slope.item() == pytest.approx(-1 / k**2, abs=1e-3)
