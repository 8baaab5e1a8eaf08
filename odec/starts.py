"""What a run starts from: parameters by name, and initial values, given or by the model's `init` lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from odec.arguments import real_numbers
from odec.errors import ArgumentError, did_you_mean
from odec.passes.lower import Definition, lower, needed
from odec.passes.program import Layout, Value
from odec.system import Param, System, derivative_name, unprimed
from odec.tree import evaluate, symbols

if TYPE_CHECKING:
    import numpy as np
    import torch

    from odec.runtime.model import Model


def state_name(system: System, name: str) -> str:
    """The first-order state that `x`, `x'` or `dx_dt` names. Raises ArgumentError."""
    wanted = unprimed(name)
    states = [derivative_name(i.state, i.order) for i in system.initials if i.order >= 0]
    if wanted not in states:
        raise ArgumentError(unknown_name(system, name))
    return wanted


def unknown_name(system: System, name: str) -> str:
    """What is said of a name that is no parameter and no state."""
    if name in {const.name for const in system.consts}:
        return f"{name!r} is a `const`, fixed when compiled: make it a `param` in the model to set it"
    computed = {item.name for item in system.intermediates} | {item.name for item in system.observables}
    if name in computed:
        return f"{name!r} is computed from the others; only parameters and initial values can be set"
    known = [*(param.name for param in system.params), *system.states]
    hint = did_you_mean(name, known) or f"; the model has {', '.join(known[:12])}" + ", …" * (len(known) > 12)
    return f"the model has no parameter or state {name!r}{hint}"


def _taken(vector: np.ndarray, value: Value) -> np.ndarray:
    """A parameter (*batch, *shape) out of all of them (*batch, m)."""
    found = vector[..., value.place : value.place + value.size]
    return found.reshape((*vector.shape[:-1], *value.shape))


def _given(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The initial value given of a state (*batch, *shape); of an array also one number for all elements.

    Raises ArgumentError.
    """
    import numpy as np

    found = real_numbers(value, name)
    if not np.isfinite(found).all():
        raise ArgumentError(f"the initial value of {name!r} must be a finite number")
    if shape and not found.ndim:
        return np.broadcast_to(found, shape)
    if shape and found.shape[-len(shape) :] != shape:
        wanted = ", ".join(["*batch", *map(str, shape)])
        raise ArgumentError(f"the initial value of {name!r} is ({wanted}), not of shape {found.shape}")
    return found


def initial_states(
    system: System,
    net: Model,
    t: torch.Tensor,
    params: Mapping[str, torch.Tensor],
    init: Mapping[str, Any],
) -> torch.Tensor:
    """x at t[0], (*batch, n): the initial values given, and the others from the model's `init` lines.

    An `init` that uses another state's initial value follows the one that is given.
    """
    import numpy as np
    import torch

    lowered = lower(system)
    layout = Layout.of((param.name, param.shape) for param in net.compiled.params)
    shapes = {value.name: value.shape for value in (*lowered.states, *layout)}
    given, elements = _of_states(system, init, shapes)
    vector = net.vector(params).double().numpy()
    env: dict[str, Any] = {one.name: _taken(vector, one) for one in layout}
    env |= system.constants
    shapes |= {name: np.shape(value) for name, value in system.constants.items()}
    given = {name: with_places(value, elements.get(name, {})) for name, value in given.items()}
    env |= {system.time: float(t[0]), "pi": math.pi, **given}
    definitions = {name: d for name, d in lowered.starting.items() if name not in given}
    for definition in needed(definitions, lowered.initial):
        value = _evaluated(definition, env, shapes)
        env[definition.name] = with_places(value, elements.get(definition.name, {}))
    flat = []
    for name in lowered.states.names:
        value = np.asarray(env[name], dtype=np.float64)
        batch = value.shape[: value.ndim - len(shapes[name])]
        flat.append(value.reshape((*batch, math.prod(shapes[name]))))
    batch = np.broadcast_shapes(*(value.shape[:-1] for value in flat))
    columns = [np.broadcast_to(value, (*batch, value.shape[-1])) for value in flat]
    return torch.from_numpy(np.concatenate(columns, -1)).to(t.dtype)


Places = dict[tuple[int, ...], Any]
"""Values (*batch,) of elements, by their indices."""


