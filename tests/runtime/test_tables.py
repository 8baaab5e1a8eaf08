"""The printed tables are the methods' own numbers."""

import numpy as np
import pytest
from thin_modules import method_of

from odec import methods
from odec.methods import AUTO, METHODS


@pytest.mark.parametrize("name", METHODS)
def test_a_printed_table_holds_the_methods_numbers(name):
    printed, own = method_of(name), methods.get(name)
    assert (printed.name, printed.order) == (own.name, own.order)
    for field in ("a", "c", "b", "m", "d", "alpha", "weights", "error", "error3", "predictor", "corrector"):
        values = vars(printed).get(field)
        wanted = own.weights if field == "weights" and own.family == "rosenbrock" else vars(own).get(field)
        if values is None or wanted is None:
            continue
        for row, exact in zip(
            np.atleast_1d(np.array(values, object)), np.atleast_1d(np.array(wanted, object))
        ):
            row, exact = np.atleast_1d(np.array(row, float)), np.atleast_1d(np.array(exact, float))
            assert row.tolist() == exact[: len(row)].tolist() and not exact[len(row) :].any(), field
    dense = vars(own).get("dense")
    if dense:
        assert np.array(printed.dense.weights).tolist() == np.array(dense.weights, float).tolist()


def test_auto_holds_two():
    auto = method_of("auto")
    assert (auto.explicit.name, auto.stiff.name) == (AUTO.explicit.name, AUTO.stiff.name)
