// Tangents with fixed steps: the states and their change along one direction of (t, x0, p, inputs).
// Needs watch.h, interval_inputs.h and blocks.h.

#if defined(TANGENT)
FN void tangent_block(const Call *call, int64 first, Pulse *pulse)
{
    BLOCK(x, N_STATES);
    BLOCK(dx, N_STATES);
    BLOCK(dp, N_PARAMS);
    BLOCK(t0, 1);
    BLOCK(t1, 1);
    BLOCK(dt, 1);
    BLOCK(dh, 1);
    load(call, &call->x0, 0, first, N_STATES, x);
    BLOCK_PARAMS(p);
    load(call, &call->d_x0, 0, first, N_STATES, dx);
    load(call, &call->d_p, 0, first, N_PARAMS, dp);
    if (call->observed.at) store(call, &call->observed, 0, first, N_STATES, x);
    store(call, &call->out, 0, first, N_STATES, dx);
    for (int64 k = 0; k + 1 < STOPS; ++k) {
        const double start = call->start[k], h = call->h[k];
        const int64 count = call->count[k];
        load(call, &call->d_t, OUTPUT(k), first, 1, t0);
        load(call, &call->d_t, OUTPUT(k + 1), first, 1, t1);
#if INPUTS
        Pieces in_interval, *pieces = &in_interval;
        take_pieces(call, k, first, pieces);
#endif
        for (int l = 0; l < LANES; ++l) dh[0][l] = (t1[0][l] - t0[0][l])/(real)(count > 0 ? count : 1);
        for (int64 j = 0; j < count;) {
            for (const int64 end = until(pulse, j, count); j < end; ++j) {
                for (int l = 0; l < LANES; ++l) dt[0][l] = t0[0][l] + (real)j*dh[0][l];
#include "odec/step_inputs.h"
#if INPUTS
                ALIGNED real du[INPUT_ROWS][N_INPUTS][LANES];
                input_tangents(pieces, since, dt, dh, du);
#endif
                step_jvp_block(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) (real)call->clip,
                               dx, dt, dh, dp, IF_INPUTS(du,) x, dx);
            }
            if (ends(call, pulse, start + (double)j*h, first)) return;
        }
#if INPUTS
        if (OUTPUT(k + 1) == call->times) continue;  // no output, a knot
#endif
        if (call->observed.at) store(call, &call->observed, OUTPUT(k + 1), first, N_STATES, x);
        store(call, &call->out, OUTPUT(k + 1), first, N_STATES, dx);
    }
}
#endif
