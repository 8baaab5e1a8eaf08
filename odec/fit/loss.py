"""How far a model is from its data, as a function of an optimizer's coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from odec.errors import ArgumentError
from odec.fit.data import Columns, Dataset
from odec.fit.trust_region import Linear, finite
from odec.runtime.arguments import vector_of_times

FEW = 12
"""So many gradients are sooner had on the torch engine than its forward mode, slow to import."""

AT_A_TIME = 64
"""So many rows of a Jacobian are one batch of gradients in the kernel."""

MANY = 10_000
"""More rows take longer than to build the kernel of the tangent and to run it once a parameter."""


Values = Mapping[str, Tensor | float] | Tensor
"""Parameters: numbers by name, of an array by the names of its elements; or all of them, (m,)."""


class Measured:
    """What was measured, beside the simulation of it.

    net: a generated Model. data: what was measured of its states and observables. fixed: the values of the
    parameters that a call does not give. observes: whether observables are needed besides.
    """

    likelihood: bool = False
    """Whether the loss is a negative log-likelihood."""

    def __init__(
        self,
        net: Any,
        data: Dataset,
        columns: Columns,
        fixed: Mapping[str, float],
        *,
        observes: bool = False,
    ):
        self.net = net
        self.data = data
        self.names, self.states = columns.measurable, len(columns.states)
        self.fixed = dict(fixed)
        self.dtype: torch.dtype = net.vector().dtype
        row, column = np.nonzero(np.isfinite(data.values))
        place = [columns.measurable.index(name) for name in data.measured]
        self.observes = observes or any(name in columns.observables for name in data.measured)
        try:
            self.times: Tensor = vector_of_times(data.times.copy(), net.vector())
        except ValueError as error:
            raise ArgumentError(str(error)) from None
        self.inputs = {
            name: tuple(torch.as_tensor(part, dtype=self.dtype) for part in series)
            for name, series in data.inputs.items()
        }
        self._time_index = torch.as_tensor(data.rows[row])
        self._column_index = torch.as_tensor(np.array(place)[column])
        self._measured = torch.as_tensor(data.values[row, column])

    @property
    def count(self) -> int:
        """How many numbers were measured."""
        return len(self._measured)

    def vector(self, params: Values) -> Tensor:
        """All parameters (m,); those that are not said are fixed, or the Model's own."""
        if isinstance(params, Tensor):
            return params
        values = {**self.fixed, **params}
        names = [name for param in self.net.compiled.params for name in param.columns]
        if len(values) < len(names):
            values = dict(zip(names, self.net.vector().detach(), strict=True)) | values
        return torch.stack([torch.as_tensor(values[name], dtype=self.dtype) for name in names])

    def simulate(self, params: Values, times: Tensor | None = None) -> Tensor:
        """States and, where they are needed, observables at the times: (T, n + n_obs)."""
        t = self.times if times is None else times
        # As a tensor: what a fit comes to may lie on a bound, or beyond.
        keywords: dict[str, Any] = {"params": self.vector(params)}
        if self.inputs:
            keywords["inputs"] = self.inputs
        x = self.net(t, **keywords)
        if not self.observes:
            return x
        return torch.cat([x, self.net.observe(t, x, **keywords)], dim=-1)

    def deviations(self, params: Values) -> Tensor:
        """prediction − measurement, the same in natural units."""
        predicted = self.simulate(params)[self._time_index, self._column_index]
        return predicted.to("cpu", torch.float64) - self._measured

    def outliers(self, params: Values) -> list[tuple[str, float, float]]:
        """The predictions of what was measured that are not finite: column, time and value."""
        with torch.no_grad():
            found = self.simulate(params)[self._time_index, self._column_index]
        return [(*self.place(int(k)), float(found[k])) for k in torch.nonzero(~found.isfinite())[:, 0]]

    def place(self, k: int) -> tuple[str, float]:
        """The column and the time of the k-th number measured."""
        name = self.names[int(self._column_index[k])]
        return name, float(self.times[int(self._time_index[k])])


