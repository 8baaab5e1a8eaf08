"""The compiler, the cache and what goes wrong with them. Each case runs in a process of its own."""

import multiprocessing
import os
import shutil
import stat
import subprocess
import sys

import pytest
import torch
from native_calls import engine_of
from native_models import LORENZ, TIMED, load
from tiers import slow_but_for

from odec.runtime.errors import EngineError
from odec.runtime.native import toolchain

_RUN = """
import importlib.util, sys, warnings, torch
spec = importlib.util.spec_from_file_location("model", {path!r})
model = importlib.util.module_from_spec(spec)
sys.modules["model"] = model
spec.loader.exec_module(model)
net = model.Model(engine={engine!r}, dt=0.01)
x = net(torch.tensor([0.0, 0.1], dtype=torch.float64))
print(net.engine, "%.12e" % float(x[-1, 0]))
"""


def start(module, cache, *, engine="native", **environment):
    variables = {**os.environ, "ODEC_CACHE_DIR": str(cache), **environment}
    code = _RUN.format(path=module.__file__, engine=engine)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], env=variables, **pipes)


def run(module, cache, **options):
    process = start(module, cache, **options)
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.fixture(scope="module")
def lorenz():
    return load(LORENZ)


@pytest.fixture(scope="module")
def first(lorenz, tmp_path_factory):
    """A cache that one process has filled, and what it printed."""
    folder = tmp_path_factory.mktemp("first")
    code, out, err = run(lorenz, folder)
    assert code == 0, err
    assert out.startswith("native ")
    return folder, out


@pytest.fixture
def answer(first):
    return first[1]


@pytest.fixture
def filled(first, tmp_path):
    """A copy of the first process's cache."""
    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.slow
def test_two_processes_may_race(lorenz, answer, tmp_path):
    processes = [start(lorenz, tmp_path / "new" / "folder") for _ in range(2)]
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, out) == (0, answer), err
    assert [path.suffix for path in (tmp_path / "new" / "folder").iterdir() if path.is_file()] == [".so"]


def test_the_cache_is_used(lorenz, answer, filled):
    (entry,) = filled.glob("*.so")
    before = entry.stat().st_mtime_ns
    assert run(lorenz, filled)[1] == answer
    assert entry.stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", slow_but_for(["empty", "cut", "flipped", "not a library"], "flipped"))
def test_a_damaged_entry_is_built_again(lorenz, answer, filled, damage):
    (entry,) = filled.glob("*.so")
    content = entry.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    texts = {"empty": b"", "cut": content[:middle], "flipped": flipped, "not a library": b"hello"}
    entry.write_bytes(texts[damage])
    code, out, err = run(lorenz, filled)
    assert (code, out) == (0, answer), err
    (entry,) = filled.glob("*.so")
    assert len(entry.read_bytes()) > middle


def test_a_cache_that_cannot_be_written(lorenz, answer, tmp_path):
    """A file stands where the folder should be, which holds for root too."""
    (tmp_path / "file").write_text("")
    code, out, err = run(lorenz, tmp_path / "file")
    assert (code, out) == (0, answer)
    assert "cannot be written" in err and "ODEC_CACHE_DIR" in err


def test_no_compiler(lorenz, tmp_path):
    hidden = tmp_path / "hidden"  # what Python runs at its start: no ziglang, where one is installed
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['ziglang'] = None\n")
    nowhere = {"PATH": str(tmp_path), "CC": "", "PYTHONPATH": str(hidden)}
    code, _, err = run(lorenz, tmp_path, **nowhere)
    assert code == 1
    ways = "pip install 'odec[compiler]', install one otherwise, set CC, or use engine='torch'"
    assert f"no C compiler was found (cc, gcc, clang): {ways}" in err
    code, out, err = run(lorenz, tmp_path, engine="auto", **nowhere)
    assert code == 0 and out.startswith("torch "), err
    code, _, err = run(lorenz, tmp_path, CC="no-such-cc")
    assert "the C compiler 'no-such-cc' that CC names was not found" in err


@pytest.mark.slow
def test_words_that_have_no_end(lorenz, tmp_path):
    code, _, err = run(lorenz, tmp_path, CC="gcc '")
    assert code == 1 and "EngineError: CC=gcc ' cannot be split into words: No closing quotation" in err
    code, out, err = run(lorenz, tmp_path, CC="gcc '", engine="auto")
    assert code == 0 and out.startswith("torch "), err
    code, _, err = run(lorenz, tmp_path, ODEC_CFLAGS="-DA='")
    assert code == 1 and "EngineError: ODEC_CFLAGS=-DA=' cannot be split into words" in err


def test_a_processor_has_its_own_entries(lorenz, tmp_path, monkeypatch):
    """A library for other instruction sets than this processor's is not found in the cache."""
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path))
    defines = engine_of(lorenz).kernels.defines("solve", torch.float64, False, False, 16, 0, 0)
    toolchain.library(lorenz.KERNEL.source, "solve", defines)
    (entry,) = tmp_path.glob("*.so")
    monkeypatch.setattr(toolchain, "_processor", lambda: "Linux\nx86_64\nflags : sse2 of another machine")
    toolchain.library(lorenz.KERNEL.source, "solve", defines)
    assert {path.name.split("-")[0] for path in tmp_path.glob("*.so")} > {entry.name.split("-")[0]}


