// Tangents with fixed steps: the states and their change along one direction of (t, x0, p, inputs).
// Needs watch.h, inputs.h, blocks.h and STAGE_C: the stages' c_i, their times within a step.

#if defined(TANGENT)
#if INPUTS
// The inputs' tangents at the stages: of their coefficients, and of the time.
FN void input_tangents(const Call *call, int64 first, const double time[],
                       double middle IF_SIDED(, double reach), Lanes *dt, Lanes *dh,
                       real (*du)[N_INPUTS][LANES])
{
#if !MAP
    const real stage_c[STAGES] = STAGE_C;
#else
    const real stage_c[STAGES] = {R(0.0)};
#endif
    for (int k = 0; k < STAGES; ++k)
        for (int n = 0; n < N_INPUTS; ++n) {
            const Series *s = &call->series[n];
            const int64 items = s->item ? call->batch : 1;
            real since;
            bool inside;
            const int64 at = FIND(time[k])*s->terms*items;
            for (int l = 0; l < LANES; ++l) {
                const int64 item = item_of(call, first, l)*s->item;
                real value = R(0.0), rate = R(0.0);
                for (int64 j = s->terms - 1; j >= 0; --j) value = s->dc[at + j*items + item] + since*value;
                for (int64 j = s->terms - 1; j >= 1; --j)
                    rate = (real)j*s->c[at + j*items + item] + since*rate;
                du[k][n][l] = value + (inside IF_MAP(&& 0) ? rate*(dt[0][l] + stage_c[k]*dh[0][l]) : R(0.0));
            }
        }
#if RATES
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        const int64 items = s->item ? call->batch : 1;
        real since;
        bool inside;
        const int64 at = FIND(time[0])*s->terms*items;
        for (int l = 0; l < LANES; ++l) {
            const int64 item = item_of(call, first, l)*s->item;
            real value = R(0.0), bend = R(0.0);
            for (int64 j = s->terms - 1; j >= 1; --j)
                value = (real)j*s->dc[at + j*items + item] + since*value;
            for (int64 j = s->terms - 1; j >= 2; --j)
                bend = (real)(j*(j - 1))*s->c[at + j*items + item] + since*bend;
            du[STAGES][n][l] = inside ? value + bend*dt[0][l] : R(0.0);
        }
    }
#endif
}
#endif

FN void tangent_block(const Call *call, int64 first, Pulse *pulse)
{
    BLOCK(x, N_STATES);
    BLOCK(p, N_PARAMS);
    BLOCK(dx, N_STATES);
    BLOCK(dp, N_PARAMS);
    BLOCK(t0, 1);
    BLOCK(t1, 1);
    BLOCK(dt, 1);
    BLOCK(dh, 1);
    load(call, &call->x0, 0, first, N_STATES, x);
    load(call, &call->p, 0, first, N_PARAMS, p);
    load(call, &call->d_x0, 0, first, N_STATES, dx);
    load(call, &call->d_p, 0, first, N_PARAMS, dp);
    if (call->observed.at) store(call, &call->observed, 0, first, N_STATES, x);
    store(call, &call->out, 0, first, N_STATES, dx);
    for (int64 k = 0; k + 1 < call->times; ++k) {
        const double start = call->start[k], h = call->h[k];
        const int64 count = call->count[k];
        load(call, &call->d_t, k, first, 1, t0);
        load(call, &call->d_t, k + 1, first, 1, t1);
        for (int l = 0; l < LANES; ++l) dh[0][l] = (t1[0][l] - t0[0][l])/(real)(count > 0 ? count : 1);
        for (int64 j = 0; j < count;) {
            for (const int64 end = until(pulse, j, count); j < end; ++j) {
                for (int l = 0; l < LANES; ++l) dt[0][l] = t0[0][l] + (real)j*dh[0][l];
#include "odec/step_inputs.h"
#if INPUTS
                ALIGNED real du[INPUT_ROWS][N_INPUTS][LANES];
                input_tangents(call, first, time, middle IF_SIDED(, reach), dt, dh, du);
#endif
                step_jvp_block(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) (real)call->clip,
                               dx, dt, dh, dp, IF_INPUTS(du,) x, dx);
            }
            if (ends(call, pulse, start + (double)j*h, first)) return;
        }
        if (call->observed.at) store(call, &call->observed, k + 1, first, N_STATES, x);
        store(call, &call->out, k + 1, first, N_STATES, dx);
    }
}
#endif
