// The run of lanes through their trajectories by adaptive steps, and the tangents that go with it.
// Needs lanes.h, of the method STAGE_C and the blocks of its steps, and auto.h and dense.h where it has them.

#if defined(TANGENT)
#if INPUTS
// The inputs' tangents at the stages: of their coefficients, and of the time.
FN void input_tangents(const Run *run, double (*time)[LANES], Lanes *dt, Lanes *dh,
                       real (*du)[N_INPUTS][LANES])
{
    const real c[STAGE_ROWS] = STAGE_C;
    UNROLL for (int k = 0; k < STAGE_ROWS; ++k)
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_LANE {
                const real s = since(run, n, time[k][l], l);
                real value = run->dc[n][TERMS - 1][l], rate = R(0.0);
                UNROLL for (int j = TERMS - 2; j >= 0; --j) value = run->dc[n][j][l] + s*value;
                UNROLL for (int j = TERMS - 1; j >= 1; --j) rate = (real)j*run->c[n][j][l] + s*rate;
                du[k][n][l] = value + (run->inside[n][l] ? rate*(dt[0][l] + c[k]*dh[0][l]) : R(0.0));
            }
#if RATES
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        EACH_LANE {
            const real s = since(run, n, time[0][l], l);
            real value = R(0.0), bend = R(0.0);
            UNROLL for (int j = TERMS - 1; j >= 1; --j) value = (real)j*run->dc[n][j][l] + s*value;
            UNROLL for (int j = TERMS - 1; j >= 2; --j) bend = (real)(j*(j - 1))*run->c[n][j][l] + s*bend;
            du[STAGES][n][l] = run->inside[n][l] ? value + bend*dt[0][l] : R(0.0);
        }
#endif
}
#endif

// The tangents of the lanes that take their step, at its end. Steps are fixed parts of their intervals.
FN void push_tangents(const Call *call, Run *run, Trial *trial)
{
    BLOCK(dt, 1);
    BLOCK(dh, 1);
    BLOCK(unused, N_STATES);
    BLOCK(dx, N_STATES);
    ALIGNED real h[LANES];
    EACH_LANE {
        const real span = run->span[l] > 0.0 ? (real)run->span[l] : R(1.0);
        const real width = run->d_to[l] - run->d_from[l], size = trial->good[l] ? trial->size[l] : R(0.0);
        dt[0][l] = run->d_from[l] + (real)trial->begin[l]/span*width;
        dh[0][l] = size/span*width;
        h[l] = trial->good[l] ? trial->h[l] : R(0.0);
    }
#if INPUTS
    ALIGNED real du[INPUT_ROWS][N_INPUTS][LANES];
    input_tangents(run, trial->time, dt, dh, du);
#endif
#if DENSE
    ALIGNED real q[DEGREE][N_STATES][LANES];
    ALIGNED real dq[DEGREE][N_STATES][LANES];
#endif
#if AUTO
    auto_step_jvp(run->stiff, trial->good, IF_TIMED(trial->time,) h, run->x, run->p, IF_INPUTS(trial->u,)
                  (real)call->clip, run->dx, dt, dh, run->dp, IF_INPUTS(du,) unused, dx IF_DENSE(, q, dq));
#else
    step_jvp_block(IF_TIMED(trial->time,) h, run->x, run->p, IF_INPUTS(trial->u,) (real)call->clip, run->dx,
                   dt, dh, run->dp, IF_INPUTS(du,) unused, dx IF_DENSE(, q, dq));
#endif
#if DENSE
    put_tangents_inside(call, run, trial, dt, dh, q, dq);
#endif
    UNROLL for (int i = 0; i < N_STATES; ++i)
        EACH_LANE run->dx[i][l] = trial->good[l] ? dx[i][l] : run->dx[i][l];
}
#endif

// Integrates trajectories until there are no more. Returns false where there is no room for their tape.
FN bool integrate(const Call *call, Work *work, Tape *tape)
{
    Run run = {0};
    Trial trial;
#if WEIGHED
    run.outputs = tape->outputs;
    run.first = tape->first;
#endif
    for (int l = 0; l < LANES; ++l) next_trajectory(call, &run, work, l);
    begin(call, &run);
    settle(call, &run, &trial, work, tape);
    while (run.running > 0) {
        propose(call, &run, &trial);
#if AUTO
        auto_step_error(call, &run, &trial);
#else
        step_error_block(IF_TIMED(trial.time,) trial.h, run.x, run.p, IF_INPUTS(trial.u,) (real)call->clip,
                         IF_FSAL(run.slope,) trial.x_next, IF_FSAL(trial.slope,) trial.error
                         IF_TWO_ERRORS(, trial.lower) IF_DENSE(, trial.kept));
#endif
        const Whole any = judge(call, &run, &trial);
#if defined(TANGENT)
        push_tangents(call, &run, &trial);
#endif
#if DENSE && (defined(SOLVE) || WEIGHED)
        put_inside(call, &run, &trial);
#endif
#if TAPED
        if (!record(&run, &trial, tape)) return false;
#if !GPU
        if (tape->rows*(N_STATES + 1)*LANES > ENOUGH) work->last = work->next;
#endif
#endif
#if AUTO
        choose(&run, &trial);
#endif
        move(&run, &trial);
        until(work->pulse, 0, 1);
        if (ends(call, work->pulse, time_of(call, &run, 0), run.item[0])) return true;
        if (any) settle(call, &run, &trial, work, tape);
    }
    return true;
}
