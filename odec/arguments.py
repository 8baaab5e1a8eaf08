"""Arguments as one gives them: numbers, times and inputs, as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odec.csvtext import csv_rows, is_number
from odec.errors import AccuracyWarning, ArgumentError, DataError
from odec.headers import unit_note, unit_of_time
from odec.passes.program import Layout

if TYPE_CHECKING:
    import numpy as np


NO_NUMBERS = "dates and durations are none; divide a duration by one of the model's unit, pd.Timedelta('1h')"


def real_numbers(value: Any, name: str) -> np.ndarray:
    """A number, a sequence, an array or a tensor as an array of float64. Raises ArgumentError."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "cmM":
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        told = repr(value) if len(repr(value)) < 60 else f"this {type(value).__name__}"
        raise ArgumentError(
            f"{name} must be a number, or an array of numbers with rows of one length, not {told}"
        ) from None
    if array.dtype.kind != "c":
        raise ArgumentError(f"{name} must be numbers: {NO_NUMBERS}")
    raise ArgumentError(f"{name} must be real, not complex: take .real, or make two of it")


def time_list(times: Any) -> list[float]:
    """Output times (T,) as floats. Raises ArgumentError where they are no vector of numbers, or none."""
    once = hasattr(times, "__iter__") and not hasattr(times, "__len__")
    array = real_numbers(list(times) if once else times, "times")
    if array.ndim != 1 or not len(array):
        raise ArgumentError(f"times must be a vector of one time or more, not of shape {array.shape}")
    found: list[float] = array.tolist()
    return found


def input_series(
    name: str, given: Any, time_unit: str | None = None, shape: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """An input's times (K,) and values (K,) or (K, *batch), of an array (K, *batch, *shape).

    given: such a pair, a number that holds throughout, a pandas Series over its times, a DataFrame or the
    path of a CSV of two columns, whose head line is read for the unit of its times alone: an AccuracyWarning
    where that is not time_unit, the model's. Of an array a CSV has a column for each element, in any order
    where its head line names them (`u[0]`). Raises ArgumentError, OSError.
    """
    import numpy as np

    if isinstance(given, str | Path):
        names = Layout.of([(name, shape)]).columns if shape else ()
        times, rows = _read_series(Path(given), time_unit, names)
        given = times, np.reshape(rows, (len(times), *shape))
    elif isinstance(given, Real) or getattr(given, "shape", None) == ():
        given = [0.0], np.reshape(real_numbers(given, f"input {name!r}"), 1)
    elif hasattr(given, "columns"):
        if len(given.columns) != 2:
            raise ArgumentError(f"input {name!r}: a DataFrame has two columns here, times and values")
        given = given.iloc[:, 0].to_numpy(), given.iloc[:, 1].to_numpy()
    elif hasattr(given, "index") and hasattr(given, "to_numpy"):
        given = given.index.to_numpy(), given.to_numpy()
    try:
        times, values = given
    except (TypeError, ValueError):
        wanted = "a number, a pandas Series, a path or a pair, (times, values)"
        raise ArgumentError(f"input {name!r} needs {wanted}, not {given!r:.60}") from None
    return real_numbers(times, f"the times of input {name!r}"), real_numbers(values, f"input {name!r}")


def _read_series(
    path: Path, time_unit: str | None, names: Sequence[str]
) -> tuple[list[float], list[list[float]]]:
    """Times and the values at each from a CSV, with or without a head line; names: of an array's elements."""
    try:
        rows = csv_rows(path.read_bytes(), str(path))
    except DataError as error:
        raise ArgumentError(str(error)) from None
    times, values = [], []
    order = list(range(max(1, len(names))))
    for number, (line, cells) in enumerate(rows):
        try:
            time, *own = map(float, cells)
            if len(own) != len(order):
                raise ValueError
        except ValueError:
            if not number and not is_number(cells[0]):
                for remark in unit_note(cells[0], unit_of_time(cells[0]), time_unit):
                    warnings.warn(f"{path}: {remark}", AccuracyWarning, stacklevel=4)
                order = _columns(path, line, cells[1:], names) if names else order
                continue
            wanted = f"a time and {len(names)} values, of {', '.join(names[:6])}" if names else ""
            wanted = wanted or "two numbers, a time and a value"
            raise ArgumentError(f"{path}:{line}: {wanted}, not {','.join(cells)!r}") from None
        times.append(time)
        values.append([own[k] for k in order])
    if not times:
        raise ArgumentError(f"{path}: no times and values in it")
    return times, values


def _columns(path: Path, line: int, heads: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where each element's column is. Raises ArgumentError where the head line does not name them all."""
    found = [head.replace(" ", "") for head in heads]
    if sorted(found) != sorted(names):
        told = f"the columns behind the time are {', '.join(names[:6])}" + ", …" * (len(names) > 6)
        raise ArgumentError(f"{path}:{line}: {told}, not {', '.join(heads)}")
    return [found.index(name) for name in names]
