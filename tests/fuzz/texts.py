"""Random texts: mutated models, words in any order, bytes, and generated models that may be valid.

A text depends on the seed and its index alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

from .words import NAMES, REMARKS, SPACES, UNARY, WORDS


def seeds_of(root: Path) -> list[str]:
    """The models of a checkout: what is mutated."""
    folders = [root / "examples", root / "tests"]
    paths = sorted(path for folder in folders for path in folder.rglob("*.ode"))
    texts = [
        path.read_text(encoding="utf-8", errors="replace") for path in paths if path.stat().st_size < 20_000
    ]
    return texts or ["param k = 1\ninit x = 1\ndx/dt = -k*x\nrun t = 0 .. 1 step 0.1\n"]


def _any_character(rng: random.Random, text: str) -> str:
    return chr(rng.choice((rng.randrange(128), rng.randrange(0x3000), rng.randrange(0xD800))))


def _any_word(rng: random.Random, text: str) -> str:
    return rng.choice(WORDS)


def _any_space(rng: random.Random, text: str) -> str:
    return rng.choice(SPACES)


def _nothing(rng: random.Random, text: str) -> str:
    return ""


def _repeated(rng: random.Random, text: str) -> str:
    return text * rng.choice((1, 2, 3, 4, 51))


def _nested(rng: random.Random, text: str) -> str:
    depth = rng.choice((3, 20, 99, 101, 300))
    pairs = (("(", ")"), ("exp(", ")"), ("-", ""), ("not ", ""), ("[", "]"), ("if x>1 then ", " else 1"))
    opening, closing = rng.choice(pairs)
    return opening * depth + text + closing * depth


def _other_token(rng: random.Random, text: str, seeds: list[str]) -> str:
    parts = re.findall(r"\w+|\s+|[^\w\s]", text)
    if parts:
        parts[rng.randrange(len(parts))] = rng.choice(parts if rng.random() < 0.5 else WORDS)
    return "".join(parts)


def _other_number(rng: random.Random, text: str, seeds: list[str]) -> str:
    numbers = list(re.finditer(r"\d+\.?\d*", text))
    if not numbers:
        return text
    found = rng.choice(numbers)
    number = rng.choice("0 -1 1e308 1e-308 1e400 5e-324 123456789012345678901 0.1 1e22".split())
    return text[: found.start()] + number + text[found.end() :]


def _other_name(rng: random.Random, text: str, seeds: list[str]) -> str:
    names = list(re.finditer(r"[^\W\d]\w*", text))
    if not names:
        return text
    name, new = rng.choice(names).group(), rng.choice((*NAMES, *WORDS))
    return re.sub(rf"\b{re.escape(name)}\b", lambda _: new, text)


def _other_lines(rng: random.Random, text: str, seeds: list[str]) -> str:
    lines = text.split("\n")
    if rng.random() < 0.5:
        rng.shuffle(lines)
    return "\n".join([*lines, rng.choice(lines)])


def _other_model(rng: random.Random, text: str, seeds: list[str]) -> str:
    other = rng.choice(seeds)
    return text[: rng.randint(0, len(text))] + other[rng.randint(0, len(other)) :]


def _remarks(rng: random.Random, text: str, seeds: list[str]) -> str:
    return "\n".join(line + (rng.choice(REMARKS) if rng.random() < 0.5 else "") for line in text.split("\n"))


def _cut(rng: random.Random, text: str, seeds: list[str]) -> str:
    return text[: rng.randint(0, len(text))]


PLACED = (_any_character, _any_word, _any_space, _nothing, _repeated, _nested)
"""What a stretch of a text becomes."""
WHOLE = (_other_token, _other_token, _other_number, _other_name, _other_lines, _other_model, _remarks, _cut)
"""What a text becomes."""


def mutated(rng: random.Random, seeds: list[str]) -> str:
    """A model with some things changed."""
    text = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8, 20))):
        if rng.random() < 0.5:
            i = rng.randint(0, len(text))
            j = min(len(text), i + rng.choice((0, 1, 1, 2, 5, 20, 200)))
            text = text[:i] + rng.choice(PLACED)(rng, text[i:j]) + text[j:]
        else:
            text = rng.choice(WHOLE)(rng, text, seeds)
        text = text[:100_000]
    return text


def soup(rng: random.Random) -> str:
    """Random words, or a statement's head with random words after it."""
    head = rng.choice(
        (
            "",
            "",
            "param k = ",
            "init x = 1\ndx/dt = ",
            "obs y = ",
            "run t = ",
            "f(a) = ",
            "input u ",
            "x[t+1] = ",
        )
    )
    return head + "".join(
        rng.choice(WORDS) + rng.choice(SPACES) for _ in range(rng.choice((3, 8, 20, 60, 400)))
    )


def noise(rng: random.Random) -> bytes:
    """Bytes that need not be text."""
    data = bytes(
        rng.choice((rng.randrange(256), rng.randrange(32, 127)))
        for _ in range(rng.choice((1, 10, 100, 1000)))
    )
    return rng.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe", b"init x = 1\n", b"# ")) + data


