"""A text in another language is answered by one sentence."""

from __future__ import annotations

import pytest
from models import codes_of, errors_of

TEXTS = {
    "gotran": 'parameters("Membrane",\n  g=ScalarParam(0.1, unit="uS"), E=-80)\nstates("Membrane", V=-85)\n'
    'expressions("Membrane")\ni = g*(V - E)\ndV_dt = -i\n',
    "Myokit": "[[model]]\nname: decay\n# Initial values\ncell.x = 1\n\n[cell]\nk = 2 [1/s]\ndot(x) = -k*x\n",
    "Antimony": "model decay()\n  J0: $X0 -> S1; k1*X0\n  S1 = 0; k1 = 2;\nend\n",
    "BNGL": "begin model\nbegin parameters\n  k1 0.1\nend parameters\n"
    "begin reaction rules\n A() -> B() k1\nend reaction rules\n",
    "Stan": "functions {\n  vector decay(real t, vector x, real k) {\n    return -k * x;\n  }\n}\n"
    "data { int N; }\n",
    "Julia": "using OrdinaryDiffEq\nfunction decay!(du, u, p, t)\n    du[1] = -p[1]*u[1]\nend\n",
    "NONMEM": "$PROBLEM decay\n$INPUT ID TIME DV\n$DES\nDADT(1) = -K*A(1)\n$THETA (0, 1)\n",
    "Modelica": 'model Decay "decay"\n  Real x(start=1);\nequation\n  der(x) = -2*x;\nend Decay;\n',
    "MATLAB": "function dx = decay(t, x)\n  % decay\n  dx = -2*x;\nend\n",
    "Python": "import numpy as np\n\ndef decay(t, x):\n    return -2*x\n",
    "XML": '<?xml version="1.0"?>\n<sbml>\n<model id="decay"/>\n</sbml>\n',
}


@pytest.mark.parametrize("language", TEXTS)
def test_one_error_names_the_language(language: str) -> None:
    (found,) = errors_of(TEXTS[language])
    assert (found.code, found.message) == ("E116", f"this looks like {language}, not like a model of odec")
    assert "dX/dt" in found.notes[0]


def test_a_model_of_our_own_is_none_of_them() -> None:
    """Such names are ordinary ones; and a slip among right lines is told as what it is."""
    text = "param model = 1, function = 2, data = 3, states = 4\ninit x = 1\nx' = -model*x\n"
    assert set(codes_of(text)) == {"W601"}
    assert codes_of(text + "parameters(a, b) = a*b\nobs y = parameters(x, data) + 2x\n") == ["E105"]


def test_the_rows_of_a_markov_are_told_of_once() -> None:
    """XPP's rows of rates go with the line above them; one that stands elsewhere is an error of its own."""
    text = "init v = 1\nv' = -v + z\nmarkov z 2\n{0} {alpha*v}\n\n{beta} {0}\n"
    assert codes_of(text) == ["E325"]
    assert codes_of(f"{text}par a = 1\n{{0}} {{1}}\n") == ["E325", "E107"]
