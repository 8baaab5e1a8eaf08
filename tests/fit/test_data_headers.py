"""Headers with units and primes, times of another unit, and experiments that were stacked."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from odec.arguments import input_series
from odec.errors import AccuracyWarning, DataError
from odec.fit.data import Columns, Dataset, read_data
from odec.headers import column_name, time_header, unit_note, unit_of_time

COLUMNS = Columns("t", ("x", "theta", "dtheta_dt"), ("y",), (), 0.0, 8.0, "h")


def read(**columns: list[float]) -> Dataset:
    return read_data({name.replace("__", " "): values for name, values in columns.items()}, COLUMNS)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("x (g/L)", "x"),
        ("x [mM]", "x"),
        ("theta'", "dtheta_dt"),
        ("theta' (1/s)", "dtheta_dt"),
        ("z (1)", "z (1)"),
    ],
)
def test_a_header_stands_for_a_column(header: str, name: str) -> None:
    assert column_name(header, COLUMNS.measurable) == name


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Time (min)", (True, "min")),
        ("time_min", (True, "min")),
        ("TIME", (True, "")),
        ("t [h]", (True, "h")),
        ("t_lag", (False, "")),
        ("times", (False, "")),
    ],
)
def test_a_header_of_the_time(header: str, found: tuple[bool, str]) -> None:
    assert time_header(header, ("t", "time")) == found


def test_the_factor_between_units() -> None:
    assert unit_note("Time (min)", "min", "h") == [
        "the column 'Time (min)' is in min and the model's time in h: multiply them by 0.0166667"
    ]
    assert unit_note("t (hours)", "hours", "h") == unit_note("t", "", "h") == []


def test_the_unit_of_a_column_that_is_the_time_by_its_place(tmp_path: Path) -> None:
    found = {header: unit_of_time(header) for header in ("Zeit [min]", "elapsed_s", "clock", "min", "a (kg)")}
    assert found == {"Zeit [min]": "min", "elapsed_s": "s", "clock": "", "min": "", "a (kg)": ""}
    read = read_data({"Zeit [min]": [0, 5], "x": [1, 2]}, COLUMNS)
    assert "'Zeit [min]' is in min and the model's time in h: multiply them by 0.0166667" in read.notes[0]
    path = tmp_path / "pump.csv"
    path.write_text("# pump\nElapsed (min),mL/min\n0,1\n30,2\n")
    with pytest.warns(
        AccuracyWarning, match=r"pump.csv: the column 'Elapsed \(min\)' is in min and the model"
    ):
        times, values = input_series("u", path, "h")
    assert times.tolist() == [0, 30] and values.tolist() == [1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        input_series("u", path, "min")


def test_columns_are_read_by_what_their_headers_mean() -> None:
    found = read_data({"x (g/L)": [1, 2], "Time (min)": [0, 5], "theta'": [0, 1]}, COLUMNS)
    assert found.measured == ("x", "dtheta_dt") and found.time_name == "Time (min)"
    assert "multiply them by 0.0166667" in found.notes[0]
    with pytest.raises(DataError, match="two columns are those of 'x'"):
        read_data({"t": [0, 1], "x": [1, 2], "x (g/L)": [1, 2]}, COLUMNS)


def test_times_far_beyond_the_run_are_told() -> None:
    assert "reach 60 times as far as the model's run line (to 8)" in read(t=[0, 480], x=[1, 2]).notes[0]
    assert read(t=[0, 20], x=[1, 2]).notes == ()


def test_time_that_goes_back_is_told() -> None:
    found = read(t=[0, 1, 2, 0, 1, 2], x=[1, 0.6, 0.37, 3, 2.3, 1.7])
    assert found.notes[0].startswith(
        "data, row 3: the time goes back, from 2 to 0; all rows are taken as one"
    )
    assert (
        "write the states a second time (x_2' = …, init x_2 = …) and put the second experiment's x"
        in (found.notes[0])
    )
    observed = read(t=[0, 1, 0], y=[1, 2, 3], dtheta_dt=[0, 0, 0]).notes[0]
    assert (
        "(x_2' = …, init x_2 = …, obs y_2 = …) and put the second experiment's y into a column y_2"
        in observed
    )
    assert np.array_equal(found.times, [0, 1, 2])
    assert read(t=[0, 1, 1, 2], x=[1, 0.6, 0.5, 0.3]).notes == ()
