"""What a module says of its parameters, networks, inputs and constants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from odec.backends.layout import call_text, tuple_text
from odec.backends.torch.functions import FunctionWriter
from odec.backends.torch.text import literal, short_literal
from odec.passes.program import Programs
from odec.system import Input, Net, Param, System
from odec.text import python_comment, python_string


def inputs_text(system: System) -> str:
    return tuple_text([_input(entry) for entry in system.inputs], 4, "inputs=,")


def _input(entry: Input) -> str:
    name = python_string(entry.name)
    if entry.shape:
        return f'*rt.inputs({name}, "{entry.kind}", {", ".join(map(str, entry.shape))})'
    return f'rt.Input({name}, "{entry.kind}")'


def param_of(param: Param, attribute: str) -> dict[str, Any]:
    interval = param.interval
    parts = [python_string(param.name)]
    if param.elements:
        parts.append(tuple_text([short_literal(value) for value in param.elements], 12, ","))
    elif not param.draw:
        parts.append(short_literal(param.value))
    parts += [f"lower={short_literal(interval.lower)}"] if math.isfinite(interval.lower) else []
    parts += [f"upper={short_literal(interval.upper)}"] if math.isfinite(interval.upper) else []
    ends = ("[" if interval.lower_closed else "(") + ("]" if interval.upper_closed else ")")
    parts += [f'ends="{ends}"'] if ends != "()" else []
    parts += [f'via="{param.transform}"'] if param.transform != "none" else []
    parts += [f"shape={param.shape}"] if param.shape else []
    parts += [f"draw={_draw(param)}"] if param.draw else []
    parts += [f"attribute={python_string(attribute)}"] if attribute != param.name else []
    parts += [f"unit={python_string(python_comment(param.unit))}"] if param.unit else []
    parts += [f"doc={python_string(python_comment(param.doc))}"] if param.doc else []
    return {"name": param.name, "text": f"        {call_text('rt.Param', parts, 8, 1)},"}


def nets_text(nets: Sequence[Net], attributes: Mapping[str, str]) -> str:
    """The tuple of a model's networks; empty where there are none."""
    return tuple_text([_net(net, attributes[net.name]) for net in nets], 4, "nets = ") if nets else ""


def _net(net: Net, attribute: str) -> str:
    """A network, by its sizes."""
    if net.external:
        shapes = [f"inputs={net.inputs}", f"output={net.outputs[0][1]}"]
        own = [f"attribute={python_string(attribute)}"] if attribute != net.name else []
        return call_text("rt.ExternalNet", [python_string(net.name), *shapes, *own], 8, 1)
    parts = [python_string(net.name), str(net.sizes)]
    parts += [python_string(net.activation)] if net.activation else []
    parts += [] if net.bias else ["bias=False"]
    parts += [] if net.seed is None else [f"seed={net.seed}"]
    parts += [f"attribute={python_string(attribute)}"] if attribute != net.name else []
    return call_text("rt.Net", parts, 8, 1)


def _draw(param: Param) -> str:
    """What a parameter is drawn from, as a tuple."""
    name, *numbers = param.draw
    parts = [python_string(str(name)), *(short_literal(float(number)) for number in numbers)]
    return f"({', '.join(parts)}{'' if numbers else ','})"


def consts_of(programs: Programs, writer: FunctionWriter) -> list[dict[str, str]]:
    source = programs.system.source
    rows = []
    for const in (c for c in programs.system.consts if not c.shape):
        place = f"{PurePath(source.name).name}:{source.position(const.span.start)[0]}"
        remark = f"{place}: {const.doc}" if const.doc else place
        rows.append({"name": writer.spell(const.name), "value": literal(const.value), "remark": remark})
    return rows
