"""What holds a parameter within its bounds: an optimizer moves a number without any, of which it is made."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .torch_private import DisableTorchFunctionSubclass, share_memory, versions


class Bounds(nn.Module):
    """What holds a parameter within its bounds, which it saves beside the parameter.

    forward: from what an optimizer moves to the natural value; right_inverse: back.
    """

    kind: ClassVar[int]
    """What a state_dict says of the bounds; see from_bounds."""
    lower: float = -math.inf
    upper: float = math.inf

    @property
    def code(self) -> int:
        """What a kernel that fits calls them; 0 is a parameter without bounds."""
        return self.kind + 1

    def forward(self, raw: Tensor) -> Tensor:
        raise NotImplementedError

    def right_inverse(self, value: Tensor) -> Tensor:
        """What an optimizer moves, from a value within the bounds."""
        raise NotImplementedError

    def get_extra_state(self) -> Tensor:
        """The kind of the bounds, the lower and the upper one."""
        return torch.tensor([self.kind, self.lower, self.upper], dtype=torch.float64)

    def _load_from_state_dict(self, *_: Any) -> None:
        """Nothing: the Model has turned what was saved into a value under these bounds."""


class Above(Bounds):
    """lower + softplus(raw): the values above a bound."""

    kind = 0

    def __init__(self, lower: float):
        super().__init__()
        self.lower = lower

    def forward(self, raw: Tensor) -> Tensor:
        above = nn.functional.softplus(raw, threshold=40)
        return self.lower + above if self.lower else above

    def right_inverse(self, value: Tensor) -> Tensor:
        value = value - self.lower
        return value + torch.log(-torch.expm1(-value))


class Below(Bounds):
    """upper - softplus(raw): the values below a bound."""

    kind = 1

    def __init__(self, upper: float):
        super().__init__()
        self.upper = upper

    def forward(self, raw: Tensor) -> Tensor:
        return self.upper - nn.functional.softplus(raw, threshold=40)

    def right_inverse(self, value: Tensor) -> Tensor:
        value = self.upper - value
        return value + torch.log(-torch.expm1(-value))


class Between(Bounds):
    """lower + (upper - lower)·sigmoid(raw): the values between two bounds."""

    kind = 2

    def __init__(self, lower: float, upper: float):
        super().__init__()
        self.lower, self.upper = lower, upper

    def forward(self, raw: Tensor) -> Tensor:
        return self.lower + (self.upper - self.lower) * torch.sigmoid(raw)

    def right_inverse(self, value: Tensor) -> Tensor:
        return torch.logit((value - self.lower) / (self.upper - self.lower))


class Exponential(Bounds):
    """exp(raw): the positive values, on a logarithmic scale."""

    kind = 3

    def forward(self, raw: Tensor) -> Tensor:
        return torch.exp(raw)

    def right_inverse(self, value: Tensor) -> Tensor:
        return torch.log(value)


class PowerOfTen(Bounds):
    """10**raw: the positive values, on a decadic logarithmic scale."""

    kind = 4

    def forward(self, raw: Tensor) -> Tensor:
        return torch.pow(10, raw)

    def right_inverse(self, value: Tensor) -> Tensor:
        return torch.log10(value)


def holding(transform: str, lower: float, upper: float) -> Bounds | None:
    """What holds a parameter between two bounds, by a Param's transform; None where nothing does."""
    if transform == "softplus":
        return Above(lower) if math.isfinite(lower) else Below(upper)
    if transform == "logit":
        return Between(lower, upper)
    return {"log": Exponential, "log10": PowerOfTen}[transform]() if transform != "none" else None


def from_bounds(raw: Tensor, kind: float, lower: float, upper: float) -> Tensor:
    """The natural value of what an optimizer moves, by any bounds that a state_dict may hold."""
    kinds = (Above(lower), Below(upper), Between(lower, upper), Exponential(), PowerOfTen())
    value: Tensor = kinds[int(kind)](raw)
    return value


IN_VAIN = (
    "this value of a parameter is computed from its bounds; set it, as in net.k = 0.2"
    " (or freeze it: net.freeze('k'))"
)


class Value(Tensor):
    """What a bounded parameter reads as: a tensor like others, but not to be written in place, in vain.

    Nor are its views, and arrays of numpy that share its memory are read-only.
    """

    # net.k += 1 sets net.k
    __iadd__: Any = Tensor.__add__
    __isub__: Any = Tensor.__sub__
    __imul__: Any = Tensor.__mul__
    __itruediv__: Any = Tensor.__truediv__
    __ipow__: Any = Tensor.__pow__

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, named = getattr(function, "__name__", ""), dict(kwargs or {})
        writes = name.endswith("_") and not name.endswith("__") or name in ("__setitem__", "__set__")
        written = [*args[:1], *named.values()] if writes else [named.get("out")]
        if any(isinstance(value, cls) for value in _spread(written)):
            raise RuntimeError(IN_VAIN)
        own = [value for value in _spread([*args, *named.values()]) if isinstance(value, cls)]
        with DisableTorchFunctionSubclass():
            before = versions(own)
            if args and isinstance(args[0], cls):
                args = (args[0].as_subclass(Tensor), *args[1:])
            found = function(*args, **named)
            if versions(own) != before:
                raise RuntimeError(IN_VAIN)
            if name in ("numpy", "__array__"):
                found.flags.writeable = False
            return _kept(found, own)

    def set_(self, *_: Any, **__: Any) -> Any:
        """Refused, as all that writes in place."""
        raise RuntimeError(IN_VAIN)


def _spread(values: Iterable[Any]) -> Iterator[Any]:
    """Values, and those within lists and tuples of them."""
    for value in values:
        yield from value if isinstance(value, (list, tuple)) else (value,)


def _kept(found: Any, own: Sequence[Value]) -> Any:
    """What a function of Values gives; what shares their memory is a Value too, not to be written to."""
    if isinstance(found, (list, tuple)) and any(isinstance(value, Tensor) for value in found):
        kept = [_kept(value, own) for value in found]
        return kept if isinstance(found, list) else tuple(kept)
    shared = isinstance(found, Tensor) and any(share_memory(found, value) for value in own)
    return found.as_subclass(Value) if shared else found


class Bounded(type):
    """The class of Models whose parameters are read through bounds: one for all of them, so that they stack.

    torch's parametrize, where it changes a Model's class, would change all; the properties here suit any.
    """

    spelled: Mapping[str, Any]
    """The class's attributes of parameters."""

    def __setattr__(cls, name: str, value: Any) -> None:
        if name not in cls.spelled:
            super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        if name not in cls.spelled:
            super().__delattr__(name)


@functools.cache
def bounded(cls: Any) -> Any:
    """A class of Models, with properties that read and set parameters through their bounds."""

    def own(name: str) -> property:
        return property(lambda net: net._read(name), lambda net, value: net._set(name, value))

    return Bounded(f"Parametrized{cls.__name__}", (cls,), {name: own(name) for name in cls.spelled})
