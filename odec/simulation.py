"""A compiled module run with plain numbers: what goes in is checked, what comes out is numpy."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, Any

from odec.accuracy import inaccuracies, intervals, summary, warn
from odec.arguments import input_series, real_numbers
from odec.cost import check_cost
from odec.errors import ArgumentError, SimulationError, as_number, check_mapping, did_you_mean
from odec.passes.program import Layout
from odec.results import Simulation
from odec.runtime.errors import EngineError
from odec.starts import defaults, elements_of, initial_states, unknown_name, with_elements
from odec.steps import StepRequest, step_options
from odec.system import Run, System

if TYPE_CHECKING:
    import numpy as np
    import torch

    from odec.runtime.compiled import Span
    from odec.runtime.model import Model

MAX_OUTPUTS = 10_000_000
MOST_DRAWN = 20_000_000
"""So many numbers of a run with outputs between its own are worth a better picture."""


@dataclass(frozen=True)
class RunRequest:
    """What is asked of a run, however it is stepped: values by name, and what is done where it cannot hold.

    times: (T,). partial: whether trajectories may fail; behind their failure they are NaN. check: whether to
    warn of what `inaccuracies` finds.
    """

    times: Sequence[float]
    params: Mapping[str, Any]
    init: Mapping[str, Any]
    inputs: Mapping[str, Any]
    partial: bool = False
    check: bool = True

    def series(self, system: System | None, unit: str | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Times and values of every input, once all names are looked at; unit: of the model's time.

        Raises ArgumentError.
        """
        for name, values in (("params", self.params), ("init", self.init)):
            check_mapping(values, name, "{'k': 0.5}")
        check_mapping(self.inputs, "inputs", "{'u': (times, values)}")
        if system is not None:
            check_params(system, self.params)
            check_inputs(system, self.inputs)
        shapes = {item.name: item.shape for item in system.inputs} if system else {}
        return {
            name: input_series(name, given, unit, shapes.get(name, ())) for name, given in self.inputs.items()
        }


def output_times(
    run: Run | Span | None,
    *,
    t0: float | None = None,
    t1: float | None = None,
    step: float | None = None,
    is_map: bool = False,
) -> list[float]:
    """t0, t0 + step, … up to t1 and always t1 itself; what is not given comes from the `run` line.

    Without a step, 100 steps for an ODE and steps of 1 for a map. Raises ArgumentError.
    """
    start = as_number(t0, "t0") if t0 is not None else run.start if run else 0.0
    if t1 is None and run is None:
        raise ArgumentError("the model has no `run` line: say when to stop (--t1, or t1= from Python)")
    stop = as_number(t1, "t1") if t1 is not None else run.stop if run else start
    if step is None:
        step = (
            run.step
            if run is not None and run.step is not None
            else 1.0
            if is_map
            else abs(stop - start) / 100
        )
    step = as_number(step, "step")
    if stop == start:
        return [start]
    if not (math.isfinite(start) and math.isfinite(stop)):
        raise ArgumentError("the run must start and stop at finite times")
    if not step > 0:
        raise ArgumentError(f"the step between outputs must be positive, not {step:g}")
    count = abs(stop - start) / step
    if not count <= MAX_OUTPUTS:
        raise ArgumentError(
            f"{count:.3g} outputs from {start:g} to {stop:g} are too many: take a longer step"
        )
    whole = round(count)
    last = whole if abs(count - whole) <= 1e-9 * max(1.0, count) else int(count) + 1
    # In decimals, as they were typed: the third output of `step 0.1` is 0.3, not 0.30000000000000004.
    origin, signed = Fraction(repr(start)), Fraction(repr(math.copysign(step, stop - start)))
    return [float(origin + k * signed) for k in range(last)] + [stop]


def from_start(run: Run | Span | None, times: list[float], t0: float | None) -> tuple[list[float], int]:
    """The times with the run's start before them, where it is not among them, and how many were put in front.

    Raises ArgumentError for times that first go back to before the start.
    """
    start = as_number(t0, "t0") if t0 is not None else run.start if run else None
    forth_and_back = times != sorted(times) and times != sorted(times, reverse=True)
    if start is None or not times or times[0] == start or forth_and_back:  # the Model refuses the last
        return times, 0
    if len(times) > 1 and (times[1] - times[0]) * (times[0] - start) < 0:
        raise ArgumentError(
            f"the time {times[0]:g} lies before the start of the run, {start:g}: set another t0 (--t0)"
        )
    return [start, *times], 1


def run_module(
    system: System,
    module: ModuleType,
    asked: RunRequest,
    steps: StepRequest,
    *,
    dtype: str,
    engine: str = "auto",
    spacing: float | None = None,
    seed: int | None = 0,
) -> Simulation:
    """Run a model's compiled module.

    spacing: the time between outputs that was asked for, None where the `run` line says it. seed: of
    what is drawn. Raises
    ArgumentError, and SimulationError where a trajectory fails that may not.
    """
    import torch

    if dtype not in ("float64", "float32"):
        raise ArgumentError(f"dtype is float64 or float32, not {dtype!r}")
    series = asked.series(system, system.time_unit)
    kind = getattr(torch, dtype)
    options = {"engine": engine, **step_options(system, module.COMPILED, asked.times, steps, spacing)}
    # All by value: a Model's own parameters have been through their transforms and back, to rounding.
    with _told():
        net = module.Model(adjoint="none", dtype=kind, seed=seed, **options)
        everything = with_elements(defaults(system, net), asked.params)
        values = {name: torch.tensor(real_numbers(v, name), dtype=kind) for name, v in everything.items()}
    return _simulation(system, net, asked, values, series)


def _to_failure(states: torch.Tensor) -> torch.Tensor:
    """States (T, *batch, n), NaN from the first time on at which a trajectory is not finite."""
    import torch

    lost = (~torch.isfinite(states)).any(-1, keepdim=True).cumsum(0) > 0
    return torch.where(lost, math.nan, states)


