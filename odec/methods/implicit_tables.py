"""Implicit Runge–Kutta methods: one literal each, irrational coefficients to 40 digits."""

from __future__ import annotations

from fractions import Fraction

from odec.methods.implicit import Implicit
from odec.methods.interpolant import Recipe, collocation, through_stage
from odec.methods.numbers import ONE, ZERO, Matrix, Row, dot, numbers, root, row, square

_NEAR = Fraction(1, 10**36)
"""What coefficients made of roots cut off after 40 digits may miss."""


def _method(
    name: str,
    order: int,
    a: Matrix,
    source: str,
    *,
    b: Row | None = None,
    embedded: Row | None = None,
    error_order: int = 0,
    tolerance: Fraction = ZERO,
    stability: str,
    filtered: bool = True,
    dense: Recipe | None = None,
) -> Implicit:
    """A method whose nodes are the row sums; b is the last row of a unless given.

    The error weights are b less those of the embedded method, filtered with the last diagonal entry of a
    unless told otherwise.
    """
    weights = a[-1] if b is None else b
    c = tuple(sum(entries, ZERO) for entries in a)
    error = () if embedded is None else tuple(x - y for x, y in zip(weights, embedded, strict=True))
    return Implicit(
        name,
        order,
        a,
        weights,
        c,
        source,
        tolerance,
        error,
        filter=a[-1][-1] if error and filtered else ZERO,
        error_order=error_order,
        stability=stability,
        dense=dense(weights) if dense else None,
    )


def _kvaerno(name: str, order: int, a: Matrix, *, tolerance: Fraction = _NEAR, margin: int = 1) -> Implicit:
    """An explicit first stage, one γ, and two stiffly accurate rows: the embedded method's, and the last.

    Their difference stays small in stiff components, and a filter would hide what error there is. margin:
    what multiplies it.
    """
    embedded = tuple(last - margin * (last - before) for last, before in zip(a[-1], a[-2], strict=True))
    source = f"Kværnø, BIT 44 (2004) 489–502, ESDIRK {order}/{order - 1}"
    return _method(
        name,
        order,
        a,
        source,
        embedded=embedded,
        error_order=order - 1,
        tolerance=tolerance,
        stability="L-stable",
        filtered=False,
    )


def _backward_euler() -> Implicit:
    """With the trapezoidal rule embedded: the estimate is half the difference of the slopes at both ends."""
    half = Fraction(1, 2)
    return Implicit(
        "backward_euler",
        1,
        square([1]),
        row(1),
        row(1),
        "Euler; Hairer & Wanner II, IV.3, eq. 3.8; error: the trapezoidal rule",
        error=(half,),
        start_error=-half,
        filter=ONE,
        error_order=1,
        stability="L-stable",
        dense=collocation(1, row(1))(row(1)),
    )


def _sdirk2() -> Implicit:
    g = 1 - root(2) / 2
    return _method(
        "sdirk2",
        2,
        square([g], [1 - g, g]),
        "Alexander, SIAM J. Numer. Anal. 14 (1977) 1006–1021; error: the first stage's slope alone",
        embedded=row(1, 0),
        error_order=1,
        tolerance=_NEAR,
        stability="L-stable",
    )


def _trbdf2() -> Implicit:
    """Bank et al., IEEE Trans. CAD 4 (1985) 436–451; Hosea & Shampine, table 1."""
    w, d = root(2) / 4, 1 - root(2) / 2
    return _method(
        "trbdf2",
        2,
        square([], [d, d], [w, w, d]),
        "Bank et al. 1985; Hosea & Shampine, Appl. Numer. Math. 20 (1996) 21–37",
        embedded=((1 - w) / 3, (3 * w + 1) / 3, d / 3),
        error_order=2,
        tolerance=_NEAR,
        stability="L-stable",
        dense=through_stage(
            2, 2 * d, (d, d, ZERO), "parabola through the three states, as in MATLAB's ode23tb"
        ),
    )


def _kvaerno3() -> Implicit:
    """γ: the root 0.4358… of 6γ³ - 18γ² + 9γ - 1."""
    g = Fraction("0.4358665215084589994160194511935568425293")
    third = ((-4 * g**2 + 6 * g - 1) / (4 * g), (1 - 2 * g) / (4 * g), g)
    last = ((6 * g - 1) / (12 * g), -1 / ((24 * g - 12) * g), (-6 * g**2 + 6 * g - 1) / (6 * g - 3), g)
    return _kvaerno("kvaerno3", 3, square([], [g, g], third, last))


def _kvaerno4() -> Implicit:
    """γ: the root 0.5728… of 24γ⁴ - 96γ³ + 72γ² - 16γ + 1."""
    g = Fraction("0.5728160624821348554080013849767683409315")

    def p(*coefficients: int) -> Fraction:
        powers = [g**k for k in reversed(range(len(coefficients)))]
        return dot([Fraction(value) for value in coefficients], powers)

    q, r, w = p(12, -9, 2), p(12, -6, 1), p(3, -1)
    third = (g * p(144, -180, 81, -15, 1) / r**2, g * p(-36, 39, -15, 2) / r**2, g)
    fourth = (
        p(-144, 396, -330, 117, -18, 1) / (12 * g**2 * q),
        p(72, -126, 69, -15, 1) / (12 * g**2 * w),
        p(-6, 6, -1) * r**2 / (12 * g**2 * q * w),
        g,
    )
    last = (
        p(288, -312, 120, -18, 1) / (48 * g**2 * q),
        p(24, -12, 1) / (48 * g**2 * w),
        -(r**3) / (48 * g**2 * w * q * p(6, -6, 1)),
        p(-24, 36, -12, 1) / p(24, -24, 4),
        g,
    )
    return _kvaerno("kvaerno4", 4, square([], [g, g], third, fourth, last))


