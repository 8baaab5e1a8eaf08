"""What lies in the cache is run: it is taken from a folder and from files that only the user can write."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

import odec
from odec import files
from odec.errors import warned_once
from odec.runtime.native import cache

MODEL = "param k = 0.5\ninit x = 1\nx' = -k*x\nrun t = 0 .. 1 step 0.5 method euler\n"
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders have no mode here")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path / "own" / "cache"))
    return tmp_path / "own" / "cache"


def planted(path: Path, stem: str, content: bytes) -> Path:
    """A file whose name says that it is whole."""
    file = path / f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}.py"
    path.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(0o600)
    return file


@POSIX
def test_a_new_folder_and_its_files_are_the_user_s_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        path = cache.keep("a", ".py", b"1\n")
    finally:
        os.umask(before)
    assert path.parent == folder and path.read_bytes() == b"1\n"
    assert [oct(p.stat().st_mode & 0o777) for p in (folder, path)] == ["0o700", "0o600"]
    assert cache.entry("a", ".py") == path


def distrusted(folder: Path, words: str) -> None:
    """Nothing is taken from the folder, and what is made goes elsewhere, with a remark."""
    bad = next(folder.glob("a-*.py"), None)
    with pytest.warns(
        UserWarning, match=f"the cache .* {words}, so this process alone keeps .* ODEC_CACHE_DIR"
    ):
        path = cache.keep("a", ".py", b"good\n")
    assert folder.resolve() not in path.resolve().parents
    assert cache.entry("a", ".py") == path and path.read_bytes() == b"good\n"
    assert bad is None or bad.exists()
    path.unlink()


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o720, 0o702])
def test_a_folder_that_others_can_write(mode: int, folder: Path) -> None:
    planted(folder, "a", b"bad\n")
    folder.chmod(mode)
    assert cache.entry("a", ".py") is None
    distrusted(folder, "can be written by others")


@POSIX
def test_a_command_tells_of_a_folder_once(folder: Path) -> None:
    planted(folder, "a", b"bad\n")
    folder.chmod(0o777)
    said: list[str] = []
    with warned_once(said.append):
        first = cache.keep("a", ".py", b"good\n")
        second = cache.keep("b", ".py", b"good\n")
    first.unlink()
    second.unlink()
    assert len(said) == 1 and "can be written by others" in said[0]


@POSIX
def test_a_folder_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(folder, "a", b"bad\n")
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert cache.entry("a", ".py") is None
    with pytest.warns(UserWarning, match="belongs to another user"):
        path = cache.keep("a", ".py", b"good\n")
    assert folder not in path.parents
    path.unlink()


@POSIX
def test_a_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    planted(tmp_path / "other", "a", b"bad\n")
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "other")
    assert cache.entry("a", ".py") is None
    distrusted(folder, "is a symbolic link")


@POSIX
def test_files_that_others_can_write_or_that_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    first = planted(folder, "a", b"bad\n")
    folder.chmod(0o700)
    assert cache.entry("a", ".py") == first
    first.chmod(0o666)
    assert cache.entry("a", ".py") is None and not first.exists()
    other = planted(tmp_path, "a", b"bad\n")
    (folder / other.name).symlink_to(other)
    assert cache.entry("a", ".py") is None and other.exists()


def test_no_home_makes_no_folder_of_that_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ODEC_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user whom no file knows
    monkeypatch.chdir(tmp_path)
    assert cache.entry("b", ".py") is None
    with pytest.warns(UserWarning, match="is not there, as the user has no home"):
        path = cache.keep("b", ".py", b"good\n")
    assert path.read_bytes() == b"good\n" and not list(tmp_path.iterdir())
    monkeypatch.setenv("ODEC_CACHE_DIR", "~nobody-of-this-name/cache")
    with pytest.warns(UserWarning, match="has no home"):
        cache.keep("b", ".py", b"good\n")
    assert not list(tmp_path.iterdir())
    path.unlink()


@POSIX
@pytest.mark.parametrize("home", ["", "relative"])
def test_a_home_that_is_no_place_is_none(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    for named in ("", "~/cache"):
        monkeypatch.setenv("ODEC_CACHE_DIR", named)
        assert cache.cache_folder() is None
    with pytest.warns(UserWarning, match="is not there, as the user has no home"):
        cache.keep("b", ".py", b"good\n").unlink()
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("ODEC_CACHE_DIR", "here")  # asked for by name
    assert cache.cache_folder() == Path("here")
    monkeypatch.delenv("ODEC_CACHE_DIR")
    monkeypatch.setenv("HOME", "/")
    assert cache.cache_folder() == Path("/.cache/odec")


def test_without_owners_a_folder_is_taken_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert cache.entry("a", ".py") is None
    assert cache.entry("a", ".py") == (path := cache.keep("a", ".py", b"1\n")) or path.parent == folder
    assert cache.entry("a", ".py") == path


@POSIX
def test_a_planted_model_is_never_run(folder: Path, tmp_path: Path) -> None:
    module = odec.load(MODEL, engine="torch")
    marker, stem = tmp_path / "OWNED", module.__name__
    content = Path(str(module.__file__)).read_bytes() + f"\nopen({str(marker)!r}, 'w')\n".encode()
    for mode in (0o777, 0o700):
        for path in folder.rglob("*.py*"):
            path.unlink()
        bad = planted(folder, stem, content)
        folder.chmod(mode)
        if mode == 0o700:
            bad.chmod(0o606)
        del sys.modules[stem]
        if mode == 0o777:
            with pytest.warns(UserWarning, match="can be written by others"):
                again = odec.load(MODEL, engine="torch")
        else:
            again = odec.load(MODEL, engine="torch")
        assert again is not module and not marker.exists()
        assert Path(str(again.__file__)).read_bytes() != content


@POSIX
def test_bytecode_that_others_could_have_written_goes(folder: Path) -> None:
    path = files.cached("bytecode", lambda: "a = 1\n")
    bytecode = folder / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
    for mode in (0o644, 0o666):
        bytecode.write_bytes(b"bad")
        bytecode.chmod(mode)
        assert files.cached("bytecode", lambda: "a = 1\n") == path
        assert bytecode.exists() == (mode == 0o644)
    (folder / "__pycache__").chmod(0o777)
    with pytest.warns(UserWarning, match="has a __pycache__ that can be written by others"):
        assert files.cached("bytecode", lambda: "a = 1\n").parent != folder