def _of_states(
    system: System, init: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Any], dict[str, Places]]:
    """Initial values given: of whole states, and of elements. Raises ArgumentError."""
    given: dict[str, Any] = {}
    elements: dict[str, Places] = {}
    for name, value in init.items():
        whole, bracket, index = name.partition("[")
        state = state_name(system, whole)
        if not bracket:
            given[state] = _given(name, value, shapes[state])
            continue
        place = tuple(int(k) if k.strip().isdecimal() else -1 for k in index.rstrip("]").split(","))
        shape = shapes[state]
        if len(place) != len(shape) or not all(0 <= k < n for k, n in zip(place, shape, strict=True)):
            sizes = ", ".join(map(str, shape))
            told = f"{whole} is of shape [{sizes}], counted from 0" if shape else f"{whole} is a number"
            raise ArgumentError(f"there is no {name}: {told}")
        elements.setdefault(state, {})[place] = _given(name, value, ())
    return given, elements


def with_places(array: np.ndarray, places: Places) -> np.ndarray:
    """Values (*batch, *shape) with others (*batch,) in some places."""
    import numpy as np

    if not places:
        return array
    rank = len(next(iter(places)))
    batch = np.broadcast_shapes(array.shape[: array.ndim - rank], *(np.shape(v) for v in places.values()))
    found = np.array(np.broadcast_to(array, (*batch, *array.shape[array.ndim - rank :])))
    for place, value in places.items():
        where: Any = (..., *place)
        found[where] = value
    return found


def _evaluated(
    definition: Definition, env: Mapping[str, Any], shapes: dict[str, tuple[int, ...]]
) -> np.ndarray:
    """The values (*batch, *shape) of a definition; its shape is noted where it is not known."""
    import numpy as np

    names = sorted({symbol.name for symbol in symbols(definition.expr)})
    values = [np.asarray(env[name], dtype=np.float64) for name in names]
    ranks = [len(shapes.get(name, ())) for name in names]
    cut = [value.ndim - rank for value, rank in zip(values, ranks, strict=True)]
    batch = np.broadcast_shapes(*(value.shape[:k] for value, k in zip(values, cut, strict=True)))
    whole = {
        name: np.broadcast_to(value, (*batch, *value.shape[k:]))
        for name, value, k in zip(names, values, cut, strict=True)
    }
    rows = [
        evaluate(definition.expr, {name: value[place] for name, value in whole.items()})
        for place in np.ndindex(*batch)
    ]
    own = shapes.setdefault(definition.name, np.shape(rows[0]) if rows else ())
    found = [np.broadcast_to(np.asarray(row, dtype=np.float64), own) for row in rows]
    return np.array(found).reshape((*batch, *own))


def defaults(system: System, net: Model) -> dict[str, Any]:
    """The parameters at their defaults, by name; what is drawn, as a Model has drawn it."""
    import numpy as np

    found: dict[str, Any] = {}
    for param in system.params:
        found[param.name] = param.value
        if param.elements:
            found[param.name] = np.reshape(param.elements, param.shape)
        elif param.shape:
            own = attrgetter(net.attributes[param.name])(net).detach().cpu().numpy()
            found[param.name] = own if param.draw else np.full(param.shape, param.value)
    return found


def elements_of(system: System) -> dict[str, Param]:
    """The parameters that are arrays, by the names of their elements: `W[0,1]`."""
    found: dict[str, Param] = {}
    for param in system.params:
        if param.shape:
            found |= dict.fromkeys(Layout.of([(param.name, param.shape)]).columns, param)
    return found


def with_elements(values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name with those that are given, of whole parameters or of elements (`W[0,1]`) in their place.

    Raises ArgumentError where an element's value is no number.
    """
    import numpy as np

    found = values | {name: value for name, value in given.items() if "[" not in name}
    places: dict[str, Places] = {}
    for name, value in given.items():
        whole, bracket, index = name.partition("[")
        if bracket:
            place = tuple(int(k) for k in index.rstrip("]").split(","))
            places.setdefault(whole, {})[place] = real_numbers(value, name)
    for whole, own in places.items():
        array = real_numbers(found[whole], whole)
        array = array if array.ndim else np.broadcast_to(array, np.shape(values[whole]))
        found[whole] = with_places(array, own)
    return found
