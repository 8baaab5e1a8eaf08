// Lanes and their trajectories: which is next, the intervals between stops, outputs, and how one ends.
// Needs control.h and observe_block where there are observables.

// The trajectories that a thread has still to do; those of a whole call are handed out a few at a time.
typedef struct {
    int64 next, last;
    int64 *shared;  // the first that no thread has taken, else null
    Pulse *pulse;
} Work;

#include "odec/tape.h"

FN int64 take(const Call *call, Work *work)
{
#if GPU
    const int64 item = work->next;
    work->next += (int64)gridDim.x*blockDim.x;
    return item < work->last ? item : -1;
#else
    if (work->next >= work->last && work->shared) {
        const int64 few = LANES/2 > 0 ? LANES/2 : 1;
        work->next = __atomic_fetch_add(work->shared, few, __ATOMIC_RELAXED);
        work->last = work->next + few < call->batch ? work->next + few : call->batch;
    }
    return work->next < work->last ? work->next++ : -1;
#endif
}

FN double span_of(const Call *call, int64 k)
{
    return fabs(call->control.stops[k + 1] - call->control.stops[k]);
}

// A lane starts into interval k.
FN void enter(const Call *call, Run *run, int64 k, int l)
{
    const Control *control = &call->control;
    run->interval[l] = k;
    run->from[l] = control->stops[k];
    run->span[l] = k + 1 < control->n_stops ? span_of(call, k) : 0.0;
    run->done[l] = 0.0;
#if DENSE
    run->to[l] = k + 1 < control->n_stops ? control->stops[k + 1] : control->stops[k];
#endif
#if INPUTS
    take_pieces(call, run, k, l);
#endif
#if defined(TANGENT)
    const int64 a = control->output[k], b = k + 1 < control->n_stops ? control->output[k + 1] : -1;
    const View *d_t = &call->d_t;
    run->d_from[l] = a < 0 ? R(0.0) : d_t->at[a*d_t->time + run->item[l]*d_t->item];
    run->d_to[l] = b < 0 ? R(0.0) : d_t->at[b*d_t->time + run->item[l]*d_t->item];
#endif
}

FN real of_item(const View *view, int i, int64 item) { return view->at[i*view->row + item*view->item]; }

// The parameters of a trajectory become those of its lane.
FN void take_params(const Call *call, Run *run, int64 item, int l)
{
#if UNIFORM
    run->p = call->p.at;
#else
    UNROLL for (int i = 0; i < N_PARAMS; ++i) run->p[i][l] = of_item(&call->p, i, item);
#endif
}

// A lane takes the next trajectory, or rests where there is none.
FN void next_trajectory(const Call *call, Run *run, Work *work, int l)
{
    const int64 item = take(call, work);
    run->active[l] = item >= 0;
    run->event[l] = item >= 0 ? TAKEN : NOTHING;
    run->running += item >= 0;
    if (item < 0) return;
    run->item[l] = item;
    UNROLL for (int i = 0; i < N_STATES; ++i) run->x[i][l] = of_item(&call->x0, i, item);
    take_params(call, run, item, l);
#if defined(TANGENT)
    UNROLL for (int i = 0; i < N_STATES; ++i) run->dx[i][l] = of_item(&call->d_x0, i, item);
    UNROLL for (int i = 0; i < N_PARAMS; ++i) run->dp[i][l] = of_item(&call->d_p, i, item);
#endif
    run->before[l] = R(0.0);
    run->accepted[l] = run->rejected[l] = run->rejected_last[l] = run->unsolved[l] = 0;
#if AUTO
    run->stiff[l] = run->signs[l] = 0;
#endif
#if DENSE
    run->next[l] = call->last_only ? call->times - 1 : 0;
#endif
    enter(call, run, call->control.first < 0 ? 0 : call->control.first, l);
}

