"""Which cases of a product of parameters `make test` runs, and which `make test-all` alone."""

from collections.abc import Callable, Iterable
from itertools import cycle, product

import pytest


def slow_but(cases: Iterable[tuple], quick: Callable[..., bool]) -> list:
    """The cases as parameters; those of which quick(*case) is false are marked slow."""
    return [pytest.param(*case, marks=() if quick(*case) else pytest.mark.slow) for case in cases]


def each_once(*axes: Iterable, besides: Callable[..., bool] = lambda *case: False) -> list:
    """The product of the axes as parameters. Not slow: each value of the first axis once, and `besides`.

    Where the first axis is walked along once, the others are walked along in turn, again and again.
    """
    first, *others = map(list, axes)
    walked = set(zip(first, *map(cycle, others)))
    return slow_but(product(first, *others), lambda *case: case in walked or besides(*case))


def slow_but_for(names: Iterable[str], *quick: str) -> list:
    """The names as parameters; those that are not among the quick ones are marked slow."""
    return slow_but(zip(names), set(quick).__contains__)
