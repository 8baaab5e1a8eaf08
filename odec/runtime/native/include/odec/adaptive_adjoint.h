// The adjoint of adaptive steps: lanes go back over the tape, each through its trajectories in reverse.
// Needs adaptive_solve.h and, of the method, STAGE_C and the blocks of its steps.

#if TAPED
// The exact gradient of the numbers that solve computes.
//
// Steps count as fixed parts of the intervals between stops. The forward pass is taken again, its steps go to
// a tape; then the lanes go back over the tape, each through its trajectories in reverse.

// The lanes on their way back.
typedef struct {
    BLOCK(w, N_STATES);
    PARAMS_OF_LANES(gp);
    ALIGNED real early[LANES], late[LANES];  // cotangents of the interval's ends
#if DENSE
    int64 left[LANES];  // the outputs that are not behind yet
#endif
#if INPUTS
    ALIGNED real gc[N_INPUTS][TERMS][LANES];  // of the inputs' pieces in the interval
#endif
} Back;

// A lane's way back starts in interval k, or is at its end.
FN void enter_backwards(const Call *call, Run *run, Back *back, int64 k, int l)
{
    enter(call, run, k, l);
    back->early[l] = back->late[l] = R(0.0);
#if INPUTS
    for (int n = 0; n < N_INPUTS; ++n)
        for (int j = 0; j < TERMS; ++j) back->gc[n][j][l] = R(0.0);
#endif
}

// Where the cotangents of an output of a lane's trajectory are, and how far apart.
FN const real *cotangents(const Call *call, const Run *run, int64 output, int l, int64 *row)
{
#if WEIGHED
    const View *w = &run->outputs;
    const int64 item = run->item[l] - run->first;
#else
    const View *w = &call->w;
    const int64 item = run->item[l];
#endif
    *row = w->row;
    return w->at + output*w->time + item*w->item;
}

// Adds the cotangent of an output that is the present state.
FN void seed_output(const Call *call, const Run *run, Back *back, int64 output, int l)
{
    int64 row;
    const real *w = cotangents(call, run, output, l, &row);
    UNROLL for (int i = 0; i < N_STATES; ++i) back->w[i][l] += w[i*row];
}

// Adds the cotangent of the state at a stop.
FN void seed(const Call *call, const Run *run, Back *back, int64 stop, int l)
{
#if DENSE
    while (back->left[l] > 0 && call->when[back->left[l] - 1] == call->control.stops[stop])
        seed_output(call, run, back, --back->left[l], l);
    return;
#endif
    const int64 output = call->control.output[stop];
    if (output >= 0) seed_output(call, run, back, output, l);
}

// Stores the gradients of a trajectory that is done with, or adds them to those of its group.
FN void put_gradients(const Call *call, const Run *run, const Back *back, real *sums, int l)
{
    const View *g_x0 = &call->g_x0, *g_p = &call->g_p;
    UNROLL for (int i = 0; i < N_STATES; ++i) g_x0->at[i*g_x0->row + run->item[l]*g_x0->item] = back->w[i][l];
#if !UNIFORM
    UNROLL for (int i = 0; i < N_PARAMS; ++i) {
        if (g_p->item) g_p->at[i*g_p->row + run->item[l]*g_p->item] = back->gp[i][l];
        else sums[i] += back->gp[i][l];
    }
#endif
}

// A lane comes to stop k from behind: it goes on into the interval before it, or its trajectory is done with.
FN bool come_to(const Call *call, Run *run, Back *back, real *sums, int64 k, int l)
{
    seed(call, run, back, k, l);
    for (; k > 0 && call->control.stops[k - 1] == call->control.stops[k]; --k)
        seed(call, run, back, k - 1, l);
    if (k > 0) {
        enter_backwards(call, run, back, k - 1, l);
        return true;
    }
    put_gradients(call, run, back, sums, l);
    return false;
}

// A lane takes the trajectory that it had before, or rests where there is none.
FN void trajectory_before(const Call *call, Run *run, Back *back, Tape *tape, real *sums, int l)
{
    for (run->active[l] = 0; !run->active[l] && tape->last[l] >= 0;) {
        const Kept *kept = &tape->kept[tape->last[l]];
        const int64 item = run->item[l] = tape->first + tape->last[l];
        tape->last[l] = kept->before;
        take_params(call, run, item, l);
        UNROLL for (int i = 0; i < N_STATES; ++i) back->w[i][l] = R(0.0);
#if UNIFORM
        back->gp = sums;
#elif WEIGHED
        UNROLL for (int i = 0; i < N_PARAMS; ++i)
            back->gp[i][l] = call->g_p.item ? of_item(&call->g_p, i, item) : R(0.0);
#else
        UNROLL for (int i = 0; i < N_PARAMS; ++i) back->gp[i][l] = R(0.0);
#endif
#if DENSE
        for (back->left[l] = call->times; back->left[l] > kept->outputs;)
            seed_output(call, run, back, --back->left[l], l);
#endif
        for (int64 stop = call->control.n_stops - 1; stop > kept->interval; --stop)
            seed(call, run, back, stop, l);
        run->active[l] = 1;
        if (kept->moved) enter_backwards(call, run, back, kept->interval, l);
        else run->active[l] = come_to(call, run, back, sums, kept->interval, l);
    }
}