def test_a_compiler_that_fails(lorenz, tmp_path):
    fake = tmp_path / "fake-cc"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo fake 1.0 && exit 0\necho "disk quota of $1" >&2\nexit 1\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    code, _, err = run(lorenz, tmp_path / "cache", CC=str(fake))
    assert code == 1
    assert "the C compiler failed; use engine='torch' meanwhile" in err
    assert "disk quota of -O3" in err and f"{fake} -O3" in err
    code, out, err = run(lorenz, tmp_path / "cache", engine="auto", CC=str(fake))
    assert code == 0 and out.startswith("torch ")
    assert "the torch engine is used instead of the native one" in err


@pytest.mark.parametrize("at", ["version", "build"])
def test_a_compiler_that_hangs(tmp_path, monkeypatch, at):
    """It is stopped with its children, and named; engine="auto" goes on without it."""
    lorenz = load(f"{LORENZ}# {at}\n")  # a module of its own: no kernel of it is loaded yet
    fake, child = tmp_path / f"slow-{at}-cc", tmp_path / "child"
    quick = '[ "$1" = --version ] && echo slow 1.0 && exit 0' if at == "build" else ""
    fake.write_text(f"#!/bin/sh\n{quick}\nsleep 1000 & echo $! > {child}\nwait\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(fake))
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ODEC_COMPILE_TIMEOUT", "1.5")
    t = torch.tensor([0.0, 0.1], dtype=torch.float64)
    with pytest.warns(UserWarning, match=f"(?s)did not end within 1.5 s and was stopped: {fake}.*TIMEOUT"):
        net = lorenz.Model(dt=0.01)
        x = net(t)
    assert net.engine == "torch" and torch.isfinite(x).all()
    left = subprocess.run(["ps", "-o", "stat=", "-p", child.read_text()], capture_output=True, text=True)
    assert left.stdout[:1] in ("", "Z"), "the compiler's own child is stopped too"
    with pytest.raises(EngineError, match="did not end within"):
        lorenz.Model(dt=0.01, engine="native")(t)
    monkeypatch.setenv("ODEC_COMPILE_TIMEOUT", "soon")
    with pytest.raises(EngineError, match="ODEC_COMPILE_TIMEOUT=soon is no number of seconds"):
        lorenz.Model(dt=0.01, engine="native")(t)


def test_a_compiler_without_openmp_or_vector_functions(lorenz, answer, tmp_path):
    fake = tmp_path / "plain-cc"
    fake.write_text('#!/bin/sh\ncase "$*" in *-fopenmp*) echo no openmp >&2; exit 1;; esac\nexec cc "$@"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    code, out, err = run(lorenz, tmp_path / "cache", CC=str(fake))
    assert (code, out) == (0, answer), err


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize(
    ("text", "method", "steps"),
    [
        (LORENZ, "rk4", "dt=0.02"),
        (TIMED, "rk4", "dt=0.02"),
        (LORENZ, "tsit5", "rtol=1e-6, atol=1e-8"),
        (LORENZ, "rodas5p", "rtol=1e-6, atol=1e-8"),
    ],
)
def test_each_compiler_gives_the_same_numbers(compiler, text, method, steps, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    module = load(text, method)
    code = _SAME.format(path=module.__file__, steps=steps)
    variables = {**os.environ, "ODEC_CACHE_DIR": str(tmp_path), "CC": compiler}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-10


_SAME = """
import importlib.util, sys, torch
spec = importlib.util.spec_from_file_location("model", {path!r})
model = importlib.util.module_from_spec(spec)
sys.modules["model"] = model
spec.loader.exec_module(model)
t = torch.linspace(0, 0.9, 5, dtype=torch.float64)
found = []
for engine in ("native", "torch"):
    net = model.Model(engine=engine, {steps})
    knots = torch.linspace(0, 1, 7, dtype=torch.float64)
    series = {{name: (knots, torch.cos(knots)) for name in model.INPUTS}}
    inputs = {{"inputs": series}} if series else {{}}
    x0 = torch.rand(21, len(model.STATES), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x0.requires_grad_()
    x = net(t, x0=x0, **inputs)
    alone = net(t, x0=x0[3:4], **inputs)
    assert torch.equal(alone, x[:, 3:4]), "a trajectory alone has other bits than in the batch"
    leaves = [x0, *net.parameters()]
    found.append([x.detach(), *torch.autograd.grad((x**2).sum(), leaves)])
print(max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*found)))
"""


_SOUND = [("rk4", []), ("bosh3", [False, True]), ("auto", [False])]
_SOUND += [(method, [True]) for method in ("rodas4", "trbdf2", "radau_iia5")]
"""Fixed steps, and of every family one that takes adaptive steps alone: with outputs within steps or not."""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "dense"), _SOUND)
def test_kernels_stay_inside_their_arrays(method, dense, tmp_path):
    """Every kernel, those of fits too, under the address and undefined-behaviour sanitizers."""
    command = ["gcc", "-print-file-name=libasan.so"]
    found = (
        subprocess.run(command, capture_output=True, text=True).stdout.strip() if shutil.which("gcc") else ""
    )
    if not os.path.isabs(found):
        pytest.skip("gcc's address sanitizer is not installed")
    texts = (LORENZ, TIMED) if method == "rk4" else (TIMED,)
    paths = [load(text, method).__file__ for text in texts]
    code = _SANITIZED.format(paths=paths, dense=dense)
    variables = {
        **os.environ,
        "ODEC_CACHE_DIR": str(tmp_path),
        "CC": "gcc",
        "ODEC_CFLAGS": "-O0 -g -fsanitize=address,undefined -fno-sanitize-recover=all",
        "LD_PRELOAD": found,
        "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
        "OMP_NUM_THREADS": "2",
    }
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("clean\n"), done.stderr[-3000:]


_SANITIZED = """
import importlib.util, sys, torch
from odec.runtime.engines import ALL, How
from odec.runtime.native import batch
from odec.runtime.native.fused import FusedFit
from odec.runtime.steps import Steps, Tolerance

def fit(model, p, t, data, weight, steps):
    coordinates = [(name, "none", 0.0, 0.0, 0.0, 1.0) for name in model.PARAMS]
    knots = torch.linspace(0.1, 0.8, 5, dtype=torch.float64)
    inputs = {{name: (knots, knots) for name in model.INPUTS}} or None
    series = model.Model().series(inputs, p)
    problem = FusedFit(model.COMPILED, t, p, coordinates, data, weight, steps, series=series)
    loss, gradient = problem.loss_gradient(p)
    zeros = [0.0] * len(p)
    rates = {{"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "count": 0, "failures": 0}}
    start = {{"theta": p.tolist(), "gradient": gradient.tolist(), "loss": loss}}
    losses = problem.adam({{**start, "m": zeros, "v": zeros, **rates}}, 5)
    r, jacobian = problem.residuals(p)
    assert r.isfinite().all() and jacobian.isfinite().all()
    assert all(loss < float("inf") for loss in losses)

for number, path in enumerate({paths!r}):
    spec = importlib.util.spec_from_file_location(f"model{{number}}", path)
    model = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = model
    spec.loader.exec_module(model)
    torch.set_num_threads(2)
    batch._SMALL_WORK = 0
    engine = model.COMPILED.engine("native")
    for size, batched in ((9, False), (37, True)):
        net = model.Model(engine="native", dt=0.05)
        t = torch.tensor([0.0, 0.3, 0.3, 0.9], dtype=torch.float64)
        n, m = len(model.STATES), len(model.PARAMS)
        x0 = torch.rand(size, n, dtype=torch.float64).requires_grad_()
        p = net.vector().detach()
        p = p.expand(size, m).contiguous() if batched else p
        knots = torch.linspace(0.1, 0.8, 5, dtype=torch.float64)
        values = torch.rand(5, *([size] if batched else []), dtype=torch.float64)
        series = net.series({{name: (knots, values) for name in model.INPUTS}} or None, p)
        w = torch.ones(4, size, n, dtype=torch.float64)
        data = torch.zeros(4, n + len(model.OBSERVABLES), dtype=torch.float64)
        rules = [Steps(0.05, None, clip) for clip in (None, 1.0)]
        if model.COMPILED.adaptive:
            bounds = {{"rtol": 1e-5, "atol": (1e-7,) * n, "most": 1000}}
            rules = [Steps(None, Tolerance(**bounds, dense=dense), None) for dense in {dense}]
        for steps in rules:
            run = engine.states(t, x0, p, series, steps, ALL)
            engine.adjoint(t, run, p, series, w, steps, How(), True)
            engine.tangent(t, x0, p, series, t, x0, p, series, steps)
            engine.loss_gradient(t, x0, p, series, data, data + 1, steps)
            if model.OBSERVABLES:
                engine.observe(t, x0, p, series, steps)
            if not batched and steps.clip is None:
                fit(model, p, t, data, data + 1, steps)
print("clean")
"""


def test_a_forked_process_goes_on_with_one_thread():
    """The threads of a parallel run live in the parent alone: a child that waits for them never ends."""
    module = load(LORENZ)
    net, x0 = module.Model(), torch.rand(20_000, len(module.STATES), dtype=torch.float64)
    t, threads = torch.linspace(0, 1, 3, dtype=torch.float64), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = net(t, x0=x0)
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=lambda: queue.put(torch.equal(net(t, x0=x0), expected)))
        child.start()
        child.join(60)
        assert child.exitcode == 0 and queue.get()
    finally:
        child.kill()
        torch.set_num_threads(threads)
