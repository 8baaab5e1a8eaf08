// Gradients with fixed steps: the exact gradient of the numbers that solve computes.
// Needs fixed.h.
//
// The forward pass is taken again: its states go to a tape in this block's own memory, from which the steps
// are then taken backwards. A long run is cut into segments, of which the tape holds one at a time.

#if defined(ADJOINT) || defined(LOSS)
#if GPU
// The tapes of all threads lie interleaved; a state is copied into a thread's registers and back.
#define TAPE_ROW ((int64)gridDim.x*blockDim.x)
#define TAPE_LANE ((int64)blockIdx.x*blockDim.x + threadIdx.x)
FN Lanes *from_tape(real *tape, int64 place, Lanes *x)
{
    UNROLL for (int i = 0; i < N_STATES; ++i) x[i][0] = tape[(place*N_STATES + i)*TAPE_ROW + TAPE_LANE];
    return x;
}
FN Lanes *room_on_tape(real *tape, int64 place, Lanes *x) { return x; }
FN void to_tape(real *tape, int64 place, Lanes *x)
{
    UNROLL for (int i = 0; i < N_STATES; ++i) tape[(place*N_STATES + i)*TAPE_ROW + TAPE_LANE] = x[i][0];
}
#else
// States are used where they lie on the tape; x is room for a copy that this machine does not need.
#define TAPE_ROW ((int64)LANES)
FN Lanes *from_tape(real *tape, int64 place, Lanes *x) { return (Lanes *)tape + place*N_STATES; }
FN Lanes *room_on_tape(real *tape, int64 place, Lanes *x) { return (Lanes *)tape + place*N_STATES; }
FN void to_tape(real *tape, int64 place, Lanes *x) {}
#endif

// A copy of x on the tape.
FN void keep(real *tape, int64 place, Lanes *x)
{
    Lanes *to = room_on_tape(tape, place, x);
    if (to != x)
        for (int i = 0; i < N_STATES; ++i)
            for (int l = 0; l < LANES; ++l) to[i][l] = x[i][l];
    to_tape(tape, place, x);
}

// Where a step stands: in which interval, and as its how manieth.
typedef struct {
    int64 interval, within;
} Place;

FN Place step_after(const Call *call, Place s)
{
    if (++s.within < call->count[s.interval]) return s;
    s.within = 0;
    do ++s.interval; while (s.interval + 1 < STOPS && call->count[s.interval] == 0);
    return s;
}

FN Place step_before(const Call *call, Place s)
{
    if (--s.within >= 0) return s;
    do --s.interval; while (s.interval >= 0 && call->count[s.interval] == 0);
    s.within = s.interval >= 0 ? call->count[s.interval] - 1 : 0;
    return s;
}

#if defined(LOSS)
// Adds the weighted squares of output k to the loss, and their cotangents to w and gp.
// Columns: states, observables.
FN void seed(const Call *call, int64 k, int64 first, Lanes *x, Param *p, Lanes *w, Param *gp,
             Lanes *loss, real *sums)
{
    BLOCK(data, N_STATES + N_OBSERVABLES);
    BLOCK(weight, N_STATES + N_OBSERVABLES);
    load(call, &call->data, k, first, N_STATES + N_OBSERVABLES, data);
    load(call, &call->weight, k, first, N_STATES + N_OBSERVABLES, weight);
    leave_out(first, call->batch, N_STATES + N_OBSERVABLES, weight);
    for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES; ++l) {
            const real residual = weight[i][l] == R(0.0) ? R(0.0) : x[i][l] - data[i][l];
            loss[0][l] += weight[i][l]*residual*residual;
            w[i][l] += R(2.0)*weight[i][l]*residual;
        }
#if OBSERVED
    BLOCK(y, N_OBSERVABLES);
    BLOCK(gx, N_STATES);
#if INPUTS
    ALIGNED real u[N_INPUTS][LANES], gu[N_INPUTS][LANES];
    inputs_of_output(call, first, call->when[k], u);