// A lane has gone back to the start of its interval: what the interval's ends and inputs get is passed on.
FN void leave_interval(const Call *call, Run *run, Back *back, real *sums, int l)
{
    const int64 k = run->interval[l];
#if TIMES
    const View *g_t = &call->g_t;
    const int64 a = call->control.output[k], b = call->control.output[k + 1];
    if (a >= 0) g_t->at[a*g_t->time + run->item[l]*g_t->item] += back->early[l];
    if (b >= 0) g_t->at[b*g_t->time + run->item[l]*g_t->item] += back->late[l];
#endif
#if INPUTS
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        if (!s->g) continue;
        for (int64 j = 0; j < s->terms; ++j) {
            const int64 place = call->control.piece[k*N_INPUTS + n]*s->terms + j;
            if (s->item) s->g[place*call->batch + run->item[l]] += back->gc[n][j][l];
            else sums[N_PARAMS + s->offset + place] += back->gc[n][j][l];
        }
    }
#endif
}

#if INPUTS
// Adds the inputs' cotangents at the stages to those of their pieces, of the step's time and of its size.
FN void pull_inputs(const Run *run, const Trial *trial, real (*gu)[N_INPUTS][LANES], Back *back, Lanes *gt,
                    Lanes *gh)
{
    const real c[STAGE_ROWS] = STAGE_C;
    UNROLL for (int k = 0; k < STAGE_ROWS; ++k)
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_LANE {
                const real s = since(run, n, trial->time[k][l], l), g = trial->good[l] ? gu[k][n][l] : R(0.0);
                real power = g;
                UNROLL for (int j = 0; j < TERMS; ++j, power *= s) back->gc[n][j][l] += power;
#if TIMES
                real rate = R(0.0);
                UNROLL for (int j = TERMS - 1; j >= 1; --j) rate = (real)j*run->c[n][j][l] + s*rate;
                rate = run->inside[n][l] ? rate*g : R(0.0);
                gt[0][l] += rate;
                gh[0][l] += c[k]*rate;
#endif
            }
#if RATES
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        EACH_LANE {
            const real s = since(run, n, trial->time[0][l], l);
            const real g = trial->good[l] & run->inside[n][l] ? gu[STAGES][n][l] : R(0.0);
            real power = g;
            UNROLL for (int j = 1; j < TERMS; ++j, power *= s) back->gc[n][j][l] += (real)j*power;
#if TIMES
            real bend = R(0.0);
            UNROLL for (int j = TERMS - 1; j >= 2; --j) bend = (real)(j*(j - 1))*run->c[n][j][l] + s*bend;
            gt[0][l] += bend*g;
#endif
        }
#endif
}

#endif
#include "odec/dense_adjoint.h"

// One row of the tape backwards: lanes that took a step there take it back. Returns whether any of them has
// come to the start of its interval.
FN Whole step_back(const Call *call, Run *run, Back *back, const Tape *tape, int64 row, Trial *trial)
{
    BLOCK(x, N_STATES);
    BLOCK(w, N_STATES);
#if UNIFORM
    Param *gp = back->gp;
#else
    BLOCK(gp, N_PARAMS);
#endif
    BLOCK(gt, 1);
    BLOCK(gh, 1);
    UNROLL for (int i = 0; i < N_STATES; ++i)
        EACH_LANE {
            x[i][l] = tape->states[AT(row, i) + l];
            w[i][l] = back->w[i][l];
        }
#if !UNIFORM
    UNROLL for (int i = 0; i < N_PARAMS; ++i) EACH_LANE gp[i][l] = back->gp[i][l];
#endif
    EACH_LANE {
#if AUTO
        run->stiff[l] = tape->states[AT(row, N_STATES) + l] < R(0.0);
        trial->size[l] = fabs(tape->states[AT(row, N_STATES) + l]);
#else
        trial->size[l] = tape->states[AT(row, N_STATES) + l];
#endif
        trial->good[l] = trial->size[l] != R(0.0);
        trial->h[l] = (real)call->control.sign*trial->size[l];
        run->done[l] = tape->begins[row*TAPE_ROW + TAPE_LANE + l];
    }
#if UNIFORM
    // Sums over lanes take all of them: who took no step stands where another did, with cotangents of 0.
    int other = 0;
    while (!trial->good[other]) ++other;
    for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES; ++l) {
            x[i][l] = trial->good[l] ? x[i][l] : x[i][other];
            w[i][l] = trial->good[l] ? w[i][l] : R(0.0);
        }
