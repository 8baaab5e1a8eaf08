"""The negative log-likelihood of the data under the noise that the model declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from odec.errors import ArgumentError
from odec.fit.data import Columns, Dataset
from odec.fit.densities import DENSITIES
from odec.fit.loss import Measured, Values
from odec.fit.noise import Term


class Likelihood(Measured):
    """−Σ log p(measurement | prediction, arguments of its noise) over everything measured.

    terms: the noise of each column of the data, whose arguments are observables of the net, by their names.
    """

    likelihood: bool = True
    sigma: float | None = 1.0
    """Of the residuals, which are made to have it."""

    def __init__(
        self, net: Any, data: Dataset, columns: Columns, fixed: Mapping[str, float], terms: Sequence[Term]
    ):
        super().__init__(net, data, columns, fixed, observes=True)
        names = [*net.compiled.states, *net.compiled.observables]
        self._groups = []
        for term in terms:
            which = torch.nonzero(self._column_index == self.names.index(term.observable))[:, 0]
            places = [names.index(term.observable), *(names.index(name) for name in term.args)]
            self._groups.append((term, DENSITIES[term.distribution], which, places))

    @property
    def data_norm(self) -> float:
        """How large predictions are beside their noise at the net's own parameters: ‖√information · μ‖."""
        with torch.no_grad():
            parts = [density.information(*args)[0] * args[0] ** 2 for _, density, _, args in self._parts({})]
        total = float(torch.cat(parts).sum())
        return total**0.5 if 0 < total < float("inf") else float(self._measured.norm())

    def scale(self, loss: float) -> float:
        """What a change of the loss is small beside: one for each measurement."""
        return float(self.count)

    def log_likelihood(self, loss: float) -> float:
        return -loss

    def __call__(self, params: Values) -> Tensor:
        terms = [density.log(y, *args).sum() for _, density, y, args in self._parts(params)]
        return -torch.stack(terms).sum()

    def _parts(self, params: Values) -> list[tuple[Term, Any, Tensor, list[Tensor]]]:
        """Of each column its noise, the measurements, and prediction and arguments there, in float64."""
        simulated = self.simulate(params).to("cpu", torch.float64)
        return [
            (
                term,
                density,
                self._measured[which],
                [simulated[self._time_index[which], place] for place in places],
            )
            for term, density, which, places in self._groups
        ]

    def residuals(self, params: Values) -> Tensor:
        """Numbers r whose Jacobian J gives Jᵀr, the gradient of the loss, and JᵀJ, the Fisher information.

        −(d log p/da)/√I_a for each argument a of each density, I_a being its information, (M',) in float64.
        Their derivative is that of √I_a·a, by Fisher scoring.
        """
        found = []
        for _, density, y, args in self._parts(params):
            still = [arg.detach().requires_grad_() for arg in args]
            with torch.enable_grad():
                total = density.log(y, *still).sum()
                scores = torch.autograd.grad(total, still, materialize_grads=True)
            for arg, score, information in zip(
                args, scores, density.information(*(one.detach() for one in still)), strict=True
            ):
                root = information.sqrt()
                value = torch.where(root > 0, -score / torch.where(root > 0, root, 1.0), 0.0)
                found.append(value.detach() + root.detach() * (arg - arg.detach()))
        return torch.cat(found)

    def complaint(self, params: Values) -> str:
        """Why the density of a measurement is not finite, in words; empty where all are."""
        with torch.no_grad():
            parts = self._parts(params)
        for (term, density, y, args), (*_, which, _) in zip(parts, self._groups, strict=True):
            for bad in torch.nonzero(~density.log(y, *args).isfinite())[:1, 0].tolist():
                at = f"at {self.data.time_name} = {self.place(int(which[bad]))[1]:g}"
                if density.above and not args[0][bad] > 0:
                    return (
                        f"{term.observable} is predicted as {float(args[0][bad]):g} {at}, but its noise"
                        f" ({term.place}) is {term.distribution}, which needs positive ones"
                    )
                for arg in args[1:]:
                    if not arg[bad] > 0:
                        told = f"the noise of {term.observable} ({term.place})"
                        return f"{told} has an argument {float(arg[bad]):g} {at}, which must be positive"
        return ""


def check_optimizer(optimizer: str, terms: Sequence[Term]) -> None:
    """Raise ArgumentError for an optimizer of sums of squares where the loss is none."""
    if optimizer == "gauss-newton":
        term = terms[0]
        raise ArgumentError(
            f"gauss-newton minimizes sums of squares, but the noise of {term.observable} ({term.place}) is"
            f" {term.distribution}: take lbfgs, or leave out what follows '~'"
        )