FN void put(const Call *call, const View *view, int64 output, int rows, int64 item, Lanes *from, int l,
            bool fine)
{
    const int64 time = call->last_only ? 0 : output;
    UNROLL for (int i = 0; i < rows; ++i)
        view->at[time*view->time + i*view->row + item*view->item] = fine ? from[i][l] : NAN_;
}

#if defined(SOLVE) || WEIGHED
// Stores a lane's state and what is observed of it as an output.
FN void put_values(const Call *call, const Run *run, Lanes *x, Lanes *y, int64 output, int l, bool fine)
{
#if WEIGHED
    put(call, &run->outputs, output, N_STATES, run->item[l] - run->first, x, l, fine);
#else
    if (call->out.at) put(call, &call->out, output, N_STATES, run->item[l], x, l, fine);
#if OBSERVED
    if (call->observed.at) put(call, &call->observed, output, N_OBSERVABLES, run->item[l], y, l, fine);
#endif
#endif
}
#endif

// Stores what a lane has now as an output: its state, or NaN alone where its trajectory has ended early.
FN void put_state(const Call *call, Run *run, Lanes *y, int64 output, int l, bool fine)
{
#if defined(TANGENT)
    put(call, &call->out, output, N_STATES, run->item[l], run->dx, l, fine);
#if defined(FIT)
    // The directions share their states.
    if (run->item[l] == 0) put(call, &call->observed, output, N_STATES, 0, run->x, l, fine);
#endif
#elif defined(SOLVE) || WEIGHED
    put_values(call, run, run->x, y, output, l, fine);
#endif
}

// What a lane has at a stop goes to the outputs that are there.
FN void put_output(const Call *call, Run *run, Lanes *y, int64 stop, int l, bool fine)
{
#if defined(SOLVE) || defined(TANGENT) || WEIGHED
#if DENSE
    for (; call->when[run->next[l]] == call->control.stops[stop]; ++run->next[l])
        put_state(call, run, y, run->next[l], l, fine);
    return;
#endif
    const int64 output = call->control.output[stop];
    if (output < 0 || (call->last_only && output + 1 < call->times)) return;
    put_state(call, run, y, output, l, fine);
#endif
}

// The state whose error is the largest in relation to what is allowed.
FN int64 worst_state(const Call *call, const Run *run, const Trial *trial, int l)
{
    int64 worst = 0;
    real most = R(-1.0);
    for (int i = 0; i < N_STATES; ++i) {
        const real a = fabs(run->x[i][l]), b = fabs(trial->x_next[i][l]);
        const real allowed = (real)call->control.atol[i] + (real)call->control.rtol*(a > b ? a : b);
        if (!(fabs(trial->error[i][l])/allowed <= most) && most == most) {
            most = fabs(trial->error[i][l])/allowed;
            worst = i;
        }
    }
    return worst;
}

// Notes how a trajectory went.
FN void put_report(const Call *call, const Run *run, int64 code, int l)
{
    const View *view = &call->control.report;
    if (!view->at) return;
    real *at = view->at + run->item[l]*view->item;
    at[0] = (real)code;
    at[view->row] = code == NOTHING ? NAN_ : (real)time_of(call, run, l);
    at[2*view->row] = code == NOTHING ? R(0.0) : (real)run->state[l];
    at[3*view->row] = (real)run->accepted[l];
    at[4*view->row] = (real)run->rejected[l];
}

#if OBSERVED && defined(SOLVE)
// The observables of the lanes to which something has happened, at the stops where they are.
FN void observe_at_stops(const Call *call, Run *run, Lanes *y)
{
#if OBSERVE_TIMED || INPUTS
    ALIGNED double time[LANES];
    for (int l = 0; l < LANES; ++l)
        time[l] = call->control.stops[run->interval[l] + (run->event[l] == LANDED)];
#endif
#if INPUTS
    ALIGNED real u[N_INPUTS][LANES];
    for (int l = 0; l < LANES; ++l)
        for (int n = 0; n < N_INPUTS; ++n) {
            const Series *s = &call->series[n];
            const int64 items = s->item ? call->batch : 1, item = s->item ? run->item[l] : 0;
            real since, value;
            bool inside;
            const real *c = s->c + find(s, time[l], &since, &inside)*s->terms*items;
            value = c[(s->terms - 1)*items + item];
            for (int64 j = s->terms - 2; j >= 0; --j) value = c[j*items + item] + since*value;
            u[n][l] = value;
        }
#endif
    observe_block(IF_OBSERVE_TIMED(time,) run->x, run->p, IF_INPUTS(u,) y);
}
#endif

