"""On which diagonals the Jacobian of an array model has entries, and the Jacobian by few products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from array_models import array_model, array_op, module_of
from building import op, syms

from odec.diagnostics import Source
from odec.passes import derive
from odec.passes.diagonals import diagonals, period

N = 16
u, v, D, k = syms("u v D k")


def part(of, index):
    return array_op("slice", of, static=(index,))


def turned(of, by):
    """The elements of a ring by so many further on."""
    return array_op("concat", part(of, f"{by}:{N}"), part(of, f"0:{by}"), static=(0,))


def line(n=N):
    """u' = D u_xx + k u (1 - u) between closed ends."""
    middle = part(u, f"0:{n - 2}") - 2 * part(u, f"1:{n - 1}") + part(u, f"2:{n}")
    first, last = part(u, "1:2") - part(u, "0:1"), part(u, f"{n - 2}:{n - 1}") - part(u, f"{n - 1}:{n}")
    return {"u": D * array_op("concat", first, middle, last, static=(0,)) + k * u * (1 - u)}


def two_species():
    """Two of them on rings, that react with each other."""
    around = {name: turned(x, 1) - 2 * x + turned(x, N - 1) for name, x in (("u", u), ("v", v))}
    return {"u": D * around["u"] - u * v**2, "v": D * around["v"] + op("tanh", u * v) - k * v}


def decay():
    return {"u": -k * op("exp", u) * array_op("arange", static=(N,))}


def grid():
    """A diffusion along both axes of u [4, 4], by what is placed beside it."""
    moved = [
        array_op("place", part_of, static=(4, 4, *where))
        for part_of, where in (
            (array_op("slice", u, static=("1:4", ":")), ("0:3", ":")),
            (array_op("slice", u, static=(":", "0:3")), (":", "1:4")),
        )
    ]
    return {"u": D * (moved[0] + moved[1] - 2 * u)}


CASES = {
    "line": (line, {"u": (N,)}, (-1, 0, 1)),
    "two species": (two_species, {"u": (N,), "v": (N,)}, (-16, -15, -1, 0, 1, 15, 16)),
    "decay": (decay, {"u": (N,)}, (0,)),
    "grid": (grid, {"u": (4, 4)}, (-1, 0, 4)),
}


def model(name):
    equations, shapes, _ = CASES[name]
    made = array_model(equations(), shapes, {"D": 0.7, "k": 1.3})
    return replace(made, source=Source("stencil.ode", f"# {name}\n" * 200))


def entries(name):
    """Where the Jacobian at random states has entries: columns less rows; and the Jacobian by torch."""
    module = module_of(model(name), "rodas5p")
    x = torch.rand(len(module.STATES), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p = torch.tensor([0.7, 1.3], dtype=torch.float64)
    exact = torch.func.jacfwd(lambda y: module.rhs(0.0, y, p))(x)
    rows, columns = np.nonzero(exact.numpy())
    return module, x, p, exact, set((columns - rows).tolist())


@pytest.mark.parametrize("name", CASES)
def test_the_jacobian_by_few_products_is_that_of_torch(name):
    module, x, p, exact, found = entries(name)
    wanted = CASES[name][2]
    few = 2 * period(wanted) <= len(x)
    assert diagonals(derive(model(name)).rhs) == (wanted if few else ())
    assert ("DIAGONALS" in vars(module)) == few
    assert found <= set(wanted)
    torch.testing.assert_close(module.jacobian(0.0, x, p), exact, rtol=1e-12, atol=1e-13)
    both = module.jacobian(0.0, torch.stack((x, 2 * x)), p)
    torch.testing.assert_close(both[0], exact, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(
        torch.func.vmap(lambda y: module.jacobian(0.0, y, p))(x.expand(2, -1))[1], exact
    )


def test_what_every_state_moves_is_taken_by_columns():
    dense = array_model({"u": array_op("sum", u) * u - array_op("cumsum", u, static=(0,))}, {"u": (N,)})
    assert diagonals(derive(dense).rhs) == ()


def test_columns_of_one_colour_share_no_row():
    for offsets in ((-1, 0, 1), (-2, 0, 3), (-15, -1, 0, 1, 15), (-64, -1, 0, 1, 64)):
        colours = period(offsets)
        rows = [[(column - k, column % colours) for k in offsets] for column in range(200)]
        flat = [pair for several in rows for pair in several]
        assert len(set(flat)) == len(flat)


def test_a_stencil_of_256_points_takes_three_products():
    made = array_model(line(256), {"u": (256,)}, {"D": 0.7, "k": 1.3})
    assert diagonals(derive(made).rhs) == (-1, 0, 1) and period((-1, 0, 1)) == 3
