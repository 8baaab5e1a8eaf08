"""A fit.json that was cut or changed is refused in words, or its entry does not matter: nothing crashes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import odec
from odec.errors import ArgumentError
from odec.fit.saved import digest_of

MODEL = """\
param k = 0.5, x0 = 2 in (0, inf)
init x = x0
init y = 0
x' = -k*x
y' = k*x
run t = 0 .. 4 step 0.5 method heun2
"""
DATA = {"t": [0.0, 1.0, 2.0, 3.0], "x": [3.0, 1.8, 1.1, 0.68], "y": [0.0, 1.2, 1.9, 2.3]}
JUNK: tuple[Any, ...] = ([], 1e400, "m", [1.0], None, [None, None], {"a": 1}, [[1.0]], True)


def places(value: Any, *place: Any) -> Iterator[tuple[Any, ...]]:
    """Every entry of a document, and the first and last of its lists."""
    if place:
        yield place
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], *place, name)
    elif isinstance(value, list) and value:
        for k in {0, len(value) - 1}:
            yield from places(value[k], *place, k)


def changed(document: Any, place: tuple[Any, ...], junk: Any = None, *, lost: bool = False) -> Any:
    """With another entry at a place or none, and the digest of that: as by someone who means it."""
    document = copy.deepcopy(document)
    holder = document
    for name in place[:-1]:
        holder = holder[name]
    if lost:
        del holder[place[-1]]
    else:
        holder[place[-1]] = junk
    return {**document, "sha256": digest_of(document)}


@pytest.mark.parametrize(
    ("optimizer", "engine"),
    [
        ("adam", "native"),
        ("gauss-newton", "native"),
        ("lbfgs", "native"),
        pytest.param("adam", "torch", marks=pytest.mark.slow),
    ],
)
def test_whatever_stands_in_a_fit_is_told_or_does_not_matter(
    optimizer: str, engine: str, tmp_path: Path
) -> None:
    path = tmp_path / "fit.json"
    options: dict[str, Any] = {"engine": engine, "method": "heun2"}
    odec.fit(MODEL, DATA, optimizer=optimizer, epochs=3, **options).save(path)
    good = json.loads(path.read_text(encoding="utf-8"))
    whole = [
        place
        for place in places(good)
        if place[0] in ("state", "losses", "loss", "start", "converged", "notes")
    ]
    whole += [("options",), ("model",), ("data",), ("format",)]
    told = 0
    for place in whole:
        junks = JUNK if place[0] == "state" and engine == "native" else JUNK[:1]
        for document in [changed(good, place, lost=True), *(changed(good, place, junk) for junk in junks)]:
            path.write_text(json.dumps(document), encoding="utf-8")
            try:
                odec.fit(MODEL, DATA, resume=path, epochs=4, **options)
            except ArgumentError as error:
                assert str(path) in str(error), (place, document)
                told += 1
    assert told > len(whole)


def test_the_entry_is_named(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    odec.fit(MODEL, DATA, optimizer="adam", epochs=2).save(path)
    good = json.loads(path.read_text(encoding="utf-8"))
    for place, junk, words in (
        (("state", "memory", "v"), [], "state.memory.v needs 2 numbers and has 0"),
        (("state", "memory", "m"), 3.0, "state.memory.m is no list of numbers"),
        (("state", "memory", "count"), -(2**63), "state.memory.count is negative"),
        (("state", "theta"), [1.0], "state.theta needs 2 numbers and has 1"),
        (("state", "epoch"), "2", "state.epoch is no whole number"),
        (("losses",), [1.0], "losses needs 3 numbers and has 1"),
        (("start", "k"), None, "start.k is no finite number"),
    ):
        path.write_text(json.dumps(changed(good, place, junk)), encoding="utf-8")
        with pytest.raises(ArgumentError, match=f"the fit.json is damaged: {words}"):
            odec.fit(MODEL, DATA, resume=path)
    path.write_text(json.dumps(changed(good, ("state", "memory", "m"), lost=True)), encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"the fit.json is damaged: it lacks state.memory.m"):
        odec.fit(MODEL, DATA, resume=path, epochs=4)


@pytest.mark.parametrize("optimizer", ["adam", "gauss-newton", "lbfgs"])
def test_no_bit_may_change(optimizer: str, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    odec.fit(MODEL, DATA, optimizer=optimizer, epochs=3).save(path)
    whole, moments = path.read_bytes(), random.Random(optimizer)
    for _ in range(70):
        content = bytearray(whole)
        for place in moments.choices(range(len(whole)), k=moments.choice([1, 1, 1, 8])):
            content[place] ^= 1 << moments.randrange(8)
        path.write_bytes(content)
        try:
            same = json.loads(content) == json.loads(whole)
        except ValueError:
            same = False
        if not same:
            with pytest.raises(ArgumentError):
                odec.fit(MODEL, DATA, resume=path, epochs=4)


@pytest.mark.parametrize("end", [0, 1, 40, 400, -2])
def test_a_fit_that_was_cut(end: int, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    odec.fit(MODEL, DATA, epochs=1).save(path)
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(ArgumentError, match="not a fit.json"):
        odec.fit(MODEL, DATA, resume=path)
