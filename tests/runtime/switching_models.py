"""Models that switch in time, made of models whose conditions read held inputs in place of the time."""

import itertools
from dataclasses import replace

import torch

import odec
from odec.runtime.model import Model

DOSE = """
param k = 0.7
param a = 2
param T = 0.437
param x1 = 1.5
INPUT
input asked hold
init x = x1
x' = -k*x + (if asked > T then GIVEN else 0)
obs twice = 2*x
run t = 0 .. 1
"""
"""x1·exp(-k t), and from T on an infusion of a (or of the input u) besides."""

PULSE = """
param k = 0.7
param a = 2
param T1 = 0.3
param T2 = 0.6
input one hold
input two hold
init x = 1
x' = -k*x + (if one > T1 and two < T2 then a else 0)
run t = 0 .. 1
"""


_numbers = itertools.count()


def switching(text, method, engine, switches, asked, **settings):
    """The Model of a text whose last inputs are what its conditions ask for."""
    c = odec.load(text, method, engine).COMPILED
    own = c.equations

    def observables(t, x, p, *u):
        return own.observables(t, x, p, torch.cat((*u, x.new_zeros((*x.shape[:-1], asked))), -1))

    c = replace(
        c,
        inputs=c.inputs[:-asked],
        asked=asked,
        switches=switches,
        engines={},
        equations=replace(own, observables=observables, observables_vjp=None, observables_jvp=None),
        digest=f"{c.digest}-{switches.__name__}",
    )
    return type(f"Made{next(_numbers)}", (Model,), {"compiled": c, "__module__": __name__})(**settings)


def at_dose(p):
    return (((1.0, -p.unbind(-1)[2], 0.0),),)


def at_pulse(p):
    _, _, start, end = p.unbind(-1)
    return ((1.0, -start, 0.0),), ((1.0, -end, 0.0),)


def dose(method="tsit5", engine="torch", **settings):
    """The dose, by tolerance where nothing else is said."""
    text = DOSE.replace("INPUT\n", "").replace("GIVEN", "a")
    tolerance = {} if "dt" in settings else {"rtol": 1e-10, "atol": 1e-12}
    return switching(text, method, engine, at_dose, 1, **(tolerance | settings))


def dosed(t, k, a, time, x1):
    """The solution (T, 1) at times that increase, or decrease, from x1 at t[0]; at T it has switched."""
    where, at = t.detach(), time.detach()
    if t[-1] < t[0]:
        on = a / k + (x1 - a / k) * torch.exp(-k * (t - t[0]))
        at_switch = a / k + (x1 - a / k) * torch.exp(-k * (time - t[0]))
        turned = (where <= at).index_fill(0, torch.tensor(0), False)
        return torch.where(turned, at_switch * torch.exp(-k * (t - time)), on).unsqueeze(-1)
    turned = (where >= at).index_fill(0, torch.tensor(0), False)
    given = torch.where(turned, a / k * (1 - torch.exp(-k * (t - time))), 0.0)
    return (x1 * torch.exp(-k * (t - t[0])) + given).unsqueeze(-1)
