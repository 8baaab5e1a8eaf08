"""The line that says where a computation is: on a terminal alone, from a second on, gone at the end."""

from __future__ import annotations

import io
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_support import DECAY, Run

import odec as package
from odec.cli import support
from odec.fit import progress as fitting
from odec.progress import Line, Phase, elapsed, lifted
from odec.runtime.reference.explicit import ExplicitStepper
from odec.runtime.slopes import Slope


class Terminal(io.StringIO):
    """A terminal that lets a test wait until something has been written."""

    def __init__(self, wanted: str = "") -> None:
        super().__init__()
        self.wanted, self.written = wanted, threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        count = super().write(text)
        if re.search(self.wanted, text):
            self.written.set()
        return count

    def lines(self) -> list[str]:
        return [line.removesuffix("\033[K") for line in self.getvalue().split("\r")]


def test_a_line_stands_until_the_end() -> None:
    terminal = Terminal("at work")
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), Line(lambda: "at work " + 500 * "x", terminal, after=0.0):
        assert terminal.written.wait(30)
        with lifted():
            assert terminal.getvalue().endswith("\r\033[K")
        raise KeyboardInterrupt
    assert threading.active_count() == before, "whatever ends the block ends the thread"
    assert terminal.getvalue().endswith("\r\033[K")
    assert max(map(len, terminal.lines())) < 80, "no line is broken"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_nothing_is_said_in_a_pipe_or_of_what_is_quick(stream: io.StringIO) -> None:
    with Line(lambda: "at work", stream):
        pass
    assert stream.getvalue() == ""


def test_a_phase_is_seen_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the torch engine has reached, while it runs: read off its stack, at no cost to it."""
    module = package.load(DECAY, engine="torch")
    net, phase, seen = module.Model(dt=0.1), Phase(lambda: 61.0), []
    step, vjp = ExplicitStepper.step, ExplicitStepper.vjp

    def looked(*arguments: Any) -> object:
        seen.append(phase())
        return step(*arguments)

    monkeypatch.setattr(ExplicitStepper, "step", looked)
    with torch.no_grad():
        net(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
    assert len(seen) == 20
    assert (seen[0], seen[-1]) == ("running: t = 0 of 2  0:00", "running: t = 1 of 2  0:00")
    monkeypatch.setattr(ExplicitStepper, "vjp", lambda *given: (seen.append(phase()), vjp(*given))[1])
    net(torch.tensor([0.0, 0.1], dtype=torch.float64)).sum().backward()
    assert seen[-1] == "running the gradient  0:00"
    assert phase() == "starting  0:00"
    assert [elapsed(seconds) for seconds in (6.6, 750, 3723, float("nan"))] == [
        "0:07",
        "12:30",
        "1:02:03",
        "?",
    ]


@pytest.mark.parametrize("method", ["rk4", "tsit5", "explicit_adams", "adams"])
def test_every_loop_tells_the_time_that_it_reached(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, phase, seen = package.load(DECAY, method=method, engine="torch").Model(), Phase(lambda: 0.0), []
    slope = Slope.__call__
    monkeypatch.setattr(Slope, "__call__", lambda *given: (seen.append(phase()), slope(*given))[1])
    with torch.no_grad():
        net(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
    told = list(dict.fromkeys(line for line in seen if "t =" in line))
    assert told == ["running: t = 0 of 2  0:00", "running: t = 1 of 2  0:00"]


@pytest.mark.parametrize(
    "batch, told", [(1, r"running: t = [\d.e+]+ of 1e\+07"), (40, "trajectory \\d+ of 40")]
)
def test_one_call_of_a_kernel_tells_how_far_it_is(batch: int, told: str) -> None:
    """Read off what the kernel writes, from another thread, while the call lasts; then it is told to end."""
    net = package.load(DECAY, method="rk4", engine="native").Model(dt=1e-3)
    x0, t = torch.ones(batch, 2, dtype=torch.float64), torch.tensor([0.0, 1e7], dtype=torch.float64)
    phase, seen = Phase(lambda: 0.0), []

    def watch() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(re.search(told, line) for line in seen):
            seen.append(phase())
            time.sleep(0.01)
        package.interrupt()

    watcher = threading.Thread(target=watch)
    watcher.start()
    with pytest.raises(package.Interrupted), torch.no_grad():
        net(t, x0=x0)
    watcher.join()
    assert re.search(told, seen[-1]), seen[-5:]


def test_a_run_and_a_fit_on_a_terminal(odec: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["run", "decay.ode", "-o", "run.csv"], ["fit", "decay.ode", "run.csv"]):
        assert "\r" not in odec(*command).stderr, "CliRunner has pipes"
    terminal = Terminal("loss .* at most")
    data = {"t": [0, 1, 2], "x": [4, 3, 2.5]}
    options = {"optimizer": "adam", "epochs": 10**7, "engine": "torch", "dt": 0.5}
    monkeypatch.setattr(fitting, "_AFTER", 0.0)
    waiting = threading.Thread(target=lambda: (terminal.written.wait(60), interrupt.set()))
    interrupt = threading.Event()

    def watched(state: object) -> object:
        if interrupt.is_set():
            raise KeyboardInterrupt
        return state

    call = fitting.Progress.__call__
    monkeypatch.setattr(fitting.Progress, "__call__", lambda self, *at: watched(call(self, *at)))
    waiting.start()
    result = package.fit(DECAY, data, progress=terminal, **options)
    waiting.join()
    assert result.interrupted and terminal.written.is_set()
    assert terminal.getvalue().endswith("\r\033[K") and "\n" not in terminal.getvalue()
    bars = [line for line in terminal.lines() if "loss" in line]
    assert re.fullmatch(r"[█·?]{24} \d+/10000000  loss [\d.e+-]+  \d+:\d\d, at most [\d:?]+.*", bars[-1])
    monkeypatch.setattr(support, "Line", Line)
    assert isinstance(support.progress(False), Line) and not isinstance(support.progress(True), Line)