#endif
    observe_block(IF_OBSERVE_TIMED(call->when[k],) x, p, IF_INPUTS(u,) y);
    for (int i = 0; i < N_OBSERVABLES; ++i)
        for (int l = 0; l < LANES; ++l) {
            const real q = weight[N_STATES + i][l];
            const real residual = q == R(0.0) ? R(0.0) : y[i][l] - data[N_STATES + i][l];
            loss[0][l] += q*residual*residual;
            y[i][l] = R(2.0)*q*residual;
        }
#if OBSERVE_TIMED
    BLOCK(unused_time, 1);
    for (int l = 0; l < LANES; ++l) unused_time[0][l] = R(0.0);
#endif
    observe_vjp_block(IF_OBSERVE_TIMED(call->when[k],) x, p, IF_INPUTS(u,) y,
                      gx, gp IF_INPUTS(, gu) IF_OBSERVE_TIMED(, unused_time));
    for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES; ++l) w[i][l] += gx[i][l];
#if INPUTS
    pull_output_inputs(call, first, call->batch, call->when[k], gu, sums);
#endif
#endif
}
#else
FN void seed(const Call *call, int64 k, int64 first, Lanes *w)
{
    BLOCK(more, N_STATES);
    load(call, &call->w, k, first, N_STATES, more);
    leave_out(first, call->batch, N_STATES, more);
    for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES; ++l) w[i][l] += more[i][l];
}
#endif

// Where a run of steps ends that share an interval: their coefficients stay in registers.
FN int64 end_of_run(const Call *call, Place s, int64 most)
{
    const int64 count = call->count[s.interval];
    return s.within + most < count ? s.within + most : count;
}