def _kvaerno5() -> Implicit:
    """Its embedded method is so good that the error of x_next, on x' = λx, is the larger for |hλ| ≥ 0.6.

    It is up to twice the difference for |hλ| ≤ 2, which is why the estimate is twice that.
    """
    a = square(
        [],
        numbers("0.26 0.26"),
        numbers("0.13 0.84033320996790809 0.26"),
        numbers("0.22371961478320505 0.47675532319799699 -0.06470895363112615 0.26"),
        numbers("0.16648564323248321 0.10450018841591720 0.03631482272098715 -0.13090704451073998 0.26"),
        numbers("0.13855640231268224 0 -0.04245337201752043 0.02446657898003141 0.61943039072480676 0.26"),
        numbers(
            """0.13659751177640291 0 -0.05496908796538376 -0.04118626728321046 0.62993304899016403
               0.06962479448202728 0.26"""
        ),
    )
    return _kvaerno("kvaerno5", 5, a, tolerance=Fraction(1, 10**14), margin=2)


def _gauss(name: str, order: int, a: Matrix, b: Row) -> Implicit:
    source = "Gauss collocation; Butcher 1964; Hairer & Wanner II, IV.5, tables 5.1 and 5.2"
    return _method(name, order, a, source, b=b, tolerance=_NEAR, stability="A-stable, |R(∞)| = 1")


def _gauss_legendre4() -> Implicit:
    r, quarter, half = root(3) / 6, Fraction(1, 4), Fraction(1, 2)
    return _gauss("gauss_legendre4", 4, square([quarter, quarter - r], [quarter + r, quarter]), (half, half))


def _gauss_legendre6() -> Implicit:
    r = root(15)
    ends, middle, nine = Fraction(5, 36), Fraction(2, 9), Fraction(2, 9)
    a = square(
        [ends, middle - r / 15, ends - r / 30],
        [ends + r / 24, middle, ends - r / 24],
        [ends + r / 30, nine + r / 15, ends],
    )
    return _gauss("gauss_legendre6", 6, a, row(2 * ends, 2 * middle, 2 * ends))


def _radau_iia5() -> Implicit:
    """Error: (γ/3)(3 h f(t, x) + (-13 - 7√6) z_1 + (-13 + 7√6) z_2 - z_3) with z = h A k.

    γ = (6 + ∛81 - ∛9)/30 is the real eigenvalue of A. Hairer & Wanner II, IV.8, eq. 8.17 to 8.19.
    """
    r, g = root(6), Fraction("0.2748888295956773677478286035994147792945")
    a = square(
        [(88 - 7 * r) / 360, (296 - 169 * r) / 1800, (-2 + 3 * r) / 225],
        [(296 + 169 * r) / 1800, (88 + 7 * r) / 360, (-2 - 3 * r) / 225],
        [(16 - r) / 36, (16 + r) / 36, Fraction(1, 9)],
    )
    c = tuple(sum(entries, ZERO) for entries in a)
    z = (g * (-13 - 7 * r) / 3, g * (-13 + 7 * r) / 3, -g / 3)
    return Implicit(
        "radau_iia5",
        5,
        a,
        a[-1],
        c,
        "Ehle 1969, Axelsson 1969; Hairer & Wanner II, IV.5, table 5.6, and IV.8 (RADAU5)",
        _NEAR,
        error=tuple(dot(z, column) for column in zip(*a, strict=True)),
        start_error=g,
        filter=g,
        error_order=3,
        stability="L-stable",
        dense=collocation(3, c)(a[-1]),
    )


IMPLICIT: tuple[Implicit, ...] = (
    _backward_euler(),
    _method(
        "implicit_midpoint",
        2,
        square([Fraction(1, 2)]),
        "Gauss, one stage; Hairer & Wanner II, IV.5, table 5.1",
        b=row(1),
        stability="A-stable, |R(∞)| = 1",
    ),
    _method(
        "trapezoid",
        2,
        square([], [Fraction(1, 2), Fraction(1, 2)]),
        "Crank & Nicolson 1947; Lobatto IIIA, Hairer & Wanner II, IV.5, table 5.7",
        stability="A-stable, |R(∞)| = 1",
    ),
    _sdirk2(),
    _trbdf2(),
    _kvaerno3(),
    _method(
        "radau_iia3",
        3,
        square([Fraction(5, 12), Fraction(-1, 12)], [Fraction(3, 4), Fraction(1, 4)]),
        "Ehle 1969, Axelsson 1969; Hairer & Wanner II, IV.5, table 5.5",
        stability="L-stable",
    ),
    _kvaerno4(),
    _gauss_legendre4(),
    _kvaerno5(),
    _radau_iia5(),
    _gauss_legendre6(),
)
