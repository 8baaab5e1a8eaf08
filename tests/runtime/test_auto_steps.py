"""Steps of two methods in one are those of generated modules, whichever trajectories take which."""

from dataclasses import replace

import pytest
import torch
from old_engine import cell_of
from old_steps import BENT, FORCED, MODELS, Case, assert_steps_alike
from thin_modules import compiled_of, module_of

from odec.runtime.methods import Auto
from odec.runtime.reference.auto import AutoStepper
from odec.runtime.reference.explicit import ExplicitStepper
from odec.runtime.reference.rosenbrock import RosenbrockStepper
from odec.runtime.reference.steppers import stepper_of as stepper_of_compiled

MASKS = {"all": [True, True, True], "none": [False, False, False], "some": [True, False, True]}


def stepper_of(text):
    compiled = compiled_of(text, "auto")
    assert isinstance(compiled.method, Auto)
    stiff = RosenbrockStepper(compiled.equations, compiled.method.stiff)
    return compiled, AutoStepper(ExplicitStepper(compiled, compiled.method.explicit), stiff)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("model", ["forced", "bent", "lotka_volterra", "quadrature"])
def test_steps_are_those_of_a_generated_module(model, mask):
    compiled, stepper = stepper_of(MODELS[model])
    case = Case(compiled, each=True, shared=False)
    which, unit = torch.tensor(MASKS[mask]).unsqueeze(-1), case.x.abs() + 0.1
    module = module_of(MODELS[model], "auto")
    assert_steps_alike(stepper, module, case, prefix="auto_", which=which, unit=unit)


def test_the_explicit_half_takes_the_printed_step():
    cell = cell_of(BENT, "auto", "explicit_")

    def stages(*given):
        x_next, (error, _), slopes = cell.stages(*given)  # whole modules tell h·|λ| here
        return x_next, (error,), slopes

    compiled = replace(compiled_of(BENT, "auto"), cell=replace(cell, stages=stages), engines={})
    stepper = stepper_of_compiled(compiled)
    assert isinstance(stepper, AutoStepper) and stepper.explicit.cell is compiled.cell
    case = Case(compiled, each=True, shared=False)
    which, unit = torch.tensor(MASKS["some"]).unsqueeze(-1), case.x.abs() + 0.1
    given = {"prefix": "auto_", "which": which, "unit": unit}
    assert_steps_alike(stepper, module_of(BENT, "auto"), case, **given)


def test_fixed_steps_are_stiff():
    compiled, stepper = stepper_of(FORCED)
    case = Case(compiled)
    stiff = stepper.stiff
    u, du = case.of_runtime()
    given = (case.x, case.t, case.h, case.p, u)
    assert torch.equal(stepper.step(*given), stiff.step(*given))
    assert torch.equal(stepper.vjp(*given, case.w).p, stiff.vjp(*given, case.w).p)
    tangents = (case.dx, case.dt, case.dh, case.dp, du)
    assert torch.equal(stepper.jvp(*given, *tangents)[1], stiff.jvp(*given, *tangents)[1])


def test_second_derivatives_are_those_of_each_half():
    compiled, stepper = stepper_of(BENT)
    case = Case(compiled, each=True, shared=False)
    u, _ = case.of_runtime()
    which = torch.tensor(MASKS["some"]).unsqueeze(-1)
    x, p = case.x.requires_grad_(), case.p.requires_grad_()

    def step(x, p):
        return stepper.step(x, case.t, case.h, p, u, None, which)

    assert torch.autograd.gradcheck(step, (x, p))
    assert torch.autograd.gradgradcheck(step, (x, p))
