"""Pictures of runs and fits."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fit_models import COMPETITION, COMPETITION_DATA
from PIL import Image

import odec
from odec.errors import ArgumentError
from odec.fit.result import FitResult, plot_fit
from odec.plot import Series, draw, title_of
from odec.plot.curves import panels
from odec.plot.figure import _apart
from odec.results import plot_run

UNITS = """\
# Units, and quantities of unlike size.
time t : ms
init V = -65 : mV
init m = 0.1
init h = 0.2
init big = 900
dV/dt = -V
dm/dt = -m
dh/dt = h
dbig/dt = 1
obs current = V**2 : uA/cm^2
obs copy = V
run t = 0 .. 2 step 0.1
"""


@pytest.fixture(scope="module")
def result() -> FitResult:
    return odec.fit(COMPETITION, COMPETITION_DATA, epochs=2)


def series(name: str, size: float, unit: str = "") -> Series:
    return Series(name, unit, np.arange(3.0), size * np.ones((3, 1)))


def texts(path: Path) -> str:
    """The comments of matplotlib's SVG, which name each text that is drawn."""
    return path.read_text()


def test_a_fit_as_png_svg_and_pdf(tmp_path: Path, result: FitResult) -> None:
    result.plot(tmp_path / "fit.png")
    with Image.open(tmp_path / "fit.png") as image:
        assert image.size == (1280, 736)
        assert len(image.convert("RGB").getcolors(10**6)) > 50
    result.plot(str(tmp_path / "fit.svg"))
    ElementTree.parse(tmp_path / "fit.svg")
    drawn = texts(tmp_path / "fit.svg")
    for text in (
        "Two species that compete for one resource",
        "x1",
        "x2",
        "t (day)",
        "data",
        "fit",
        "12 measurements",
    ):
        assert text in drawn
    result.plot(tmp_path / "fit.pdf")
    assert (tmp_path / "fit.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    """In processes of their own, with other hash seeds."""
    model = tmp_path / "units.ode"
    model.write_text(UNITS)
    code = """
import sys, odec
from odec.results import plot_run
system = odec.parse(sys.argv[1])
for path in sys.argv[2:]:
    plot_run(system, odec.simulate(system), path)
"""
    digests = set()
    for seed in "01":
        files = [tmp_path / f"run{seed}.svg", tmp_path / f"run{seed}.png"]
        subprocess.run(
            [sys.executable, "-c", code, model, *files],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        digests.add(tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))
    assert len(digests) == 1


def test_a_run_in_panels_by_unit_and_size(tmp_path: Path) -> None:
    system = odec.parse(UNITS)
    plot_run(system, odec.simulate(system), tmp_path / "run.svg")
    drawn = texts(tmp_path / "run.svg")
    for text in (
        "V (mV)",
        "m, h",
        "big",
        "current (uA/cm²)",
        "t (ms)",
        "Units, and quantities of unlike size",
    ):
        assert f"<!-- {text} -->" in drawn
    assert "copy" not in drawn


def test_panels() -> None:
    a, b, c, d, e = series("a", 1), series("b", 900), series("c", 3), series("d", 1e4, "mV"), series("e", 0)
    assert [[s.name for s in group] for group in panels([a, b, c, d, e])] == [["a", "c", "e"], ["b"], ["d"]]
    assert [[s.name for s in group] for group in panels([e])] == [["e"]]


def test_labels_are_moved_apart() -> None:
    placed = _apart([0.5, 0.1, 0.5, 0.52], 0.1)
    assert placed[1] == 0.1
    assert sorted(placed) == pytest.approx([0.1, 0.4067, 0.5067, 0.6067], abs=1e-3)
    assert placed[0] < placed[2] < placed[3]


def test_an_ensemble_many_series_failures_and_a_single_time(tmp_path: Path) -> None:
    system = odec.parse(UNITS)
    plot_run(system, odec.simulate(system, init={"V": np.linspace(-60, 0, 300)}), tmp_path / "ensemble.png")
    many = [series(f"species_{k}", 1 + k) for k in range(40)]
    draw(many, tmp_path / "many.png", title="Many", time="t")
    broken = Series("x", "", np.arange(3.0), np.array([[1.0], [np.inf], [np.nan]]))
    draw([broken, series("zero", 0)], tmp_path / "broken.png", title="Broken $x$ _y_", time="t")
    draw([Series("x", "", np.zeros(1), np.ones((1, 1)))], tmp_path / "single.png", title="One", time="t")
    for name in ("ensemble", "many", "broken", "single"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.width == 1280


def test_a_fit_that_cannot_be_simulated_as_finely_as_it_is_drawn(tmp_path: Path) -> None:
    """Its curve goes through the times of the data; one that ended early is titled as such."""
    text = "param k = 1\ninit x = 1\ndx/dt = -k*x\nrun t = 0 .. 2\n"
    data = {"t": np.array([0.0, 1.0, 2.0]), "x": np.array([1.0, 0.5, 0.2])}
    steps = {"method": "tsit5", "rtol": 1e-6, "max_steps": 60, "dense_output": False, "engine": "torch"}
    result = odec.fit(text, data, epochs=1, **steps)
    assert result.curves()[0].tolist() == [0, 1, 2]
    assert np.isfinite(result.curves()[1]["x"]).all()
    plot_fit(result, tmp_path / "whole.svg")
    assert "ended early" not in texts(tmp_path / "whole.svg")
    result.values["k"] = -800.0
    plot_fit(result, tmp_path / "part.svg")
    assert "<!-- ended early, after t = 0 -->" in texts(tmp_path / "part.svg")
    plot_fit(replace(result, interrupted=True, values={"k": 1.0}), tmp_path / "interrupted.svg")
    assert "interrupted: the best values so far" in texts(tmp_path / "interrupted.svg")


def test_other_suffixes_and_places_are_refused(tmp_path: Path, result: FitResult) -> None:
    for name in ("fit.jpg", "fit"):
        with pytest.raises(ArgumentError, match=r"a picture is \.png, \.svg or \.pdf"):
            plot_fit(result, tmp_path / name)
    with pytest.raises(FileNotFoundError):
        plot_fit(result, tmp_path / "none" / "fit.png")
    assert list(tmp_path.iterdir()) == []


def test_the_title() -> None:
    tail = "init x = 1\ndx/dt = -x\nrun t = 0 .. 1\n"
    assert title_of(odec.parse(tail)) == "model"
    assert title_of(odec.parse("# A short one.\n" + tail)) == "A short one"
    assert title_of(odec.parse("# " + "long " * 18 + "\n" + tail)).count("\n") == 1
    assert title_of(odec.parse("# " + "long " * 60 + "\n" + tail)) == "model"
