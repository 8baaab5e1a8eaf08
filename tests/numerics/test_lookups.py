"""Lookup tables in formulas, on both engines: values, slopes, gradients, and files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

import odec
from odec.lookups import Lookup
from odec.runtime.lookups import Lookup as Tensors

RANDOM = np.random.default_rng(5)
XS = np.cumsum(RANDOM.uniform(0.001, 0.02, 1000)) - 2
YS = np.sin(XS) + 0.01 * RANDOM.normal(size=1000)

MODEL = """\
const K[3] = [0, 1, 2]
param a = 0.7
lookup f = (0, 1), (0.5, 0.4), (1.5, 2), (3, 0.2)
lookup g cubic = (-1, 0), (0, 1), (1, 0.5), (2, 2) extrapolate
init x[2] = [0.3, 1.2]
init y = 0.1
x' = -a*f(x) + 0.2*g(y)
y' = sum(x) - y*interp(y, K, [1, 2, 0.5]) + cubic(y, K, [1, 2, 0.5])
obs z = f(a*y)
run t = 0 .. 1 step 0.25 method rk4 dt 0.05
"""


def natural(xs: NDArray[Any], ys: NDArray[Any]) -> Any:
    return CubicSpline(xs, ys, bc_type="natural")


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_a_table_of_a_thousand_points_has_the_values_and_slopes_of_scipy(kind: str) -> None:
    table = Lookup("f", tuple(XS.tolist()), tuple(YS.tolist()), kind)
    tensors = Tensors(table.xs, table.pieces)
    x = np.concatenate([RANDOM.uniform(XS[0], XS[-1], 400), XS[::50], [XS[0] - 1, XS[-1] + 2]])
    found = tensors(torch.tensor(x)).numpy()
    np.testing.assert_array_equal(found, [table.value(one) for one in x])
    held = np.clip(x, XS[0], XS[-1])
    wanted = natural(XS, YS)(held) if kind == "cubic" else np.interp(held, XS, YS)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)
    slope = tensors(torch.tensor(x), 1).numpy()
    assert slope[-1] == slope[-2] == 0 and [table.value(one, 1) for one in x] == slope.tolist()
    if kind == "cubic":
        np.testing.assert_allclose(slope[:-2], natural(XS, YS)(x[:-2], 1), rtol=1e-7, atol=1e-7)
    assert torch.isnan(tensors(torch.tensor(np.nan))) and np.isnan(table.value(np.nan))


def test_extrapolated_tables_go_on() -> None:
    table = Lookup("f", (0.0, 1.0, 3.0), (0.0, 2.0, 1.0), "linear", True)
    at = [-1.0, 0.5, 4.0, 9.0]
    assert [table.value(x) for x in at] == [-2.0, 1.0, 0.5, -2.0]
    assert Tensors(table.xs, table.pieces, True)(torch.tensor(at)).tolist() == [-2.0, 1.0, 0.5, -2.0]
    assert pickle.loads(pickle.dumps(table)) == table


@pytest.fixture(scope="module")
def solved() -> dict[tuple[str, str], list[torch.Tensor]]:
    """By engine and adjoint: states, gradients by x0 and a, observables."""
    system, found = odec.parse(MODEL), {}
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    for engine, adjoint in (("torch", "autograd"), ("torch", "discrete"), ("native", "discrete")):
        net = odec.load(system, engine=engine).Model(adjoint=adjoint, engine=engine)
        start = torch.tensor([[0.3, 1.2, 0.1], [0.6, -0.2, 1.1]], dtype=torch.float64, requires_grad=True)
        x = net(t, start)
        w = torch.linspace(-1, 2, x.numel(), dtype=torch.float64).reshape(x.shape)
        gradients = torch.autograd.grad((x * w).sum(), [start, net.a])
        found[engine, adjoint] = [x.detach(), *gradients, net.observe(t, x).detach()]
    return found


@pytest.mark.parametrize("which", [("torch", "discrete"), ("native", "discrete")])
def test_gradients_are_those_of_autograd_and_the_engines_agree(
    solved: dict[tuple[str, str], list[torch.Tensor]], which: tuple[str, str]
) -> None:
    for one, exact in zip(solved[which], solved["torch", "autograd"], strict=True):
        torch.testing.assert_close(one, exact, rtol=1e-11, atol=1e-12)


def test_stiff_methods_take_the_slopes_of_tables() -> None:
    text = "lookup f cubic = (0, 1), (0.5, 0.4), (1.5, 2), (3, 0.2)\ninit x = 2.5\nx' = -f(x)\n"
    spline = natural(np.array([0, 0.5, 1.5, 3]), np.array([1, 0.4, 2, 0.2]))
    exact = solve_ivp(lambda t, x: -spline(x), (0, 1), [2.5], "DOP853", rtol=1e-11, atol=1e-11).y[0, -1]
    found = odec.simulate(text, [0, 1], method="rodas5p", rtol=1e-9, atol=1e-11, engine="torch")["x"][-1]
    np.testing.assert_allclose(found, exact, rtol=1e-7)


def test_tables_and_defaults_from_files(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("x,y\n0,1\n2,3\n")
    (tmp_path / "k.csv").write_text('parameter,value\nk,2.5\n"W[0,1]",7\n"W[0,0]",6\n')
    path = tmp_path / "model.ode"
    body = "param k = 1 in (0, 3)\nparam W[1, 2] = glorot()\ninit x = 1\nx' = k*f(x) + sum(W)\n"
    path.write_text(f'lookup f from "f.csv"\nvalues from "k.csv"\n{body}')
    net = odec.load(path).Model()
    assert (net.k.item(), net.W.tolist()) == (pytest.approx(2.5, rel=1e-15), [[6.0, 7.0]])
    slope = net.compiled.equations.rhs(0.0, torch.ones(1, dtype=torch.float64), net.vector())
    assert slope.item() == pytest.approx(2.5 * 2 + 13, rel=1e-14)
    (tmp_path / "f.csv").write_text("x,y\n0,1\n2,5\n")  # a module of the old file is no module of the new one
    again = odec.load(path).Model()
    assert again.compiled.digest != net.compiled.digest
    again_slope = again.compiled.equations.rhs(0.0, torch.ones(1, dtype=torch.float64), again.vector())
    assert again_slope.item() == pytest.approx(2.5 * 3 + 13, rel=1e-14)
    system = pickle.loads(pickle.dumps(odec.parse(path)))
    assert [table.name for table in system.lookups] == ["f"]


@pytest.mark.parametrize(
    ("table", "values", "message"),
    [
        ("0,1\n1,2\n1,3\n", "k,1\n", "f.csv, line 3: the points of 'f' do not increase: 1 behind 1"),
        ("0,1\n1,nan\n", "k,1\n", "f.csv, line 2: 'nan' is no finite number"),
        ("0,1,2\n1,2,3\n", "k,1\n", "f.csv, line 1: 3 cells, where 2 are needed"),
        ("0,1\n1,2\n", "q,1\n", "k.csv: the model has no parameter 'q'"),
        ("0,1\n1,2\n", '"W[0]",1\n', r"k.csv: there is no value of W[1]"),
        ("0,1\n1,2\n", "k,9\n", "the default of 'k', 9, lies outside its interval"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path: Path, table: str, values: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(table)
    (tmp_path / "k.csv").write_text(values)
    path = tmp_path / "model.ode"
    path.write_text(
        'lookup f from "f.csv"\nvalues from "k.csv"\nparam k = 1 in (0, 3)\nparam W[2] = 1\n'
        "init x = 1\nx' = k*f(x) + sum(W)\n"
    )
    assert message in [d.message for d in odec.check(path)]


def test_how_a_table_is_spelt() -> None:
    text = "lookup f linear = (0, 1), (1, 2) extrapolate  # how\ninit x = 1\nx' = -f(x)\nobs y = f(x)\n"
    assert odec.lang.format_source(odec.diagnostics.Source("m.ode", text)) == text
    from odec.passes.latex import latex
    from odec.passes.show import equations_text

    system = odec.parse(text)
    assert "f(x) = linear through 2 points from 0 to 1, extrapolated" in equations_text(system)
    assert r"\mathrm{f}" not in latex(system) and "lookup" not in latex(system)
