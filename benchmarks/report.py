"""What a run leaves behind: a markdown table, a picture, and the samples as JSON."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, Workload

PACKAGES = (
    "odec torch torchdiffeq torchode jax jaxlib diffrax gradsolve numba numbalsoda casadi scipy numpy "
    "cuda-bindings nvidia-cuda-nvrtc nvidia-cuda-nvrtc-cu12 jax-cuda12-plugin jax-cuda13-plugin"
).split()


def markdown(workload: Workload, rows: Sequence[Row], options: Any) -> str:
    """The report: what was run, where, a table for each case, what was absent, notes."""
    parts = [f"# {workload.title}", workload.text, *_machine(workload, options)]
    for dtype, size in dict.fromkeys((row.dtype, row.size) for row in rows):
        chosen = [row for row in rows if (row.dtype, row.size) == (dtype, size)]
        parts += [f"## {f'N = {size:,}, ' if size else ''}{dtype}", table(workload, chosen)]
    absent = {row.name: row.absent for row in rows if row.absent}
    if absent:
        lines = [f"- {name}: {_case_of(rows, name)}{reason}" for name, reason in absent.items()]
        parts += ["Not in the tables:", "\n".join(lines)]
    if workload.notes:
        found = workload.notes([row for row in rows if row.samples])
        if found:
            parts += ["## In short", "\n".join(f"- {line}" for line in found)]
    return "\n\n".join(parts) + "\n"


def table(workload: Workload, rows: Sequence[Row]) -> str:
    """The rows of one case, fastest first, beside odec's best."""
    rows = sorted((row for row in rows if row.seconds), key=lambda row: row.seconds or 0)
    if not rows:
        return "Nothing ran."
    own = min((r.seconds for r in rows if r.name.startswith("odec") and not r.aside), default=None)
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.errors))
    memory = any(row.megabytes is not None for row in rows)
    head = ["", workload.unit, "spread", "× odec's best", "first call"]
    head += [f"deviation {kind}" for kind in kinds]
    lines = [_line(head + ["peak memory"] * memory), _line(["---"] + ["--:"] * (len(head) - 1 + memory))]
    for row in rows:
        assert row.seconds
        cells = [f"**{row.name}**" if row.name.startswith("odec") else row.name, duration(row.seconds)]
        cells += [f"{duration(min(row.samples))} – {duration(max(row.samples))} ({len(row.samples)})"]
        cells += [times(row.seconds / own) if own else "", duration(row.first_call)]
        cells += [f"{row.errors[kind]:.1e}" if kind in row.errors else "" for kind in kinds]
        cells += ["" if row.megabytes is None else f"{row.megabytes:,.0f} MB"] * memory
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def times(ratio: float) -> str:
    """A ratio with as many digits as it deserves."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}" if ratio < 1 else f"{ratio:.1f}"


def duration(seconds: float | None) -> str:
    """A time with three digits and a fitting unit."""
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            value = seconds / size
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _case_of(rows: Sequence[Row], name: str) -> str:
    """In which cases a contender is missing, where it ran in others."""
    own = [row for row in rows if row.name == name]
    if all(row.absent for row in own):
        return ""
    return "; ".join(f"N = {row.size:,}, {row.dtype}" for row in own if row.absent) + ": "


def facts(name: str, threads: int, load: float, gpu: bool = False) -> dict[str, str]:
    """What a results file says of its run: command, machine (and GPU), versions, load, date."""
    versions = []
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    said = "one thread" if threads == 1 else f"{threads} threads"
    found: dict[str, str] = {
        "command": shlex.join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]]),
        "machine": f"{processor()}, {os.cpu_count()} cores, {said} for everyone",
        "versions": f"Python {platform.python_version()}, {', '.join(versions)}",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "load before the run": f"{load:.1f} (anything but 0 disturbs)",
    }
    if gpu:
        found["GPU"] = _gpu()
    return found


def _gpu() -> str:
    import torch

    from benchmarks import gpu_device

    if not torch.cuda.is_available():
        return "none: a dry run on the CPU"
    driver = gpu_device.asked("driver_version")
    return f"{torch.cuda.get_device_name()}, driver {driver}, torch for CUDA {torch.version.cuda}"


def listed(found: Mapping[str, str]) -> str:
    """The facts as a list, the command as code."""
    return "\n".join(f"- {key}: {f'`{said}`' if key == 'command' else said}" for key, said in found.items())


def _machine(workload: Workload, options: Any) -> list[str]:
    read = (
        "Times are medians of samples taken in turn, one of each contender in every round; spread: fastest – "
        "slowest (samples). First call: preparing and calling once, all compilation included. Deviations: "
        f"{workload.deviations}."
    )
    return [listed(facts(workload.name, options.threads, options.load, workload.gpu)), read]


def processor() -> str:
    """The processor's name, with family and model where the name says little."""
    facts: dict[str, str] = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            facts[key.strip()] = value.strip()
    name = facts.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts['model']})"
    widest = next((f for f in ("avx512f", "avx2", "avx") if f in facts.get("flags", "").split()), None)
    return name + {"avx512f": ", AVX-512", "avx2": ", AVX2", "avx": ", AVX", None: ""}[widest]


def write(workload: Workload, rows: Sequence[Row], options: Any, text: str, folder: Path) -> None:
    """The markdown with its picture, the picture, and the samples with what `summary` needs."""
    from benchmarks import picture

    folder.mkdir(parents=True, exist_ok=True)
    drawn = [row for row in rows if row.seconds]
    if drawn and not options.quick:
        picture.draw(workload, drawn, folder / f"{workload.name}.svg")
        text = re.sub(r"\n## ", f"\n![{workload.title}]({workload.name}.svg)\n\n## ", text, count=1)
    (folder / f"{workload.name}.md").write_text(text)
    found = facts(workload.name, options.threads, options.load, workload.gpu)
    found |= {"title": workload.title, "unit": workload.unit}
    rows_found = [{**asdict(row), "seconds": row.seconds} for row in rows]
    (folder / f"{workload.name}.json").write_text(json.dumps({**found, "rows": rows_found}, indent=1) + "\n")
