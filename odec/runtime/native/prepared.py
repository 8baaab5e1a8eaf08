"""A run made ready: the states for other initial values and parameters, at little Python a call."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..steps import Steps
from .engine import Native
from .ready import ReadyStates


class PreparedRun:
    """The states (T, *batch, n) at fixed times, from x0 (*batch, n) and p (m,) or (*batch, m): no graph.

    Made for one shape and dtype of each, on the CPU (ValueError for others). It reads nothing of a Model
    later, and may be called by several threads at once.
    """

    def __init__(
        self, engine: Native, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ):
        batch = engine.batch(t, x0, p, series, steps, tape=False)
        self._wanted = x0.shape, p.shape, x0.dtype, x0.device
        straight = batch.shares_p or p.shape[:-1] == batch.shape
        self._p_shape = p.shape if straight else (*batch.shape, p.shape[-1])
        self._states = ReadyStates(batch)

    def __call__(self, x0: Tensor, p: Tensor) -> Tensor:
        """The states; those of a trajectory that fails are not finite."""
        if (x0.shape, p.shape, x0.dtype, x0.device) != self._wanted or p.dtype != x0.dtype:
            wanted, given = self._wanted, (tuple(x0.shape), tuple(p.shape), x0.dtype, x0.device)
            raise ValueError(
                f"this run was made for x0 {tuple(wanted[0])}, p {tuple(wanted[1])}, not {given}"
            )
        p = p if p.shape == self._p_shape else p.expand(self._p_shape)
        return self._states(_as_read(x0), _as_read(p)).xs


def _as_read(value: Tensor) -> Tensor:
    """A tensor that is read by its address alone."""
    plain = value.is_contiguous() and not value.is_neg()
    return value if plain else value.detach().resolve_neg().contiguous()
