"""Guards never change a value: random conditional models against their plain formulas."""

import math
import random

import pytest
from building import E, expr, op, run, system

from odec.passes import derive
from odec.tree import evaluate, substitute

SINGULAR = ("log", "sqrt", "exp", "tan", "acosh", "atanh", "log1p")
COMPARE = ("gt", "lt", "ge", "le", "eq", "ne")


def formula(draw: random.Random, names: list[str], depth: int) -> E:
    if depth == 0 or draw.random() < 0.15:
        return expr(draw.choice(names)) if draw.random() < 0.7 else expr(draw.choice([1, 2, 0.5, 3]))
    one, two = (formula(draw, names, depth - 1) for _ in range(2))
    kind = draw.randrange(8)
    if kind <= 1:
        return op("select", condition(draw, names, depth - 1), one, two)
    if kind == 2:
        return op(draw.choice(SINGULAR), one + draw.choice(names))
    if kind == 3:
        return one / (two + draw.choice(names))
    if kind == 4:
        return (one + draw.choice(names)) ** draw.choice([2, 0.5, -1])
    return one + two if kind == 5 else one * two if kind == 6 else -one


def condition(draw: random.Random, names: list[str], depth: int) -> E:
    sides = [formula(draw, names, min(depth, 1)) for _ in range(2)]
    test = op(draw.choice(COMPARE), *sides)
    kind = draw.random()
    if kind < 0.2:
        return op(draw.choice(["and", "or"]), test, condition(draw, names, depth))
    return op("not", test) if kind < 0.3 else test


@pytest.mark.parametrize("block", range(4))
def test_values_stay(block):
    compared = 0
    for number in range(60):
        draw = random.Random(1000 * block + number)
        names = ["x", "y"]
        middle: dict[str, E] = {}
        for name in ("u", "v", "s"):
            middle[name] = formula(draw, names, 3)
            names.append(name)
        whole = formula(draw, names, 4)
        programs = derive(system({"x": whole, "y": 0}, intermediates=dict(reversed(middle.items()))))
        plain = whole.tree
        for name in ("s", "v", "u"):
            plain = substitute(plain, {name: middle[name].tree})
        for _ in range(5):
            at = {n: draw.choice([0.0, 1.0, -1.0, draw.uniform(-2, 2), draw.uniform(-2, 2)]) for n in "xy"}
            wanted = evaluate(plain, at)
            (found, _) = run(programs.rhs, {**at, "t": 0.0})["dx"]
            if math.isfinite(wanted):
                compared += 1
                assert found == pytest.approx(wanted, rel=1e-12)
            else:
                assert not math.isfinite(found)
    assert compared > 100
