"""new, explain, list, completion: what needs no model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

import click

from odec.cli.support import OK, examples, say, write_result, write_stdout
from odec.cli.types import MODEL
from odec.errors import ArgumentError, did_you_mean
from odec.text import python_comment

STARTER = """\
# {name}: predators and prey.
# Change it into your own model; `odec check {file}` tells what is wrong.
# A `#` starts a comment. Definitions may stand in any order.

time t : year

# Parameters can be set and fitted. `in` gives the bounds that a fit keeps, `:` a unit.
param birth = 0.5 in (0, inf) : 1/year  # birth rate of the prey
param predation = 0.02 in (0, inf)  # prey lost per predator and prey
param death = 0.8 in (0, inf) : 1/year  # death rate of the predators
param growth = 0.02 in (0, inf)  # predators gained per prey eaten

# Every state needs an initial value; it may be a parameter, so that a fit can find it.
init prey = 30
init predator = predator0
param predator0 = 5 in (0, inf)

# A named part of the equations.
encounters = prey*predator

# The equations. Also allowed: prey' = …, x'' = … (second order), x[t+1] = … (a map).
dprey/dt = birth*prey - predation*encounters
dpredator/dt = growth*encounters - death*predator

# What is measured.
obs total = prey + predator

# The run that `odec run` makes unless it is told otherwise, with an output every 0.1. The method's own steps
# follow a tolerance: rtol 1e-6, or another that you add, as in `step 0.1 rtol 1e-9`.
run t = 0 .. 40 step 0.1
"""

UDE = """\
# {name}: predators and prey, whose interaction is a network that data teach.
# Change it into your own model; `odec check {file}` tells what is wrong.

# What is known has a formula.
param birth = 1.3, death = 1.8 in (0, inf)

# What is not known is a network: what it sees, what it gives, its hidden layers and their activation
# (tanh, relu, softplus, sigmoid, silu, gelu). An array is an output with its size: `-> u[8]`.
net f(prey, pred) -> (eaten, born) = mlp(16, 16, tanh)

init prey = 0.44, pred = 4.6
dprey/dt = birth*prey + eaten
dpred/dt = born - death*pred

# With fixed steps of an explicit method it runs as one kernel. In Python the weights are those of `net.f`, an
# nn.Sequential, and any optimizer of torch trains them: see docs/nets.md and examples/ude.
run t = 0 .. 6 step 0.1 method rk4 dt 0.05
"""

RNN = """\
# {name}: a recurrent network, a map that reads a row of features each step and tells the next one.
# Change it into your own model; `odec check {file}` tells what is wrong.

const n = 12, k = 1  # hidden units, features

# Weights are drawn when a Model is made: Model(seed=3) draws the same ones again.
param W[n, k] = glorot(), U[n, n] = orthogonal(), b[n] = 0
param V[k, n] = glorot(), a[k] = 0

input x[k]

init h[n] = 0

# `[t+1]` is the next value; of another state it may stand on the right too, as c[t+1] of an LSTM.
h[t+1] = tanh(W @ x + U @ h + b)

obs y = V @ h + a

# From Python: y, state = net.sequence(rows, output="observables") takes rows (T, batch, k) as torch.nn.LSTM
# does; net.layer() goes into an nn.Sequential. See docs/maps.md and examples/sine.
"""

PDE = """\
# {name}: a substance that spreads along a line and grows. Two dimensions: examples/gray_scott.
# Change it into your own model; `odec check {file}` tells what is wrong.

# Sizes are constants. An array's shape stands in brackets, and elements count from 0.
const n = 64
const L = 40, dx = L/(n - 1)
param D = 1, r = 1 in (0, inf)

# A formula by index: which elements it is of stands behind `for`; both ends belong to it.
init u[i] = exp(-(i*dx - 10)**2) for i in 0 .. n - 1

# Every element has one equation. Nothing flows through the ends; `… periodic` would join them.
u[0]' = 2*D*(u[1] - u[0])/dx**2 + r*u[0]*(1 - u[0])
u[i]' = D*(u[i-1] - 2*u[i] + u[i+1])/dx**2 + r*u[i]*(1 - u[i]) for i in 1 .. n - 2
u[n-1]' = 2*D*(u[n-2] - u[n-1])/dx**2 + r*u[n-1]*(1 - u[n-1])

obs total = dx*sum(u)

