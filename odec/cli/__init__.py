"""The command line: arguments -> api -> what is printed."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import odec
from odec.cli import catalogue, fit, model, run
from odec.cli.support import OK, examples, outcome


class _Group(click.Group):
    """Commands in the order of their use, a guess at a mistyped one, and every error told in words."""

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run a command line and exit with its code."""
        code: Any = None
        options["standalone_mode"] = False
        line = args[0] if args else options.get("args")
        options["obj"] = tuple(sys.argv[1:] if line is None else line)  # for the record in fit.json
        with outcome() as result:
            code = super().main(*args, **options)
            sys.stdout.flush()
        sys.exit(result.code if result.code is not None else code if isinstance(code, int) else OK)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from odec.errors import did_you_mean

        name = args[0]
        if not name.startswith("-") and name not in self.commands:
            if name.endswith(".ode"):
                raise click.UsageError(f"say what to do with {name}, like: odec check {name}", ctx)
            hint = did_you_mean(name, self.commands) or f"; known: {', '.join(self.commands)}"
            raise click.UsageError(f"unknown command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "odec new predator                        # a commented starter model, predator.ode",
        "odec check predator.ode                  # is it a model?",
        "odec run predator.ode --plot run.png     # simulate it: CSV and a picture",
        "odec fit predator.ode data.csv -o out    # fit its parameters to data",
        "odec compile predator.ode                # write predator.py, a torch module",
        title="A first walk",
    )
    + "\n\n\b\nExit codes: 0 fine, 1 something wrong with a model or its data, 2 wrong usage,\n"
    "3 a simulation failed, 130 interrupted.",
)
@click.version_option(odec.__version__, "--version", "-V", message="odec %(version)s")
def cli() -> None:
    """A compiler from differential equations, written as text, to readable PyTorch modules."""


for _command in (
    model.check,
    run.run,
    fit.fit,
    model.compile_,
    model.show,
    model.fmt,
    catalogue.new,
    catalogue.explain,
    catalogue.list_,
    catalogue.completion,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    atexit.register(gc.freeze)  # torch's thousands of objects end with the process, not one by one
    cli.main(arguments, prog_name="odec")
