"""A universal differential equation beside torchdiffeq: python -m benchmarks.ude

Two states and a network of 16-16 hidden units, rk4 with 200 steps, 1,000 trajectories, the gradient of a loss
by all parameters, double precision, one thread. Times are those of the processor, so that other work on the
machine counts little; both are measured in turn, and the ratio is that of the medians. Operations are sums
and products of the network's matrices, and 30 for each tanh.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import odec

STEPS, COUNT, ROUNDS = 200, 1000, 7
MODEL = """
param alpha = 1.3, delta = 1.8
net f(prey, pred) -> (eaten, born) = mlp(16, 16, tanh)
init prey = 0.44, pred = 4.6
prey' = alpha*prey + eaten
pred' = born - delta*pred
run t = 0 .. 1 step 0.005 method rk4 dt 0.005
"""
FORWARD = 2 * (2 * 16 + 16 * 16 + 16 * 2) + 30 * 32
"""Operations of a right-hand side."""
GRADIENT = 4 * FORWARD + 4 * (2 * 16 + 16 * 16 + 16 * 2)
"""Those of a gradient, a stage: the run, the run again for its states, the stages of each step again, the
network once more in its VJP, and the products of that."""


def tasks() -> dict[str, Callable[[], list[torch.Tensor]]]:
    """Each leaves the gradients of the parameters, and returns them."""
    from torchdiffeq import odeint

    net = odec.load(MODEL, engine="native").Model(seed=0)
    t = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    x0 = torch.rand(COUNT, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.5
    rates = (net.alpha, -net.delta)

    def rate(_: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return x * torch.stack(rates) + net.f(x)

    def gradients(states: Callable[[], torch.Tensor]) -> Callable[[], list[torch.Tensor]]:
        def run() -> list[torch.Tensor]:
            net.zero_grad()
            states()[-1].square().sum().backward()
            return [value.grad.clone() for value in net.parameters()]

        return run

    return {
        "odec": gradients(lambda: net(t, x0)),
        "torchdiffeq": gradients(lambda: odeint(rate, x0, t, method="rk4", options={"step_size": 1 / STEPS})),
    }


def measured() -> str:
    """The row of the table."""
    torch.set_num_threads(1)
    each, seconds = tasks(), {"odec": list[float](), "torchdiffeq": list[float]()}
    one, other = (each[name]() for name in seconds)
    apart = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(one, other, strict=True))
    for _ in range(ROUNDS):
        for name, run in each.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    ours, theirs = (statistics.median(values) for values in seconds.values())
    rate = 4 * STEPS * COUNT * GRADIENT / ours / 1e9
    return f"| {ours:.3f} | {theirs:.3f} | {theirs / ours:.1f} | {rate:.1f} | {apart:.1e} |"


def main() -> None:
    head = "| odec, s | torchdiffeq, s | ratio | Gflop/s of odec | difference of gradients |"
    table = "\n".join([head, "| --- | --- | --- | --- | --- |", measured()])
    title = "# A universal differential equation beside torchdiffeq"
    text = f"{title}\n\n{(__doc__ or '').split(chr(10), 2)[2].strip()}\n\n{table}\n"
    (Path(__file__).parent / "results" / "ude.md").write_text(text, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
