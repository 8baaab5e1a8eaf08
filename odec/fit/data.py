"""Measurements of a model's states and observables over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from odec.errors import ArgumentError, DataError, did_you_mean
from odec.fit.table import Table, read_table
from odec.headers import column_name, time_header, unit_note, unit_of_time

Series = tuple[np.ndarray, np.ndarray]

DEVIATION = "_sd"
"""What follows a column's name in that of its standard deviations."""

FAR = 10.0
"""Times beyond so many lengths of the run line are remarked on."""


@dataclass(frozen=True)
class Columns:
    """What a data set may measure of a model, and when the model starts.

    start, stop: of the `run` line; None where the model has none. time_unit: the model's, where it says it.
    """

    time: str
    states: tuple[str, ...]
    observables: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    start: float | None = None
    stop: float | None = None
    time_unit: str | None = None

    @property
    def measurable(self) -> tuple[str, ...]:
        return self.states + self.observables

    @property
    def backwards(self) -> bool:
        """Whether the model runs towards smaller times."""
        return self.start is not None and self.stop is not None and self.stop < self.start


@dataclass(frozen=True)
class Dataset:
    """Measurements in the order of the model's run.

    times: (T,) distinct times, the first is t0. rows: (R,) the index in `times` of each row; rows at one time
    are replicates. values: (R, C) in natural units, NaN where nothing was measured; measured: the C names.
    inputs: (times, values) by name. notes: what looks odd in the data. sds: (R, C) the standard deviation of
    each measurement, where the data have columns of them.
    """

    name: str
    digest: str
    time_name: str
    times: np.ndarray
    rows: np.ndarray
    measured: tuple[str, ...]
    values: np.ndarray
    inputs: dict[str, Series]
    notes: tuple[str, ...] = ()
    sds: np.ndarray | None = None

    @property
    def t0(self) -> float:
        return float(self.times[0])

    @property
    def count(self) -> int:
        """How many numbers were measured."""
        return int(np.isfinite(self.values).sum())

    def column(self, name: str) -> Series:
        """Times and values of what was measured of one state or observable, blanks left out."""
        values = self.values[:, self.measured.index(name)]
        there = np.isfinite(values)
        return self.times[self.rows[there]], values[there]


def read_data(data: Any, columns: Columns, *, t0: float | None = None) -> Dataset:
    """The measurements in a CSV path, a dict of arrays or a DataFrame.

    The time column bears the model's name of the time, or `time` or `t`, or is the first; a header may give
    a unit (`x (g/L)`) or a derivative (`theta'`). Rows are sorted. `x_sd` holds the standard deviations of x.
    t0: where the simulation starts; without it the start of the model's `run` line, else the first time.
    Raises DataError, naming file, line and column, and ArgumentError for a t0 that is no number.
    """
    if isinstance(data, Dataset):
        return data
    table = read_table(data, lambda head: _by_names(head, columns))  # before a cell of another is looked at
    table, time_name, unit = _by_names(table, columns)
    names = [name for name in table.columns if name != time_name]
    times = table.columns[time_name]
    for row in np.flatnonzero(np.isnan(times))[:1]:
        raise DataError(f"{table.place(row)}, column {time_name!r}: the time is missing")
    measured = tuple(name for name in names if name in columns.measurable)
    values = np.column_stack([table.columns[name] for name in measured])
    if not np.isfinite(values).any():
        raise DataError(f"{table.name}: nothing was measured: every cell of {_listed(measured)} is blank")
    sds = _deviations(table, measured, values)
    start = _start(table, times, columns, t0)
    sign = -1.0 if columns.backwards else 1.0
    order = np.argsort(sign * times, kind="stable")
    distinct = np.unique(np.append(times, start))[:: int(sign)]
    rows = np.searchsorted(sign * distinct, sign * times[order])
    inputs = {name: _input(table, time_name, name) for name in names if name in columns.inputs}
    notes = (
        *unit_note(time_name, unit, columns.time_unit),
        *_beyond_the_run(times, columns),
        *_restarts(table, times, sign, measured[0], columns),
    )
    where = (table.name, table.digest, time_name)
    sds = None if sds is None else sds[order]
    return Dataset(*where, distinct, rows, measured, values[order], inputs, notes, sds)


def _deviations(table: Table, measured: Iterable[str], values: np.ndarray) -> np.ndarray | None:
    """The standard deviations beside the values (R, C); None where there are none."""
    there = [f"{name}{DEVIATION}" in table.columns for name in measured]
    if not any(there):
        return None
    for name, has in zip(measured, there, strict=True):
        if not has:
            raise DataError(
                f"{table.name}: {name!r} has no column {name + DEVIATION!r} of standard deviations, but"
                " another has: give them for all that was measured, or for none"
            )
    sds = np.column_stack([table.columns[f"{name}{DEVIATION}"] for name in measured])
    for row, k in np.argwhere(np.isfinite(values) & ~((sds > 0) & np.isfinite(sds)))[:1]:
        told = "is missing" if np.isnan(sds[row, k]) else f"is {sds[row, k]:g}"
        name = list(measured)[k] + DEVIATION
        raise DataError(
            f"{table.place(row)}, column {name!r}: the standard deviation {told}, where there is a value;"
            " it must be positive"
        )
    return sds


def _by_names(table: Table, columns: Columns) -> tuple[Table, str, str]:
    """The table with its headers as the model's names, the header of the time, and the unit in it.

    Raises DataError where a header is no name of the model's.
    """
    table = _renamed(table, columns)
    time_name, unit = _time_column(table, columns)
    _check_names(table, [name for name in table.columns if name != time_name], columns)
    return table, time_name, unit


