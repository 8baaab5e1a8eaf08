"""A run made ready: the states for other initial values and parameters, at little Python a call."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..steps import Steps
from .engine import Native


class PreparedRun:
    """The states (T, *batch, n) at fixed times, from x0 (*batch, n) and p (m,) or (*batch, m): no graph.

    Made for one shape and dtype of each, on the CPU (ValueError for others). It reads nothing of a Model
    later, and may be called by several threads at once.
    """

    def __init__(
        self, engine: Native, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ):
        x0, p = x0.detach().contiguous(), p.detach().contiguous()
        self._batch = batch = engine.batch(t, x0, p, series, steps, tape=False)
        self._x0, self._p, self._outputs = batch.x0, batch.p, (len(t), *batch.shape, x0.shape[-1])
        self._wanted = x0.shape, p.shape, x0.dtype, x0.device
        _, batch.call.out = batch.outputs(len(t), x0.shape[-1])
        self._report = batch.report()  # which every call writes to
        self._call, self._kind = batch.call, type(batch.call)
        how = (batch.dtype, batch.clip is not None, False, batch.lanes, batch.adaptive)
        self._kernel = batch.kernels.function("solve", *how)

    def __call__(self, x0: Tensor, p: Tensor) -> Tensor:
        """The states; those of a trajectory that fails are not finite."""
        if (x0.shape, p.shape, x0.dtype, x0.device) != self._wanted or p.dtype != x0.dtype:
            wanted, given = self._wanted, (tuple(x0.shape), tuple(p.shape), x0.dtype, x0.device)
            raise ValueError(
                f"this run was made for x0 {tuple(wanted[0])}, p {tuple(wanted[1])}, not {given}"
            )
        x0, p = x0.detach().contiguous().resolve_neg(), p.detach().contiguous().resolve_neg()
        xs = torch.empty(self._outputs, dtype=x0.dtype)
        call = self._kind.from_buffer_copy(self._call)
        call.x0.at, call.p.at, call.out.at = x0.data_ptr(), p.data_ptr(), xs.data_ptr()
        self._kernel(call)
        return xs
