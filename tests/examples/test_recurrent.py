"""Recurrent networks written as maps beside torch's own layers: what comes out, gradients, training."""

from __future__ import annotations

import re
import runpy

import pytest
import torch
from example_references import EXAMPLES

import odec

F64 = torch.float64
LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def small(kind: str):
    """The module of an example with 5 hidden units and 3 features."""
    text = (EXAMPLES / kind / f"{kind}.ode").read_text(encoding="utf-8")
    return odec.load(re.sub(r"const k = 1", "const k = 3", re.sub(r"const n = 12", "const n = 5", text)))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_map_is_the_layer_of_torch(kind):
    net, layer = small(kind).Model(seed=3), LAYERS[kind](3, 5, dtype=F64)
    layer.load_state_dict(net.state_dict())
    draw = torch.Generator().manual_seed(1)
    u = torch.randn(7, 4, 3, dtype=F64, generator=draw)
    start = [torch.randn(4, 5, dtype=F64, generator=draw) for _ in range(1 + (kind == "lstm"))]
    weights = torch.randn(7, 4, 5, dtype=F64, generator=draw)
    found = []
    for model in (net, layer):
        given = [one.clone().requires_grad_() for one in (u, *start)]
        if model is net:
            out, final = net.sequence(given[0], given[1] if kind != "lstm" else tuple(given[1:]))
        else:
            state = tuple(one.unsqueeze(0) for one in given[1:])
            out, final = layer(given[0], state if kind == "lstm" else state[0])
        ends = [one.reshape(4, 5) for one in (final if kind == "lstm" else [final])]
        loss = (weights * out[..., :5]).sum() + sum((k + 2) * end.sum() for k, end in enumerate(ends))
        grads = torch.autograd.grad(loss, [*given, *model.parameters()])
        found.append([out[..., :5], *ends, *grads])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_equal_seeds_draw_the_weights_of_torch():
    net, _ = small("lstm").Model(seed=3), torch.manual_seed(3)
    layer = torch.nn.LSTM(3, 5, dtype=F64)
    for name, value in layer.named_parameters():
        assert torch.equal(getattr(net, name), value), name


@pytest.mark.parametrize(("kind", "optimizer"), [("rnn", "SGD"), ("lstm", "Adam")])
def test_a_map_learns_the_sine_as_torch_does(kind, optimizer):
    example = runpy.run_path(str(EXAMPLES / "sine" / "train.py"))
    data = example["series"]()
    assert (
        data.shape == (400, 1)
        and (data[:, 0] - torch.linspace(0, 36, 400, dtype=F64).sin()).abs().max() < 0.2
    )
    ours = odec.load(EXAMPLES / "sine" / f"{kind}.ode").Model(seed=0)
    theirs = example["Torch"](kind, ours)
    ends = []
    for net in (ours, theirs):
        losses = example["trained"](net, data[:120], optimizer, 2)
        ends.append([*losses, *example["predictions"](net, data[:325])])
    assert ends[0][1] < ends[0][0]
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_both_cells_of_the_page_learn(monkeypatch):
    monkeypatch.chdir(EXAMPLES / "my_rnn")
    example = runpy.run_path("train.py")
    data = example["measured"]()
    layer = odec.load("my_rnn.ode").Model(seed=0).layer()
    network = torch.nn.Sequential(layer, torch.nn.Linear(8, 2, dtype=F64))
    for model in (network, example["Equation"]()):
        losses = example["trained"](model, data, 0.05, 6)
        assert losses[-1] < losses[0] / 2
