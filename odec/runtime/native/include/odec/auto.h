// Two methods: each lane takes its steps by an explicit one or, where it is stiff, by another.
// Needs lanes.h, both methods' blocks, FIRST_EXPLICIT, REACH_HIGH, REACH_LOW, PATIENCE and PATIENCE_BACK.
//
// A method that no lane needs is left out. In time and u, the stages of the stiff one come first.

// Whether lanes that move are stiff, and whether others are not.
FN void methods_of(const Whole stiff[LANES], const Whole moving[LANES], Whole *some, Whole *others)
{
    Whole any = 0, other = 0;
    EACH_LANE {
        any |= moving[l] & stiff[l];
        other |= moving[l] & ~stiff[l];
    }
    *some = any;
    *others = other;
}

// What comes of the stiff lanes' steps goes to the others'.
FN void take_stiff(const Whole stiff[LANES], int rows, Lanes *from, Lanes *to)
{
    UNROLL for (int i = 0; i < rows; ++i) EACH_LANE to[i][l] = stiff[l] ? from[i][l] : to[i][l];
}

// One step of every lane, the estimate of its local error, and h |λ|, which decides on the method.
FN void auto_step_error(const Call *call, Run *run, Trial *trial)
{
    Whole some, others;
    methods_of(run->stiff, run->active, &some, &others);
    if (others)
        explicit_step_error_block(IF_TIMED(trial->time,) trial->h, run->x, run->p, IF_INPUTS(trial->u,)
                                  (real)call->clip, trial->x_next, trial->error, trial->reach,
                                  call->control.atol, call->control.rtol IF_DENSE(, trial->kept));
    if (!some) return;
    BLOCK(x_next, N_STATES);
    BLOCK(error, N_STATES);
    BLOCK(reach, 1);
    step_error_block(IF_TIMED(trial->time,) trial->h, run->x, run->p, IF_INPUTS(trial->u,) (real)call->clip,
                     x_next, error, reach IF_DENSE(, trial->kept));
    take_stiff(run->stiff, N_STATES, x_next, trial->x_next);
    take_stiff(run->stiff, N_STATES, error, trial->error);
    take_stiff(run->stiff, 1, reach, trial->reach);
}

#if DENSE && !defined(ADJOINT)
// The polynomials of the states within the lanes' steps, by the method of each.
FN void auto_interpolant(const Call *call, Run *run, Trial *trial, real (*q)[N_STATES][LANES])
{
    Whole some, others;
    methods_of(run->stiff, trial->good, &some, &others);
    if (others)
        explicit_interpolant_block(IF_TIMED(trial->time,) trial->h, run->x, run->p, IF_INPUTS(trial->u,)
                                   (real)call->clip, trial->x_next, trial->kept, q);
    if (!some) return;
    ALIGNED real q_stiff[DEGREE][N_STATES][LANES];
    interpolant_block(IF_TIMED(trial->time,) trial->h, run->x, run->p, IF_INPUTS(trial->u,) (real)call->clip,
                      trial->x_next, trial->kept, q_stiff);
    UNROLL for (int m = 0; m < DEGREE; ++m) take_stiff(run->stiff, N_STATES, q_stiff[m], q[m]);
}
#endif

// A lane becomes stiff where h |λ| was above REACH_HIGH for PATIENCE steps more than not, and ceases to be
// where it was below REACH_LOW for PATIENCE_BACK.
FN void choose(Run *run, const Trial *trial)
{
    EACH_LANE {
        const bool stiff = run->stiff[l] != 0;
        const real reach = trial->reach[0][l];
        const bool sign = stiff ? reach < REACH_LOW : reach > REACH_HIGH;
        const Whole counted = run->signs[l] + (sign ? 1 : -1);
        const Whole signs = !trial->good[l] ? run->signs[l] : counted > 0 ? counted : 0;
        const bool changes = signs >= (stiff ? PATIENCE_BACK : PATIENCE);
        run->stiff[l] = stiff != changes;
        run->signs[l] = changes ? 0 : signs;
    }
}

