"""What a fit says of its values: the table, and what fit.json keeps of how sure they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from odec.fit.ode_text import MOST_PRINTED
from odec.runtime.compiled import Param

if TYPE_CHECKING:
    from odec.fit.result import FitResult

Row = tuple[str, str, str, str, str, str]
"""Name, start, fitted value, its error, its interval; unit and remark."""

LEVEL = 0.95


def table(result: FitResult) -> str:
    """The fitted parameters and how the fit ended, as text; of large arrays the least and the largest."""
    sure = bool(result.errors)
    rows: list[Row] = [("parameter", "start", "fitted", "± error", f"{100 * LEVEL:g} % interval", "")]
    intervals = result.intervals(LEVEL)
    for param in result.net.compiled.params:
        rows += _rows(param, result, intervals)
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = []
    for name, start, fitted, error, interval, unit in rows:
        line = f"{name:<{widths[0]}}  {start:>{widths[1]}}  {fitted:>{widths[2]}}  "
        line += f"{error:<{widths[3]}}  {interval:<{widths[4]}}  " if sure else ""
        lines.append((line + unit).rstrip())
    lines.insert(1, "─" * max(len(line) for line in lines))
    return "\n".join([*lines, "", *_below(result), *(f"note: {note}" for note in result.notes)]) + "\n"


def _rows(param: Param, result: FitResult, intervals: Mapping[str, tuple[float, float]]) -> list[Row]:
    """The rows of a table for a parameter: one for each of its numbers, or one for a large array."""
    names, unit, still = param.columns, param.unit, set(result.fixed)
    start, values, errors = result.start, result.values, result.errors
    if len(names) > MOST_PRINTED:
        remark = "fixed" if set(names) <= still else ""
        title = f"{param.name}{list(param.shape)}"
        return [(title, _ends(start, names), _ends(values, names), "", "", f"{unit}  {remark}".strip())]
    return [
        (
            n,
            f"{start[n]:.6g}",
            f"{values[n]:.6g}",
            _error(errors[n]) if n in errors else "",
            _interval(*intervals[n]) if n in intervals else "",
            f"{unit}  {'fixed' if n in still else ''}".strip(),
        )
        for n in names
    ]


def _error(error: float) -> str:
    if math.isnan(error):
        return "on its bound"
    return f"± {error:.4g}" if math.isfinite(error) else "not determined"


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) or math.isinf(high - low) else f"[{low:.6g}, {high:.6g}]"


def _below(result: FitResult) -> Iterable[str]:
    """What stands below the values: the loss, how well it speaks for the model, and how the fit ended."""
    count, epochs = result.data.count, result.epochs
    yield (
        f"{loss_name(result)} {result.loss:.6g} over {count} measurement{'s' if count != 1 else ''}"
        f" (at the start {result.losses[0]:.6g})"
    )
    if result.converged and math.isfinite(result.log_likelihood):
        told = "" if result.objective.likelihood else f"log-likelihood {result.log_likelihood:.6g}, "
        yield f"{_noise(result)}{told}AIC {result.aic:.6g}, BIC {result.bic:.6g}"
    if result.uncertainty and result.uncertainty.sentence:
        yield result.uncertainty.sentence
    yield f"{result.message} ({epochs} epoch{'s' if epochs != 1 else ''}, from one start)"


def loss_name(result: FitResult) -> str:
    """What was minimized."""
    return "negative log-likelihood" if result.objective.likelihood else "sum of squares"


def _noise(result: FitResult) -> str:
    """The spread of the residuals: the model's sigma with χ², or what is left of the measurements tells."""
    if result.objective.likelihood:
        return ""  # which its own parameters tell
    if result.objective.sigma is not None:
        square, free = result.loss / result.objective.sigma**2, result.data.count - len(result.estimated)
        by = f"sigma {result.objective.sigma:g} is given"
        if result.data.sds is not None:
            by = "standard deviations are given"
        return f"{by}: χ² {square:.4g} of {free}; "
    free = (result.uncertainty.freedom if result.uncertainty else None) or 0
    return f"residual sd {math.sqrt(result.loss / free):.4g} ({free} free); " if free else ""


def _ends(values: Mapping[str, float], names: Sequence[str]) -> str:
    """The least and the largest of some values."""
    some = [values[name] for name in names]
    return f"{min(some):.6g} .. {max(some):.6g}"


def uncertainty_document(result: FitResult) -> dict[str, Any]:
    """What fit.json keeps of how sure the values are, null where there is no number."""
    document: dict[str, Any] = {
        "log_likelihood": _number(result.log_likelihood),
        "aic": _number(result.aic),
        "bic": _number(result.bic),
        "sigma": result.objective.sigma,
    }
    sure = result.uncertainty
    if sure is None:
        return document
    return document | {
        "errors": {name: _number(error) for name, error in result.errors.items()},
        "level": LEVEL,
        "intervals": {name: [*map(_number, pair)] for name, pair in result.intervals(LEVEL).items()},
        "degrees_of_freedom": sure.freedom,
        "estimated": list(sure.names),
        "covariance": [[_number(entry) for entry in row] for row in np.asarray(sure.covariance).tolist()],
        "sentence": sure.sentence,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
