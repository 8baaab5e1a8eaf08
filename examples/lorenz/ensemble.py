"""A thousand forecasts from starts that differ by a millionth: how far ahead can they be trusted?"""

import torch

import odec

lorenz = odec.load("lorenz.ode", method="rk4")
net = lorenz.Model(adjoint="none")

weather = net(torch.tensor([0.0, 20.0]))[-1]
torch.manual_seed(0)
starts = weather + 1e-6 * torch.randn(1000, 3, dtype=torch.float64)

t = torch.arange(0, 31, 5.0)
x = net(t, x0=starts)  # (T, 1000, 3)
for time, spread in zip(t.tolist(), x[..., 0].std(1).tolist(), strict=True):
    print(f"t = {time:2.0f}   standard deviation of x {spread:.1e}")
