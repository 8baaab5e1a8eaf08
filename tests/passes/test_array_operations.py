"""Every operation on arrays: its value, its VJP and its JVP as printed for torch, beside torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from array_models import array_model, array_op, module_of
from building import op, syms
from tiers import slow_but

from odec.arrays import ARRAY_OPERATIONS
from odec.backends.torch.printer import TorchPrinter
from odec.passes.array_rules import ARRAY_RULES
from odec.tree import OPERATIONS, evaluate

CASES = {
    "matmul": [((), (2, 3), (3, 4)), ((), (2, 3), (3,)), ((), (2,), (2, 3)), ((), (3,), (3,))],
    "transpose": [((), (2, 3))],
    "outer": [((), (2,), (3,))],
    "sum": [((), (3,)), ((), (2, 3)), ((0,), (2, 3)), ((1,), (2, 3)), ((1,), (2, 3, 2))],
    "mean": [((), (2, 3)), ((0,), (2, 3))],
    "largest": [((), (3,)), ((), (2, 3)), ((1,), (2, 3))],
    "smallest": [((), (3,)), ((0,), (2, 3))],
    "norm": [((), (3,)), ((), (2, 3))],
    "cumsum": [((0,), (3,)), ((0,), (2, 3)), ((1,), (2, 3))],
    "flip": [((0,), (3,)), ((1,), (2, 3))],
    "concat": [((0,), (2,), (3,)), ((0,), (2, 3), (1, 3), (2, 3)), ((1,), (2, 3), (2, 1))],
    "stack": [((), (), (), ()), ((), (3,), (3,)), ((), ()), ((), (2, 2), (2, 2))],
    "slice": [((1,), (3,)), (("1:3",), (4,)), ((0, "1:3"), (2, 3)), ((":", 2), (2, 3)), (("1:2",), (2, 3))],
    "place": [((3, 1), ()), ((4, "1:3"), (2,)), ((2, 3, 0, "1:3"), (2,)), ((2, 3, ":", 2), (2,))],
    "broadcast": [((3,), ()), ((2, 3), ())],
    "repeat": [((0, 4), (3,)), ((1, 4), (3,)), ((1, 2), (2, 3))],
    "reshape": [((6,), (2, 3)), ((3, 2), (6,)), ((3, 2), (2, 3)), ((1,), ()), ((), (1,))],
    "arange": [((4,),)],
}


def index(static):
    """An index as torch takes it."""
    ends = (k.split(":") if isinstance(k, str) else k for k in static)
    return tuple(k if isinstance(k, int) else slice(*(int(n) if n else None for n in k)) for k in ends)


def place(s, a):
    whole = torch.zeros(s[: len(s) // 2], dtype=a.dtype)
    whole[index(s[len(s) // 2 :])] = a
    return whole


TORCH = {
    "matmul": lambda s, a, b: a @ b,
    "transpose": lambda s, a: a.T,
    "outer": lambda s, a, b: torch.outer(a, b),
    "sum": lambda s, a: a.sum(*s),
    "mean": lambda s, a: a.mean(*s),
    "largest": lambda s, a: a.amax(*s),
    "smallest": lambda s, a: a.amin(*s),
    "norm": lambda s, a: (a * a).sum().sqrt(),
    "cumsum": lambda s, a: a.cumsum(*s),
    "flip": lambda s, a: a.flip(*s),
    "concat": lambda s, *a: torch.cat(a, *s),
    "stack": lambda s, *a: torch.stack(a),
    "slice": lambda s, a: a[index(s)],
    "place": place,
    "broadcast": lambda s, a: a * torch.ones(s, dtype=a.dtype),
    "repeat": lambda s, a: torch.stack([a] * s[1], s[0]),
    "reshape": lambda s, a: a.reshape(s),
    "arange": lambda s: torch.arange(float(s[0]), dtype=torch.float64),
}


def test_every_operation_has_its_rule_its_text_and_its_cases():
    assert ARRAY_RULES.keys() | {"mean"} == ARRAY_OPERATIONS.keys()
    external = {"external", "external_vjp", "external_jvp"}  # tests/lang/test_external_nets.py
    assert ARRAY_OPERATIONS.keys() - external == CASES.keys() == TORCH.keys()
    assert TorchPrinter.rules.keys() == OPERATIONS.keys() | ARRAY_OPERATIONS.keys()
    assert OPERATIONS.keys().isdisjoint(ARRAY_OPERATIONS)


def one_operation(name, static, shapes):
    """y' = q op(a, b, …) and a' = -a, with parameters q, b, …; and dx/dt by torch, of one trajectory."""
    names = ["a", "b", "c"][: len(shapes)]
    by_name = dict(zip(names, shapes, strict=True))
    out = ARRAY_OPERATIONS[name].shape(shapes, static)
    equations = {"y": syms("q")[0] * array_op(name, *names, static=static)}
    equations |= {"a": -syms("a")[0]} if names else {}
    params = dict.fromkeys(["q", *names[1:]], 0.5)
    model = array_model(equations, {"y": out, **by_name}, params=params)
    sizes = [int(np.prod(by_name[n])) for n in names]

    def reference(x, p):
        n = int(np.prod(out))
        rest = [piece.reshape(by_name[k]) for piece, k in zip(p[1:].split(sizes[1:]), names[1:], strict=True)]
        given = [x[n:].reshape(shapes[0]), *rest] if names else []
        moved = (p[0] * TORCH[name](static, *given)).reshape(-1)
        return torch.cat([moved, -x[n:]])

    return model, reference


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def by_torch(reference, x, p, w, dx, dp):
    """The value, the VJP and the JVP of each of the trajectories."""
    found = [[], [], [], []]
    for one in zip(x, p, w, dx, dp, strict=True):
        value, pull = torch.func.vjp(reference, one[0], one[1])
        _, push = torch.func.jvp(reference, (one[0], one[1]), (one[3], one[4]))
        for into, what in zip(found, (value, *pull(one[2]), push), strict=True):
            into.append(what)
    return [torch.stack(many) for many in found]


def against_torch(model, reference, seed=0):
    module, draw = module_of(model), torch.Generator().manual_seed(seed)
    n, m = len(module.STATES), sum(param.size for param in module.COMPILED.params)

    def normal(*shape):
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    x, p, w, dx, dp = normal(3, n), normal(3, m), normal(3, n), normal(3, n), normal(3, m)
    value, g_x, g_p, tangent = by_torch(reference, x, p, w, dx, dp)
    still = torch.zeros((), dtype=torch.float64)
    close(module.rhs(0.0, x, p), value)
    close(module.rhs_vjp(0.0, x, p, w)[1], g_x)
    close(module.rhs_vjp(0.0, x, p, w)[2], g_p)
    close(module.rhs_jvp(0.0, x, p, still, dx, dp), tangent)
    jacobian = torch.stack([torch.func.jacrev(reference)(*one) for one in zip(x, p, strict=True)])
    close(module.jacobian(0.0, x, p), jacobian)
    close(module.rhs(0.0, x[0], p[0]), value[0])

    shared = p[1].expand(3, m)
    value, g_x, g_p, tangent = by_torch(reference, x, shared, w, dx, dp[1].expand(3, m))
    close(module.rhs(0.0, x, p[1]), value)
    close(module.rhs_vjp(0.0, x, p[1], w)[1], g_x)
    close(module.rhs_vjp(0.0, x, p[1], w)[2], g_p.sum(0))
    close(module.rhs_jvp(0.0, x, p[1], still, dx, dp[1]), tangent)


ALL = [(name, *case) for name, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("name", "static", "shapes"), [(n, s, shapes) for n, s, *shapes in ALL])
def test_values_and_derivatives_are_those_of_torch(name, static, shapes):
    against_torch(*one_operation(name, static, shapes))


@pytest.mark.parametrize(("name", "static", "shapes"), [(n, s, shapes) for n, s, *shapes in ALL])
def test_constants_fold_to_the_value_of_torch(name, static, shapes):
    draw = np.random.default_rng(1)
    given = dict(zip("abc", (draw.normal(size=shape) for shape in shapes), strict=False))
    found = evaluate(array_op(name, *given, static=static).tree, given)
    wanted = TORCH[name](static, *map(torch.tensor, given.values()))
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def of_elements(name, *args):
    """An operation as a formula with numbers for its value: conditions choose between two."""
    kind = OPERATIONS[name].kind
    if kind == "logic":
        args = [op("lt", arg, 0.5) for arg in args]
    if name == "select":
        args = [op("lt", args[0], 0.5), *args[1:]]
    if name == "apart":
        args = [args[0], 2]
    made = op(name, *args)
    return op("select", made, syms("a")[0], 2) if kind in ("compare", "logic") else made


def element_model(name, arrays):
    """y' = q op(a, b, c), those of `arrays` of three elements, a a state; by scalars where there are none."""
    names = "abc"[: OPERATIONS[name].arity[0]]
    equations = {"y": syms("q")[0] * of_elements(name, *names), "a": syms("a")[0]}
    shapes = dict.fromkeys(("y", *arrays), (3,)) if arrays else {}
    return array_model(equations, shapes, params=dict.fromkeys(["q", *names[1:]], 0.5))


