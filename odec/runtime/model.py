"""The Model: an nn.Module over what a generated module says of itself."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from .arguments import check_batches, positive, real, vector_of_times
from .autograd import PlainSolve, Plan, Solve, differentiable, solve_in_graph
from .compiled import enter
from .differentiated import differentiated, reads_nothing
from .engines import ALL, SQRT, How, choose
from .equal_times import at_own_times, first_at
from .errors import DeviceMemoryError, EngineError
from .inputs import series_of
from .operators import NO_EXPORT, NO_EXPORT_OF_INPUTS, refuse_export
from .parameter_docs import told_of
from .parameters import Kept, guess
from .sequence import Recurrence
from .series import Series
from .settings import Settings, default_settings
from .status import Retake, Status
from .steps import LONGEST, Steps
from .tensors import common_shape
from .torch_private import transformed, wrapped


class Model(Recurrence):
    """x = Model()(t) gives the states (T, *batch, n) at the times t (T,).

    rtol, atol: adaptive steps, each with a local error within atol + rtol·|x|; atol is a number, or one for
    each state. Of methods with an error estimate, and their default unless the model's run line has dt.
    first_step (default: chosen), min_step, max_step, max_steps: of adaptive steps.
    dense_output: adaptive steps do not end on every output time; within a step the states are the method's
    own polynomial. Of methods with an interpolant, by default (None) where more than 100 times follow the
    first. Equations of the time itself then take no step by default longer than 1/100 of the run.
    dt: fixed steps instead, the longest between output times.
    clip: a bound on |dx/dt|, off by default; of explicit methods.
    adjoint: "discrete" (the exact gradient of the numbers computed), "continuous" (the adjoint ODE solved
    backwards, of one-step methods: approximate but with fixed steps of implicit ones, at the memory of the
    output times and of the steps between two of them), "autograd" (torch's own tape, twice differentiable)
    or "none".
    adjoint_rtol, adjoint_atol: of adjoint="continuous" with adaptive steps, by default rtol and atol. Each
    step back has a local error within adjoint_rtol·|w| + adjoint_atol·(the trajectory's largest cotangent).
    checkpoints: how many states the discrete adjoint keeps (None: one per step; a number, or "sqrt"); the
    fewer, the less memory, for at most one further forward pass (with fixed steps).
    engine: "native" (one compiled kernel for the whole run, which keeps no states), "torch", or "auto":
    native where it can run, else torch; `engine` then reads which. chunk: on a GPU, how many trajectories the
    adjoint has under way at a time (None: all that the GPU runs side by side); the fewer, the less memory.
    max_time: the most seconds that a call may take, and its gradient again; more raise odec.OutOfTime.
    dtype, device: of parameters and all that is computed. params: values by name in natural units. seed: of
    parameters that are drawn; without it torch's global generator draws them.

    Settings can be set later too, as attributes; those that do not apply to the method are refused.
    """

    _observables: ClassVar[Callable[..., Tensor]]
    _numbers: ClassVar[bool] = False  # whether the first states are numbers alone
    _stale: ClassVar[bool] = False
    _kept: Kept
    _plan: Plan
    steps: Steps
    dt: float | None
    clip: float | None
    adjoint: str
    checkpoints: int | str | None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "compiled" in cls.__dict__:
            own = cls.compiled.equations
            enter(cls.compiled)
            cls.__doc__ = f"{cls.__doc__ or 'A model.'}\n\n{told_of(cls.compiled)}"
            _replace(cls)
            cls._numbers = reads_nothing(own.initial)
            observed = differentiated(own.observables, own.observables_vjp, own.observables_jvp)
            cls._observables = staticmethod(observed)

    def __init__(
        self,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
        params: Mapping[str, Any] | None = None,
        seed: int | None = None,
        **settings: Unpack[Settings],
    ):
        super().__init__()
        if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ValueError(f"dtype must be torch.float64, torch.float32 or the like, not {dtype!r}")
        self._take_modules(settings, dtype, device)
        known = default_settings(self.compiled)
        for unknown in sorted(settings.keys() - known.keys()):
            raise TypeError(f"Model() has no setting {unknown!r}; {guess(unknown, known)}")
        self._kept = Kept()
        self._settle({**known, **settings}, dtype)
        self._make_parameters(dtype, device, seed)
        for name, value in (params or {}).items():
            self._set_by_name(name, value)

    def _settle(self, settings: dict[str, Any], dtype: torch.dtype) -> None:
        """Take the settings of steps, adjoint and engine. Raises ValueError where they do not fit."""
        own, adjoint, checkpoints = self.compiled, settings["adjoint"], settings["checkpoints"]
        apart = ("checkpoints", "engine", "chunk", "max_time")
        if not (own.is_map or own.adaptive):
            positive(settings["dt"], LONGEST)  # None, that is, which Steps.of takes for the default
        steps = Steps.of(own, dtype, **{name: settings[name] for name in settings if name not in apart})
        if not (checkpoints in (None, "sqrt") or (isinstance(checkpoints, int) and checkpoints > 0)):
            raise ValueError(f'checkpoints is None, "sqrt" or a positive whole number, not {checkpoints!r}')
        if checkpoints is not None and steps.tolerance:
            raise ValueError("checkpoints are of fixed steps (give dt): an adaptive run keeps every step")
        chunk = settings.get("chunk")
        if chunk is not None and not (isinstance(chunk, int) and chunk > 0):
            raise ValueError(f"chunk is None or a positive number of trajectories, not {chunk!r}")
        most = settings["max_time"]
        if most is not None:
            settings = {**settings, "max_time": positive(most, "max_time, in seconds,")}
        engine = choose(own, settings["engine"], adjoint, steps)
        found = {"dt": 1.0 if own.is_map else steps.dt, "clip": steps.clip, "steps": steps, "engine": engine}
        self.__dict__.update({**settings, **found, "_settings": settings})
        self._replan()

    def _replan(self) -> None:
        """Make anew what all calls have in common."""
        keep = self.checkpoints
        keep = ALL if keep is None else SQRT if isinstance(keep, str) else keep
        how = How(self.adjoint, keep, self.__dict__.get("chunk") or 0)
        most = self.__dict__.get("max_time")
        self.__dict__["_plan"] = Plan(self.compiled, self.engine, self.steps, how, max_time=most)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._replan()

    def __repr__(self) -> str:
        name, steps = self.compiled.method.name, self.steps
        if self.compiled.is_map:
            return self._told("a map")
        if steps.tolerance is None:
            return self._told(f"{name}, dt {steps.dt:g}")
        rtol, atol = steps.tolerance.rtol, steps.tolerance.atol
        several = f"{min(atol):g} to {max(atol):g}" if min(atol) < max(atol) else f"{atol[0]:g}"
        return self._told(f"{name}, rtol {rtol:g}, atol {several}")

    def forward(
        self,
        t: Tensor,
        x0: Tensor | None = None,
        params: Mapping[str, Any] | Tensor | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """The states at the times t (T,): x (T, *batch, n), x[0] at t[0].

        x0 (*batch, n): the states at t[0] (default: the model's init, whose the history of a map always is).
        params: values by name in natural units, scalars or (*batch,), in place of the module's own; or all
        of them, (*batch, m). Numbers and arrays by name are held to the bounds; tensors are taken as given.
        inputs: for each input its times (K,) and values (K,) or (K, *batch), a pandas Series, or a number.

        Raises ValueError for arguments that do not fit.
        """
        if self._stale:
            raise RuntimeError("this Model was made before its module was loaded again: make it anew")
        p = self._vector(params)
        t = vector_of_times(t, p)
        series = self.series(inputs, p)
        x0, batch = self._start(self._with_hidden(t, p, x0), p, series)
        first = first_at(t) if self.steps.tolerance is not None else None
        x, report = self._solve(t if first is None else t[first], x0, p, series)
        if first is not None:
            x = at_own_times(self.compiled, x, t, first, p, series, self.steps.clip)
        self._record(t, x, report, x0, p, series, batch)
        return x[..., : len(self.compiled.states)] if self.compiled.hidden else x

    def prepared(
        self,
        t: Tensor,
        x0: Tensor | None = None,
        params: Mapping[str, Any] | Tensor | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The states (T, *batch, n) as a function of (x0, p) alone, for loops of one's own: no gradients.

        x0, params, inputs: as of a call; they fix the shapes, the dtype and the inputs. What is returned
        takes x0 (*batch, n) and p, (m,) or (*batch, m) in natural units in the order of PARAMS, of these very
        shapes (ValueError for others). It reads no parameter of this Model later: it cannot be out of date.
        """
        with torch.no_grad():
            p = self._vector(params)
            t = vector_of_times(t, p)
            series = self.series(inputs, p)
            x0, _ = self._start(self._with_hidden(t, p, x0), p, series)
            engine = self.compiled.engine(self.engine)
            made = self._plan.limited(engine.prepared(t, x0, p, series, self.steps))
            made(x0, p)  # once, so that what is missing is told here
        n = len(self.compiled.states)
        return (
            made if not self.compiled.hidden else lambda x0, p: made(self._with_hidden(t, p, x0), p)[..., :n]
        )

    def series(self, inputs: Any, p: Tensor) -> list[Tensor]:
        """The knots and coefficients of each input, [] of a model without. Raises ValueError."""
        own = self.compiled.inputs
        if not own and inputs is None:
            return []
        return series_of(own, inputs, p)

    def _first(self, t: Tensor, p: Tensor) -> Tensor:
        """The model's own first states. Where they are numbers alone, they are made once and kept."""
        if not self._numbers or torch.compiler.is_compiling() or transformed():
            return real(self._initial(t[0], p), p, "x0")
        place = p.dtype, p.device
        found = self._plan.firsts.get(place)
        if found is None:
            unread = p.new_zeros(p.shape[-1])
            found = self._plan.firsts[place] = self._initial(t[0].detach(), unread)
        return found

    def _with_hidden(self, t: Tensor, p: Tensor, x0: Any) -> Tensor:
        """The first states that are given, with what is hidden behind them; None: the model's own."""
        if x0 is None:
            return self._first(t, p)
        x0, own = real(x0, p, "x0"), self.compiled
        if not own.hidden or x0.dim() == 0 or x0.shape[-1] != len(own.states):
            return x0
        behind = self._first(t, p)[..., len(own.states) :]
        shapes = {"x0": x0.shape[:-1], "params": behind.shape[:-1]}
        check_batches(shapes)
        whole = common_shape(*shapes.values())
        return torch.cat([part.expand(*whole, part.shape[-1]) for part in (x0, behind)], -1)

    def _start(self, x0: Tensor, p: Tensor, series: Sequence[Tensor]) -> tuple[Tensor, Sequence[int]]:
        """The first states over the whole batch, and its shape. Raises ValueError where shapes do not fit."""
        n = len(self.compiled.columns)
        if x0.dim() == 0 or x0.shape[-1] != n:
            wanted = f"(*batch, {len(self.compiled.states)}), a column for each of STATES"
            raise ValueError(f"x0 must be {wanted}, not {tuple(x0.shape)}")
        batch = x0.shape[:-1]
        if not series and p.shape[:-1] in ((), batch):
            return x0, batch
        shapes: dict[str, Sequence[int]] = {"x0": batch, "params": p.shape[:-1]}
        names = self.compiled.input_names
        shapes.update((f"the input {name!r}", c.shape[2:]) for name, c in zip(names, series[1::2]))
        check_batches(shapes)
        whole = common_shape(*shapes.values())
        return (x0 if batch == whole else x0.expand(*whole, n)), whole

    def _solve(self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        if self._plan.max_time is not None and torch.compiler.is_compiling():
            raise ValueError("torch.compile keeps no time: leave out max_time")
        try:
            return self._plan.limited(self._solve_by)(self._plan, t, x0, p, series)
        except EngineError as error:
            if not self._settings["engine"] == "auto" or self.engine == "torch":
                raise
            if isinstance(error, DeviceMemoryError):
                raise
            warnings.warn(f"the torch engine is used instead of the native one: {error}", stacklevel=3)
            self.__dict__["engine"] = "torch"
            self._replan()
            return self._solve_by(self._plan, t, x0, p, series)

    def _solve_by(
        self, plan: Plan, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The states, and the report."""
        if plan.compiled.turns is not None:
            p = plan.compiled.turns.carried(p)  # outside of Solve, so that torch differentiates it
        if self.adjoint == "autograd":
            refuse_export(NO_EXPORT)
            return plan.compiled.reference.plain(t, x0, p, series, plan.steps)
        compiling = torch.compiler.is_compiling()
        if compiling and self.adjoint == "none":
            t, x0, p, series = _cut(t), _cut(x0), _cut(p), [_cut(s) for s in series]
        if not (compiling or (self.adjoint != "none" and differentiable(t, x0, p, *series[1::2]))):
            return plan.states_alone(t, x0, p, series)
        if compiling:
            how = How(plan.how.adjoint, 1, plan.how.chunk)
            named = plan.compiled.key, plan.engine, plan.steps.numbers(), how
            xs, _, report = solve_in_graph(t, x0, p, *named, *series)
            return xs, report
        if transformed():
            xs, _, report = Solve.apply(t, x0, p, plan, *series)
            return xs, report
        xs, report = PlainSolve.apply(t, x0, p, plan, *series)
        return xs, report

    def _record(
        self,
        t: Tensor,
        x: Tensor,
        report: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        batch: Sequence[int],
    ) -> None:
        """Keep what `status` needs; nothing of a call that torch.compile or torch.func traces."""
        if torch.compiler.is_compiling() or wrapped(x):
            self._kept.call = None
            return
        given = (_cut(t), _cut(x0), _cut(p), [_cut(s) for s in series], report)
        self._kept.call = (weakref.ref(x), self._plan, given, batch)

    def observe(
        self,
        t: Tensor,
        x: Tensor,
        params: Mapping[str, Any] | Tensor | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """The observables (T, *batch, k) of the states x (T, *batch, n) at the times t (T,)."""
        own, p = self.compiled, self._vector(params)
        t, x = real(t, p, "t"), real(x, p, "x")
        n = len(own.states)
        if t.dim() != 1 or x.dim() < 2 or (len(x), x.shape[-1]) != (len(t), n):
            shapes = f"{tuple(t.shape)} and {tuple(x.shape)}"
            raise ValueError(f"observe needs times t (T,) and states x (T, *batch, {n}), not {shapes}")
        check_batches({"x": x.shape[1:-1], "params": p.shape[:-1]})
        when = t.reshape(-1, *[1] * (x.dim() - 2))
        if own.hidden:  # which observables do not read
            x = torch.cat((x, x.new_zeros((*x.shape[:-1], len(own.hidden)))), -1)
        if not own.inputs:
            return self._observables(when, x, p).contiguous()
        refuse_export(NO_EXPORT_OF_INPUTS)
        u = Series(self.series(inputs, p), own.input_names)
        values = torch.stack([u(time).expand(*x.shape[1:-1], len(own.inputs)) for time in t])
        return self._observables(when, x, p, values).contiguous()

    @property
    def rtol(self) -> float | None:
        """The relative tolerance of the steps; None where they are fixed."""
        return self.steps.tolerance.rtol if self.steps.tolerance else None

    @property
    def atol(self) -> tuple[float, ...] | None:
        """The absolute tolerance of each of STATES; None where the steps are fixed."""
        return self.steps.tolerance.atol if self.steps.tolerance else None

    @property
    def status(self) -> Status | None:
        """What happened to each trajectory of the last call; None where it was compiled or transformed."""
        if self._kept.call is None:
            return None
        states, plan, (t, x0, p, series, report), batch = self._kept.call
        x = states()
        if x is None:  # nobody kept them
            with torch.no_grad():
                x = plan.compiled.engine(plan.engine).states(t, x0, p, series, plan.steps, 1).xs
        retake = Retake(plan.compiled, p, series, plan.steps, batch, t)
        return Status(t, x.detach(), retake, report.detach())


def _cut(value: Tensor) -> Tensor:
    """A tensor without its graph."""
    return value.detach() if value.requires_grad else value


_newest: weakref.WeakValueDictionary[tuple[str, str], type[Model]] = weakref.WeakValueDictionary()


def _replace(cls: type[Model]) -> None:
    """Mark the class that stood where this one does before its module was loaded again.

    Its functions would read the constants of the new one, as both share the module's names.
    """
    place = cls.__module__, cls.__qualname__
    old = _newest.get(place)
    if old is not None:
        functions: list[Any] = [one.compiled.equations.rhs for one in (old, cls)]
        old._stale = functions[0].__globals__ is functions[1].__globals__
    _newest[place] = cls
