"""What a fit ends with: values, losses, a table, and the files they are kept in."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odec.errors import ArgumentError
from odec.files import write_whole
from odec.fit.data import Columns, Dataset
from odec.fit.ode_text import with_values
from odec.fit.optimize import Trace
from odec.fit.printed import loss_name, table, uncertainty_document
from odec.fit.saved import FORMAT, digest_of, state_document
from odec.runtime.compiled import Param
from odec.system import System
from odec.words import as_html

if TYPE_CHECKING:
    from odec.fit.loss import Loss
    from odec.fit.uncertainty import Uncertainty
    from odec.plot import View

_CURVE_POINTS = 400


@dataclass(frozen=True, eq=False, repr=False)
class FitResult:
    """A finished or interrupted fit.

    values, start: every parameter by name, in natural units, of arrays each element (`W[0,1]`); fixed: those
    that did not move. loss: the sum of squares at `values`, or the negative log-likelihood where the model
    says what the noise is, the lowest seen; losses: at the start and after each epoch. net: the Model, left
    at `values`. options: what the fit was asked for. system: None where only a module was given. steps: the
    method, and its dt or its rtol and atol by state; summary: a line that says them and how many steps the
    last simulation took. uncertainty: how sure the values are; None away from a minimum.
    """

    values: dict[str, float]
    start: dict[str, float]
    fixed: tuple[str, ...]
    loss: float
    losses: list[float]
    converged: bool
    interrupted: bool
    message: str
    notes: tuple[str, ...]
    options: dict[str, Any]
    command: str
    name: str
    model_digest: str
    data: Dataset
    columns: Columns
    net: Any
    system: System | None
    objective: Loss
    trace: Trace
    summary: str = ""
    steps: dict[str, Any] = field(default_factory=dict)
    uncertainty: Uncertainty | None = None

    def __repr__(self) -> str:
        return f"Fit of {self.name} to {self.data.name}\n\n{self.table()}".rstrip()

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    @property
    def epochs(self) -> int:
        """The optimizer's steps so far."""
        return self.trace.state.epoch

    @property
    def params(self) -> dict[str, Any]:
        """The values by the names of parameters, those of an array as one array of its shape."""
        return by_parameter(self.values, self.net.compiled.params)

    @property
    def estimated(self) -> tuple[str, ...]:
        """The parameters that moved, in the order of `covariance` and `correlations`."""
        return tuple(name for name in self.values if name not in set(self.fixed))

    @property
    def errors(self) -> dict[str, float]:
        """The standard error of each parameter that moved, in natural units; empty away from a minimum.

        inf: the data do not determine it; nan: it lies on its bound.
        """
        sure = self.uncertainty
        return dict(zip(sure.names, sure.errors.tolist(), strict=True)) if sure else {}

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """The confidence interval of each parameter that moved; see `Uncertainty.intervals`."""
        return self.uncertainty.intervals(level) if self.uncertainty else {}

    @property
    def covariance(self) -> np.ndarray | None:
        """The covariance (k, k) of `estimated`, in natural units; None away from a minimum."""
        return self.uncertainty.covariance if self.uncertainty else None

    @property
    def correlations(self) -> np.ndarray | None:
        """The same as correlations."""
        return self.uncertainty.correlations if self.uncertainty else None

    @property
    def log_likelihood(self) -> float:
        """That of the data, by the model's noise; where it says none, by a normal one with sigma² = SSR/n."""
        return self.objective.log_likelihood(self.loss)

    @property
    def counted(self) -> int:
        """How many numbers were estimated, sigma included where it is not known."""
        return len(self.estimated) + (self.objective.sigma is None)

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 k − 2 log L with k = `counted`."""
        return 2 * self.counted - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """The Bayesian criterion, k log n − 2 log L with k = `counted`."""
        return self.counted * math.log(self.data.count) - 2 * self.log_likelihood

    def table(self) -> str:
        """The fitted parameters and how the fit ended, as text; of large arrays the least and the largest."""
        return table(self)

    def as_dict(self) -> dict[str, Any]:
        """The content of fit.json."""
        document = {
            "format": FORMAT,
            "model": {"name": self.name, "sha256": self.model_digest},
            "data": {
                "name": self.data.name,
                "sha256": self.data.digest,
                "measured": list(self.data.measured),
                "count": self.data.count,
            },
            "command": self.command,
            "versions": _versions(),
            "options": self.options,
            "steps": self.steps,
            "values": self.values,
            "start": self.start,
            "fixed": list(self.fixed),
            "loss": self.loss,
            "epochs": self.epochs,
            "converged": self.converged,
            "interrupted": self.interrupted,
            "message": self.message,
            "notes": list(self.notes),
            "uncertainty": uncertainty_document(self),
            "losses": self.losses,
            "state": state_document(self.trace),
        }
        return {**document, "sha256": digest_of(document)}

    def save(self, path: str | Path = "fit.json") -> None:
        """Write fit.json, from which `resume=` goes on. Raises OSError."""
        write_whole(path, json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def ode_text(self) -> str:
        """The model's own text with the fitted values as defaults.

        What has no place in it, as large arrays and weights of networks, it takes from the file that
        `write_ode` writes beside it. Raises ArgumentError where there is no text, or a value has left its
        bounds.
        """
        return self._written("fit.values.csv")[0]

    def _written(self, file: str) -> tuple[str, str]:
        """The text, and what the file that it names is to have, "" where it names none."""
        if self.system is None:
            raise ArgumentError(
                "the fitted model's text is not known: fit the .ode file instead of its module"
            )
        digits = 9 if self.options.get("dtype") == "float32" else 17
        try:
            return with_values(self.system, self.values, digits=digits, file=file)
        except ValueError as error:
            free = self.options.get("transforms") == "none"
            keeps = "fit with transforms 'model'" if free else "leave out `via none`, or widen the interval"
            raise ArgumentError(f"the fitted model cannot be written: {error}; {keeps}") from None

    def write_ode(self, path: str | Path = "fit.ode") -> tuple[str, ...]:
        """Write the model with the fitted values as defaults; returns the names of the files written.

        Large arrays and weights of networks go to FIT.values.csv beside it, which is written first. Raises
        ArgumentError, OSError.
        """
        beside = Path(path).with_suffix(".values.csv")
        text, values = self._written(beside.name)
        if values:
            write_whole(beside, values)
        write_whole(path, text)
        return (str(path), *([str(beside)] if values else []))

    def curves(self, *, log: bool = False) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The fitted trajectory: times (T,) and, by the name of each column measured, (T,).

        The times are ends of the fit's own steps, so that the curve passes through what was fitted; where
        steps are free and log is true, they are evenly spaced on a logarithmic axis. Where the simulation
        cannot be finished with that many times, they are those of the data.
        """
        times = step_times(self.data.times, self.net.dt, log=log)
        found = self._simulated(times)
        if not np.isfinite(found).all():
            times = self.data.times
            found = self._simulated(times)
        names = [*self.columns.states, *self.columns.observables]
        return times, {name: found[:, names.index(name)] for name in self.data.measured}

    def _simulated(self, times: np.ndarray) -> np.ndarray:
        import torch

        t = torch.as_tensor(times.copy(), dtype=self.objective.dtype)
        with torch.no_grad():
            found: np.ndarray = self.objective.simulate(self.values, t).cpu().double().numpy()
        return found

    def plot(
        self,
        path: str | Path = "fit.png",
        *,
        show: str | Sequence[str] = (),
        x_log: bool | None = None,
        y_log: bool = False,
        grid: bool = False,
    ) -> None:
        """Draw data and fitted curves into a PNG, SVG or PDF file.

        show: names or patterns ("NO*") of what to draw. x_log, y_log: logarithmic axes; x_log None: where the
        times measured span decades. grid: a small panel for each. Raises ArgumentError, OSError.
        """
        from odec.plot import View

        plot_fit(self, path, View(show, x_log, y_log, grid))


