"""Derivatives of log Γ, which Python's math lacks."""

from __future__ import annotations

import math


def digamma(x: float) -> float:
    """ψ(x) by recurrence and its asymptotic series. Abramowitz & Stegun 6.3.5, 6.3.7, 6.3.18."""
    if x <= 0:
        return math.nan if x == math.floor(x) else digamma(1 - x) - math.pi / math.tan(math.pi * x)
    shift = 0.0
    while x < 12:
        shift -= 1 / x
        x += 1
    y = 1 / (x * x)
    tail = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (5 / 660 - y * 691 / 32760)))))
    return shift + math.log(x) - 0.5 / x - tail


def trigamma(x: float) -> float:
    """ψ'(x) by recurrence and its asymptotic series. Abramowitz & Stegun 6.4.6, 6.4.7, 6.4.12."""
    if x <= 0:
        return math.inf if x == math.floor(x) else (math.pi / math.sin(math.pi * x)) ** 2 - trigamma(1 - x)
    shift = 0.0
    while x < 12:
        shift += 1 / (x * x)
        x += 1
    y = 1 / (x * x)
    tail = y * (1 / 6 - y * (1 / 30 - y * (1 / 42 - y * (1 / 30 - y * (5 / 66 - y * 691 / 2730)))))
    return shift + (1 + 0.5 / x + tail) / x
