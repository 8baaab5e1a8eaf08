"""Kernels of this test run are kept in a folder of their own."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(tmp_path_factory):
    before = os.environ.get("ODEC_CACHE_DIR")
    os.environ["ODEC_CACHE_DIR"] = str(tmp_path_factory.mktemp("kernels"))
    yield
    if before is None:
        del os.environ["ODEC_CACHE_DIR"]
    else:
        os.environ["ODEC_CACHE_DIR"] = before
