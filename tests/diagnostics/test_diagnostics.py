"""Every diagnostic as it is printed. `python tests/diagnostics/test_diagnostics.py` rewrites the texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import odec
from odec.diagnostics import Diagnostic, ModelError, render_text
from odec.lang import all_codes, decode, explain, parse, read_source
from odec.lang.source import MAX_FILE_BYTES, MAX_LINE_CHARACTERS
from odec.passes import derive
from odec.passes.nonfinite import start_warnings

HERE = Path(__file__).parent
METHODS = frozenset({"euler", "heun2", "rk4", "dopri5"})
GENERATED = {
    "E109": "init x = 1  # Körper\n".encode("latin-1") + b"dx/dt = -x\n",
    "E110": b"init x = 1\ndx/dt = -x\0\n",
    "E111": b"init x = 1\ndx/dt = x" + b" + x" * (MAX_LINE_CHARACTERS // 4) + b"\n",
    "E112": b"# data\n" * (MAX_FILE_BYTES // 7 + 1),
    "E113": None,
}
"""Models that are better not kept as files; None: the file does not exist."""


def diagnose(name: str, data: bytes | None) -> list[Diagnostic]:
    """Every diagnostic of the phase that failed, or the warnings."""
    try:
        source = read_source(name) if data is None else decode(name, data)
        system, found = parse(source, methods=METHODS)
        if system is not None:
            derive(system)
            found += start_warnings(system)
    except ModelError as error:
        return list(error.diagnostics)
    return found


def cases() -> dict[str, bytes | None]:
    files = {path.stem: path.read_bytes() for path in HERE.glob("*.ode")}
    return dict(sorted({**files, **GENERATED}.items()))


@pytest.mark.parametrize("case", cases())
def test_text(case: str) -> None:
    found = diagnose(f"{case}.ode", cases()[case])
    assert case[:4] in {d.code for d in found}
    assert render_text(found) == (HERE / f"{case}.txt").read_text(encoding="utf-8")


def test_every_code_is_explained_and_shown() -> None:
    texts = (path.read_text(encoding="utf-8") for path in Path(odec.__file__).parent.rglob("*.py"))
    raised = {code for text in texts for code in re.findall(r'"([EW]\d{3})"', text)}
    assert raised == set(all_codes())
    assert raised <= cases().keys()
    assert {path.stem for path in HERE.glob("*.txt")} == cases().keys()


@pytest.mark.parametrize("code", all_codes())
def test_explanations(code: str) -> None:
    text = explain(code.lower())
    assert text is not None
    assert text.startswith(f"## {code} ")
    assert len(text.splitlines()) >= 5


def test_examples_of_the_catalogue_show_what_they_say() -> None:
    """The wrong example of a section gives its code, and the right one does not."""
    for code in all_codes():
        text = explain(code) or ""
        wrong = re.search(r"^Wrong:\n\n((?:    .*\n)+)", text, re.MULTILINE)
        right = re.search(r"^Right:\n\n((?:    .*\n?)+)", text, re.MULTILINE)
        if wrong:
            assert code in codes_of(wrong.group(1)) | first_codes(wrong.group(1)), code
        if right:
            assert code not in codes_of(right.group(1)), code


def first_codes(example: str) -> set[str]:
    text = "\n".join(line[4:] for line in example.splitlines())
    return {d.code for d in diagnose("example.ode", text.encode())}


def codes_of(example: str) -> set[str]:
    """The codes that a few lines give, once what else a model needs has been added."""
    text = "\n".join(line[4:] for line in example.splitlines()) + "\n"
    codes: set[str] = set()
    for _ in range(5):
        found = diagnose("example.ode", text.encode())
        codes = {d.code for d in found}
        if not codes & {"E201", "E301", "E302", "E306"}:
            break
        for d in found:
            name = (re.findall(r"'(\w+)'", d.message) or ["other"])[0]
            if d.code == "E201":
                text += f"param {name} = 1\n"
            elif d.code == "E301":
                derivative = re.findall(r"\w+'", d.message.replace(f"'{name}'", ""))
                text += f"init {(derivative or [name])[0]} = 1\n"
            elif d.code == "E302":
                text += f"d{name}/dt = 1\n"
            elif d.code == "E306":
                text += "dother/dt = -other\n"
    return codes


if __name__ == "__main__":
    for name, data in cases().items():
        (HERE / f"{name}.txt").write_text(render_text(diagnose(f"{name}.ode", data)), encoding="utf-8")
