// competition: Two species that compete for one resource. Each grows logistically towards its own carrying
// capacity 1/iN and loses by meeting the other.
//
// Written by odec 0.1.0 from competition.ode (sha256 97dffc740fb72f9f).
// Method: dopri5. Engine: native; for a C compiler (vector units, threads) and for NVRTC (one thread per
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
#define CAN_ADAPT 1
#define AUTO 0
#define RATES 0
#define FSAL 1
#define TWO_ERRORS 0
#define HAS_DENSE 1
#define STAGES 6
#define EXTRA_STAGES 1
#define DEGREE 4
#define TERMS 0
#define LOCAL_ORDER 6  // of a step's own error
#define ERROR_ORDER 5  // of its estimate
#define ROSENBROCK 0
#include "odec/machine.h"

#if REAL_BITS == 32 && !GPU
#define exp expf
#define log logf
#endif
#if VECTOR_LIBM
// The C library's vector versions (at most 4 units in the last place).
extern real exp(real) __attribute__((const, nothrow, simd("notinbranch")));
extern real log(real) __attribute__((const, nothrow, simd("notinbranch")));
#endif
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

// --- One step of dopri5 (Dormand & Prince, J. Comput. Appl. Math. 6 (1980) 19–26)

#define COEFFICIENTS(of) of(a21, 1.0/5) of(a31, 3.0/40) of(a32, 9.0/40) of(a41, 44.0/45) \
    of(a42, -56.0/15) of(a43, 32.0/9) of(a51, 19372.0/6561) of(a52, -25360.0/2187) of(a53, 64448.0/6561) \
    of(a54, -212.0/729) of(a61, 9017.0/3168) of(a62, -355.0/33) of(a63, 46732.0/5247) of(a64, 49.0/176) \
    of(a65, -5103.0/18656) of(b1, 35.0/384) of(b3, 500.0/1113) of(b4, 125.0/192) of(b5, -2187.0/6784) \
    of(b6, 11.0/84)
#define POLYNOMIAL(of) of(b2_1, -2.8535800653862835) of(b2_3, 4.023133379230305) \
    of(b2_4, -3.7324019615885042) of(b2_5, 2.5548038301849423) of(b2_6, -1.3744241142186024) \
    of(b2_7, 1.3824689317781436) of(b3_1, 3.0717434641059005) of(b3_3, -6.249321565289) \
    of(b3_4, 10.068970589843675) of(b3_5, -6.399112377351017) of(b3_6, 3.272657752246729) \
    of(b3_7, -3.764937863556287) of(b4_1, -1.1270175653862835) of(b4_3, 2.675424484351598) \
    of(b4_4, -5.685526961588504) of(b4_5, 3.5219323679207912) of(b4_6, -1.7672812570757455) \
    of(b4_7, 2.382468931778144)

#include "odec/slope.h"

#if !ADAPTIVE
FN void step(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
             IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, real x_next[]_w)
{
    COEFFICIENTS(STEP_COEFFICIENT)
    real k1[N_STATES]_w, k2[N_STATES]_w, k3[N_STATES]_w, k4[N_STATES]_w, k5[N_STATES]_w, k6[N_STATES]_w,
            y[N_STATES]_w;
    slope(x, p, clip, k1);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a21*k1[i]_l);
    slope(y, p, clip, k2);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a31*k1[i]_l + a32*k2[i]_l);
    slope(y, p, clip, k3);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a41*k1[i]_l + a42*k2[i]_l + a43*k3[i]_l);
    slope(y, p, clip, k4);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a51*k1[i]_l + a52*k2[i]_l + a53*k3[i]_l + a54*k4[i]_l);
    slope(y, p, clip, k5);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a61*k1[i]_l + a62*k2[i]_l + a63*k3[i]_l + a64*k4[i]_l
            + a65*k5[i]_l);
    slope(y, p, clip, k6);
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + TIMES_H(b1*k1[i]_l + b3*k3[i]_l + b4*k4[i]_l + b5*k5[i]_l
            + b6*k6[i]_l);
}
#endif


