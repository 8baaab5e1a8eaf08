"""Programs as C functions of one lane: what is loaded, assigned and stored."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from odec.backends.layout import INDENT, WIDTH, Chain, Doc, Leaf, flat, lines
from odec.backends.native.printer import LIBM, CPrinter, is_condition
from odec.passes.program import Program, Programs
from odec.tree import Expr, Number, symbols

_C_WORDS = """
    alignas alignof asm auto bool break case catch char class const constexpr const_cast continue
    default delete do double dynamic_cast else enum explicit export extern false float for friend goto
    if inline int int64 long mutable namespace new noexcept not nullptr operator or and xor private
    protected public real register restrict return short signed sizeof static struct switch template
    this throw true try typedef typeid typename typeof union unsigned using virtual void volatile
    wchar_t while int64_t linux unix i386 NULL EOF
"""
_OUR_WORDS = """
    TABLE INPUT_ROWS jac djac ft dft rate drate lu jacobian jacobian_vjp jacobian_jvp rate_of_change
    rate_of_change_vjp rate_of_change_jvp linearise lu_factor lu_solve lu_solve_transposed reciprocal larger
    time time_l time_w h_l _tl _tw x p u w l dt dx dp du dk gt gx gp gu h y R _w _l
    FN CONSTANT EACH EVERY_LANE EACH_LANE UNROLL
    LANES ROOM N_STATES N_PARAMS N_INPUTS N_OBSERVABLES STAGES ALIGNED KERNEL CLIP TIMES INFINITY_ NAN_
    square cube select lesser greater modulo gamma_function digamma trigamma heaviside sigmoid softplus relu
    sign pow atan2 sqrt fabs floor ceil tgamma min max abs threadIdx blockIdx blockDim gridDim warpSize Call
    Series BLOCK BLOCK_OF BY_LANE FIT GPU LOSS MODEL_FN PARALLEL_LANES RESTRICT TANGENT SOLVE ADJOINT
    TAPE_LANE TAPE_ROW WORKER VECTOR_LIBM LAST_STATE INNER_LANES REAL_BITS add_output add_row
    adjoint_block advance damped_step find from_tape initial initial_jvp initial_vjp input_tangents
    input_values item_of keep load loss_at natural normal_equations normal_equations_at observe
    observe_block observe_vjp observe_vjp_block pull_inputs pull_rates rhs rhs_jvp rhs_vjp room_on_tape
    rounded_product seed slope slope_vjp slope_jvp solve_block stage_times step step_after step_before
    step_block step_jvp step_jvp_block step_vjp step_vjp_block store store_observed store_output
    tangent_block to_tape total Place View Coordinate Problem Adam GaussNewton Lanes NONE ABOVE BELOW
    BETWEEN EXPONENTIAL POWER_OF_TEN solve adjoint tangent loss fit_adam fit_gauss_newton middle
    AT Back COEFFICIENT Control ENOUGH EPSILON EVALUATIONS Kept LANDED LANE_H LANE_TIME LANE_TIMES
    MOST_KEPT NOTHING NOT_FINITE NOT_SOLVED Run STAGE_TIMES STARTED STEP_SIZE STEP_SIZES STEP_TOO_SMALL
    TAKEN TERMS TIMES_H TIME_OF_LANES TINY TOO_MANY_STEPS TRIAL_ROWS Tape Trial Whole Work adjoint_group
    begin come_to enter enter_backwards input_rates inputs_at integrate is_finite judge leave_interval
    make_room mean_square move next_trajectory observe_at_stops of_item pass_stops propose push_tangents
    put put_gradients put_output put_report rates_at record settle since slope_block span_of step_back
    step_error step_error_block take take_pieces time_of trajectory_before worst_state ADAPTIVE
    ALL_STAGES DEGREE DENSE Inside WHEN_DENSE gather_inside inside_step interpolant interpolant_block
    next_inside observe_inside output_before outputs_done pull_times put_inside put_state put_tangents_inside
    reach seed_output
    TAPED WEIGHED _one cotangents end_early evaluate free_tape inputs_of_output place_parameters
    pull_output_inputs put_values simulate tape_of weigh weigh_observables weigh_output
    COUPLED FIRST EACH_STAGE N_COUPLED N_DAMP N_JACOBIAN N_LU SHIFT DAMP_SHIFT TINY_PIVOT JACOBIAN_ROW
    JACOBIAN_COLUMN MOST_ITERATIONS NEAR_EPSILON ROOT_EPSILON RK_A RK_B RK_C RK_E RK_INVERSE RK_PULLED
    RK_WITHIN RK_WITHIN_PULLED add_outer add_product jacobian_product jv combine correction damp_factor
    damp_solve factorise solve_stage solve_stages stage_states auto_step_error auto_step_jvp auto_step_vjp
    choose methods_of take_stiff
    explicit_step_error explicit_step_error_block explicit_step_jvp explicit_step_jvp_block explicit_step_vjp
    explicit_step_vjp_block explicit_interpolant explicit_interpolant_block auto_interpolant
    FACTOR FACTORED SCALED slope_over_factor find_within
"""
_RESERVED = frozenset(_C_WORDS.split()) | frozenset(_OUR_WORDS.split()) | LIBM
_MATH_H = """
    acos acosh asin asinh atan atanh cbrt copysign cos cosh drem erf erfc exp exp10 exp2 expm1 fdim finite
    fma fmax fmin fmod frexp gamma hypot ilogb isinf isnan j0 j1 jn ldexp lgamma llrint llround log log10
    log1p log2 logb lrint lround modf nan nearbyint nextafter pow10 remainder remquo rint round scalb
    scalbln scalbn signgam significand sin sincos sinh tan tanh trunc y0 y1 yn
