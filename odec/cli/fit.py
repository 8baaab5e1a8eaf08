"""fit: parameters from data; a table, fit.json, fit.ode and a picture."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from odec.cli.run import read_inputs
from odec.cli.support import (
    INTERRUPTED,
    OK,
    STANDARD,
    accuracy_told,
    assignments,
    check_target,
    examples,
    finite,
    read_model,
    say,
    say_diagnostics,
    say_warning,
    separated,
    step_request,
    tolerances,
    view_of,
    write_stdout,
)
from odec.cli.types import (
    FILE,
    MODEL,
    VIEW,
    Sectioned,
    adjoint_options,
    dtype_option,
    engine_option,
    input_option,
    max_time_option,
    method_option,
    quiet_option,
    set_option,
    step_options,
    view_options,
)
from odec.errors import ArgumentError, warned_once

if TYPE_CHECKING:
    from odec.fit import FitResult
    from odec.plot import View


@click.command(
    cls=Sectioned,
    short_help="Fit a model to data.",
    epilog=examples(
        "odec fit competition.ode data.csv                          # writes fit.json and fit.ode",
        "odec fit competition.ode data.csv -o out --plot out/fit.png",
        "odec fit competition.ode data.csv --set r1=0.1 --fix a1,a2",
        "odec fit competition.ode data.csv --optimizer adam --lr 0.01 --epochs 2000",
        "odec fit competition.ode data.csv --resume fit.json --epochs 5000",
        "odec fit competition.ode data.csv --method dopri5 --rtol 1e-8 --adjoint continuous",
    ),
)
@click.argument("model", type=MODEL)
@click.argument("data", type=FILE)
@click.option("-o", "--out", type=FILE, metavar="DIR|FILE", default=".", show_default=True,
              help="Directory for fit.json and fit.ode, or NAME.json to name both.")  # fmt: skip
@view_options
@click.option("--optimizer", type=click.Choice(["lbfgs", "adam", "gauss-newton"]), help="Default: lbfgs.")
@click.option("--lr", metavar="RATE", help="Learning rate of adam.")
@click.option("--epochs", type=click.IntRange(min=0), metavar="N", help="The most steps of the optimizer.")
@click.option("--transforms", type=click.Choice(["model", "none"]),
              help="model: keep the bounds (default); none: move natural values.")  # fmt: skip
@click.option("--weights", type=click.Choice(["spread", "none"]),
              help="spread: weight columns whose spreads differ by over 100 (default).")  # fmt: skip
@click.option("--fix", metavar="NAME", multiple=True, help="Keep a parameter at its start. May be repeated.")
@click.option("--free", metavar="NAME", multiple=True, help="Move these alone. May be repeated.")
@set_option
@input_option
@click.option(
    "--t0", metavar="TIME", help="Where the simulation starts. Default: the run line's, else the first row's."
)
@step_options
@adjoint_options
@click.option("--clip", metavar="BOUND", help="Bound on |dx/dt|, against overflow far from the optimum.")
@click.option("--seed", type=int, metavar="N", help="Seed of what is drawn. Default: 0.")
@max_time_option
@click.option("--resume", type=FILE, metavar="FIT.JSON|DIR", help="Go on from a saved fit.")
@quiet_option
@method_option
@engine_option
@dtype_option
@click.pass_context
def fit(
    ctx: click.Context,
    model: str,
    data: str,
    out: str,
    plot: str | None,
    settings: tuple[str, ...],
    inputs: tuple[str, ...],
    quiet: bool,
    **given: Any,
) -> int:
    """Fit a model's parameters to DATA: a CSV with a time column and states, observables or inputs.

    A blank is not measured; repeated times are replicates. Ctrl-C ends the fit and keeps the best so far.
    """
    views = {name: given.pop(name) for name in VIEW}
    options = _options(given, settings)
    targets = _targets(out, model)
    for path in targets:
        check_target(path)
    view = view_of(plot, **views)

    from odec import api, build

    system, warnings = build.read(read_model(model))
    say_diagnostics(warnings)
    if options["seed"] is None and options["resume"] is None and any(p.draw for p in system.params):
        options["seed"] = 0
    with warned_once(say_warning), accuracy_told(not quiet):
        result = api.fit(
            system,
            data,
            **options,
            inputs=read_inputs(inputs) or None,
            progress=False if quiet else None,
            command=shlex.join(["odec", *(ctx.obj or ())]),
        )
    if result.summary and not quiet:
        say(result.summary)
    _write(result, *targets, plot, view)
    return INTERRUPTED if result.interrupted else OK


def _options(given: dict[str, Any], settings: tuple[str, ...]) -> dict[str, Any]:
    """What `odec.fit` is asked for, from the words of the options. Raises click.UsageError."""
    steps = step_request(given)
    for name in ("lr", "t0", "clip", "adjoint_rtol"):
        if given[name] is not None:
            given[name] = finite(given[name], f"--{name.replace('_', '-')}")
    given["adjoint_atol"] = tolerances(given["adjoint_atol"], "--adjoint-atol")
    for option in ("fix", "free"):
        given[option] = [name for item in given[option] for name in separated(item)] or None
    return {**given, **steps.given, "set": assignments(settings, "--set") or None}


def _write(result: FitResult, report: str, fitted: str, plot: str | None, view: View | None) -> None:
    """The table on stdout, and the files."""
    write_stdout(result.table())
    result.save(report)
    say(f"wrote {report}")
    _write_model(result, fitted)
    if plot is not None and view is not None:
        result.plot(plot, **vars(view))
        say(f"drew {plot}")
    if result.interrupted:
        say(f"interrupted; go on with --resume {report}")
    elif result.trace.out_of_time:
        say(f"out of time; go on with --resume {report}")


def _targets(out: str, model: str) -> tuple[str, str]:
    """Where the report and the fitted model go. Raises ArgumentError where that is the model itself."""
    path = Path(out)
    if path.suffix in (".json", ".ode") and not path.is_dir():
        report, fitted = path.with_suffix(".json"), path.with_suffix(".ode")
    else:
        path.mkdir(parents=True, exist_ok=True)
        report, fitted = path / "fit.json", path / "fit.ode"
    if model != STANDARD and fitted.exists() and os.path.exists(model) and fitted.samefile(model):
        raise ArgumentError(f"{fitted} is the model itself: choose another place with -o")
    return str(report), str(fitted)


def _write_model(result: FitResult, path: str) -> None:
    """fit.ode, or the reason why the values found cannot be written as defaults."""
    try:
        written = result.write_ode(path)
    except ArgumentError as error:
        say(f"note: no {path}: {error}")
    else:
        for name in written:
            say(f"wrote {name}")