# A stiff method suits fine grids. Explicit ones (`method tsit5`) run as one compiled kernel.
run t = 0 .. 10 step 0.1 method rodas4 rtol 1e-5
"""

STARTERS = {"ode": STARTER, "pde": PDE, "ude": UDE, "rnn": RNN}
"""Starters by their kind."""


@click.command(
    short_help="Write a commented starter model.",
    epilog=examples(
        "odec new predator             # writes predator.ode",
        "odec new models/predator.ode",
        "odec new predator --force     # overwrite it",
        "odec new predator --kind ude  # with a network for what is not known",
        "odec new series --kind rnn    # a recurrent network",
        "odec new heat --kind pde      # an array along a line, by index",
    ),
)
@click.argument("name", type=MODEL)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option("--kind", type=click.Choice([*STARTERS]), default="ode", help="What it shows (default: ode).")
def new(name: str, force: bool, kind: str) -> int:
    """Write a commented starter model, NAME.ode."""
    path = "-" if name == "-" else name if name.endswith(".ode") else f"{name}.ode"
    stem = "model" if path == "-" else os.path.basename(path)[: -len(".ode")]
    if not re.fullmatch(r"\w[\w-]*", stem):
        raise ArgumentError(
            f"{stem!r} is no name of a model: letters, digits, - and _ make one{_plain(path)}"
        )
    if path != "-" and os.path.lexists(path) and not force:
        raise ArgumentError(f"{path} is already there: overwrite it with --force")
    file = "model.ode" if path == "-" else python_comment(path)
    write_result(path, STARTERS[kind].format(name=stem, file=file))
    if path != "-":
        following = "check {}" if kind == "rnn" else f"run {{}} --plot {stem}.png"  # one has inputs
        say(f"wrote {path}; next: odec {following.format(path)}")
    return OK


def _plain(path: str) -> str:
    """`, as in odec new lv` for lv.csv: the path with a name that a model may have."""
    folder, name = os.path.split(path.removesuffix(".ode"))
    stem = re.sub(r"\.(csv|tsv|txt|dat|json|py|m|xml|xlsx)$", "", name)
    stem = re.sub(r"[^\w-]+", "_", stem).strip("_-")
    return f", as in odec new {os.path.join(folder, stem)}" if stem else ""


@click.command(
    short_help="Explain the code of a diagnostic.", epilog=examples("odec explain E201", "odec list codes")
)
@click.argument("code")
def explain(code: str) -> int:
    """Explain the code of a diagnostic, with an example and how to mend it."""
    from odec import lang

    wanted = code.strip().upper().removeprefix("ERROR[").removeprefix("WARNING[").rstrip("]:")
    text = lang.explain(wanted)
    if text is None:
        hint = did_you_mean(wanted, lang.all_codes()) or "; see odec list codes"
        raise ArgumentError(f"unknown code {code!r}{hint}")
    write_stdout(text.rstrip("\n") + "\n")
    return OK


def _methods() -> str:
    from odec.methods.listing import kind, listed, other_names, steps

    rows = [(m.name, kind(m), str(m.order), str(m.stages), steps(m), ", ".join(m.engines)) for m in listed()]
    found = table(("name", "kind", "order", "stages", "steps", "engines"), rows)
    return f"{found}\n{table(('other name', 'here'), other_names())}"


def _methods_in_detail() -> str:
    from odec.methods.listing import detail, listed

    blocks = []
    for method in listed():
        facts = [f"    {name:<14}  {text}\n" for name, text in detail(method)]
        blocks.append(f"{method.name}\n{''.join(facts)}")
    return "\n".join(blocks)


def _functions() -> str:
    from odec.tree import INTERNAL, OPERATIONS

    rows = []
    for operation in OPERATIONS.values():
        if operation.kind not in ("function", "logic") or operation.name in INTERNAL:
            continue
        least, most = operation.arity
        count = str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        rows.append((operation.name, count))
    return table(("name", "arguments"), sorted(rows))


def _codes() -> str:
    from odec import lang

    titles = [(lang.explain(code) or "").partition("\n")[0] for code in lang.all_codes()]
    rows = [
        (code, title.removeprefix("## ").removeprefix(code).lstrip(" :-\u2014"))
        for code, title in zip(lang.all_codes(), titles, strict=True)
    ]
    return table(("code", "meaning"), rows)


def _transforms() -> str:
    rows = [
        ("none", "p = raw", "(-inf, inf)"),
        (
            "softplus",
            "p = lower + log(1 + exp(raw)), or its mirror image below an upper bound",
            "a half line",
        ),
        ("log", "p = exp(raw)", "by `via log`"),
        ("log10", "p = 10**raw", "by `via log10`"),
        ("logit", "p = lower + (upper - lower)/(1 + exp(-raw))", "(a, b)"),
    ]
    return table(("name", "equation", "default for"), rows)


def _engines() -> str:
    from odec.backends import ENGINES

    words = {
        "torch": "plain tensor code on any device; the reference",
        "native": "one fused kernel, beside the torch code; needs a C compiler, on NVIDIA GPUs odec[cuda]",
    }
    return table(("name", "what it is"), [(name, words.get(name, "")) for name in ENGINES])


_LISTS: dict[str, Callable[[], str]] = {
    "methods": _methods,
    "functions": _functions,
    "codes": _codes,
    "transforms": _transforms,
    "engines": _engines,
}

_DETAILS: dict[str, Callable[[], str]] = {"methods": _methods_in_detail}


@click.command(
    "list",
    short_help="List methods, functions, codes, …",
    epilog=examples("odec list methods", "odec list methods --detail", "odec list codes"),
)
@click.argument("what", type=click.Choice(list(_LISTS)))
@click.option("--detail", is_flag=True, help="Say everything that is known of each (methods).")
def list_(what: str, detail: bool) -> int:
    """List what odec knows: methods, functions, codes of diagnostics, transforms, engines."""
    if detail and what not in _DETAILS:
        raise ArgumentError(f"--detail goes with {', '.join(_DETAILS)}; {what} have none")
    write_stdout((_DETAILS if detail else _LISTS)[what]())
    return OK


_HOW = {
    "bash": 'eval "$(odec completion bash)"       # in ~/.bashrc',
    "zsh": 'eval "$(odec completion zsh)"        # in ~/.zshrc',
    "fish": "odec completion fish > ~/.config/fish/completions/odec.fish",
}


@click.command(short_help="Let a shell complete odec.", epilog=examples(*_HOW.values()))
@click.argument("shell", type=click.Choice(list(_HOW)))
def completion(shell: str) -> int:
    """Print the script that lets a shell complete odec's commands, options and methods."""
    from click.shell_completion import get_completion_class

    from odec.cli import cli

    complete = get_completion_class(shell)
    assert complete is not None
    # The template is filled here: click's own source() runs a shell to ask for its version.
    script = complete.source_template % complete(cli, {}, "odec", "_ODEC_COMPLETE").source_vars()
    write_stdout(script.rstrip("\n") + "\n")
    return OK


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as left-aligned columns under a head."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )
