// Blocks of lanes through a method's steps: one lane's values are taken out, advanced, and put back.
// Needs the steps' functions, and OWN(name) with what goes with it in blocks.h, which includes this.

#if !ADAPTIVE
FN void OWN(step_block)(IF_TIMED(STAGE_TIMES,) STEP_SIZES, Lanes *x, Lanes *p,
                        IF_INPUTS(real (*u)[N_INPUTS][INPUT_LANES],) const real clip,
                        Lanes *x_next)
{
    EACH_LANE {
        real x_[N_STATES], p_[ROOM(N_PARAMS)], next[N_STATES];
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
#if INPUTS
        real u_[INPUT_ROWS][N_INPUTS];
        UNROLL for (int k = 0; k < INPUT_ROWS; ++k) EACH(i, N_INPUTS) u_[k][i] = u[k][i][INPUT_LANE(l)];
#endif
#if TIMED
        LANE_TIMES;
#endif
        OWN(step)(IF_TIMED(time_,) LANE_H, x_, p_, IF_INPUTS((const real (*)[N_INPUTS])u_,) clip, next);
        EACH(i, N_STATES) x_next[i][l] = next[i];
    }
}
#else
FN void OWN(step_error_block)(IF_TIMED(STAGE_TIMES,) STEP_SIZES, Lanes *x, Lanes *p,
                              IF_INPUTS(real (*u)[N_INPUTS][INPUT_LANES],) const real clip,
                              IF_FSAL(Lanes *first,) Lanes *x_next, IF_FSAL(Lanes *last,)
                              Lanes *error IF_TWO_ERRORS(, Lanes *lower) IF_AUTO(, Lanes *reach)
                              IF_EXPLICIT(, const double atol[], const double rtol)
                              IF_DENSE(, real (*kept)[N_STATES][LANES]))
{
    EACH_LANE {
        real x_[N_STATES], p_[ROOM(N_PARAMS)], next[N_STATES], error_[N_STATES]
            IF_FSAL(, first_[N_STATES], last_[N_STATES]) IF_TWO_ERRORS(, lower_[N_STATES])
            IF_AUTO(, reach_[1]);
#if DENSE
        real kept_[ALL_STAGES][N_STATES];
#endif
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
#if FSAL
        EACH(i, N_STATES) first_[i] = first[i][l];
#endif
#if INPUTS
        real u_[TRIAL_ROWS][N_INPUTS];
        UNROLL for (int k = 0; k < TRIAL_ROWS; ++k) EACH(i, N_INPUTS) u_[k][i] = u[k][i][INPUT_LANE(l)];
#endif
#if TIMED
        LANE_TIMES;
#endif
        OWN(step_error)(IF_TIMED(time_,) LANE_H, x_, p_, IF_INPUTS((const real (*)[N_INPUTS])u_,) clip,
                        IF_FSAL(first_,) next, IF_FSAL(last_,) error_ IF_TWO_ERRORS(, lower_)
                        IF_AUTO(, reach_) IF_EXPLICIT(, atol, rtol) IF_DENSE(, kept_));
        EACH(i, N_STATES) x_next[i][l] = next[i];
#if DENSE
        UNROLL for (int j = OWN_FIRST; j < OWN_LAST; ++j) EACH(i, N_STATES) kept[j][i][l] = kept_[j][i];
#endif
        EACH(i, N_STATES) error[i][l] = error_[i];
#if TWO_ERRORS
        EACH(i, N_STATES) lower[i][l] = lower_[i];
#endif
#if AUTO
        reach[0][l] = reach_[0];
#endif
#if FSAL
        EACH(i, N_STATES) last[i][l] = last_[i];
#endif
    }
}

#if DENSE && !defined(ADJOINT)
FN void OWN(interpolant_block)(IF_TIMED(STAGE_TIMES,) STEP_SIZES, Lanes *x, Lanes *p,
                               IF_INPUTS(real (*u)[N_INPUTS][INPUT_LANES],) const real clip,
                               Lanes *x_next, real (*k)[N_STATES][LANES], real (*q)[N_STATES][LANES])
{
    EACH_LANE {
        real x_[N_STATES], p_[ROOM(N_PARAMS)], next[N_STATES], k_[ALL_STAGES][N_STATES], q_[DEGREE][N_STATES];
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_STATES) next[i] = x_next[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
        UNROLL for (int j = OWN_FIRST; j < OWN_LAST; ++j) EACH(i, N_STATES) k_[j][i] = k[j][i][l];
#if INPUTS
        real u_[TRIAL_ROWS][N_INPUTS];
        UNROLL for (int j = 0; j < TRIAL_ROWS; ++j) EACH(i, N_INPUTS) u_[j][i] = u[j][i][INPUT_LANE(l)];
#endif
#if TIMED
        LANE_TIMES;
#endif
        OWN(interpolant)(IF_TIMED(time_,) LANE_H, x_, p_, IF_INPUTS((const real (*)[N_INPUTS])u_,) clip,
                         next, k_, q_);
        UNROLL for (int m = 0; m < DEGREE; ++m) EACH(i, N_STATES) q[m][i][l] = q_[m][i];
    }
}
#endif
#endif

