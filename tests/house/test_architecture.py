"""docs/architecture.md and its picture, held against the sources that they tell of."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SCRIPT = ROOT / "docs" / "images" / "make_architecture.py"
MADE = runpy.run_path(str(SCRIPT))


def test_the_picture_is_what_the_script_makes() -> None:
    kept = SCRIPT.with_name("architecture.svg").read_text(encoding="utf-8")
    assert kept == MADE["picture"](), "run: python docs/images/make_architecture.py"


def test_arrows_are_imports() -> None:
    """Some that stand in the sources, one that must not, and one that follows from others."""
    compiler, runtime = MADE["compiler"](), MADE["runtime"]()
    assert ("passes/", "lang/") in compiler.arrows and not compiler.dashed
    assert "passes/" not in compiler.below("lang/")
    assert ("api.py", "lang/") not in compiler.arrows and "lang/" in compiler.below("api.py")
    assert {("engines.py", "reference/"), ("engines.py", "native/")} <= runtime.dashed


def test_imports_in_a_circle_are_told() -> None:
    graph = MADE["Graph"]({"a": ("", ("a",)), "b": ("", ("b",))}, {("a", "b"), ("b", "a")})
    with pytest.raises(ValueError, match=r"in a circle: \['a', 'b'\]"):
        graph.heights()


def test_every_room_and_every_file_of_the_run_time_has_its_line() -> None:
    rooms = {path.name + "/" * path.is_dir() for path in (ROOT / "odec").iterdir()}
    rooms -= {"__init__.py", "__main__.py", "__pycache__/", "codes.md", "py.typed", "_templates/"}
    files = {path.name for path in (ROOT / "odec" / "runtime").rglob("*.py")} - {"__init__.py"}
    templates = {path.name for path in (ROOT / "templates").rglob("*.jinja")}
    names = {*rooms, *files, *templates}
    assert not {name for name in names if not re.search(rf"(?<!\w){re.escape(name)}", PAGE)}


def test_paths_on_the_page_exist() -> None:
    paths = set(re.findall(r"`((?:odec|tests|templates|docs|benchmarks)/[\w./]*)`", PAGE))
    assert paths and not [path for path in paths if not (ROOT / path).exists()]
