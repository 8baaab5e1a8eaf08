"""The flags with which kernels of tests are built: -O0 last, or those of users where a test asks for them."""

import os

import pytest
from native_models import LORENZ, load


def test_kernels_are_built_in_a_moment():
    assert os.environ["ODEC_CFLAGS"].split()[-1] == "-O0"


@pytest.mark.optimised
def test_kernels_are_built_as_users_get_them():
    assert "-O0" not in os.environ["ODEC_CFLAGS"].split()


def test_a_module_is_that_of_its_flags(monkeypatch):
    """A module keeps the kernels that it has loaded."""
    quick = load(LORENZ)
    monkeypatch.setenv("ODEC_CFLAGS", "")
    assert load(LORENZ) is not quick
    monkeypatch.undo()
    assert load(LORENZ) is quick