#endif
#if DENSE
    Inside inside;
    gather_inside(call, run, back, trial, &inside);
#endif
#if TIMED
    stage_times(call, run, trial);
#endif
#if INPUTS
    ALIGNED real gu[INPUT_ROWS][N_INPUTS][LANES];
    inputs_at(run, trial->time, STAGE_ROWS, trial->u);
#if RATES
    rates_at(run, trial->time[0], trial->u[STAGES]);
#endif
#endif
#if AUTO
    auto_step_vjp(run->stiff, trial->good, IF_TIMED(trial->time,) trial->h, x, run->p, IF_INPUTS(trial->u,)
                  (real)call->clip, w, gp, IF_INPUTS(gu,) gt, gh IF_DENSE(, inside.g, inside.q));
#else
    step_vjp_block(IF_TIMED(trial->time,) trial->h, x, run->p, IF_INPUTS(trial->u,) (real)call->clip, w, gp,
                   IF_INPUTS(gu,) gt, gh IF_DENSE(, inside.g, inside.q));
#endif
#if DENSE
    UNROLL for (int i = 0; i < N_STATES; ++i) EACH_LANE w[i][l] += inside.w[i][l];
#if TIMES
    pull_times(call, run, trial, &inside, gt, gh);
#endif
#endif
    UNROLL for (int i = 0; i < N_STATES; ++i)
        EACH_LANE back->w[i][l] = trial->good[l] ? w[i][l] : back->w[i][l];
#if !UNIFORM
    UNROLL for (int i = 0; i < N_PARAMS; ++i)
        EACH_LANE back->gp[i][l] = trial->good[l] ? gp[i][l] : back->gp[i][l];
#endif
#if INPUTS
    pull_inputs(run, trial, gu, back, gt, gh);
#endif
#if TIMES
    EACH_LANE {
        const real span = run->span[l] > 0.0 ? (real)run->span[l] : R(1.0);
        const real slide = ((real)run->done[l]*gt[0][l] + trial->size[l]*gh[0][l])/span;
        back->early[l] += trial->good[l] ? gt[0][l] - slide : R(0.0);
        back->late[l] += trial->good[l] ? slide : R(0.0);
    }
#endif
    Whole any = 0;
    EACH_LANE any |= trial->good[l] & (run->done[l] == 0.0);
    return any;
}

#include "odec/loss.h"

// The gradients of the trajectories from `first` to `last`, a tape at a time. Returns false where a
// tape did not fit into memory.
FN bool adjoint_group(const Call *call, int64 first, int64 last, Pulse *pulse, Tape *tape, real *sums)
{
    Work work = {first, first, 0, pulse};
    while (work.next < last && !ended(call)) {
#if WEIGHED
        const int64 most = tape->most;
#else
        const int64 most = MOST_KEPT;
#endif
        work.last = work.next + most < last ? work.next + most : last;
        tape->first = work.next;
        tape->rows = 0;
        for (int l = 0; l < LANES; ++l) tape->last[l] = -1;
        if (!integrate(call, &work, tape)) return false;
        if (ended(call)) return true;
        Run run = {0};
#if WEIGHED
        weigh(call, &tape->outputs, tape->first, work.next < last ? work.next : last, sums);
        run.outputs = tape->outputs;
        run.first = tape->first;
#endif
        Back back;
        Trial trial;
        for (int l = 0; l < LANES; ++l) trajectory_before(call, &run, &back, tape, sums, l);
        for (int64 row = tape->rows - 1; row >= 0; --row) {
            until(pulse, 0, 1);
            if (ends(call, pulse, time_of(call, &run, 0), run.item[0])) return true;
            if (step_back(call, &run, &back, tape, row, &trial))
                for (int l = 0; l < LANES; ++l) {
                    if (!trial.good[l] || run.done[l] != 0.0) continue;
                    leave_interval(call, &run, &back, sums, l);
                    if (!come_to(call, &run, &back, sums, run.interval[l], l))
                        trajectory_before(call, &run, &back, tape, sums, l);
                }
        }
    }
    return true;
}
#endif
