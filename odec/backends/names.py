"""Spellings: how a model's names are written where they clash with the target language."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def spellings(names: Iterable[str], clashes: Callable[[str], bool]) -> dict[str, str]:
    """A spelling for each name that clashes: the name with as many underscores as it takes.

    Names that need none are left out. Spellings never meet another name of the model.
    """
    names = list(names)
    taken = set(names)
    renamed: dict[str, str] = {}
    for name in names:
        spelling = name
        while clashes(spelling) or (spelling != name and spelling in taken):
            spelling += "_"
        if spelling != name:
            taken.add(spelling)
            renamed[name] = spelling
    return renamed
