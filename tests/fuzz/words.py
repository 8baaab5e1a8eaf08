"""What random texts are made of."""

WORDS = """
param const init input obs time run net when at every par number aux if then else and or not in via step
method hold linear cubic log log10 none softplus logit for pi inf t x y k f d dx dt dx/dt d2x/dt2 dx2/dt2
x' x'' x[t+1] x[t] x[t-1] f(a,b) x(t-1) x(0) x(t+1) Piecewise((1,x>0),(2,True)) heav( hill( clip( mod( (
) [ ] = == != <= >= < > + - * / ** ^ , : ~ .. & | && || @ -> ' # \\ ; % { } ! ? $ ` \" \"\"\" ''' 1 0 00
2.5 1e999 1e-999 .5 5. 1..2 1e 0x10 9**9**9 1e308 4.9e-324 normal(1) poisson rk4 euler tsit5 \xb5 \u03bc
\u03b1 \xb2 \u221e \u2212 \xd7 \xb7 \uff49\uff46 \uff50\uff49 \u212a \ufb01 \u0e01\u0e33 lambda class
None True self torch math nn p w u import exec __class__ _ __ ___ linux errno I R N h
""".split()
UNARY = """
exp expm1 log log1p log10 log2 sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid
softplus relu abs sign floor ceil erf gamma cot lgamma heaviside heav
""".split()
NAMES = """
x y z x1 beta gamma lambda class torch math N S I E zeta p w u t_ dt dx dp k1 h R real int double self
None True rhs step solve Model os abs min pow print float type forward train dt clip engine alpha \u03b1
\u03b2 \u03bc \u0416 \u4e2d _a __b a__ _ linux unix errno INFINITY NAN EOF stdin main LANES KERNEL FN
EACH _l _w c0 c1 g_x w_x j_x_y inf_ x_next dx_dt super len zip range list sum cos exp series out size
first time_l l value call bool auto register y0 j1
""".split()
SPACES = [
    " ",
    " ",
    " ",
    "",
    "\x0a",
    "\x0a",
    "\x09",
    "\x0d",
    "\x0d\x0a",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\u200b",
    "\u202e",
    "\\\x0a",
    "\xa0",
]
REMARKS = [
    "",
    "",
    "",
    "  # a remark",
    '  # says "this"',
    '  # """ quotes',
    "  # ends in a backslash \\",
    "  # %s {x} {{ x }} {% raw %}",
    "  # */ /* ??/ \\u1234 \\N{x}",
    "  # \u202e right to left \u2067",
    "  # caf\xe9 \u2028 line",
    "  # tab\x09here",
    "  # '''",
    "  # " + "-" * 70 + " int f(void) { return 1; } //",
    "  # a remark that goes on, and on, until its line is longer than those of a source file ought to be",
]
HOSTILE = [
    "model",
    "a\x0a    import os\x0a",
    "a\x0d    exit()\x0d",
    '"""',
    "x\\",
    "*/ ??/",
    "a\u2028b",
    "caf\xe9",
    "\ud800",
    "a name that goes on until no line of a source file has room for it */ int x = 1; //" * 2,
]
"""Names of files."""
