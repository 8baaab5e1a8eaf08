"""Parameter types and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Path(click.ParamType):
    """A path for messages and completion only; reading it is the command's affair."""

    def __init__(self, name: str):
        self.name = name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class _Method(click.ParamType):
    """A method's name, completed from the registry and checked by the api."""

    name = "method"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from odec.methods import names

        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]


MODEL = _Path("model")
FILE = _Path("file")
METHOD = _Method()


class Sectioned(click.Command):
    """A command whose help lists options that belong together under a heading of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], **{title: [] for title, _ in _SECTIONS}}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            title = next((title for title, names in _SECTIONS if param.name in names), "Options")
            if record is not None:
                sections[title].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def method_option(command: _Command) -> _Command:
    """--method."""
    text = "The numerical method (see odec list methods). Default: the model's, else auto."
    return click.option("--method", type=METHOD, metavar="NAME", help=text)(command)


def view_options(command: _Command) -> _Command:
    """--plot, --show, --x-log, --y-log and --grid."""
    for option in (
        click.option("--grid", is_flag=True, help="Draw a small panel for each curve."),
        click.option("--y-log", is_flag=True, help="Draw values on logarithmic axes."),
        click.option(
            "--x-log/--no-x-log",
            default=None,
            help="Draw time on a logarithmic axis. Default: where the times span decades.",
        ),
        click.option(
            "--show",
            metavar="NAME,…",
            multiple=True,
            help="Draw these alone: names, or patterns like 'NO*'. May be repeated.",
        ),
        click.option("--plot", type=FILE, metavar="FILE", help="Draw a picture: FILE.png, .svg or .pdf."),
    ):
        command = option(command)
    return command


VIEW = ("show", "x_log", "y_log", "grid")
"""What the options of `view_options` are called in a command's arguments, beside `plot`."""

_TIMES = ("t0", "t1", "step", "times", "method")
_ADJOINT = ("adjoint", "adjoint_rtol", "adjoint_atol", "clip")
_STEPS = ("dt", "rtol", "atol", "min_step", "max_step", "max_steps", "dense", "check")

_SECTIONS = (
    ("Times and steps", {*_TIMES, *_STEPS}),
    ("Gradients", set(_ADJOINT)),
    ("Picture", {"plot", *VIEW}),
)


max_time_option = click.option(
    "--max-time",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="The most seconds that it may take.",
)


def step_options(command: _Command) -> _Command:
    """--dt, --rtol, --atol, --min-step, --max-step, --max-steps, --dense and --check."""
    for option in (
        click.option(
            "--check/--no-check",
            default=True,
            help="Whether to look at what half a fixed step changes and atol controls. Default: yes.",
        ),
        click.option(
            "--dense/--no-dense",
            default=None,
            help="Whether outputs may lie within adaptive steps, not only at their ends. Default: where there"
            " are more than 100 after the first.",
        ),
        click.option("--max-steps", type=click.IntRange(min=1), metavar="N", help="The most adaptive steps."),
        click.option("--max-step", metavar="H", help="The longest adaptive step: no pulse is missed."),
        click.option("--min-step", metavar="H", help="The shortest adaptive step; shorter ones end the run."),
        click.option(
            "--atol",
            metavar="TOL[,TOL…]",
            help="Absolute tolerance, or one for each state. Default: 1e-9 of each initial value up to 1.",
        ),
        click.option(
            "--rtol", metavar="TOL", help="Relative tolerance of steps that follow the error. Default: 1e-6."
        ),
        click.option("--dt", metavar="H", help="Fixed steps of at most H, of the method that is named."),
    ):
        command = option(command)
    return command


def adjoint_options(command: _Command) -> _Command:
    """--adjoint, --adjoint-rtol and --adjoint-atol."""
    for option in (
        click.option(
            "--adjoint-atol", metavar="TOL[,TOL…]", help="Its absolute tolerance, or one for each state."
        ),
        click.option(
            "--adjoint-rtol", metavar="TOL", help="Relative tolerance of the adjoint ODE. Default: --rtol."
        ),
        click.option(
            "--adjoint",
            type=click.Choice(["discrete", "continuous", "autograd"]),
            help="Gradients for lbfgs and adam: exact (default), by the adjoint ODE, or by torch's tape.",
        ),
    ):
        command = option(command)
    return command


def engine_option(command: _Command, default: str = "auto") -> _Command:
    """--engine; the help names the default."""
    text = f"What computes (see odec list engines). Default: {default}."
    return click.option("--engine", metavar="NAME", help=text)(command)


def dtype_option(command: _Command) -> _Command:
    """--dtype."""
    kinds = click.Choice(["float64", "float32"])
    return click.option("--dtype", type=kinds, help="Working precision. Default: float64.")(command)


def quiet_option(command: _Command) -> _Command:
    """--quiet."""
    text = "No progress on stderr, and no remarks on how the run went."
    return click.option("--quiet", "-q", is_flag=True, help=text)(command)


def set_option(command: _Command) -> _Command:
    """--set."""
    text = "Set parameters, or initial values of states, in place of their defaults. May be repeated."
    return click.option("--set", "settings", metavar="NAME=VALUE[,…]", multiple=True, help=text)(command)


def input_option(command: _Command) -> _Command:
    """--input."""
    text = "An input: a CSV of times and values, or a constant. May be repeated."
    return click.option("--input", "inputs", metavar="NAME=FILE|VALUE", multiple=True, help=text)(command)
