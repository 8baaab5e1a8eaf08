"""Names of torch that it does not promise to keep: all of them, so that a change of torch is mended here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

_functorch = torch._C._functorch


def transformed() -> bool:
    """Whether a transform of torch.func follows this call."""
    return bool(torch._C._are_functorch_transforms_active())


def wrapped(value: Tensor) -> bool:
    """Whether a transform of torch.func follows this tensor."""
    return bool(_functorch.is_functorch_wrapped_tensor(value))


def exporting() -> bool:
    """Whether torch.export follows this call; torch 2.6 does not tell."""
    return torch.__version__ >= "2.7" and torch.compiler.is_exporting()


def batched(value: Tensor) -> bool:
    """Whether torch.vmap maps over this tensor."""
    return bool(_functorch.is_batchedtensor(value))


def mapped(value: object) -> bool:
    """Whether the vmap within torch.autograd (vectorize=True, is_grads_batched=True) maps over a value."""
    return isinstance(value, Tensor) and bool(_functorch.is_legacy_batchedtensor(value))


def forward_mode() -> bool:
    """Whether forward-mode differentiation is under way."""
    return torch.autograd.forward_ad._current_level >= 0


def legacy_level() -> int:
    """The level of the vmap within torch.autograd."""
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    return int(level)


def unmapped(value: Tensor, level: int) -> Tensor:
    """A tensor that the vmap within torch.autograd maps over, with the mapped axis first."""
    return torch._remove_batch_dim(value, level, 1, 0)


def remapped(value: Tensor, level: int) -> Tensor:
    """A tensor with the mapped axis first, as the vmap within torch.autograd knows it."""
    return torch._add_batch_dim(value, 0, level)


def numbers(value: Tensor) -> list[float]:
    """The numbers in a tensor (n,) that no vmap maps over; torch 2.6 tells those of a wrapped one singly."""
    one_by_one = not torch.compiler.is_compiling() and wrapped(value)
    return [one.item() for one in value] if one_by_one else value.tolist()


def traced(value: Tensor) -> bool:
    """Whether torch.func or torch.compile look on.

    Then no decision can hang on a value, and inverses replace factors, as nested vmaps mix up the axes of
    torch.linalg.lu_solve (torch 2.13).
    """
    return torch.compiler.is_compiling() or wrapped(value)


DisableTorchFunctionSubclass = torch._C.DisableTorchFunctionSubclass
"""A context in which methods of subclasses of Tensor see plain tensors."""


def share_memory(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one storage, so that who writes into one changes the other."""
    if wrapped(one) or wrapped(other):
        return False
    share: Any = torch._C
    return bool(share._is_alias_of(one, other))


def versions(values: Sequence[Tensor]) -> list[int]:
    """How often each tensor was written in place; 0 in inference mode, where nobody counts."""
    return [0 if value.is_inference() else value._version for value in values]


def own_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a module that stand in it as they are; {} before it is made."""
    found: dict[str, nn.Parameter] = module.__dict__.get("_parameters", {})
    return found


def parametrizations(module: nn.Module) -> Any:
    """By attribute, what holds the bounds of parameters."""
    return module.__dict__.get("_modules", {}).get("parametrizations", {})


def originals(held: Any, attributes: Sequence[str]) -> tuple[Any, list[Tensor]] | None:
    """The first one's bounds, and what optimizers move of parameters that one module of bounds holds each.

    held: of `parametrizations`. None where some are not such. Read straight from torch's dictionaries, as
    each call of a Model does it.
    """
    found, lists = [], held.__dict__["_modules"]
    for name in attributes:
        one = lists.get(name)
        own = None if one is None else one.__dict__
        if own is None or len(own["_modules"]) != 1 or "original" not in own["_parameters"]:
            return None
        found.append(own["_parameters"]["original"])
    return next(iter(lists[attributes[0]].__dict__["_modules"].values())), found


def with_forward_mode() -> Any:
    """A context in which forward-mode differentiation goes on, for a jvp within a jvp."""
    return torch.autograd.forward_ad._set_fwd_grad_enabled(True)