#if TAPED
// The adjoint of the steps of lanes, as step_vjp_block.
FN void auto_step_vjp(const Whole stiff[LANES], const Whole moving[LANES], IF_TIMED(double (*time)[LANES],)
                      const real h[LANES], Lanes *x, Lanes *p, IF_INPUTS(real (*u)[N_INPUTS][LANES],)
                      const real clip, Lanes *w, Lanes *gp IF_INPUTS(, real (*gu)[N_INPUTS][LANES]),
                      Lanes *gt, Lanes *gh
                      IF_DENSE(, real (*g)[N_STATES][LANES], real (*q)[N_STATES][LANES]))
{
    Whole some, others;
    methods_of(stiff, moving, &some, &others);
    BLOCK(w_stiff, N_STATES);
    BLOCK(gp_stiff, N_PARAMS);
    BLOCK(gt_stiff, 1);
    BLOCK(gh_stiff, 1);
    UNROLL for (int i = 0; i < N_STATES; ++i) EACH_LANE w_stiff[i][l] = w[i][l];
    UNROLL for (int i = 0; i < N_PARAMS; ++i) EACH_LANE gp_stiff[i][l] = gp[i][l];
    if (others)
        explicit_step_vjp_block(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) clip, w, gp, IF_INPUTS(gu,) gt, gh
                                IF_DENSE(, g, q));
    if (some) {
#if DENSE
        ALIGNED real q_stiff[DEGREE][N_STATES][LANES];
#endif
#if INPUTS
        ALIGNED real gu_stiff[INPUT_ROWS][N_INPUTS][LANES];
#endif
        step_vjp_block(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) clip, w_stiff, gp_stiff, IF_INPUTS(gu_stiff,)
                       gt_stiff, gh_stiff IF_DENSE(, g, q_stiff));
#if INPUTS
        UNROLL for (int k = 0; k < INPUT_ROWS; ++k) take_stiff(stiff, N_INPUTS, gu_stiff[k], gu[k]);
#endif
        take_stiff(stiff, N_STATES, w_stiff, w);
        take_stiff(stiff, N_PARAMS, gp_stiff, gp);
#if TIMES
        take_stiff(stiff, 1, gt_stiff, gt);
        take_stiff(stiff, 1, gh_stiff, gh);
#if DENSE
        UNROLL for (int m = 0; m < DEGREE; ++m) take_stiff(stiff, N_STATES, q_stiff[m], q[m]);
#endif
#endif
    }
#if INPUTS
    // Inputs at the stages of the method that a lane has not taken get nothing, nor where only the error is
    // estimated.
    UNROLL for (int k = 0; k < INPUT_ROWS; ++k) {
        const bool ours = k < FIRST_EXPLICIT || k == STAGES, theirs = !ours && k < STAGES - !DENSE;
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_LANE gu[k][n][l] = (stiff[l] ? ours : theirs) ? gu[k][n][l] : R(0.0);
    }
#endif
}
#endif

#if defined(TANGENT)
// The steps of lanes and their tangents, as step_jvp_block.
FN void auto_step_jvp(const Whole stiff[LANES], const Whole moving[LANES], IF_TIMED(double (*time)[LANES],)
                      const real h[LANES], Lanes *x, Lanes *p, IF_INPUTS(real (*u)[N_INPUTS][LANES],)
                      const real clip, Lanes *dx, Lanes *dt, Lanes *dh, Lanes *dp,
                      IF_INPUTS(real (*du)[N_INPUTS][LANES],) Lanes *x_next, Lanes *dx_next
                      IF_DENSE(, real (*q)[N_STATES][LANES], real (*dq)[N_STATES][LANES]))
{
    Whole some, others;
    methods_of(stiff, moving, &some, &others);
    if (others)
        explicit_step_jvp_block(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) clip, dx, dt, dh, dp, IF_INPUTS(du,)
                                x_next, dx_next IF_DENSE(, q, dq));
    if (!some) return;
    BLOCK(x_stiff, N_STATES);
    BLOCK(dx_stiff, N_STATES);
#if DENSE
    ALIGNED real q_stiff[DEGREE][N_STATES][LANES];
    ALIGNED real dq_stiff[DEGREE][N_STATES][LANES];
#endif
    step_jvp_block(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) clip, dx, dt, dh, dp, IF_INPUTS(du,) x_stiff,
                   dx_stiff IF_DENSE(, q_stiff, dq_stiff));
    take_stiff(stiff, N_STATES, x_stiff, x_next);
    take_stiff(stiff, N_STATES, dx_stiff, dx_next);
#if DENSE
    UNROLL for (int m = 0; m < DEGREE; ++m) {
        take_stiff(stiff, N_STATES, q_stiff[m], q[m]);
        take_stiff(stiff, N_STATES, dq_stiff[m], dq[m]);
    }
#endif
}
#endif
