"""Files that are written whole or not at all, and the directory of compiled models."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from odec.runtime.native import cache


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path, whose file takes the place of `path` when the block ends without an error.

    Readers of `path` see the old file or the new one, never a part. On Linux the new one has no name until
    then, so that nothing stays of a process that is killed. Raises OSError, with the name of `path`, where it
    is a directory or its directory cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(21, "it is a directory", str(target))
    if target.exists() and not target.is_file():  # a device or a pipe: nothing to replace
        yield target
        return
    target = target.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    named = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        handle = _unnamed(target.parent)
        given = named if handle is None else Path(f"/proc/self/fd/{handle}")
        if handle is None:
            os.close(os.open(named, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        yield given
        given.chmod(mode)
        if handle is not None:
            os.link(given, named, src_dir_fd=handle)  # any src_dir_fd makes it follow the link
        os.replace(named, target)
    except BaseException:
        named.unlink(missing_ok=True)
        raise
    finally:
        if handle is not None:
            os.close(handle)


def _unnamed(folder: Path) -> int | None:
    """A new file in a folder that has no name yet, open for writing; None where the system knows none."""
    if sys.platform != "linux" or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except OSError:  # of the folder itself as well, which a file with a name tells
        return None


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write a file as one atomic act; text is UTF-8 with plain newlines. Raises OSError, with its name."""
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    with replacing(path) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:  # a full disk says nothing of a file
            raise type(error)(error.errno, error.strerror, str(path)) from None


def cached(name: str, make: Callable[[], str]) -> Path:
    """The cache's module of a name, made where it is not there yet, or was damaged since.

    A file's name holds the digest of its content. Where the cache cannot be written, or others could write
    there, a warning says so and the file is of this process alone. Raises OSError.
    """
    path = cache.entry(name, ".py") or cache.keep(name, ".py", make().encode())
    bytecode = Path(importlib.util.cache_from_source(str(path)))
    if os.path.lexists(bytecode) and cache.doubt(bytecode):
        bytecode.unlink()
    return path


@functools.cache
def code_fingerprint() -> str:
    """A digest of odec's own files (names, sizes, times), so that a changed odec finds no stale entry."""
    home = Path(__file__).parent
    folders = [home, home.parent / "templates"]
    digest = hashlib.sha256()
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    for path in sorted(path for path in files if path.suffix != ".pyc"):
        facts = path.stat()
        digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
