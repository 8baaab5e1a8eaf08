"""--plot and its options: which curves, on which axes, and what a picture says that it leaves out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_support import Run

import odec as package
from odec.errors import ArgumentError
from odec.plot.axes import TimeAxis, _power
from odec.plot.curves import Series, View, chosen, input_series, log_heights, panels, spans_decades

DRIVEN = """\
input a hold
input b linear : V
input c cubic
init x = 1
dx/dt = -1e-3*x
obs held = a
obs straight = b
obs curved = c
run t = 0 .. 10 step 0.25 method rk4
"""
KNOTS = np.array([-1.0, 2.0, 3.5, 4.0, 9.0])


def wave(name: str, *, observed: bool = False, level: float = 0.0, size: float = 1.0) -> Series:
    t = np.linspace(0, 1, 50)
    return Series(name, "", t, level + size * np.sin(9 * t)[:, None], observed=observed)


def names(series: list[Series]) -> list[str]:
    return [s.name for s in series]


def test_inputs_are_drawn_as_the_model_reads_them() -> None:
    values = np.array([0.0, 2.0, -1.0, 3.0, 1.0])
    samples = dict.fromkeys("abc", (KNOTS, values))
    run = package.simulate(DRIVEN, inputs=samples, engine="torch")
    assert [*run.inputs] == ["a", "b", "c"]
    for kind, observable in (("hold", "held"), ("linear", "straight"), ("cubic", "curved")):
        drawn = input_series("u", "", kind, (KNOTS, values), run.times)
        assert (drawn.t[0], drawn.t[-1]) == (0, 10)
        # The last of two values at one time is that from there on.
        place = np.searchsorted(drawn.t, run.times, side="right") - 1
        np.testing.assert_allclose(drawn.y[place, 0], run[observable], atol=1e-12)
    ensemble = input_series("u", "", "cubic", (KNOTS, np.stack([values, 2 * values], -1)), run.times)
    np.testing.assert_allclose(ensemble.y[:, 1], 2 * ensemble.y[:, 0])
    alone = input_series("u", "", "cubic", (np.zeros(1), np.full(1, 3.0)), run.times)
    assert set(alone.y.ravel()) == {3.0}


def test_more_than_ten_curves() -> None:
    states = [wave(f"s{k}", level=20.0 - k) for k in range(12)]
    drive = Series("u", "", np.zeros(1), np.ones((1, 1)), drives=True)
    drawn, note = chosen([*states, drive], View())
    assert names(drawn) == [*(f"s{k}" for k in range(2, 12)), "u"]
    assert note == "the 10 of 12 curves that vary most; 2 are not drawn"
    drawn, note = chosen([*states, wave("y", observed=True), drive], View())
    assert (names(drawn), note) == (["y", "u"], "the observables; 12 states are not drawn")
    assert names(chosen(states, View(grid=True))[0]) == names(states)
    assert chosen([*states[:9], wave("copy", observed=True, level=20.0), drive], View())[1] == ""


def test_show_takes_names_and_patterns() -> None:
    series = [wave("NO"), wave("NO2"), wave("dth_dt"), wave("O3"), wave("total", observed=True)]
    assert names(chosen(series, View(show=("O3", "NO*")))[0]) == ["O3", "NO", "NO2"]
    assert names(chosen(series, View(show="O3, NO*"))[0]) == ["O3", "NO", "NO2"]
    assert names(chosen(series, View(show=("th'",)))[0]) == ["dth_dt"]
    with pytest.raises(ArgumentError, match="nothing to draw is called 'totl': did you mean 'total'"):
        chosen(series, View(show=("totl",)))


def test_where_an_axis_of_time_is_logarithmic_by_itself() -> None:
    assert not spans_decades(np.linspace(0, 1e6, 1001))
    assert not spans_decades(np.array([0, 0.1, 1, 5]))
    assert not spans_decades(-np.logspace(0, 6, 20))
    assert spans_decades(np.concatenate(([0], np.logspace(-2, 4, 20))))
    decades = Series("x", "", np.concatenate(([0], np.logspace(0, 4, 9))), np.ones((10, 1)))
    axis = TimeAxis.of([decades], View())
    assert (axis.first, axis.last) == (1, pytest.approx(1e4))
    (placed,) = axis.placed([decades])
    assert placed.t[0] == axis.zero == pytest.approx(10**-0.32)
    assert not TimeAxis.of([decades], View(x_log=False)).log
    with pytest.raises(ArgumentError, match="positive times"):
        TimeAxis.of([Series("x", "", np.array([-1.0, 1.0]), np.ones((2, 1)))], View(x_log=True))


def test_times_between_outputs_do_not_decide_on_the_axis(monkeypatch, tmp_path) -> None:
    drawn = []
    monkeypatch.setattr("odec.plot.draw", lambda series, path, **given: drawn.append((series, given["view"])))
    run = package.simulate("init x = 1\nx' = -x\n", times=[0, 0.001, 0.01, 0.1, 1, 100], engine="torch")
    run.plot(tmp_path / "run.png")
    run.plot(tmp_path / "run.png", x_log=False)
    (series, view), (_, plain) = drawn
    assert len(series[0].t) > 6 and view.x_log and plain.x_log is False


def test_logarithmic_values() -> None:
    small, large, negative = wave("a", level=2.0), wave("b", level=900.0), wave("c")
    assert len(panels([small, large])) == 2
    assert len(panels([small, large], View(y_log=True))) == 1
    assert len(panels([small, negative, large], View(y_log=True))) == 2
    assert len(panels([small, large], View(grid=True))) == 2
    assert log_heights([small, large])
    assert not log_heights([small, negative])
    assert [_power(x) for x in (0.01, 1, 1000, 1e4, 2e-7)] == ["0.01", "1", "1000", "10⁴", "2·10⁻⁷"]


def test_pictures_of_a_run(odec: Run, folder: Path) -> None:
    (folder / "driven.ode").write_text(DRIVEN)
    given = ["run", "driven.ode", "-o", "run.csv", "--engine", "torch"]
    given += ["--input", "a=1", "--input", "b=2", "--input", "c=3"]
    result = odec(*given, "--plot", "run.svg", "--show", "x,b", "--y-log", "--x-log")
    assert result.exit_code == 0, result.stderr
    drawn = (folder / "run.svg").read_text()
    for text in ("x", "b (V)", "0", "10"):
        assert f"<!-- {text} -->" in drawn
    assert "straight" not in drawn
    result = odec(*given, "--plot", "run.png", "--grid")
    assert result.exit_code == 0, result.stderr
    result = odec(*given, "--plot", "run.png", "--show", "z*")
    assert (result.exit_code, "nothing to draw is called 'z*'" in result.stderr) == (2, True)
    result = odec(*given, "--y-log")
    assert (result.exit_code, "give --plot FILE.png too" in result.stderr) == (2, True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_picture_alone_leaves_the_csv_out_of_a_terminal(folder: Path) -> None:
    import pty

    command = [sys.executable, "-m", "odec", "run", "decay.ode", "--engine", "torch", "--plot", "p.png"]

    def printed(*more: str) -> str:
        """What a terminal shows of stdout, and nothing else."""
        ours, theirs = pty.openpty()
        subprocess.run([*command, *more], stdout=theirs, stderr=subprocess.DEVNULL, check=True)
        os.write(theirs, b"\n.\n")
        found = b""
        while not found.endswith(b"\r\n.\r\n"):
            found += os.read(ours, 4096)
        os.close(ours), os.close(theirs)
        return found.decode().removesuffix("\r\n.\r\n").replace("\r", "")

    assert printed() == "" and (folder / "p.png").stat().st_size > 0
    assert printed("-o", "-").startswith("t,x,y,half\n0.0,4.0,8.0,2.0\n")
    assert subprocess.run(command, capture_output=True, check=True).stdout.startswith(b"t,x,y,half\n0.0,4.0")
