// Blocks of lanes through the functions of one lane, which take out its values and put back what they make.
// Needs the model, slope.h, the steps and FIRST_EXPLICIT, where there are two methods.

#if INNER_LANES
#define step_block step
#define step_vjp_block step_vjp
#define step_jvp_block step_jvp
#define step_error_block step_error
#define interpolant_block interpolant
#define explicit_step_error_block explicit_step_error
#define explicit_step_vjp_block explicit_step_vjp
#define explicit_step_jvp_block explicit_step_jvp
#define explicit_interpolant_block explicit_interpolant
#define slope_block slope
#define observe_block observe
#define observe_vjp_block observe_vjp
#else
#if ADAPTIVE
#define STEP_SIZES const real h[LANES]
#define LANE_H h[l]
#define STAGE_TIMES double (*time)[LANES]
#define LANE_TIMES double time_[EVALUATIONS]; EACH(k, EVALUATIONS) time_[k] = time[k][l]
#define TIME_OF_LANES const double time[LANES]
#define LANE_TIME time[l]
#else
#define STEP_SIZES const double h
#define LANE_H h
#define STAGE_TIMES const double time[STAGES]
#define LANE_TIMES const double *time_ = time
#define TIME_OF_LANES const double time
#define LANE_TIME time
#endif

// Of a method's own functions: how their names begin, and which stages of two methods are theirs.
#define OWN(name) name
#define OWN_FIRST 0
#if AUTO
#define OWN_LAST FIRST_EXPLICIT
#else
#define OWN_LAST ALL_STAGES
#endif
#define IF_EXPLICIT(...)
#include "odec/step_blocks.h"
#if AUTO && ADAPTIVE
#undef OWN
#undef OWN_FIRST
#undef OWN_LAST
#undef IF_EXPLICIT
#define OWN(name) explicit_##name
#define OWN_FIRST FIRST_EXPLICIT
#define OWN_LAST STAGES
#define IF_EXPLICIT(...) __VA_ARGS__
#include "odec/step_blocks.h"
#endif

#if ADAPTIVE
FN void slope_block(IF_TIMED(TIME_OF_LANES,) Lanes *x, Lanes *p, IF_INPUTS(Lanes *u,)
                    const real clip, Lanes *k)
{
    EACH_LANE {
        real x_[N_STATES], p_[ROOM(N_PARAMS)], k_[N_STATES];
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
#if INPUTS
        real u_[N_INPUTS];
        EACH(i, N_INPUTS) u_[i] = u[i][l];
#endif
        slope(IF_TIMED(LANE_TIME,) x_, p_, IF_INPUTS(u_,) clip, k_);
        EACH(i, N_STATES) k[i][l] = k_[i];
    }
}
#endif

#if OBSERVED
#if defined(SOLVE) || defined(LOSS)
FN void observe_block(IF_OBSERVE_TIMED(TIME_OF_LANES,) Lanes *x, Lanes *p, IF_INPUTS(Lanes *u,) Lanes *y)
{
    EACH_LANE {
        real x_[N_STATES], p_[ROOM(N_PARAMS)], y_[N_OBSERVABLES];
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
#if INPUTS
        real u_[N_INPUTS];
        EACH(i, N_INPUTS) u_[i] = u[i][l];
#endif
        observe(IF_OBSERVE_TIMED(LANE_TIME,) x_, p_, IF_INPUTS(u_,) y_);
        EACH(i, N_OBSERVABLES) y[i][l] = y_[i];
    }
}
#endif

#if defined(LOSS)
FN void observe_vjp_block(IF_OBSERVE_TIMED(TIME_OF_LANES,) Lanes *x, Lanes *p, IF_INPUTS(Lanes *u,) Lanes *w,
                          Lanes *gx, Lanes *gp IF_INPUTS(, Lanes *gu) IF_OBSERVE_TIMED(, Lanes *gt))
{
    EACH_LANE {
        real x_[N_STATES], p_[ROOM(N_PARAMS)], w_[N_OBSERVABLES], gx_[N_STATES], gp_[ROOM(N_PARAMS)];
        EACH(i, N_STATES) x_[i] = x[i][l];
        EACH(i, N_PARAMS) p_[i] = p[i][l];
        EACH(i, N_OBSERVABLES) w_[i] = w[i][l];
        EACH(i, N_PARAMS) gp_[i] = gp[i][l];
#if INPUTS
        real u_[N_INPUTS], gu_[N_INPUTS];
        EACH(i, N_INPUTS) u_[i] = u[i][l];
#endif
#if OBSERVE_TIMED
        real gt_[1];
        gt_[0] = gt[0][l];
#endif
        observe_vjp(IF_OBSERVE_TIMED(LANE_TIME,) x_, p_, IF_INPUTS(u_,) w_, gx_, gp_
                    IF_INPUTS(, gu_) IF_OBSERVE_TIMED(, gt_));
        EACH(i, N_STATES) gx[i][l] = gx_[i];
        EACH(i, N_PARAMS) gp[i][l] = gp_[i];
#if INPUTS
        EACH(i, N_INPUTS) gu[i][l] = gu_[i];
#endif
#if OBSERVE_TIMED
        gt[0][l] = gt_[0];
#endif
    }
}
#endif
#endif
#endif
