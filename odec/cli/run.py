"""run: simulate a model, to CSV and to a picture."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import click

from odec.cli.support import (
    NUMERICAL,
    OK,
    STANDARD,
    accuracy_told,
    as_typed,
    assignments,
    check_target,
    error_line,
    examples,
    finite,
    progress,
    read_model,
    say,
    say_diagnostics,
    say_warning,
    step_request,
    view_of,
    write_result,
)
from odec.cli.types import (
    FILE,
    MODEL,
    VIEW,
    Sectioned,
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
from odec.errors import SimulationError, warned_once

if TYPE_CHECKING:
    from odec.results import Simulation
    from odec.system import System

UNREPEATED = ("W606", "W607", "W610")
"""Warnings of check, compile and fit: of gradients, which a run has none of, or what its own words say."""


@click.command(
    cls=Sectioned,
    short_help="Simulate a model: CSV and a picture.",
    epilog=examples(
        "odec run competition.ode                             # CSV to stdout",
        "odec run competition.ode -o run.csv --plot run.png",
        "odec run competition.ode --set r1=0.2 --set x1=50    # a parameter and an initial value",
        "odec run competition.ode --t1 200 --step 1 --dt 0.01 --method dopri5",
        "odec run competition.ode --method dopri5 --rtol 1e-8 --atol 1e-10",
        "odec run competition.ode --method dopri5 --rtol 1e-8 --step 0.01 --dense  # outputs within steps",
        "odec run competition.ode --times 10,15,30",
        "odec run hodgkin_huxley.ode --input current=steps.csv",
        "odec run robertson.ode --plot run.png --y-log --show 'y*'  # chosen curves, a logarithmic axis",
    ),
)
@click.argument("model", type=MODEL)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="FILE",
    help="CSV file; `-` is stdout. Default: stdout, but with --plot no CSV to a terminal.",
)
@view_options
@click.option("--t0", metavar="TIME", help="Start. Default: the model's run line, else 0.")
@click.option("--t1", metavar="TIME", help="End. Default: the model's run line.")
@click.option("--step", metavar="H", help="Time between outputs. Default: the run line's, else 100 steps.")
@click.option("--times", metavar="T,T,…", help="Outputs at these times, in place of --t1 and --step.")
@step_options
@set_option
@input_option
@click.option(
    "--seed", type=int, metavar="N", default=0, help="Seed of parameters that are drawn. Default: 0."
)
@max_time_option
@click.option("--partial", is_flag=True,
              help="Where the run fails, keep what comes before; the exit code stays 3.")  # fmt: skip
@quiet_option
@click.option("--observables/--no-observables", default=True, show_default=True,
              help="Columns for the observables beside the states.")  # fmt: skip
@method_option
@engine_option
@dtype_option
def run(
    model: str,
    output: str | None,
    plot: str | None,
    settings: tuple[str, ...],
    inputs: tuple[str, ...],
    partial: bool,
    quiet: bool,
    observables: bool,
    **given: Any,
) -> int:
    """Simulate a model: times, states and observables as CSV."""
    from odec import api, build

    view = view_of(plot, **{name: given.pop(name) for name in VIEW})
    asked = _asked(given)
    target = STANDARD if output is None and not (plot and sys.stdout.isatty()) else output
    if target is not None:
        check_target(target)
    system, warnings = build.read(read_model(model))
    say_diagnostics(d for d in warnings if d.code not in UNREPEATED)
    params, init = _settings(system, settings)
    with progress(quiet), warned_once(say_warning) as told, accuracy_told(not quiet):
        result = api.simulate(
            system, **asked, params=params, init=init, inputs=read_inputs(inputs), partial=partial
        )
    whole = result.status is None or bool(result.status.ok.all())
    kept = result if whole else _before_failure(result)
    if not quiet:
        _remark(kept, told)
        if result.summary:
            say(result.summary)
    if plot is not None:
        from odec.results import plot_run

        plot_run(system, result, plot, view)
        say(f"drew {plot}")
    if target is not None:
        write_result(target, kept.csv_text(observables=observables))
        if target != STANDARD:
            say(f"wrote {target}")
    return OK if whole else NUMERICAL


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """What `odec.simulate` is asked for, from the words of the options. Raises click.UsageError."""
    times = given["times"]
    spans = {name: given[name] for name in ("t0", "t1", "step")}
    asked = {name: None if text is None else finite(text, f"--{name}") for name, text in spans.items()}
    if times is not None and any(asked[name] is not None for name in ("t1", "step")):
        raise click.UsageError("--times says all outputs: leave out --t1 and --step")
    return {
        **asked,
        **step_request(given).given,
        "check": given["check"],
        "max_time": given["max_time"],
        "seed": given["seed"],
        "times": None if times is None else _times(times),
        "method": given["method"],
        "engine": given["engine"] or "auto",
        "dtype": given["dtype"] or "float64",
    }


def _before_failure(result: Simulation) -> Simulation:
    """What a run has before its failure, which is told. Raises SimulationError where that is nothing."""
    import numpy as np

    count = int(np.argmin(np.append(np.isfinite(result.states).all(-1), False)))
    if count == 0:
        raise SimulationError(str(result.status))
    error_line(as_typed(str(result.status)))
    say(f"note: kept is what comes before it, up to {result.time_name} = {result.times[count - 1]:g}")
    return result.cut(stop=count)


def _remark(result: Simulation, told: list[str]) -> None:
    """Say whether the method suits the problem, which observables are no finite numbers, and since when."""
    stiffness = "" if any("stiff" in text for text in told) else _stiffness(result)
    if stiffness:
        say(f"note: {stiffness}")
    for name in result.observable_names:
        wrong = [t for t, value in zip(result.times, result[name], strict=True) if not math.isfinite(value)]
        if wrong:
            say(f"note: the observable {name} is not a finite number at {result.time_name} = {wrong[0]:g}")


def _stiffness(result: Simulation) -> str:
    """What the run has seen of the problem's stiffness, in words; of a result read back, nothing."""
    return "" if result.status is None else result.status.stiffness


def _times(text: str) -> list[float]:
    values = [finite(item.strip(), "--times") for item in text.split(",") if item.strip()]
    if not values:
        raise click.UsageError("--times takes times with commas between them, like --times 0,10,20")
    return values


def _settings(system: System, pairs: tuple[str, ...]) -> tuple[dict[str, float], dict[str, float]]:
    """--set values: of parameters and their elements, and of all other names, which are to be states."""
    from odec.starts import elements_of

    known = {param.name for param in system.params} | elements_of(system).keys()
    values = assignments(pairs, "--set")
    params = {name: value for name, value in values.items() if name in known}
    return params, {name: value for name, value in values.items() if name not in known}


def read_inputs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """--input series: from a CSV of two columns, or a constant."""
    series: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not name or not value:
            raise click.UsageError(f"--input takes NAME=FILE or NAME=VALUE, not {pair!r}")
        try:
            series[name] = float(value)
        except ValueError:
            series[name] = value
    return series
