"""Which contender is at work, kept in a file, so that the next try leaves out one that ended the process.

A library that crashes takes the whole process with it: no handler of exceptions sees that. `python -m
benchmarks` gives each workload a file (WATCH); it names there who is running, and reads who is to be left
out.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

WATCH = "ODEC_BENCHMARKS_WATCH"


def running(name: str | None) -> None:
    """Say who is at work (None: nobody)."""
    if WATCH in os.environ:
        write(Path(os.environ[WATCH]), read(Path(os.environ[WATCH])) | {"running": name})


def broken(name: str) -> str | None:
    """Why a contender is to be left out, if it is."""
    return read(Path(os.environ[WATCH]))["broken"].get(name) if WATCH in os.environ else None


def read(path: Path) -> dict:
    return json.loads(path.read_text()) if path.stat().st_size else {"running": None, "broken": {}}


def write(path: Path, found: dict) -> None:
    path.write_text(json.dumps(found))