def condition(rng: random.Random, inner: Callable[[], str]) -> str:
    """A condition, often one of constants alone."""
    if rng.random() < 0.4:
        return rng.choice(("mode > 0", "mode == 2", "not mode > 1", "1 < 2", "2 <= mode", "mode != 1"))
    relation = f"{inner()} {rng.choice(('<', '<=', '>', '>=', '==', '!='))} {inner()}"
    more = ("", "", " and 1 < 2", " or mode > 1", " and mode > 0", f" or not {inner()} > 1")
    return relation + rng.choice(more)


def formula(rng: random.Random, names: list[str], depth: int) -> str:
    """A random formula; singular ones are wanted too."""
    if depth <= 0 or rng.random() < 0.15:
        return rng.choice([*names, *names, "1", "0.5", "2", "1e-3", "3", "pi"])

    def inner() -> str:
        return formula(rng, names, depth - 1)

    kind = rng.randrange(12)
    if kind < 4:
        return f"({inner()} {rng.choice('+-*/')} {inner()})"
    if kind < 7:
        return f"{rng.choice(UNARY)}({inner()})"
    if kind == 7:
        powers = ("2", "3", "0.5", "-1", "-2", "1.5", "7", "0", names[0], "20", "(1/3)")
        return f"({inner()})**{rng.choice(powers)}"
    if kind == 8:
        return f"(if {condition(rng, inner)} then {inner()} else {inner()})"
    if kind == 9:
        call = rng.choice(
            ("min({},{})", "max({},{})", "atan2({},{})", "mod({},{})", "pow({},{})", "heaviside({},{})")
        )
        return call.format(inner(), inner())
    if kind == 10:
        call = rng.choice(("clip({},{},{})", "hill({},{},{})", "min({},{},{})", "max({},{},{})"))
        return call.format(inner(), inner(), inner())
    return f"-{inner()}"


def generated(rng: random.Random) -> str:
    """A model that may be valid: all statements, hostile names and remarks."""
    names = rng.sample(NAMES, 16) if rng.random() < 0.5 else [f"v{k}" for k in range(16)]
    count = rng.choice((1, 1, 2, 2, 3, 5))
    states, params, consts = names[:count], names[5 : 5 + rng.randint(0, 3)], names[8 : 8 + rng.randint(0, 2)]
    inputs = names[10 : 10 + rng.choice((0, 0, 0, 1, 2))]
    clock = "t" if rng.random() < 0.8 else names[15]
    depth = rng.choice((1, 2, 2, 3, 4))
    known = [*states, *params, *consts, *inputs, clock]
    lines = ["# A model.", *([f"time {clock}"] if clock != "t" else []), f"const mode = {rng.choice('0112')}"]
    for name in params:
        bounds = (
            " in (0, inf)",
            " in [0, 10]",
            " in (-inf, 5)",
            " in (0, 3) : 1/day",
            " via log",
            " via log10",
            "",
        )
        lines.append(f"param {name} = {rng.choice(('0.5', '1', '2.5', '1e-3'))}{rng.choice(bounds)}")
    lines += [f"const {name} = {rng.choice(('2', '0.1', '1/3', '1e-5', '7'))}" for name in consts]
    lines += [f"input {name} {rng.choice(('', 'hold', 'linear', 'cubic'))}" for name in inputs]
    if rng.random() < 0.4:
        lines.append(f"{names[12]} = {formula(rng, known, depth)}")
        known.append(names[12])
    if rng.random() < 0.2:
        lines.append(f"{names[13]}(a_, b_) = {formula(rng, ['a_', 'b_', *params], 1)}")
        known.append(f"{names[13]}({states[0]}, 2)")
    kind = rng.choice(("ode",) * 7 + ("second", "map", "map"))
    lines += _equations(rng, kind, clock, states, [formula(rng, known, depth) for _ in states], params)
    if rng.random() < 0.5:
        lines.append(f"obs {names[14]} = {formula(rng, known, depth)}")
    if rng.random() < 0.5:
        lines.append(f"run {clock} = 0 .. {'5' if kind == 'map' else '0.1 step 0.02'}")
    rng.shuffle(lines)
    return "\n".join(line + rng.choice(REMARKS) for line in lines) + "\n"


def _equations(
    rng: random.Random, kind: str, clock: str, states: list[str], rights: list[str], params: list[str]
) -> list[str]:
    """The initial values and equations of a model."""
    lines = [f"init {name} = {rng.choice(('1', '0.5', '2', '0.1', '-0.3', '0', *params))}" for name in states]
    for name, right in zip(states, rights, strict=True):
        if kind == "map":
            lines.append(f"{name}[{clock}+1] = {right}")
        elif kind == "second":
            lines += [f"{name}'' = {right}", f"init {name}' = 0.1"]
        else:
            lines.append(f"d{name}/d{clock} = {right}")
    return lines


def text_of(seed: int, index: int, seeds: list[str]) -> bytes:
    """Text number `index`: mutated (half), words, noise, generated."""
    rng = random.Random(f"{seed}/{index}")
    kind = rng.random()
    if kind < 0.5:
        text = mutated(rng, seeds)
    elif kind < 0.65:
        text = soup(rng)
    elif kind < 0.7:
        return noise(rng)
    elif kind < 0.8:
        text = mutated(rng, [generated(rng)])
    else:
        text = generated(rng)
    return text.encode("utf-8", "surrogatepass")
