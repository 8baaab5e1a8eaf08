"""What a generated module says of itself: its equations, its method, its kernel, its names and defaults."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from torch import Tensor

from .methods import Adams, Auto, Explicit, Map, Method
from .series import Series
from .slopes import Slope
from .switch_times import Switches, Turns

if TYPE_CHECKING:
    from .engines import Engine
    from .reference.engine import Reference  # type: ignore[import,unused-ignore]
    from .reference.stepper import FixedStepper


@dataclass(frozen=True)
class StiffEquations:
    """What Rosenbrock methods ask of a model besides; the functions are None where they would give zeros.

    rows, columns: where the entries of the Jacobian stand that are not zero for certain. product: ∂f/∂x·dx.
    entries_vjp, entries_jvp: derivatives of these entries. Of models of arrays product_vjp and product_jvp
    instead: those of the product with a vector that stays as it is. time, time_vjp, time_jvp: the rate of f
    at fixed states, ∂f/∂t + ∂f/∂u·du/dt, and its derivatives.
    """

    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    product: Callable[..., Tensor] | None = None
    entries_vjp: Callable[..., tuple[Tensor, ...]] | None = None
    entries_jvp: Callable[..., Tensor] | None = None
    time: Callable[..., Tensor] | None = None
    time_vjp: Callable[..., tuple[Tensor, ...]] | None = None
    time_jvp: Callable[..., Tensor] | None = None
    product_vjp: Callable[..., tuple[Tensor, ...]] | None = None
    product_jvp: Callable[..., Tensor] | None = None


@dataclass(frozen=True)
class Equations:
    """A model's own functions. Each takes t, x, p and, where the model has inputs, u (..., n_inputs).

    linear: whether the right-hand side is linear in the states, so that Newton's iterations are exact. The
    derivatives of initial(t, p) and of observables are None where those are numbers alone, or there are none.
    """

    rhs: Callable[..., Tensor]
    rhs_vjp: Callable[..., tuple[Tensor, ...]]
    rhs_jvp: Callable[..., Tensor]
    jacobian: Callable[..., Tensor]
    initial: Callable[..., Tensor]
    observables: Callable[..., Tensor]
    observables_vjp: Callable[..., tuple[Tensor, ...]] | None = None
    observables_jvp: Callable[..., Tensor] | None = None
    initial_vjp: Callable[..., tuple[Tensor, ...]] | None = None
    initial_jvp: Callable[..., Tensor] | None = None
    stiff: StiffEquations | None = None
    linear: bool = False


class StepGradients(NamedTuple):
    """The cotangents of a step's arguments.

    u: the inputs' cotangents as (time, of the values) or (time, of the values, of the rates); [] without.
    t, h: (*batch,), None where they were not asked for.
    """

    x: Tensor
    p: Tensor
    u: list[tuple[Any, ...]]
    t: Tensor | None
    h: Tensor | None


class StepTangents(NamedTuple):
    """The tangents of a step's arguments: of the states, of t and h (both (..., 1)), of p, of the inputs."""

    x: Tensor
    t: Tensor
    h: Tensor
    p: Tensor
    u: Series | None


@dataclass(frozen=True)
class Cell:
    """The printed step of an explicit method, with its adjoint and its tangent.

    step(x, t, h, p, u, clip); vjp(x, t, h, p, u, w, clip, wrt_times); jvp(x, t, h, p, u, d, clip).
    stages(x, t, h, p, u, clip): the next states, the error estimates and the slopes, where the method has an
    estimate; interpolant(x, t, h, p, u, x_next, stages, clip), where it has one.
    """

    step: Callable[..., Tensor]
    vjp: Callable[..., StepGradients]
    jvp: Callable[..., tuple[Tensor, Tensor]]
    stages: Callable[..., tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]] | None = None
    interpolant: Callable[..., Tensor] | None = None


def elements(name: str, *shape: int) -> tuple[str, ...]:
    """The names of an array's elements, row-major: `W[0,1]`."""
    places = itertools.product(*map(range, shape))
    return tuple(f"{name}[{','.join(map(str, place))}]" if place else name for place in places)


