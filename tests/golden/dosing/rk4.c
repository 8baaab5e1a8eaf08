// dosing: Short infusions again and again: their onset, duration and period are parameters
//
// Written by odec 0.1.0 from dosing.ode (sha256 7b5802a67ef1f828).
// Method: rk4. Engine: native; for a C compiler (vector units, threads) and for NVRTC (one thread per
// trajectory).
// Renamed, as the name means something else in C or here: CL -> my_CL, rate -> rate_.

// --- Sizes, and what the model and the method have ---------------------------------------------------------

#define N_STATES 1
#define N_PARAMS 6
#define N_INPUTS 2
#define N_OBSERVABLES 1
#define INPUTS 1
#define OBSERVED 1
#define TIMED 1
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
#define STAGES 4
#define EXTRA_STAGES 0
#define DEGREE 0
#define TERMS 1
#define DENSE_TIMES(at)
#define STEP_TIMES(at) \
    at(0, t) \
    at(1, t + (1.0/2)*h) \
    at(2, t + (1.0/2)*h) \
    at(3, t + h)
#define STAGE_C { \
    (real)0.0, (real)(1.0/2), (real)(1.0/2), (real)1.0 }
#include "odec/machine.h"
#include "odec/functions.h"

// --- The model ---------------------------------------------------------------------------------------------

// dx/dt of the states at a time.
MODEL_FN void rhs(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                  IF_INPUTS(const real u[]_w,) real dx[]_w)
{
    EVERY_LANE {
        const real A = x[0]_l;
        const real onset = p[0]_l;
        const real duration = p[1]_l;
        const real period = p[2]_l;
        const real rate_ = p[3]_l;
        const real my_CL = p[4]_l;
        const real V = p[5]_l;
        const real asked_0 = u[0]_l;
        const real asked_1 = u[1]_l;
        // dosing.ode:9
        const real dA_dt =
            select((asked_0 - onset > R(0.0)) & (modulo(asked_1 - onset, period) < duration), rate_, R(0.0))
            - my_CL / V * A;
        dx[0]_l = dA_dt;
    }
}

#if defined(ADJOINT) || defined(LOSS)
// w·∂f/∂x and w·∂f/∂u and, added to what is there, w·∂f/∂p and w·∂f/∂t.
MODEL_FN void rhs_vjp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) const real w[]_w, real gx[]_w, real gp[]_pw
                      IF_INPUTS(, real gu[]_w) IF_TIMED(, real gt[]_w))
{
    EVERY_LANE {
        const real A = x[0]_l;
        const real onset = p[0]_l;
        const real duration = p[1]_l;
        const real period = p[2]_l;
        const real my_CL = p[4]_l;
        const real V = p[5]_l;
        const real asked_0 = u[0]_l;
        const real asked_1 = u[1]_l;
        const real w_A = w[0]_l;
        const real c0 = my_CL / V;
        const real g_A = -w_A * c0;
        const real g_rate = select(
            (asked_0 - onset > R(0.0)) & (modulo(asked_1 - onset, period) < duration), w_A, R(0.0)
        );
        const real c1 = w_A * A;
        const real g_CL = -c1 / V;
        const real g_V = c1 * c0 / V;
        gx[0]_l = g_A;
        gp[3]_l += g_rate;
        gp[4]_l += g_CL;
        gp[5]_l += g_V;
        gu[0]_l = R(0.0);
        gu[1]_l = R(0.0);
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
        const real A = x[0]_l;
        const real onset = p[0]_l;
        const real duration = p[1]_l;
        const real period = p[2]_l;
        const real my_CL = p[4]_l;
        const real V = p[5]_l;
        const real asked_0 = u[0]_l;
        const real asked_1 = u[1]_l;
        const real d_A = dx[0]_l;
        const real d_rate = dp[3]_l;
        const real d_CL = dp[4]_l;
        const real d_V = dp[5]_l;
        const real c0 = select(
            (asked_0 - onset > R(0.0)) & (modulo(asked_1 - onset, period) < duration), d_rate, R(0.0)
        );
        const real c1 = my_CL / V;
        const real d_dA_dt = c0 - ((d_CL / V - d_V * c1 / V) * A + d_A * c1);
        dk[0]_l = d_dA_dt;
    }
}
#endif

