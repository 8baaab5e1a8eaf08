"""odec run in this process, in an empty directory, with a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_support import DECAY, Run
from click.testing import CliRunner, Result

from odec.cli import cli


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODEC_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("NO_COLOR", "1")
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory that holds decay.ode."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decay.ode").write_text(DECAY)
    return tmp_path


@pytest.fixture
def odec(folder: Path) -> Run:
    """odec(*arguments, stdin=...) gives a Result with exit_code, stdout and stderr."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(cli, list(arguments), input=stdin, catch_exceptions=False)

    return run
