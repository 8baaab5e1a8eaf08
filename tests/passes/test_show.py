"""What `odec show` prints."""

import re

import pytest

from odec import lang
from odec.diagnostics import Source
from odec.passes import derive, show
from odec.passes.latex import expression_latex, name_latex
from odec.system import System

MODEL = """\
# A driven, damped pendulum.
time t : s
input torque linear : N*m
const g = 9.81 : m/s**2                 # gravity
param l = 1.5 in (0, inf) : m           # length
param damping = 0.1 in [0, 1]
init theta = theta0
init theta' = 0                         # at rest
param theta0 = 2
pull(a) = g/l*sin(a)
theta'' = -pull(theta) - friction + torque
friction = damping*theta'               # linear
obs height = l*(1 - cos(theta)) ~ normal(0.1)
"""


def read(text: str) -> System:
    system, diagnostics = lang.parse(Source("pendulum.ode", text))
    assert system is not None, diagnostics
    return system


@pytest.fixture(scope="module")
def pendulum() -> System:
    return read(MODEL)


def test_equations(pendulum):
    assert show.equations_text(pendulum).splitlines()[2:] == [
        "",
        "equations",
        "  theta'' = -pull(theta) - friction + torque",
        "",
        "intermediates",
        "  friction = damping*theta'  # linear",
        "",
        "functions",
        "  pull(a) = g/l*sin(a)",
        "",
        "initial values",
        "  theta  = theta0",
        "  theta' = 0       # at rest",
        "",
        "observables",
        "  height = l*(1 - cos(theta)) ~ normal(0.1)",
        "",
        "constants",
        "  g = 9.81 : m/s**2  # gravity",
        "",
        "inputs",
        "  torque linear : N*m",
    ]
    head = show.equations_text(pendulum).splitlines()[:2]
    assert head[0] == "pendulum: an ODE with 1 state, 3 parameters, 1 observable; time t in s"


def test_params(pendulum):
    assert (
        show.params_table(pendulum)
        == """\
parameter  default  interval     transform  unit  description
---------  -------  -----------  ---------  ----  -----------
l          1.5      (0, inf)     softplus   m     length
damping    0.1      [0, 1]       logit
theta0     2        (-inf, inf)  none
"""
    )
    assert show.params_table(read("init x = 1\ndx/dt = -x\n")) == "no parameters\n"


def test_jacobian(pendulum):
    assert (
        show.jacobian_text(derive(pendulum))
        == """\
Jacobian ∂f/∂x: 2 x 2, 3 of 4 entries not zero

           theta  theta'
  theta'     ·      █
  theta''    █      █

  ∂(theta')/∂theta'  = 1
  ∂(theta'')/∂theta  = -(cos(theta)*(g/l))
  ∂(theta'')/∂theta' = -damping
"""
    )


def test_graph(pendulum):
    assert (
        show.graph_text(pendulum)
        == """\
computed from
  friction     <-  theta'; damping
  theta''      <-  theta, friction; torque; l; g
  height       <-  theta; l
  dtheta/dt    <-  theta'
  init theta   <-  theta0
  init theta'  <-  constants alone

enters
  theta     ->  theta'', height
  theta'    ->  friction, dtheta/dt
  friction  ->  theta''
  torque    ->  theta''
  l         ->  theta'', height
  damping   ->  friction
  theta0    ->  init theta
"""
    )


def test_latex(pendulum):
    assert show.latex(pendulum).splitlines() == [
        r"\begin{align*}",
        r"  \frac{\mathrm{d}^{2} \theta}{\mathrm{d} t^{2}} &="
        r" -\mathrm{pull}\left(\theta\right) - \mathrm{friction} + \mathrm{torque} \\",
        r"  \mathrm{friction} &= \mathrm{damping} \, \theta' \\",
        r"  \mathrm{pull}\left(a\right) &= \frac{g}{l} \, \sin\left(a\right) \\",
        r"  \theta\left(t_{0}\right) &= \theta_{0} \\",
        r"  \theta'\left(t_{0}\right) &= 0 \\",
        r"  \mathrm{height} &= l \, \left(1 - \cos\left(\theta\right)\right)",
        r"\end{align*}",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a/b/c", r"\frac{\frac{a}{b}}{c}"),
        ("(a + b)**2", r"\left(a + b\right)^{2}"),
        ("(-a)**2", r"\left(-a\right)^{2}"),
        ("-a**2", r"-a^{2}"),
        ("(a/b)**n", r"\left(\frac{a}{b}\right)^{n}"),
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("a*2*3", r"a \cdot 2 \cdot 3"),
        ("1e-3*a", r"10^{-3} \, a"),
        ("2.5e4**a", r"\left(2.5 \cdot 10^{4}\right)^{a}"),
        ("pi*sqrt(a)", r"\pi \, \sqrt{a}"),
        ("abs(a) + floor(b)", r"\left|a\right| + \left\lfloor b \right\rfloor"),
        ("hill(a, b, n)", r"\frac{a^{n}}{b^{n} + a^{n}}"),
        ("mod(a, 2)", r"\left(a \bmod 2\right)"),
        (
            "if a < 1 then 2 else if not (a >= 3) then b else c",
            r"\begin{cases} 2 & \text{if } a < 1 \\ b & \text{if } \lnot \left(a \ge 3\right) \\"
            r" c & \text{otherwise} \end{cases}",
        ),
    ],
)
def test_latex_expressions(text, wanted):
    assert expression_latex(lang.parse_expression(text)) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("x", "x"),
        ("x1", "x_{1}"),
        ("alpha", r"\alpha"),
        ("beta_2", r"\beta_{2}"),
        ("k_cat", r"k_{\mathrm{cat}}"),
        ("iN1", r"\mathrm{iN}_{1}"),
        ("dtheta_dt", r"\theta'"),
        ("d2theta_dt2", r"\theta''"),
        ("_", r"\_"),
    ],
)
def test_latex_names(name, wanted):
    assert name_latex(name) == wanted


def ring(count: int) -> System:
    """Every state feeds the next."""
    lines = [f"init x{k} = 1" for k in range(count)]
    lines += [f"dx{k}/dt = x{(k + 1) % count} - x{k}**2" for k in range(count)]
    return read("\n".join(lines) + "\n")


def test_pictures_stay_readable_when_wide():
    medium = show.jacobian_text(derive(ring(20))).splitlines()
    assert medium[2].endswith("columns: x0 … x19")
    assert medium[3] == "  dx0/dt   ██" + "·" * 18
    large = show.jacobian_text(derive(ring(300)))
    lines = large.splitlines()
    assert "each cell stands for 5 x 5 entries" in lines[2]
    picture = lines[3 : lines.index("", 3)]
    assert len(picture) == 60 and {len(line) for line in picture} == {62}
    assert re.fullmatch(r"  [░▒▓]░·{58}", picture[0])
    assert large.rstrip().endswith("… and 100 more")


def test_shared_parts_of_an_entry_are_named_once():
    text = show.jacobian_text(
        derive(read("init x = 1\nparam k = 1\ndx/dt = exp(sin(k*x)*cos(k*x)*tanh(k*x + 1)*sin(x*x + 3))\n"))
    )
    assert re.search(r"\nwith\n(  \w+ = .*\n)*  c\d+ = ", text)


def test_maps_are_spelled_as_maps():
    text = show.jacobian_text(derive(read("init N = 1\nparam r = 2\nN[t+1] = r*N\n")))
    assert "∂(N[t+1])/∂N = r" in text
    assert r"N(t + 1) &= r \, N" in show.latex(read("init N = 1\nparam r = 2\nN[t+1] = r*N\n"))
