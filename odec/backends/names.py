"""Spellings: how a model's names are written where they clash with the target language."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_MOST = 4
"""Underscores that are enough for any name: three for one that begins with two."""


def undotted(names: Iterable[str]) -> dict[str, str]:
    """A spelling for each name with dots, as weights of nets have: with underscores, and no other has it."""
    taken = {*names}
    found: dict[str, str] = {}
    for name in sorted(name for name in taken if "." in name):
        spelling = name.replace(".", "_")
        spelling = f"net{spelling}" if spelling.startswith("_") else spelling
        while spelling in taken:
            spelling += "_"
        taken.add(spelling)
        found[name] = spelling
    return found


def spellings(names: Iterable[str], clashes: Callable[[str, str], bool]) -> dict[str, str]:
    """A spelling for each name that clashes: the name with so many underscores more.

    clashes: whether a name must not be written in a spelling. Names that differ in underscores at their end
    get the same number of them, so that no two meet. Names that need none are left out.
    """
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(name.rstrip("_"), []).append(name)
    renamed: dict[str, str] = {}
    for group in alike.values():
        more = next(k for k in range(_MOST + 1) if not any(clashes(name, name + "_" * k) for name in group))
        renamed.update({name: name + "_" * more for name in group if more})
    return renamed
