"""Columns of unlike sizes, and noise that least squares do not stand for."""

from __future__ import annotations

import numpy as np
import pytest

import odec
from odec.errors import ArgumentError

MODEL = """
const s = 0.5
half(a) = a/2
param big = 0.3, k = 0.9 in (0, inf)
init rest = 0
rest' = 0
obs x = 1e6*exp(-big*t){x}
obs y = exp(-k*t){y}
run t = 0 .. 1 step 20 dt 20 method euler
"""


def data() -> dict[str, np.ndarray]:
    rng, t = np.random.default_rng(2), np.linspace(0.2, 3, 15)
    x = 1e6 * np.exp(-0.5 * t) * (1 + 0.01 * rng.normal(size=len(t)))
    return {"t": t, "x": x, "y": np.exp(-1.5 * t) + 0.01 * rng.normal(size=len(t))}


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss-newton"])
def test_columns_of_unlike_sizes_are_weighted_by_their_spread(optimizer: str) -> None:
    text, measured = MODEL.format(x="", y=""), data()
    result = odec.fit(text, measured, optimizer=optimizer, engine="torch")
    assert result.converged and result.values["k"] == pytest.approx(1.5, rel=0.05)
    by_hand = {name: (measured[name] / measured[name].std()) for name in ("x", "y")}
    curves = {"x": 1e6 * np.exp(-result.values["big"] * measured["t"])}
    curves["y"] = np.exp(-result.values["k"] * measured["t"])
    squares = sum(((curves[n] / measured[n].std() - by_hand[n]) ** 2).sum() for n in ("x", "y"))
    assert result.loss == pytest.approx(squares, rel=1e-9)
    assert any("so each is weighted by its spread (x 2.08e+05, y 0.21" in note for note in result.notes), (
        result.notes
    )
    plain = odec.fit(text, measured, optimizer=optimizer, engine="torch", weights="none")
    assert plain.options["weights"] == "none" and plain.loss > 1e6
    assert not any("weighted" in note for note in plain.notes)


def test_replicates_and_weights_in_the_kernel() -> None:
    text, measured = MODEL.format(x="", y=""), data()
    twice = {
        name: np.append(values, values[3:6] * (1.01 if name != "t" else 1))
        for name, values in measured.items()
    }
    fits = [odec.fit(text, twice, optimizer="gauss-newton", engine=e) for e in ("torch", "native")]
    assert fits[1].losses[0] == pytest.approx(fits[0].losses[0], rel=1e-12)
    assert fits[1].loss == pytest.approx(fits[0].loss, rel=1e-9)


@pytest.mark.parametrize(
    ("noises", "message"),
    [
        (
            {"x": " ~ laplace(0.1)", "y": " ~ normal(s)"},
            "line 7: the noise of x is laplace, which a fit does not",
        ),
        ({"x": " ~ normal(s)", "y": ""}, "the noise of x is given and that of y is not"),
        ({"x": " ~ normal(s*k)", "y": ""}, "the noise of x is given and that of y is not"),
        (dict.fromkeys("xy", " ~ normal(half(-s))"), "line 7: the noise of x has sigma -0.25, which must be"),
    ],
)
def test_noise_that_a_fit_does_not_heed_is_an_error(noises: dict[str, str], message: str) -> None:
    text = MODEL.format(**noises)
    odec.simulate(text, engine="torch")
    with pytest.raises(ArgumentError, match=message):
        odec.fit(text, data(), engine="torch")


def test_one_normal_noise_passes_without_weights() -> None:
    text = MODEL.format(x=" ~ normal(s)", y=" ~ normal(0.25 + 0.25)")
    result = odec.fit(text, data(), engine="torch", epochs=0)
    assert result.loss > 1e6 and not any("weighted" in note for note in result.notes)