class SumOfSquares(Measured):
    """Σ ((prediction − measurement)/scale)² over everything measured.

    scales: by the name of a column, 1 where it is not said; the data's own standard deviations go before.
    sigma: the standard deviation of what is summed, where it is known.
    """

    def __init__(
        self,
        net: Any,
        data: Dataset,
        columns: Columns,
        fixed: Mapping[str, float],
        scales: Mapping[str, float] | None = None,
        sigma: float | None = None,
    ):
        super().__init__(net, data, columns, fixed)
        self.sigma = sigma
        there = np.isfinite(data.values)
        factors = np.array([1 / (scales or {}).get(name, 1.0) for name in data.measured])
        each = np.broadcast_to(factors, there.shape) if data.sds is None else 1 / data.sds
        self._factor = torch.as_tensor(each[there])

    @property
    def data_norm(self) -> float:
        """‖measurements/scale‖, against which a residual is small."""
        return float((self._measured * self._factor).norm())

    def scale(self, loss: float) -> float:
        """What a change of the loss is small beside: itself."""
        return loss

    def complaint(self, params: Values) -> str:
        """Nothing: every prediction that is a number has a square."""
        return ""

    def log_likelihood(self, loss: float) -> float:
        """That of normal noise where the sum of squares is `loss`, sigma² being known or else loss/M."""
        variance = loss / self.count if self.sigma is None else self.sigma**2
        if variance == 0:
            return math.inf
        scaled = self.count * math.log(2 * math.pi * variance) + loss / variance
        return float(self._factor.log().sum()) - scaled / 2

    def residuals(self, params: Values) -> Tensor:
        """(prediction − measurement)/scale for each number measured, in order of time: (M,) in float64."""
        return self.deviations(params) * self._factor

    def table(self, width: int) -> tuple[Tensor, Tensor, float]:
        """The measurements as means and their weights (T, width), and the squares within replicates.

        The sum of squares is Σ weight·(prediction − mean)² + the rest. Columns: states, then observables.
        """
        place = (self._time_index, self._column_index)
        shape = (len(self.times), width)
        weight, total = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
        square = self._factor.square()
        weight.index_put_(place, square, accumulate=True)
        total.index_put_(place, square * self._measured, accumulate=True)
        mean = total / torch.where(weight > 0, weight, 1.0)
        return mean, weight, float((square * (self._measured - mean[place]).square()).sum())

    def __call__(self, params: Values) -> Tensor:
        residuals = self.residuals(params)
        return residuals @ residuals


class Loss(Protocol):
    """What a fit minimizes: a leaf class of Measured."""

    net: Any
    data: Dataset
    fixed: dict[str, float]
    names: tuple[str, ...]
    states: int
    dtype: torch.dtype
    times: Tensor
    inputs: dict[str, Any]
    likelihood: bool
    sigma: float | None

    @property
    def count(self) -> int: ...
    @property
    def data_norm(self) -> float: ...
    def scale(self, loss: float) -> float: ...
    def complaint(self, params: Values) -> str: ...
    def log_likelihood(self, loss: float) -> float: ...
    def simulate(self, params: Values, times: Tensor | None = None) -> Tensor: ...
    def residuals(self, params: Values) -> Tensor: ...
    def deviations(self, params: Values) -> Tensor: ...
    def outliers(self, params: Values) -> list[tuple[str, float, float]]: ...
    def place(self, k: int) -> tuple[str, float]: ...
    def __call__(self, params: Values) -> Tensor: ...


@dataclass(frozen=True)
class Coordinates:
    """How an optimizer's vector θ stands for parameters: p = transform(scale·θ), entry by entry.

    transforms: raw -> natural, or None where the parameter is its own raw value. θ is not counted from the
    start, so that a parameter that falls by decades keeps its digits.
    """

    names: tuple[str, ...]
    transforms: tuple[Callable[[Tensor], Tensor] | None, ...]
    scale: np.ndarray

    def natural(self, theta: Tensor) -> Tensor:
        """Parameters in natural units: (k,) -> (k,)."""
        raw, parts, first = torch.as_tensor(self.scale) * theta, list[Tensor](), 0
        for transform, several in groupby(self.transforms):  # of an array all at once
            last = first + len(list(several))
            part = raw[first:last]
            parts.append(part if transform is None else transform(part))
            first = last
        return torch.cat(parts)


