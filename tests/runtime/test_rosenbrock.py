"""Rosenbrock steps by a table are those of generated modules, with their derivatives."""

import pytest
import torch
from old_steps import BENT, FORCED, MODELS, Case, assert_steps_alike
from thin_modules import compiled_of, module_of

from odec.methods import METHODS
from odec.runtime.reference.rosenbrock import RosenbrockStepper
from odec.runtime.series import Held

NAMES = [name for name, method in METHODS.items() if method.family == "rosenbrock"]


def stepper_of(text, method):
    compiled = compiled_of(text, method)
    return compiled, RosenbrockStepper(compiled.equations, compiled.method)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", NAMES)
def test_steps_are_those_of_a_generated_module(method, model):
    compiled, stepper = stepper_of(MODELS[model], method)
    module = module_of(MODELS[model], method)
    assert_steps_alike(stepper, module, Case(compiled))
    assert_steps_alike(stepper, module, Case(compiled, each=True, seed=2))


@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("shared", [True, False])
def test_batches_are_those_of_a_generated_module(batch, shared):
    compiled, stepper = stepper_of(BENT, "rodas5p")
    for each in (False, True):
        case = Case(compiled, batch, each=each, shared=shared, seed=3)
        assert_steps_alike(stepper, module_of(BENT, "rodas5p"), case)


def test_single_precision_is_that_of_a_generated_module():
    compiled, stepper = stepper_of(BENT, "rodas4")
    case = Case(compiled, dtype=torch.float32)
    assert_steps_alike(stepper, module_of(BENT, "rodas4"), case, relative=1e-5)


def test_derivatives_are_those_of_the_step():
    compiled, stepper = stepper_of(BENT, "rodas4")
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
        assert torch.allclose(own, wanted, rtol=1e-11, atol=1e-12)


def test_the_tangent_is_that_of_torch():
    compiled, stepper = stepper_of(BENT, "rodas5p")
    case = Case(compiled)
    u, _ = case.of_runtime()
    zero = torch.zeros(3, 1, dtype=case.x.dtype)
    du = u.between(case.t, case.t + case.h)
    du.coefficients = [torch.zeros_like(c) for c in u.coefficients]
    own = stepper.jvp(case.x, case.t, case.h, case.p, u, case.dx, zero, zero, case.dp, du)
    _, wanted = torch.func.jvp(
        lambda x, p: stepper.step(x, case.t, case.h, p, u), (case.x, case.p), (case.dx, case.dp)
    )
    assert torch.allclose(own[1], wanted, rtol=1e-11, atol=1e-12)


def test_a_batch_under_vmap_takes_the_steps_of_each():
    compiled, stepper = stepper_of(FORCED, "rodas5p")
    case = Case(compiled, batch=())
    u, _ = case.of_runtime()
    xs = torch.stack([case.x, 2 * case.x])
    found = torch.vmap(lambda x: stepper.step(x, case.t, case.h, case.p, u))(xs)
    wanted = torch.stack([stepper.step(x, case.t, case.h, case.p, u) for x in xs])
    assert torch.allclose(found, wanted, rtol=1e-13)


def test_a_singular_matrix_gives_nan_and_no_exception():
    text = "param k = 1\ninit x = 1\ndx/dt = k*x"
    compiled, stepper = stepper_of(text, "rodas5p")
    x, p = torch.ones(2, 1, dtype=torch.float64), torch.tensor([[1.0], [0.5]], dtype=torch.float64)
    found = stepper.step(x, 0.0, 1 / compiled.method.gamma, p, None)
    assert torch.isnan(found[0]).all() and torch.isfinite(found[1]).all()


def test_inputs_may_be_held_as_they_are():
    text = "input u linear\nparam k = 1\ninit x = 1\ndx/dt = -k*x + u"
    still = "param u = 2\nparam k = 1\ninit x = 1\ndx/dt = -k*x + u"
    one = torch.ones(1, dtype=torch.float64)
    found = stepper_of(text, "rodas5p")[1].step(one, 0.0, 0.1, one, Held(2 * one))
    p = torch.tensor([2.0, 1.0], dtype=torch.float64)
    assert torch.allclose(found, stepper_of(still, "rodas5p")[1].step(one, 0.0, 0.1, p, None), rtol=1e-14)


def test_clip_is_refused_in_the_same_words():
    _, stepper = stepper_of(MODELS["decay"], "rodas5p")
    case = Case(compiled_of(MODELS["decay"], "rodas5p"))
    with pytest.raises(ValueError) as own:
        stepper.step(case.x, case.t, case.h, case.p, None, 1.0)
    with pytest.raises(ValueError) as old:
        module_of(MODELS["decay"], "rodas5p").step(case.x, case.t, case.h, case.p, clip=1.0)
    assert str(own.value) == str(old.value)
