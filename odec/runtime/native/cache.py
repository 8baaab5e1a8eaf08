"""The folder of compiled models and kernels. What lies there is run, so only its owner may write there.

It needs no torch: the compiler of models keeps what it writes here too.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import pathlib
import shutil
import stat
import tempfile
import warnings


def cache_folder() -> pathlib.Path | None:
    """ODEC_CACHE_DIR, else odec in XDG_CACHE_HOME, else ~/.cache/odec; None for a user without a home.

    A home that is empty or relative is none: it would make the root's or the working directory's cache.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    default = os.path.join(base if os.path.isabs(base) else "~/.cache", "odec")
    named = os.environ.get("ODEC_CACHE_DIR") or default
    folder = os.path.expanduser(named)
    homeless = os.environ.get("HOME") == "" or not os.path.isabs(folder)
    return None if named.startswith("~") and homeless else pathlib.Path(folder)


def doubt(path: pathlib.Path) -> str:
    """Why what lies there might be another's, "" where nothing says so. Raises OSError."""
    if not hasattr(os, "geteuid"):  # Windows, where a user's folders are closed to others
        return ""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    return "can be written by others" if found.st_mode & 0o022 else ""


def _folder_to_trust() -> pathlib.Path:
    """The cache's folder, made for its owner alone if there is none. Raises OSError, which says why."""
    folder = cache_folder()
    if folder is None:
        raise OSError(0, "is not there, as the user has no home")
    bytecode = folder / "__pycache__"
    try:
        if not folder.is_dir():
            folder.mkdir(0o700, parents=True, exist_ok=True)
            bytecode.mkdir(0o700, exist_ok=True)
        outer = doubt(folder)
        inner = doubt(bytecode) if os.path.lexists(bytecode) else ""
    except OSError as error:
        raise OSError(0, f"cannot be written ({error.strerror})") from None
    if outer or inner:
        raise OSError(0, outer or f"has a __pycache__ that {inner}")
    return folder


@functools.cache
def _process_folder() -> pathlib.Path:
    """A folder of this process alone, which goes when it ends."""
    folder = tempfile.mkdtemp(prefix="odec-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return pathlib.Path(folder)


def entry(stem: str, suffix: str) -> pathlib.Path | None:
    """The entry of a name, whose file's name ends in its content's digest, else None; others are removed."""
    folders = []
    with contextlib.suppress(OSError):
        folders.append(_folder_to_trust())
    if _process_folder.cache_info().currsize:
        folders.append(_process_folder())
    for path in [path for folder in folders for path in sorted(folder.glob(f"{stem}-*{suffix}"))]:
        with contextlib.suppress(OSError):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            if not doubt(path) and path.stem == f"{stem}-{digest}":
                return path
            path.unlink()
    return None


def keep(stem: str, suffix: str, content: bytes) -> pathlib.Path:
    """Write an entry; where the cache is no good, with a warning, for this process alone. Raises OSError."""
    name = f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
    try:
        folder = _folder_to_trust()
        why = ""
    except OSError as error:
        why = str(error.strerror)
    if not why:
        try:
            return written(folder / name, content)
        except OSError as error:
            why = f"cannot be written ({error.strerror})"
    folder = cache_folder() or pathlib.Path("~/.cache/odec")
    warnings.warn(
        f"the cache {folder} {why}, so this process alone keeps what it compiles; "
        "set ODEC_CACHE_DIR to a folder of your own that no other user can write",
        stacklevel=3,
    )
    return written(_process_folder() / name, content)


def written(path: pathlib.Path, content: bytes) -> pathlib.Path:
    """The path of a file that is written whole or not at all, for its owner alone. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return path
