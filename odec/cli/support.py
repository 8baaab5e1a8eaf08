"""What the commands share: exit codes, where text goes, how errors are told."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from odec.diagnostics import Diagnostic, ModelError, Source, render_text
from odec.errors import AccuracyWarning, ArgumentError, DataError, SimulationError
from odec.progress import Line, Phase, lifted
from odec.runtime.stopping import Interrupted
from odec.text import printable

if TYPE_CHECKING:
    from odec.plot import View
    from odec.steps import StepRequest

OK, DIAGNOSTICS, USAGE, NUMERICAL, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 130, 141
STANDARD = "-"


@dataclass
class Outcome:
    """The exit code of an error that ended a command; None where none did."""

    code: int | None = None


@contextlib.contextmanager
def outcome() -> Iterator[Outcome]:
    """Tell every expected error in words and keep its exit code."""
    result = Outcome()
    try:
        yield result
    except ModelError as error:
        say_diagnostics(error.diagnostics)
        result.code = DIAGNOSTICS
    except (click.Abort, KeyboardInterrupt, Interrupted):
        say("interrupted")
        result.code = INTERRUPTED
    except click.UsageError as error:
        if error.ctx is not None:
            say(f"{error.ctx.get_usage()}\nHelp: {error.ctx.command_path} --help\n")
        if isinstance(error, click.NoSuchOption):
            error = _with_guess(error)
        error_line(error.format_message())
        result.code = USAGE
    except click.ClickException as error:
        error_line(error.format_message())
        result.code = error.exit_code
    except ArgumentError as error:
        error_line(as_typed(str(error)))
        result.code = USAGE
    except DataError as error:
        error_line(str(error))
        result.code = DIAGNOSTICS
    except SimulationError as error:
        error_line(as_typed(str(error)))
        result.code = NUMERICAL
    except OSError as error:
        error_line(_os_error(error))
        result.code = USAGE


def _os_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    reason = reason[:1].lower() + reason[1:]
    return f"{os.fspath(error.filename)}: {reason}" if isinstance(error.filename, (str, Path)) else reason


def colored(stream: IO[str]) -> bool:
    """Whether to colour what goes to a stream: a terminal, and no NO_COLOR. https://no-color.org"""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def say(text: str) -> None:
    """A line for the person, on stderr, without what would steer a terminal."""
    _say(printable(text))


def _say(text: str) -> None:
    with lifted():
        print(text, file=sys.stderr, flush=True)


_AS_TYPED = (
    (r"\b(rtol|atol)=(\S+), or --\1 \2", r"--\1 \2"),
    (r"\b(engine|adjoint|method)='(\w+)'", r"--\1 \2"),
    (r"\badjoint_(rtol|atol)\b", r"--adjoint-\1"),
    (r"\bmax_steps\b", "--max-steps"),
    (r"\bmax_time = ([\d.e+-]+)", r"--max-time \1"),
    (r"\bmax_time\b", "--max-time"),
    (r"\bmax_step\b", "--max-step"),
    (r"\bmin_step\b", "--min-step"),
    (r"\bdense_output\b", "--dense"),
)


def as_typed(message: str) -> str:
    """A message, the options in its first line as a command has them: --engine torch for engine='torch'."""
    said, newline, shown = message.partition("\n")
    for pattern, option in _AS_TYPED:
        said = re.sub(pattern, option, said)
    return said + newline + shown


def progress(quiet: bool) -> contextlib.AbstractContextManager[object]:
    """A line on a terminal that says what is being done, and since when."""
    return contextlib.nullcontext() if quiet else Line(Phase())


def say_warning(message: str) -> None:
    """A warning of a module that runs, on stderr."""
    head = "\033[1;33mwarning\033[0m" if colored(sys.stderr) else "warning"
    _say(f"{head}: {printable(as_typed(message))}")


@contextlib.contextmanager
def accuracy_told(told: bool) -> Iterator[None]:
    """Whether the AccuracyWarnings of what is done meanwhile are told."""
    with contextlib.ExitStack() as held:
        if not told:
            held.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", AccuracyWarning)
        yield


def error_line(message: str) -> None:
    """An error that belongs to no line of a model, on stderr."""
    head = "\033[1;31merror\033[0m" if colored(sys.stderr) else "error"
    _say(f"{head}: {printable(message)}")


def say_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Diagnostics on stderr, as text."""
    found = list(diagnostics)
    if found:
        _say(render_text(found, color=colored(sys.stderr)))


def write_stdout(text: str) -> None:
    """Text on stdout as UTF-8, byte for byte."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        sys.stdout.write(text)
        return
    try:
        sys.stdout.flush()
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        while rest:  # an unbuffered stdout (PYTHONUNBUFFERED) may take less than all
            rest = rest[stream.write(rest) :]
        stream.flush()
    except BrokenPipeError:
        # The reader has gone (`odec run … | head`): keep Python from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)


