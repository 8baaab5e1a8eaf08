"""Methods as the tables of numbers that steps go by."""

from __future__ import annotations

import math
from dataclasses import dataclass

Row = tuple[float, ...]
Matrix = tuple[Row, ...]


@dataclass(frozen=True)
class Interpolant:
    """The states within a step, x(t + θ h) = x + h Σ_i b_i(θ) k_i with b_i(θ) = Σ_j weights[i][j] θ^(j+1).

    A row of weights for each slope k_i: those of the method's stages, then, where there are as many rows, the
    slope at the step's end, then those of further stages with the rows a and the nodes c. Of a Rosenbrock
    method x(t + θ h) = x + Σ_i b_i(θ) z_i, by its increments. excess: how many times the step's own estimate
    the error within it may be. Hairer, Nørsett & Wanner I, II.6.
    """

    order: int
    weights: Matrix
    a: Matrix = ()
    c: Row = ()
    excess: int = 1

    @property
    def degree(self) -> int:
        """The degree of the polynomials b_i."""
        return len(self.weights[0])


@dataclass(frozen=True)
class Explicit:
    """An explicit Runge–Kutta method: k_i = f(t + c_i h, x + h Σ_j a_ij k_j), x_next = x + h Σ_i b_i k_i.

    error: the weights of the estimate h Σ_i e_i k_i of the local error (empty: none), one more than stages
    where it takes the slope at x_next too; error3: of a second estimate of lower order. error_order: the
    lower order of the pair. real_interval: where stability ends on the negative real axis, -h λ.
    Hairer, Nørsett & Wanner I, II.1, table 1.1.
    """

    name: str
    order: int
    a: Matrix
    b: Row
    c: Row
    error: Row = ()
    error3: Row = ()
    error_order: int = 0
    dense: Interpolant | None = None
    real_interval: float = math.inf

    @property
    def used(self) -> int:
        """How many stages x_next is made of, the first ones; the others estimate the error alone."""
        return max(i + 1 for i, weight in enumerate(self.b) if weight)

    @property
    def first_same_as_last(self) -> bool:
        """Whether the error estimate uses the slope at the step's end, which the next step starts with."""
        return len(self.error) > len(self.b)


@dataclass(frozen=True)
class Implicit:
    """An implicit Runge–Kutta method: k_i = f(t + c_i h, x + h Σ_j a_ij k_j), x_next = x + h Σ_i b_i k_i.

    error: the weights of the raw estimate h (start_error f(t, x) + Σ_i e_i k_i), damped by
    (I - h filter J)⁻¹ where filter is not 0. Hairer & Wanner II, IV.5 and IV.6.
    """

    name: str
    order: int
    a: Matrix
    b: Row
    c: Row
    error: Row = ()
    start_error: float = 0.0
    filter: float = 0.0
    error_order: int = 0
    dense: Interpolant | None = None

    @property
    def diagonal(self) -> bool:
        """Whether the stages can be solved one after the other: nothing stands above the diagonal of a."""
        return not any(any(entries[i + 1 :]) for i, entries in enumerate(self.a))


@dataclass(frozen=True)
class Rosenbrock:
    """A Rosenbrock method in transformed form, for i = 1 … s:

        (I/γ - h J) z_i = h f(t + alpha_i h, x + Σ_{j<i} a_ij z_j) + Σ_{j<i} c_ij z_j + d_i h² f_t
        x_next = x + Σ_i m_i z_i,   error = Σ_i error_i z_i

    J = ∂f/∂x and f_t = ∂f/∂t at the step's start. weights: the method's own b, with
    Σ m_i z_i = h Σ b_i f_i + h J Σ b_i z_i + h² rate_weight f_t in exact numbers. Hairer & Wanner II, IV.7.
    """

    name: str
    order: int
    gamma: float
    a: Matrix
    c: Matrix
    m: Row
    alpha: Row
    d: Row
    weights: Row
    rate_weight: float = 0.0
    error: Row = ()
    error_order: int = 0
    dense: Interpolant | None = None

    @property
    def used(self) -> int:
        """How many stages x_next is made of, the first ones; the others estimate the error alone."""
        return max(i + 1 for i, weight in enumerate(self.m) if weight)


@dataclass(frozen=True)
class Adams:
    """An Adams method: a predictor by the newest slopes, and a corrector where it has one.

    Weights are those of the newest slope first. starter: the method of the first steps. highest: the highest
    order of the predictor where steps follow a tolerance, else 0. Hairer, Nørsett & Wanner I, III.
    """

    name: str
    order: int
    predictor: Row
    starter: Explicit
    corrector: Row = ()
    highest: int = 0

    @property
    def past(self) -> int:
        """How many slopes before the one at a step's start the step uses."""
        return max(len(self.predictor), len(self.corrector) - 1) - 1


@dataclass(frozen=True)
class Auto:
    """An explicit method, and a Rosenbrock method where stability would limit its steps."""

    name: str
    order: int
    explicit: Explicit
    stiff: Rosenbrock


@dataclass(frozen=True)
class Map:
    """x[t + 1] = f(t, x): a difference equation, one step of it a unit of time."""

    name: str = ""
    order: int = 0


Method = Explicit | Implicit | Rosenbrock | Adams | Auto | Map