// A lane is at stop k: returns the stop after which the next interval of some length starts.
FN int64 pass_stops(const Call *call, Run *run, Lanes *y, int64 k, int l)
{
    put_output(call, run, y, k, l, true);
    while (k + 1 < call->control.n_stops && call->control.stops[k + 1] == call->control.stops[k])
        put_output(call, run, y, ++k, l, true);
    return k;
}

// A trajectory ends after stop k: the state to blame, and NaN for the outputs that are left.
FN void end_early(const Call *call, Run *run, const Trial *trial, int64 k, int l)
{
    if (trial) run->state[l] = worst_state(call, run, trial, l);
#if DENSE
    for (; run->next[l] < call->times; ++run->next[l]) put_state(call, run, 0, run->next[l], l, false);
#endif
    for (int64 stop = k + 1; stop < call->control.n_stops; ++stop) put_output(call, run, 0, stop, l, false);
}

// The code of a trajectory that has taken the most steps.
FN int64 used_up(const Run *run, int l)
{
    const Whole unsolved = run->unsolved[l], rejected = run->rejected[l];
    const bool often = 2*unsolved >= rejected && 16*unsolved >= run->accepted[l] + rejected;
    return often ? OFTEN_UNSOLVED : TOO_MANY_STEPS;
}

// Deals with what has happened to the lanes: outputs, the next intervals, failures, the next trajectories.
RARE void settle(const Call *call, Run *run, const Trial *trial, Work *work, Tape *tape)
{
    const int64 stops = call->control.n_stops;
    for (bool again = true; again;) {
        BLOCK(y, N_OBSERVABLES);
#if OBSERVED
#if defined(SOLVE)
        if (call->observed.at) observe_at_stops(call, run, y);
#endif
#endif
        again = false;
        for (int l = 0; l < LANES; ++l) {
            const Whole event = run->event[l];
            if (event == NOTHING) continue;
            int64 code = event == STARTED || event == LANDED ? NOTHING : event, k = run->interval[l];
            if (event == STARTED) k = pass_stops(call, run, y, 0, l);
            else if (event == LANDED) k = pass_stops(call, run, y, k + 1, l);
            else {
                if (event == NOT_FINITE) put_output(call, run, y, k = 0, l, true);
                if (event == STEP_TOO_SMALL && !is_finite(trial->square[l])) code = NOT_SOLVED;
                if (event == TOO_MANY_STEPS) code = used_up(run, l);
                end_early(call, run, event == NOT_FINITE ? 0 : trial, k, l);
            }
            run->event[l] = NOTHING;
            const int64 taken = run->accepted[l] + run->rejected[l];
            if (event == LANDED && k + 1 < stops && taken >= call->control.max_steps) {
                code = used_up(run, l);
                end_early(call, run, trial, k, l);
            }
            if (code == NOTHING && k + 1 < stops) {
                if (event == LANDED) enter(call, run, k, l);
#if FSAL && INPUTS
                if (event == LANDED) run->event[l] = LANDED;
                again |= event == LANDED;
#endif
                continue;
            }
            put_report(call, run, code, l);
            --run->running;
            keep(IF_HAS_DENSE(call,) run, tape, l);
            next_trajectory(call, run, work, l);
            again |= run->event[l] == TAKEN;
        }
        if (again) begin(call, run);
    }
}
