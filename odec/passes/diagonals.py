"""On which diagonals the Jacobian of an array program may have entries: those of a stencil are few.

For each element of each value the states that it may depend on are a set of bits, which operations join; so
what is not zero for certain is known without a derivative. Diagonals that stand for more than that are safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from odec.arrays import ARRAY_OPERATIONS, Shape, Static, axis_of, index_of, placed
from odec.passes.program import Program, Value
from odec.passes.rules import DERIVATIVE_FREE
from odec.tree import Number, Op, Symbol, fold, rule_of

if TYPE_CHECKING:
    import numpy as np

MOST_STATES, MOST = 1 << 14, 64
"""Of more states, or more diagonals, the Jacobian is taken column by column."""


def diagonals(program: Program) -> tuple[int, ...]:
    """Columns less rows of the entries of ∂f/∂x that may not be 0, ascending; () where they are not few.

    Few are those of which a colouring (see `period`) takes at most half as many products as there are states.
    """
    width = program.inputs["x"].width
    if not 2 < width <= MOST_STATES:
        return ()
    found = set[int]()
    place = 0
    for bits in _outputs(program):
        for row, some in enumerate(bits, place):
            found |= _offsets(some, row)
        place += len(bits)
        if len(found) > min(MOST, width // 2):
            return ()
    offsets = tuple(sorted(found))
    return offsets if offsets and 2 * period(offsets) <= width else ()


def period(offsets: tuple[int, ...]) -> int:
    """The least number of colours c so that columns j of one j mod c share no row."""
    apart = {abs(a - b) for a in offsets for b in offsets} - {0}
    colours = 1
    while any(difference % colours == 0 for difference in apart):
        colours += 1
    return colours


def _offsets(bits: int, row: int) -> set[int]:
    found = set[int]()
    while bits:
        lowest = bits & -bits
        found.add(lowest.bit_length() - 1 - row)
        bits ^= lowest
    return found


def _outputs(program: Program) -> list[list[int]]:
    """The states that each element of each output may depend on, as bits."""
    import numpy as np

    shapes = program.shapes()
    known: dict[str, np.ndarray] = {value.name: _of_state(value) for value in program.inputs["x"]}

    def leaf(node: Number | Symbol) -> np.ndarray:
        if isinstance(node, Symbol):
            return known[node.name] if node.name in known else _none(shapes.get(node.name, ()))
        return _none(())

    for assign in program.body:
        known[assign.name] = fold(assign.expr, leaf, _combined)
    outputs = zip(program.outputs["dx"], program.results["dx"], strict=True)
    return [np.broadcast_to(fold(expr, leaf, _combined), v.shape).ravel().tolist() for expr, v in outputs]


def _of_state(value: Value) -> np.ndarray:
    import numpy as np

    bits = np.array([1 << (value.place + k) for k in range(value.size)], dtype=object)
    return bits.reshape(value.shape)


def _none(shape: Shape) -> np.ndarray:
    """No state for any element, without room for each."""
    import numpy as np

    return np.broadcast_to(np.array(0, dtype=object), shape)


def _combined(node: Op, args: tuple[np.ndarray, ...]) -> np.ndarray:
    """The sets of an operation's elements from those of its arguments."""
    import numpy as np

    shape = rule_of(node.op)([arg.shape for arg in args], node.static)
    if node.op in DERIVATIVE_FREE or not args:
        return _none(shape)
    if node.op in ARRAY_OPERATIONS:
        return np.asarray(_sets()[node.op](node.static, shape, *args), dtype=object).reshape(shape)
    found = np.array(0, dtype=object)
    for arg in args[1:] if node.op == "select" else args:
        found = np.asarray(np.bitwise_or(found, arg), dtype=object)
    return np.broadcast_to(found, shape)


def _sets() -> Mapping[str, Callable[..., Any]]:
    """What operations of arrays do with sets of bits, by static, their shape and their arguments."""
    import numpy as np

    union = np.bitwise_or

    def reduced(static: Static, shape: Shape, a: np.ndarray) -> Any:
        return union.reduce(a, axis=axis_of(static) if static else None)

    def product(static: Static, shape: Shape, a: np.ndarray, b: np.ndarray) -> Any:
        rows, columns = union.reduce(a, axis=-1), union.reduce(b, axis=0)
        return union.outer(*(np.asarray(sets, dtype=object) for sets in (rows, columns)))

    def put(static: Static, shape: Shape, a: np.ndarray) -> Any:
        whole = np.zeros(shape, dtype=object)
        whole[index_of(placed(static)[1])] = a
        return whole

    def moved(name: str) -> Callable[..., Any]:
        return lambda static, shape, *args: ARRAY_OPERATIONS[name].value(static, *args)

    sets: dict[str, Callable[..., Any]] = dict.fromkeys(
        ("sum", "mean", "largest", "smallest", "norm"), reduced
    )
    sets |= {
        name: moved(name) for name in ("transpose", "flip", "concat", "stack", "slice", "repeat", "reshape")
    }
    sets["matmul"] = product
    sets["outer"] = lambda static, shape, a, b: union.outer(a, b)
    sets["cumsum"] = lambda static, shape, a: union.accumulate(a, axis=axis_of(static))
    sets["place"] = put
    sets["external"] = lambda static, shape, *args: np.broadcast_to(
        union.reduce([union.reduce(arg, axis=None) for arg in args]), shape
    )
    sets["broadcast"] = lambda static, shape, a: np.broadcast_to(a, shape)
    return sets
