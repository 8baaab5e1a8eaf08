"""The arguments of a kernel's call whose steps follow a tolerance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import EngineError
from ..series import knots_of
from ..steps import Tolerance
from . import cuda, watch
from .batch import GROUPS, Batch
from .kernel import Kernels
from .plans import TAPE_BYTES, adaptive_plan
from .structures import View, view

_GROUP = 16
"""So many trajectories for each lane go to a tape together."""
LACKING = (
    "the steps of a trajectory do not fit into memory; loosen rtol and atol, or call the model on fewer "
    "trajectories"
)


class AdaptiveBatch(Batch):
    """A batch whose steps follow a tolerance. weighs: whether outputs are kept, as the loss needs them."""

    def __init__(
        self,
        kernels: Kernels,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        pace: Tolerance,
        clip: float | None,
        tape: bool,
        chunk: int = 0,
    ):
        super().__init__(kernels, t, x0, p, series, clip)
        self._check(t, pace)
        knots = tuple(map(tuple, knots_of(series, kernels.inputs)))
        pieces, times = tuple(len(c) for c in series[1::2]), tuple(t.tolist())
        pace = pace.over(times, kernels.compiled)
        self.plan = adaptive_plan(times, pace, knots, pieces, t.dtype)
        self.adaptive = 2 if pace.dense else 1
        self._share_out(tape, chunk)
        when, rules = self.plan.rules_on(self.device, kernels.structures.control)
        self.call = kernels.structures.call(
            self.size,
            len(t),
            0,
            0,
            self.groups,
            self.threads,
            0,
            0.0 if clip is None else clip,
            when,
            x0=view(self.x0, 1, 0),
            p=view(self.p, 1, None if self.shares_p else 0),
            board=watch.BOARD_AT,
            control=rules,
        )
        self.hold(series)

    def _check(self, t: Tensor, pace: Tolerance) -> None:
        compiled = self.kernels.compiled
        if not self.kernels.adaptive:
            raise EngineError("the native engine takes fixed steps here: give dt, or engine='torch'")
        if len(pace.atol) != self.kernels.states:
            raise ValueError(f"atol must hold a number for each of the {self.kernels.states} states")
        if len(t) == 0:
            raise ValueError("t holds no time")
        if pace.dense and not compiled.dense_order:
            name = compiled.method.name
            raise EngineError(f"the native engine has no dense output for {name}; ask for engine='torch'")

    def _share_out(self, tape: bool, chunk: int) -> None:
        """Share the trajectories out among lanes, groups and threads."""
        if self.on_gpu:
            self.grid = cuda.Grid(self.size, self.device, tape, chunk)
            self.groups = self.threads = self.grid.threads
            return
        if self.kernels.kernel.inner_lanes or not tape:  # what goes back does not round alike elsewhere
            self.lanes = self.kernels.few_lanes(self.lanes, self.size, self.dtype)
        blocks = -(-self.size // self.lanes)
        self.groups = max(1, min(GROUPS, max(min(32, blocks), -(-blocks // _GROUP))))
        self.threads = max(1, min(torch.get_num_threads(), self.groups if tape else blocks))

    def report(self) -> Tensor:
        """Room for what became of each trajectory: (*batch, 5)."""
        value, place = self.room(1, 5)
        self.call.control.report = place
        return value[0]

    def scratch(self, shared: int) -> Tensor:
        """Memory for the sums of shared gradients, for outputs, and on a GPU for the tapes of its threads."""
        call, n = self.call, self.kernels.states
        call.scratch_sums = shared
        outputs = call.times * n if self.weighs else 0
        if outputs and not self.on_gpu:
            few = max(self.lanes, TAPE_BYTES // (outputs * self.dtype.itemsize))
            call.scratch_tape = outputs * min(self.size, few, _GROUP * self.lanes)
        if self.on_gpu:
            call.control.room = self._longest()
            call.scratch_tape = call.control.room * (n + 1 + 8 // self.dtype.itemsize) + outputs
            fit = cuda.free_memory(self.device) // 2 // (call.scratch_tape * self.dtype.itemsize)
            if fit < self.threads:
                self.grid = cuda.Grid(self.size, self.device, True, max(fit, 1))
                self.groups = self.threads = call.groups = call.threads = self.grid.threads
        value = self._scratch(shared)
        self.lacking = torch.zeros(1, dtype=torch.int64, device=self.device)
        call.control.lacking = self.lacking.data_ptr()
        return value

    def check_memory(self) -> None:
        """Raises EngineError where a tape did not fit."""
        if bool(self.lacking):
            raise EngineError(LACKING)

    def _longest(self) -> int:
        """Steps enough for the longest trajectory: counted by a run that stores nothing else, and some more.

        The compiler may round otherwise in another kernel.
        """
        held = View.from_buffer_copy(self.call.control.report)
        report = self.report()
        self.run("solve")
        self.call.control.report = held
        longest = int(report[..., 3].max()) if self.size else 0
        return longest + longest // 16 + 16
