"""What a run ends with: its numbers by name, as a table, in a file or as a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odec.errors import did_you_mean
from odec.files import write_whole
from odec.system import System, unprimed
from odec.words import as_html, listed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from odec.plot import View


@dataclass(frozen=True, eq=False, repr=False)
class Simulation(Mapping[str, Any]):
    """A run's numbers. times: (T,); states: (T, *batch, n); observables: (T, *batch, n_obs).

    A mapping too: by the name of the time (T,), of a state or of an observable (T, *batch), in this order.
    status: what the generated module says of the call, per trajectory. inputs: for each input the times (K,)
    and values (K,) or (K, *batch) that it was given. system: the model, where its text is known. summary: a
    line that says the method, its steps and their tolerance. finer: takes the run once more with outputs
    between its own, for pictures; copies and pickles do without, and are drawn from output to output.
    """

    time_name: str
    state_names: tuple[str, ...]
    observable_names: tuple[str, ...]
    times: np.ndarray
    states: np.ndarray
    observables: np.ndarray
    status: Any
    inputs: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    system: System | None = None
    summary: str = ""
    finer: Callable[[], Simulation | None] | None = None

    __eq__ = object.__eq__  # as a mapping it would ask arrays whether they are true
    __hash__ = object.__hash__

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: the numbers, not what takes the run again."""
        return {**vars(self), "finer": None}

    def __getitem__(self, name: str) -> np.ndarray:
        """A column by the name of the time, a state (`theta'` too) or an observable. Raises KeyError.

        An array by its name is (T, *batch, *shape), one of its elements a column too: `u[0,1]`.
        """
        if name not in self:
            raise KeyError(f"no column {name!r}{did_you_mean(name, self)}")
        name = _own(name)
        for names, values in ((self.state_names, self.states), (self.observable_names, self.observables)):
            place, shape = _arrays(names).get(name, (0, ()))
            if shape:
                whole = values[..., place : place + math.prod(shape)]
                return whole.reshape(*values.shape[:-1], *shape)
        if name in self.state_names:
            return self.states[..., self.state_names.index(name)]
        if name in self.observable_names:
            return self.observables[..., self.observable_names.index(name)]
        return self.times

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((self.time_name, *self.state_names, *self.observable_names)))

    def __len__(self) -> int:
        return len({self.time_name, *self.state_names, *self.observable_names})

    def __contains__(self, name: object) -> bool:
        own = _own(name) if isinstance(name, str) else name
        if own == self.time_name or own in self.state_names or own in self.observable_names:
            return True
        return own in _arrays(self.state_names) or own in _arrays(self.observable_names)

    def __repr__(self) -> str:
        ends = f"{self.times[0]:g} .. {self.times[-1]:g}" if len(self.times) else "at no time"
        title = f"Simulation of {self.system.name}" if self.system else "Simulation"
        lines = [f"{title}: {self.time_name} = {ends} ({len(self.times)} times)"]
        lines.append(f"  states {self.states.shape}: {listed(self.state_names)}")
        if self.observable_names:
            lines.append(f"  observables {self.observables.shape}: {listed(self.observable_names)}")
        if self.inputs:
            lines.append(f"  inputs: {listed(self.inputs)}")
        return "\n".join([*lines, f"  {self.status}"] if self.status is not None else lines)

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    def cut(self, start: int = 0, stop: int | None = None) -> Simulation:
        """The run with its outputs from `start` on, up to before `stop`, as those of a sequence."""
        kept = slice(start, stop)
        times, states, observables = self.times[kept], self.states[kept], self.observables[kept]
        return replace(self, times=times, states=states, observables=observables)

    def _table(self, observables: bool) -> dict[str, np.ndarray]:
        """Columns of one length: trajectory after trajectory, each numbered by its place along the batch."""
        import numpy as np

        batch = self.states.shape[1:-1]
        table: dict[str, np.ndarray] = {}
        if batch:
            places = np.indices(batch).reshape(len(batch), -1)
            names = ["batch"] if len(batch) == 1 else [f"batch_{k}" for k in range(len(batch))]
            for name, place in zip(names, places, strict=True):
                while name in self:
                    name += "_"
                table[name] = np.repeat(place, len(self.times))
        size = int(np.prod(batch))
        for name in self:
            if name == self.time_name:
                table[name] = np.tile(self.times, size)
            elif name in self.state_names or observables:
                table[name] = np.asarray(self[name]).reshape(len(self.times), size).T.ravel()
        return table

    def to_dataframe(self, *, observables: bool = True) -> pd.DataFrame:
        """The run as a pandas DataFrame with a row for each time: the time, the states, the observables.

        Of a batch the trajectories follow each other; the first column, `batch`, numbers them (`batch_0`,
        `batch_1`, … along several axes). Raises ImportError where pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError("to_dataframe needs pandas: pip install pandas") from None
        return pd.DataFrame(self._table(observables))

    def csv_text(self, *, observables: bool = True) -> str:
        """The run as CSV, with the columns of `to_dataframe`; decimals read back as the same number."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        table = self._table(observables)
        writer.writerow(table)
        writer.writerows(zip(*([str(value) for value in column] for column in table.values()), strict=True))
        return out.getvalue()

    def to_csv(self, path: str | Path, *, observables: bool = True) -> None:
        """Write the run to a CSV file, with the columns of `to_dataframe`. Raises OSError."""
        write_whole(path, self.csv_text(observables=observables))

    def plot(
        self,
        path: str | Path = "run.png",
        *,
        show: str | Sequence[str] = (),
        x_log: bool | None = None,
        y_log: bool = False,
        grid: bool = False,
    ) -> None:
        """Draw the run into a PNG, SVG or PDF file.

        show: names or patterns ("NO*") of what to draw. x_log, y_log: logarithmic axes; x_log None: where the
        times span decades. grid: a small panel for each. Raises ArgumentError, OSError.
        """
        from odec.plot import View

        plot_run(self.system, self, path, View(show, x_log, y_log, grid))


