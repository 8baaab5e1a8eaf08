"""A model as a package that stands alone: its module, and a copy of the run-time beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from odec import runtime
from odec.errors import ArgumentError

OWN = "_runtime"
"""The folder of the copied run-time, which the module imports relatively."""


def write_standalone(folder: str | Path, text: str, *, force: bool = False) -> None:
    """Write a package: `text` as its module, and the run-time as it is, byte for byte.

    text: of `odec.compile(…, standalone=True)`. The folder is written whole or not at all. Raises
    ArgumentError where something stands there that odec did not write, unless force is set, and OSError.
    """
    target = Path(folder).absolute()
    if os.path.lexists(target) and not force and not _is_ours(target):
        raise ArgumentError(
            f"{folder} was not written by odec --standalone: name another folder with -o, or overwrite it "
            "with --force"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        (made / "__init__.py").write_text(text, encoding="utf-8", newline="\n")
        source = Path(runtime.__file__).parent
        shutil.copytree(source, made / OWN, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        made.chmod(0o755)
        _put(made, target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _put(made: Path, target: Path) -> None:
    """Rename a new folder to its place; what stood there goes only once it is there."""
    if not os.path.lexists(target):
        made.rename(target)
        return
    before = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)) / target.name
    target.rename(before)
    try:
        made.rename(target)
    except OSError:
        before.rename(target)
        raise
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(before.parent)


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a package that odec wrote, or empty."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()} - {"__pycache__"}
    if not names:
        return True
    try:
        head = (folder / "__init__.py").read_text(encoding="utf-8")[:20_000]
    except (OSError, UnicodeDecodeError):
        return False
    return names == {"__init__.py", OWN} and f"from . import {OWN} as rt" in head
