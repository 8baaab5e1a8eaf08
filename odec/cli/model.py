"""check, compile, show, fmt: commands that read a model and print or write text."""

from __future__ import annotations

import difflib
import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from odec.cli.support import (
    DIAGNOSTICS,
    INTERRUPTED,
    OK,
    STANDARD,
    error_line,
    examples,
    read_model,
    say,
    say_diagnostics,
    write_result,
    write_stdout,
)
from odec.cli.types import MODEL, engine_option, method_option
from odec.diagnostics import Diagnostic, ModelError, Source, render_json
from odec.errors import ArgumentError
from odec.system import System
from odec.text import python_comment


@click.command(
    short_help="Tell all errors and warnings of models.",
    epilog=examples(
        "odec check competition.ode",
        "odec check models/*.ode --strict",
        "odec check --format json - < competition.ode",
    ),
)
@click.argument("models", type=MODEL, nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="Text on stderr, or a JSON array of diagnostics on stdout.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Let warnings fail the check too.")
def check(models: tuple[str, ...], form: str, strict: bool) -> int:
    """Check models: all errors and warnings, without compiling anything."""
    found: list[Diagnostic] = []
    for path in models:
        system, diagnostics = _diagnose(path)
        found += diagnostics
        if form == "text":
            say_diagnostics(diagnostics)
            if system is not None:
                write_stdout(f"{python_comment(path)}: {_summary(system)}\n")
    if form == "json":
        write_stdout(render_json(found) + "\n")
    errors = sum(d.severity == "error" for d in found)
    if form == "text" and found:
        say(
            ", ".join(
                _count(n, noun) for n, noun in ((errors, "error"), (len(found) - errors, "warning")) if n
            )
        )
    return DIAGNOSTICS if errors or (strict and found) else OK


def _diagnose(path: str) -> tuple[System | None, list[Diagnostic]]:
    from odec import build

    try:
        return build.diagnose(read_model(path))
    except ModelError as error:
        return None, list(error.diagnostics)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _summary(system: System) -> str:
    """`ok: 2 states, 6 parameters, 1 observable`."""
    counts = (
        (len(system.states), "state"),
        (len(system.params), "parameter"),
        (len(system.inputs), "input"),
        (len(system.observables), "observable"),
    )
    parts = [_count(number, noun) for number, noun in counts if number]
    return f"ok: {', '.join(parts)}" + (" (a map)" if system.kind == "map" else "")


@click.command(
    "compile",
    short_help="Write a model as a torch module.",
    epilog=examples(
        "odec compile competition.ode                       # writes competition.py",
        "odec compile competition.ode -o c.py --method tsit5",
        "odec compile competition.ode -o -                  # to stdout",
        "odec compile competition.ode --check               # exit code 1 if competition.py is out of date",
        "odec compile competition.ode --watch               # again at each change, until Ctrl-C",
        "odec compile competition.ode --standalone          # writes competition/, which needs torch alone",
    ),
)
@click.argument("model", type=MODEL)
@click.option(
    "-o", "--output", metavar="FILE", help="Where to write; `-` is stdout. Default: MODEL with .py."
)
@method_option
@functools.partial(engine_option, default="torch")
@click.option(
    "--standalone", is_flag=True, help="Write a folder: the module and its run-time, which need torch alone."
)
@click.option("--check", "check_", is_flag=True, help="Write nothing; exit with 1 if FILE is out of date.")
@click.option("--watch", "watch_", is_flag=True, help="Compile again whenever MODEL changes.")
@click.option("--force", is_flag=True, help="Overwrite FILE even if odec did not write it.")
def compile_(
    model: str,
    output: str | None,
    method: str | None,
    engine: str | None,
    standalone: bool,
    check_: bool,
    watch_: bool,
    force: bool,
) -> int:
    """Write a model as a torch module: a file that imports odec.runtime, or a folder that stands alone."""
    job = _Job(model, method, engine or "torch", force)
    if standalone:
        if check_ or watch_:
            raise click.UsageError("--standalone writes a folder: --check and --watch are of a file")
        return _write_folder(job, output)
    target = _target(model, output)
    if check_ and watch_:
        raise click.UsageError("--check looks once and --watch goes on: give one of them")
    if watch_:
        if STANDARD in (model, target):
            raise click.UsageError("--watch needs a file to watch and a file to write, not `-`")
        return _watch(job, target)
    text = job.text()
    if check_:
        return _compare(model, target, text)
    return _write_module(target, text, force)