#if defined(SOLVE) || defined(LOSS)
// What is measured.
MODEL_FN void observe(IF_OBSERVE_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) real y[]_w)
{
    EVERY_LANE {
        const real A = x[0]_l;
        const real V = p[5]_l;
        const real C = A / V;  // dosing.ode:10
        y[0]_l = C;
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
        const real A = x[0]_l;
        const real V = p[5]_l;
        const real w_C = w[0]_l;
        const real C = A / V;  // dosing.ode:10
        const real g_A = w_C / V;
        const real g_V = -w_C * C / V;
        gx[0]_l = g_A;
        gp[5]_l += g_V;
    }
}
#endif

// --- One step of rk4 (Kutta 1901; Hairer, Nørsett & Wanner I, table II.1.2)

#define COEFFICIENTS(of) of(a21, 1.0/2) of(a32, 1.0/2) of(a43, 1.0) of(b1, 1.0/6) of(b2, 1.0/3)

#include "odec/slope.h"

#if !ADAPTIVE
FN void step(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
             IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, real x_next[]_w)
{
    COEFFICIENTS(STEP_COEFFICIENT)
    real k1[N_STATES]_w, k2[N_STATES]_w, k3[N_STATES]_w, k4[N_STATES]_w, y[N_STATES]_w;
    slope(time[0], x, p, u[0], clip, k1);
    EACH(i, N_STATES) y[i]_l = x[i]_l + a21*k1[i]_l;
    slope(time[1], y, p, u[1], clip, k2);
    EACH(i, N_STATES) y[i]_l = x[i]_l + a32*k2[i]_l;
    slope(time[2], y, p, u[2], clip, k3);
    EACH(i, N_STATES) y[i]_l = x[i]_l + a43*k3[i]_l;
    slope(time[3], y, p, u[3], clip, k4);
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + b1*(k1[i]_l + (k2[i]_l + k3[i]_l) + (k2[i]_l + k3[i]_l)
            + k4[i]_l);
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
    real k1[N_STATES]_w, v1[N_STATES]_w, k2[N_STATES]_w, v2[N_STATES]_w, k3[N_STATES]_w, v3[N_STATES]_w,
            k4[N_STATES]_w, v4[N_STATES]_w, s[N_STATES]_w;
    real y2[N_STATES]_w;
    real y3[N_STATES]_w;
    real y4[N_STATES]_w;
    slope(time[0], x, p, u[0], clip, k1);
    EACH(i, N_STATES) y2[i]_l = x[i]_l + a21*k1[i]_l;
    slope(time[1], y2, p, u[1], clip, k2);
    EACH(i, N_STATES) y3[i]_l = x[i]_l + a32*k2[i]_l;
    slope(time[2], y3, p, u[2], clip, k3);
    EACH(i, N_STATES) y4[i]_l = x[i]_l + a43*k3[i]_l;
#if TIMES || DENSE
    slope(time[3], y4, p, u[3], clip, k4);
#endif
    real t1[1]_w, t2[1]_w, t3[1]_w, t4[1]_w;
    EACH(i, 1) { t1[i]_l = t2[i]_l = t3[i]_l = t4[i]_l = R(0.0); }
    real w1[N_STATES]_w;
    EACH(i, N_STATES) w1[i]_l = b1*w[i]_l;
    EACH(i, N_STATES) s[i]_l = w1[i]_l;
    slope_vjp(time[3], y4, p, u[3], clip, s, v4, gp IF_INPUTS(, gu[3]) IF_TIMED(, t4));
    EACH(i, N_STATES) s[i]_l = a43*v4[i]_l + w1[i]_l + w1[i]_l;
    slope_vjp(time[2], y3, p, u[2], clip, s, v3, gp IF_INPUTS(, gu[2]) IF_TIMED(, t3));
    EACH(i, N_STATES) s[i]_l = a32*v3[i]_l + w1[i]_l + w1[i]_l;
    slope_vjp(time[1], y2, p, u[1], clip, s, v2, gp IF_INPUTS(, gu[1]) IF_TIMED(, t2));
    EACH(i, N_STATES) s[i]_l = a21*v2[i]_l + w1[i]_l;
    slope_vjp(time[0], x, p, u[0], clip, s, v1, gp IF_INPUTS(, gu[0]) IF_TIMED(, t1));
#if TIMES
    EACH(i, 1) gt[i]_l = gh[i]_l = R(0.0);
    EACH(i, 1) gt[i]_l = t1[i]_l + t2[i]_l + t3[i]_l + t4[i]_l;
    EACH(i, 1) gh[i]_l += (real)(1.0/2)*t2[i]_l;
    EACH(i, 1) gh[i]_l += (real)(1.0/2)*t3[i]_l;
    EACH(i, 1) gh[i]_l += (real)1.0*t4[i]_l;
    COEFFICIENTS(PLAIN_COEFFICIENT)
    UNROLL for (int i = 0; i < N_STATES; ++i) EVERY_LANE {
        gh[0]_l += w[i]_l*(plain_b1*k1[i]_l + plain_b2*k2[i]_l + plain_b2*k3[i]_l + plain_b1*k4[i]_l);
        gh[0]_l += v2[i]_l*(plain_a21*k1[i]_l);
        gh[0]_l += v3[i]_l*(plain_a32*k2[i]_l);
        gh[0]_l += v4[i]_l*(k3[i]_l);
    }
#endif
    EACH(i, N_STATES) w[i]_l += v1[i]_l + v2[i]_l + v3[i]_l + v4[i]_l;
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
    real k1[N_STATES]_w, d1[N_STATES]_w, k2[N_STATES]_w, d2[N_STATES]_w, k3[N_STATES]_w, d3[N_STATES]_w,
            k4[N_STATES]_w, d4[N_STATES]_w, y[N_STATES]_w, dy[N_STATES]_w;
    real when[1]_w;
    EACH(i, 1) when[i]_l = dt[i]_l;
    slope(time[0], x, p, u[0], clip, k1);
    rhs_jvp(time[0], x, p, u[0], IF_TIMED(when,) dx, dp, IF_INPUTS(du[0],) d1);
#if CLIP
    EACH(i, N_STATES) d1[i]_l = fabs(k1[i]_l) < clip ? d1[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + a21*k1[i]_l;
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a21*d1[i]_l + dh[0]_l*(plain_a21*k1[i]_l);
    EACH(i, 1) when[i]_l = dt[i]_l + (real)(1.0/2)*dh[i]_l;
    slope(time[1], y, p, u[1], clip, k2);
    rhs_jvp(time[1], y, p, u[1], IF_TIMED(when,) dy, dp, IF_INPUTS(du[1],) d2);
#if CLIP
    EACH(i, N_STATES) d2[i]_l = fabs(k2[i]_l) < clip ? d2[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + a32*k2[i]_l;
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a32*d2[i]_l + dh[0]_l*(plain_a32*k2[i]_l);
    EACH(i, 1) when[i]_l = dt[i]_l + (real)(1.0/2)*dh[i]_l;
    slope(time[2], y, p, u[2], clip, k3);
    rhs_jvp(time[2], y, p, u[2], IF_TIMED(when,) dy, dp, IF_INPUTS(du[2],) d3);
#if CLIP
    EACH(i, N_STATES) d3[i]_l = fabs(k3[i]_l) < clip ? d3[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + a43*k3[i]_l;
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a43*d3[i]_l + dh[0]_l*(k3[i]_l);
    EACH(i, 1) when[i]_l = dt[i]_l + (real)1.0*dh[i]_l;
    slope(time[3], y, p, u[3], clip, k4);
    rhs_jvp(time[3], y, p, u[3], IF_TIMED(when,) dy, dp, IF_INPUTS(du[3],) d4);
#if CLIP
    EACH(i, N_STATES) d4[i]_l = fabs(k4[i]_l) < clip ? d4[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + b1*(k1[i]_l + (k2[i]_l + k3[i]_l) + (k2[i]_l + k3[i]_l)
            + k4[i]_l);
    EACH(i, N_STATES) dx_next[i]_l = dx[i]_l + b1*(d1[i]_l + (d2[i]_l + d3[i]_l) + (d2[i]_l + d3[i]_l)
            + d4[i]_l) + dh[0]_l*(plain_b1*k1[i]_l + plain_b2*k2[i]_l + plain_b2*k3[i]_l + plain_b1*k4[i]_l);
}
#endif

#if defined(FIT) && !GPU
// The states at the first time.
MODEL_FN void initial(IF_INITIAL_TIMED(const double time_w,) const real p[]_pw, real x[]_w)
{
    EVERY_LANE {
        const real A = R(1.0);  // dosing.ode:8
        x[0]_l = A;
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
    }
}
#endif
#endif

#include "odec/kernel.h"