// The trajectories from `first` on; `tape` holds a segment's states, then one state per segment.
FN void adjoint_block(const Call *call, int64 first, Pulse *pulse, real *tape, real *sums)
{
    BLOCK(x, N_STATES);
    BLOCK(w, N_STATES);
    BLOCK(gt, 1);
    BLOCK(gh, 1);
    BLOCK(early, 1);
    BLOCK(late, 1);
    BLOCK(loss, 1);
#if INPUTS
    Pieces in_interval, *pieces = &in_interval;
    const bool wanted = inputs_wanted(call);
    forget_cotangents(pieces);
#endif
    const int64 steps = call->steps, segment = call->segment, segments = (steps + segment - 1)/segment;
    real *kept = tape + (segment + 1)*N_STATES*TAPE_ROW;
    load(call, &call->x0, 0, first, N_STATES, x);
    BLOCK_PARAMS(p);
    BLOCK_GRADIENTS(gp, sums);
    for (int l = 0; l < LANES; ++l) {
        for (int i = 0; i < N_STATES; ++i) w[i][l] = R(0.0);
        gt[0][l] = gh[0][l] = early[0][l] = late[0][l] = loss[0][l] = R(0.0);
    }
    for (int64 g = 0; g + 1 < segments; ++g) {
        keep(kept, g, x);
        Place place = {call->interval[g], call->within[g]};
        for (int64 s = 0; s < segment; place = step_after(call, place)) {
            const double start = call->start[place.interval], h = call->h[place.interval];
            const int64 end = until(pulse, place.within, end_of_run(call, place, segment - s));
#if INPUTS
            take_pieces(call, place.interval, first, pieces);
#endif
            for (; place.within < end; ++place.within, ++s)
                advance(call, first, IF_INPUTS(pieces,) start, h, place.within, p, x, x);
            if (ends(call, pulse, start, first)) return;
            --place.within;
        }
    }
    int64 output = call->times - 1;
    for (int64 g = segments - 1; g >= 0; --g) {
        const int64 here = g + 1 < segments ? segment : steps - g*segment;
        Place place = {call->interval[g], call->within[g]};
        keep(tape, 0, g + 1 < segments ? from_tape(kept, g, x) : x);
#if LANES == 1 && !GPU
        for (int i = 0; i < N_STATES; ++i) x[i][0] = ((Lanes *)tape)[i][0];
#endif
        for (int64 s = 0; s < here - !LAST_STATE; place = step_after(call, place)) {
            const double start = call->start[place.interval], h = call->h[place.interval];
            const int64 end = until(pulse, place.within, end_of_run(call, place, here - !LAST_STATE - s));
#if INPUTS
            take_pieces(call, place.interval, first, pieces);
#endif
            for (; place.within < end; ++place.within, ++s) {
#if LANES == 1
                // A lone state stays in registers, so that no step waits for the tape.
                advance(call, first, IF_INPUTS(pieces,) start, h, place.within, p, x, x);
                keep(tape, s + 1, x);
#else
                Lanes *next = room_on_tape(tape, s + 1, x);
                advance(call, first, IF_INPUTS(pieces,) start, h, place.within, p, from_tape(tape, s, x),
                        next);
                to_tape(tape, s + 1, next);
#endif
            }
            if (ends(call, pulse, start, first)) return;
            --place.within;
        }
#if LAST_STATE
        place = step_before(call, place);
#endif
        for (int64 s = here - 1; s >= 0; place = step_before(call, place)) {
            const int64 k = place.interval;
            const double start = call->start[k], h = call->h[k];
            for (; output > OUTPUT_BEFORE(k); --output) {
#if defined(LOSS)
                seed(call, output, first, from_tape(tape, s + 1, x), p, w, gp, loss, sums);
#else
                seed(call, output, first, w);
#endif
            }
            const int64 steps_left = place.within < s ? place.within + 1 : s + 1;
            const int64 last = place.within + 1 - until(pulse, 0, steps_left);
#if INPUTS
            take_pieces(call, k, first, pieces);
#endif
            for (int64 j = place.within; j >= last; --j, --s) {
#include "odec/step_inputs.h"
#if INPUTS
                ALIGNED real gu[INPUT_ROWS][N_INPUTS][LANES];
#endif
                step_vjp_block(IF_TIMED(time,) h, from_tape(tape, s, x), p, IF_INPUTS(u,)
                               (real)call->clip, w, gp, IF_INPUTS(gu,) gt, gh);
#if INPUTS
                if (wanted) pull_inputs(pieces, since, gu);
#if MAP
                if (wanted) give_pieces(call, first, pieces, sums);
#endif
#if TIMES
                pull_times(pieces, since, gu, gt, gh);
#endif
#endif
#if TIMES
                // Steps start at t_k + j (t_{k+1} - t_k)/count.
                for (int l = 0; l < LANES; ++l) {
                    const real slide = (gh[0][l] + (real)j*gt[0][l])/(real)call->count[k];
                    early[0][l] += gt[0][l] - slide;
                    late[0][l] += slide;
                }
                if (j == 0) {
                    BLOCK(old, 1);
                    load(call, &call->g_t, OUTPUT(k + 1), first, 1, old);
                    for (int l = 0; l < LANES; ++l) old[0][l] += late[0][l];
                    store(call, &call->g_t, OUTPUT(k + 1), first, 1, old);
                    load(call, &call->g_t, OUTPUT(k), first, 1, old);
                    for (int l = 0; l < LANES; ++l) old[0][l] += early[0][l];
                    store(call, &call->g_t, OUTPUT(k), first, 1, old);
                    for (int l = 0; l < LANES; ++l) early[0][l] = late[0][l] = R(0.0);
                }
#endif
            }
#if INPUTS && !MAP
            if (wanted && last == 0) give_pieces(call, first, pieces, sums);
#endif
            place.within = last;
            if (ends(call, pulse, start, first)) return;
        }
    }
    for (; output >= 0; --output) {
#if defined(LOSS)
        load(call, &call->x0, 0, first, N_STATES, x);
        seed(call, output, first, x, p, w, gp, loss, sums);
#else
        seed(call, output, first, w);
#endif
    }
    store(call, &call->g_x0, 0, first, N_STATES, w);
#if defined(LOSS)
    store(call, &call->loss, 0, first, 1, loss);
#endif
#if !UNIFORM
    if (call->g_p.item) store(call, &call->g_p, 0, first, N_PARAMS, gp);
    else
        for (int i = 0; i < N_PARAMS; ++i)
            for (int l = 0; l < LANES; ++l)
                if (first + l < call->batch) sums[i] += gp[i][l];
#endif
}
#endif