#if ADAPTIVE
// One step and the estimates of its local error. Where a step's last slope is the next one's first, k1 is
// the one at x and k7 that at x_next.
FN void step_error(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
                   IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, IF_FSAL(const real k1[]_w,)
                   real x_next[]_w, IF_FSAL(real k7[]_w,) real error[]_w IF_TWO_ERRORS(, real lower[]_w)
                   IF_AUTO(, real reach[1]_w, const double atol[], const double rtol)
                   IF_DENSE(, real kept[ALL_STAGES][N_STATES]_w))
{
    COEFFICIENTS(STEP_COEFFICIENT)
    real k2[N_STATES]_w, k3[N_STATES]_w, k4[N_STATES]_w, k5[N_STATES]_w, k6[N_STATES]_w, y[N_STATES]_w;
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a21*k1[i]_l);
    slope(y, p, clip, k2);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a31*k1[i]_l + a32*k2[i]_l);
    slope(y, p, clip, k3);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a41*k1[i]_l + a42*k2[i]_l + a43*k3[i]_l);
    slope(y, p, clip, k4);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a51*k1[i]_l + a52*k2[i]_l + a53*k3[i]_l + a54*k4[i]_l);
    slope(y, p, clip, k5);
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a61*k1[i]_l + a62*k2[i]_l + a63*k3[i]_l + a64*k4[i]_l
            + a65*k5[i]_l);
    slope(y, p, clip, k6);
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + TIMES_H(b1*k1[i]_l + b3*k3[i]_l + b4*k4[i]_l + b5*k5[i]_l
            + b6*k6[i]_l);
    slope(x_next, p, clip, k7);
    EACH(i, N_STATES) error[i]_l = TIMES_H((real)(71.0/57600)*k1[i]_l + (real)(-71.0/16695)*k3[i]_l
            + (real)(71.0/1920)*k4[i]_l + (real)(-17253.0/339200)*k5[i]_l + (real)(22.0/525)*k6[i]_l
                    + (real)(-1.0/40)*k7[i]_l);
#if DENSE
    EACH(i, N_STATES) {
        kept[0][i]_l = k1[i]_l;
        kept[1][i]_l = k2[i]_l;
        kept[2][i]_l = k3[i]_l;
        kept[3][i]_l = k4[i]_l;
        kept[4][i]_l = k5[i]_l;
        kept[5][i]_l = k6[i]_l;
        kept[6][i]_l = k7[i]_l;
    }
#endif
}
#endif

