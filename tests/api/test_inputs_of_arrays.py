"""Inputs that are arrays: from Python, from CSV files, and in a fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import odec

TEXT = """\
param k = 1
input u[2] linear
init x = 0
x' = u[0] - 2*u[1] - k*x
run t = 0 .. 2 step 1 method rk4 dt 0.1
"""
KNOTS = ([0, 2], [[0, 1], [1, 0]])


@pytest.fixture(scope="module")
def system() -> odec.System:
    return odec.parse(TEXT)


def exact(t: np.ndarray) -> np.ndarray:
    """x' = 3t/2 - 2 - x from 0."""
    return 1.5 * t - 3.5 + 3.5 * np.exp(-t)


def test_forms_of_an_array_give_one_run(system: odec.System, tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    for text in ("t,u[0],u[1]\n0,0,1\n2,1,0\n", "0,0,1\n2,1,0\n", "t,u[ 1 ],u[0]\n0,1,0\n2,0,1\n"):
        path.write_text(text)
        run = odec.simulate(system, inputs={"u": path})
        np.testing.assert_allclose(run["x"], exact(run.times), atol=3e-6)
    by_element = {"u[0]": ([0, 2], [0, 1]), "u[1]": ([0, 2], [1, 0])}
    for inputs in ({"u": KNOTS}, by_element):
        np.testing.assert_array_equal(odec.simulate(system, inputs=inputs)["x"], run["x"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "t,u[0],u[2]\n0,0,1\n",
            r"u.csv:1: the columns behind the time are u\[0\], u\[1\], not u",
        ),
        ("t,u[0],u[1]\n0,0\n", r"u.csv:2: a time and 2 values, of u\[0\], u\[1\], not '0,0'"),
        ("0,1\n1,2\n", r"u.csv:1: a time and 2 values"),
    ],
)
def test_what_is_wrong_in_a_file_of_an_array(
    system: odec.System, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "u.csv").write_text(text)
    with pytest.raises(odec.ArgumentError, match=message):
        odec.simulate(system, inputs={"u": tmp_path / "u.csv"})


def test_a_fit_takes_an_array_as_columns_or_whole(system: odec.System) -> None:
    x = {"t": [0, 1, 2], "x": exact(np.arange(3.0)) + 0.01}
    columns = odec.fit(system, {**x, "u[0]": [0, 0.5, 1], "u[1]": [1, 0.5, 0]}, epochs=4)
    whole = odec.fit(system, x, inputs={"u": KNOTS}, epochs=4)
    assert whole.values["k"] == pytest.approx(columns.values["k"], rel=1e-9)
    with pytest.raises(odec.ArgumentError, match=r"input .u. needs times \(K,\) and values"):
        odec.fit(system, x, inputs={"u": ([0, 2], [[0, 1, 2], [1, 0, 2]])})
