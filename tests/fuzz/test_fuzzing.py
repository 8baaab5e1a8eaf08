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


def test_any_text_is_read_or_told() -> None:
    seeds, answers = seeds_of(ROOT), set()
    for index in range(400):
        try:
            answers.add(guarded(text_of(7, index, seeds), CODES))
        except Fault as fault:
            pytest.fail(f"text {index} of seed 7: {fault.kind}\n{fault.details}")
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


def test_valid_models_compile_and_run() -> None:
    outcomes = set()
    for index, text in valid(3, 8, "const mode"):
        method = METHODS[index % len(METHODS)]
        outcomes.add(run_both({"text": text, "method": method, "native": False, "seed": index}))
    assert "ran" in outcomes


def test_both_engines_give_the_same_where_conditions_are_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODEC_CFLAGS", "-O1")
    outcomes = set()
    for index, text in valid(2, 2, "if mode > 0", "d"):
        outcomes.add(run_both({"text": text, "method": "heun2", "native": True, "seed": index}))
    assert outcomes <= {"ran", "nan with status"}
