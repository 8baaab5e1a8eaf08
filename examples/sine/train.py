"""A noisy sine, learned by networks written as maps, and by torch's own layers from the same weights."""

import argparse

import matplotlib.pyplot as plt
import torch
from torch import nn

import odec

WINDOW, TRAINING, HIDDEN = 20, 320, 12
RATES = {"SGD": 0.1, "Adam": 0.01}


def series() -> torch.Tensor:
    """400 points of sin on [0, 36] with noise, uniform within ±0.2: (400, 1)."""
    noise = torch.rand(400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return (torch.linspace(0, 36, 400, dtype=torch.float64).sin() + 0.4 * noise - 0.2).unsqueeze(-1)


class Torch(nn.Module):
    """torch's layer and a linear output, with the weights of a map."""

    def __init__(self, kind: str, net: nn.Module):
        super().__init__()
        self.layer = {"rnn": nn.RNN, "lstm": nn.LSTM}[kind](1, HIDDEN, dtype=torch.float64)
        self.out = nn.Linear(HIDDEN, 1, dtype=torch.float64)
        weights = net.state_dict()
        self.out.load_state_dict({name: weights.pop(name) for name in ("weight", "bias")})
        self.layer.load_state_dict(weights)

    def sequence(self, u: torch.Tensor, state=None, **_):
        h, state = self.layer(u, state)
        return self.out(h), state


def trained(net, data: torch.Tensor, optimizer: str, epochs: int) -> list[float]:
    """The mean loss of each epoch: windows of 20 steps in random order, 30 at once, one output a step."""
    starts = torch.arange(min(TRAINING, len(data)) - WINDOW)
    places = starts.unsqueeze(0) + torch.arange(WINDOW + 1).unsqueeze(1)
    windows = data[places]  # (21, 300, 1)
    order = torch.Generator().manual_seed(0)
    steps = getattr(torch.optim, optimizer)(net.parameters(), lr=RATES[optimizer])
    losses = []
    for _ in range(epochs):
        total = 0.0
        for some in torch.randperm(len(starts), generator=order).split(30):
            predicted, _ = net.sequence(windows[:-1, some], output="observables")
            loss = (predicted - windows[1:, some]).square().mean()
            steps.zero_grad()
            loss.backward()
            steps.step()
            total += loss.item() * len(some) / len(starts)
        losses.append(total)
    return losses


@torch.no_grad()
def predictions(net, data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the 80 points left: each from the ones before it, and all from the first 320 alone."""
    ones, _ = net.sequence(data[:-1].unsqueeze(1), output="observables")
    y, state = net.sequence(data[:TRAINING].unsqueeze(1), output="observables")
    free = [y[-1:]]
    while len(free) < len(data) - TRAINING:
        y, state = net.sequence(free[-1], state, output="observables")
        free.append(y)
    return ones[TRAINING - 1 :, 0], torch.cat(free)[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    epochs = parser.parse_args().epochs
    data = series()
    figure, axes = plt.subplots(2, 3, figsize=(12, 6), layout="constrained")
    for row, kind in zip(axes, ("rnn", "lstm"), strict=True):
        module = odec.load(f"{kind}.ode")
        for optimizer in RATES:
            ours = module.Model(seed=0)
            theirs = Torch(kind, ours)
            errors = []
            for net in (ours, theirs):
                losses = trained(net, data, optimizer, epochs)
                one, free = predictions(net, data)
                errors += [(p - data[TRAINING:]).square().mean().sqrt().item() for p in (one, free)]
                if net is ours:
                    row[0].semilogy(losses, label=optimizer)
                    row[1].plot(one, label=optimizer)
                    row[2].plot(free, label=optimizer)
            texts = " ".join(f"{error:.4f}" for error in errors)
            print(f"{kind:4} {optimizer:4}  one step, free run: map {texts[:13]}, torch {texts[14:]}")
        row[0].set(title=kind, xlabel="epoch", ylabel="loss")
        row[1].set(title="one step ahead", xlabel="step of the 80 left")
        row[2].set(title="free run", xlabel="step of the 80 left")
        for axis in row[1:]:
            axis.plot(data[TRAINING:], "k.", markersize=3)
            axis.set_ylim(-1.6, 1.6)
        row[0].legend()
    figure.savefig("sine.png", dpi=120)


if __name__ == "__main__":
    main()
