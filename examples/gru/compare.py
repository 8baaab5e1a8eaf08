"""The map beside torch.nn.GRU with the same weights: what comes out, all gradients, and a picture."""

import matplotlib.pyplot as plt
import torch

import odec

net = odec.load("gru.ode").Model(seed=0)
layer = torch.nn.GRU(1, 12, dtype=torch.float64)
layer.load_state_dict(net.state_dict())  # the same names and shapes

torch.manual_seed(0)
x = torch.randn(50, 8, 1, dtype=torch.float64).cumsum(0)  # (T, batch, features)
weights = torch.randn(50, 8, 12, dtype=torch.float64)
found = []
for model, run in ((net, net.sequence), (layer, layer)):
    u = x.clone().requires_grad_()
    h = run(u)[0][..., :12]
    found.append([h, *torch.autograd.grad((weights * h).sum(), [u, *model.parameters()])])

for name, ours, theirs in zip(["h", "x", *net.state_dict()], *found, strict=True):
    kind = "states" if name == "h" else "gradient"
    close = (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max()
    print(f"{name:12}  {kind:8}  {'equal to 1e-12' if close else 'NOT EQUAL'}")

figure, axes = plt.subplots(2, 1, sharex=True, figsize=(7, 4.5), layout="constrained")
axes[0].plot(x[:, 0, 0], color="black")
axes[0].set_ylabel("input")
axes[1].plot(found[0][0][:, 0, :4].detach())
axes[1].plot(found[1][0][:, 0, :4].detach(), "k.", markersize=3)
axes[1].set(xlabel="step", ylabel="h: map (lines), torch (dots)")
figure.savefig("gru.png", dpi=120)