def by_parameter(values: Mapping[str, float], params: Iterable[Param]) -> dict[str, Any]:
    """Numbers by name as values of parameters, those of an array as one array of its shape."""
    return {
        param.name: np.reshape([values[name] for name in param.columns], param.shape)
        if param.shape
        else values[param.name]
        for param in params
    }


def plot_fit(result: FitResult, path: str | Path, view: View | None = None) -> None:
    """Draw the data of a fit and the fitted curves, and the inputs below them. Raises as `plot_run` does."""
    from odec.plot import (
        Series,
        draw,
        ended_early,
        inputs_of,
        labelled,
        spans_decades,
        title_of,
        units_of,
    )  # fmt: skip

    system, time = result.system, result.columns.time
    units = units_of(system)
    log = view.x_log if view and view.x_log is not None else spans_decades(result.data.times)
    times, curves = result.curves(log=log)
    series = [
        Series(name, units.get(name, ""), times, curve[:, None], result.data.column(name))
        for name, curve in curves.items()
    ]
    plural = "" if result.data.count == 1 else "s"
    ended = "interrupted" if result.interrupted else "out of time" if result.trace.out_of_time else ""
    unfinished = f"{ended}: the best values so far" if ended else ""
    draw(
        [*series, *inputs_of(system, result.data.inputs, times)],
        path,
        title=title_of(system) if system else result.name,
        note=f"{loss_name(result)} {result.loss:.5g} over {result.data.count} measurement{plural}",
        warning=ended_early(time, times, np.stack(list(curves.values()), -1)) or unfinished,
        time=labelled(time, (system.time_unit if system else None) or ""),
        view=view,
    )


def step_times(times: np.ndarray, dt: float | None, *, log: bool = False) -> np.ndarray:
    """Times between the first and the last at which fixed steps of at most dt end, at most some hundred.

    Without dt they are evenly spaced, or on a logarithmic axis.
    """
    parts = [times[:1]]
    log = log and dt is None and bool((times > 0).any())
    place = np.log(np.maximum(times, times[times > 0].min())) if log else times
    span = float(place[-1] - place[0])
    for k, (a, b) in enumerate(zip(times, times[1:], strict=False)):
        wanted = max(1, math.ceil(_CURVE_POINTS * abs(place[k + 1] - place[k]) / abs(span)))
        steps = max(1, math.ceil(abs(b - a) / dt * (1 - 1e-10))) if dt else wanted
        every = math.ceil(steps / wanted)
        part = np.append(np.arange(every, steps, every), steps) / steps
        parts.append(a * (b / a) ** part if log and a > 0 else a + (b - a) * part)
        parts[-1][-1] = b
    return np.concatenate(parts)


def _versions() -> dict[str, str]:
    import torch

    import odec

    return {
        "odec": odec.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