@dataclass(frozen=True)
class Param:
    """A parameter: its name, its default in natural units, its bounds, and how they are held.

    ends: whether the bounds belong to the interval, as "[)". via: "softplus", "logit", "log" or "log10"
    where a parametrization of torch holds the bounds, else "none". attribute: its name in a Model. shape: of
    an array, each of whose elements has these bounds; `value` is the default of all, or has one for each,
    row-major, or it is drawn: draw has the name of one of DRAWS and its numbers.
    """

    name: str
    value: float | tuple[float, ...] = 0.0
    lower: float = -math.inf
    upper: float = math.inf
    ends: str = "()"
    via: str = "none"
    unit: str = ""
    doc: str = ""
    attribute: str = ""
    shape: tuple[int, ...] = ()
    draw: tuple[str | float, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers it is."""
        return math.prod(self.shape)

    @property
    def columns(self) -> tuple[str, ...]:
        """A name for each of its numbers, row-major: `k`, or `W[0,1]`."""
        return elements(self.name, *self.shape)

    @property
    def default(self) -> str:
        """Its default as one reads it; of an array the least and the largest, or what it is drawn from."""
        if self.draw:
            return f"{self.draw[0]}({', '.join(f'{number:g}' for number in self.draw[1:])})"
        if isinstance(self.value, tuple):
            return f"{min(self.value)!r} .. {max(self.value)!r}"
        return repr(float(self.value))

    @property
    def bounded(self) -> bool:
        """Whether there are values that it cannot have."""
        return math.isfinite(self.lower) or math.isfinite(self.upper)

    @property
    def interval(self) -> str:
        """The interval of its values, as "(0, inf)"."""
        return f"{self.ends[0]}{self.lower:g}, {self.upper:g}{self.ends[1]}"

    @property
    def spelling(self) -> str:
        """The name of the Model's attribute."""
        return self.attribute or self.name


@dataclass(frozen=True)
class Input:
    """An input: a function of time through samples, constant, straight or cubic between them."""

    name: str
    kind: Literal["hold", "linear", "cubic"]


def inputs(name: str, kind: Literal["hold", "linear", "cubic"], *shape: int) -> tuple[Input, ...]:
    """The elements of an input that is an array, row-major: each runs between samples of its own."""
    return tuple(Input(element, kind) for element in elements(name, *shape))


@dataclass(frozen=True)
class Defaults:
    """Steps where nothing is asked for: dt of fixed ones, or the tolerances, an absolute one for each state.

    longest: no step by tolerance is longer than that, as the equations switch in time.
    """

    dt: float | None = None
    rtol: float = 1e-6
    atol: tuple[float, ...] = ()
    max_steps: int = 100_000
    longest: float | None = None


@dataclass(frozen=True)
class Span:
    """What the model's run line says of when: start and stop, and the time between outputs, if it says it."""

    start: float
    stop: float
    step: float | None = None


@dataclass(frozen=True)
class Noise:
    """The measurement noise of an observable, as the model declares it at a place in its text.

    sigma: of a normal distribution whose standard deviation is one constant, else None.
    """

    observable: str
    distribution: str
    sigma: float | None
    place: str


@dataclass(frozen=True)
class Kernel:
    """The C source of a model and a method, and how its lanes are laid out.

    lanes: trajectories side by side, as a vector of float64; inner_lanes: 1 where the innermost loops run
    over lanes; shortest: bytes of the shortest vector that rounds as longer ones do; room: of a model of
    arrays, how many values a lane holds at most, beside its parameters. See docs/engines.md.
    """

    source: str
    lanes: int
    inner_lanes: int
    shortest: int
    room: int = 0

    @property
    def arrays(self) -> bool:
        """Whether the model has arrays."""
        return self.room > 0


@dataclass(frozen=True)
class Compiled:
    """All that a generated module says of itself. key names it in graphs, in every process alike.

    time, time_unit: the independent variable. span: None where the model has no run line.
    switches(p): where its conditions on the time and inputs turn; None where none is located. asked: how many
    values they ask for, which stand behind the inputs: a time of each one's own, and linear inputs then.
    timed: whether the right-hand side depends on the time itself, not through inputs alone. hidden: columns
    behind the states that a run has and nobody sees: earlier values of a map.
    """

    name: str
    digest: str
    states: tuple[str, ...]
    params: tuple[Param, ...]
    observables: tuple[str, ...]
    equations: Equations
    method: Method
    inputs: tuple[Input, ...] = ()
    cell: Cell | None = None
    kernel: Kernel | None = None
    defaults: Defaults = field(default_factory=Defaults)
    time: str = "t"
    time_unit: str = ""
    span: Span | None = None
    noise: tuple[Noise, ...] = ()
    switches: Callable[[Tensor], Turns] | None = None
    asked: int = 0
    timed: bool = False
    hidden: tuple[str, ...] = ()
    engines: dict[str, Engine] = field(default_factory=dict, compare=False, repr=False)
    param_names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    input_names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    turns: Switches | None = field(init=False, compare=False, repr=False)
    columns: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "param_names", tuple(param.name for param in self.params))
        object.__setattr__(self, "input_names", tuple(entry.name for entry in self.inputs))
        elements = [param.name for param in self.params for _ in range(param.size)]
        kinds = {entry.name: entry.kind for entry in self.inputs}
        turns = self.switches and Switches(self.switches, elements, kinds)
        object.__setattr__(self, "turns", turns)
        object.__setattr__(self, "columns", (*self.states, *self.hidden))

    def __getstate__(self) -> dict[str, Any]:
        """Pickled and copied without its engines, which are made anew where they are asked for."""
        made = ("engines", "stepper")
        return {name: value for name, value in self.__dict__.items() if name not in made} | {"engines": {}}

    @property
    def arrays(self) -> bool:
        """Whether states or parameters are arrays."""
        return any(name.endswith("]") for name in self.states) or any(param.shape for param in self.params)

    def unpack(self, x: Tensor) -> dict[str, Tensor]:
        """The states x (..., n) by name, those that are arrays as (..., *shape). Raises ValueError."""
        from .shaped import parts_of

        if x.dim() == 0 or x.shape[-1] != len(self.states):
            raise ValueError(f"states are (..., {len(self.states)}), not of shape {tuple(x.shape)}")
        return parts_of(self.states, x)

    @property
    def key(self) -> str:
        return f"{self.name}:{self.method.name or 'map'}:{self.digest}"

    @property
    def is_map(self) -> bool:
        """Whether it is a difference equation."""
        return isinstance(self.method, Map)

    @property
    def adaptive(self) -> bool:
        """Whether the method can follow a tolerance."""
        method = self.method
        if isinstance(method, Adams):
            return method.highest > 0
        return isinstance(method, Auto) or (not isinstance(method, Map) and bool(method.error))

    @property
    def dense_order(self) -> int:
        """The order of the method's interpolant; 0 where it has none."""
        method = self.method
        if isinstance(method, Adams | Map):
            return 0
        if isinstance(method, Auto):
            parts = [part.dense.order if part.dense else 0 for part in (method.explicit, method.stiff)]
            return min(parts)
        return method.dense.order if method.dense else 0

    @property
    def excess(self) -> int:
        """How many times the error estimate the error of the method's interpolant may be."""
        method = self.method
        if isinstance(method, Adams | Map):
            return 1
        parts = (method.explicit, method.stiff) if isinstance(method, Auto) else (method,)
        return max(part.dense.excess if part.dense else 1 for part in parts)

    @property
    def continuous(self) -> bool:
        """Whether there is a continuous adjoint: of one-step methods."""
        return not isinstance(self.method, Adams | Map)

    @property
    def clips(self) -> bool:
        """Whether slopes can be held within a bound: of methods that need no Jacobian."""
        return isinstance(self.method, Explicit | Adams)

    @property
    def slope(self) -> Slope:
        """The right-hand side with inputs and clip."""
        equations = self.equations
        return Slope(equations.rhs, equations.rhs_vjp, equations.rhs_jvp)

    def engine(self, name: str) -> Engine:
        """An engine by name, made once. Raises KeyError for an unknown one."""
        found = self.engines.get(name)
        if found is None:
            from .engines import engine_of

            found = self.engines[name] = engine_of(self, name)
        return found

    @property
    def reference(self) -> Reference:
        """The torch engine."""
        found: Any = self.engine("torch")
        return found

    @cached_property
    def held(self) -> Compiled:
        """The model between its switches: what conditions ask for are held inputs behind its own.

        Itself where it has no switches.
        """
        if self.turns is None:
            return self
        asked = tuple(Input(name, "hold") for name in self.turns.asked)
        return replace(self, switches=None, inputs=(*self.inputs, *asked), engines={})

    @cached_property
    def stepper(self) -> FixedStepper:
        """One step of the method, of Adams methods one of those that start them."""
        from .reference.steppers import fixed_stepper_of

        return fixed_stepper_of(self)


REGISTRY: dict[str, Compiled] = {}
"""Every model of this process by its key: graphs and operators carry keys, not objects."""


def enter(compiled: Compiled) -> None:
    """Take a model into the registry; of two with one key that with a kernel, which does what both do."""
    known = REGISTRY.get(compiled.key)
    if known is None or known.kernel is None or compiled.kernel is not None:
        REGISTRY[compiled.key] = compiled
