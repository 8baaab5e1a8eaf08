"""This tree beside an earlier one, on models with nothing to land on: `python -m benchmarks.before TREE`.

TREE: a checkout of an earlier commit (`git worktree add TREE COMMIT`). Each has its own process, and both are
asked in turn. --what text: the kernels after the preprocessor; bits: states and gradients, byte for byte;
speed: time of the processor of one thread, medians, and the median of the ratios of each round.
"""

from __future__ import annotations

import argparse
import collections
import difflib
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import say

ROOT = Path(__file__).parent.parent


class Tree:
    """A checkout and its process, which answers questions of before_tasks.py."""

    def __init__(self, folder: Path):
        own = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, str(Path(__file__).with_name("before_tasks.py")), str(folder)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=folder, env=os.environ | own, **pipes)

    def ask(self, *question: Any) -> Any:
        """The answer. Raises RuntimeError where the process ended."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"no answer to {question}")
        return json.loads(line)


def text(before: Tree, now: Tree) -> list[str]:
    """How many kernels have lines of the model that differ, and which lines of headers do."""
    names = before.ask("kernels")
    changed, headers = [], collections.Counter[str]()
    for name in names:
        old, new = (tree.ask("text", name) for tree in (before, now))
        changed += [name] if old["own"] != new["own"] else []
        if old["own"] != new["own"]:
            say("\n".join(difflib.unified_diff(old["own"], new["own"], lineterm="", n=1)))
        lines = difflib.ndiff(old["headers"], new["headers"])
        headers.update({line for line in lines if line[0] in "+-"})
    found = [f"{len(names)} kernels, of which {len(changed)} have other lines of model or method: {changed}"]
    return found + [f"{count} | {line}" for line, count in sorted(headers.items(), key=lambda one: -one[1])]


def bits(before: Tree, now: Tree, only: str) -> list[str]:
    """Which states and gradients have other bits."""
    names = [name for name in before.ask("runs") if re.search(only, name)]
    other = []
    for k, name in enumerate(names, 1):
        old, new = (tree.ask("bits", name) for tree in (before, now))
        other += [f"{name}: {key}" for key in old if old[key] != new[key]]
        say(f"{k} of {len(names)} {name}: {'same' if old == new else 'OTHER'}")
    return [f"{len(names)} runs, {len(other)} results with other bits", *other]


def speed(before: Tree, now: Tree, repeats: int, only: str) -> list[str]:
    """A table of medians, and the median ratio with its quartiles."""
    lines = ["| | before | now | now / before | quartiles |", "| --- | --: | --: | --: | --: |"]
    for name in (name for name in before.ask("calls") if re.search(only, name)):
        for tree in (before, now):
            tree.ask("time", name)
        rounds = []
        for k in range(repeats):
            pair = [(tree.ask("time", name)) for tree in ((before, now) if k % 2 else (now, before))]
            rounds.append(pair if k % 2 else pair[::-1])
        ratios = [new / old for old, new in rounds]
        low, middle, high = statistics.quantiles(ratios, n=4)
        times = [statistics.median(times) for times in zip(*rounds, strict=True)]
        shown = " | ".join(f"{1e6 * time:,.4g} µs" for time in times)
        lines.append(f"| {name} | {shown} | **{middle:.3f}** | {low:.3f} – {high:.3f} |")
        say(lines[-1])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--what", default="text,bits,speed")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", default="", help="bits, speed: names that a regular expression finds")
    args = parser.parse_args()
    trees = Tree(args.tree.resolve()), Tree(ROOT)
    for what in args.what.split(","):
        found = {
            "text": lambda: text(*trees),
            "bits": lambda: bits(*trees, args.only),
            "speed": lambda: speed(*trees, args.repeats, args.only),
        }[what]()
        print("\n".join(found), flush=True)


if __name__ == "__main__":
    main()
