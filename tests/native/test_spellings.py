"""No name of a model meets a macro, a keyword or a word of the kernel: each has one spelling of its own."""

import builtins
import keyword
import re
import subprocess

import torch
from native_calls import kernels_of
from native_models import LORENZ, TIMED, gap, load

import odec
from odec.backends.native.names import c_spelling
from odec.backends.torch.functions import attributes
from odec.runtime.native import toolchain

KEYWORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype
default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch
template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
virtual void volatile wchar_t while xor xor_eq final override import module
""".split()
ODD = """
_Km __p DAMP_RATIO LU_X M_E M_PI NAN INFINITY HUGE_VAL FP_ZERO SIZE_MAX _ __ ___ my_x my_my_x uni_x
uni__alpha_ α k_α k__α α_ α__ ß Ж ж ᾳ power_2 power_ R R_ N S I X1 X_1 x x_ x__ exp
exp_ linux unix R2 LANES real real_ h_l
""".split()
DECLARED = """
gamma y0 j1 jnf scalb exp10 finite signgam int8_t float4 clock clock64 abs malloc size_t sincospi
""".split()


def macros(module):
    """All that the C compiler and the kernel define, the kernel's own macros among them."""
    kernels = kernels_of(module).kernels
    defines = kernels.defines("adjoint", torch.float64, True, True, 4, 1, 1)
    words = [
        *toolchain.compiler()[0],
        "-std=gnu11",
        "-fopenmp",
        f"-I{toolchain.INCLUDE}",
        *toolchain.macros_of("adjoint", defines),
    ]
    done = subprocess.run(
        [*words, "-dM", "-E", "-x", "c", "-"],
        input=module.KERNEL.source,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^#define (\w+)", done.stdout, re.MULTILINE))


def test_no_spelling_is_a_macro_a_keyword_or_that_of_another_name():
    found = macros(load(TIMED)) | macros(load(LORENZ, "dopri5"))
    assert {"M_E", "SIZE_MAX", "linux", "UNROLL", "h_l", "__GNUC__", "isnan"} <= found
    python = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)}
    words = found | {*KEYWORDS, *ODD, *DECLARED} | python
    words |= {f"{word}{more}" for word in words for more in ("_", "__")}
    words |= {f"{lead}_{word}" for word in words for lead in ("my", "uni")}
    for constants in (frozenset(), words, DECLARED):
        spelt = {word: c_spelling(word, constant=word in constants) for word in words}
        assert len(set(spelt.values())) == len(spelt)
        assert not set(spelt.values()) & (found | {*KEYWORDS})
        assert all(re.fullmatch(r"[A-Za-z]\w*", text, re.ASCII) for text in spelt.values())
    plain = "x1 r1 iN1 alpha Km V_max k_cat N S I X1 kon theta lambda Ca2 vmax_".split()
    assert [c_spelling(name) for name in plain] == plain
    assert c_spelling("gamma") == "gamma" != c_spelling("gamma", constant=True)


def every_part(names, shift):
    """A model with a third of the names as states, as parameters, as intermediates; constants beside."""
    states, params, between = (names[(k + shift) % 3 :: 3] for k in range(3))
    lines = [f"param {name} = 0.{k}1" for k, name in enumerate(params)]
    lines += [f"const {name} = 0.{k}1" for k, name in enumerate(DECLARED)]
    lines += [f"{name} = {k + 1}*{states[k % len(states)]}" for k, name in enumerate(between)]
    total = " + ".join(f"{name}*{k}" for k, name in enumerate([*params, *between, *DECLARED], 1))
    lines += [f"init {name} = 0.1{k}\n{name}' = -{k + 1}*{name}" for k, name in enumerate(states)]
    return "\n".join([*lines, f"init first = 1\nfirst' = {total}", "run t = 0 .. 0.1 dt 0.05"]) + "\n"


def test_names_as_states_parameters_intermediates_and_constants(monkeypatch):
    """Every name in each part: the text is written; for one division of the parts it is built and run."""
    monkeypatch.setenv("ODEC_CFLAGS", "-O0")
    names = [
        name for name in dict.fromkeys([*ODD, *KEYWORDS]) if name not in ("if", "else", "and", "or", "not")
    ]
    for shift in (1, 2):
        compile(odec.compile(every_part(names, shift), method="euler", engine="native"), "model.py", "exec")
    module = load(every_part(names, 0), "euler")
    t = torch.linspace(0, 0.1, 3, dtype=torch.float64)
    native, plain = (module.Model(engine=engine) for engine in ("native", "torch"))
    assert gap(native(t).detach(), plain(t).detach()) < 1e-13
    found, expected = (torch.autograd.grad(n(t).sum(), [*n.parameters()]) for n in (native, plain))
    assert all(gap(a, b) < 1e-12 for a, b in zip(found, expected, strict=True))


def test_attributes_of_parameters_never_meet():
    names = "dt dt_ dt__ train lambda lambda_ __x __x___ _ __ requires_grad requires_grad_ k to to_".split()
    found = attributes(names)
    assert len(set(found.values())) == len(found)
    module = load("".join(f"param {n} = 0.{k}1\n" for k, n in enumerate(names)) + "init x = 1\nx' = -x*k\n")
    net = module.Model(dt=0.1)
    for k, name in enumerate(names):
        assert getattr(net, found[name]).item() == float(f"0.{k}1")
