// clashes: Names that mean something else in Python, torch or the generated module
//
// Written by odec 0.1.0 from clashes.ode (sha256 8ac0d21d4de2e438).
// Method: euler. Engine: native; for a C compiler (vector units, threads) and for NVRTC (one thread per
// trajectory).
// Renamed, as the name means something else in C or here: __class__ -> my___class__, class -> class_, dt ->
// dt_, du -> du_, h -> h_, p -> p_, rhs -> rhs_, step -> step_, u -> u_, w -> w_, x -> x_.

// --- Sizes, and what the model and the method have ---------------------------------------------------------

#define N_STATES 8
#define N_PARAMS 16
#define N_INPUTS 0
#define N_OBSERVABLES 2
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

CONSTANT real nn = R(2.0);  // clashes.ode:19
CONSTANT real len = R(0.1);  // clashes.ode:20
CONSTANT real rhs_ = R(0.05);  // clashes.ode:21

// dx/dt of the states at a time.
MODEL_FN void rhs(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                  IF_INPUTS(const real u[]_w,) real dx[]_w)
{
    EVERY_LANE {
        const real S = x[0]_l;
        const real I = x[1]_l;
        const real E = x[2]_l;
        const real Q = x[3]_l;
        const real x_ = x[4]_l;
        const real p_ = x[5]_l;
        const real w_ = x[6]_l;
        const real u_ = x[7]_l;
        const real beta = p[0]_l;
        const real gamma = p[1]_l;
        const real lambda = p[2]_l;
        const real N = p[3]_l;
        const real zeta = p[4]_l;
        const real type = p[5]_l;
        const real class_ = p[6]_l;
        const real torch = p[7]_l;
        const real math = p[8]_l;
        const real self = p[9]_l;
        const real forward = p[10]_l;
        const real dt_ = p[11]_l;
        const real du_ = p[12]_l;
        const real my___class__ = p[13]_l;
        const real training = p[14]_l;
        const real None = p[15]_l;
        const real step_ = beta * S * I / N;  // clashes.ode:30
        const real dS_dt = -step_ + lambda * type;  // clashes.ode:31
        const real dI_dt = gamma * E - zeta * I;  // clashes.ode:32
        const real dE_dt = step_ - gamma * E - len * E;  // clashes.ode:33
        const real dQ_dt = class_ * torch * I - math * Q * self;  // clashes.ode:34
        const real dx_dt = forward * p_ - x_ * dt_ + rhs_;  // clashes.ode:35
        const real dp_dt = -p_ * du_ + w_ / nn;  // clashes.ode:36
        const real dw_dt = -w_ * my___class__ + u_ * training;  // clashes.ode:37
        const real du_dt = -u_ * None;  // clashes.ode:38
        dx[0]_l = dS_dt;
        dx[1]_l = dI_dt;
        dx[2]_l = dE_dt;
        dx[3]_l = dQ_dt;
        dx[4]_l = dx_dt;
        dx[5]_l = dp_dt;
        dx[6]_l = dw_dt;
        dx[7]_l = du_dt;
    }
}

