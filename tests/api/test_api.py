"""check, parse, compile, load and simulate from Python, and the cache."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import odec
from odec import files
from odec.runtime.native.cache import cache_folder
from odec.simulation import output_times

DECAY = "param k = 0.5 in (0, inf)\ninit x = 2\ndx/dt = -k*x\nobs double = 2*x\nrun t = 0 .. 1 step 0.25\n"
ROOT = Path(odec.__file__).parents[1]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_public_names() -> None:
    for name in odec.__all__:
        assert getattr(odec, name) is not None
        assert name in dir(odec)
    with pytest.raises(AttributeError, match="no attribute 'solve'"):
        _ = odec.solve


def test_check_takes_paths_sources_and_text(tmp_path: Path) -> None:
    path = tmp_path / "decay.ode"
    path.write_text(DECAY)
    for model in (path, str(path), odec.Source("decay.ode", DECAY), DECAY):
        assert odec.check(model) == []
    assert [d.code for d in odec.check(DECAY.replace("-k", "-q"))][0] == "E201"
    assert [d.code for d in odec.check(tmp_path / "nothing.ode")] == ["E113"]


def test_parse_raises_all_errors() -> None:
    with pytest.raises(odec.ModelError) as raised:
        odec.parse("dx/dt = a + b\ninit x = 1\n")
    assert [d.code for d in raised.value.diagnostics] == ["E201", "E201"]
    assert "unknown name 'a'" in str(raised.value)


def test_compile_takes_the_method_of_the_run_line() -> None:
    euler = odec.compile(DECAY.replace("step 0.25", "step 0.25 method euler"))
    assert euler == odec.compile(DECAY.replace("step 0.25", "step 0.25 method euler"), method="euler")
    assert odec.compile(DECAY) == odec.compile(DECAY, method="auto")
    assert odec.compile(DECAY) != odec.compile(DECAY, method="dopri5")


def test_wrong_arguments() -> None:
    with pytest.raises(odec.ArgumentError, match="did you mean 'euler'"):
        odec.compile(DECAY, method="eular")
    with pytest.raises(odec.ArgumentError, match="unknown engine 'torhc': did you mean 'torch'"):
        odec.compile(DECAY, engine="torhc")
    with pytest.raises(odec.ArgumentError, match="a map is stepped"):
        odec.compile("x[t+1] = 2*x\ninit x = 1\n", method="rk4")


def test_load_gives_one_module_for_one_model(cache: Path) -> None:
    module = odec.load(DECAY)
    assert odec.load(odec.parse(DECAY)) is module
    assert odec.load(DECAY, method="heun2") is not module
    assert module.STATES == ("x",)
    assert Path(module.__file__ or "").parent == cache
    assert sys.modules[module.__name__] is module
    assert importlib.import_module(module.__name__) is module


def test_load_finds_what_another_process_compiled(cache: Path) -> None:
    model = DECAY.replace("k = 0.5", "k = 0.55")  # one that this process has not loaded
    script = f"import odec; print(odec.load({model!r}).__file__)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    first = Path(done.stdout.strip())
    stamp = first.stat().st_mtime_ns
    assert Path(odec.load(model).__file__) == first
    assert first.stat().st_mtime_ns == stamp
    assert [path.name for path in cache.glob("*.py")] == [first.name]


def test_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("ODEC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "odec"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "odec"


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where the folder should be, which holds for root too."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path / "file"))
    with pytest.warns(
        UserWarning, match="file cannot be written .* set ODEC_CACHE_DIR to a folder of your own"
    ):
        path = files.cached("model", lambda: "a = 1\n")
    assert path.read_text() == "a = 1\n" and tmp_path not in path.parents
    path.unlink()


@pytest.mark.parametrize("damage", ["", "a = 1", "a = 2\n", "("])
def test_a_damaged_model_of_the_cache_is_compiled_again(damage: str, tmp_path: Path) -> None:
    made = []

    def make() -> str:
        made.append(1)
        return "a = 1\n"

    path = files.cached("model", make)
    assert files.cached("model", make) == path and len(made) == 1
    path.write_text(damage)
    assert files.cached("model", make).read_text() == "a = 1\n" and len(made) == 2
    assert len(list(path.parent.glob("model-*.py"))) == 1


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_whole(path, "one")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "one"
    assert list(tmp_path.glob("*")) == [path]
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    files.write_whole(link, "two")
    assert link.is_symlink()
    assert path.read_text() == "two"
    with pytest.raises(IsADirectoryError):
        files.write_whole(tmp_path, "x")
    with pytest.raises(FileNotFoundError, match="missing"):
        files.write_whole(tmp_path / "missing" / "a.txt", "x")


def test_nothing_stays_of_a_process_that_is_killed_while_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_whole(path, "one")
    child = os.fork()
    if child == 0:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device: .*a.txt"):
        files.write_whole(tmp_path / "a.txt", "x")
    assert list(tmp_path.glob("*")) == []


def test_simulate() -> None:
    run = odec.simulate(DECAY, method="rk4", dt=0.01)
    assert run.times.tolist() == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(run.states[:, 0], 2 * np.exp(-0.5 * run.times), rtol=1e-9)
    np.testing.assert_array_equal(run["double"], 2 * run["x"])
    np.testing.assert_array_equal(run["t"], run.times)
    with pytest.raises(KeyError, match="did you mean 'double'"):
        run["doble"]


def test_simulate_a_batch() -> None:
    run = odec.simulate(DECAY, [0, 1], params={"k": [0.1, 0.2, 0.4]}, init={"x": [1, 2, 3]})
    assert run.states.shape == (2, 3, 1)
    np.testing.assert_allclose(run["x"][1], np.exp([-0.1, -0.2, -0.4]) * [1, 2, 3], rtol=1e-9)
    columns = odec.simulate(DECAY, [0, 1], params={"k": [[0.1], [0.2]]}, init={"x": [1, 2, 3]})
    assert columns.states.shape == (2, 2, 3, 1)


def test_initial_values_follow_each_other() -> None:
    text = "param a = 2\nscale = 3\ninit x = a\ninit y = scale*x + z\ninit z = x**2\nx' = 0\ny' = 0\nz' = 0\n"
    run = odec.simulate(text, [0.0, 1.0], init={"x": [5, 1]})
    np.testing.assert_array_equal(run.states[0], [[5, 40, 25], [1, 4, 1]])
    run = odec.simulate(text, [0.0], init={"z": 7})
    np.testing.assert_array_equal(run.states[0], [2, 13, 7])


def test_failures_are_told() -> None:
    with pytest.raises(odec.SimulationError, match="state x"):
        odec.simulate("dx/dt = x**2\ninit x = 1\n", t1=3.0, step=0.01, method="rk4", dt=0.01)
    with pytest.raises(odec.ArgumentError, match="k = -1 lies outside"):
        odec.simulate(DECAY, params={"k": [1, -1]})
    with pytest.raises(odec.ArgumentError, match="const"):
        odec.simulate("const c = 1\ninit x = c\ndx/dt = c\n", [0, 1], params={"c": 2})
    with pytest.raises(odec.ArgumentError, match="finite"):
        odec.simulate(DECAY, init={"x": float("nan")})
    with pytest.raises(odec.ArgumentError, match="dtype"):
        odec.simulate(DECAY, dtype="int8")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 0.25, 0.5, 0.75, 1]),
        ({"t1": 0.6}, [0, 0.25, 0.5, 0.6]),
        ({"t0": 1.0, "t1": 0.4}, [1, 0.75, 0.5, 0.4]),
        ({"t0": 1.0}, [1]),
        ({"step": 0.1, "t1": 0.3}, [0, 0.1, 0.2, 0.3]),
        ({"step": 9.0}, [0, 1]),
    ],
)
def test_output_times(options: dict[str, float], expected: list[float]) -> None:
    assert output_times(odec.parse(DECAY).run, **options) == expected


def test_fit_is_both_a_function_and_a_package() -> None:
    from odec.fit.data import Dataset

    assert Dataset is not None
    result = odec.fit(DECAY, {"t": [0.0, 1.0, 2.0], "x": [2.0, 1.0, 0.5]})
    assert result.values["k"] == pytest.approx(np.log(2), rel=1e-3)
