"""Written by hand for a CPU: blocks of trajectories as lanes, each block through all its steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.harness import Absent, Case, Ready
from benchmarks.problems import Problem

LANES = 64
RING_LANES = 16


@cache
def _decorator() -> Any:
    from numba import njit

    # fused multiply-adds, and no other liberty with the arithmetic
    return njit(parallel=True, fastmath={"contract"}, error_model="numpy")


@cache
def _lorenz() -> Any:
    from numba import prange

    @_decorator()
    def run(x0, p, c, steps):
        sigma, beta, h, half, sixth = c
        n = len(p)
        out = np.empty_like(x0)
        for block in prange((n + LANES - 1) // LANES):
            first = block * LANES
            count = min(LANES, n - first)
            x, y = np.zeros(LANES, p.dtype), np.zeros(LANES, p.dtype)
            z, rho = np.zeros(LANES, p.dtype), np.zeros(LANES, p.dtype)
            for i in range(count):
                x[i], y[i], z[i], rho[i] = x0[0, first + i], x0[1, first + i], x0[2, first + i], p[first + i]
            for _ in range(steps):
                for i in range(len(x)):
                    a, b, d, r = x[i], y[i], z[i], rho[i]
                    k1a, k1b, k1d = sigma * (b - a), a * (r - d) - b, a * b - beta * d
                    u, v, w = a + half * k1a, b + half * k1b, d + half * k1d
                    k2a, k2b, k2d = sigma * (v - u), u * (r - w) - v, u * v - beta * w
                    u, v, w = a + half * k2a, b + half * k2b, d + half * k2d
                    k3a, k3b, k3d = sigma * (v - u), u * (r - w) - v, u * v - beta * w
                    u, v, w = a + h * k3a, b + h * k3b, d + h * k3d
                    k4a, k4b, k4d = sigma * (v - u), u * (r - w) - v, u * v - beta * w
                    k2a, k2b, k2d = k2a + k3a, k2b + k3b, k2d + k3d
                    x[i] = a + sixth * (k1a + k2a + k2a + k4a)
                    y[i] = b + sixth * (k1b + k2b + k2b + k4b)
                    z[i] = d + sixth * (k1d + k2d + k2d + k4d)
            for i in range(count):
                out[0, first + i], out[1, first + i], out[2, first + i] = x[i], y[i], z[i]
        return out

    return run, (10.0, 8 / 3)


@cache
def _hodgkin_huxley() -> Any:
    from numba import njit, prange

    @njit(inline="always", error_model="numpy")
    def slope(v, m, h, n, current, k):
        am = k[0] * (v + k[1]) / (k[2] - np.exp(-(v + k[1]) / k[3]))
        bm = k[4] * np.exp(-(v + k[5]) / k[6])
        ah = k[7] * np.exp(-(v + k[5]) / k[8])
        bh = k[2] / (k[2] + np.exp(-(v + k[9]) / k[3]))
        an = k[10] * (v + k[11]) / (k[2] - np.exp(-(v + k[11]) / k[3]))
        bn = k[12] * np.exp(-(v + k[5]) / k[13])
        n2 = n * n
        sodium = k[14] * (m * m * m) * h * (v - k[15])
        dv = current - sodium - k[16] * (n2 * n2) * (v + k[17]) - k[18] * (v + k[19])
        return dv, am * (k[2] - m) - bm * m, ah * (k[2] - h) - bh * h, an * (k[2] - n) - bn * n

    @_decorator()
    def run(x0, p, c, steps):
        size = len(p)
        step, half, sixth = c[-3], c[-2], c[-1]
        out = np.empty_like(x0)
        for block in prange((size + LANES - 1) // LANES):
            first = block * LANES
            count = min(LANES, size - first)
            x, current = np.zeros((4, LANES), p.dtype), np.zeros(LANES, p.dtype)
            for i in range(count):
                current[i] = p[first + i]
                for j in range(4):
                    x[j, i] = x0[j, first + i]
            for _ in range(steps):
                for i in range(count):
                    v, m, h, n, u = x[0, i], x[1, i], x[2, i], x[3, i], current[i]
                    v1, m1, h1, n1 = slope(v, m, h, n, u, c)
                    v2, m2, h2, n2 = slope(v + half * v1, m + half * m1, h + half * h1, n + half * n1, u, c)
                    v3, m3, h3, n3 = slope(v + half * v2, m + half * m2, h + half * h2, n + half * n2, u, c)
                    v4, m4, h4, n4 = slope(v + step * v3, m + step * m3, h + step * h3, n + step * n3, u, c)
                    v2, m2, h2, n2 = v2 + v3, m2 + m3, h2 + h3, n2 + n3
                    x[0, i] = v + sixth * (v1 + v2 + v2 + v4)
                    x[1, i] = m + sixth * (m1 + m2 + m2 + m4)
                    x[2, i] = h + sixth * (h1 + h2 + h2 + h4)
                    x[3, i] = n + sixth * (n1 + n2 + n2 + n4)
            for j in range(4):
                for i in range(count):
                    out[j, first + i] = x[j, i]
        return out

    k = (0.1, 40, 1, 10, 4, 65, 18, 0.07, 20, 35, 0.01, 55, 0.125, 80, 120, 50, 36, 77, 0.3, 54.387)
    return run, k


@cache
def _ring_oscillator() -> Any:
    from numba import njit, prange

    lanes = RING_LANES

    @njit(error_model="numpy", fastmath={"contract"})
    def stage(x, y, z, total, k, one, weight, reach):
        """total += weight · slope(y), z = x + reach · slope(y), y (n, lanes)."""
        n = len(x)
        for j in range(n):
            before = y[j - 1]
            for i in range(lanes):
                square = before[i] * before[i]
                fourth = square * square
                gain = k[i] / (one + fourth)
                slope = (gain * fourth if j == 0 else gain) - y[j, i]
                total[j, i] += weight * slope
                z[j, i] = x[j, i] + reach * slope

    @_decorator()
    def run(x0, p, c, steps):
        one, h, half, sixth = c
        third, nothing = sixth + sixth, one - one
        n, size = x0.shape
        out = np.empty_like(x0)
        for block in prange((size + lanes - 1) // lanes):
            first = block * lanes
            count = min(lanes, size - first)
            x, k = np.zeros((n, lanes), x0.dtype), np.zeros(lanes, x0.dtype)
            for i in range(count):
                k[i] = p[first + i]
                for j in range(n):
                    x[j, i] = x0[j, first + i]
            y, z, total = x.copy(), x.copy(), x.copy()
            for _ in range(steps):
                stage(x, x, y, total, k, one, sixth, half)
                stage(x, y, z, total, k, one, third, half)
                stage(x, z, y, total, k, one, third, h)
                stage(x, y, z, total, k, one, sixth, nothing)
                x[:] = total
            for j in range(n):
                for i in range(count):
                    out[j, first + i] = x[j, i]
        return out

    return run, (1.0,)


_KERNELS = {"lorenz": _lorenz, "hodgkin_huxley": _hodgkin_huxley, "ring_oscillator": _ring_oscillator}


def lanes(problem: Problem) -> Callable[[Case], Ready]:
    """The problem's hand-written kernel. Its constants travel as an array of the working type."""

    def prepare(case: Case) -> Ready:
        run, constants = _KERNELS[problem.name]()
        h = problem.h
        c = np.array([*constants, h, h / 2, h / 6], case.dtype)
        x0, p = case.data["x0"], case.data["p"]
        return Ready(lambda: run(x0, p, c, problem.steps))

    return prepare


def lsoda(problem: Problem) -> Callable[[Case], Ready]:
    """numbalsoda, which chooses its own steps: trajectories one by one, shared among threads."""

    def prepare(case: Case) -> Ready:
        import numba as nb
        from numbalsoda import lsoda, lsoda_sig

        if problem.name != "lorenz" or case.dtype != "float64":
            raise Absent("written for Lorenz in float64")

        @nb.cfunc(lsoda_sig)
        def slope(t, x, dx, p):
            dx[0] = 10.0 * (x[1] - x[0])
            dx[1] = x[0] * (p[0] - x[2]) - x[1]
            dx[2] = x[0] * x[1] - (8 / 3) * x[2]

        address, t = slope.address, np.array([0.0, problem.t1])

        @nb.njit(parallel=True)
        def run(x0, p):
            out = np.empty_like(x0)
            for i in nb.prange(len(p)):
                found, _ = lsoda(address, x0[:, i].copy(), t, p[i : i + 1].copy(), 1e-10, 1e-10)
                out[:, i] = found[-1]
            return out

        x0, p = case.data["x0"], case.data["p"]
        return Ready(lambda: run(x0, p), lambda x: (x, None))

    return prepare
