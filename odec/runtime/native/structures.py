"""The structures of C that a kernel takes, field by field; see include/odec/call.h."""

from __future__ import annotations

import ctypes
import functools
from typing import Any, NamedTuple

from torch import Tensor


class View(ctypes.Structure):
    """A tensor's address and its strides along components, trajectories and times (0 where shared)."""

    _fields_ = [
        ("at", ctypes.c_void_p),
        ("row", ctypes.c_int64),
        ("item", ctypes.c_int64),
        ("time", ctypes.c_int64),
    ]


def fields(kind: Any, names: str) -> list[tuple[str, Any]]:
    """Fields of one kind."""
    return [(name, kind) for name in names.split()]


class SeriesPlace(ctypes.Structure):
    """An input's knots and coefficients, their tangents and gradients."""

    _fields_ = [
        *fields(ctypes.c_void_p, "knots"),
        *fields(ctypes.c_int64, "n_knots pieces terms item"),
        *fields(ctypes.c_void_p, "c dc g"),
        *fields(ctypes.c_int64, "offset"),
    ]


class Structures(NamedTuple):
    """The Call of a model's kernels, and the Control of its adaptive steps."""

    call: Any
    control: Any


@functools.cache
def structures_of(inputs: int, adaptive: bool) -> Structures:
    """The structures of a model with so many inputs, whose method follows a tolerance or not."""
    pieces = fields(ctypes.c_void_p, "piece inside edge") if inputs else []

    class Control(ctypes.Structure):
        _fields_ = [
            *fields(ctypes.c_double, "first_step min_step max_step rtol sign"),
            *fields(ctypes.c_int64, "max_steps"),
            *fields(ctypes.c_void_p, "atol stops output"),
            *fields(ctypes.c_int64, "n_stops first"),
            *pieces,
            *fields(ctypes.c_int64, "room"),
            *fields(ctypes.c_void_p, "lacking"),
            ("report", View),
        ]

    series = [*fields(ctypes.c_int64, "stops"), ("series", SeriesPlace * inputs)] if inputs else []
    stops = fields(ctypes.c_void_p, "output piece inside edge") if inputs else []

    class Call(ctypes.Structure):
        _fields_ = [
            *fields(ctypes.c_int64, "batch times steps segment groups threads last_only"),
            *fields(ctypes.c_double, "clip"),
            *fields(ctypes.c_void_p, "when start h count interval within"),
            *fields(View, "x0 p out observed w g_x0 g_p g_t d_x0 d_p d_t data weight loss"),
            *fields(ctypes.c_void_p, "scratch"),
            *fields(ctypes.c_int64, "scratch_tape scratch_sums"),
            *series,
            *([("control", Control)] if adaptive else []),
            *fields(ctypes.c_int64, "stop told heard"),
            *fields(ctypes.c_double, "deadline"),
            *fields(ctypes.c_void_p, "board"),
            ("error", ctypes.c_void_p * 3),
            *stops,
        ]

    return Structures(Call, Control)


def view(value: Tensor, rows: int, items: int | None, times: int | None = None) -> View:
    """A tensor's view, its axes of components, trajectories and times given (None: shared)."""
    strides = value.stride()
    return View(
        value.data_ptr(),
        strides[rows] if value.numel() else 0,
        0 if items is None else strides[items],
        0 if times is None else strides[times],
    )
