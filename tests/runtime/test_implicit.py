"""Implicit Runge–Kutta steps by a table are those of generated modules, with their derivatives."""

import pytest
import torch
from old_steps import BENT, DECAY, FORCED, LOTKA_VOLTERRA, MODELS, Case, assert_steps_alike
from thin_modules import compiled_of, module_of
from tiers import each_once

from odec.methods import METHODS
from odec.runtime.reference.implicit import ImplicitStepper

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

NAMES = [name for name, method in METHODS.items() if method.family == "implicit"]
LINEAR = ("forced", "decay", "quadrature", "alone")
COUPLED = "radau_iia5"
DIAGONAL = "kvaerno5"


def stepper_of(text, method):
    compiled = compiled_of(text, method, linear=text in [MODELS[name] for name in LINEAR])
    return compiled, ImplicitStepper(compiled.equations, compiled.method)


@pytest.mark.parametrize(("method", "model"), each_once(NAMES, ["forced", "bent", "decay", "quadrature"]))
def test_steps_are_those_of_a_generated_module(method, model):
    compiled, stepper = stepper_of(MODELS[model], method)
    module = module_of(MODELS[model], method)
    assert_steps_alike(stepper, module, Case(compiled))
    if compiled.adaptive or not compiled.inputs:
        assert_steps_alike(stepper, module, Case(compiled, each=True, seed=2))


@pytest.mark.parametrize("method", [COUPLED, DIAGONAL])
@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("shared", [True, False])
def test_batches_are_those_of_a_generated_module(method, batch, shared):
    compiled, stepper = stepper_of(BENT, method)
    for each in (False, True):
        case = Case(compiled, batch, each=each, shared=shared, seed=3)
        assert_steps_alike(stepper, module_of(BENT, method), case)


@pytest.mark.parametrize("method", [COUPLED, DIAGONAL])
def test_single_precision_is_that_of_a_generated_module(method):
    compiled, stepper = stepper_of(BENT, method)
    case = Case(compiled, dtype=torch.float32)
    assert_steps_alike(stepper, module_of(BENT, method), case, relative=1e-5)


@pytest.mark.parametrize("text", [BENT, FORCED])
@pytest.mark.parametrize("method", [COUPLED, DIAGONAL])
def test_derivatives_are_those_of_the_step(method, text):
    compiled, stepper = stepper_of(text, method)
    case = Case(compiled)
    u, _ = case.of_runtime()
    x, p = case.x.requires_grad_(), case.p.requires_grad_()
    t, h = (torch.tensor(v, dtype=x.dtype, requires_grad=True) for v in (case.t, case.h))

    def step(x, t, h, p):
        return stepper.step(x, t, h, p, u)

    assert torch.autograd.gradcheck(step, (x, t, h, p))
    assert torch.autograd.gradgradcheck(step, (x, t, h, p))
    found = stepper.vjp(x.detach(), case.t, case.h, p.detach(), u, case.w, wrt_times=True)
    g_x, g_t, g_h, g_p = torch.autograd.grad((case.w * step(x, t, h, p)).sum(), (x, t, h, p))
    for own, wanted in ((found.x, g_x), (found.p, g_p), (found.t.sum(), g_t), (found.h.sum(), g_h)):
        assert torch.allclose(own, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("method", [COUPLED, DIAGONAL])
def test_a_batch_under_vmap_takes_the_steps_of_each(method):
    compiled, stepper = stepper_of(LOTKA_VOLTERRA, method)
    case = Case(compiled, batch=())
    xs = torch.stack([case.x, 2 * case.x])
    found = torch.vmap(lambda x: stepper.step(x, case.t, case.h, case.p, None))(xs)
    wanted = torch.stack([stepper.step(x, case.t, case.h, case.p, None) for x in xs])
    assert torch.allclose(found, wanted, rtol=1e-13)


def test_a_step_without_a_solution_gives_nan_there_alone():
    text = "param k = 1\ninit x = 1\ndx/dt = k + x**2"
    _, stepper = stepper_of(text, "backward_euler")
    x, p = torch.tensor([[3.0], [-1.0]], dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    found = stepper.step(x, 0.0, 0.5, p, None)
    assert torch.isnan(found[0]).all() and torch.isfinite(found[1]).all()
    old = module_of(text, "backward_euler").step(x, 0.0, 0.5, p)
    assert torch.allclose(found, old, rtol=1e-13, equal_nan=True)


@pytest.mark.parametrize("method", [COUPLED, DIAGONAL])
def test_clip_is_refused_in_the_same_words(method):
    compiled, stepper = stepper_of(DECAY, method)
    case = Case(compiled)
    with pytest.raises(ValueError) as own:
        stepper.step(case.x, case.t, case.h, case.p, None, 1.0)
    with pytest.raises(ValueError) as old:
        module_of(DECAY, method).step(case.x, case.t, case.h, case.p, clip=1.0)
    assert str(own.value) == str(old.value)