def _renamed(table: Table, columns: Columns) -> Table:
    """The table with its headers as the model's names."""
    known = columns.measurable + columns.inputs
    names = [column_name(header, known) for header in table.columns]
    for k, name in enumerate(names):
        if name in names[:k]:
            raise DataError(f"{table.name}: two columns are those of {name!r}")
    return replace(table, columns=dict(zip(names, table.columns.values(), strict=True)))


def _time_column(table: Table, columns: Columns) -> tuple[str, str]:
    """The header of the time, and the unit in it."""
    known, names = columns.measurable + columns.inputs, (columns.time, "time", "t")
    for name in names:
        if name in table.columns and name not in known:
            return name, ""
    for header in table.columns:
        is_time, unit = time_header(header, names)
        if is_time and header not in known:
            return header, unit
    first = next(iter(table.columns))
    if first in known:
        spellings = ", ".join(repr(name) for name in dict.fromkeys((columns.time, "time")) if name != "t")
        index = "; the index of a DataFrame is one where it is named so" if table.lines is None else ""
        raise DataError(f"{table.name}: there is no time column; name it {spellings} or 't'{index}")
    return first, unit_of_time(first)


def _beyond_the_run(times: np.ndarray, columns: Columns) -> list[str]:
    """A remark where the times reach far beyond the model's run line: they may be in another unit."""
    if columns.start is None or columns.stop is None or columns.stop == columns.start:
        return []
    span, far = abs(columns.stop - columns.start), float(np.abs(times - columns.start).max())
    if far <= FAR * span:
        return []
    factor = float(f"{far / span:.3g}")
    return [
        f"the times reach {factor:g} times as far as the model's run line (to {columns.stop:g}):"
        " are they in another unit than the model's time?"
    ]


def _restarts(table: Table, times: np.ndarray, sign: float, column: str, columns: Columns) -> list[str]:
    """A remark where the time goes back from one row to a later one; column: one that was measured."""
    back = np.flatnonzero(np.diff(sign * times) < 0)
    if not len(back):
        return []
    k = int(back[0]) + 1
    more = f" (and {len(back) - 1} times more)" if len(back) > 1 else ""
    slopes = {f"d{name}_dt" for name in columns.states}
    state = column if column in columns.states and column not in slopes else columns.states[0]
    second, blank = _second(state, table, columns), _second(column, table, columns)
    written = f"{second}' = …, init {second} = …" + (f", obs {blank} = …" if column != state else "")
    return [
        f"{table.place(k)}: the time goes back, from {times[k - 1]:g} to {times[k]:g}{more}; all rows"
        " are taken as one run, those of one time as replicates. Where it is another experiment with a start"
        f" of its own, write the states a second time ({written}) and put the second"
        f" experiment's {column} into a column {blank}, blank in the rows of the first"
    ]


def _second(name: str, table: Table, columns: Columns) -> str:
    """A name like this one that neither the table nor the model has."""
    taken = {*table.columns, *columns.measurable, *columns.inputs}
    return next(new for k in count(2) if (new := f"{name}_{k}") not in taken)


def _check_names(table: Table, names: list[str], columns: Columns) -> None:
    known = columns.measurable + columns.inputs
    for name in names:
        if name not in known and not (
            name.endswith(DEVIATION) and name.removesuffix(DEVIATION) in {*names} & {*columns.measurable}
        ):
            hint = did_you_mean(name, known) or f"; the model has {_listed(known)}"
            raise DataError(
                f"{table.name}: column {name!r} is no state, observable or input of the model{hint}"
            )
    if not any(name in columns.measurable for name in names):
        raise DataError(
            f"{table.name}: beside the time there is no column to fit;"
            f" the model has {_listed(columns.measurable)}"
        )


def _listed(names: Iterable[str]) -> str:
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:12]) + (", …" if len(quoted) > 12 else "")


def _start(table: Table, times: np.ndarray, columns: Columns, t0: float | None) -> float:
    sign = -1.0 if columns.backwards else 1.0
    if t0 is not None and not math.isfinite(t0):
        raise ArgumentError(f"t0 must be a finite number, not {t0:g}")
    given = t0 if t0 is not None else columns.start
    if given is None:
        return float(times.min())
    for row in np.flatnonzero(sign * times < sign * given)[:1]:
        side = "after" if columns.backwards else "before"
        source = "t0" if t0 is not None else "the start of the model's run line"
        raise DataError(
            f"{table.place(row)}: the time {times[row]:g} lies {side} {given:g}, {source};"
            " --t0 (t0= from Python) sets where the simulation starts"
        )
    return float(given)


def _input(table: Table, time_name: str, name: str) -> Series:
    """An input's samples in order of time; rows at one time must agree."""
    times, values = table.columns[time_name], table.columns[name]
    there = np.flatnonzero(np.isfinite(values))
    if not len(there):
        raise DataError(f"{table.name}: the input {name!r} has no values")
    there = there[np.argsort(times[there], kind="stable")]
    times, values = times[there], values[there]
    repeated = np.diff(times) == 0
    for k in np.flatnonzero(repeated & (np.diff(values) != 0))[:1]:
        raise DataError(
            f"{table.place(there[k + 1])}, column {name!r}: the input is {values[k + 1]:g} here and"
            f" {values[k]:g} in another row of the same time"
        )
    keep = np.append(True, ~repeated)
    return times[keep], values[keep]
