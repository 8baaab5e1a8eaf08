"""The jinja2 environment, and the text of a module from its programs."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

from odec.backends import ENGINES
from odec.backends.job import Job
from odec.backends.native import kernel_job, refusal
from odec.backends.torch import module_job
from odec.errors import ArgumentError
from odec.methods import MAP, METHODS, Auto, Method, get
from odec.passes.program import Programs
from odec.text import c_comment, python_comment, python_docstring, python_string


@functools.cache
def environment() -> jinja2.Environment:
    """Templates from the installed package, else from the checkout; an unknown name is an error."""
    package = Path(__file__).parent
    folders = [package / "_templates", package.parent / "templates"]
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder for folder in folders if folder.is_dir()]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    found.filters.update(
        python_comment=python_comment,
        docstring=python_docstring,
        python_string=python_string,
        c_comment=c_comment,
    )
    return found


def render(job: Job) -> str:
    """The text of a job; a job within its context is rendered first."""
    context = {name: render(part) if isinstance(part, Job) else part for name, part in job.context.items()}
    return environment().get_template(job.template).render(context)


def module_text(
    programs: Programs, method: str, *, version: str, engine: str = "torch", standalone: bool = False
) -> str:
    """The generated module of a model for one method and engine.

    method: a name that `odec.methods.get` knows; ignored for a map. Raises KeyError for an unknown one,
    ArgumentError for one that the engine does not hold.
    engine: "torch", or "native" for a module that holds both. Raises ValueError for an unknown one.
    """
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    chosen = None if programs.system.kind == MAP else get(method)
    if chosen is not None:
        _check_engine(chosen, engine)
    told = refusal(programs.system, chosen) if engine == "native" and programs.arrays else ""
    if told:
        raise ArgumentError(f"{told}; choose engine='torch'")
    kernel = kernel_job(programs, chosen, version=version) if engine == "native" else None
    return render(module_job(programs, chosen, version=version, kernel=kernel, standalone=standalone))


def _check_engine(method: Method | Auto, engine: str) -> None:
    """Raise ArgumentError where the engine cannot step the method, with what can."""
    if engine in method.engines:
        return
    kind = f"method {method.name!r} ({method.family}) does not run on the {engine} engine"
    if method.engines:
        raise ArgumentError(f"{kind}: choose engine {method.engines[0]!r}")
    others = ", ".join(m.name for m in METHODS.values() if engine in m.engines)
    raise ArgumentError(f"{kind}, nor on any other yet; methods that do: {others}")
