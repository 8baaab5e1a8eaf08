"""Models of arrays as text again: formatted, shown, as LaTeX; and single elements that are set."""

from __future__ import annotations

import numpy as np
import pytest

import odec
from odec.cli.run import _settings
from odec.cli.support import assignments
from odec.diagnostics import Source
from odec.errors import ArgumentError
from odec.lang import format_source
from odec.passes.show import equations_text, latex, params_table

UNTIDY = """param W[ 3,3 ]=[[1,2 , 3],[4,5,6],[ 7,8,9]] in(0,inf):1/day
const n=3
init h[n]=0
h'=W.T@h[0 : n]+(W @ W) [1,:]
init u[ i ]=i for i in 0..n-1
u[i]'=u[i-1]-u[ n-1 -i ]+sum(W[i,j] for j in 0..2)  for i in 0 .. n - 1 periodic
obs y=h[ 1: ]
"""
TIDY = """param W[3, 3] = [[1, 2, 3], [4, 5, 6], [7, 8, 9]] in (0, inf) : 1/day
const n = 3
init h[n] = 0
h' = W.T @ h[0:n] + (W @ W)[1, :]
init u[i] = i for i in 0 .. n - 1
u[i]' = u[i-1] - u[n-1-i] + sum(W[i, j] for j in 0 .. 2) for i in 0 .. n - 1 periodic
obs y = h[1:]
"""


def test_the_formatter_knows_indices_and_slices():
    assert format_source(Source("m.ode", UNTIDY)) == TIDY
    assert format_source(Source("m.ode", TIDY)) == TIDY


def test_show_says_what_the_model_says():
    system = odec.parse(TIDY)
    text = equations_text(system)
    for line in (
        "dh/dt    = W.T @ h[0:n] + (W @ W)[1, :]",
        "du[i]/dt = u[i - 1] - u[n - 1 - i] + sum(W[i, j] for j in 0 .. 2) for i in 0 .. n - 1 periodic",
        "h[n] = 0",
        "y = h[1:]",
    ):
        assert line in text
    assert "W[3, 3]    [[1, 2, 3], [4, 5, 6], [7, 8, 9]]" in params_table(system)
    assert r"h_{1:\,}" in latex(system) and r"\sum_{j=0}^{2} W_{i,j}" in latex(system)


def test_a_single_element_is_set():
    text = "param W[2, 2] = [[1, 2], [3, 4]] in (0, 9)\ninit h[2] = 1\nh' = W @ h*0\n"
    text += "obs s = sum(W)\nrun t = 0 .. 1\n"
    given = assignments(["W[0,1]=7,W[1,0]=0.5"], "--set")
    assert given == {"W[0,1]": 7, "W[1,0]": 0.5}
    assert _settings(odec.parse(text), ("W[0,1]=7, h=2",)) == ({"W[0,1]": 7}, {"h": 2})
    run = odec.simulate(text, params=given, engine="torch")
    np.testing.assert_allclose(run["s"], 1 + 7 + 0.5 + 4)
    with pytest.raises(ArgumentError, match=r"W\[0,1\] = 10 lies outside its interval"):
        odec.simulate(text, params={"W[0,1]": 10}, engine="torch")
    with pytest.raises(ArgumentError, match=r"no parameter or state 'W\[2,1\]'"):
        odec.simulate(text, params={"W[2,1]": 1}, engine="torch")
