"""Each family's generated page with the run-time's loops, end to end, against the whole module's Model."""

import pytest
import torch
from engine_cases import MAP, PREY, PUSHED, TIMED
from test_whole_model import arguments
from thin_modules import module_of
from torch.autograd import forward_ad

import odec

CASES = {
    "rk4": (PREY, "rk4", {"dt": 0.1}),
    "tsit5": (PUSHED, "tsit5", {"rtol": 1e-4}),
    "dense": (PREY, "dopri5", {"rtol": 1e-4, "dense_output": True}),
    "kvaerno5": (TIMED, "kvaerno5", {"rtol": 1e-4}),
    "rodas5p": (TIMED, "rodas5p", {"rtol": 1e-4}),
    "radau_iia5": (TIMED, "radau_iia5", {"rtol": 1e-4}),
    "auto": (PREY, "auto", {}),
    "adams": (PUSHED, "adams", {"rtol": 1e-4}),
    "explicit_adams": (TIMED, "explicit_adams", {"dt": 0.05}),
    "map": (MAP, None, {}),
}


def results(net, t, x0, given):
    """States with gradients by t, x0 and all parameters, tangents by them, and what the status says."""
    times, start = t.clone().requires_grad_(), x0.clone().requires_grad_()
    x = net(times, x0=start, **given)
    status = str(net.status)
    w = torch.sin(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)
    found = torch.autograd.grad((w * x).sum(), (times, start, *net.parameters()))
    with forward_ad.dual_level():
        pushed = net(t, x0=forward_ad.make_dual(x0, torch.cos(x0)), **given)
        tangent = forward_ad.unpack_dual(pushed).tangent.detach()
    return (x.detach(), *found, tangent), status


@pytest.mark.parametrize("case", CASES)
def test_a_page_gives_what_the_whole_module_gave(case):
    text, method, options = CASES[case]
    new = odec.load(text, method, "torch").Model(**options)
    old = module_of(text, method).Model(**options)
    t, given = arguments(text)
    x0 = torch.linspace(0.2, 0.9, 6, dtype=t.dtype).reshape(3, 2)
    (found, told), (wanted, said) = results(new, t, x0, given), results(old, t, x0, given)
    assert told == said
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        assert b.abs().max() > 0 or text is MAP
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12 * float(b.abs().max()))