#if DENSE && !defined(ADJOINT)
// What makes the polynomial x + Σ θ^m q_m of the states within a step, from its stages and perhaps some more.
FN void interpolant(IF_TIMED(const double time[ALL_STAGES]_tw,) STEP_SIZE, const real x[]_w,
        const real p[]_pw,
                    IF_INPUTS(const real u[ALL_STAGES][N_INPUTS]_w,) const real clip, const real x_next[]_w,
                    real k[ALL_STAGES][N_STATES]_w, real q[DEGREE][N_STATES]_w)
{
    POLYNOMIAL(COEFFICIENT)
    EACH(i, N_STATES) {
        q[0][i]_l = h_l*(k[0][i]_l);
        q[1][i]_l = h_l*(b2_1*k[0][i]_l + b2_3*k[2][i]_l + b2_4*k[3][i]_l + b2_5*k[4][i]_l + b2_6*k[5][i]_l
                + b2_7*k[6][i]_l);
        q[2][i]_l = h_l*(b3_1*k[0][i]_l + b3_3*k[2][i]_l + b3_4*k[3][i]_l + b3_5*k[4][i]_l + b3_6*k[5][i]_l
                + b3_7*k[6][i]_l);
        q[3][i]_l = h_l*(b4_1*k[0][i]_l + b4_3*k[2][i]_l + b4_4*k[3][i]_l + b4_5*k[4][i]_l + b4_6*k[5][i]_l
                + b4_7*k[6][i]_l);
    }
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
            k4[N_STATES]_w, v4[N_STATES]_w, k5[N_STATES]_w, v5[N_STATES]_w, k6[N_STATES]_w, v6[N_STATES]_w,
                    s[N_STATES]_w;
    real y2[N_STATES]_w;
    real y3[N_STATES]_w;
    real y4[N_STATES]_w;
    real y5[N_STATES]_w;
    real y6[N_STATES]_w;
    slope(x, p, clip, k1);
    EACH(i, N_STATES) y2[i]_l = x[i]_l + TIMES_H(a21*k1[i]_l);
    slope(y2, p, clip, k2);
    EACH(i, N_STATES) y3[i]_l = x[i]_l + TIMES_H(a31*k1[i]_l + a32*k2[i]_l);
    slope(y3, p, clip, k3);
    EACH(i, N_STATES) y4[i]_l = x[i]_l + TIMES_H(a41*k1[i]_l + a42*k2[i]_l + a43*k3[i]_l);
    slope(y4, p, clip, k4);
    EACH(i, N_STATES) y5[i]_l = x[i]_l + TIMES_H(a51*k1[i]_l + a52*k2[i]_l + a53*k3[i]_l + a54*k4[i]_l);
    slope(y5, p, clip, k5);
    EACH(i, N_STATES) y6[i]_l = x[i]_l + TIMES_H(a61*k1[i]_l + a62*k2[i]_l + a63*k3[i]_l + a64*k4[i]_l
            + a65*k5[i]_l);
#if TIMES || DENSE
    slope(y6, p, clip, k6);
#endif
#if DENSE
    // What outputs within the step give to its stages, without h, by g_m = Σ θ^m w over them.
    POLYNOMIAL(COEFFICIENT)
    real x_next[N_STATES]_w, e1[N_STATES]_w, e3[N_STATES]_w, e4[N_STATES]_w, e5[N_STATES]_w, e6[N_STATES]_w,
            k7[N_STATES]_w, v7[N_STATES]_w;
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + h_l*(b1*k1[i]_l + b3*k3[i]_l + b4*k4[i]_l + b5*k5[i]_l
            + b6*k6[i]_l);
#if TIMES
    slope(x_next, p, clip, k7);
    EACH(i, N_STATES) {
        q[0][i]_l = h_l*(k1[i]_l);
        q[1][i]_l = h_l*(b2_1*k1[i]_l + b2_3*k3[i]_l + b2_4*k4[i]_l + b2_5*k5[i]_l + b2_6*k6[i]_l
                + b2_7*k7[i]_l);
        q[2][i]_l = h_l*(b3_1*k1[i]_l + b3_3*k3[i]_l + b3_4*k4[i]_l + b3_5*k5[i]_l + b3_6*k6[i]_l
                + b3_7*k7[i]_l);
        q[3][i]_l = h_l*(b4_1*k1[i]_l + b4_3*k3[i]_l + b4_4*k4[i]_l + b4_5*k5[i]_l + b4_6*k6[i]_l
                + b4_7*k7[i]_l);
    }
#endif
    EACH(i, N_STATES) s[i]_l = h_l*(b2_7*g[1][i]_l + b3_7*g[2][i]_l + b4_7*g[3][i]_l);
    slope_vjp(x_next, p, clip, s, v7, gp IF_INPUTS(, gu[6]) IF_TIMED(, t7));
    EACH(i, N_STATES) {
        w[i]_l += v7[i]_l;
        e1[i]_l = g[0][i]_l + b2_1*g[1][i]_l + b3_1*g[2][i]_l + b4_1*g[3][i]_l;
        e3[i]_l = b2_3*g[1][i]_l + b3_3*g[2][i]_l + b4_3*g[3][i]_l;
        e4[i]_l = b2_4*g[1][i]_l + b3_4*g[2][i]_l + b4_4*g[3][i]_l;
        e5[i]_l = b2_5*g[1][i]_l + b3_5*g[2][i]_l + b4_5*g[3][i]_l;
        e6[i]_l = b2_6*g[1][i]_l + b3_6*g[2][i]_l + b4_6*g[3][i]_l;
    }
#endif
    EACH(i, N_STATES) s[i]_l = TIMES_H(b6*w[i]_l IF_DENSE(+ e6[i]_l));
    slope_vjp(y6, p, clip, s, v6, gp IF_INPUTS(, gu[5]) IF_TIMED(, t6));
    EACH(i, N_STATES) s[i]_l = TIMES_H(b5*w[i]_l + a65*v6[i]_l IF_DENSE(+ e5[i]_l));
    slope_vjp(y5, p, clip, s, v5, gp IF_INPUTS(, gu[4]) IF_TIMED(, t5));
    EACH(i, N_STATES) s[i]_l = TIMES_H(b4*w[i]_l + a54*v5[i]_l + a64*v6[i]_l IF_DENSE(+ e4[i]_l));
    slope_vjp(y4, p, clip, s, v4, gp IF_INPUTS(, gu[3]) IF_TIMED(, t4));
    EACH(i, N_STATES) s[i]_l = TIMES_H(b3*w[i]_l + a43*v4[i]_l + a53*v5[i]_l + a63*v6[i]_l IF_DENSE(+
            e3[i]_l));
    slope_vjp(y3, p, clip, s, v3, gp IF_INPUTS(, gu[2]) IF_TIMED(, t3));
    EACH(i, N_STATES) s[i]_l = TIMES_H(a32*v3[i]_l + a42*v4[i]_l + a52*v5[i]_l + a62*v6[i]_l);
    slope_vjp(y2, p, clip, s, v2, gp IF_INPUTS(, gu[1]) IF_TIMED(, t2));
    EACH(i, N_STATES) s[i]_l = TIMES_H(b1*w[i]_l + a21*v2[i]_l + a31*v3[i]_l + a41*v4[i]_l + a51*v5[i]_l
            + a61*v6[i]_l IF_DENSE(+ e1[i]_l));
    slope_vjp(x, p, clip, s, v1, gp IF_INPUTS(, gu[0]) IF_TIMED(, t1));
#if TIMES
    EACH(i, 1) gt[i]_l = gh[i]_l = R(0.0);
    COEFFICIENTS(PLAIN_COEFFICIENT)
    UNROLL for (int i = 0; i < N_STATES; ++i) EVERY_LANE {
        gh[0]_l += w[i]_l*(plain_b1*k1[i]_l + plain_b3*k3[i]_l + plain_b4*k4[i]_l + plain_b5*k5[i]_l
                + plain_b6*k6[i]_l);
        gh[0]_l += v2[i]_l*(plain_a21*k1[i]_l);
        gh[0]_l += v3[i]_l*(plain_a31*k1[i]_l + plain_a32*k2[i]_l);
        gh[0]_l += v4[i]_l*(plain_a41*k1[i]_l + plain_a42*k2[i]_l + plain_a43*k3[i]_l);
        gh[0]_l += v5[i]_l*(plain_a51*k1[i]_l + plain_a52*k2[i]_l + plain_a53*k3[i]_l + plain_a54*k4[i]_l);
        gh[0]_l += v6[i]_l*(plain_a61*k1[i]_l + plain_a62*k2[i]_l + plain_a63*k3[i]_l + plain_a64*k4[i]_l
                + plain_a65*k5[i]_l);
    }
#if DENSE
#endif
#endif
    EACH(i, N_STATES) w[i]_l += v1[i]_l + v2[i]_l + v3[i]_l + v4[i]_l + v5[i]_l + v6[i]_l;
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
            k4[N_STATES]_w, d4[N_STATES]_w, k5[N_STATES]_w, d5[N_STATES]_w, k6[N_STATES]_w, d6[N_STATES]_w,
                    y[N_STATES]_w, dy[N_STATES]_w;
    slope(x, p, clip, k1);
    rhs_jvp(x, p, IF_TIMED(when,) dx, dp, IF_INPUTS(du[0],) d1);
#if CLIP
    EACH(i, N_STATES) d1[i]_l = fabs(k1[i]_l) < clip ? d1[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a21*k1[i]_l);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + TIMES_H(a21*d1[i]_l) + dh[0]_l*(plain_a21*k1[i]_l);
    slope(y, p, clip, k2);
    rhs_jvp(y, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[1],) d2);
