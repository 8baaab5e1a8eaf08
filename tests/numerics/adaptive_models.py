"""Models, times and arguments of the tests of adaptive steps."""

import torch
from generated import FORCED, LOTKA_VOLTERRA
from scipy.integrate import solve_ivp


def without_run(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("run ")) + "\n"


LV, PUSHED = without_run(LOTKA_VOLTERRA), without_run(FORCED)
TIMES = [0.0, 0.5, 2.0, 2.0, 7.0]
D = torch.float64


def reference(times, x0=(10.0, 5.0)):
    """Lotka-Volterra by DOP853 at 1e-12."""
    a, b, c, d = 1.1, 0.4, 0.4, 0.1
    found = solve_ivp(
        lambda t, x: [a * x[0] - b * x[0] * x[1], d * x[0] * x[1] - c * x[1]],
        (times[0], times[-1]),
        x0,
        t_eval=sorted(set(times), reverse=times[0] > times[-1]),
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    )
    where = {time: k for k, time in enumerate(found.t)}
    return torch.tensor(found.y.T[[where[time] for time in times]])


def generator(seed):
    return torch.Generator().manual_seed(seed)


def forced_arguments():
    """Times, x0 (3, 2) and the values of the three inputs of FORCED, some of them batched."""
    knots = {
        "u": torch.tensor([0.0, 0.7, 1.3, 3.1]),
        "v": torch.tensor([0.5, 1.0, 2.0]),
        "w": torch.tensor([0.5, 1.0, 2.0]),
    }
    t = torch.tensor([0.1, 0.4, 1.0, 1.0, 2.5], dtype=D)
    x0 = torch.rand(3, 2, dtype=D, generator=generator(1))
    u, v, w = (
        torch.randn(shape, dtype=D, generator=generator(k)) for k, shape in enumerate([(4, 3), (3,), (3, 3)])
    )
    return knots, (t, x0, u, v, w)


def forced_states(net, knots, t, x0, u, v, w):
    values = {"u": u, "v": v, "w": w}
    return net(t, x0=x0, inputs={name: (knots[name], values[name]) for name in knots})


def weighted(x):
    return (x * torch.linspace(-1, 2, x.numel(), dtype=x.dtype).reshape(x.shape)).sum()
