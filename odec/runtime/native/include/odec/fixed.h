// Solves with fixed steps: the states and observables at the output times, or at the last alone.
// Needs watch.h, interval_inputs.h and blocks.h.

// Step j of an interval from `start` with steps of h, from x to x_next (which may be x).
FN void advance(const Call *call, int64 first, IF_INPUTS(Pieces *pieces,) double start, double h, int64 j,
                Param *p, Lanes *x, Lanes *x_next)
{
#include "odec/step_inputs.h"
    step_block(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) (real)call->clip, x_next);
}

#if defined(SOLVE)
#if OBSERVED
FN void store_observed(const Call *call, int64 k, int64 first, Lanes *x, Param *p)
{
    if (!call->observed.at) return;
    BLOCK(y, N_OBSERVABLES);
#if INPUTS
    ALIGNED real u[N_INPUTS][LANES];
    inputs_of_output(call, first, call->when[k], u);
#endif
    observe_block(IF_OBSERVE_TIMED(call->when[k],) x, p, IF_INPUTS(u,) y);
    store(call, &call->observed, call->last_only ? 0 : k, first, N_OBSERVABLES, y);
}
#endif

FN void store_output(const Call *call, int64 k, int64 first, Lanes *x, Param *p)
{
#if INPUTS
    if (k == call->times) return;  // no output, a knot
#endif
    if (call->last_only && k + 1 < call->times) return;
    if (call->out.at) store(call, &call->out, call->last_only ? 0 : k, first, N_STATES, x);
#if OBSERVED
    store_observed(call, k, first, x, p);
#endif
}

FN void solve_block(const Call *call, int64 first, Pulse *pulse)
{
    BLOCK(x, N_STATES);
    load(call, &call->x0, 0, first, N_STATES, x);
    BLOCK_PARAMS(p);
    store_output(call, 0, first, x, p);
    for (int64 k = 0; k + 1 < STOPS; ++k) {
        const double start = call->start[k], h = call->h[k];
        const int64 count = call->count[k];
#if INPUTS
        Pieces in_interval, *pieces = &in_interval;
        take_pieces(call, k, first, pieces);
        fetch_pieces(call, k + 1, first);
#endif
        for (int64 j = 0; j < count;) {
            const int64 end = until(pulse, j, count);
            for (; j < end; ++j) advance(call, first, IF_INPUTS(pieces,) start, h, j, p, x, x);
            if (ends(call, pulse, start + (double)j*h, first)) return;
        }
        store_output(call, OUTPUT(k + 1), first, x, p);
    }
}
#endif
