"""odec run in this process, in an empty directory, without colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_support import DECAY, Run
from click.testing import CliRunner, Result

from odec.cli import cli


@pytest.fixture(scope="session", autouse=True)
def plain_text() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
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
