"""How a model's names are written in C: one spelling each, which no header, macro or keyword meets."""

from __future__ import annotations

import functools
import re
import unicodedata

from odec.backends.native.headers import words
from odec.backends.native.printer import LIBM

_LANGUAGE = """
    alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool break
    case catch char char8_t char16_t char32_t class compl concept const const_cast consteval constexpr
    constinit continue contract_assert co_await co_return co_yield decltype default delete do double
    dynamic_cast else enum explicit export extern false final float for fortran friend goto if import inline
    int long module mutable namespace new noexcept not not_eq nullptr operator or or_eq override private
    protected public reflexpr register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch synchronized template this thread_local throw true try typedef
    typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq
"""
"""The words of C, C++ and CUDA; those that begin with an underscore no name can meet."""
_MACROS = """
    arm far hpux huge i386 linux m68k math_errhandling mips ms_abi near pascal pixel sgi sparc sun sysv_abi
    unix vax vector vms fpclassify iscanonical iseqsig isfinite isgreater isgreaterequal isinf isless
    islessequal islessgreater isnan isnormal issignaling issubnormal isunordered iszero signbit
"""
"""Macros in small letters, of math.h and of the compilers of some machine."""
_GENERATED = """
    x p u w y l dx dp du dt dk gx gp gu gt h R time lu jac djac jv ft dft rate drate
    rhs rhs_vjp rhs_jvp observe observe_vjp initial initial_vjp initial_jvp jacobian jacobian_product
    jacobian_vjp jacobian_jvp rate_of_change rate_of_change_vjp rate_of_change_jvp slope_over_factor
    lu_factor lu_solve lu_solve_transposed damp_factor damp_solve
    explicit_step_error explicit_step_vjp explicit_step_jvp explicit_interpolant
    solve adjoint tangent loss fit_adam fit_residuals
    pow atan2 min max abs int64_t threadIdx blockIdx blockDim gridDim warpSize
"""
"""What a kernel has beside the headers: arguments of a model's functions, functions that templates write and
call, kernels, and what CUDA gives them."""


@functools.cache
def _taken() -> frozenset[str]:
    """Where a name of a model would be in the way, or would be taken for something else."""
    return frozenset(f"{_LANGUAGE} {_MACROS} {_GENERATED}".split()) | LIBM | words()


_MATH = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh drem erf erfc exp exp10 exp2 expm1 fabs
    fdim finite floor fma fmax fmin fmod frexp gamma hypot ilogb isinf isnan j0 j1 jn ldexp lgamma llogb
    llrint llround log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter nextdown nexttoward
    nextup pow pow10 remainder remquo rint round roundeven scalb scalbln scalbn signgam significand sin sincos
    sinh sqrt tan tanh tgamma trunc y0 y1 yn
    cospi cyl_bessel_i0 cyl_bessel_i1 erfcinv erfcx erfinv fdivide norm norm3d norm4d normcdf normcdfinv rcbrt
    rhypot rnorm rnorm3d rnorm4d rsqrt sincospi sinpi tanpi
"""
_GLOBALS = """
    abort abs assert atomicAdd atomicAnd atomicCAS atomicDec atomicExch atomicInc atomicMax atomicMin atomicOr
    atomicSub atomicXor brev brkpt byte_perm clock clock64 cudaError_t cudaStream_t dim3 div_t double_t exit
    ffs float_t free imax imin labs ldiv_t llabs llmax llmin lldiv_t malloc max memcpy memmove memset min
    mul24 mul64hi mulhi nanosleep popc printf ptrdiff_t rand saturate size_t std surfaceReference
    textureReference ullmax ullmin umax umin umul24 umulhi usad
"""
_DECLARED = frozenset(name + kind for name in _MATH.split() for kind in ("", "f", "l", "f32", "f64"))
_DECLARED |= frozenset(_GLOBALS.split())
"""Functions, types and variables that headers and CUDA declare: a name within a function may hide them."""


def c_spelling(name: str, *, constant: bool = False) -> str:
    """A name's spelling in C; a constant stands outside functions, beside what headers declare.

    A name stays as it is where nothing else can have it. Words of C or the kernel get an underscore more;
    what may be a macro is written behind `my_`, what is not ASCII behind `uni_`, its letters in words. No two
    names share a spelling: one that ends or begins like those goes the same way itself.
    """
    if not name.isascii():
        return "uni_" + "".join(map(_letter, name))
    if re.fullmatch(r"_.*|(my|uni)_.*|power_\d+|(?![A-Z]\d*$)[A-Z\d_]+", name):
        return f"my_{name}"
    word = name.rstrip("_")
    taken = word in _taken() or (constant or word != name) and _is_declared(word)
    return f"{name}_" if taken else name


def _is_declared(word: str) -> bool:
    types = r"\w+_t|u?(char|short|int|long|longlong|float|double)\d+"
    return word in _DECLARED or re.fullmatch(types, word) is not None


def _letter(char: str) -> str:
    """A character with its end in sight: a Greek letter by its name, others outside ASCII by their number."""
    if char.isascii():
        return "__" if char == "_" else char
    words = unicodedata.name(char, "").split()
    if words[:1] == ["GREEK"] and words[2:3] == ["LETTER"] and len(words) == 4:
        return f"_{words[3].lower() if words[1] == 'SMALL' else words[3].capitalize()}_"
    return f"_u{ord(char):04x}_"
