"""The rooms of the house: who may import whom, what is imported when, and what no file may hold."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "odec"
RUNTIME = sorted((PACKAGE / "runtime").rglob("*.py"))
FILES = sorted(set(PACKAGE.rglob("*.py")) - set(RUNTIME))

ORDER = (
    "runtime",
    "errors",
    "keywords",
    "text",
    "words",
    "csvtext",
    "files",
    "diagnostics",
    "arrays",
    "gamma",
    "lookups",
    "tree",
    "system",
    "lang",
    "passes",
    "methods",
    "integrate",
    "backends",
    "render",
    "headers",
    "equations",
    "plot",
    "results",
    "arguments",
    "cost",
    "progress",
    "steps",
    "standalone",
    "accuracy",
    "starts",
    "simulation",
    "models",
    "build",
    "fit",
    "api",
    "standalone",
    "cli",
    "__main__",
)
"""Each room may import those before it."""

TENSOR_ROOMS = {"fit", "integrate", "simulation", "starts"}
SYMPY_ROOMS = {"passes", "equations"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Every module imported, with its line, and whether for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports name their module in full"
            module = node.module or ""
            yield module, node.lineno, id(node) in typing_only
            if module == "odec":
                for alias in node.names:
                    yield f"odec.{alias.name}", node.lineno, id(node) in typing_only


def test_the_run_time_stands_apart() -> None:
    """It needs torch alone, and is copied as it is: relative imports, and nothing else of odec."""
    foreign = []
    for path in RUNTIME:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            known = {*sys.stdlib_module_names, "torch", "cuda"}
            foreign += [f"{path}:{node.lineno}: {name}" for name in names if name.split(".")[0] not in known]
    assert not foreign


def test_every_room_is_known() -> None:
    assert {room(path) for path in FILES} - {"__init__"} <= set(ORDER)


def test_imports_run_one_way() -> None:
    wrong = []
    for path in FILES:
        here = room(path)
        for module, line, typing_only in imported(path):
            parts = module.split(".")
            if here == "__init__" or parts[0] != "odec" or len(parts) == 1 or typing_only:
                continue
            there = parts[1]
            if there not in ORDER:
                continue
            if ORDER.index(there) > ORDER.index(here):
                wrong.append(f"{path}:{line}: {here} may not import {there}")
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_stay_in_their_rooms() -> None:
    rooms = {"sympy": SYMPY_ROOMS, "torch": TENSOR_ROOMS, "matplotlib": {"plot"}}
    wrong = [
        f"{path}:{line}: {module} in {room(path)}"
        for path in FILES
        for module, line, typing_only in imported(path)
        if not typing_only and room(path) not in rooms.get(module.split(".")[0], {room(path)})
    ]
    assert not wrong, "\n".join(wrong)


FORBIDDEN = {"eval", "exec", "parse_expr", "lambdify"}


def evaluates(path: Path, node: ast.Call) -> bool:
    """Whether a call runs a text as a program: FORBIDDEN, the builtin compile, sympify of strings."""
    function = node.func
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else None
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in FORBIDDEN:
        return not (name in ("eval", "exec") and owner == "net")
    if name == "sympify":
        return not any(k.arg == "strict" and ast.unparse(k.value) == "True" for k in node.keywords)
    if name == "compile":
        return owner not in (
            {"re", "build", "odec", "torch"} | ({None} if path.name == "build.py" else set())
        )
    return False


def test_no_text_is_evaluated() -> None:
    wrong = [
        f"{path}:{node.lineno}: {ast.unparse(node.func)}"
        for path in FILES + RUNTIME
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and evaluates(path, node)
    ]
    assert not wrong, "\n".join(wrong)


def test_what_evaluates_a_text_is_recognised() -> None:
    """The rule above, held against calls that break it and calls that do not."""
    broken = ["eval(x)", "a.exec(x)", "compile(x)", "sympify(x)", "sympify(x, strict=False)", "lambdify(x)"]
    fine = ["net.eval()", "re.compile(x)", "sympy.sympify(x, strict=True)", "odec.compile(x)", "len(x)"]
    calls = {text: ast.parse(text, mode="eval").body for text in broken + fine}
    assert [text for text, node in calls.items() if evaluates(PACKAGE / "cli.py", node)] == broken


def test_files_stay_readable() -> None:
    long = [path for path in FILES + RUNTIME if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert not long, f"longer than 400 lines, split them: {', '.join(map(str, long))}"


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by their bare names: of two of one name the second would not be found."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if "golden" not in path.parts[:-1]]
    twice = {name for name in names if names.count(name) > 1} - {"conftest.py", "__init__.py"}
    assert not twice, f"the same name in two folders of tests: {sorted(twice)}"


def modules_after(*command: str) -> set[str]:
    """The top-level modules that a command of odec has imported when it ends."""
    script = (
        "import sys\n"
        "from odec.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('MODULES', *{name.split('.')[0] for name in sys.modules})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        capture_output=True, text=True, check=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    return set(done.stdout.rpartition("MODULES ")[2].split())


HEAVY = {"torch", "sympy", "numpy", "matplotlib", "scipy", "pandas", "jinja2"}
LIGHT_COMMANDS = [
    ("check", "examples/competition/competition.ode"),
    ("fmt", "--check", "examples/competition/competition.ode"),
    ("list", "methods"),
    ("list", "functions"),
    ("list", "codes"),
    ("explain", "E201"),
    ("completion", "bash"),
    ("--help",),
    ("fit", "--help"),
]


@pytest.mark.parametrize("command", LIGHT_COMMANDS, ids=" ".join)
def test_light_commands_import_nothing_heavy(command: tuple[str, ...]) -> None:
    assert not modules_after(*command) & HEAVY


def test_import_odec_is_instant() -> None:
    script = "import odec, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not set(done.stdout.split()) & (HEAVY | {"click"})


def test_compiling_needs_no_torch_and_no_sympy() -> None:
    script = (
        "import sys, odec\n"
        "odec.compile('examples/competition/competition.ode')\n"
        "print(*{name.split('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not set(done.stdout.split()) & {"torch", "sympy", "matplotlib"}


TRACED = """
import importlib.util, sys, torch, odec
text = "param k = 0.5 in (0, inf)\\ninit x = 2\\ndx/dt = -k*x\\nobs y = sqrt(x)\\n"
text += "run t = 0 .. 1 step 0.5\\n"
modules = [odec.load(text, method=method, engine="torch") for method in ("euler", "heun2")]
net, t = modules[0].Model(), torch.tensor([0.0, 1.0])
net(t).sum().backward()
odec.simulate(text, engine="torch")
odec.fit(text, {"t": [0.0, 1.0, 2.0], "x": [2.0, 1.0, 0.5]}, engine="torch")
assert importlib.util.find_spec("torch._dynamo")
assert not {"torch._dynamo", "sympy"} & set(sys.modules)
import torch._dynamo
modules.append(odec.load(text, method="rk4", engine="torch"))
from odec.runtime.autograd import solve_in_graph
allowed = torch._dynamo.trace_rules.lookup_callable
kept = [solve_in_graph, *(module.Model._observables for module in modules)]
assert {allowed(function).__name__ for function in kept} == {"TorchInGraphFunctionVariable"}
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("odec.runtime")]
"""


def test_the_tracer_is_told_when_it_comes_and_not_before() -> None:
    """torch._dynamo and SymPy take longer to import than all the rest; each module waits for them alone."""
    subprocess.run([sys.executable, "-W", "error::FutureWarning", "-c", TRACED], check=True, cwd=ROOT)
