"""Keywords that a public function does not have: told with what was meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import odec
from odec import keywords

TEXT = "param k = 0.5 in (0, 1)\ninit x = 1\nx' = -k*x\nrun t = 0 .. 1\n"
DATA = {"t": [0, 1, 2], "x": [1.0, 0.6, 0.4]}
EQUATIONS = {"x": "-k*x"}

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "simulate": (odec.simulate, (TEXT,), dict(keywords.OF_A_RUN)),
    "fit": (odec.fit, (TEXT, DATA), dict(keywords.OF_A_FIT)),
    "load": (odec.load, (TEXT,), dict(keywords.OF_A_MODULE)),
    "compile": (odec.compile, (TEXT,), dict(keywords.OF_A_MODULE)),
    "odeint": (odec.odeint, (), dict(keywords.OF_ODEINT)),
    "odeint_adjoint": (odec.odeint_adjoint, (), dict(keywords.OF_ODEINT)),
    "from_equations": (odec.System.from_equations, (EQUATIONS,), dict(keywords.OF_EQUATIONS)),
}


@pytest.mark.parametrize("call", CALLS)
def test_words_of_other_programs(call: str) -> None:
    """Each is none of the function's own, and is told by the keyword that the function has."""
    function, args, others = CALLS[call]
    real = odec.system_from_equations if call == "from_equations" else getattr(odec, call)
    own = inspect.signature(real).parameters
    for wanted, words in others.items():
        assert wanted in own
        for word in words:
            assert word not in own
            with pytest.raises(TypeError, match=rf"\(\) has no keyword '{word}': did you mean {wanted}="):
                function(*args, **{word: None})


@pytest.mark.parametrize(
    ("call", "given", "said"),
    [
        ("simulate", {"set": {"k": 1}}, "simulate() has no keyword 'set': did you mean params={'k': 0.5}?"),
        (
            "fit",
            {"params": {"k": 1}},
            "fit() has no keyword 'params': did you mean set={'k': 0.5}, the value to start from?",
        ),
        ("fit", {"optimiser": "adam"}, "fit() has no keyword 'optimiser': did you mean 'optimizer'?"),
        ("simulate", {"metod": "rk4"}, "simulate() has no keyword 'metod': did you mean 'method'?"),
        (
            "fit",
            {"bounds": {"k": (0, 1)}},
            "fit() has no keyword 'bounds': bounds stand in the model: param k = 1 in (0, 10)",
        ),
        (
            "load",
            {"wrong": 1},
            "load() has no keyword 'wrong'; it has model, method, engine",
        ),
    ],
)
def test_what_is_said(call: str, given: dict[str, Any], said: str) -> None:
    function, args, _ = CALLS[call]
    with pytest.raises(TypeError) as told:
        function(*args, **given)
    assert str(told.value) == said


def test_initial_values_of_a_fit_are_parameters() -> None:
    with pytest.raises(TypeError, match=r"no keyword 'init': a fit starts runs from the model's"):
        odec.fit(TEXT, DATA, init={"x": 2})


def test_settings_of_a_model() -> None:
    make = odec.load(TEXT, method="rk4").Model
    with pytest.raises(TypeError, match=r"^Model\(\) has no setting 'dtt'; did you mean 'dt'\?$"):
        make(dtt=0.1)
    with pytest.raises(TypeError, match=r"^Model\(\) has no setting 'rtol'; the model has dt, clip, "):
        make(rtol=0.1)


def test_warnings_are_told_of_the_line_that_called() -> None:
    for call in (lambda: odec.simulate(TEXT, [0, 1], method="euler", dt=0.5), _rough_fit):
        with pytest.warns(odec.AccuracyWarning) as told:
            call()
        assert {warning.filename for warning in told} == {__file__}


def _rough_fit() -> None:
    odec.fit(TEXT, {"t": [0, 2, 4], "x": [1, 0.36787944, 0.13533528]}, method="euler", dt=0.5)
