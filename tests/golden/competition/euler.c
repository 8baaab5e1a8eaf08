// competition: Two species that compete for one resource. Each grows logistically towards its own carrying
// capacity 1/iN and loses by meeting the other.
//
// Written by odec 0.1.0 from competition.ode (sha256 97dffc740fb72f9f).
// Method: euler. Engine: native; for a C compiler (vector units, threads) and for NVRTC (one thread per
// trajectory).

// --- Sizes, and what the model and the method have ---------------------------------------------------------

#define N_STATES 2
#define N_PARAMS 6
#define N_INPUTS 0
#define N_OBSERVABLES 1
#define INPUTS 0
#define OBSERVED 1
#define TIMED 0
#define OBSERVE_TIMED 0
#define INITIAL_TIMED 0
#define MAP 0
#define ARRAYS 0
#define CAN_ADAPT 0
#define AUTO 0
#define RATES 0
#define FSAL 0
#define TWO_ERRORS 0
#define HAS_DENSE 0
#define STAGES 1
#define EXTRA_STAGES 0
#define DEGREE 0
#define TERMS 0
#include "odec/machine.h"
#include "odec/functions.h"

// --- The model ---------------------------------------------------------------------------------------------

// dx/dt of the states at a time.
MODEL_FN void rhs(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                  IF_INPUTS(const real u[]_w,) real dx[]_w)
{
    EVERY_LANE {
        const real x1 = x[0]_l;
        const real x2 = x[1]_l;
        const real r1 = p[0]_l;
        const real r2 = p[1]_l;
        const real a1 = p[2]_l;
        const real a2 = p[3]_l;
        const real iN1 = p[4]_l;
        const real iN2 = p[5]_l;
        const real dx1_dt = r1 * x1 * (R(1.0) - iN1 * x1) - a1 * x1 * x2;  // competition.ode:16
        const real dx2_dt = r2 * x2 * (R(1.0) - iN2 * x2) - a2 * x1 * x2;  // competition.ode:17
        dx[0]_l = dx1_dt;
        dx[1]_l = dx2_dt;
    }
}

#if defined(ADJOINT) || defined(LOSS)
// w·∂f/∂x and w·∂f/∂u and, added to what is there, w·∂f/∂p and w·∂f/∂t.
MODEL_FN void rhs_vjp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) const real w[]_w, real gx[]_w, real gp[]_pw
                      IF_INPUTS(, real gu[]_w) IF_TIMED(, real gt[]_w))
{
    EVERY_LANE {
        const real x1 = x[0]_l;
        const real x2 = x[1]_l;
        const real r1 = p[0]_l;
        const real r2 = p[1]_l;
        const real a1 = p[2]_l;
        const real a2 = p[3]_l;
        const real iN1 = p[4]_l;
        const real iN2 = p[5]_l;
        const real w_x1 = w[0]_l;
        const real w_x2 = w[1]_l;
        const real c0 = R(1.0) - iN1 * x1;
        const real c1 = r1 * x1;
        const real c2 = w_x2 * x2;
        const real g_x1 = w_x1 * (r1 * c0 - c1 * iN1 - a1 * x2) - c2 * a2;
        const real c3 = R(1.0) - iN2 * x2;
        const real c4 = r2 * x2;
        const real c5 = w_x1 * x1;
        const real g_x2 = w_x2 * (r2 * c3 - c4 * iN2 - a2 * x1) - c5 * a1;
        const real g_r1 = c5 * c0;
        const real g_r2 = c2 * c3;
        const real g_a1 = -c5 * x2;
        const real g_a2 = -c2 * x1;
        const real g_iN1 = -c5 * c1;
        const real g_iN2 = -c2 * c4;
        gx[0]_l = g_x1;
        gx[1]_l = g_x2;
        gp[0]_l += g_r1;
        gp[1]_l += g_r2;
        gp[2]_l += g_a1;
        gp[3]_l += g_a2;
        gp[4]_l += g_iN1;
        gp[5]_l += g_iN2;
    }
}
#endif

#if defined(TANGENT)
// ∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp + ∂f/∂u·du.
MODEL_FN void rhs_jvp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) IF_TIMED(const real dt[]_w,) const real dx[]_w,
                      const real dp[]_w, IF_INPUTS(const real du[]_w,) real dk[]_w)
{
    EVERY_LANE {
        const real x1 = x[0]_l;
        const real x2 = x[1]_l;
        const real r1 = p[0]_l;
        const real r2 = p[1]_l;
        const real a1 = p[2]_l;
        const real a2 = p[3]_l;
        const real iN1 = p[4]_l;
        const real iN2 = p[5]_l;
        const real d_x1 = dx[0]_l;
        const real d_x2 = dx[1]_l;
        const real d_r1 = dp[0]_l;
        const real d_r2 = dp[1]_l;
        const real d_a1 = dp[2]_l;
        const real d_a2 = dp[3]_l;
        const real d_iN1 = dp[4]_l;
        const real d_iN2 = dp[5]_l;
        const real c0 = R(1.0) - iN1 * x1;
        const real c1 = d_r1 * x1 * c0 + d_x1 * r1 * c0 - (d_iN1 * x1 + d_x1 * iN1) * r1 * x1;
        const real d_dx1_dt = c1 - (d_a1 * x1 * x2 + d_x1 * a1 * x2 + d_x2 * a1 * x1);
        const real c2 = R(1.0) - iN2 * x2;
        const real c3 = d_r2 * x2 * c2 + d_x2 * r2 * c2 - (d_iN2 * x2 + d_x2 * iN2) * r2 * x2;
        const real d_dx2_dt = c3 - (d_a2 * x1 * x2 + d_x1 * a2 * x2 + d_x2 * a2 * x1);
        dk[0]_l = d_dx1_dt;
        dk[1]_l = d_dx2_dt;
    }
}
#endif

