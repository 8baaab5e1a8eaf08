"""What a fit can be asked for, and the defaults."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from odec.arguments import real_numbers
from odec.errors import ArgumentError, as_number, check_mapping, did_you_mean
from odec.steps import StepRequest

OPTIMIZERS = ("lbfgs", "adam", "gauss-newton")
TRANSFORMS = ("model", "none")
WEIGHTS = ("spread", "none")
DTYPES = ("float64", "float32")
ADJOINTS = ("discrete", "continuous", "autograd")


@dataclass(frozen=True)
class Options:
    """A fit's options, as `odec.fit` describes them; None where the default stands in. Kept in fit.json."""

    optimizer: str | None = None
    lr: float | None = None
    epochs: int | None = None
    transforms: str | None = None
    weights: str | None = None
    fix: tuple[str, ...] | None = None
    free: tuple[str, ...] | None = None
    set: dict[str, Any] | None = None
    seed: int | None = None
    dtype: str | None = None
    steps: StepRequest = StepRequest()
    method: str | None = None
    clip: float | None = None
    t0: float | None = None
    engine: str | None = None
    adjoint: str | None = None
    adjoint_rtol: float | None = None
    adjoint_atol: float | tuple[float, ...] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Options:
        """The options among keywords of `odec.fit`, what is iterable as tuples. Raises ArgumentError."""
        names = [field.name for part in (StepRequest, cls) for field in fields(part) if field.name != "steps"]
        found: dict[str, Any] = {name: _plain(values.get(name)) for name in names}
        for name in ("fix", "free"):
            if isinstance(found[name], str):
                found[name] = (found[name],)
            if not isinstance(found[name], Iterable | None):
                raise ArgumentError(f"{name} takes names of parameters, not {found[name]!r}")
            found[name] = None if found[name] is None else tuple(map(str, found[name]))
        for name in ("atol", "adjoint_atol"):
            if isinstance(found[name], Iterable):
                found[name] = tuple(as_number(value, name) for value in found[name])
        for name in ("lr", "t0", "clip", "epochs", "seed"):
            if not isinstance(found[name], int | float | None):
                found[name] = as_number(found[name], name)
        if found["set"] is not None:
            check_mapping(found["set"], "set", "{'k': 0.5}")
            found["set"] = {name: _listed(value) for name, value in found["set"].items()}
        steps = StepRequest(**{field.name: found.pop(field.name) for field in fields(StepRequest)})
        return cls(**found, steps=steps)

    @property
    def given(self) -> dict[str, Any]:
        """The options that are not None, as keywords of `odec.fit`, ready for JSON."""
        pairs: dict[str, Any] = {}
        for name, value in vars(self).items():
            pairs |= value.given if isinstance(value, StepRequest) else {} if value is None else {name: value}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs.items()}

    def over(self, saved: Mapping[str, Any], path: str | Path) -> Options:
        """A saved fit's options; only `epochs` may be given anew. Raises ArgumentError where one differs."""
        for name, value in self.given.items():
            if name != "epochs" and value != saved.get(name):
                was = f"{path} was fitted with {name} = {saved.get(name)}, not {value}"
                raise ArgumentError(f"{was}: a resumed fit keeps its options")
        return Options.of(saved if self.epochs is None else {**saved, "epochs": self.epochs})


@dataclass(frozen=True)
class Settings:
    """Options with the defaults in place, checked. epochs_again: whether the epochs of a resumed fit are
    given anew, to be reached in all."""

    optimizer: str
    lr: float
    epochs: int | None
    transforms: str
    weights: str
    fix: tuple[str, ...]
    free: tuple[str, ...] | None
    set: dict[str, Any]
    dtype: str
    epochs_again: bool = False

    @property
    def scaled(self) -> bool:
        """Whether θ is scaled: always but for Adam on untransformed values, whose lr is in natural units."""
        return self.optimizer != "adam" or self.transforms == "model"


def settle(options: Options, *, epochs_again: bool = False) -> Settings:
    """The settings that the options mean. Raises ArgumentError for values that mean nothing."""
    optimizer = _choice("optimizer", options.optimizer or "lbfgs", OPTIMIZERS)
    transforms = _choice("transforms", options.transforms or "model", TRANSFORMS)
    _check_adjoint(options, optimizer)
    epochs, lr = options.epochs, options.lr
    if epochs is not None and (epochs != int(epochs) or epochs < 0):
        raise ArgumentError(f"epochs must be a whole number, 0 or more, not {epochs}")
    if lr is not None and optimizer != "adam":
        raise ArgumentError(
            f"lr belongs to the optimizer adam; {optimizer} finds the length of its steps itself"
        )
    if lr is not None and not 0 < lr < math.inf:
        raise ArgumentError(f"the learning rate lr must be a positive number, not {lr:g}")
    return Settings(
        optimizer=optimizer,
        lr=lr or (0.01 if transforms == "model" else 0.001),
        epochs=None if epochs is None else int(epochs),
        transforms=transforms,
        weights=_choice("weights", options.weights or "spread", WEIGHTS),
        fix=options.fix or (),
        free=options.free,
        set=_numbers(options.set or {}),
        dtype=_choice("dtype", options.dtype or "float64", DTYPES),
        epochs_again=epochs_again,
    )


def _check_adjoint(options: Options, optimizer: str) -> None:
    """Raises ArgumentError for an adjoint that there is not, or that the other options rule out."""
    adjoint, known = options.adjoint, ", ".join(ADJOINTS)
    tolerances = [name for name in ("adjoint_rtol", "adjoint_atol") if name in options.given]
    if optimizer == "gauss-newton" and (adjoint is not None or tolerances):
        first = "adjoint" if adjoint is not None else tolerances[0]
        raise ArgumentError(
            f"{first} belongs to the optimizers lbfgs and adam; gauss-newton takes forward sensitivities"
        )
    if adjoint == "none":
        raise ArgumentError(f"adjoint 'none' has no gradient, which a fit needs; known: {known}")
    _choice("adjoint", adjoint or "discrete", ADJOINTS)
    if tolerances and adjoint != "continuous":
        raise ArgumentError(f"{tolerances[0]} belongs to adjoint='continuous': give that too")
    if adjoint in ("continuous", "autograd") and options.engine == "native":
        raise ArgumentError(
            f"adjoint={adjoint!r} runs through torch's autograd, not in the native kernel: leave out "
            "engine='native', or give engine='torch'"
        )


def without_defaults(options: Options) -> Options:
    """The options with the optimizer, transforms and dtype that were meant, as fit.json keeps them."""
    settings = settle(options)
    lr = settings.lr if settings.optimizer == "adam" else None
    return replace(
        options, optimizer=settings.optimizer, transforms=settings.transforms, dtype=settings.dtype, lr=lr
    )


def _plain(value: Any) -> Any:
    """A number of numpy or torch as Python's own, for JSON; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _listed(value: Any) -> Any:
    """A number as Python's own, an array or a tensor as lists of such."""
    return value.tolist() if getattr(value, "ndim", 0) and hasattr(value, "tolist") else _plain(value)


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Start values as numbers, those of arrays as arrays."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        try:
            found[name] = real_numbers(value, name) if isinstance(value, list | tuple) else float(value)
        except (TypeError, ValueError):
            raise ArgumentError(f"the start value of {name!r} must be a number, not {value!r}") from None
    return found


def _choice(option: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        hint = did_you_mean(str(value), known) or f"; known: {', '.join(known)}"
        raise ArgumentError(f"unknown {option} {value!r}{hint}")
    return value
