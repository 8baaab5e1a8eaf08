"""What lies in the cache is run: it is taken from a folder and files that only the user can write."""

import hashlib
import os
import stat
import time

import pytest

from odec.runtime.errors import CompilerTimeout
from odec.runtime.native import cache, toolchain

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders have no mode here")
SOURCE = '__attribute__((visibility("default"))) int KERNEL(void) { return NUMBER; }\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def planted(folder):
    """A file whose name says that it is whole."""
    content = b"bad\n"
    file = folder / f"a-{hashlib.sha256(content).hexdigest()[:16]}.so"
    folder.mkdir(0o700)
    file.write_bytes(content)
    file.chmod(0o600)
    return file


def distrusted(folder, words):
    """Nothing is taken from the folder, and what is made goes elsewhere, with a remark."""
    assert cache.entry("a", ".so") is None
    with pytest.warns(UserWarning, match=f"the cache .* {words}, so this process alone keeps"):
        path = cache.keep("a", ".so", b"good\n")
    assert folder.resolve() not in path.resolve().parents
    path.unlink()


def test_a_file_is_found_again(planted):
    assert cache.entry("a", ".so") == planted


def test_a_folder_of_another_user(folder, planted, monkeypatch):
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    distrusted(folder, "belongs to another user")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_can_write(folder, planted, mode):
    folder.chmod(mode)
    distrusted(folder, "can be written by others")


def test_a_folder_that_is_a_link(folder, tmp_path):
    (tmp_path / "other").mkdir(0o700)
    folder.symlink_to(tmp_path / "other")
    distrusted(folder, "is a symbolic link")


@pytest.mark.parametrize("change", ["mode", "content"])
def test_a_file_that_others_could_have_changed_is_removed(planted, change):
    if change == "mode":
        planted.chmod(0o666)
    else:
        planted.write_bytes(b"worse\n")
    assert cache.entry("a", ".so") is None and not planted.exists()


def test_a_library_is_built_once_and_anew_for_another_processor_or_macro(folder, monkeypatch):
    def run(number):
        return toolchain.library(SOURCE, "answer", {"NUMBER": number}).answer()

    def entries():
        return len(list(folder.glob("*.so")))

    assert run(7) == 7 and run(7) == 7 and entries() == 1
    assert run(8) == 8 and entries() == 2
    own = toolchain._processor()
    monkeypatch.setattr(toolchain, "_processor", lambda: f"{own} and one more set of instructions")
    assert run(7) == 7 and entries() == 3


def test_a_compiler_that_hung_is_not_run_again(folder, tmp_path, monkeypatch):
    fake, runs = tmp_path / "slow-cc", tmp_path / "runs"
    fake.write_text(f"#!/bin/sh\necho run >> {runs}\nsleep 1000\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(fake))
    monkeypatch.setenv("ODEC_COMPILE_TIMEOUT", "1.5")
    for _ in range(2):
        with pytest.raises(CompilerTimeout, match=f"did not end within 1.5 s and was stopped: {fake}"):
            toolchain.compiler()
    assert runs.read_text() == "run\n"
    monkeypatch.setenv("ODEC_COMPILE_TIMEOUT", "2")
    began = time.monotonic()
    with pytest.raises(CompilerTimeout, match="did not end within 2 s"):
        toolchain.compiler()
    assert time.monotonic() - began > 1.9 and runs.read_text() == "run\nrun\n"