#if CLIP
    EACH(i, N_STATES) d2[i]_l = fabs(k2[i]_l) < clip ? d2[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a31*k1[i]_l + a32*k2[i]_l);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + TIMES_H(a31*d1[i]_l + a32*d2[i]_l) + dh[0]_l*(plain_a31*k1[i]_l
            + plain_a32*k2[i]_l);
    slope(y, p, clip, k3);
    rhs_jvp(y, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[2],) d3);
#if CLIP
    EACH(i, N_STATES) d3[i]_l = fabs(k3[i]_l) < clip ? d3[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a41*k1[i]_l + a42*k2[i]_l + a43*k3[i]_l);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + TIMES_H(a41*d1[i]_l + a42*d2[i]_l + a43*d3[i]_l)
            + dh[0]_l*(plain_a41*k1[i]_l + plain_a42*k2[i]_l + plain_a43*k3[i]_l);
    slope(y, p, clip, k4);
    rhs_jvp(y, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[3],) d4);
#if CLIP
    EACH(i, N_STATES) d4[i]_l = fabs(k4[i]_l) < clip ? d4[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a51*k1[i]_l + a52*k2[i]_l + a53*k3[i]_l + a54*k4[i]_l);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + TIMES_H(a51*d1[i]_l + a52*d2[i]_l + a53*d3[i]_l + a54*d4[i]_l)
            + dh[0]_l*(plain_a51*k1[i]_l + plain_a52*k2[i]_l + plain_a53*k3[i]_l + plain_a54*k4[i]_l);
    slope(y, p, clip, k5);
    rhs_jvp(y, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[4],) d5);