@dataclass(frozen=True)
class _Job:
    """What is compiled, and whether it may replace a file that odec did not write."""

    model: str
    method: str | None
    engine: str
    force: bool

    def text(self, *, standalone: bool = False) -> str:
        """The module's text; its warnings are told. Raises ModelError, ArgumentError."""
        from odec import build

        system, warnings = build.read(read_model(self.model))
        say_diagnostics(warnings)
        return build.compile(system, method=self.method, engine=self.engine, standalone=standalone)


def _write_folder(job: _Job, output: str | None) -> int:
    """Write the module and a copy of the run-time as a package: MODEL without its ending, or the output."""
    from odec.standalone import write_standalone

    if output == STANDARD or (job.model == STANDARD and output is None):
        raise click.UsageError("--standalone writes a folder: name it with -o")
    folder = output or _target(job.model, None).removesuffix(".py")
    if not Path(folder).name.isidentifier():
        raise ArgumentError(f"{folder} could not be imported by its name: name another folder with -o")
    write_standalone(folder, job.text(standalone=True), force=job.force)
    say(f"wrote {folder}{os.sep}")
    return 0


def _target(model: str, output: str | None) -> str:
    """Where the module goes: the output, a file in it if it is a directory, else MODEL with .py."""
    if output is None and model == STANDARD:
        return STANDARD
    if output is not None and not os.path.isdir(output):
        if (
            output != STANDARD
            and os.path.exists(output)
            and os.path.exists(model)
            and os.path.samefile(model, output)
        ):
            raise ArgumentError(f"{output} is the model itself: choose another output")
        return output
    folder = Path(output) if output is not None else Path(model).parent
    stem = "model" if model == STANDARD else Path(model).stem.replace("-", "_").replace(" ", "_")
    if stem in sys.stdlib_module_names or stem in ("torch", "numpy"):
        raise ArgumentError(f"a file {stem}.py would hide Python's own module {stem!r}: name another with -o")
    return str(folder / f"{stem}.py")


def _write_module(target: str, text: str, force: bool) -> int:
    if target != STANDARD and not force and not _is_ours(target):
        raise ArgumentError(
            f"{target} was not written by odec: name another file with -o, or overwrite it with --force"
        )
    write_result(target, text)
    if target != STANDARD:
        say(f"wrote {target}")
    return OK


def _is_ours(target: str) -> bool:
    """Whether odec may replace the file: it is not there, holds nothing, or is a module that odec wrote."""
    if not os.path.isfile(target):
        return True
    with open(target, encoding="utf-8", errors="replace") as file:
        head = file.read(400)
    return not head.strip() or "odec" in head


def _compare(model: str, target: str, text: str) -> int:
    if target == STANDARD:
        raise click.UsageError("--check compares with a file: name it with -o")
    try:
        current = Path(target).read_bytes().decode(errors="replace")
    except FileNotFoundError:
        error_line(f"{target} is not there: run odec compile {model} -o {target}")
        return DIAGNOSTICS
    if current != text:
        error_line(f"{target} is out of date: run odec compile {model} -o {target}")
        return DIAGNOSTICS
    say(f"{target} is up to date")
    return OK


