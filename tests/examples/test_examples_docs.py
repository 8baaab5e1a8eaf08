"""What the READMEs and the guide show is what odec prints."""

from __future__ import annotations

import doctest
import io
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from example_references import EXAMPLES

import odec
from odec.cli import cli
from odec.tree import INTERNAL, OPERATIONS

ROOT = EXAMPLES.parent
READMES = sorted(EXAMPLES.glob("*/README.md"))
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


def sessions(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each command after `$ ` (with its lines continued by a backslash) and the lines shown below it."""
    for block in blocks(path, "console"):
        for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            yield command.strip(), shown.splitlines()


def run(command: str, folder: Path) -> str:
    """Standard output and errors of a command run in the folder; plain `odec …` runs in this process."""
    if command.startswith("odec ") and not set("|<>&;*$\"'") & set(command):
        result = CliRunner().invoke(cli, command.split()[1:], catch_exceptions=False)
        assert result.exit_code == (1 if "typo" in command else 0), result.output
        return result.output
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": python_path, "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def same_line(shown: str, printed: str, tolerance: float = 2e-3) -> bool:
    """Equal but for the last digits of numbers, the width of columns, and how many epochs a fit took."""
    shown, printed = (re.sub(r" \(\d+ epochs?(, from one start)?\)$", "", line) for line in (shown, printed))
    words = [" ".join(NUMBER.sub("#", line).split()) for line in (shown, printed)]
    if words[0] != words[1]:
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=tolerance, abs_tol=1e-9) for a, b in pairs)


def assert_shows(shown: list[str], printed: list[str], command: str) -> None:
    """The lines shown occur in this order; a line `…` stands for any lines, else nothing may be left out."""
    tolerance = 0.3 if "ensemble" in command else 2e-3  # a chaotic model amplifies the machine's rounding
    at, gap = 0, False
    for line in [item.rstrip() for item in shown]:
        if line == "…":
            gap = True
            continue
        while gap and at < len(printed) and not same_line(line, printed[at], tolerance):
            at += 1
        found = printed[at] if at < len(printed) else "the end"
        assert same_line(line, found, tolerance), (
            f"{command}\n  shown:   {line}\n  printed: {found}\n\n" + "\n".join(printed)
        )
        at, gap = at + 1, False
    assert gap or at == len(printed) or not shown, f"{command}\nprints more:\n" + "\n".join(printed[at:])


def play(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    for command, shown in sessions(path):
        printed = [line.rstrip() for line in run(command, folder).splitlines()]
        if shown:
            assert_shows(shown, printed, command)


@pytest.mark.slow
@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_readme_commands(readme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / readme.parent.name
    shutil.copytree(readme.parent, folder)
    assert list(sessions(readme)), "a README shows at least one command"
    play(readme, folder, monkeypatch)


def test_readmes_say_where_the_data_come_from() -> None:
    for readme in READMES:
        assert "## Source" in readme.read_text(encoding="utf-8"), readme


def test_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    play(ROOT / "docs" / "guide.md", tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "page",
    [
        "guide.md",
        "generated-module.md",
        "engines.md",
        "language.md",
        "which-method.md",
        "discontinuities.md",
        "maps.md",
    ],
)
def test_python_sessions(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `>>>` sessions of a page, one after the other in one interpreter."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "\n".join(blocks(ROOT / "docs" / page, "pycon"))
    assert text
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    told = io.StringIO()
    assert not doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.write).failed, (
        told.getvalue()
    )


def test_models_in_the_language_page_are_clean() -> None:
    models = blocks(ROOT / "docs" / "language.md", "ode")
    assert models
    for text in models:
        assert list(odec.check(text)) == [], text


def test_the_language_page_lists_every_function() -> None:
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    names = {name for name, o in OPERATIONS.items() if o.kind == "function"} - INTERNAL
    assert names <= set(re.findall(r"\b(\w+)\(", text))


def test_the_module_page_shows_the_real_module() -> None:
    """Every line of the Python blocks, in this order; `...` stands for lines left out."""
    module = odec.compile(EXAMPLES / "competition" / "competition.ode").splitlines()
    shown = blocks(ROOT / "docs" / "generated-module.md", "python")
    assert shown
    for block in shown:
        lines = [
            line for line in block.splitlines() if line.strip() not in ("", "...") and "HASH" not in line
        ]
        at = 0
        for line in lines:
            assert line in module[at:], f"not in the module, or not in this order:\n{line}"
            at = module.index(line, at) + 1


def test_links_between_pages() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *READMES]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"
