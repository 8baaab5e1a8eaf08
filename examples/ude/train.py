"""Train the network of ude.ode on noisy data, forecast, and draw what it learned: python train.py"""

from __future__ import annotations

from pathlib import Path

import torch

import odec

HERE = Path(__file__).parent
STEP, SEEN, AHEAD = 0.1, 60, 5
"""The time between measurements, how many of them are trained on, and those that a segment predicts."""
NOISE = 0.03
"""The standard deviation of the noise, as a share of each state's mean."""


def measurements(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The times (T,), the true states (T, 2), and these with noise."""
    run = odec.simulate(HERE / "truth.ode", rtol=1e-10)
    t, truth = torch.as_tensor(run.times), torch.as_tensor(run.states)
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randn(truth.shape, generator=draw, dtype=truth.dtype)
    return t, truth, truth + NOISE * truth.mean(0) * noise


def train(
    net: torch.nn.Module,
    t: torch.Tensor,
    seen: torch.Tensor,
    epochs: tuple[int, int] = (400, 800),
    iterations: int = 300,
) -> list[float]:
    """First over short segments that start at measurements, a batch of trajectories, then over the whole.

    epochs: of Adam, in either phase; iterations: of L-BFGS behind them. Returns the losses.
    """
    losses = []
    starts = torch.arange(len(seen) - AHEAD)
    ahead = torch.stack([seen[starts + k] for k in range(AHEAD + 1)])
    spread = seen.std(0)
    for count, rate, whole in zip(epochs, (1e-2, 3e-3), (False, True), strict=True):
        adam = torch.optim.Adam(net.parameters(), lr=rate)
        for _ in range(count):
            x, wanted = (net(t), seen) if whole else (net(t[: AHEAD + 1], ahead[0]), ahead)
            loss = ((x - wanted) / spread).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
    lbfgs = torch.optim.LBFGS(
        net.parameters(), max_iter=iterations, line_search_fn="strong_wolfe", history_size=20
    )

    def closure() -> torch.Tensor:
        lbfgs.zero_grad()
        loss = ((net(t) - seen) / spread).square().mean()
        loss.backward()
        losses.append(loss.item())
        return loss

    lbfgs.step(closure)
    return losses


def picture(
    t: torch.Tensor, truth: torch.Tensor, seen: torch.Tensor, net: torch.nn.Module, path: Path
) -> None:
    """Data and forecast, and the learned interaction beside the true one along the trajectory."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    with torch.no_grad():
        x, learned = net(t), net.f(truth)
    for k, name in enumerate(("prey", "pred")):
        colour = f"C{k}"
        left.plot(t, truth[:, k], color=colour, lw=4, alpha=0.3)
        left.plot(t, x[:, k], color=colour, label=name)
        left.plot(t[:SEEN], seen[:, k], ".", color=colour, ms=3)
    left.axvline(t[SEEN - 1], color="grey", lw=0.8, ls=":")
    left.set(xlabel="t", title="data, model and forecast (pale: the truth)")
    left.legend()
    product = truth[:, 0] * truth[:, 1]
    for k, (name, rate) in enumerate((("eaten", -0.9), ("born", 0.8))):
        right.plot(product, rate * product, color=f"C{k}", lw=4, alpha=0.3)
        right.plot(product, learned[:, k], ".", color=f"C{k}", ms=3, label=name)
    right.set(xlabel="prey · pred", title="learned interaction (pale: the truth)")
    right.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    t, truth, measured = measurements()
    seen = measured[:SEEN]
    net = odec.load(HERE / "ude.ode").Model(seed=0)
    losses = train(net, t[:SEEN], seen)
    with torch.no_grad():
        x, learned = net(t), net.f(truth)
    error = (x - truth) / truth.std(0)
    product = truth[:, :1] * truth[:, 1:]
    terms = product * torch.tensor([-0.9, 0.8], dtype=truth.dtype)
    print(f"loss {losses[0]:.4g} -> {losses[-1]:.4g} (noise alone: about {noise_floor(truth):.4g})")
    print(
        f"error of the states up to t = {t[SEEN - 1]:.1f}: {error[:SEEN].square().mean().sqrt():.3f} spreads"
    )
    print(f"error of the forecast to t = {t[-1]:.1f}: {error[SEEN:].square().mean().sqrt():.3f} spreads")
    ratio = (learned - terms).square().mean().sqrt() / terms.square().mean().sqrt()
    print(f"error of the interaction: {100 * ratio:.1f} %")
    picture(t, truth, seen, net, HERE / "ude.png")
    print("wrote ude.png")


def noise_floor(truth: torch.Tensor) -> float:
    """The loss that the truth itself would have."""
    return float(((NOISE * truth.mean(0)) / truth[:SEEN].std(0)).square().mean())


if __name__ == "__main__":
    main()
