"""What a model's switches do to its numbers: told once, with what is exact and what is not."""

from __future__ import annotations

from collections.abc import Sequence

from odec.lang.report import Report, words
from odec.lang.switches import Switch, not_located, params_only_in_conditions, switches_in_states
from odec.system import System

_IN_TIME = "steps by a tolerance find each switch, unless two lie closer together than the outputs"
_IN_STATES = "steps by a tolerance find each jump; gradients leave out that its instant moves"


def report_switches(system: System, report: Report) -> None:
    """Warn of switches on which no step lands: in time, and at thresholds in states; a map has no steps."""
    if system.kind == "map":
        return
    timed = not_located(system)
    if timed:
        first = next((s for s in timed if s.jumps and _params(system, s)), timed[0])
        notes = (f"not located: {first.why}", _IN_TIME, *_of_gradient(system, first))
        _add("W606", "the equations switch in time where no step lands", first, timed, system, report, notes)
    jumps = [s for s in switches_in_states(system) if s.jumps]
    if jumps:
        message = "the equations jump where a state crosses a threshold"
        _add("W607", message, jumps[0], jumps, system, report, (_IN_STATES,))


def unseen_parameters(system: System) -> dict[str, str]:
    """Parameters that no gradient sees, as they stand in conditions alone; with a sentence on each."""
    sentences = {}
    for name, found in params_only_in_conditions(system).items():
        lines = sorted({system.source.position(s.span.start)[0] for s in found if s.span})
        where = f" on line{'s' if len(lines) > 1 else ''} {words(map(str, lines), 'and')}" if lines else ""
        sentences[name] = (
            f"{name} stands only in a condition{where}, which gradients do not see: it stays at its start; "
            "write a sigmoid in place of the condition to fit it"
        )
    return sentences


def _add(
    code: str,
    message: str,
    first: Switch,
    found: Sequence[Switch],
    system: System,
    report: Report,
    notes: tuple[str, ...],
) -> None:
    """One warning for all switches of a kind, at one of them."""
    position = system.source.position
    lines = {position(s.span.start)[0] for s in found if s.span}
    lines -= {position(first.span.start)[0]} if first.span else set()
    if lines:
        several = "lines" if len(lines) > 1 else "line"
        notes = (*notes, f"the same on {several} {words(map(str, sorted(lines)), 'and')}")
    names = sorted(first.names, key=lambda name: (name != system.time, name))
    report.add(code, message, first.span, f"decided by {words(names, 'and')}", *notes)


def _params(system: System, switch: Switch) -> list[str]:
    return [p.name for p in system.params if p.name in switch.names]


def _of_gradient(system: System, switch: Switch) -> tuple[str, ...]:
    """What the gradient by the parameters of a jump does not see."""
    moving = _params(system, switch) if switch.jumps else []
    if not moving:
        return ()
    by = words(moving, "and")
    return (f"the gradient by {by} does not see the switch move: write a sigmoid in its place to fit it",)
