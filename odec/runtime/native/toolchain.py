"""The C compiler: which one, with what flags, and the libraries that it built. It needs no torch."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from .. import stopping
from ..errors import CompilerTimeout, EngineError
from . import cache

INCLUDE = pathlib.Path(__file__).parent / "include"
"""The folder of the kernels' headers, which sources include as "odec/….h"."""

REORDER = ("-fassociative-math", "-fno-signed-zeros")
"""Lets the compiler shorten chains of sums, where rounding need not be that of the other kernels."""


COMPILERS = ("cc", "gcc", "clang")
"""The commands that are looked for, in this order; after them the package ziglang."""


@functools.cache
def headers() -> dict[str, str]:
    """The text of every header by the name that sources include it by."""
    return {
        path.relative_to(INCLUDE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(INCLUDE.rglob("*.h"))
    }


@functools.cache
def headers_digest() -> str:
    """A name for what the headers say."""
    return digest(*(part for item in headers().items() for part in item))


@functools.cache
def _processor() -> str:
    """What -march=native depends on: the machine and the instruction sets of its processor."""
    found = [platform.system(), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        found += [line for line in lines if line.split(":")[0].strip() in ("flags", "Features", "model name")]
    return "\n".join(found)


def has_wide_vectors() -> bool:
    """Whether the processor has vectors of 64 bytes."""
    return "avx512f" in _processor()


def _words_of(variable: str, text: str) -> list[str]:
    """The words of an environment variable, as a shell would split them."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise EngineError(f"{variable}={text} cannot be split into words: {error}") from error


def _ziglang() -> list[str]:
    """The command of the C compiler in the package ziglang, which pip installs; nothing without it."""
    found = importlib.util.find_spec("ziglang")
    # -P: not a folder of that name where the process happens to be
    return [sys.executable, "-P", "-m", "ziglang", "cc"] if found and found.origin else []


@functools.cache
def _compiler_of(named: str, path: str) -> tuple[tuple[str, ...], str]:
    """The compiler's command as words, and what it says of its version."""
    known = ([name] for name in COMPILERS if shutil.which(name))
    command = _words_of("CC", named) or next(known, []) or _ziglang()
    if not command or not shutil.which(command[0]):
        what = (
            f"the C compiler {named!r} that CC names was not found; install one"
            if named
            else f"no C compiler was found ({', '.join(COMPILERS)}): pip install 'odec[compiler]', "
            "install one otherwise"
        )
        raise EngineError(f"{what}, set CC, or use engine='torch'")
    return tuple(command), _run_compiler([*command, "--version"], 60.0)[1]


def compiler() -> tuple[tuple[str, ...], str]:
    """The compiler's command as words, and what it says of its version. Raises EngineError for none."""
    return _compiler_of(os.environ.get("CC", ""), os.environ.get("PATH", ""))


def is_there() -> bool:
    """Whether there is a command that `compiler` would take; it is not run."""
    try:
        named = shlex.split(os.environ.get("CC", ""))[:1]
    except ValueError:  # a quotation without an end: the native engine says so when it is asked for
        return False
    return any(shutil.which(command) for command in named or COMPILERS) or not named and bool(_ziglang())


_POLL_SECONDS = 0.002
_hung: set[tuple[str, float]] = set()


def _run_compiler(words: Sequence[str], most: float = 1e6, folder: str = "") -> tuple[int, str]:
    """The exit code of a compiler and what it said; one that takes too long is ended with its children.

    folder: for what zig would keep of each kernel.
    """
    named = os.environ.get("ODEC_COMPILE_TIMEOUT") or "900"
    try:
        seconds = min(float(named), most)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise EngineError(f"ODEC_COMPILE_TIMEOUT={named} is no number of seconds")
    if (words[0], seconds) not in _hung:
        with tempfile.TemporaryFile() as output:
            code = _exit_code(words, seconds, folder, output)
            output.seek(0)
            said = output.read().decode(errors="replace")
        if code is not None:
            return code, said
        _hung.add((words[0], seconds))
    raise CompilerTimeout(
        f"the C compiler did not end within {seconds:g} s and was stopped: {shlex.join(words)}\n"
        "set CC to another one, ODEC_COMPILE_TIMEOUT to more seconds, or use engine='torch'"
    )


def _exit_code(words: Sequence[str], seconds: float, folder: str, output: IO[bytes]) -> int | None:
    """A command's exit code, None where it took longer than so many seconds; it ends with its children."""
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=os.environ | ({"ZIG_LOCAL_CACHE_DIR": folder} if folder else {}),
    )
    end = time.monotonic() + seconds
    try:
        # Not process.wait, which after Ctrl-C goes on for a quarter of a second.
        with stopping.within():
            while process.poll() is None and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
                stopping.look()
        return process.returncode
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def _tuning(version: str) -> list[str]:
    """The processor an old gcc is to order instructions for: before 13 it takes a Zen 4 for half as wide."""
    words = version.partition("\n")[0].split()
    old = bool(words) and words[-1].partition(".")[0] in ("9", "10", "11", "12")
    return ["-mtune=icelake-server"] if old and has_wide_vectors() else []


def _is_zig(command: Sequence[str]) -> bool:
    return any(pathlib.PurePath(word).name in ("zig", "zig.exe", "ziglang", "python-zig") for word in command)


def _flag_sets(command: Sequence[str], version: str) -> list[list[str]]:
    """The flags to try, best first: with threads and vector functions, then without what a compiler lacks."""
    zig, clang, x86 = _is_zig(command), "clang" in version, platform.machine() in ("x86_64", "AMD64")
    native = "-mcpu=native" if zig or platform.system() == "Darwin" else "-march=native"
    flags = ["-O3", native, "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
    flags += ["-mprefer-vector-width=512"] if x86 else []
    if clang:  # which rounds unrolled lanes each in its own way where it puts some of them into one vector
        flags += ["-fno-slp-vectorize"]
    else:  # two steps of a lane at once, as gcc would take them, are one long chain of dependent operations
        flags += ["-fvect-cost-model=unlimited", "-fno-loop-unroll-and-jam", *_tuning(version)]
    own = _words_of("ODEC_CFLAGS", os.environ.get("ODEC_CFLAGS", ""))
    flags += ["-shared", "-fPIC", "-fvisibility=hidden", *own]
    vector = []
    if x86 and platform.system() == "Linux":
        vector = ["-fveclib=libmvec"] if clang else ["-DVECTOR_LIBM=1"]
    # zig takes -fopenmp and brings no OpenMP: such a library cannot be loaded
    tried = [vector, []] if zig else [["-fopenmp", *vector], ["-fopenmp"], vector, []]
    return [flags + extra for i, extra in enumerate(tried) if extra not in tried[:i]]


def digest(*parts: str) -> str:
    """A name for what these texts say."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def macros_of(kernel: str, defines: Mapping[str, int]) -> list[str]:
    """The macros that ask a source for one of its kernels."""
    macros = [f"-D{name}={value}" for name, value in sorted(defines.items())]
    return [*macros, f"-DKERNEL={kernel}", f"-D{kernel.upper()}"]


def library(source: str, kernel: str, defines: Mapping[str, int], flags: Sequence[str] = ()) -> ctypes.CDLL:
    """A source's kernel of the given name, macros and further flags, from the cache or built now.

    Raises EngineError where it cannot be built or kept, CompilerTimeout where the compiler does not end.
    """
    command, version = compiler()
    flag_sets = [[*flags, *one] for one in _flag_sets(command, version)]
    macros = macros_of(kernel, defines)
    facts = (version, _processor(), str(command), str(flag_sets), str(macros))
    key = digest(source, headers_digest(), *facts)
    for _ in range(2):
        path = cache.entry(key, ".so")
        if path is None:
            break
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
    for content in _built(source, command, flag_sets, macros):
        path = kept(key, ".so", content)
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:  # such as without the library that a flag asks for
            failure = error
            with contextlib.suppress(OSError):
                path.unlink()
    raise EngineError(f"the compiled kernel cannot be loaded; use engine='torch' meanwhile.\n{failure}")


def kept(key: str, suffix: str, content: bytes) -> pathlib.Path:
    """The path of a new entry of the cache. Raises EngineError where nothing can be written."""
    try:
        return cache.keep(key, suffix, content)
    except OSError as error:
        raise EngineError(
            f"the compiled kernel cannot be written anywhere: {error}; use engine='torch'"
        ) from error


def _built(
    source: str, command: Sequence[str], flag_sets: list[list[str]], macros: list[str]
) -> Iterator[bytes]:
    """The bytes of the library by each set of flags that the compiler takes, best first.

    Raises EngineError where it takes none.
    """
    failure: tuple[list[str], str] | None = None
    done = False
    with tempfile.TemporaryDirectory(prefix="odec-") as folder:
        file, target = pathlib.Path(folder, "kernel.c"), pathlib.Path(folder, "kernel.so")
        file.write_text(source, encoding="utf-8")
        for flags in flag_sets:
            words = [*command, *flags, f"-I{INCLUDE}", *macros, str(file), "-o", str(target), "-lm"]
            code, said = _run_compiler(words, folder=folder)
            if code == 0 and target.is_file():
                done = True
                yield target.read_bytes()
            failure = failure or (words, said.strip() or f"exit code {code}")
    if done:
        return
    assert failure is not None
    words, message = failure
    message = message if len(message) < 4000 else message[:4000] + " …"
    raise EngineError(f"the C compiler failed; use engine='torch' meanwhile.\n{shlex.join(words)}\n{message}")