#if defined(ADJOINT) || defined(LOSS)
FN void OWN(step_vjp_block)(IF_TIMED(STAGE_TIMES,) STEP_SIZES, Lanes *x, Lanes *p,
                            IF_INPUTS(real (*u)[N_INPUTS][INPUT_LANES],) const real clip,
                            Lanes *w, Lanes *gp IF_INPUTS(, real (*gu)[N_INPUTS][LANES]), Lanes *gt, Lanes *gh
                            IF_DENSE(, real (*g)[N_STATES][LANES], real (*q)[N_STATES][LANES]))
{
    EACH_LANE {
#if DENSE
        real g_[DEGREE][N_STATES], q_[DEGREE][N_STATES];
        UNROLL for (int m = 0; m < DEGREE; ++m) EACH(i, N_STATES) g_[m][i] = g[m][i][l];
#endif
        real x_[N_STATES], p_[ROOM(N_PARAMS)], w_[N_STATES], gp_[ROOM(N_PARAMS)], gt_[1], gh_[1];
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
        EACH(i, N_STATES) w_[i] = w[i][l];
        EACH(i, N_PARAMS) gp_[i] = gp[i][l];
#if INPUTS
        real u_[INPUT_ROWS][N_INPUTS], gu_[INPUT_ROWS][N_INPUTS];
        UNROLL for (int k = 0; k < INPUT_ROWS; ++k) EACH(i, N_INPUTS) u_[k][i] = u[k][i][INPUT_LANE(l)];
#endif
#if TIMED
        LANE_TIMES;
#endif
        OWN(step_vjp)(IF_TIMED(time_,) LANE_H, x_, p_, IF_INPUTS((const real (*)[N_INPUTS])u_,) clip,
                      w_, gp_, IF_INPUTS(gu_,) gt_, gh_ IF_DENSE(, (const real (*)[N_STATES])g_, q_));
        EACH(i, N_STATES) w[i][l] = w_[i];
        EACH(i, N_PARAMS) gp[i][l] = gp_[i];
#if INPUTS
        UNROLL for (int k = 0; k < INPUT_ROWS; ++k) EACH(i, N_INPUTS) gu[k][i][l] = gu_[k][i];
#endif
#if TIMES && !MAP
        gt[0][l] = gt_[0];
        gh[0][l] = gh_[0];
#if DENSE
        UNROLL for (int m = 0; m < DEGREE; ++m) EACH(i, N_STATES) q[m][i][l] = q_[m][i];
#endif
#endif
    }
}
#endif

#if defined(TANGENT)
FN void OWN(step_jvp_block)(IF_TIMED(STAGE_TIMES,) STEP_SIZES, Lanes *x, Lanes *p,
                            IF_INPUTS(real (*u)[N_INPUTS][INPUT_LANES],) const real clip,
                            Lanes *dx, Lanes *dt, Lanes *dh, Lanes *dp,
                            IF_INPUTS(real (*du)[N_INPUTS][LANES],) Lanes *x_next, Lanes *dx_next
                            IF_DENSE(, real (*q)[N_STATES][LANES], real (*dq)[N_STATES][LANES]))
{
    EACH_LANE {
#if DENSE
        real q_[DEGREE][N_STATES];
        real dq_[DEGREE][N_STATES];
#endif
        real x_[N_STATES], p_[ROOM(N_PARAMS)], dx_[N_STATES], dp_[ROOM(N_PARAMS)], dt_[1], dh_[1],
            next[N_STATES], dnext[N_STATES];
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
        EACH(i, N_STATES) dx_[i] = dx[i][l];
        EACH(i, N_PARAMS) dp_[i] = dp[i][l];
        dt_[0] = dt[0][l];
        dh_[0] = dh[0][l];
#if INPUTS
        real u_[INPUT_ROWS][N_INPUTS], du_[INPUT_ROWS][N_INPUTS];
        UNROLL for (int k = 0; k < INPUT_ROWS; ++k) EACH(i, N_INPUTS) u_[k][i] = u[k][i][INPUT_LANE(l)];
        UNROLL for (int k = 0; k < INPUT_ROWS; ++k) EACH(i, N_INPUTS) du_[k][i] = du[k][i][l];
#endif
#if TIMED
        LANE_TIMES;
#endif
        OWN(step_jvp)(IF_TIMED(time_,) LANE_H, x_, p_, IF_INPUTS((const real (*)[N_INPUTS])u_,) clip,
                      dx_, dt_, dh_, dp_, IF_INPUTS((const real (*)[N_INPUTS])du_,)
                      next, dnext IF_DENSE(, q_, dq_));
        EACH(i, N_STATES) x_next[i][l] = next[i];
        EACH(i, N_STATES) dx_next[i][l] = dnext[i];
#if DENSE
        UNROLL for (int m = 0; m < DEGREE; ++m) EACH(i, N_STATES) {
            q[m][i][l] = q_[m][i];
            dq[m][i][l] = dq_[m][i];
        }
#endif
    }
}
#endif