def read_model(path: str) -> Source:
    """A model's text from a path, or from stdin for `-`. Raises ModelError."""
    from odec import lang

    if path != STANDARD:
        return lang.read_source(path)
    stream = getattr(sys.stdin, "buffer", None)
    data = stream.read() if stream is not None else sys.stdin.read().encode()
    return lang.decode("stdin.ode", data)


def write_result(path: str, text: str) -> None:
    """Text to a file, whole or not at all, or to stdout for `-`. Raises OSError."""
    from odec.files import write_whole

    if path == STANDARD:
        write_stdout(text)
    else:
        write_whole(path, text)


def check_target(path: str) -> None:
    """Whether a file can be written, asked before the work whose result it will hold. Raises OSError."""
    if path == STANDARD:
        return
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise IsADirectoryError(21, "it is a directory", path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(2, "there is no such directory", folder)
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise PermissionError(13, "permission denied", path)


_MEANT = {
    "--set": "param params parameter parameters p init inits initial x0 y0 ic value values",
    "--fix": "fixed freeze frozen",
    "--rtol": "tol tolerance reltol",
    "--atol": "abstol",
    "--method": "solver integrator algorithm",
    "--dt": "h stepsize step-size",
    "--t1": "end stop t-end tend tmax until",
    "--t0": "start begin",
    "--epochs": "iterations maxiter max-iter niter",
    "--lr": "learning-rate",
    "--input": "inputs forcing",
    "--out": "output out-file",
}
"""Words that other programs have for options."""


def _with_guess(error: click.NoSuchOption) -> click.UsageError:
    """Guess at an option by what it means, where its letters alone would lead elsewhere."""
    word = error.option_name.lstrip("-").replace("_", "-").casefold()
    command = error.ctx.command if error.ctx is not None else None
    own = {option for param in (command.params if command else ()) for option in param.opts}
    meant = [option for option, words in _MEANT.items() if word in words.split() and option in own]
    if not meant:
        return error
    return click.UsageError(f"No such option '{error.option_name}'. Did you mean '{meant[0]}'?", error.ctx)


def check_picture(path: str) -> None:
    """Whether a picture can be written there. Raises click.UsageError, OSError."""
    if os.path.splitext(path)[1].lower() not in (".png", ".svg", ".pdf"):
        raise click.UsageError(f"--plot draws .png, .svg or .pdf: {path!r} is none of them")
    check_target(path)


def view_of(
    plot: str | None, *, show: Iterable[str], x_log: bool | None, y_log: bool, grid: bool
) -> View | None:
    """How a picture is to be drawn, None where none is. Raises click.UsageError, OSError."""
    names = tuple(name.strip() for item in show for name in item.split(",") if name.strip())
    if plot is None:
        given = {"--show": names, "--x-log": x_log, "--y-log": y_log, "--grid": grid}
        for option, value in given.items():
            if value:
                raise click.UsageError(f"{option} is of a picture: give --plot FILE.png too")
        return None
    check_picture(plot)
    from odec.plot import View

    return View(names, x_log, y_log, grid)


_BETWEEN = r",(?![^\[\]]*\])"
"""A comma between assignments: none inside the brackets of `W[0,1]=2`."""


def separated(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in re.split(_BETWEEN, text) if name.strip()]


def assignments(pairs: Iterable[str], option: str) -> dict[str, float]:
    """NAME=VALUE pairs as numbers, several with commas between them. Raises click.UsageError."""
    values: dict[str, float] = {}
    for pair in (part for several in pairs for part in re.split(_BETWEEN, several) if part.strip()):
        name, equals, text = (part.strip() for part in pair.partition("="))
        name = unicodedata.normalize("NFKC", name).replace("′", "'")  # as models spell it
        if not equals or not name:
            raise click.UsageError(f"{option} takes NAME=VALUE, like {option} r1=0.1, not {pair!r}")
        values[name] = finite(text, f"{option} {name}")
    return values


def step_request(given: dict[str, Any]) -> StepRequest:
    """The steps that `step_options` ask for, taken out of a command's arguments. Raises click.UsageError."""
    from odec.steps import StepRequest

    values: dict[str, Any] = {"max_steps": given.pop("max_steps"), "dense_output": given.pop("dense")}
    for name in ("dt", "rtol", "min_step", "max_step"):
        text = given.pop(name)
        values[name] = None if text is None else finite(text, f"--{name.replace('_', '-')}")
    return StepRequest(**values, atol=tolerances(given.pop("atol"), "--atol"))


def tolerances(text: str | None, option: str) -> float | list[float] | None:
    """One tolerance, or one for each state with commas between them. Raises click.UsageError."""
    if text is None:
        return None
    several = [finite(part.strip(), option) for part in text.split(",")]
    return several if len(several) > 1 else several[0]


def finite(text: str, what: str) -> float:
    """A finite number. Raises click.UsageError."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value - value != 0:
        raise click.UsageError(f"{what}: {text!r} is not a finite number")
    return value


def examples(*lines: str, title: str = "Examples") -> str:
    """A help epilogue: a command per line, as it is typed."""
    return "\b\n" + "\n".join([f"{title}:", *(f"  {line}" for line in lines)])
