"""Rosenbrock methods: one literal each."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from odec.methods.interpolant import Interpolant, between, polynomials
from odec.methods.numbers import ONE, ZERO, Matrix, Row, lower_inverse, numbers, product, root, square, times
from odec.methods.rosenbrock import Rosenbrock

_NEAR = Fraction(1, 10**36)


def _transformed(
    name: str,
    order: int,
    alpha: Matrix,
    gammas: Matrix,
    b: Row,
    embedded: Row,
    source: str,
    *,
    error_order: int,
    stability: str,
    tolerance: Fraction = _NEAR,
    dense: Interpolant | None = None,
) -> Rosenbrock:
    """The transformed form of a method given as in Hairer & Wanner II, IV.7, definition 7.1."""
    inverse, gamma, s = lower_inverse(gammas), gammas[0][0], len(b)
    columns = tuple(zip(*inverse, strict=True))
    if dense:
        weights = (times(columns, entries) for entries in zip(*dense.weights, strict=True))
        dense = replace(dense, weights=tuple(zip(*weights, strict=True)))
    return Rosenbrock(
        name,
        order,
        gamma,
        a=product(alpha, inverse),
        c=tuple(tuple(-inverse[i][j] if j < i else ZERO for j in range(s)) for i in range(s)),
        m=times(columns, b),
        error=times(columns, tuple(x - y for x, y in zip(b, embedded, strict=True))),
        alpha=tuple(sum(entries, ZERO) for entries in alpha),
        d=tuple(sum(entries, ZERO) for entries in gammas),
        source=source,
        tolerance=tolerance,
        error_order=error_order,
        stability=stability,
        dense=dense,
    )


def _shampine_reichelt() -> Rosenbrock:
    """ode23s in the form of definition 7.1: the earlier slopes are eliminated from the third stage."""
    d, e32 = 1 - root(2) / 2, 6 + root(2)
    b, sixth = (Fraction(0), Fraction(1), Fraction(0)), Fraction(1, 6)
    e = 1 / (1 - 2 * d)
    inner = polynomials([((ZERO, e, -e), (ONE, ZERO, ZERO)), ((ZERO, -2 * d * e, e), (ZERO, ONE, ZERO))])
    return _transformed(
        "rosenbrock23",
        2,
        square([], [Fraction(1, 2)], [0, 1]),
        square([d], [-d, d], [d * (e32 - 2), -d * e32, d]),
        b,
        (sixth, 4 * sixth, sixth),
        "Shampine & Reichelt, SIAM J. Sci. Comput. 18 (1997) 1–22 (ode23s)",
        error_order=2,
        stability="L-stable",
        dense=Interpolant(2, inner, source="Shampine & Reichelt 1997, section 3.3", tolerance=_NEAR),
    )


def _lang_verwer() -> Rosenbrock:
    """With a fourth stage for the error, (I - γhJ)⁻¹ (x_next - x - h/2 (f(t, x) + f(t + h, x_next))).

    The trapezoidal rule is embedded. The published weights (1/3, 1/3, 1/3) would leave (k_1 - k_2)/3, which
    is 0 where the equations are linear with constant coefficients.
    """
    g, third, half = Fraction(1, 2) + root(3) / 6, Fraction(1, 3), Fraction(1, 2)
    b = (2 * third, ZERO, third, ZERO)
    return _transformed(
        "ros3p",
        3,
        square([], [1], [1], b[:3]),
        square([g], [-1, g], [-g, half - 2 * g, g], [*(-2 * g * weight for weight in b[:3]), g]),
        b,
        (half, ZERO, ZERO, half),
        "Lang & Verwer, BIT 41 (2001) 731–738; error: the trapezoidal rule",
        error_order=2,
        stability="A-stable, |R(∞)| = 0.73",
    )


def _decimals(
    name: str,
    order: int,
    gamma: str,
    a: str,
    c: str,
    alpha: str,
    d: str,
    source: str,
    dense: str,
    excess: int = 1,
) -> Rosenbrock:
    """A stiffly accurate method from its published transformed coefficients.

    Its last two states are those of the embedded method and of the method less their u, so that
    m = (a_s1, …, a_s,s-1, 1) and the error is u_s. dense: the rows of its interpolant, of order - 1;
    excess: see Interpolant.
    """
    rows = square(*(numbers(line) for line in a.split(";")))
    unit = (*[ZERO] * (len(rows) - 1), ONE)
    m = (*rows[-1][:-1], ONE)
    return Rosenbrock(
        name,
        order,
        Fraction(gamma),
        rows,
        square(*(numbers(line) for line in c.split(";"))),
        m=m,
        error=unit,
        alpha=numbers(alpha),
        d=numbers(d),
        source=source,
        tolerance=Fraction(1, 10**12),
        error_order=order - 1,
        stability="L-stable",
        dense=between(order - 1, dense, source, "1e-12", excess)(m),
    )


ROSENBROCK: tuple[Rosenbrock, ...] = (
    _shampine_reichelt(),
    _lang_verwer(),
    _decimals(
        "rodas4",
        4,
        "0.25",
        """;
           1.544;
           0.9466785280815826 0.2557011698983284;
           3.314825187068521 2.896124015972201 0.9986419139977817;
           1.221224509226641 6.019134481288629 12.53708332932087 -0.6878860361058950;
           1.221224509226641 6.019134481288629 12.53708332932087 -0.6878860361058950 1""",
        """;
           -5.6688;
           -2.430093356833875 -0.2063599157091915;
           -0.1073529058151375 -9.594562251023355 -20.47028614809616;
           7.496443313967647 -10.24680431464352 -33.99990352819905 11.70890893206160;
           8.083246795921522 -7.981132988064893 -31.52159432874371 16.31930543123136 -6.058818238834054""",
        "0 0.386 0.21 0.63 1 1",
        "0.25 -0.1043 0.1035 -0.0362 0 0",
        "Hairer & Wanner II, IV.10 (RODAS)",
        """10.12623508344586 -7.487995877610167 -34.80091861555747 -7.992771707568823 1.025137723295662;
           -0.6762803392801253 6.087714651680015 16.43084320892478 24.76722511418386 -6.594389125716872""",
        excess=2,
    ),
    _decimals(
        "rodas5p",
        5,
        "0.21193756319429014",
        """;
           3;
           2.849394379747939 0.45842242204463923;
           -6.954028509809101 2.489845061869568 -10.358996098473584;
           2.8029986275628964 0.5072464736228206 -0.3988312541770524 -0.04721187230404641;
           -7.502846399306121 2.561846144803919 -11.627539656261098 -0.18268767659942256 0.030198172008377946;
           -7.502846399306121 2.561846144803919 -11.627539656261098 -0.18268767659942256 0.030198172008377946
           1;
           -7.502846399306121 2.561846144803919 -11.627539656261098 -0.18268767659942256 0.030198172008377946
           1 1""",
        """;
           -14.155112264123755;
           -17.97296035885952 -2.859693295451294;
           147.12150275711716 -1.41221402718213 71.68940251302358;
           165.43517024871676 -0.4592823456491126 42.90938336958603 -5.961986721573306;
           24.854864614690072 -3.0009227002832186 47.4931110020768 5.5814197821558125 -0.6610691825249471;
           30.91273214028599 -3.1208243349937974 77.79954646070892 34.28646028294783 -19.097331116725623
           -28.087943162872662;
           37.80277123390563 -3.2571969029072276 112.26918849496327 66.9347231244047 -40.06618937091002
           -54.66780262877968 -9.48861652309627""",
        """0 0.6358126895828704 0.4095798393397535 0.9769306725060716 0.4288403609558664 1 1 1""",
        """0.21193756319429014 -0.42387512638858027 -0.3384627126235924 1.8046452872882734 2.325825639765069
           0 0 0""",
        "Steinebach, BIT 63 (2023) 27",
        """25.948786856663858 -2.5579724845846235 10.433815404888879 -2.3679251022685204 0.524948541321073
           1.1241088310450404 0.4272876194431874 -0.17202221070155493;
           -9.91568850695171 -0.9689944594115154 3.0438037242978453 -24.495224566215796 20.176138334709044
           15.98066361424651 -6.789040303419874 -6.710236069923372;
           11.419903575922262 2.8879645146136994 72.92137995996029 80.12511834622643 -52.072871366152654
           -59.78993625266729 -0.15582684282751913 4.883087185713722""",
    ),
)
