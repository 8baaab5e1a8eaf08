// Outputs within adaptive steps, and their tangents.
// Needs lanes.h, interpolant_block (with two methods auto.h) and, for observables, observe_block.

#if DENSE
// The states there are x + Σ θ^m q_m, θ being the place in the step. Each lane knows which output comes next.

#if !defined(ADJOINT)
// θ of the next outputs of the lanes, where they lie in the steps that these have just taken. An output at
// the end of an interval is that of the stop there; after the last one comes a time that is NaN.
FN Whole next_inside(const Call *call, const Run *run, const Trial *trial, Whole here[LANES],
                     real theta[LANES])
{
    EACH_LANE {
        const double when = call->when[run->next[l]], reach = call->control.sign*(when - run->from[l]);
        const double part = (reach - trial->begin[l])/(double)trial->size[l];
        here[l] = trial->good[l] & (reach <= run->done[l]) & (when != run->to[l]);
        theta[l] = here[l] ? (real)(part < 1.0 ? part : 1.0) : R(0.0);
    }
    Whole any = 0;
    EACH_LANE any |= here[l];
    return any;
}

FN void outputs_done(Run *run, const Whole here[LANES])
{
    EACH_LANE run->next[l] += here[l];
}

// The value of the polynomial.
FN void inside_step(Lanes *x, real (*q)[N_STATES][LANES], real theta[LANES], Lanes *inside)
{
    UNROLL for (int i = 0; i < N_STATES; ++i)
        EACH_LANE {
            real value = q[DEGREE - 1][i][l];
            UNROLL for (int m = DEGREE - 2; m >= 0; --m) value = q[m][i][l] + theta[l]*value;
            inside[i][l] = x[i][l] + theta[l]*value;
        }
}
#endif

#if defined(SOLVE) || WEIGHED
#if OBSERVED
FN void observe_inside(const Call *call, Run *run, const Whole here[LANES], Lanes *x, Lanes *y)
{
#if OBSERVE_TIMED || INPUTS
    ALIGNED double time[1][LANES];
    for (int l = 0; l < LANES; ++l) time[0][l] = here[l] ? call->when[run->next[l]] : time_of(call, run, l);
#endif
#if INPUTS
    ALIGNED real u[1][N_INPUTS][LANES];
    inputs_at(run, time, 1, u);
#endif
    observe_block(IF_OBSERVE_TIMED(time[0],) x, run->p, IF_INPUTS(u[0],) y);
}
#endif

// Stores the outputs that lie in the steps that lanes have taken, but not yet gone.
RARE void put_inside(const Call *call, Run *run, Trial *trial)
{
    ALIGNED real theta[LANES], q[DEGREE][N_STATES][LANES];
    ALIGNED Whole here[LANES];
    if (!next_inside(call, run, trial, here, theta)) return;
#if AUTO
    auto_interpolant(call, run, trial, q);
#else
    interpolant_block(IF_TIMED(trial->time,) trial->h, run->x, run->p, IF_INPUTS(trial->u,) (real)call->clip,
                      trial->x_next, trial->kept, q);
#endif
    do {
        BLOCK(x, N_STATES);
        inside_step(run->x, q, theta, x);
#if OBSERVED
        BLOCK(y, N_OBSERVABLES);
        if (call->observed.at) observe_inside(call, run, here, x, y);
#endif
        for (int l = 0; l < LANES; ++l) {
#if OBSERVED
            if (here[l]) put_values(call, run, x, y, run->next[l], l, true);
#else
            if (here[l]) put_values(call, run, x, 0, run->next[l], l, true);
#endif
        }
        outputs_done(run, here);
    } while (next_inside(call, run, trial, here, theta));
}
#endif
#if defined(TANGENT)
// As put_inside, the tangents, where dt and dh are those of the steps' times and sizes.
FN void put_tangents_inside(const Call *call, Run *run, Trial *trial, Lanes *dt, Lanes *dh,
                            real (*q)[N_STATES][LANES], real (*dq)[N_STATES][LANES])
{
    ALIGNED real theta[LANES], slide[LANES];
    ALIGNED Whole here[LANES];
    while (next_inside(call, run, trial, here, theta)) {
        BLOCK(dx, N_STATES);
        inside_step(run->dx, dq, theta, dx);
#if defined(FIT)
        BLOCK(x, N_STATES);
        inside_step(run->x, q, theta, x);
#endif
        for (int l = 0; l < LANES; ++l) {
            const View *d_t = &call->d_t;
            const real own = here[l] ? d_t->at[run->next[l]*d_t->time + run->item[l]*d_t->item] : R(0.0);
            slide[l] = here[l] ? (own - dt[0][l] - theta[l]*dh[0][l])/trial->h[l] : R(0.0);
        }
        UNROLL for (int i = 0; i < N_STATES; ++i)
            EACH_LANE {
                real rate = R(0.0);
                UNROLL for (int m = DEGREE; m >= 1; --m) rate = (real)m*q[m - 1][i][l] + theta[l]*rate;
                dx[i][l] += here[l] ? rate*slide[l] : R(0.0);
            }
        for (int l = 0; l < LANES; ++l) {
            if (!here[l]) continue;
            put(call, &call->out, run->next[l], N_STATES, run->item[l], dx, l, true);
#if defined(FIT)
            if (run->item[l] == 0) put(call, &call->observed, run->next[l], N_STATES, 0, x, l, true);
#endif
        }
        outputs_done(run, here);
    }
}
#endif
#endif
