"""What the run line says of steps: every word, in any order."""

from __future__ import annotations

import itertools

import pytest

import odec
from odec.lang import format_source
from odec.system import Run

TEXT = "const h = 1/4\ninit x = 1, y = 1\nx'' = -x\ninit x' = 0\ny' = -y\n"
WORDS = ("step h", "method dopri5", "rtol 1e-8", "atol 1e-9, h*1e-6, 1e-3")


def run_of(line: str) -> Run:
    run = odec.parse(TEXT + line + "\n").run
    assert run is not None
    return run


@pytest.mark.parametrize("words", list(itertools.permutations(WORDS)))
def test_the_words_in_any_order(words: tuple[str, ...]) -> None:
    run = run_of("run t = 0 .. 8*h " + " ".join(words))
    assert (run.start, run.stop, run.step, run.method, run.dt) == (0, 2, 0.25, "dopri5", None)
    assert (run.rtol, run.atol, run.toleranced) == (1e-8, (1e-9, 0.25e-6, 1e-3), True)


def test_fixed_steps() -> None:
    run = run_of("run t = 0 .. 1 dt h/2 method rk4")
    assert (run.step, run.dt, run.method, run.toleranced) == (None, 0.125, "rk4", False)


def test_the_formatter_keeps_them() -> None:
    text = TEXT + "run t=0..1   dt  -(-h) method rk4\n"
    source = odec.Source("m.ode", text)
    assert format_source(source).splitlines()[-1] == "run t = 0 .. 1 dt -(-h) method rk4"
    source = odec.Source("m.ode", TEXT + "run t=0..1 rtol  1e-8 atol 1e-9,h , 1e-3 step .1  # fine\n")
    last = format_source(source).splitlines()[-1]
    assert last == "run t = 0 .. 1 rtol 1e-8 atol 1e-9, h, 1e-3 step .1  # fine"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("run t = 0 .. 1 method rk4 dt 0.1 rtol 1e-6", "E319"),
        ("run t = 0 .. 1 method rk4 dt 0.1 atol 1e-6", "E319"),
        ("run t = 0 .. 1 dt 0.1", "E319"),
        ("run t = 0 .. 1 method rk4 rtol 1e-6", "E319"),
        ("run t = 0 .. 1 method dopri5 atol 1e-6, 1e-6", "E312"),
        ("run t = 0 .. 1 rtol 0", "E312"),
        ("run t = 0 .. 1 atol 1e-6, -1, 1", "E312"),
        ("run t = 0 .. 1 method euler dt 0", "E312"),
        ("run t = 0 .. 1 rtol x", "E311"),
        ("run t = 0 .. 1 rtoll 1e-6", "E107"),
        ("run t = 0 .. 1 dt 0.1 dt 0.2 method rk4", "E107"),
    ],
)
def test_what_is_wrong(line: str, code: str) -> None:
    found = odec.check(TEXT + line + "\n")
    assert [d.code for d in found if d.severity == "error"] == [code]


def test_a_map_has_none_of_them() -> None:
    for words in ("dt 1", "rtol 1e-6", "atol 1e-6"):
        assert [d.code for d in odec.check(f"init N = 1\nN[t+1] = N\nrun t = 0 .. 3 {words}\n")] == ["E312"]


def test_show_says_them() -> None:
    from odec.passes import show

    text = show.equations_text(odec.parse(TEXT + "run t = 0 .. 1 atol h rtol 1e-3 step h\n"))
    assert text.endswith("\nrun\n  t = 0 .. 1 step 0.25 rtol 0.001 atol 0.25\n")


@pytest.mark.parametrize("line", ["run 0 .. 4", "run -1 .. 4 step 0.1"])
def test_a_run_line_without_the_time(line: str) -> None:
    (found,) = odec.check(TEXT + line + "\n")
    assert (found.code, found.message) == ("E104", "expected the name of the time")
    assert found.notes == ("the time stands before its start: `run t = 0 .. 100`",)


def test_a_list_behind_a_unit() -> None:
    (found,) = odec.check("init x = 1 : mol, y = 2\nx' = -x\ny' = -y\nrun t = 0 .. 1\n")
    assert (found.code, found.message) == ("E401", "a list goes on behind a unit")
    assert found.notes[0].endswith("the next takes a line of its own")
