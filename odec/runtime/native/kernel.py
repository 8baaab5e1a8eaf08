"""A model's kernels: how they are built, how their lanes are laid out, and what is the same in every call."""

from __future__ import annotations

from typing import Any

import torch

from ..compiled import Compiled
from ..errors import EngineError
from ..methods import Auto, Explicit, Implicit, Rosenbrock
from . import threads, toolchain
from .structures import structures_of

_TERMS = {"hold": 1, "linear": 2, "cubic": 4}
"""The coefficients of an input's pieces."""


_FAST, _STACK, _THREAD = 1 << 18, 1 << 22, 1 << 14
"""Bytes of a block of lanes of arrays: what a core's own cache holds; at most, as they are on a stack; and at
most of a GPU's thread."""


class Kernels:
    """The kernels of a model and a method, each built or loaded when it is first run."""

    def __init__(self, compiled: Compiled):
        if compiled.kernel is None:
            raise EngineError(f"the module of {compiled.name} was compiled without the native engine")
        self.compiled, self.kernel = compiled, compiled.kernel
        self.states, self.params = len(compiled.columns), sum(param.size for param in compiled.params)
        self.observables, self.inputs = len(compiled.observables), tuple(i.name for i in compiled.inputs)
        self.terms = tuple(_TERMS[entry.kind] for entry in compiled.inputs)
        self.adaptive = compiled.adaptive
        self.structures = structures_of(len(self.inputs), self.adaptive)
        self.stages = _stages(compiled)
        self._functions: dict[tuple[Any, ...], Any] = {}

    @property
    def source(self) -> str:
        """The C source, which includes the headers of toolchain.INCLUDE."""
        return self.kernel.source

    def lanes(self, dtype: torch.dtype, shares_p: bool = False) -> int:
        """Trajectories side by side: enough vectors to keep a core's units busy, fewer for large models.

        shares_p: whether all have the same parameters, which then take no room in the lanes of a model of
        arrays. Raises EngineError where such a model is too large for a thread.
        """
        lanes, held = self.kernel.lanes, self.kernel.room
        if held:
            held += 0 if shares_p else 3 * self.params
            while lanes > 8 and 8 * lanes * held > _FAST or lanes > 1 and 8 * lanes * held > _STACK:
                lanes //= 2
            if 8 * lanes * held > _STACK:
                raise EngineError(
                    f"what a step of {self.compiled.name} holds of one trajectory, {8e-6 * held:.3g} MB, "
                    "does not fit a thread of the native engine; use engine='torch'"
                )
        return lanes * 8 // dtype.itemsize

    def check_thread(self, dtype: torch.dtype, shares_p: bool) -> None:
        """Raises EngineError where a model of arrays is too large for a thread of a GPU."""
        held = (self.kernel.room + (0 if shares_p else 3 * self.params)) * dtype.itemsize
        if self.kernel.arrays and held > _THREAD:
            own = "" if shares_p else " with parameters of its own"
            raise EngineError(
                f"what a step of {self.compiled.name} holds of one trajectory{own}, {1e-3 * held:.3g} kB, "
                "does not fit a thread of the GPU; use engine='torch'"
            )

    def few_lanes(self, lanes: int, size: int, dtype: torch.dtype) -> int:
        """Lanes for so few trajectories, in vectors so long that they round as longer ones do.

        clang's kernels round otherwise for fewer lanes, and gcc's do where a block's lanes take several
        vectors either way: where a processor has none of 64 bytes.
        """
        if _is_clang() or not toolchain.has_wide_vectors():
            return lanes
        shortest = self.kernel.shortest
        while 2 * size <= lanes and lanes * dtype.itemsize > shortest:
            lanes //= 2
        return lanes

    def defines(
        self,
        name: str,
        dtype: torch.dtype,
        clip: bool,
        times: bool,
        lanes: int,
        adaptive: int,
        inner: int,
        shares_p: bool = False,
        shares_inputs: bool = False,
    ) -> dict[str, int]:
        """The macros of a kernel. adaptive: 0 of fixed steps, 1 by tolerance, 2 with outputs within steps.

        shares_p: whether all trajectories have the same parameters, of which kernels of arrays make use.
        shares_inputs: whether they have the same inputs.
        """
        found = {
            "REAL_BITS": 8 * dtype.itemsize,
            "LANES": lanes,
            "INNER_LANES": inner,
            "CLIP": int(clip),
            "TIMES": int(times),
            "LAST_STATE": int(name == "loss"),
        }
        found |= {"ADAPTIVE": adaptive} if self.adaptive else {}
        found |= {"UNIFORM": int(shares_p)} if self.kernel.arrays else {}
        fewer = shares_inputs and lanes > 1 and not (inner or adaptive)
        return found | ({"SHARED_INPUTS": 1} if fewer else {})

    def function(
        self,
        name: str,
        dtype: torch.dtype,
        clip: bool,
        times: bool,
        lanes: int,
        adaptive: int,
        shares_p: bool = False,
        shares_inputs: bool = False,
    ) -> Any:
        """The kernel as a function of its Call. Raises EngineError where it cannot be built."""
        key = (name, dtype, clip, times, lanes, adaptive, shares_p, shares_inputs)
        found = self._functions.get(key)
        if found is None:
            defines = self.defines(*key[:6], self.kernel.inner_lanes, *key[6:])
            library = toolchain.library(self.source, name, defines)
            found = threads.runner(library, name, self.structures.call)
            self._functions[key] = found
        return found


def _stages(compiled: Compiled) -> int:
    """How many slopes a step takes, about."""
    method = compiled.method
    if isinstance(method, Auto):
        method = method.stiff
    if isinstance(method, Rosenbrock):
        return len(method.m)
    return len(method.b) if isinstance(method, Explicit | Implicit) else 1


def _is_clang() -> bool:
    return "clang" in toolchain.compiler()[1]
