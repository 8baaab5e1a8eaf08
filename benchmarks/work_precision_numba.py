"""The right-hand sides of the four problems as numbalsoda takes them: C functions compiled by numba."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def right_hand_side(name: str) -> Any:
    """The compiled function of a problem (lotka_volterra, brusselator, rober or pollu)."""
    from numba import cfunc
    from numbalsoda import lsoda_sig

    return cfunc(lsoda_sig)(_FUNCTIONS[name])


def _lotka_volterra(t, y, dy, p):
    met = y[0] * y[1]
    dy[0] = 1.5 * y[0] - met
    dy[1] = met - 3.0 * y[1]


def _brusselator(t, y, dy, p):
    scale = 0.02 * 33**2
    for i in range(32):
        u, v = y[2 * i], y[2 * i + 1]
        u_left, v_left, u_right, v_right = 1.0, 3.0, 1.0, 3.0
        if i > 0:
            u_left, v_left = y[2 * i - 2], y[2 * i - 1]
        if i < 31:
            u_right, v_right = y[2 * i + 2], y[2 * i + 3]
        reaction = u * u * v
        dy[2 * i] = 1 + reaction - 4 * u + scale * (u_left - 2 * u + u_right)
        dy[2 * i + 1] = 3 * u - reaction + scale * (v_left - 2 * v + v_right)


def _rober(t, y, dy, p):
    first, second, third = 0.04 * y[0], 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]
    dy[0] = third - first
    dy[1] = first - third - second
    dy[2] = second


def _pollu(t, y, dy, p):
    r1, r2, r3, r4, r5 = 0.35 * y[0], 26.6 * y[1] * y[3], 12300 * y[4] * y[1], 8.6e-4 * y[6], 8.2e-4 * y[6]
    r6, r7, r8, r9 = 15000 * y[6] * y[5], 1.3e-4 * y[8], 24000 * y[8] * y[5], 16500 * y[10] * y[1]
    r10, r11, r12, r13 = 9000 * y[10] * y[0], 0.022 * y[12], 12000 * y[9] * y[1], 1.88 * y[13]
    r14, r15, r16, r17, r18 = 16300 * y[0] * y[5], 4.8e6 * y[2], 3.5e-4 * y[3], 0.0175 * y[3], 1e8 * y[15]
    r19, r20, r21, r22 = 4.44e11 * y[15], 1240 * y[16] * y[5], 2.1 * y[18], 5.78 * y[18]
    r23, r24, r25 = 0.0474 * y[0] * y[3], 1780 * y[18] * y[0], 3.12 * y[19]
    dy[0] = r2 + r3 + r9 + r11 + r12 + r22 + r25 - r1 - r10 - r14 - r23 - r24
    dy[1] = r1 + r21 - r2 - r3 - r9 - r12
    dy[2] = r1 + r17 + r19 + r22 - r15
    dy[3] = r15 - r2 - r16 - r17 - r23
    dy[4] = 2 * r4 + r6 + r7 + r13 + r20 - r3
    dy[5] = r3 + 2 * r18 - r6 - r8 - r14 - r20
    dy[6] = r13 - r4 - r5 - r6
    dy[7] = r4 + r5 + r6 + r7
    dy[8] = -r7 - r8
    dy[9] = r7 + r9 - r12
    dy[10] = r8 + r11 - r9 - r10
    dy[11] = r9
    dy[12] = r10 - r11
    dy[13] = r12 - r13
    dy[14] = r14
    dy[15] = r16 - r18 - r19
    dy[16] = -r20
    dy[17] = r20
    dy[18] = r23 + r25 - r21 - r22 - r24
    dy[19] = r24 - r25


_FUNCTIONS = {
    "lotka_volterra": _lotka_volterra,
    "brusselator": _brusselator,
    "rober": _rober,
    "pollu": _pollu,
}