def run_net(system: System | None, net: Any, asked: RunRequest) -> Simulation:
    """Run a generated Model as it stands, with other parameters, initial values and inputs where given.

    system: its model, where that is known; without it `init` takes all states or none. Raises ArgumentError,
    and SimulationError where a trajectory fails that may not.
    """
    series = asked.series(system, net.compiled.time_unit or None)
    like = net.vector().detach()
    numbers = {name: real_numbers(value, name) for name, value in asked.params.items()}
    with _told():
        net.vector(numbers)  # which holds them to their bounds, as tensors are not
    values = {name: like.new_tensor(value) for name, value in numbers.items()}
    return _simulation(system, net, asked, values, series)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a generated module raises, as an ArgumentError."""
    try:
        yield
    except (ValueError, EngineError) as error:
        raise ArgumentError(str(error)) from error


def _simulation(
    system: System | None,
    net: Model,
    asked: RunRequest,
    values: Mapping[str, torch.Tensor],
    series: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Simulation:
    """The run of a Model with these values and inputs, and warnings of what it cannot keep."""
    import numpy as np
    import torch

    from odec.runtime.arguments import vector_of_times

    times, init = asked.times, asked.init
    given = {"inputs": series} if net.compiled.inputs else {}
    with _told(), torch.no_grad():
        t, x0 = vector_of_times(times, net.vector()), None
        if init and system is not None:
            x0 = initial_states(system, net, t, values, init)
        elif init:
            x0 = _all_states(net, init)
        shapes = [() if x0 is None else x0.shape[:-1], net.vector(values).shape[:-1]]
        shapes += [held.shape[1:] for _, held in series.values()]
        check_cost(net, times, numbers=_numbers(net, shapes))
        states = net(t, x0=x0, params=values, **given)  # held, as the status is of them
        status = net.status
        assert status is not None
        if not (asked.partial or bool(status.ok.all())):
            raise SimulationError(f"{status}{_because(system, net, times[0], states, values)}")
        whole = _to_failure(states)
        y = net.observe(t, whole, params=values, **given).cpu().numpy()
        line, x = summary(net, times, system), whole.cpu().numpy()
        if asked.check and bool(status.ok.all()):
            knots = {name: held.ravel() for name, (held, _) in series.items()}
            again = _by_shorter_steps(net, times, {"x0": x0, "params": values, **given})
            warn(inaccuracies(net, times, x, knots, again), stacklevel=5)
    names = net.compiled.time, net.compiled.states, net.compiled.observables
    numbers = np.asarray(times, dtype=np.float64), x, y
    run = Simulation(*names, *numbers, status, series, system, line)
    return run if net.compiled.is_map else replace(run, finer=_finer(net, run, whole[:1], values, given))


def _because(system: System | None, net: Model, t: float, states: torch.Tensor, values: Any) -> str:
    """Which formula is no finite number where a single trajectory starts, on its own line; or nothing."""
    p = net.vector(values)
    if system is None or states.dim() != 2 or p.dim() != 1:
        return ""
    from odec.passes.nonfinite import told_at_start

    return told_at_start(system, t, p.tolist(), states[0].tolist())


def _finer(
    net: Model, run: Simulation, start: torch.Tensor, values: Mapping[str, torch.Tensor], given: Any
) -> Callable[[], Simulation | None]:
    """The run once more with outputs between its own, of fixed steps at their ends; for pictures.

    Of the Model as it is now. None where there are more trajectories than a picture's numbers may be of.
    """
    engine, steps = net.compiled.engine(net.engine), net.steps
    p = net.vector(values).detach()

    def again() -> Simulation | None:
        import torch

        from odec.plot.bends import times_between

        counts = (
            None if steps.dt is None else [count for _, _, count in intervals(run.times.tolist(), steps.dt)]
        )
        times = times_between(run.times.tolist(), counts)
        if len(times) * (run.states[0].size + run.observables[0].size) > MOST_DRAWN:
            return None
        t, inputs = torch.as_tensor(times, dtype=p.dtype, device=p.device), net.series(given.get("inputs"), p)
        with torch.no_grad():
            x0 = start[0].expand(*run.states.shape[1:])
            whole = _to_failure(engine.states(t, x0, p, inputs, steps, 1).xs)
            y = net.observe(t, whole, params=p, **given).cpu().numpy()
        return replace(run, times=times, states=whole.cpu().numpy(), observables=y, finer=None)

    return again


def _by_shorter_steps(
    net: Any, times: Sequence[float], given: Mapping[str, Any]
) -> Callable[[float], np.ndarray]:
    """The states of the same run, by fixed steps of at most so much."""
    from odec.runtime.arguments import vector_of_times

    def again(dt: float) -> np.ndarray:
        other = copy.deepcopy(net)
        other.dt = dt
        check_cost(other, times, numbers=0)
        found: np.ndarray = other(vector_of_times(times, other.vector()), **given).cpu().numpy()
        return found

    return again


def _all_states(net: Model, init: Mapping[str, Any]) -> torch.Tensor:
    """Initial values of all states (*batch, n). Raises ArgumentError where one is missing or unknown."""
    import torch

    if set(init) != set(net.compiled.states):
        states = ", ".join(net.compiled.states)
        raise ArgumentError(
            f"the model's text is not known here: init takes all its states, {states}, or none"
        )
    like = net.vector()
    columns = [like.new_tensor(real_numbers(init[name], name)) for name in net.compiled.states]
    return torch.stack(torch.broadcast_tensors(*columns), -1)


def _numbers(net: Model, shapes: Sequence[Sequence[int]]) -> float:
    """How many numbers one output holds, from the batch shapes of all that is given."""
    import numpy as np

    try:
        batch = np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:  # which the Model says in its own words
        batch = ()
    return float(math.prod(batch)) * (len(net.compiled.states) + len(net.compiled.observables))


def check_params(system: System, params: Mapping[str, Any]) -> None:
    """Whether these are parameters of the model, within their bounds. Raises ArgumentError."""
    known = {param.name: param for param in system.params}
    known |= elements_of(system)
    for name, value in params.items():
        if name not in known:
            if name in system.states:
                raise ArgumentError(f"{name!r} is a state: init={{{name!r}: …}} sets where it starts")
            raise ArgumentError(unknown_name(system, name))
        interval = known[name].interval
        for number in real_numbers(value, name).ravel():
            if not math.isfinite(number) or float(number) not in interval:
                raise ArgumentError(f"{name} = {number:g} lies outside its interval {interval}")


def check_inputs(system: System, inputs: Mapping[str, Any]) -> None:
    """Whether every input has values, and no other name has. Raises ArgumentError."""
    known = [item.name for item in system.inputs]
    elements = {item.name: Layout.of([(item.name, item.shape)]).columns for item in system.inputs}
    for name in inputs:
        if name not in known and name not in elements.get(name.partition("[")[0], ()):
            hint = did_you_mean(name, known) or (
                "; it has none" if not known else f"; it has {', '.join(known)}"
            )
            raise ArgumentError(f"the model has no input {name!r}{hint}")
    for name in known:
        if name not in inputs and not all(element in inputs for element in elements[name]):
            raise ArgumentError(
                f"the input {name!r} has no values: give --input {name}=FILE.csv or --input {name}=VALUE"
                f" (from Python inputs={{{name!r}: (times, values)}}, a number, a pandas Series or a path)"
            )
