"""Letters of other alphabets that look like Latin ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_LATIN = str.maketrans(
    "аеорсухіјѕԁһԛԝАВЕЅІЈКМНОРСТХУοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhqwABESIJKMHOPCTXYoABEZHIKMNOPTYX",
)


@dataclass(frozen=True)
class Twin:
    """A name that looks like another; `note` says which letters differ."""

    name: str
    note: str


class Lookalikes:
    """Names, to be found by how they look."""

    def __init__(self, names: Iterable[str]):
        self._by_look: dict[str, str] = {}
        for name in names:
            self._by_look.setdefault(name.translate(_LATIN), name)

    def of(self, name: str) -> Twin | None:
        """The name that looks like this one and is another."""
        twin = self._by_look.get(name.translate(_LATIN), name)
        if twin == name:
            return None
        one, two = next((a, b) for a, b in zip(name, twin, strict=True) if a != b)
        return Twin(twin, f"{_letter(one)} looks like {_letter(two)}")


def _letter(char: str) -> str:
    return f"'{char}' ({unicodedata.name(char, '?').lower()})"
