"""Every method finds what steps it."""

import pytest
from old_steps import DECAY

import odec
from odec.methods import AUTO, METHODS
from odec.runtime.reference.auto import AutoStepper
from odec.runtime.reference.explicit import ExplicitStepper
from odec.runtime.reference.implicit import ImplicitStepper
from odec.runtime.reference.rosenbrock import RosenbrockStepper
from odec.runtime.reference.steppers import stepper_of

STEPPERS = {
    "explicit": ExplicitStepper,
    "implicit": ImplicitStepper,
    "rosenbrock": RosenbrockStepper,
    "auto": AutoStepper,
}


@pytest.mark.parametrize("name", [*METHODS, AUTO.name])
def test_each_family_has_its_stepper(name):
    family = AUTO.family if name == AUTO.name else METHODS[name].family
    compiled = odec.load(DECAY, method=name, engine="torch").COMPILED
    if family == "multistep":
        with pytest.raises(TypeError, match=name):
            stepper_of(compiled)
    else:
        assert type(stepper_of(compiled)) is STEPPERS[family]


def test_a_map_has_none():
    with pytest.raises(TypeError, match="a map"):
        stepper_of(odec.load("param r = 2\ninit x = 0.1\nx[t+1] = r*x", engine="torch").COMPILED)
