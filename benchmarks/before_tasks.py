"""What before.py asks of a tree: this file runs in a process of each, with that tree's odec, as a script."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import odec
from odec.runtime.native import toolchain
from odec.runtime.native.kernel import Kernels

TREE = Path(sys.argv[1])
D = torch.float64
MODELS = {
    name: TREE / path
    for name, path in {
        "competition": "examples/competition/competition.ode",
        "influenza": "examples/influenza/influenza.ode",
        "lynx_hare": "examples/lynx_hare/lynx_hare.ode",
        "pendulum": "examples/pendulum/pendulum.ode",
        "ricker": "examples/ricker/ricker.ode",
        "lorenz": "benchmarks/models/lorenz.ode",
        "lotka_volterra": "benchmarks/models/lotka_volterra.ode",
        "hodgkin_huxley": "benchmarks/models/hodgkin_huxley.ode",
        "ring_oscillator": "benchmarks/models/ring_oscillator.ode",
        "robertson": "benchmarks/models/robertson.ode",
    }.items()
}
METHODS = ("euler", "rk4", "tsit5", "dop853", "rodas5p", "radau_iia5", "kvaerno5", "auto")
ENDS = {"ricker": 6.0, "lynx_hare": 5.0, "lorenz": 2.0}
SAMPLE = 0.05
"""Seconds of a sample, at least."""


def combinations() -> list[str]:
    """Every method of one model, and three of the others in turn, as names."""
    found = [f"competition {method}" for method in METHODS]
    turn = ("rk4", "tsit5", "rodas5p")
    rest = [name for name in MODELS if name not in ("competition", "ricker")]
    found += [f"{name} {turn[k % 3]}" for k, name in enumerate(rest)]
    return [*found, "ricker -"]


def module_of(name: str, engine: str = "native") -> Any:
    model, method = name.split()
    return odec.load(MODELS[model], method=None if method == "-" else method, engine=engine)


def kernels() -> list[str]:
    """All models by all methods, and each kernel of them."""
    pairs = [f"{model} {method}" for model in MODELS if model != "ricker" for method in METHODS]
    found = []
    for pair in [*pairs, "ricker -"]:
        adaptive = module_of(pair).COMPILED.adaptive
        for kernel in ("solve", "adjoint", "tangent", "loss"):
            found += [f"{pair}/{kernel}/{steps}" for steps in ((0, 1) if adaptive else (0,))]
    return found


def text(name: str) -> dict[str, list[str]]:
    """Lines of a kernel after the preprocessor, without blank ones: the source's own, and the headers'."""
    pair, kernel, steps = name.split("/")
    found = Kernels(module_of(pair).COMPILED)
    lanes = found.lanes(D)
    defines = found.defines(kernel, D, False, False, lanes, int(steps), found.kernel.inner_lanes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kernel.c")
        file.write_text(found.source)
        command = [*toolchain.compiler()[0], "-E", "-std=gnu11", f"-I{toolchain.INCLUDE}"]
        words = [*command, *toolchain.macros_of(kernel, defines), str(file)]
        out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    parts: dict[str, list[str]] = {"own": [], "headers": []}
    where = "headers"
    for line in out.splitlines():
        if mark := re.match(r'# \d+ "(.*?)"', line):
            where = "own" if mark[1] == str(file) else "headers"
        elif line.strip():
            parts[where].append(" ".join(line.split()))
    return parts


def digest(value: torch.Tensor) -> str:
    return hashlib.sha256(value.detach().contiguous().numpy().tobytes()).hexdigest()


def bits(name: str) -> dict[str, str]:
    """Digests of states and gradients: native and torch, of one trajectory and of 100."""
    found = {}
    model, method = name.split()
    end = ENDS.get(model, 1.0)
    begin = 1900.0 if model == "lynx_hare" else 0.0
    t = begin + torch.linspace(0, end, 7, dtype=D)
    for engine in ("native", "torch"):
        module = module_of(name, engine)
        given: dict[str, Any] = {"rtol": 1e-6} if module.COMPILED.adaptive else {"dt": 0.01}
        given |= {"dense_output": False} if module.COMPILED.adaptive else {}
        net = module.Model(engine=engine, **({} if method == "-" else given))
        start = net(t)[0].detach()
        scale = 1 + 0.01 * torch.rand((100, 1), generator=torch.Generator().manual_seed(5), dtype=D)
        for size, x0 in {"1": start, "100": start * scale}.items():
            if engine == "torch" and size == "100" and method not in ("rk4", "tsit5"):
                continue
            x0 = x0.clone().requires_grad_()
            net.zero_grad()
            x = net(t, x0=x0)
            (x * torch.linspace(0.5, 2, x.shape[-1], dtype=D)).sum().backward()
            grads = [x0.grad, *(p.grad for p in net.parameters() if p.grad is not None)]
            found[f"{engine}, {size}, states"] = digest(x)
            found[f"{engine}, {size}, gradients"] = digest(torch.cat([g.reshape(-1) for g in grads]))
    return found


def _plain(net: Any, t: torch.Tensor, **given: Any) -> Callable[[], Any]:
    def run() -> Any:
        with torch.no_grad():
            return net(t, **given)

    return run


def _gradient(net: Any, t: torch.Tensor, **given: Any) -> Callable[[], Any]:
    return lambda: net(t, **given).sum().backward()


def net_of(name: str, engine: str, **steps: Any) -> Any:
    return module_of(name, engine).Model(engine=engine, **steps)


def calls() -> dict[str, Callable[[], Callable[[], Any]]]:
    """What is timed, by name, each made when it is first asked for."""
    one, ends = torch.tensor([0.0, 0.1], dtype=D), torch.tensor([0.0, 10.0], dtype=D)
    draw = torch.Generator().manual_seed(3)
    many = 100 + 50 * torch.rand((10_000, 2), generator=draw, dtype=D)
    stiff = torch.tensor([1.0, 0.0, 0.0], dtype=D) * (1 + torch.rand((1000, 1), generator=draw, dtype=D))
    fixed, own = {"dt": 0.1}, {"rtol": 1e-6, "dense_output": False}
    small = {"rk4": fixed, "tsit5": own, "rodas5p": own}
    found: dict[str, Callable[[], Callable[[], Any]]] = {}
    for method, steps in small.items():
        name = f"competition {method}"

        def net(name: str = name, steps: dict[str, Any] = steps, engine: str = "native") -> Any:
            return net_of(name, engine, **steps)

        def prepared(net: Any = net) -> Callable[[], Any]:
            made = net()
            run, x0, p = made.prepared(one), made(one)[0].detach(), made.vector().detach()
            return lambda: run(x0, p)

        found[f"small, {method}, prepared"] = prepared
        found[f"small, {method}, `net(t)` without gradient"] = lambda net=net: _plain(net(), one)
        found[f"small, {method}, `net(t)`"] = lambda net=net: (lambda made: lambda: made(one))(net())
        found[f"small, {method}, with gradient"] = lambda net=net: _gradient(net(), one)
    long = torch.tensor([0.0, 200.0], dtype=D)
    for method, steps, t in (("rk4", fixed, ends), ("tsit5", own, long)):
        name = f"competition {method}"

        def big(name: str = name, steps: dict[str, Any] = steps) -> Any:
            return net_of(name, "native", **steps)

        found[f"10,000 trajectories, {method}"] = lambda big=big, t=t: _plain(big(), t, x0=many)
        found[f"10,000 trajectories, {method}, with gradient"] = lambda big=big, t=t: _gradient(
            big(), t, x0=many
        )
    found["1,000 trajectories, Robertson, rodas5p"] = lambda: _plain(
        net_of("robertson rodas5p", "native", rtol=1e-6, dense_output=False),
        torch.tensor([0.0, 1e4], dtype=D),
        x0=stiff,
    )
    for method, steps in (("rk4", fixed), ("tsit5", own), ("rodas5p", own)):
        name = f"competition {method}"

        def slow(name: str = name, steps: dict[str, Any] = steps) -> Any:
            return net_of(name, "torch", **steps)

        found[f"torch engine, {method}"] = lambda slow=slow: _plain(slow(), ends)
        found[f"torch engine, {method}, with gradient"] = lambda slow=slow: _gradient(slow(), ends)
    return found


class Timed:
    """Calls with the number of repetitions that makes a sample."""

    def __init__(self) -> None:
        self.makers, self.made = calls(), dict[str, tuple[Callable[[], Any], int]]()

    def time(self, name: str) -> float:
        """Seconds of the processor of a call."""
        if name not in self.made:
            call = self.makers[name]()
            call()
            begun, count = time.process_time(), 0
            while time.process_time() - begun < SAMPLE:
                call()
                count += 1
            self.made[name] = call, count
        call, count = self.made[name]
        begun = time.process_time()
        for _ in range(count):
            call()
        return (time.process_time() - begun) / count


def main() -> None:
    torch.set_num_threads(1)
    timed = Timed()
    answers: dict[str, Callable[..., Any]] = {
        "kernels": kernels,
        "text": text,
        "runs": combinations,
        "bits": bits,
        "calls": lambda: list(timed.makers),
        "time": timed.time,
    }
    for line in sys.stdin:
        question, *given = json.loads(line)
        print(json.dumps(answers[question](*given)), flush=True)


if __name__ == "__main__":
    main()