"""
_FUNCTIONS = frozenset(name + kind for name in _MATH_H.split() for kind in ("", "f", "l"))
"""What math.h declares: names of variables may hide these, those of constants, which are global, may not."""

_ARGUMENT = {"t": "(real)time_l"}
_RESULT = {"dx": "dx", "y": "y", "t": "gt", "x": "gx", "p": "gp", "u": "gu"}


@dataclass(frozen=True)
class Function:
    """The text of a C function's body."""

    body: str
    uses_time: bool


def c_spellings(programs: Programs, more: Iterable[Program] = ()) -> dict[str, str]:
    """Names written otherwise in C: its words, ours, letters outside ASCII; in `more` programs too."""
    system = programs.system
    names = [*programs.states, *programs.params, *programs.consts, *programs.inputs, system.time]
    for program in (*_all(programs), *more):
        names += [assign.name for assign in program.body]
        names += [name for group in program.inputs.values() for name in group]
    names = list(dict.fromkeys(names))
    taken, renamed = set(names), {}
    for name in names:
        spelling = "".join(char if char.isascii() else _letter(char) for char in name)
        functions = _FUNCTIONS if name in programs.consts else ()
        while _clashes(spelling) or spelling in functions or (spelling != name and spelling in taken):
            spelling += "_"
        if spelling != name:
            taken.add(spelling)
            renamed[name] = spelling
    return renamed


def _clashes(name: str) -> bool:
    return (
        name in _RESERVED
        or name.startswith("__")
        or re.fullmatch(r"power_\d+|_[A-Z].*|(LU|DAMP)_[A-Z_]+", name) is not None
    )


def _letter(char: str) -> str:
    """A Greek letter by its name, any other character by its number."""
    words = unicodedata.name(char, "").split()
    if words[:1] == ["GREEK"] and len(words) == 4:
        return words[3].lower() if words[1] == "SMALL" else words[3].capitalize()
    return f"u{ord(char):04x}"


def _all(programs: Programs) -> Iterable[Program]:
    found = [programs.rhs, programs.rhs_vjp, programs.rhs_jvp]
    found += [programs.initial, programs.initial_vjp, programs.initial_jvp]
    return [*found, *(p for p in (programs.observe, programs.observe_vjp) if p)]


class FunctionWriter:
    """Writes Programs as bodies of C functions; collects the helpers that they use."""

    def __init__(self, programs: Programs, more: Iterable[Program] = ()):
        self.programs = programs
        self.source = programs.system.source
        self.names = c_spellings(programs, more)
        self.printer = CPrinter(self.names)

    def spell(self, name: str) -> str:
        return self.names.get(name, name)

    def function(self, program: Program, results: Mapping[str, str] = _RESULT) -> Function:
        """The body of a program over one lane's arrays (x[0]_l, p[0]_l, …); results: the outputs' arrays."""
        used = {s.name for expr in _expressions(program) for s in symbols(expr)}
        text = self._loads(program, used)
        for assign in program.body:
            kind = "bool" if is_condition(assign.expr) else "real"
            lead = f"const {kind} {self.spell(assign.name)} = "
            text += statement(lead, self.printer.doc(assign.expr), self.place(assign.span))
        for group, exprs in program.outputs.items():
            text += self._stores(results[group], exprs)
        return Function("\n".join(text), bool(used.intersection(program.inputs.get("t", ()))))

    def place(self, span: object) -> str:
        """model.ode:13 for a user's own formula, else nothing."""
        if span is None:
            return ""
        line = self.source.position(span.start)[0]  # type: ignore[attr-defined]
        return f"{PurePath(self.source.name).name}:{line}"

    def _loads(self, program: Program, used: set[str]) -> list[str]:
        text: list[str] = []
        for group, names in program.inputs.items():
            for k, name in enumerate(names):
                if name in used:
                    value = _ARGUMENT.get(group, f"{group}[{k}]_l")
                    text.append(f"{INDENT * 2}const real {self.spell(name)} = {value};")
        return text

    def _stores(self, target: str, exprs: Sequence[Expr]) -> list[str]:
        """Parameter and time cotangents are added up, as every stage gives a share; the others are set."""
        text: list[str] = []
        adds = target in ("gp", "gt")
        for k, expr in enumerate(exprs):
            zero = isinstance(expr, Number) and expr.value == 0
            if not (adds and zero):
                sign = "+=" if adds else "="
                text += statement(f"{target}[{k}]_l {sign} ", self.printer.doc(expr))
        return text


def _expressions(program: Program) -> Iterable[Expr]:
    yield from (assign.expr for assign in program.body)
    for group in program.outputs.values():
        yield from group


def statement(lead: str, doc: Doc, comment: str = "", indent: str = INDENT * 2) -> list[str]:
    """`lead doc;` as lines, the comment beside it where it fits, else above."""
    whole = f"{indent}{lead}{flat(doc)};"
    remark = f"  // {comment}" if comment else ""
    if len(whole) + len(remark) <= WIDTH:
        return [whole + remark]
    above = [f"{indent}// {comment}"] if comment else []
    if len(whole) <= WIDTH or isinstance(doc, Leaf):
        return [*above, whole]
    if isinstance(doc, Chain):
        return [*above, f"{indent}{lead.rstrip()}", *_c_lines(lines(doc, indent + INDENT, "", ";"))]
    return above + _c_lines(lines(doc, indent, lead, ";"))


def _c_lines(broken: list[str]) -> list[str]:
    """Lines without the comma that Python allows after a call's last argument."""
    pairs = zip(broken, [*broken[1:], ""], strict=True)
    return [a[:-1] if a.endswith(",") and b.lstrip().startswith(")") else a for a, b in pairs]
