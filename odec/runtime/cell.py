"""The StepCell: one step of a method as a recurrent cell; of a map one that owns its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .arguments import check_batches, real
from .compiled import Compiled
from .draws import default_of, seeded
from .methods import Adams
from .nets import Net
from .sequence import Recurrence, State
from .series import Asking, Held
from .shaped import columns_of, state_of
from .tensors import Time, common_shape


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
        if own.turns is not None:
            u = Asking(u, x, t + 0.5 * dt, own.turns.places)
        if isinstance(own.method, Adams):
            from .reference.adams_step import AdamsStep  # loops that a module of another method does without

            return AdamsStep(own, own.method).advance(x, history, t, dt, p, u, clip)
        step = own.cell.step if own.cell is not None else own.stepper.step
        return step(x, t, dt, p, u, clip)


class MapCell(Recurrence):
    """One step of a map that owns its parameters, as torch.nn.RNNCell: state = cell(input, state).

    input (*batch, k): a column for each of INPUTS; None of a map without. state: of one state a tensor
    (*batch, *shape), of several a tuple of such in the order of STATES; by default the model's init. Returns
    the next state in the same form. t: the present time, of maps that read it.

    dtype, device, params, seed: as of a Model, whose parameters, bounds and keys of the state_dict it has.
    Raises ValueError for what does not fit.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.__doc__ = MapCell.__doc__

    def __init__(
        self,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
        params: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ):
        super().__init__()
        self._take_modules({}, dtype, device)  # a cell is given none
        self._make_parameters(dtype, device, seed)
        for name, value in (params or {}).items():
            self._set_by_name(name, value)

    def reset_parameters(self, seed: int | None = None) -> None:
        """All parameters at their defaults again; those that are drawn are drawn anew."""
        dtype, device = self._like.dtype, self._like.device
        own = {"": seeded(seed, device)}
        seeds = {net.spelling: net.seed for net in self.nets if isinstance(net, Net)}
        own |= {name: seeded(seed, device) for name, seed in seeds.items() if seed is not None}
        for attribute, param in self.spelled.items():
            net = self._net_of(attribute)
            drawn_by = own.get(net.spelling, own[""]) if net else own[""]
            self._set(attribute, default_of(param, dtype, device, drawn_by))

    def forward(self, input: Any = None, state: Any = None, t: float = 0.0) -> State:
        """The next state from a row of inputs and the present state."""
        own, p = self.compiled, self._natural()
        k = len(own.inputs)
        u = p.new_zeros(0) if input is None else real(input, p, "the input")
        if u.dim() == 0 or u.shape[-1] != k:
            wanted = f"(*batch, {k}), a column for each of INPUTS"
            raise ValueError(f"the input must be {wanted}, not of shape {tuple(u.shape)}")
        when = p.new_tensor(t)
        x = self._initial(when, p) if state is None else columns_of(own.columns, state, p)
        shapes = {"the input": u.shape[:-1], "the state": x.shape[:-1]}
        check_batches(shapes)
        whole = common_shape(*shapes.values())
        x, u = x.expand(*whole, x.shape[-1]), u.expand(*whole, k)
        return state_of(own.columns, self._next(when, x, p, *([u] if k else [])))

    def extra_repr(self) -> str:
        """The number of inputs, and the states."""
        names = {name.partition("[")[0]: None for name in self.compiled.columns}
        return f"{len(self.compiled.inputs)} inputs, {', '.join(names)}"
