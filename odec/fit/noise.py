"""The noise that a model declares, made ready for a fit: its arguments as further observables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odec import build
from odec.diagnostics import Source
from odec.errors import ArgumentError, DataError
from odec.fit.data import DEVIATION, Dataset
from odec.fit.densities import DENSITIES
from odec.runtime.compiled import Noise
from odec.system import Observable, System
from odec.tree import symbols

FIT_THE_FILE = "fit the .ode file, not a module or a Model"


@dataclass(frozen=True)
class Term:
    """The noise of one observable: its distribution, and the observables that its arguments have become."""

    observable: str
    distribution: str
    args: tuple[str, ...]
    place: str


def with_noise(system: System) -> tuple[System, dict[str, Term]]:
    """The model with the arguments of its noise as observables of their own, and the noise by observable.

    The model itself, and nothing, where one constant sigma for all is what least squares stand for. Raises
    ArgumentError for a noise that a fit does not know.
    """
    noisy = [o for o in system.observables if o.noise is not None]
    if len({o.noise.sigma for o in noisy if o.noise}) < 2 and all(o.noise and o.noise.sigma for o in noisy):
        return system, {}
    taken = {*system.states, *(o.name for o in system.observables)}
    taken |= {item.name for part in (system.params, system.consts, system.intermediates) for item in part}
    taken |= {item.name for part in (system.inputs, system.functions) for item in part}
    lines, terms = [], {}
    for observable in noisy:
        if observable.shape or observable.noise is None:
            continue
        place = f"{system.source.name}, line {system.source.position(observable.span.start)[0]}"
        names = []
        for k, text in enumerate(_arguments(system, observable), 1):
            name = f"{observable.name}_noise{k}"
            while name in taken:
                name += "_"
            taken.add(name)
            names.append(name)
            lines.append(f"obs {name} = ({text}\n)\n")
        terms[observable.name] = Term(observable.name, observable.noise.distribution, tuple(names), place)
    text = system.source.text.rstrip("\n") + "\n" + "".join(lines)
    return build.parse(Source(system.source.name, text)), terms


def _arguments(system: System, observable: Observable) -> list[str]:
    """The texts of the arguments of an observable's noise."""
    assert observable.noise is not None
    text = system.source.text[observable.noise.span.start : observable.noise.span.end]
    if not observable.noise.args:
        return []
    inside = text[text.index("(") + 1 : text.rindex(")")]
    return _split(inside) if len(observable.noise.args) > 1 else [inside]


def _split(text: str) -> list[str]:
    """Arguments at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def terms_of(
    data: Dataset, noises: Sequence[Noise], terms: Mapping[str, Term], system: System | None
) -> list[Term] | None:
    """The noise of each column measured, in their order; None where a sum of squares stands for it.

    Raises ArgumentError where some columns have none or it cannot be fitted, DataError where a value cannot
    be a measurement of it.
    """
    declared = {noise.observable: noise for noise in noises}
    own = [declared.get(name) or declared.get(name.partition("[")[0]) for name in data.measured]
    said = next((noise for noise in own if noise), None)
    if said is None:
        return None
    if data.sds is not None:
        raise ArgumentError(
            f"{said.place}: the noise of {said.observable} is given, and the data have standard deviations"
            f" of their own (columns {DEVIATION}): leave out one of the two"
        )
    if all(own) and len({noise.sigma for noise in own if noise}) == 1 and own[0] and own[0].sigma is not None:
        return None
    given = {name: noise for name, noise in zip(data.measured, own, strict=True) if noise}
    bare = [name for name in data.measured if name not in given]
    if bare:
        raise ArgumentError(
            f"the noise of {next(iter(given))} is given and that of {bare[0]} is not: give it to all that was"
            " measured, or to none"
        )
    found = []
    for name, noise in given.items():
        if name not in terms:
            raise ArgumentError(_refusal(name, noise))
        found.append(terms[name])
        _check(name, noise, data, system)
    return found


def _refusal(name: str, noise: Noise) -> str:
    told = f"{noise.place}: the noise of {name} is {noise.distribution}"
    if "[" in name or noise.observable != name:
        return f"{told}, which a fit does not heed of elements of arrays yet; leave out what follows '~'"
    return f"{told}, which a fit does not heed of a compiled model; {FIT_THE_FILE}"


def _check(name: str, noise: Noise, data: Dataset, system: System | None) -> None:
    """Raise an error for a distribution that cannot be fitted, or a value that it cannot give."""
    told = f"{noise.place}: the noise of {name} is {noise.distribution}"
    density = DENSITIES.get(noise.distribution)
    if density is None:
        raise ArgumentError(
            f"{told}, which a fit does not heed yet; student_t bears outliers, too (there are"
            f" {', '.join(DENSITIES)})"
        )
    consts = {const.name for const in system.consts} if system else set()
    said = next((o.noise for o in system.observables if o.name == name), None) if system else None
    if noise.distribution == "student_t" and said and {s.name for s in symbols(said.args[0])} - consts:
        raise ArgumentError(f"{told}, whose nu must be a number or a constant in a fit")
    times, values = data.column(name)
    for time, value in zip(times.tolist(), values.tolist(), strict=True):
        where = f"{data.name}, column {name!r}: {value:g} at {data.time_name} = {time:g}"
        if density.positive and not value > 0:
            raise DataError(
                f"{where}, but a lognormal noise ({noise.place}) knows positive values alone; leave the cell"
                " empty, or take another noise"
            )
        if density.counts and not (value >= 0 and value == int(value)):
            raise DataError(f"{where}, but {noise.distribution} ({noise.place}) counts 0, 1, 2, …")