def _own(name: str) -> str:
    """`theta'` or `theta'[0]` as the table has it; other names as they are."""
    base, bracket, index = name.partition("[")
    return unprimed(base) + bracket + index


def _arrays(columns: Sequence[str]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """The arrays among columns, with the first column and the shape of each; those of a number have none."""
    if not any(column.endswith("]") for column in columns):
        return {}
    from odec.runtime.shaped import arrays_of

    return arrays_of(columns)


def plot_run(system: System | None, run: Simulation, path: str | Path, view: View | None = None) -> None:
    """Draw the states and observables of a run, and the inputs below them.

    system: for the title, the units and how inputs run between their times; None leaves these out.
    Raises ArgumentError for a suffix other than .png, .svg and .pdf and for a name that there is not,
    OSError where it cannot be written.
    """
    from odec.plot import MOST_TRAJECTORIES, Series, View, draw, inputs_of, labelled, title_of, units_of
    from odec.plot.curves import spans_decades

    view = view or View()
    if view.x_log is None:  # by the times asked for, and not by those of a curve between them
        view = replace(view, x_log=spans_decades(run.times))
    warning, run = _ending(run), _bent(run)
    units = units_of(system)
    columns = [(name, run.states[..., k], False) for k, name in enumerate(run.state_names)]
    columns += [
        (name, run.observables[..., k], True)
        for k, name in enumerate(run.observable_names)
        if name not in run.state_names
    ]
    series = [
        Series(
            name,
            units.get(name, ""),
            run.times,
            y.reshape(len(run.times), -1)[:, :MOST_TRAJECTORIES],
            observed=observed,
        )
        for name, y, observed in columns
    ]
    series += inputs_of(system, run.inputs, run.times)
    time = labelled(run.time_name, (system.time_unit if system else None) or "")
    draw(series, path, title=title_of(system), time=time, warning=warning, view=view)


def _bent(run: Simulation) -> Simulation:
    """The run with further outputs between its own where the curves there are no straight lines."""
    fine = run.finer() if run.finer and len(run.times) > 1 else None
    if fine is None:
        return run
    import numpy as np

    from odec.plot.bends import needed

    def curves(one: Simulation) -> np.ndarray:
        both = (one.states, one.observables)
        found: np.ndarray = np.concatenate([values.reshape(len(one.times), -1) for values in both], -1)
        return found

    first, last = sorted((run.times[0], run.times[-1]))
    inner = (fine.times >= first) & (fine.times <= last)  # a cut run has lost outputs
    mask = needed(fine.times[inner], curves(fine)[inner], run.times, curves(run))
    kept = np.flatnonzero(inner)[mask]
    return replace(fine, times=fine.times[kept], states=fine.states[kept], observables=fine.observables[kept])


def _ending(run: Simulation) -> str:
    """What is said above a run that did not reach its end."""
    from odec.plot import ended_early

    if run.status is None or bool(run.status.ok.all()):
        return ""
    rows = run.states.reshape(len(run.times), -1)
    count = math.prod(run.states.shape[1:-1])
    if count == 1:
        return ended_early(run.time_name, run.times, rows)
    return f"{int((~run.status.ok).sum())} of {count} trajectories ended early"
