"""The symbolic LU factorisation, its operations carried out on numbers, against numpy."""

import numpy as np
import pytest

from odec.passes.lu import factorize

RNG = np.random.default_rng(20250601)


def pattern_of(size, density, rng):
    found = np.argwhere(rng.random((size, size)) < density)
    return [(int(i), int(j)) for i, j in found]


def matrix(size, pattern, rng):
    """J on its pattern, and W = shift - J, diagonally dominant so that no rows need to be exchanged."""
    J = np.zeros((size, size))
    for i, j in pattern:
        J[i, j] = rng.normal()
    shift = 1 + np.abs(J).sum()
    return J, shift, shift * np.eye(size) - J


def factor(lu, J, shift, pattern):
    """The entries of L + U - I, with each pivot's reciprocal in its place."""
    entries = np.zeros(len(lu.places))
    for place, (source, (i, j)) in enumerate(zip(lu.source, lu.places, strict=True)):
        entries[place] = (shift if i == j else 0.0) - (J[pattern[source]] if source is not None else 0.0)
    before = entries.copy()
    for pivot in lu.pivots:
        taken = sum(entries[left] * entries[above] for left, above in pivot.taken)
        np.testing.assert_allclose(before[pivot.diagonal] - taken, entries[pivot.diagonal], rtol=1e-12)
        entries[pivot.diagonal] = 1 / entries[pivot.diagonal]
        for place in pivot.scale:
            entries[place] *= entries[pivot.diagonal]
        for target, left, right in pivot.update:
            entries[target] -= entries[left] * entries[right]
    return entries


def sweep(rows, entries, b, divided):
    for row in rows:
        b[row.index] -= sum(entries[place] * b[other] for place, other in row.terms)
        if divided:
            b[row.index] *= entries[row.diagonal]


def solve(lu, entries, b, transposed=False):
    x = b.copy()
    first, second = (lu.upper_transposed, lu.lower_transposed) if transposed else (lu.lower, lu.upper)
    sweep(first, entries, x, divided=transposed)
    sweep(second, entries, x, divided=not transposed)
    return x


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12, 40])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.4, 1.0])
def test_solves_are_numpys(size, density):
    pattern = pattern_of(size, density, RNG)
    J, shift, W = matrix(size, pattern, RNG)
    lu = factorize(size, pattern)
    entries, b = factor(lu, J, shift, pattern), RNG.normal(size=size)
    assert np.allclose(solve(lu, entries, b), np.linalg.solve(W, b), rtol=1e-12, atol=1e-15)
    assert np.allclose(solve(lu, entries, b, True), np.linalg.solve(W.T, b), rtol=1e-12, atol=1e-15)


def test_any_order_of_elimination_solves():
    pattern = pattern_of(15, 0.2, RNG)
    J, shift, W = matrix(15, pattern, RNG)
    b = RNG.normal(size=15)
    for _ in range(20):
        order = [int(k) for k in RNG.permutation(15)]
        lu = factorize(15, pattern, order)
        assert lu.order == tuple(order)
        entries = factor(lu, J, shift, pattern)
        assert np.allclose(solve(lu, entries, b), np.linalg.solve(W, b), rtol=1e-12, atol=1e-15)
        assert np.allclose(solve(lu, entries, b, True), np.linalg.solve(W.T, b), rtol=1e-12, atol=1e-15)


def test_every_entry_stands_once_and_knows_where_it_came_from():
    pattern = pattern_of(12, 0.25, RNG)
    lu = factorize(12, pattern)
    assert len(set(lu.places)) == len(lu.places)
    assert {lu.places[k]: s for k, s in enumerate(lu.source) if s is not None} == {
        entry: k for k, entry in enumerate(pattern)
    }
    assert set(lu.places) >= {(i, i) for i in range(12)}


def test_an_arrow_fills_only_where_the_point_goes_first():
    size = 30
    arrow = [(0, k) for k in range(size)] + [(k, 0) for k in range(1, size)]
    assert factorize(size, arrow).fill == 0
    assert factorize(size, arrow, range(size)).fill == (size - 1) * (size - 2)


def test_a_band_does_not_fill():
    band = [(i, j) for i in range(64) for j in (i - 1, i, i + 1) if 0 <= j < 64]
    lu = factorize(64, band)
    assert lu.fill == 0
    assert lu.operations < 12 * 64


def test_the_order_spares_fill():
    spared = 0
    for _ in range(10):
        pattern = pattern_of(40, 0.06, RNG)
        chosen, plain = factorize(40, pattern), factorize(40, pattern, range(40))
        assert chosen.fill <= plain.fill
        spared += plain.fill - chosen.fill
    assert spared > 500


def test_the_switch_to_loops_follows_the_count_of_operations():
    assert factorize(20, pattern_of(20, 0.2, RNG)).unrolled
    assert not factorize(40, pattern_of(40, 1.0, RNG)).unrolled


def test_the_same_pattern_gives_the_same_operations():
    pattern = pattern_of(25, 0.15, RNG)
    assert factorize(25, pattern) == factorize(25, list(pattern))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((2, [(0, 2)]), "outside a matrix of size 2"), ((2, [], [0, 0]), "must name each of 0")],
)
def test_what_is_no_pattern(arguments, message):
    with pytest.raises(ValueError, match=message):
        factorize(*arguments)
