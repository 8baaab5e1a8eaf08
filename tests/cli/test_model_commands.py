"""check, compile, show, fmt, new, explain, list, completion."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import DECAY, Run

import odec as package
from odec.methods import ALIASES, AUTO, METHODS

BROKEN = "dx/dt = -k*z\ninit x = 1\nparam k = 1\n"


def test_version_and_help(odec: Run) -> None:
    assert odec("--version").stdout == f"odec {package.__version__}\n"
    commands = odec("--help").stdout
    for name in ("check", "compile", "run", "fit", "show", "fmt", "explain", "list", "new", "completion"):
        assert f"\n  {name} " in commands
        shown = odec(name, "--help")
        assert shown.exit_code == 0
        assert f"odec {name}" in shown.stdout.partition("Examples:")[2], f"{name} --help shows no example"


def test_unknown_command_is_guessed(odec: Run) -> None:
    result = odec("chekc", "decay.ode")
    assert result.exit_code == 2
    assert "did you mean 'check'?" in result.stderr
    assert "odec check decay.ode" in odec("decay.ode").stderr


def test_check_tells_a_clean_model(odec: Run) -> None:
    result = odec("check", "decay.ode")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "decay.ode: ok: 2 states, 2 parameters, 1 observable\n"


def test_check_tells_errors_on_stderr(odec: Run) -> None:
    result = odec("check", "-", stdin=BROKEN)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error[E201]: unknown name 'z'" in result.stderr
    assert "stdin.ode:1:12" in result.stderr
    assert result.stderr.endswith("1 warning\n") or result.stderr.endswith("1 error\n")


def test_check_json_is_on_stdout(odec: Run, folder: Path) -> None:
    (folder / "broken.ode").write_text(BROKEN)
    result = odec("check", "--format", "json", "decay.ode", "broken.ode")
    assert (result.exit_code, result.stderr) == (1, "")
    first = json.loads(result.stdout)[0]
    assert (first["code"], first["file"], first["line"], first["column"]) == ("E201", "broken.ode", 1, 12)
    assert json.loads(odec("check", "--format", "json", "decay.ode").stdout) == []


def test_check_strict_fails_on_warnings(odec: Run) -> None:
    text = DECAY + "param unused = 1\n"
    assert odec("check", "-", stdin=text).exit_code == 0
    strict = odec("check", "--strict", "-", stdin=text)
    assert strict.exit_code == 1
    assert "warning[W6" in strict.stderr


@pytest.mark.parametrize("command", ["check", "compile", "run", "show", "fmt"])
def test_a_file_that_cannot_be_read(command: str, odec: Run, folder: Path) -> None:
    for name, words in (("nothing.ode", "no such file"), (str(folder), "directory")):
        result = odec(command, name)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "E113" in result.stderr
        assert words in result.stderr


def test_bytes_that_are_no_text(odec: Run) -> None:
    result = odec("check", "-", stdin=b"param k = 1 # \xff\xfe\n")
    assert result.exit_code == 1
    assert "E109" in result.stderr


def test_compile_writes_an_importable_module(odec: Run, folder: Path) -> None:
    result = odec("compile", "decay.ode")
    assert (result.exit_code, result.stdout) == (0, "")
    spec = importlib.util.spec_from_file_location("decay", folder / "decay.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.STATES == ("x", "y")


def test_compile_to_stdout_and_to_a_folder(odec: Run, folder: Path) -> None:
    text = odec("compile", "decay.ode", "-o", "-").stdout
    (folder / "build").mkdir()
    assert odec("compile", "decay.ode", "-o", "build").exit_code == 0
    assert (folder / "build" / "decay.py").read_text() == text
    assert odec("compile", "-", stdin=DECAY).stdout == text.replace("decay", "stdin")


def test_the_text_does_not_depend_on_how_the_file_is_named(odec: Run, folder: Path) -> None:
    absolute = odec("compile", str(folder / "decay.ode"), "-o", "-").stdout
    assert absolute == odec("compile", "decay.ode", "-o", "-").stdout
    assert str(folder) not in absolute


def test_compile_check(odec: Run, folder: Path) -> None:
    assert odec("compile", "decay.ode", "--check").exit_code == 1
    odec("compile", "decay.ode")
    assert odec("compile", "decay.ode", "--check").exit_code == 0
    result = odec("compile", "decay.ode", "--check", "--method", "euler")
    assert result.exit_code == 1
    assert "out of date" in result.stderr
    (folder / "decay.py").write_text((folder / "decay.py").read_text() + "#\n")
    before = (folder / "decay.py").read_bytes()
    assert odec("compile", "decay.ode", "--check").exit_code == 1
    assert (folder / "decay.py").read_bytes() == before


def test_compile_spares_what_it_did_not_write(odec: Run, folder: Path) -> None:
    (folder / "decay.py").write_text("print('mine')\n")
    result = odec("compile", "decay.ode")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (folder / "decay.py").read_text() == "print('mine')\n"
    assert odec("compile", "decay.ode", "--force").exit_code == 0
    assert odec("compile", "decay.ode").exit_code == 0, "its own file may be replaced"
    assert odec("compile", "decay.ode", "-o", "decay.ode").exit_code == 2
    assert (folder / "decay.ode").read_text() == DECAY


def test_compile_refuses_names_that_hide_modules(odec: Run, folder: Path) -> None:
    (folder / "random.ode").write_text(DECAY)
    result = odec("compile", "random.ode")
    assert result.exit_code == 2
    assert "'random'" in result.stderr
    assert not (folder / "random.py").exists()


def test_compile_guesses_methods(odec: Run) -> None:
    result = odec("compile", "decay.ode", "--method", "rk5")
    assert result.exit_code == 2
    assert "unknown method 'rk5': did you mean 'rk4'?" in result.stderr


def test_a_failed_write_leaves_nothing(odec: Run, folder: Path) -> None:
    result = odec("compile", "decay.ode", "-o", "missing/decay.py")
    assert result.exit_code == 2
    assert "missing" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["decay.ode"]


def test_watch_compiles_again(folder: Path) -> None:
    command = [sys.executable, "-u", "-m", "odec", "compile", "decay.ode", "--watch"]

    def heeds_ctrl_c() -> None:  # which a shell's background job ignores
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    piped = {"stderr": subprocess.PIPE, "text": True, "env": _environment()}
    with subprocess.Popen(command, cwd=folder, preexec_fn=heeds_ctrl_c, **piped) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert next(lines) == "watching decay.ode; Ctrl-C ends it\n"
        assert next(lines) == "wrote decay.py\n"
        (folder / "decay.ode").write_text(BROKEN)
        assert next(lines).startswith("error[E201]")
        (folder / "decay.ode").write_text(DECAY.replace("4 in", "44 in"))
        assert any(line == "wrote decay.py\n" for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert "44" in (folder / "decay.py").read_text()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--equations", "dx/dt"),
        ("--params", "softplus"),
        ("--latex", "\\frac"),
        ("--jacobian", "-k"),
        ("--graph", "x"),
    ],
)
def test_show(option: str, words: str, odec: Run) -> None:
    result = odec("show", "decay.ode", option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert words in result.stdout


def test_fmt(odec: Run, folder: Path) -> None:
    messy = "param   k=1 # rate\nx'=-k*x\ninit x=1\n"
    path = folder / "messy.ode"
    path.write_text(messy)
    assert odec("fmt", "--check", "messy.ode").exit_code == 1
    diff = odec("fmt", "--diff", "messy.ode")
    assert diff.stdout.startswith("--- messy.ode\n+++ messy.ode (formatted)\n")
    assert path.read_text() == messy
    piped = odec("fmt", "-", stdin=messy)
    assert odec("fmt", "messy.ode").exit_code == 0
    assert path.read_text() == piped.stdout != messy
    assert "# rate" in piped.stdout
    again = odec("fmt", "--check", "messy.ode")
    assert (again.exit_code, again.stderr) == (0, "")


def test_fmt_mends_line_ends_and_keeps_the_mode(odec: Run, folder: Path) -> None:
    odec("fmt", "decay.ode")
    path = folder / "decay.ode"
    plain = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"))
    path.chmod(0o640)
    assert odec("fmt", "--check", "decay.ode").exit_code == 1
    odec("fmt", "decay.ode")
    assert path.read_bytes() == plain
    assert path.stat().st_mode & 0o777 == 0o640


def test_fmt_leaves_a_broken_file(odec: Run, folder: Path) -> None:
    (folder / "broken.ode").write_text("param k = (1\n")
    result = odec("fmt", "broken.ode", "decay.ode")
    assert result.exit_code == 1
    assert "error[E1" in result.stderr
    assert (folder / "broken.ode").read_text() == "param k = (1\n"


def test_new_writes_a_model_that_is_clean_and_runs(odec: Run, folder: Path) -> None:
    assert odec("new", "fox").exit_code == 0
    checked = odec("check", "--strict", "fox.ode")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert odec("fmt", "--check", "fox.ode").exit_code == 0
    assert odec("run", "fox.ode", "--t1", "1").exit_code == 0
    again = odec("new", "fox.ode")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    (folder / "fox.ode").write_text("")
    assert odec("new", "fox", "--force").exit_code == 0
    assert (folder / "fox.ode").read_text().startswith("# fox")
    assert odec("new", "no/such/folder/fox").exit_code == 2
    assert odec("new", "..").exit_code == 2


@pytest.mark.parametrize("kind", ["ude", "pde"])
def test_new_writes_a_model_with_a_network_or_an_array(odec: Run, folder: Path, kind: str) -> None:
    assert odec("new", "fox", "--kind", kind).exit_code == 0
    checked = odec("check", "--strict", "fox.ode")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert odec("fmt", "--check", "fox.ode").exit_code == 0
    assert odec("run", "fox.ode", "--t1", "1").exit_code == 0


def test_new_writes_a_recurrent_network(odec: Run, folder: Path) -> None:
    assert odec("new", "series", "--kind", "rnn").exit_code == 0
    checked = odec("check", "--strict", "series.ode")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert odec("fmt", "--check", "series.ode").exit_code == 0


@pytest.mark.parametrize(
    ("name", "instead"),
    [("lv.csv", "odec new lv"), ("my model", "odec new my_model"), ("a.b.ode", "odec new a_b")],
)
def test_new_offers_a_plain_name_for_an_odd_one(odec: Run, folder: Path, name: str, instead: str) -> None:
    before = set(folder.iterdir())
    result = odec("new", name)
    assert (result.exit_code, result.stderr.rstrip().endswith(instead)) == (2, True), result.stderr
    assert set(folder.iterdir()) == before


def test_explain(odec: Run) -> None:
    assert odec("explain", "e201").stdout == odec("explain", "error[E201]").stdout
    assert "Unknown name" in odec("explain", "E201").stdout
    unknown = odec("explain", "E999")
    assert unknown.exit_code == 2
    assert "E999" in unknown.stderr


TORCHDIFFEQ = """dopri8 dopri5 bosh3 fehlberg2 adaptive_heun euler midpoint heun2 heun3 rk4 explicit_adams
    implicit_adams fixed_adams scipy_solver implicit_euler implicit_midpoint trapezoid radauIIA3 gl4 radauIIA5
    gl6 sdirk2 trbdf2""".split()
"""The names of torchdiffeq's solvers."""