#if defined(ADJOINT) || defined(LOSS)
// w·∂f/∂x and w·∂f/∂u and, added to what is there, w·∂f/∂p and w·∂f/∂t.
MODEL_FN void rhs_vjp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) const real w[]_w, real gx[]_w, real gp[]_pw
                      IF_INPUTS(, real gu[]_w) IF_TIMED(, real gt[]_w))
{
    EVERY_LANE {
        const real S = x[0]_l;
        const real I = x[1]_l;
        const real E = x[2]_l;
        const real Q = x[3]_l;
        const real x_ = x[4]_l;
        const real p_ = x[5]_l;
        const real w_ = x[6]_l;
        const real u_ = x[7]_l;
        const real beta = p[0]_l;
        const real gamma = p[1]_l;
        const real lambda = p[2]_l;
        const real N = p[3]_l;
        const real zeta = p[4]_l;
        const real type = p[5]_l;
        const real class_ = p[6]_l;
        const real torch = p[7]_l;
        const real math = p[8]_l;
        const real self = p[9]_l;
        const real forward = p[10]_l;
        const real dt_ = p[11]_l;
        const real du_ = p[12]_l;
        const real my___class__ = p[13]_l;
        const real training = p[14]_l;
        const real None = p[15]_l;
        const real w_S = w[0]_l;
        const real w_I = w[1]_l;
        const real w_E = w[2]_l;
        const real w_Q = w[3]_l;
        const real w_x = w[4]_l;
        const real w_p = w[5]_l;
        const real w_w = w[6]_l;
        const real w_u = w[7]_l;
        const real step_ = beta * S * I / N;  // clashes.ode:30
        const real c0 = w_E - w_S;
        const real c1 = c0 / N;
        const real c2 = c1 * beta;
        const real g_S = c2 * I;
        const real g_I = c2 * S - w_I * zeta + w_Q * class_ * torch;
        const real c3 = w_I - w_E;
        const real g_E = c3 * gamma - w_E * len;
        const real c4 = w_Q * math;
        const real g_Q = -c4 * self;
        const real g_x = -w_x * dt_;
        const real g_p = w_x * forward - w_p * du_;
        const real g_w = w_p / nn - w_w * my___class__;
        const real g_u = w_w * training - w_u * None;
        const real g_beta = c1 * S * I;
        const real g_gamma = c3 * E;
        const real g_lambda = w_S * type;
        const real g_N = -c0 * step_ / N;
        const real g_zeta = -w_I * I;
        const real g_type = w_S * lambda;
        const real c5 = w_Q * I;
        const real g_class = c5 * torch;
        const real g_torch = c5 * class_;
        const real g_math = -w_Q * Q * self;
        const real g_self = -c4 * Q;
        const real g_forward = w_x * p_;
        const real g_dt = -w_x * x_;
        const real g_du = -w_p * p_;
        const real g___class__ = -w_w * w_;
        const real g_training = w_w * u_;
        const real g_None = -w_u * u_;
        gx[0]_l = g_S;
        gx[1]_l = g_I;
        gx[2]_l = g_E;
        gx[3]_l = g_Q;
        gx[4]_l = g_x;
        gx[5]_l = g_p;
        gx[6]_l = g_w;
        gx[7]_l = g_u;
        gp[0]_l += g_beta;
        gp[1]_l += g_gamma;
        gp[2]_l += g_lambda;
        gp[3]_l += g_N;
        gp[4]_l += g_zeta;
        gp[5]_l += g_type;
        gp[6]_l += g_class;
        gp[7]_l += g_torch;
        gp[8]_l += g_math;
        gp[9]_l += g_self;
        gp[10]_l += g_forward;
        gp[11]_l += g_dt;
        gp[12]_l += g_du;
        gp[13]_l += g___class__;
        gp[14]_l += g_training;
        gp[15]_l += g_None;
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
        const real S = x[0]_l;
        const real I = x[1]_l;
        const real E = x[2]_l;
        const real Q = x[3]_l;
        const real x_ = x[4]_l;
        const real p_ = x[5]_l;
        const real w_ = x[6]_l;
        const real u_ = x[7]_l;
        const real beta = p[0]_l;
        const real gamma = p[1]_l;
        const real lambda = p[2]_l;
        const real N = p[3]_l;
        const real zeta = p[4]_l;
        const real type = p[5]_l;
        const real class_ = p[6]_l;
        const real torch = p[7]_l;
        const real math = p[8]_l;
        const real self = p[9]_l;
        const real forward = p[10]_l;
        const real dt_ = p[11]_l;
        const real du_ = p[12]_l;
        const real my___class__ = p[13]_l;
        const real training = p[14]_l;
        const real None = p[15]_l;
        const real d_S = dx[0]_l;
        const real d_I = dx[1]_l;
        const real d_E = dx[2]_l;
        const real d_Q = dx[3]_l;
        const real d_x = dx[4]_l;
        const real d_p = dx[5]_l;
        const real d_w = dx[6]_l;
        const real d_u = dx[7]_l;
        const real d_beta = dp[0]_l;
        const real d_gamma = dp[1]_l;
        const real d_lambda = dp[2]_l;
        const real d_N = dp[3]_l;
        const real d_zeta = dp[4]_l;
        const real d_type = dp[5]_l;
        const real d_class = dp[6]_l;
        const real d_torch = dp[7]_l;
        const real d_math = dp[8]_l;
        const real d_self = dp[9]_l;
        const real d_forward = dp[10]_l;
        const real d_dt = dp[11]_l;
        const real d_du = dp[12]_l;
        const real d___class__ = dp[13]_l;
        const real d_training = dp[14]_l;
        const real d_None = dp[15]_l;
        const real step_ = beta * S * I / N;  // clashes.ode:30
        const real c0 = (d_beta * S * I + d_S * beta * I + d_I * beta * S) / N - d_N * step_ / N;
        const real d_dS_dt = d_lambda * type + d_type * lambda - c0;
        const real c1 = d_gamma * E + d_E * gamma;
        const real d_dI_dt = c1 - (d_zeta * I + d_I * zeta);
        const real d_dE_dt = c0 - c1 - d_E * len;
        const real c2 = d_class * torch * I + d_torch * class_ * I + d_I * class_ * torch;
        const real d_dQ_dt = c2 - (d_math * Q * self + d_Q * math * self + d_self * math * Q);
        const real d_dx_dt = d_forward * p_ + d_p * forward - (d_x * dt_ + d_dt * x_);
        const real d_dp_dt = d_w / nn - (d_p * du_ + d_du * p_);
        const real d_dw_dt = d_u * training + d_training * u_ - (d_w * my___class__ + d___class__ * w_);
        const real d_du_dt = -(d_u * None + d_None * u_);
        dk[0]_l = d_dS_dt;
        dk[1]_l = d_dI_dt;
        dk[2]_l = d_dE_dt;
        dk[3]_l = d_dQ_dt;
        dk[4]_l = d_dx_dt;
        dk[5]_l = d_dp_dt;
        dk[6]_l = d_dw_dt;
        dk[7]_l = d_du_dt;
    }
}
#endif

