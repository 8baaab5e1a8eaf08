"""An ODE is a recurrent network: both as cells over the same 100 days, both trained by the same loop."""

import matplotlib.pyplot as plt
import torch
from torch import nn

import odec

DAYS = 100


def measured() -> torch.Tensor:
    """What is learned: the species by day (101, 2), of parameters that neither model knows, with noise."""
    truth = {"r1": 0.1, "r2": 0.3, "a1": 0.01, "a2": 0.02, "N1": 5, "N2": 3.33}
    net = odec.load("competition.ode").Model(params=truth, adjoint="none")
    x = net(torch.arange(DAYS + 1.0))
    return x * (1 + 0.03 * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1)))


class Equation(nn.Module):
    """The competition model as a cell: each day one Euler step from the states of the day before."""

    def __init__(self) -> None:
        super().__init__()
        self.module = odec.load("competition.ode")
        self.net, self.cell = self.module.Model(), self.module.StepCell()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p, states = self.net.vector(), [x[0]]
        for day in range(DAYS):
            states.append(self.cell(states[-1], float(day), 1.0, p))
        return torch.stack(states[1:])


def trained(model: nn.Module, data: torch.Tensor, rate: float, epochs: int = 300) -> list[float]:
    """The loss of each epoch."""
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=rate), []
    for _ in range(epochs):
        loss = (model(data[:-1]) - data[1:]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    torch.manual_seed(0)
    data = measured()
    layer = odec.load("my_rnn.ode").Model(seed=0).layer()
    models = {
        "recurrent network": (nn.Sequential(layer, nn.Linear(8, 2, dtype=torch.float64)), 0.01),
        "differential equation": (Equation(), 0.05),
    }
    figure, axes = plt.subplots(2, 2, figsize=(8, 6), layout="constrained")
    for column, (name, (model, rate)) in enumerate(models.items()):
        losses = trained(model, data, rate)
        count = sum(p.numel() for p in model.parameters())
        print(f"{name:22} {count:4} parameters  loss {losses[0]:.4f} -> {losses[-1]:.5f}")
        axes[0, column].semilogy(losses)
        axes[0, column].set(title=f"{name}, {count} parameters", xlabel="epoch", ylabel="loss")
        axes[1, column].plot(data, ".", color="0.7")
        axes[1, column].plot(range(1, DAYS + 1), model(data[:-1]).detach())
        axes[1, column].set(xlabel="day", ylabel="animals, hundreds")
    figure.savefig("my_rnn.png", dpi=120)


if __name__ == "__main__":
    main()
