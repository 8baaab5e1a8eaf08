"""Data: CSV files, dicts and DataFrames, and what is said where they are wrong."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from odec.errors import ArgumentError, DataError
from odec.fit.data import Columns, read_data
from odec.fit.table import parse_csv, read_table

COLUMNS = Columns("t", ("x1", "x2"), ("total",), ("u",))


def csv(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_with_blanks_replicates_comments_and_rows_in_any_order(tmp_path: Path) -> None:
    path = csv(tmp_path, "# from a notebook\nt,x1,total\n2, 5 ,\n1,NA,7\n\n2,6,8\n1,,\n")
    data = read_data(path, COLUMNS)
    assert data.times.tolist() == [1.0, 2.0]
    assert data.t0 == 1.0
    assert data.measured == ("x1", "total")
    assert data.rows.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(data.values, [[np.nan, 7], [np.nan, np.nan], [5, np.nan], [6, 8]])
    assert data.count == 4
    assert [part.tolist() for part in data.column("x1")] == [[2.0, 2.0], [5.0, 6.0]]


def test_dict_frame_and_file_give_the_same_data(tmp_path: Path) -> None:
    columns = {"t": [0.0, 1.0, 2.0], "x1": [1.0, np.nan, 3.0]}
    sources = [
        csv(tmp_path, "t,x1\n0,1\n1,\n2,3\n"),
        str(csv(tmp_path, "t,x1\n0,1\n1,\n2,3\n")),
        io.StringIO("t,x1\n0,1\n1,\n2,3\n"),
        columns,
        {"t": torch.tensor([0.0, 1.0, 2.0]), "x1": (1, None, 3)},
        {"t": ["0", "1", "2"], "x1": ["1", "", "3"]},
        pd.DataFrame(columns),
        pd.DataFrame(columns).set_index("t"),
        pd.DataFrame(columns).convert_dtypes(),
    ]
    for source in sources:
        data = read_data(source, COLUMNS)
        np.testing.assert_array_equal(data.values, [[1], [np.nan], [3]])
        assert data.times.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["t", "time", "hours"])
def test_the_time_column_is_named_or_first(name: str) -> None:
    assert read_data({name: [3.0], "x1": [1.0]}, COLUMNS).time_name == name
    if name != "hours":
        assert read_data({"x1": [1.0], name: [3.0]}, COLUMNS).time_name == name


def test_the_model_s_own_time_goes_first() -> None:
    columns = Columns("s", ("t",), ())
    data = read_data({"t": [5.0], "s": [2.0]}, columns)
    assert (data.time_name, data.measured, data.t0) == ("s", ("t",), 2.0)


def test_where_the_simulation_starts() -> None:
    rows = {"t": [2.0, 3.0], "x1": [1.0, 1.0]}
    run = Columns("t", ("x1",), (), (), 0.0, 10.0)
    assert read_data(rows, COLUMNS).t0 == 2
    assert read_data(rows, run).times.tolist() == [0, 2, 3]
    assert read_data(rows, run, t0=1.5).times.tolist() == [1.5, 2, 3]
    with pytest.raises(
        DataError, match=r"data, row 0: the time 2 lies before 2\.5, t0; --t0 \(t0= from Python\)"
    ):
        read_data(rows, run, t0=2.5)
    with pytest.raises(ArgumentError, match="t0 must be a finite number, not nan"):
        read_data(rows, run, t0=float("nan"))


def test_a_model_that_runs_backwards() -> None:
    back = Columns("t", ("x1",), (), (), 10.0, 0.0)
    data = read_data({"t": [2.0, 9.0, 2.0], "x1": [1.0, 2.0, 3.0]}, back)
    assert data.times.tolist() == [10, 9, 2]
    assert data.rows.tolist() == [1, 2, 2]
    assert data.values[:, 0].tolist() == [2, 1, 3]
    with pytest.raises(DataError, match="the time 11 lies after 10, the start of the model's run line"):
        read_data({"t": [11.0], "x1": [1.0]}, back)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_columns_between_semicolons_or_tabs(separator: str) -> None:
    lines = ["# a remark; with, both", "t;x1 (g/L);u", "0;1,5;", "0,25;;-2e-1", "1;,125;1,234"]
    text = "\n".join(lines).replace(";", separator)
    data = read_data(io.StringIO(text), COLUMNS)
    assert data.times.tolist() == [0, 0.25, 1]
    np.testing.assert_array_equal(data.values[:, 0], [1.5, np.nan, 0.125])
    assert [part.tolist() for part in data.inputs["u"]] == [[0.25, 1], [-0.2, 1.234]]
    points = read_data(io.StringIO(text.replace(",", ".")), COLUMNS)
    np.testing.assert_array_equal(points.values, data.values)


def test_input_columns_feed_inputs() -> None:
    data = read_data({"t": [1.0, 0.0, 1.0, 2.0], "x1": [1.0] * 4, "u": [5.0, 4.0, 5.0, np.nan]}, COLUMNS)
    assert data.measured == ("x1",)
    assert [part.tolist() for part in data.inputs["u"]] == [[0, 1], [4, 5]]
    with pytest.raises(DataError, match="row 1, column 'u': the input is 6 here and 5 in another row"):
        read_data({"t": [1.0, 1.0], "x1": [1.0] * 2, "u": [5.0, 6.0]}, COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n# nothing\n", "the file is empty"),
        ("t,x1\n", "there is a header and no row of numbers below it"),
        (
            "t,x1\n1,2\n2,abc\n",
            r"data\.csv, line 3, column 'x1': 'abc' is not a number; leave the cell empty",
        ),
        (
            't,x1\n1,"2,5"\n',
            r"line 2, column 'x1': '2,5' is not a number \(decimals take a point, not a comma\)",
        ),
        ("t,x1\n1,1_000\n", "'1_000' is not a number"),
        ('t,x1\n1,"1,234.5"\n', r"'1,234.5' is not a number \(write thousands without a mark"),
        ("t;x1\n1;0,5\n2;1 234,5\n", r"line 3.* is not a number \(write thousands without a mark"),
        ("t,x1\n1,1'234\n", r"is not a number \(write thousands without a mark"),
        ('t,x1\n1,"0,234"\n', r"'0,234' is not a number \(decimals take a point"),
        ("t,x1\n2024-01-31 10:00,2\n", r"column 't': '2024-.*\(a date; give the time since the start\)"),
        ("t,x1\n31.01.2024,2\n", r"\(a date; give"),
        ("t,x1\n0:30,2\n", r"\(hours and minutes; give the time in one unit\)"),
        ("t,x1\n1,<0.1\n", r"\(a limit and no value\)"),
        ("t,x1\n1,#DIV/0!\n", r"\(an error in the spreadsheet\)"),
        (
            "t,x1\n1,5\n#REF!,2\n",
            r"line 3, column 't': '#REF!' is not a number \(an error in the spreadsheet",
        ),
        ('t,x1\n1,"5\n2,6\n', r"line 2, .*\(over more than one line: is its quote closed\?\)"),
        ("t,x1\n1,1.5D+3\n", r"\(write the exponent with an e\)"),
        ("t,x1\n1,5 mg\n", r"\(units stand in the header: x \(mg\)\)"),
        ("t,x1\nh,mg\n1,5\n", "line 2: there is no number in it; units stand in the header"),
        ("Experiment 5,\nt,x1\n1,5\n", "line 1: the first line must name the columns, .* a title or remark"),
        ("% a remark\nt,x1\n1,5\n", "line 1: the first line must name the columns, .* starts with '#'"),
        (",t,x1\n0,1,5\n", r"line 1: column 1 has no name \(an index, .* to_csv\(index=False\)"),
        ("t|x1\n1|2\n", "line 1: 't|x1' is one column; put commas"),
        (b"PK\x03\x04\x14\0", "the file is a spreadsheet or another archive and no text; save it as CSV"),
        (b"\x1f\x8b\x08\0", "the file is compressed by gzip and no text"),
        ("t,x1\n1," + "9" * 400 + "\n", "'9{40}…' is not a finite number"),
        ("t,x1\n1,inf\n", "line 2, column 'x1': 'inf' is not a finite number"),
        ("t,x1\n1,2\n2\n", r"data\.csv, line 3: 1 cell, but the header has 2"),
        ("t,x1\n1,2,3\n", r"line 2: 3 cells, but the header has 2 \(decimals take a point, or semicolons"),
        (
            "t,x1,x1\n1,2,3\n",
            r"line 1: two columns are named 'x1' \(repeated measurements are further rows\)",
        ),
        ("t,,x1\n1,2,3\n", "line 1: column 2 has no name"),
        ("t x1\n1 2\n", "line 1: 't x1' is one column; put commas, semicolons or tabs between columns"),
        (
            "t;x1\n0,5;2\n1.5;3\n",
            "line 3: '1.5' has a decimal point, but '0,5' in line 2 a comma; write all numbers with points",
        ),
        ("t;x1\n1;1,234\n2;17\n", "line 2: '1,234' may be 1.234 or 1234; write numbers with a decimal point"),
        ("1,2\n3,4\n", "the first line must name the columns"),
        ("t,x1\n,2\n", r"data\.csv, line 2, column 't': the time is missing"),
        ("t,x1\n1,\n2,\n", "nothing was measured: every cell of 'x1' is blank"),
        ("t\n1\n", "beside the time there is no column to fit; the model has 'x1', 'x2', 'total'"),
        ("t,u\n1,2\n", "beside the time there is no column to fit"),
        ("t,x1,u\n1,2,\n", "the input 'u' has no values"),
        ("t,X1\n1,2\n", "column 'X1' is no state, observable or input of the model: did you mean 'x1'"),
        ("t,x1,who\n1,2,anna\n", r"csv: column 'who' is no state, observable or input of the model"),
        ("t,totl\n1,2\n", "did you mean 'total'"),
        ("t,zebra\n1,2\n", "'zebra' is no state, .*; the model has 'x1', 'x2', 'total', 'u'"),
        ("x1,x2\n1,2\n", "there is no time column; name it 'time' or 't'"),
        (b"t,x1\n1,\xff\n", "line 2: the file is not UTF-8"),
        ("t,x1\n1,2\n".encode("utf-16"), "the file is UTF-16; save it as UTF-8"),
        ("t,x1\n1,\0\n", "line 2: a NUL byte"),
        ('t,x1\n1,"' + "9" * 200_000 + '"\n', "line 2: field larger than"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_data(csv(tmp_path, text), COLUMNS)


def test_what_a_spreadsheet_writes(tmp_path: Path) -> None:
    path = csv(tmp_path, b"\xef\xbb\xbft,x1,\r\n1,2,\r\n2,,\r\n,,\r\n")
    data = read_data(path, COLUMNS)
    np.testing.assert_array_equal(data.values, [[2], [np.nan]])


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_the_separator_that_a_spreadsheet_names(tmp_path: Path, first: str) -> None:
    data = read_data(csv(tmp_path, f"{first}\nt;x1\n0;1,5\n1;−2\n2;#N/A\n"), COLUMNS)
    np.testing.assert_array_equal(data.values, [[1.5], [-2], [np.nan]])
    with pytest.raises(DataError, match="line 3, column 'x1': 'a'"):
        read_data(csv(tmp_path, f"{first}\nt;x1\n0;a\n"), COLUMNS)


def test_the_line_is_right_after_a_cell_of_two_lines() -> None:
    with pytest.raises(DataError, match="f, line 4, column 'x'"):
        parse_csv(b't,x\n"1\n",2\n2,oops\n', "f")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "there are no columns"),
        ({"t": [], "x1": []}, "the columns are empty"),
        ({"t": [1.0], "x1": [1.0, 2.0]}, r"different lengths \(t: 1, x1: 2\)"),
        ({"t": [1.0], "x1": [[1.0]]}, "column 'x1': one number per row is needed"),
        ({"t": [1.0, 2.0], "x1": [1.0, np.inf]}, "column 'x1', row 1: inf is not a finite number"),
        ({"t": [1.0, 2.0], "x1": [1.0, "two"]}, "column 'x1', row 1: 'two' is not a number"),
        ({"t": [1.0], "who": ["anna"], "x1": [1.0]}, "data: column 'who' is no state"),
        ({"t": [1.0], "x1": [1j]}, "column 'x1', row 0: .*1j.* is not a number"),
        (pd.DataFrame([[1.0, 2.0, 3.0]], columns=["t", "x1", "x1"]), "two columns are named 'x1'"),
        (42, "data must be a CSV path, a dict of arrays or a pandas DataFrame, not int"),
    ],
)
def test_what_is_wrong_with_arrays(data: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_data(data, COLUMNS)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.csv")


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first = read_table({"t": [1.0], "x1": [2.0]}).digest
    assert read_table({"t": np.array([1]), "x1": np.array([2])}).digest == first
    assert read_table({"t": [1.0], "x1": [2.5]}).digest != first
    assert read_table({"t": [1.0], "x2": [2.0]}).digest != first
