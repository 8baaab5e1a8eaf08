"""Options and safeguards of the whole test suite, and the kernels that its tests share."""

import os
import sys
from collections import Counter
from zlib import crc32

import pytest
import torch

torch.set_num_threads(1)

_OWN_FLAGS = os.environ.get("ODEC_CFLAGS", "")
_QUICK_FLAGS = f"{_OWN_FLAGS} -O0".strip()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden/ (refused where CI is set)"
    )
    parser.addoption(
        "--thin",
        type=int,
        default=1,
        metavar="N",
        help="of slow tests with N cases, run the first and one in N",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what --thin does, by a hash of the names: the same cases everywhere."""
    thin = config.getoption("--thin")
    slow = [item for item in items if item.get_closest_marker("slow")]
    cases = Counter(_function(item) for item in slow)
    first = {_function(item): item for item in reversed(slow)}
    kept = set(first.values())
    many = [item for item in slow if cases[_function(item)] >= thin > 1 and item not in kept]
    left_out = {item for item in many if crc32(item.nodeid.encode()) % thin}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-golden") and os.environ.get("CI"):
        raise pytest.UsageError(
            "--update-golden is refused where CI is set: golden files are reviewed by a person"
        )


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(tmp_path_factory: pytest.TempPathFactory):
    """One cache of modules and kernels for the whole run, whose workers share what one of them built."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kernels"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODEC_CACHE_DIR", str(folder))
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Kernels are built with -O0, and with the flags that users get where a test is marked `optimised`.

    A loaded module keeps its kernels, so one that was loaded under other flags is loaded anew.
    """
    flags = _OWN_FLAGS if item.get_closest_marker("optimised") else _QUICK_FLAGS
    if os.environ.get("ODEC_CFLAGS", "") == flags:
        return
    os.environ["ODEC_CFLAGS"] = flags
    for name in [name for name in sys.modules if name.startswith("odec.models.model_")]:
        del sys.modules[name]
