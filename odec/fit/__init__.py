"""Fitting: `odec.fit(model, data)`, and the package of its parts.

`odec.fit` names both this package and the public function. So that importing a part of the package, as in
`from odec.fit.data import Dataset`, never hides the function, the package itself can be called.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

from odec.keywords import OF_A_FIT, known_keywords

if TYPE_CHECKING:
    from odec.fit.data import Dataset
    from odec.fit.result import FitResult

__all__ = ["Dataset", "FitResult", "fit"]


@known_keywords(OF_A_FIT)
def fit(
    model: Any,
    data: Any,
    *,
    optimizer: str | None = None,
    lr: float | None = None,
    epochs: int | None = None,
    transforms: str | None = None,
    weights: str | None = None,
    fix: Iterable[str] | None = None,
    free: Iterable[str] | None = None,
    set: Mapping[str, Any] | None = None,
    seed: int | None = None,
    dtype: str | None = None,
    dt: float | None = None,
    rtol: float | None = None,
    atol: float | Iterable[float] | None = None,
    min_step: float | None = None,
    max_step: float | None = None,
    max_steps: int | None = None,
    dense_output: bool | None = None,
    method: str | None = None,
    clip: float | None = None,
    t0: float | None = None,
    engine: str | None = None,
    adjoint: str | None = None,
    adjoint_rtol: float | None = None,
    adjoint_atol: float | Iterable[float] | None = None,
    inputs: Mapping[str, tuple[Any, Any]] | None = None,
    resume: str | Path | None = None,
    progress: bool | IO[str] | None = None,
    command: str | None = None,
    check: bool = True,
    max_time: float | None = None,
) -> FitResult:
    """Fit a model's parameters to data by least squares: min Σ (prediction − measurement)².

    model: a path, a System, a loaded module, or a Model (which is left at the fitted values). data: a CSV
    path, a dict of arrays or a DataFrame, with a time column and any of the model's states, observables and
    inputs; blanks are not measured, repeated times are replicates.
    optimizer: "lbfgs" (default), "gauss-newton", or "adam" with `lr`. epochs: the most steps. transforms:
    "model" keeps the bounds, "none" moves natural values. weights:
    "spread" (default) divides the residuals of each column by its spread where those differ by more than 100,
    "none" takes them as they are. fix: names that stay; free: the only ones that move; set: start values by
    name. `W` is the whole of an array, `W[0,1]` one of its elements.
    dtype: "float64" (default) or "float32". dt, or rtol, atol, min_step, max_step, max_steps, dense_output;
    method, clip: of the simulation.
    t0: its start (default: that of the model's `run` line, else the first time measured). adjoint: how lbfgs
    and adam come by the gradient: "discrete" (default: exact), "continuous" (the adjoint ODE, solved
    backwards within adjoint_rtol and adjoint_atol: approximate) or "autograd" (torch's own tape). inputs:
    (times, values) by name. resume: a fit.json to go on from. progress: True, False, a stream, or None: a bar
    where stderr is a terminal. command: what fit.json is to say it came from. check: whether to look in the
    end for states below the reach of atol and, by a further run, at what half of a fixed step changes of what
    was measured; what is found is an AccuracyWarning.

    max_time: the most seconds of the search. When they are over, or after Ctrl-C or odec.interrupt(), the fit
    ends and returns the best values so far. Raises ModelError, DataError, ArgumentError, and
    SimulationError where the model cannot be simulated at its start values.
    """
    options = locals()
    from odec.fit.progress import shown
    from odec.fit.run import Options
    from odec.fit.run import fit as run

    asked = Options.of(options)
    with shown(progress) as told:
        return run(
            model,
            data,
            asked,
            inputs=inputs,
            resume=resume,
            progress=told,
            command=command,
            check=check,
            max_time=max_time,
        )


def __getattr__(name: str) -> Any:
    """The package's public classes, imported when first used."""
    if name == "FitResult":
        from odec.fit.result import FitResult

        return FitResult
    if name == "Dataset":
        from odec.fit.data import Dataset

        return Dataset
    raise AttributeError(f"module 'odec.fit' has no attribute {name!r}")


class _CallablePackage(ModuleType):
    """This package, which is also the function `odec.fit`, with its keywords."""

    __call__ = staticmethod(fit)


__doc__ = fit.__doc__ or ""  # what help(odec.fit) is asked for
__signature__ = inspect.signature(fit)
sys.modules[__name__].__class__ = _CallablePackage