#if defined(SOLVE) || defined(LOSS)
// What is measured.
MODEL_FN void observe(IF_OBSERVE_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) real y[]_w)
{
    EVERY_LANE {
        const real S = x[0]_l;
        const real I = x[1]_l;
        const real E = x[2]_l;
        const real x_ = x[4]_l;
        const real p_ = x[5]_l;
        const real w_ = x[6]_l;
        const real u_ = x[7]_l;
        const real Tensor = S + I + E;  // clashes.ode:39
        const real h_ = x_ * p_ * w_ * u_;  // clashes.ode:40
        y[0]_l = Tensor;
        y[1]_l = h_;
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
        const real x_ = x[4]_l;
        const real p_ = x[5]_l;
        const real w_ = x[6]_l;
        const real u_ = x[7]_l;
        const real w_Tensor = w[0]_l;
        const real w_h = w[1]_l;
        const real c0 = p_ * w_;
        const real g_x = w_h * c0 * u_;
        const real c1 = w_h * x_;
        const real c2 = c1 * u_;
        const real g_p = c2 * w_;
        const real g_w = c2 * p_;
        const real g_u = c1 * c0;
        gx[0]_l = w_Tensor;
        gx[1]_l = w_Tensor;
        gx[2]_l = w_Tensor;
        gx[3]_l = R(0.0);
        gx[4]_l = g_x;
        gx[5]_l = g_p;
        gx[6]_l = g_w;
        gx[7]_l = g_u;
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
        const real S = R(9.0);  // clashes.ode:22
        const real I = R(1.0);  // clashes.ode:23
        const real E = R(0.5);  // clashes.ode:24
        const real Q = R(0.1);  // clashes.ode:25
        const real x_ = R(0.3);  // clashes.ode:26
        const real p_ = R(0.2);  // clashes.ode:27
        const real w_ = R(0.1);  // clashes.ode:28
        const real u_ = R(0.4);  // clashes.ode:29
        x[0]_l = S;
        x[1]_l = I;
        x[2]_l = E;
        x[3]_l = Q;
        x[4]_l = x_;
        x[5]_l = p_;
        x[6]_l = w_;
        x[7]_l = u_;
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
        dx[2]_l = R(0.0);
        dx[3]_l = R(0.0);
        dx[4]_l = R(0.0);
        dx[5]_l = R(0.0);
        dx[6]_l = R(0.0);
        dx[7]_l = R(0.0);
    }
}
#endif
#endif

#include "odec/kernel.h"
