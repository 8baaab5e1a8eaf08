"""The StepCell: one step of a method as a recurrent cell."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from .compiled import Compiled
from .methods import Adams
from .series import Asking, Held
from .tensors import Time


class StepCell(nn.Module):
    """One step of the method as a recurrent cell: x_next = cell(x, t, dt, p); of auto, its explicit one.

    x (..., n), p (..., m). Returns (..., n). Of models with inputs the fifth argument is u, a function of
    time that gives (..., inputs), or such a tensor, held; of others it is clip, a bound on |dx/dt|.
    Conditions on the time are those of the middle of the step, which should therefore end on a switch.
    Of an Adams method x_next, history = cell(x, t, dt, p, history=history): history is what the last call
    returned, () at the start, and dt must stay the same.
    """

    compiled: ClassVar[Compiled]

    def forward(
        self,
        x: Tensor,
        t: Time,
        dt: Time,
        p: Tensor,
        u: Any = None,
        clip: float | None = None,
        history: tuple[Tensor, ...] = (),
    ) -> Any:
        own = self.compiled
        if not own.inputs:
            u, clip = None, u if clip is None else clip
        elif not callable(u):
            u = Held(u)
        if own.asked:
            u = Asking(u, x, t + 0.5 * dt, own.asked)
        if isinstance(own.method, Adams):
            from .reference.adams_step import AdamsStep  # loops that a module of another method does without

            return AdamsStep(own, own.method).advance(x, history, t, dt, p, u, clip)
        step = own.cell.step if own.cell is not None else own.stepper.step
        return step(x, t, dt, p, u, clip)
