"""Compilers without OpenMP: threads of Python share the kernels' work, with the same bits; ziglang is one."""

import importlib.util
import os
import shutil
import subprocess
import sys
import threading

import pytest
import torch
from native_calls import engine_of, fixed, tolerance
from native_models import LORENZ, SMOOTH, load

from odec.runtime.engines import NO_REPORT, How, Run
from odec.runtime.native import batch, threads, toolchain
from odec.runtime.native.engine import Native

pytestmark = pytest.mark.optimised
_PLAIN = '#!/bin/sh\ncase "$*" in *-fopenmp*) echo no openmp >&2; exit 1;; esac\nexec cc "$@"\n'


@pytest.fixture
def plain_cc(tmp_path):
    fake = tmp_path / "plain-cc"
    fake.write_text(_PLAIN)
    fake.chmod(0o755)
    return str(fake)


@pytest.fixture
def three_threads(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    monkeypatch.setattr(batch, "_SMALL_WORK", 0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def teams(monkeypatch):
    """How many threads of Python worked together, each time that some did."""
    counts, work = [], threads._Team.work

    def counted(team, count):
        counts.append(count)
        work(team, count)

    monkeypatch.setattr(threads._Team, "work", counted)
    return counts


def results(module, steps, *, shared):
    """All that the kernels compute of 300 trajectories. shared: whether these share parameters and inputs."""
    engine = Native(module.COMPILED)  # with kernels of its own
    generator = torch.Generator().manual_seed(5)

    def noise(*size):
        return torch.rand(size, generator=generator, dtype=torch.float64)

    size, n, net = 300, len(module.STATES), module.Model(dt=1.0)
    t = torch.tensor([0.1, 0.25, 0.25, 0.9], dtype=torch.float64)
    x0, p = noise(size, n), net.vector().detach()
    knots = torch.linspace(0, 1, 7, dtype=torch.float64)
    values = noise(7) if shared else noise(7, size)
    series = net.series(dict.fromkeys(module.INPUTS, (knots, values)) or None, p)
    p = p if shared else p * (1 + 0.1 * noise(size, len(p)))
    run, w = Run(x0.unsqueeze(0), NO_REPORT, NO_REPORT), noise(len(t), size, n)
    data = noise(len(t), n + len(module.OBSERVABLES))
    back = engine.adjoint(t, run, p, series, w, steps, How(), True)
    loss, gradients, report = engine.loss_gradient(t, x0, p, series, data, data + 1, steps)
    found = [
        *(("adjoint", each) for each in (back.t, back.x0, back.p, *back.u)),
        *(("loss", each) for each in (loss, gradients.x0, gradients.p, *gradients.u)),
        ("report", report.nan_to_num(-1.0)),  # NaN where nothing ended early
        ("states", engine.states(t, x0, p, series, steps).xs),
        ("last", engine.last(t, x0, p, series, steps)[0]),
        ("prepared", engine.prepared(t, x0, p, series, steps)(x0, p)),
        ("tangent", engine.tangent(t, x0, p, series, t, x0, p, series, steps)),
    ]
    if module.OBSERVABLES:
        found.append(("observables", engine.observe(t, x0, p, series, steps)[0]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("text", "method", "steps"),
    [
        (SMOOTH, "rk4", fixed(0.02)),
        (SMOOTH, "tsit5", tolerance(1e-6, [1e-8] * 2)),
        pytest.param(LORENZ, "rodas5p", tolerance(1e-6, [1e-8] * 3), marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("three_threads")
def test_threads_of_python_give_the_bits_of_openmp(text, method, steps, shared, plain_cc, teams, monkeypatch):
    module = load(text, method)
    expected = results(module, steps, shared=shared)
    if teams:
        pytest.skip("the C compiler of this machine has no OpenMP to compare with")
    monkeypatch.setenv("CC", plain_cc)
    found = results(module, steps, shared=shared)
    assert teams == [3] * (6 + bool(module.OBSERVABLES)), "every call is shared among three threads"
    for (name, mine), (_, theirs) in zip(found, expected, strict=True):
        assert torch.equal(mine, theirs) and mine.isfinite().all(), name


@pytest.mark.usefixtures("three_threads")
def test_one_thread_where_no_more_can_start(plain_cc, teams, monkeypatch):
    module = load(SMOOTH, "rk4")
    monkeypatch.setenv("CC", plain_cc)
    expected = results(module, fixed(0.02), shared=True)

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    found = results(module, fixed(0.02), shared=True)
    assert teams and all(torch.equal(mine, theirs) for (_, mine), (_, theirs) in zip(found, expected))


def test_an_interruption_waits_for_the_other_threads():
    """They write to memory that goes when the call ends."""
    at_work, go_on, ended = threading.Event(), threading.Event(), []

    def part(worker, following):
        if worker == 0:
            assert at_work.wait(60)
            threading.Timer(0.2, go_on.set).start()
            raise KeyboardInterrupt
        at_work.set()
        assert go_on.wait(60)
        ended.append(worker)

    with pytest.raises(KeyboardInterrupt):
        threads._Team(part).work(2)
    assert ended == [1]


def test_a_library_that_cannot_be_loaded_gives_way_to_the_next(tmp_path, monkeypatch):
    """As where a compiler takes -fopenmp and the machine has no such library."""
    fake = tmp_path / "half-cc"
    broken = 'case "$*" in *-fopenmp*) set -- "$@" -DMISSING;; esac\n'
    fake.write_text(f'#!/bin/sh\n{broken}exec cc "$@"\n')
    fake.chmod(0o755)
    source = """
#ifdef MISSING
extern int no_such_function(void);
#else
static int no_such_function(void) { return 7; }
#endif
__attribute__((visibility("default"))) int KERNEL(void) { return no_such_function(); }
"""
    monkeypatch.setenv("CC", str(fake))
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path / "cache"))
    for _ in range(2):
        assert toolchain.library(source, "answer", {}).answer() == 7
    assert len(list((tmp_path / "cache").glob("*.so"))) == 1
    with pytest.raises(toolchain.EngineError, match="(?s)cannot be loaded; use engine='torch'.*no_such"):
        toolchain.library(source, "answer", {"MISSING": 1})


_ASKED = """
import importlib.util, sys, torch
from odec.build import choose_engine
from odec.runtime.native import toolchain
spec = importlib.util.spec_from_file_location("model", {path!r})
model = importlib.util.module_from_spec(spec)
sys.modules["model"] = model
spec.loader.exec_module(model)
torch.set_num_threads(2)
assert choose_engine("auto", "tsit5") == "native"
net = model.Model(rtol=1e-8, atol=1e-10)
x0 = torch.rand(200, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
x = net(torch.tensor([0.0, 0.5], dtype=torch.float64), x0=x0)
(g,) = torch.autograd.grad((x**2).sum(), [x0])
torch.save([net.engine, toolchain.compiler()[0], x.detach(), g], {found!r})
"""


def ask(tmp_path, **environment):
    """Engine, compiler, states and gradients of a run in a process of its own that finds no cc."""
    module, found = load(LORENZ, "tsit5"), tmp_path / "found.pt"
    code = _ASKED.format(path=module.__file__, found=str(found))
    variables = {**os.environ, "CC": "", "PATH": str(tmp_path), "ODEC_CACHE_DIR": str(tmp_path / "kernels")}
    (tmp_path / "ziglang").mkdir()  # what lies where the process runs is no compiler
    (tmp_path / "ziglang" / "__main__.py").write_text("raise SystemExit('not the package')")
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables | environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    engine, compiler, x, g = torch.load(found)
    assert engine == "native"
    t = torch.tensor([0.0, 0.5], dtype=torch.float64)
    x0 = torch.rand(200, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p, steps = module.Model(dt=1.0).vector().detach(), tolerance(1e-8, [1e-10] * 3)
    reference = engine_of(module, "torch").states(t, x0, p, (), steps, 1).xs
    assert ((x - reference).abs() / reference.abs().max()).max() < 1e-11
    assert g.isfinite().all()
    return compiler


def test_the_package_is_run_where_no_other_compiler_is(tmp_path):
    """A package that stands in for ziglang: the machine's own compiler under its name, without OpenMP."""
    package = tmp_path / "packages" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        f"import os, sys\nos.environ['PATH'] = {os.environ['PATH']!r}\n"
        "assert sys.argv[1] == 'cc' and '-fopenmp' not in sys.argv\n"
        "words = [w.replace('-mcpu=native', '-march=native') for w in sys.argv[1:]]\n"
        "words = [w for w in words if '-fveclib' not in w]\n"
        "os.execvp('cc', words)\n"
    )
    if shutil.which("cc") is None:
        pytest.skip("no C compiler stands in for ziglang's")
    compiler = ask(tmp_path, PYTHONPATH=str(package.parent))
    assert compiler == (sys.executable, "-P", "-m", "ziglang", "cc")


def test_ziglang_builds_the_kernels(tmp_path):
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed: pip install 'odec[compiler]'")
    assert ask(tmp_path) == (sys.executable, "-P", "-m", "ziglang", "cc")