#if defined(SOLVE) || defined(LOSS)
// What is measured.
MODEL_FN void observe(IF_OBSERVE_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) real y[]_w)
{
    EVERY_LANE {
        const real x1 = x[0]_l;
        const real x2 = x[1]_l;
        const real total = x1 + x2;  // competition.ode:19
        y[0]_l = total;
    }
}
#endif

#if defined(LOSS)
// w·∂y/∂x and, added to what is there, w·∂y/∂p.
MODEL_FN void observe_vjp(IF_OBSERVE_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                          IF_INPUTS(const real u[]_w,) const real w[]_w, real gx[]_w, real gp[]_pw
                          IF_INPUTS(, real gu[]_w) IF_OBSERVE_TIMED(, real gt[]_w))
{
    EVERY_LANE {
        const real w_total = w[0]_l;
        gx[0]_l = w_total;
        gx[1]_l = w_total;
    }
}
#endif

// --- One step of euler (Euler 1768; Hairer, Nørsett & Wanner I, II.1)

#define COEFFICIENTS(of) of(b1, 1.0)

#include "odec/slope.h"

#if !ADAPTIVE
FN void step(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
             IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, real x_next[]_w)
{
    COEFFICIENTS(STEP_COEFFICIENT)
    real k1[N_STATES]_w;
    slope(x, p, clip, k1);
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + b1*k1[i]_l;
}
#endif


#if defined(ADJOINT) || defined(LOSS)
// The adjoint of one step: w_i = h (b_i w + Σ_j a_ji v_j), v_i = f_x(Y_i)ᵀ w_i, w ← w + Σ v_i.
// The parameters' shares are added to gp; gt and gh are those of the step's time and size.
FN void step_vjp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
                 IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, real w[]_w, real gp[]_pw
                 IF_INPUTS(, real gu[STAGES][N_INPUTS]_w), real gt[1]_w, real gh[1]_w
                 IF_DENSE(, const real g[DEGREE][N_STATES]_w, real q[DEGREE][N_STATES]_w))
{
    COEFFICIENTS(STEP_COEFFICIENT)
    real k1[N_STATES]_w, v1[N_STATES]_w, s[N_STATES]_w;
#if TIMES || DENSE
    slope(x, p, clip, k1);
#endif
    EACH(i, N_STATES) s[i]_l = b1*w[i]_l;
    slope_vjp(x, p, clip, s, v1, gp IF_INPUTS(, gu[0]) IF_TIMED(, t1));
#if TIMES
    EACH(i, 1) gt[i]_l = gh[i]_l = R(0.0);
    COEFFICIENTS(PLAIN_COEFFICIENT)
    UNROLL for (int i = 0; i < N_STATES; ++i) EVERY_LANE {
        gh[0]_l += w[i]_l*(k1[i]_l);
    }
#endif
    EACH(i, N_STATES) w[i]_l += v1[i]_l;
}
#endif

#if defined(TANGENT)
// One step and its tangent: dt and dh are the tangents of the step's time and size.
FN void step_jvp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
                 IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, const real dx[]_w,
                 const real dt[1]_w,
                 const real dh[1]_w, const real dp[]_w, IF_INPUTS(const real du[STAGES][N_INPUTS]_w,)
                 real x_next[]_w, real dx_next[]_w
                 IF_DENSE(, real q[DEGREE][N_STATES]_w, real dq[DEGREE][N_STATES]_w))
{
    COEFFICIENTS(STEP_COEFFICIENT)
    COEFFICIENTS(PLAIN_COEFFICIENT)
    real k1[N_STATES]_w, d1[N_STATES]_w, y[N_STATES]_w, dy[N_STATES]_w;
    slope(x, p, clip, k1);
    rhs_jvp(x, p, IF_TIMED(when,) dx, dp, IF_INPUTS(du[0],) d1);
#if CLIP
    EACH(i, N_STATES) d1[i]_l = fabs(k1[i]_l) < clip ? d1[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + b1*k1[i]_l;
    EACH(i, N_STATES) dx_next[i]_l = dx[i]_l + b1*d1[i]_l + dh[0]_l*(k1[i]_l);
}
#endif

#if defined(FIT) && !GPU
// The states at the first time.
MODEL_FN void initial(IF_INITIAL_TIMED(const double time_w,) const real p[]_pw, real x[]_w)
{
    EVERY_LANE {
        const real x1 = R(100.0);  // competition.ode:13
        const real x2 = R(150.0);  // competition.ode:14
        x[0]_l = x1;
        x[1]_l = x2;
    }
}

#if defined(LOSS)
// Adds w·∂x/∂p to gp.
MODEL_FN void initial_vjp(IF_INITIAL_TIMED(const double time_w,) const real p[]_pw, const real w[]_w,
        real gp[]_pw,
                          real gt[]_w)
{
    EVERY_LANE {

    }
}
#endif

#if defined(TANGENT)
// ∂x/∂p·dp.
MODEL_FN void initial_jvp(IF_INITIAL_TIMED(const double time_w,) const real p[]_pw, const real dt[]_w,
                          const real dp[]_w, real dx[]_w)
{
    EVERY_LANE {
        dx[0]_l = R(0.0);
        dx[1]_l = R(0.0);
    }
}
#endif
#endif

#include "odec/kernel.h"