#if CLIP
    EACH(i, N_STATES) d5[i]_l = fabs(k5[i]_l) < clip ? d5[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) y[i]_l = x[i]_l + TIMES_H(a61*k1[i]_l + a62*k2[i]_l + a63*k3[i]_l + a64*k4[i]_l
            + a65*k5[i]_l);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + TIMES_H(a61*d1[i]_l + a62*d2[i]_l + a63*d3[i]_l + a64*d4[i]_l
            + a65*d5[i]_l) + dh[0]_l*(plain_a61*k1[i]_l + plain_a62*k2[i]_l + plain_a63*k3[i]_l
                    + plain_a64*k4[i]_l + plain_a65*k5[i]_l);
    slope(y, p, clip, k6);
    rhs_jvp(y, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[5],) d6);
#if CLIP
    EACH(i, N_STATES) d6[i]_l = fabs(k6[i]_l) < clip ? d6[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) x_next[i]_l = x[i]_l + TIMES_H(b1*k1[i]_l + b3*k3[i]_l + b4*k4[i]_l + b5*k5[i]_l
            + b6*k6[i]_l);
    EACH(i, N_STATES) dx_next[i]_l = dx[i]_l + TIMES_H(b1*d1[i]_l + b3*d3[i]_l + b4*d4[i]_l + b5*d5[i]_l
            + b6*d6[i]_l) + dh[0]_l*(plain_b1*k1[i]_l + plain_b3*k3[i]_l + plain_b4*k4[i]_l
                    + plain_b5*k5[i]_l + plain_b6*k6[i]_l);
#if DENSE
    real k7[N_STATES]_w, d7[N_STATES]_w;
    POLYNOMIAL(COEFFICIENT)
    slope(x_next, p, clip, k7);
    rhs_jvp(x_next, p, IF_TIMED(when,) dx_next, dp, IF_INPUTS(du[6],) d7);
#if CLIP
    EACH(i, N_STATES) d7[i]_l = fabs(k7[i]_l) < clip ? d7[i]_l : R(0.0);
#endif
    EACH(i, N_STATES) {
        q[0][i]_l = h_l*(k1[i]_l);
        q[1][i]_l = h_l*(b2_1*k1[i]_l + b2_3*k3[i]_l + b2_4*k4[i]_l + b2_5*k5[i]_l + b2_6*k6[i]_l
                + b2_7*k7[i]_l);
        q[2][i]_l = h_l*(b3_1*k1[i]_l + b3_3*k3[i]_l + b3_4*k4[i]_l + b3_5*k5[i]_l + b3_6*k6[i]_l
                + b3_7*k7[i]_l);
        q[3][i]_l = h_l*(b4_1*k1[i]_l + b4_3*k3[i]_l + b4_4*k4[i]_l + b4_5*k5[i]_l + b4_6*k6[i]_l
                + b4_7*k7[i]_l);
    }
    EACH(i, N_STATES) {
        dq[0][i]_l = h_l*(d1[i]_l) + dh[0]_l*(k1[i]_l);
        dq[1][i]_l = h_l*(b2_1*d1[i]_l + b2_3*d3[i]_l + b2_4*d4[i]_l + b2_5*d5[i]_l + b2_6*d6[i]_l
                + b2_7*d7[i]_l) + dh[0]_l*(b2_1*k1[i]_l + b2_3*k3[i]_l + b2_4*k4[i]_l + b2_5*k5[i]_l
                + b2_6*k6[i]_l + b2_7*k7[i]_l);
        dq[2][i]_l = h_l*(b3_1*d1[i]_l + b3_3*d3[i]_l + b3_4*d4[i]_l + b3_5*d5[i]_l + b3_6*d6[i]_l
                + b3_7*d7[i]_l) + dh[0]_l*(b3_1*k1[i]_l + b3_3*k3[i]_l + b3_4*k4[i]_l + b3_5*k5[i]_l
                + b3_6*k6[i]_l + b3_7*k7[i]_l);
        dq[3][i]_l = h_l*(b4_1*d1[i]_l + b4_3*d3[i]_l + b4_4*d4[i]_l + b4_5*d5[i]_l + b4_6*d6[i]_l
                + b4_7*d7[i]_l) + dh[0]_l*(b4_1*k1[i]_l + b4_3*k3[i]_l + b4_4*k4[i]_l + b4_5*k5[i]_l
                + b4_6*k6[i]_l + b4_7*k7[i]_l);
    }
#endif
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
