"""Graphs name a model by its key, and the tracer is told of calls to keep only once it is there."""

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_cases import PREY
from frames import thin_of

from odec.runtime import operators
from odec.runtime.compiled import REGISTRY, Kernel, enter

HERE = Path(__file__).parent
THIN = """
    import sys
    sys.path.insert(0, {here!r})
    import torch
    assert "torch._dynamo" not in sys.modules
    {work}
"""


def process(work: str, *, fails: bool = False) -> str:
    """What a process of its own prints, or ends with."""
    code = textwrap.dedent(THIN).format(here=str(HERE), work=textwrap.dedent(work).strip())
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (run.returncode != 0) == fails, run.stderr
    return run.stderr if fails else run.stdout


MAKE = """
from engine_cases import PREY
from frames import thin_of
net = thin_of(PREY, "tsit5", False).Model(rtol=1e-4)
t = torch.linspace(0, 1, 5, dtype=torch.float64)
"""


def test_the_run_time_does_without_the_tracer():
    names = "[name for name in ('torch._dynamo', 'sympy') if name in sys.modules]"
    code = f"import sys, torch; import odec.runtime.model; print({names})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.stdout == "[]\n", run.stderr


@pytest.mark.slow
def test_an_exported_graph_runs_in_another_process(tmp_path):
    path = tmp_path / "solve.pt2"
    save = f"torch.export.save(torch.export.export(net, (t,)), {str(path)!r})"
    made = process(f"{MAKE}\nwith torch.no_grad():\n    x = net(t)\n{save}\nprint(x.tolist())")
    load = f"print(torch.export.load({str(path)!r}).module()(t).detach().tolist())"
    run = f"\ntry:\n    {load}\nexcept RuntimeError as error:\n    print(error)"
    assert process(MAKE + run) == made
    bare = "import odec.runtime.model\nt = torch.linspace(0, 1, 5, dtype=torch.float64)\n"
    key = thin_of(PREY, "tsit5").COMPILED.key
    said = f"the model {key} is not loaded in this process: import its module first"
    assert said in process(bare + run)


def test_a_key_that_is_not_there():
    with pytest.raises(RuntimeError, match="the model nobody:rk4:0 is not loaded in this process"):
        operators.lookup("nobody:rk4:0")


def test_a_model_with_a_kernel_is_kept_under_a_key_of_two():
    plain = replace(thin_of(PREY, "rk4").COMPILED, digest="two", engines={})
    able = replace(plain, kernel=Kernel("", 1, 0, 0), engines={})
    for order in ((plain, able), (able, plain), (able, able)):
        REGISTRY.pop(plain.key, None)
        for compiled in order:
            enter(compiled)
        assert REGISTRY[plain.key] is order[1] if order[1] is able else REGISTRY[plain.key] is able
    del REGISTRY[plain.key]


def test_operators_check():
    """torch's own tests of operators: schema, fake tensors, aliasing."""
    compiled = thin_of(PREY, "rk4", False).COMPILED
    steps = thin_of(PREY, "rk4", False).Model(dt=0.25).steps.numbers()
    t, x0 = torch.linspace(0, 1, 3, dtype=torch.float64), torch.ones(2, 2, dtype=torch.float64)
    p = torch.full((4,), 0.5, dtype=torch.float64)
    checks = ("test_schema", "test_faketensor")
    named = compiled.key, "torch", steps
    torch.library.opcheck(operators.solve, (t, x0, p, [], *named, 1), test_utils=checks)
    xs, kept, _ = operators.solve(t, x0, p, [], *named, 1)
    given = t, xs, kept, p, [], torch.ones_like(xs), *named, "discrete", 1, 0, True
    torch.library.opcheck(operators.adjoint, given, test_utils=checks)


@pytest.mark.parametrize("name", operators.SCHEMAS)
def test_an_operator_takes_what_its_function_takes(name):
    """Old torch cannot read it off the function, new torch can."""
    try:
        read = torch.library.infer_schema(getattr(operators, name)._init_fn, mutates_args=())
    except ValueError:  # torch 2.6
        read = operators.SCHEMAS[name]
    registered = getattr(getattr(torch.ops, operators.NAMESPACE), name).default._schema
    assert str(registered).endswith(operators.SCHEMAS[name]) and operators.SCHEMAS[name] == read
