"""One table over the kept results: odec beside the best of its peers: `python -m benchmarks.summary`.

It reads benchmarks/results/*.json and writes README.md beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import RESULTS
from benchmarks.report import duration, times

ORDER = (
    "w1_fit w2_ensemble w3_adaptive w4_gradient w5_stiff single transcendental ring_oscillator mechanism "
    "w5_precision work_precision gradient gpu_ensemble gpu_adaptive"
).split()
HEAD = "| workload | odec | time | accuracy | best of the others | time | accuracy | its time over odec's |"
TEXT = """\
The fastest contender of odec beside the fastest of all others, hand-written loops among them, in one run of
the workload; the workload's own table has everyone. Accuracy: a deviation from a reference, relative or
(tol) in units of the tolerance, as that table says; contenders that choose their own steps end at
accuracies of their own. A ratio above 1 says how many times faster odec is."""


class Line(NamedTuple):
    """A contender in the table."""

    name: str
    seconds: float
    accuracy: str


def main(folder: Path = RESULTS) -> str:
    """Write README.md among the results, and return it."""
    kept = [(name, folder / f"{name}.json") for name in ORDER]
    found = [(name, json.loads(path.read_text())) for name, path in kept if path.exists()]
    lines = [HEAD, "| --- | --- | --: | --: | --- | --: | --: | --: |"]
    for name, kept in found:
        for title, own, peer in _compared(kept):
            lines.append(_row(f"[{kept['title'].partition(':')[0]}]({name}.md), {title}", own, peer))
    rest = {
        "compile_time": "Seconds to compile a model, against its size",
        "startup": "How soon odec answers",
        "small_call": "What a call of one trajectory without work costs",
        "odeint": "odeint beside torchdiffeq's, on its examples",
        "stops": "Switches in time and inputs: errors, gradients, costs",
        "interruption": "How long runs take to end when they are told to",
    }
    parts = ["# The results in short", TEXT, "\n".join(lines), _runs(found)]
    there = [(name, what) for name, what in rest.items() if (folder / f"{name}.md").exists()]
    parts += [f"{what}: [{name}]({name}.md)." for name, what in there]
    text = "\n\n".join(parts) + "\n"
    (folder / "README.md").write_text(text)
    return text


def _row(title: str, own: Line, peer: Line | None) -> str:
    cells = [title, own.name, duration(own.seconds), own.accuracy]
    if peer:
        cells += [peer.name, duration(peer.seconds), peer.accuracy, times(peer.seconds / own.seconds)]
    return "| " + " | ".join(cells + [""] * (8 - len(cells))) + " |"


def _compared(kept: dict[str, Any]) -> Iterator[tuple[str, Line, Line | None]]:
    """For each case and task of a run: its title, odec's fastest contender, and the fastest other."""
    if "points" in kept:
        yield from _of_points(kept)
        return
    rows = [row for row in kept["rows"] if row["seconds"]]
    for dtype, size, task in dict.fromkeys((row["dtype"], row["size"], row["aside"]) for row in rows):
        chosen = [row for row in rows if (row["dtype"], row["size"], row["aside"]) == (dtype, size, task)]
        own, peers = _split(chosen)
        if own and (peers or not task):
            title = ", ".join([f"N = {size:,}"] * bool(size) + [dtype] + [task] * bool(task))
            yield title, *_lines(min(own, key=_seconds), min(peers, key=_seconds, default=None))


def _seconds(row: dict[str, Any]) -> float:
    return row["seconds"]


def _split(rows: Sequence[dict[str, Any]]) -> tuple[list, list]:
    """odec's rows and the others'."""
    own = [row for row in rows if row["name"].startswith("odec")]
    return own, [row for row in rows if row not in own]


def _lines(own: dict[str, Any], peer: dict[str, Any] | None) -> tuple[Line, Line | None]:
    """Both with the last kind of deviation that both have."""
    kinds = [kind for kind in own["errors"] if peer is None or kind in peer["errors"]]
    found = []
    for row in (own, peer):
        error = row["errors"][kinds[-1]] if row and kinds else None
        unit = " tol" if kinds and "tolerance" in kinds[-1] else ""
        accuracy = "" if error is None else f"{error:.2g}{unit}" if unit else f"{error:.0e}"
        found.append(Line(row["name"], row["seconds"], accuracy) if row else None)
    assert found[0]
    return found[0], found[1]


def _of_points(kept: dict[str, Any]) -> Iterator[tuple[str, Line, Line | None]]:
    """For each problem and level of error: the least time that reaches it."""
    points = kept["points"]
    for problem in dict.fromkeys(point["problem"] for point in points):
        for level in kept["levels"]:
            reached = [p for p in points if p["problem"] == problem and p["error"] <= level]
            best = []
            for own in (True, False):
                group = [p for p in reached if p["solver"].startswith("odec") == own]
                point = min(group, key=_seconds, default=None)
                best.append(point and Line(point["solver"], point["seconds"], f"{point['error']:.0e}"))
            if best[0]:
                title = kept.get("titles", {}).get(problem, problem)
                yield f"{title}, error ≤ {level:.0e}", best[0], best[1]


def _runs(found: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Where, when and by what commands the results came about."""
    machines = list(dict.fromkeys(kept["machine"] for _, kept in found))
    versions = list(dict.fromkeys(kept["versions"] for _, kept in found))
    lines = ["## The runs", ""]
    lines += [f"- machine: {machine}" for machine in machines]
    lines += [f"- versions: {version}" for version in versions]
    lines += ["", "| command | date | load before the run |", "| --- | --- | --- |"]
    for _, kept in found:
        command = kept["command"].replace("|", "\\|")
        lines.append(
            f"| `{command}` | {kept['date']} | {kept.get('load before the run', '').split(' ')[0]} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(main())
