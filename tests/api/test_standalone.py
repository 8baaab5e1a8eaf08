"""A model written as a package that needs torch alone."""

import filecmp
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiers import slow_but

import odec
import odec.runtime
from odec.cli import main
from odec.errors import ArgumentError
from odec.methods import AUTO, METHODS
from odec.standalone import write_standalone

MODEL = """
init x = 1
init y = 0.5
param a = 2 in (0, inf)
x' = -a*x*y
y' = x - y
obs z = x*y
run t = 0 .. 2
"""

RUN = """
import sys
for name in ("odec", "sympy", "jinja2", "click", "numpy", "scipy"):
    sys.modules[name] = None  # an import of it fails
sys.path.insert(0, {folder!r})
import torch
import {name} as module
net = module.Model(engine={engine!r})
t = torch.linspace(0, 2, 5, dtype=torch.float64)
x = net(t)
x.sum().backward()
found = [v.hex() for v in x.flatten().tolist()]
print(net.engine, found, net.raw("a").grad.item().hex(), net.observe(t, x).shape)
print(net.status)
"""


def written(folder: Path, name: str = "decay", method: str = "tsit5", engine: str = "native") -> Path:
    write_standalone(folder / name, odec.compile(MODEL, method=method, engine=engine, standalone=True))
    return folder / name


@pytest.mark.parametrize(
    ("method", "engine"),
    [
        ("tsit5", "native"),
        *(pytest.param(m, "torch", marks=pytest.mark.slow) for m in ("tsit5", "auto", "radau_iia5")),
    ],
)
def test_it_runs_where_odec_cannot_be_imported(tmp_path, method, engine):
    written(tmp_path, method=method, engine="native")
    code = RUN.format(folder=str(tmp_path), name="decay", engine=engine)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    module = odec.load(MODEL, method, "native")
    net = module.Model(engine=engine)
    t = torch.linspace(0, 2, 5, dtype=torch.float64)
    x = net(t)
    x.sum().backward()
    own = [value.hex() for value in x.flatten().tolist()]
    shown = f"{engine} {own} {net.raw('a').grad.item().hex()} torch.Size([5, 1])"
    assert done.stdout.splitlines() == [shown, str(net.status)]


DRIVEN = """
input u linear
param k = 0.5 in (0, inf)
init x = 1
init y = 0.2
dx/dt = u - k*x
dy/dt = k*x - y
obs both = x + y
run t = 0 .. 2
"""
RECURSION = """
input u hold
param k = 0.5 in (0, inf)
init x = 1
init y = 0.2
x[t+1] = x + 0.1*u - 0.1*k*x
y[t+1] = 0.9*y + 0.1*k*x
obs both = x + y
run t = 0 .. 4
"""
FIT = """
import torch
def fitted(module, engine):
    net, t = module.Model(engine=engine), torch.linspace(0, 4, 5, dtype=torch.float64)
    given = {"inputs": {"u": (t, t.cos())}}
    with torch.no_grad():
        data = net(t, params={"k": torch.tensor(0.8, dtype=torch.float64)}, **given)
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=0.1), []
    for _ in range(12):
        optimizer.zero_grad()
        loss = (net(t, **given) - data).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    x = net(t, **given)
    return net.engine, losses, x.tolist(), net.observe(t, x, **given).tolist(), str(net.status)
"""
FAMILIES = ("dopri5", "rodas5p", "adams", "auto", None)
QUICK_AND_SLOW = slow_but(((method,) for method in FAMILIES), lambda method: method == "adams")


@pytest.mark.slow
@pytest.mark.parametrize("method", QUICK_AND_SLOW)
def test_every_family_is_fitted_where_odec_cannot_be_imported(tmp_path, method):
    """By torch.optim, with an input, on each engine that has the method: the package's own numbers."""
    text = DRIVEN if method else RECURSION
    engines = METHODS.get(method, AUTO).engines if method else ("torch", "native")
    module = odec.load(text, method, engines[-1])
    write_standalone(tmp_path / "own", odec.compile(text, method=method, engine=engines[-1], standalone=True))
    code = RUN.partition("import torch")[0].format(folder=str(tmp_path)) + FIT
    code = code.replace('"sympy", "jinja2", ', "")  # which torch needs for its optimizers
    code += f"import own\nfor engine in {engines}:\n    print(fitted(own, engine))\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scope: dict = {}
    exec(FIT, scope)
    wanted = [scope["fitted"](module, engine) for engine in engines]
    assert done.stdout.splitlines() == [str(one) for one in wanted]
    assert [one[0] for one in wanted] == list(engines)
    assert all(one[1][-1] < one[1][0] / 4 for one in wanted)


def test_the_run_time_is_copied_byte_for_byte(tmp_path):
    folder = written(tmp_path)
    source = Path(odec.runtime.__file__).parent
    names = sorted(
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    assert any(name.endswith(".h") for name in names)
    assert filecmp.cmpfiles(source, folder / "_runtime", names, shallow=False)[0] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decay"]


def test_it_stands_beside_an_installed_odec(tmp_path, monkeypatch):
    written(tmp_path, "beside")
    monkeypatch.syspath_prepend(str(tmp_path))
    import beside

    own = odec.load(MODEL, "tsit5", "native")
    t = torch.linspace(0, 2, 5, dtype=torch.float64)
    nets = own.Model(), beside.Model()
    assert type(nets[0]).__mro__[2] is not type(nets[1]).__mro__[2]
    compiled = [torch.compile(net, fullgraph=True, backend="aot_eager") for net in nets]
    first, second = (net(t) for net in compiled)
    assert torch.equal(first, second)


def test_only_its_own_folder_is_replaced(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "data.csv").write_text("t,x\n")
    text = odec.compile(MODEL, method="rk4", standalone=True)
    with pytest.raises(ArgumentError, match="was not written by odec --standalone"):
        write_standalone(folder, text)
    assert (folder / "data.csv").read_text() == "t,x\n"
    write_standalone(folder, text, force=True)
    write_standalone(folder, text)
    assert sorted(path.name for path in folder.iterdir()) == ["__init__.py", "_runtime"]


def test_from_the_command_line(tmp_path, capsys):
    model = tmp_path / "decay.ode"
    model.write_text(MODEL)
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in ("compile", model, "--standalone", "-o", tmp_path / "alone")])
    assert end.value.code == 0
    assert (tmp_path / "alone" / "__init__.py").read_text().count("from . import _runtime as rt") == 1


def test_a_module_of_another_interface_says_what_to_do(tmp_path):
    text = odec.compile(MODEL, method="rk4").replace("interface=1", "interface=99")
    path = tmp_path / "other.py"
    path.write_text(text)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert (
        "written for interface 99 of odec.runtime, and the installed one has 1: compile the model again"
        in done.stderr
    )