def values_of(name, arrays):
    """Values of y, a, q and the further arguments where the operation is smooth: its elements by columns."""
    draw, low = np.random.default_rng(len(name)), 1.1 if name == "acosh" else 0.1
    found = {"y": np.zeros(3), "q": draw.uniform(0.5, 2, 1)}
    for argument in "abc"[: OPERATIONS[name].arity[0]] or "a":
        found[argument] = draw.uniform(low, low + 0.8, 3 if argument in arrays else 1)
    return found


BY_ARGUMENTS = [
    (name, arrays)
    for name, operation in OPERATIONS.items()
    if name != "lookup"  # of a table's number: tests/numerics/test_lookups.py
    for arrays in (*("abc"[: operation.arity[0]] or "a"), "abc"[: operation.arity[0]] or "a")
]


QUICK = ("mul", "div", "pow", "select", "max", "hill", "exp", "distance")


@pytest.mark.parametrize(
    ("name", "arrays"), slow_but(dict.fromkeys(BY_ARGUMENTS), lambda name, arrays: name in QUICK)
)
def test_what_goes_by_elements_is_what_scalars_give(name, arrays):
    """The VJP of an array is that of each of its elements, summed where a scalar stands beside them."""
    many, one = (module_of(element_model(name, which)) for which in (arrays, ""))
    values = values_of(name, arrays)

    def row(module, columns):
        names = list(dict.fromkeys(column.split("[")[0] for column in columns))
        return torch.tensor(np.concatenate([values[n] for n in names]))

    x, p = row(many, many.STATES), row(many, many.PARAMS)
    w = torch.tensor([0.3, -1.2, 0.7, *[0.0] * (len(x) - 3)], dtype=torch.float64)
    each = {n: np.broadcast_to(v, 3) for n, v in values.items()}
    xs, ps = (torch.tensor(np.stack([each[n] for n in names], -1)) for names in (one.STATES, one.PARAMS))
    assert torch.isfinite(one.rhs(0.0, xs, ps)).all()
    close(many.rhs(0.0, x, p)[:3], one.rhs(0.0, xs, ps)[:, 0])

    ws = torch.stack([w[:3], torch.zeros(3, dtype=torch.float64)], -1)
    pulled = torch.cat(one.rhs_vjp(0.0, xs, ps, ws)[1:3], -1).unbind(-1)
    by_element = dict(zip((*one.STATES, *one.PARAMS), pulled, strict=True))
    whole = {n: found if values[n].size == 3 else found.sum(0, True) for n, found in by_element.items()}
    close(many.rhs_vjp(0.0, x, p, w)[1], torch.cat([whole[n] for n in one.STATES]))
    close(many.rhs_vjp(0.0, x, p, w)[2], torch.cat([whole[n] for n in one.PARAMS]))

    d = torch.randn(len(x) + len(p), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    dx, dp = d.split([len(x), len(p)])
    tangent = many.rhs_jvp(0.0, x, p, x.new_zeros(()), dx, dp)
    gradient = torch.cat(many.rhs_vjp(0.0, x, p, w)[1:3])
    close((w[:3] * tangent[:3]).sum(), (gradient * d).sum())
