"""Runs of Adams methods: all that the run-time says of one, and all that a generated module says."""

from __future__ import annotations

import torch
from old_steps import flat

from odec.runtime.engines import How
from odec.runtime.series import Series


class OldRuns:
    """A generated module's own runs, by the arguments of FixedAdams."""

    def __init__(self, module):
        self.module = module

    def everything(self, t, case, w_xs, d_t, steps, keep):
        pace, module = steps.tolerance, self.module
        given = _given(t, case.x, case.p, case.pieces or None)
        moving = _given(d_t, case.dx, case.dp, case.d_pieces or None)
        if pace is None:
            how = (steps.dt, steps.clip)
            xs, *kept = module.solve(*given, *how, keep)
            back, (jvp, plain), after = module.solve_vjp, (module.solve_jvp, module.solve_plain), (*how, keep)
        else:
            control = (pace.first, pace.least, pace.longest, float(pace.most), 0.0, pace.rtol, *pace.atol)
            how, after = (control, steps.clip), (steps.clip,)
            xs, *kept = module.solve_adaptive(*given, *how)
            back = module.solve_vjp_adaptive
            jvp, plain = module.solve_jvp_adaptive, module.solve_plain_adaptive
        found = [xs, *kept]
        for wrt_times in (False, True):
            given_back = _given(t, xs, kept[0], case.p, case.pieces or None)
            found.append(back(*given_back, w_xs, *after, wrt_times))
        return _numbers([*found, jvp(*given, *moving, *how), plain(*given, *how)])


def _given(*values):
    return [value for value in values if value is not None]


def everything(loops, t, case, w_xs, d_t, steps, keep):
    """All that the loops say of a run, as a flat list of tensors."""
    names = [one.name for one in case.compiled.inputs]
    u, d_u = (Series(s, names) if s else None for s in (case.pieces, case.d_pieces))
    run = loops.states(t, case.x, case.p, u, steps, keep)
    found = [run.xs, run.kept]
    found += [run.report] if steps.tolerance else []
    for wrt_times in (False, True):
        how = How(keep=keep)
        gradients = loops.adjoint(t, run, case.p, u, w_xs, steps, how, wrt_times)
        found += [gradients.t, gradients.x0, gradients.p, *gradients.u]
    found.append(loops.tangent(t, case.x, case.p, u, d_t, case.dx, case.dp, d_u, steps))
    plain, report = loops.plain(t, case.x, case.p, u, steps)
    found += [plain, report] if steps.tolerance else [plain]
    assert report.shape == (*case.x.shape[:-1], 5 if steps.tolerance else 0)
    return _numbers(found)


def _numbers(found):
    """The tensors, -1 for the times of failures that there are none of."""
    return [torch.nan_to_num(one, nan=-1.0) if one.shape[-1:] == (5,) else one for one in flat(found)]
