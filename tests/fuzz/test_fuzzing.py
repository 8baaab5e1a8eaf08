"""A small budget of the fuzzer, with seeds that stay: `python -m tests.fuzz` runs as many as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from odec import lang

from .engines import METHODS, run_both
from .reading import Fault, guarded, read_as_check_does
from .texts import seeds_of, text_of

ROOT = Path(__file__).resolve().parents[2]
CODES = set(lang.all_codes())


@pytest.mark.parametrize(
    ("seed", "count"), [(7, 400), pytest.param(11, 4_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_any_text_is_read_or_told(seed: int, count: int) -> None:
    seeds, answers = seeds_of(ROOT), set()
    for index in range(count):
        try:
            answers.add(guarded(text_of(seed, index, seeds), CODES))
        except Fault as fault:
            pytest.fail(f"text {index} of seed {seed}: {fault.kind}\n{fault.details}")
    assert "valid" in answers and len(answers) > 20


def valid(seed: int, count: int, *words: str) -> list[tuple[int, str]]:
    """The first valid models of a seed in which all words stand."""
    found, index, seeds = list[tuple[int, str]](), 0, seeds_of(ROOT)
    while len(found) < count:
        index += 1
        data = text_of(seed, index, seeds)
        if all(word.encode() in data for word in words) and read_as_check_does(data, CODES) == "valid":
            found.append((index, lang.decode("model.ode", data).text))
    return found


@pytest.mark.parametrize(
    ("seed", "count"), [(3, 8), pytest.param(5, 40, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_valid_models_compile_and_run(seed: int, count: int) -> None:
    outcomes = set()
    for index, text in valid(seed, count, "const mode"):
        method = METHODS[index % len(METHODS)]
        outcomes.add(run_both({"text": text, "method": method, "native": False, "seed": index}))
    assert "ran" in outcomes


@pytest.mark.parametrize(
    ("seed", "count"), [(2, 2), pytest.param(4, 8, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_both_engines_give_the_same_where_conditions_are_constants(seed: int, count: int) -> None:
    outcomes = set()
    for index, text in valid(seed, count, "if mode > 0", "d"):
        outcomes.add(run_both({"text": text, "method": "heun2", "native": True, "seed": index}))
    assert outcomes <= {"ran", "nan with status"}
