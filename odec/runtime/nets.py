"""A Model's networks: each an nn.Sequential whose weights are parameters of the model, and so part of p."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .compiled import Compiled, Param
from .differentiated import differentiated
from .draws import default_of, seeded
from .external_nets import ExternalNet, check_module, terms_of, with_modules
from .torch_private import own_parameters

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}
"""torch's activations, by the names that a model says."""


UNSAVED = ("_plan", "compiled", "_initial", "_observables")
"""What is made anew where a Model is copied or pickled: of it, or of the modules of its external nets."""


@dataclass(frozen=True)
class Net:
    """A network of a model: sizes of what goes in, of its hidden layers, of what comes out.

    seed: of its weights alone; None: they are drawn among the model's other parameters. attribute: its name
    in a Model.
    """

    name: str
    sizes: tuple[int, ...]
    activation: str = ""
    bias: bool = True
    seed: int | None = None
    attribute: str = ""

    @property
    def spelling(self) -> str:
        """The name of the Model's attribute."""
        return self.attribute or self.name

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of its state dict, in their order: 0.weight, 0.bias, 2.weight, …"""
        kinds = ("weight", "bias") if self.bias else ("weight",)
        return tuple(f"{2 * k}.{kind}" for k in range(len(self.sizes) - 1) for kind in kinds)

    def made(
        self,
        params: Mapping[str, Param],
        dtype: torch.dtype,
        device: Any,
        generator: torch.Generator | None,
    ) -> nn.Sequential:
        """The nn.Sequential, its weights drawn as torch draws them; params: these, by attribute."""
        layers: list[nn.Module] = []
        for wide, out in pairwise(self.sizes):
            layers += [ACTIVATIONS[self.activation]()] if layers else []
            layers.append(nn.Linear(wide, out, self.bias, device="meta", dtype=dtype))
        own = generator if self.seed is None else seeded(self.seed, device)
        drawn = {key: default_of(params[f"{self.spelling}.{key}"], dtype, device, own) for key in self.keys}
        found = nn.Sequential(*layers)
        found.load_state_dict(drawn, assign=True)
        return found.requires_grad_()


class WithNets(nn.Module):
    """A module with the networks of `nets`, one submodule each."""

    compiled: ClassVar[Compiled]
    nets: ClassVar[Sequence[Net | ExternalNet]] = ()

    @property
    def _external(self) -> list[ExternalNet]:
        return [net for net in self.nets if isinstance(net, ExternalNet)]

    def _take_modules(self, settings: Any, dtype: torch.dtype, device: Any) -> None:
        """Take the modules of external nets out of what a Model is made with. Raises TypeError."""
        for net in self._external:
            module = check_module(net, settings.pop(net.spelling, None))
            self.add_module(net.spelling, module.to(dtype=dtype, device=device))
        self._bind()

    def _bind(self) -> None:
        """Let the model's functions find the modules of its external nets."""
        modules = [(net, getattr(self, net.spelling)) for net in self._external]
        if not modules:
            return
        found = with_modules(type(self).compiled, terms_of(modules))
        equations = found.equations
        initial = differentiated(equations.initial, equations.initial_vjp, equations.initial_jvp)
        observed = equations.observables, equations.observables_vjp, equations.observables_jvp
        functions = {"_initial": initial, "_observables": differentiated(*observed)}
        self.__dict__.update(compiled=found, **functions)

    def _tails(self) -> list[Tensor]:
        """The parameters of external nets, flat, as they stand at the end of p."""
        modules = [getattr(self, net.spelling) for net in self._external]
        return [value.reshape(-1) for module in modules for _, value in module.named_parameters()]

    @property
    def _width(self) -> int:
        """How many columns p has."""
        own = sum(param.size for param in self.compiled.params)
        return own + sum(value.numel() for value in self._tails())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._bind()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_modules", ()) and any(net.spelling == name for net in self.nets):
            raise AttributeError(
                f"{name} is a net of the model, whose weights are set by net.{name}.load_state_dict(…)"
            )
        super().__setattr__(name, value)

    def _net_of(self, attribute: str) -> Net | None:
        """The net that a parameter is a weight of."""
        head, dot, _ = attribute.partition(".")
        nets = [net for net in self.nets if isinstance(net, Net) and net.spelling == head]
        return nets[0] if dot and nets else None

    def _stored(self, attribute: str) -> Tensor | None:
        """A parameter that stands in the module, or in one of its nets, as it is."""
        found: Tensor | None = own_parameters(self).get(attribute)
        if found is None and "." in attribute:
            place, _, kind = attribute.rpartition(".")
            found = getattr(self.get_submodule(place), kind)
        return found

    def _weights_named(self, names: Iterable[str]) -> list[str]:
        """The names with those of all its weights in place of a net's."""
        nets = {net.name: net for net in self.nets if isinstance(net, Net)}
        return [one for name in names for one in (_names(nets[name]) if name in nets else [name])]


def _names(net: Net) -> list[str]:
    return [f"{net.name}.{key}" for key in net.keys]
