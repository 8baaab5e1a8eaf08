"""What `odec check` and `odec fmt` do with a text, and what of it is a fault.

A fault is an exception that is no diagnostic; too much time or memory; an error without a diagnostic or the
reverse; a diagnostic that cannot be shown; a formatter whose result is no fixed point, is refused, or means
something else.
"""

from __future__ import annotations

import json
import resource
import signal
import traceback
from dataclasses import replace
from pathlib import Path

import odec
from odec import build, lang
from odec.diagnostics import Diagnostic, ModelError, Source, Span, render_json, render_text


class Fault(Exception):
    """What is wrong: a kind that tells faults apart, and the details."""

    def __init__(self, kind: str, details: str = ""):
        super().__init__(f"{kind}\n{details}")
        self.kind, self.details = kind, details


class TooLong(BaseException):
    pass


def meaning(system: odec.System) -> object:
    """A System without its source and places."""
    return (
        system.kind, system.time, system.time_unit, system.doc, system.states, system.state_units,
        [(p.name, p.default, repr(p.value), p.interval, p.transform, p.unit, p.doc) for p in system.params],
        [(c.name, c.expr, repr(c.value), c.unit, c.doc) for c in system.consts],
        [(e.state, e.order, e.expr, e.doc) for e in system.equations],
        [(i.state, i.order, i.expr, i.unit, i.doc) for i in system.initials],
        [(i.name, i.expr, i.doc) for i in system.intermediates],
        [(f.name, f.args, f.body, f.doc) for f in system.functions],
        [(i.name, i.kind, i.unit, i.doc) for i in system.inputs],
        [(o.name, o.expr, o.noise and (o.noise.distribution, o.noise.args)) for o in system.observables],
        [(o.unit, o.doc) for o in system.observables],
        system.run and replace(system.run, span=Span(0, 0)),
    )  # fmt: skip


def read_as_check_does(data: bytes, codes: set[str]) -> str:
    """What `odec check` and `odec fmt` do with these bytes: "valid", or the first code. Raises Fault."""
    try:
        source = lang.decode("model.ode", data)
    except ModelError as error:
        render_text(error.diagnostics)
        render_json(error.diagnostics)
        return error.diagnostics[0].code
    try:
        system, found = build.read(source)
        if any(d.severity == "error" for d in found):
            raise Fault("a system with errors", render_text(found))
    except ModelError as error:
        system, found = None, list(error.diagnostics)
        if not any(d.severity == "error" for d in found):
            raise Fault("no system and no error") from None
    check_shown(source, found, codes)
    check_format(source, system)
    return found[0].code if system is None else "valid"


def check_shown(source: Source, found: list[Diagnostic], codes: set[str]) -> None:
    """Raise Fault where a diagnostic cannot be shown."""
    for diagnostic in found:
        if diagnostic.code not in codes:
            raise Fault(f"unknown code {diagnostic.code}")
        if diagnostic.span is not None and not 0 <= diagnostic.span.start <= len(source.text):
            raise Fault("a span outside the text", repr(diagnostic))
    if len(render_text(found, color=True) + render_text(found)) > 1_000_000:
        raise Fault("more than 1 MB of diagnostics")
    json.loads(render_json(found))


def check_format(source: Source, system: odec.System | None) -> None:
    """Raise Fault where the formatter is no fixed point, refuses a model, or changes what it means."""
    try:
        once = lang.format_source(source)
    except ModelError as error:
        if system is not None:
            raise Fault("fmt refuses what check takes", str(error)) from None
        return
    if lang.format_source(Source("model.ode", once)) != once:
        raise Fault("fmt twice is not fmt once", once)
    if system is None:
        return
    try:
        again = build.read(Source("model.ode", once))[0]
    except ModelError as error:
        raise Fault("fmt makes a model invalid", f"{error}\n---\n{once}") from None
    if meaning(again) != meaning(system):
        raise Fault("fmt changes what a model means", once)


def guarded(data: bytes, codes: set[str], seconds: float = 2.0, megabytes: int = 300) -> str:
    """read_as_check_does within limits of CPU time and of memory."""

    def stop(*_: object) -> None:
        raise TooLong

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    handler = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        answer = read_as_check_does(data, codes)
    except TooLong:
        raise Fault("hangs", traceback.format_exc()) from None
    except Fault:
        raise
    except BaseException as error:
        raise Fault(signature(error), traceback.format_exc()) from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    if grown > megabytes:
        raise Fault(f"takes more than {megabytes} MB", f"{grown} MB")
    return answer


def signature(error: BaseException) -> str:
    """An exception and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "odec" in frame.filename] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].name}" if own else "?"
    return f"{type(error).__name__} in {place}"