def test_list_methods_is_the_registry(odec: Run) -> None:
    methods, _, names = odec("list", "methods").stdout.partition("\n\n")
    rows = methods.splitlines()[2:]
    assert [row.split()[0] for row in rows] == [*METHODS, "auto"]
    for row, method in zip(rows, [*METHODS.values(), AUTO], strict=True):
        columns = re.split(r"  +", row)
        assert columns[2:4] == [str(method.order), str(method.stages)]
        assert ("adaptive" in columns[4]) == method.adaptive
        assert tuple(columns[5].split(", ")) == method.engines
    others = dict(row.split(maxsplit=1) for row in names.splitlines()[2:])
    assert set(TORCHDIFFEQ) <= {*METHODS, *others}
    assert all(others[name] == own for name, own in ALIASES.items())


def test_list_methods_in_detail(odec: Run) -> None:
    blocks = odec("list", "methods", "--detail").stdout.split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == [*METHODS, "auto"]
    for block, method in zip(blocks, [*METHODS.values(), AUTO], strict=True):
        for word in ("kind", "order", "stages", "stability", "engines", "gradients", method.source):
            assert word in block
    assert "L-stable" in blocks[list(METHODS).index("rodas5p")]
    refused = odec("list", "codes", "--detail")
    assert refused.exit_code == 2 and "--detail goes with methods" in refused.stderr


