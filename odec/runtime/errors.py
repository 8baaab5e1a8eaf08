"""What the native engine raises where it cannot run."""

from __future__ import annotations


class EngineError(RuntimeError):
    """The native engine cannot run here; the message says why and what to do."""


class CompilerTimeout(EngineError):
    """A C compiler that did not end in time, and was ended."""


class DeviceMemoryError(EngineError):
    """The memory of the GPU does not hold what a call needs; the message says how many trajectories fit."""