def _watch(job: _Job, target: str) -> int:
    """Compile at each change of the model's time stamp or size, until interrupted."""
    import time

    last: tuple[int, int] | None = None
    say(f"watching {job.model}; Ctrl-C ends it")
    while True:
        try:
            facts = os.stat(job.model)
            now = (facts.st_mtime_ns, facts.st_size)
        except OSError:
            now = last or (0, 0)  # an editor that is just replacing the file
        if now != last:
            last = now
            try:
                _write_module(target, job.text(), job.force)
            except ModelError as error:
                say_diagnostics(error.diagnostics)
        try:
            time.sleep(0.2)
        except KeyboardInterrupt:
            say("")
            return INTERRUPTED


@click.command(
    short_help="Show what odec understood.",
    epilog=examples(
        "odec show competition.ode                   # equations and parameters",
        "odec show competition.ode --jacobian        # entries, and the sparsity as a picture",
        "odec show competition.ode --latex > eq.tex",
        "odec show competition.ode --graph           # which quantity enters which",
    ),
)
@click.argument("model", type=MODEL)
@click.option("--equations", is_flag=True, help="The equations, initial values and observables.")
@click.option("--jacobian", is_flag=True, help="The Jacobian: its sparsity and its entries.")
@click.option("--latex", is_flag=True, help="The equations as LaTeX.")
@click.option("--params", is_flag=True, help="A table of parameters: default, bounds, transform, unit.")
@click.option("--graph", is_flag=True, help="Who depends on whom.")
def show(model: str, equations: bool, jacobian: bool, latex: bool, params: bool, graph: bool) -> int:
    """Show what odec understood, as text."""
    from odec import build
    from odec.passes import show as views

    system, warnings = build.read(read_model(model))
    say_diagnostics(warnings)
    if not (equations or jacobian or latex or params or graph):
        equations = params = True
    parts = []
    if equations:
        parts.append(views.equations_text(system))
    if params:
        parts.append(views.params_table(system))
    if jacobian:
        parts.append(views.jacobian_text(build.derive(system)))
    if graph:
        parts.append(views.graph_text(system))
    if latex:
        parts.append(views.latex(system))
    write_stdout("\n".join(part.rstrip("\n") + "\n" for part in parts))
    return OK


@click.command(
    short_help="Rewrite models in the standard layout.",
    epilog=examples(
        "odec fmt competition.ode                # rewrites the file",
        "odec fmt --check models/*.ode           # exit code 1 if any would change",
        "odec fmt --diff competition.ode         # show the changes, write nothing",
        "odec fmt - < competition.ode            # from stdin to stdout",
    ),
)
@click.argument("models", type=MODEL, nargs=-1, required=True)
@click.option("--check", "check_", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Print what would change as a diff; write nothing.")
def fmt(models: tuple[str, ...], check_: bool, diff: bool) -> int:
    """Rewrite models in the standard layout; comments stay."""
    code = OK
    for path in models:
        try:
            source = read_model(path)
            changed = _format_one(path, source, check_, diff)
        except ModelError as error:
            say_diagnostics(error.diagnostics)
            code = DIAGNOSTICS
            continue
        if changed and check_:
            code = DIAGNOSTICS
    return code


def _format_one(path: str, source: Source, check_: bool, diff: bool) -> bool:
    from odec import lang

    text = lang.format_source(source)
    before = source.text if path == STANDARD else Path(path).read_bytes().decode(errors="replace")
    changed = text != before  # the file itself: its line ends and byte order mark count too
    if diff and changed:
        lines = difflib.unified_diff(
            source.text.splitlines(keepends=True), text.splitlines(keepends=True), path, f"{path} (formatted)"
        )
        write_stdout("".join(line if line.endswith("\n") else f"{line}\n" for line in lines))
    if check_ and changed:
        say(f"would reformat {path}")
    if check_ or diff:
        return changed
    if path == STANDARD:
        write_stdout(text)
    elif changed:
        write_result(path, text)
        say(f"reformatted {path}")
    return changed
