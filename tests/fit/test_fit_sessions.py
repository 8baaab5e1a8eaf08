"""Fits that are watched, interrupted and resumed."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from fit_models import COMPETITION, COMPETITION_DATA, DECAY, decay_data, saved

import odec
from odec.errors import ArgumentError


class Stream:
    """A stream that keeps what is written, and may act on it."""

    def __init__(self, terminal: bool = False, interrupt_at: int | None = None):
        self.text = ""
        self.terminal = terminal
        self.interrupt_at = interrupt_at

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.text += text
        if self.interrupt_at is not None and f"epoch {self.interrupt_at}/" in text:
            signal.raise_signal(signal.SIGINT)
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_ctrl_c_keeps_the_best_and_resume_goes_on(tmp_path: Path, optimizer: str) -> None:
    model = saved(tmp_path, COMPETITION)
    options = {"optimizer": optimizer, "epochs": 60}
    whole = odec.fit(model, COMPETITION_DATA, **options)
    stream = Stream(interrupt_at=24)
    part = odec.fit(model, COMPETITION_DATA, progress=stream, **options)
    assert part.interrupted
    assert part.epochs == 24
    assert part.loss == min(part.losses)
    assert "interrupted; the best values so far are kept (24 epochs, from one start)" in part.table()
    part.save(tmp_path / "fit.json")
    resumed = odec.fit(model, COMPETITION_DATA, resume=tmp_path / "fit.json")
    assert not resumed.interrupted
    assert resumed.losses == whole.losses
    assert resumed.values == whole.values
    resumed.save(tmp_path / "fit.json")
    further = odec.fit(model, COMPETITION_DATA, resume=tmp_path, epochs=70)
    assert further.losses[:61] == whole.losses
    assert further.epochs == 70


@pytest.mark.parametrize("optimizer", ["adam", "gauss-newton"])
@pytest.mark.parametrize("moment", ["odec.fit.ending.local_problem", "odec.fit.run.told_of_steps"])
def test_ctrl_c_after_the_last_step_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, moment: str
) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    asked = {"optimizer": optimizer, "epochs": 20, "method": "heun2", "dt": 0.01}
    model = saved(tmp_path, DECAY)
    whole = odec.fit(model, decay_data(), **asked)
    with monkeypatch.context() as patch:
        patch.setattr(moment, stop)
        part = odec.fit(model, decay_data(), **asked)
    assert part.interrupted and not part.converged
    assert part.values == whole.values
    part.save(tmp_path / "fit.json")
    resumed = odec.fit(model, decay_data(), resume=tmp_path)
    assert (resumed.losses, resumed.message) == (whole.losses, whole.message)
    assert resumed.converged == whole.converged and not resumed.interrupted


@pytest.mark.parametrize("engine", ["torch", "native"])
@pytest.mark.parametrize(("optimizer", "epochs"), [("lbfgs", 4), ("adam", 10), ("gauss-newton", 2)])
def test_a_fit_that_used_up_its_epochs_goes_on_for_as_many_again(
    tmp_path: Path, optimizer: str, epochs: int, engine: str
) -> None:
    model = saved(tmp_path, COMPETITION)
    options = {"optimizer": optimizer, "engine": engine}
    whole = odec.fit(model, COMPETITION_DATA, **options, epochs=3 * epochs)
    part = odec.fit(model, COMPETITION_DATA, **options, epochs=epochs)
    assert "stopped at the last epoch" in part.message and "epochs= from Python) takes more" in part.message
    for times in (2, 3):
        part.save(tmp_path / "fit.json")
        part = odec.fit(model, COMPETITION_DATA, resume=tmp_path)
        assert part.epochs == times * epochs
    np.testing.assert_allclose(part.losses, whole.losses, rtol=1e-9)
    part.save(tmp_path / "fit.json")
    fewer = odec.fit(model, COMPETITION_DATA, resume=tmp_path, epochs=epochs)
    assert fewer.losses == part.losses and "epochs= from Python) takes more" in fewer.message


def test_a_resume_that_does_not_fit(tmp_path: Path) -> None:
    model, path = saved(tmp_path, DECAY), tmp_path / "fit.json"
    odec.fit(model, decay_data(), epochs=2).save(path)
    for options, message in (
        (
            {"optimizer": "adam"},
            "was fitted with optimizer = lbfgs, not adam: a resumed fit keeps its options",
        ),
        ({"fix": ["k"]}, "was fitted with fix = None"),
    ):
        with pytest.raises(ArgumentError, match=message):
            odec.fit(model, decay_data(), resume=path, **options)
    with pytest.raises(ArgumentError, match="the data has changed since this fit"):
        odec.fit(model, decay_data(1.1), resume=path)
    other = saved(tmp_path, DECAY.replace("0.5 in", "0.6 in"), "other.ode")
    with pytest.raises(ArgumentError, match="the model has changed since this fit"):
        odec.fit(other, decay_data(), resume=path)
    good = json.loads(path.read_text())
    for content, message in (
        ("{", "not a fit.json"),
        ("[]", "not a fit.json"),
        (json.dumps({**good, "format": 99}), "written by another version of odec"),
        (json.dumps({**good, "losses": []}), "the fit.json is damaged"),
        (json.dumps({**good, "state": {}}), "the fit.json is damaged"),
    ):
        path.write_text(content)
        with pytest.raises(ArgumentError, match=message):
            odec.fit(model, decay_data(), resume=path)


def test_a_line_per_tenth_where_there_is_no_terminal() -> None:
    stream = Stream()
    odec.fit(DECAY, decay_data(), optimizer="adam", epochs=40, progress=stream)
    lines = stream.text.splitlines()
    assert [line.split()[1] for line in lines] == [f"{4 * k}/40" for k in range(1, 11)]
    assert all(re.fullmatch(r"epoch \d+/40  loss [\d.e+-]+", line) for line in lines)
