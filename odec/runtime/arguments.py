"""What a Model is called with, as tensors; what does not fit is refused in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .tensors import common_shape


def real(value: Any, like: Tensor, name: str) -> Tensor:
    """Numbers as a tensor of the dtype and on the device of `like`; tensors in lists keep their gradients.

    Raises ValueError for what holds no real numbers.
    """
    if isinstance(value, Tensor) and not value.is_complex():
        return value.to(like.device, like.dtype).resolve_neg()
    kind = getattr(value, "dtype", None)
    if "complex" in str(kind):
        parts = "take .real, or write real and imaginary parts as states or parameters of their own"
        raise ValueError(f"{name} must be real, not {kind}: {parts}")
    items = [real(item, like, name) for item in value] if holds_tensors(value) else None
    if getattr(kind, "kind", "?") in "biuf" and not _readable(value):
        value = value.tolist()
    try:
        if items is not None:
            return torch.stack(items)
        return torch.as_tensor(value, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        told = repr(value) if len(repr(value)) < 60 else f"this {type(value).__name__}"
        wanted = "a tensor, an array or lists of real numbers, with rows of one length"
        raise ValueError(f"{name} must be {wanted}, not {told}") from None


def vector_of_times(value: Any, like: Tensor) -> Tensor:
    """The times as `real` has them. Raises ValueError where the dtype of `like` cannot tell them apart."""
    t = real(value, like, "t")
    if t.dim() != 1:
        raise ValueError(f"t must be a vector of times, not of shape {tuple(t.shape)}")
    if t.shape[0] == 0:
        raise ValueError("t holds no time")
    if t.dtype == torch.float64 or torch.compiler.is_compiling() or t.device.type == "meta":
        return t
    if isinstance(value, Tensor) and value.dtype == t.dtype:
        return t
    exact = real(value, t.double(), "t").detach()
    gaps = exact.diff()
    lost = (t.detach().double().diff() - gaps).abs() > 0.1 * gaps.abs()
    if bool(lost.any()):
        k = int(lost.nonzero()[0])
        near = f"{exact[k].item()!r} and {exact[k + 1].item()!r}"
        advice = "take float64, or count the time from a start nearby"
        raise ValueError(f"{t.dtype} is too coarse for the times {near}: {advice}")
    return t


def holds_tensors(value: Any) -> bool:
    """Whether a list, or a list in it, has tensors in it."""
    return isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) or holds_tensors(v) for v in value)


def _readable(array: Any) -> bool:
    """Whether torch reads an array as it is: not one that runs backwards, or of foreign byte order."""
    return min(getattr(array, "strides", ()), default=0) >= 0 and getattr(array.dtype, "isnative", True)


def check_batches(shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise ValueError where batches do not fit, or (B,) meets (B, 1), which would make B x B of them."""
    common_shape(*shapes.values())
    for name, shape in shapes.items():
        for other, longer in shapes.items():
            short = len(shape)
            if short < len(longer) and longer[:short] == shape and math.prod(shape) > 1:
                both = common_shape(shape, longer)
                if both != longer:
                    met = f"{name} has the batch {tuple(shape)} and {other} {tuple(longer)}"
                    advice = f"give both one shape, or {(*[1] * (len(longer) - short), *shape)} for all pairs"
                    raise ValueError(f"{met}: they would make {tuple(both)} trajectories; {advice}")


def number_or_none(value: Any, name: str) -> float | None:
    """A float, or None as it is. Raises ValueError."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a number, not {value!r}") from None


def positive(value: Any, what: str) -> float:
    """A positive number as a float. Raises ValueError."""
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if not number > 0:
        raise ValueError(f"{what} must be a positive number, not {value}")
    return number
