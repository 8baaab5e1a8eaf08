"""What a run starts from: parameters and initial values by name, those of single elements among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odec.system import System

if TYPE_CHECKING:
    from odec.runtime.model import Model


def defaults(system: System, net: Model) -> dict[str, Any]:
    """The parameters at their defaults, by name; what is drawn, as a Model has drawn it."""
    import numpy as np

    found: dict[str, Any] = {}
    for param in system.params:
        found[param.name] = param.value
        if param.elements:
            found[param.name] = np.reshape(param.elements, param.shape)
        elif param.shape:
            own = getattr(net, net.attributes[param.name]).detach().cpu().numpy()
            found[param.name] = own if param.draw else np.full(param.shape, param.value)
    return found