class Objective:
    """A loss and its gradient at θ, for an optimizer; a failed simulation is inf, with a zero gradient."""

    def __init__(self, loss: Loss, coordinates: Coordinates):
        self.loss = loss
        self.coordinates = coordinates
        self.evaluations = 0
        free = coordinates.names
        names = [*free, *(name for name in loss.fixed if name not in free)]
        every = [name for param in loss.net.compiled.params for name in param.columns]
        self._still = torch.tensor([loss.fixed[name] for name in names[len(free) :]], dtype=loss.dtype)
        place = {name: k for k, name in enumerate(names)}
        self._order = torch.tensor([place[name] for name in every])

    def params(self, theta: Tensor) -> Tensor:
        """The parameters that θ stands for, with those that are fixed, in the model's precision: (m,)."""
        natural = self.coordinates.natural(theta).to(self.loss.dtype)
        return torch.cat([natural, self._still])[self._order]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """(loss, gradient) at θ: (k,) -> a float and (k,)."""
        self.evaluations += 1
        failed = math.inf, np.zeros(len(theta))
        point = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            loss = self.loss(self.params(point))
        value = loss.item()
        if not math.isfinite(value):
            return failed
        (gradient,) = torch.autograd.grad(loss, point, allow_unused=True)
        if gradient is None:
            return value, np.zeros(len(theta))
        if not torch.isfinite(gradient).all():
            return failed
        return value, gradient.numpy()

    def without_derivative(self, theta: np.ndarray) -> tuple[list[str], tuple[str, float] | None]:
        """The parameters by which the gradient at θ is not finite, and where the first such number is."""
        r, jacobian = self._by_rows(theta)
        wrong = ~jacobian.isfinite()
        rows = torch.nonzero(wrong.any(dim=1))[:, 0]
        names = [name for name, one in zip(self.coordinates.names, wrong.any(dim=0), strict=True) if one]
        return names, self.loss.place(int(rows[0])) if len(rows) else None

    @property
    def failure(self) -> str:
        """What ended the last simulation of the Model early, in words; empty where nothing did."""
        status = self.loss.net.status
        failures = [] if status is None or bool(status.ok.all()) else status.failures
        return str(failures[0]) if failures else ""

    def residuals(self, theta: np.ndarray) -> Linear | None:
        """The residuals (M,) at θ and their Jacobian (M, k), by forward mode; None where not finite."""
        self.evaluations += 1

        def residuals(point: Tensor) -> tuple[Tensor, Tensor]:
            values = self.loss.residuals(self.params(point))
            return values, values

        jacobian, r = torch.func.jacfwd(residuals, has_aux=True)(torch.tensor(theta, dtype=torch.float64))
        return finite(r.detach().numpy(), jacobian.detach().numpy())

    def jacobian(self, theta: np.ndarray) -> Linear | None:
        """The same without a further kernel to build, unless so many rows would take longer than that."""
        native, count = self.loss.net.engine == "native", self.loss.count
        if native and count > MANY:
            return self.residuals(theta)
        found = self._by_rows(theta) if native or count <= FEW else self._by_columns(theta)
        return finite(*(part.detach().numpy() for part in found))

    def _by_rows(self, theta: np.ndarray) -> tuple[Tensor, Tensor]:
        point = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            r = self.loss.residuals(self.params(point))
        how: dict[str, Any] = {"retain_graph": True, "materialize_grads": True}
        if self.loss.net.engine == "native" and len(r) > AT_A_TIME:  # as one batch: the same bits
            parts = torch.eye(len(r), dtype=r.dtype).split(AT_A_TIME)
            rows = [torch.autograd.grad(r, point, part, is_grads_batched=True, **how)[0] for part in parts]
            return r, torch.cat(rows)
        return r, torch.stack([torch.autograd.grad(one, point, **how)[0] for one in r])

    def _by_columns(self, theta: np.ndarray) -> tuple[Tensor, Tensor]:
        r, columns = torch.empty(0), []
        for direction in torch.eye(len(theta), dtype=torch.float64):
            with forward_ad.dual_level():
                point = forward_ad.make_dual(torch.tensor(theta, dtype=torch.float64), direction)
                r, column = forward_ad.unpack_dual(self.loss.residuals(self.params(point)))
            columns.append(torch.zeros_like(r) if column is None else column)
        return r, torch.stack(columns, dim=1)

    def simulate(self, theta: np.ndarray) -> float:
        """The loss at θ without a gradient, for the Model's status and warnings; NaN where it fails."""
        with torch.no_grad():
            return float(self.loss(self.params(torch.as_tensor(theta))))

    def natural(self, theta: np.ndarray) -> dict[str, float]:
        """The parameters at θ as floats."""
        with torch.no_grad():
            natural = self.coordinates.natural(torch.as_tensor(theta)).to(self.loss.dtype)
        return dict(zip(self.coordinates.names, natural.tolist(), strict=True))