def test_a_run_line_may_say_another_name(odec: Run, folder: Path) -> None:
    text = "init x = 1\ndx/dt = -x\nrun t = 0 .. 1 step 0.1 method implicit_euler\n"
    (folder / "decay.ode").write_text(text, encoding="utf-8")
    assert odec("check", "decay.ode").exit_code == 0
    assert "Method: backward_euler" in odec("compile", "decay.ode", "-o", "-").stdout


@pytest.mark.parametrize("what", ["functions", "codes", "transforms", "engines"])
def test_list(what: str, odec: Run) -> None:
    result = odec("list", what)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, odec: Run) -> None:
    assert "_ODEC_COMPLETE" in odec("completion", shell).stdout


def test_completion_offers_methods() -> None:
    environment = {
        **_environment(),
        "_ODEC_COMPLETE": "bash_complete",
        "COMP_WORDS": "odec run m.ode --method ds",
        "COMP_CWORD": "4",
    }
    script = "from odec.cli import main; main()"
    for typed, offered in (("dopri5", "plain,dopri5"), ("ts", "plain,tsit5")):
        environment["COMP_WORDS"] = f"odec run m.ode --method {typed}"
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == [offered]


def test_the_page_on_the_command_line_names_every_option() -> None:
    from odec.cli import cli

    page = (Path(package.__file__).parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        assert f"odec {name}" in page
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert any(option in page for option in parameter.opts), f"{parameter.opts} of odec {name}"


def test_objects_are_not_searched_for_circles_as_the_process_ends() -> None:
    script = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
    script += "from odec.cli import main; main(['list', 'codes'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("True\n")
