// competition: Two species that compete for one resource. Each grows logistically towards its own carrying
// capacity 1/iN and loses by meeting the other.
//
// Written by odec 0.1.0 from competition.ode (sha256 97dffc740fb72f9f).
// Method: rodas5p. Engine: native; for a C compiler (vector units, threads) and for NVRTC (one thread per
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
#define FSAL 0
#define TWO_ERRORS 0
#define HAS_DENSE 1
#define STAGES 8
#define EXTRA_STAGES 0
#define DEGREE 4
#define TERMS 0
#define LOCAL_ORDER 6  // of a step's own error
#define ERROR_ORDER 5  // of its estimate
#define ROSENBROCK 1
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

// --- The Jacobian of dx/dt ---------------------------------------------------------------------------------

#define N_JACOBIAN 4

// The nonzeros of ∂f/∂x.
MODEL_FN void jacobian(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_w,
        IF_INPUTS(const real u[]_w,) real jac[]_w)
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
        const real j_x1_x1 = r1 * (R(1.0) - iN1 * x1) - iN1 * r1 * x1 - a1 * x2;
        const real j_x1_x2 = -a1 * x1;
        const real j_x2_x1 = -a2 * x2;
        const real j_x2_x2 = r2 * (R(1.0) - iN2 * x2) - iN2 * r2 * x2 - a2 * x1;
        jac[0]_l = j_x1_x1;
        jac[1]_l = j_x1_x2;
        jac[2]_l = j_x2_x1;
        jac[3]_l = j_x2_x2;
    }
}

// ∂f/∂x dx by the derivatives of the formulas themselves, so that what cancels in their sums cancels here.
MODEL_FN void jacobian_product(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_w,
        IF_INPUTS(const real u[]_w,) const real dx[]_w, real jv[]_w)
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
        const real c0 = d_x1 * r1 * (R(1.0) - iN1 * x1) - d_x1 * iN1 * r1 * x1;
        const real d_dx1_dt = c0 - (d_x1 * a1 * x2 + d_x2 * a1 * x1);
        const real c1 = d_x2 * r2 * (R(1.0) - iN2 * x2) - d_x2 * iN2 * r2 * x2;
        const real d_dx2_dt = c1 - (d_x1 * a2 * x2 + d_x2 * a2 * x1);
        jv[0]_l = d_dx1_dt;
        jv[1]_l = d_dx2_dt;
    }
}

#if defined(ADJOINT) || defined(LOSS)
// The VJP of the nonzeros: w has a cotangent for each. As rhs_vjp, it adds to gp and gt and sets the others.
MODEL_FN void jacobian_vjp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_w,
        IF_INPUTS(const real u[]_w,) const real w[]_w,
                           real gx[]_w, real gp[]_w IF_INPUTS(, real gu[]_w) IF_TIMED(, real gt[]_w))
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
        const real w_j_x1_x1 = w[0]_l;
        const real w_j_x1_x2 = w[1]_l;
        const real w_j_x2_x1 = w[2]_l;
        const real w_j_x2_x2 = w[3]_l;
        const real c0 = r1 * iN1;
        const real g_x1 = w_j_x1_x1 * (-c0 - c0) - w_j_x2_x2 * a2 - w_j_x1_x2 * a1;
        const real c1 = r2 * iN2;
        const real g_x2 = w_j_x2_x2 * (-c1 - c1) - w_j_x1_x1 * a1 - w_j_x2_x1 * a2;
        const real c2 = iN1 * x1;
        const real g_r1 = w_j_x1_x1 * (R(1.0) - c2 - c2);
        const real c3 = iN2 * x2;
        const real g_r2 = w_j_x2_x2 * (R(1.0) - c3 - c3);
        const real g_a1 = -w_j_x1_x1 * x2 - w_j_x1_x2 * x1;
        const real g_a2 = -w_j_x2_x2 * x1 - w_j_x2_x1 * x2;
        const real g_iN1 = -R(2.0) * w_j_x1_x1 * r1 * x1;
        const real g_iN2 = -R(2.0) * w_j_x2_x2 * r2 * x2;
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
// The JVP of the nonzeros.
MODEL_FN void jacobian_jvp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_w,
        IF_INPUTS(const real u[]_w,) IF_TIMED(const real dt[]_w,) const real dx[]_w,
                           const real dp[]_w, IF_INPUTS(const real du[]_w,) real djac[]_w)
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
        const real c0 = d_r1 * (R(1.0) - iN1 * x1) - (d_iN1 * x1 + d_x1 * iN1) * r1;
        const real c1 = c0 - (d_iN1 * r1 * x1 + d_r1 * iN1 * x1 + d_x1 * iN1 * r1);
        const real d_j_x1_x1 = c1 - (d_a1 * x2 + d_x2 * a1);
        const real d_j_x1_x2 = -(d_a1 * x1 + d_x1 * a1);
        const real d_j_x2_x1 = -(d_a2 * x2 + d_x2 * a2);
        const real c2 = d_r2 * (R(1.0) - iN2 * x2) - (d_iN2 * x2 + d_x2 * iN2) * r2;
        const real c3 = c2 - (d_iN2 * r2 * x2 + d_r2 * iN2 * x2 + d_x2 * iN2 * r2);
        const real d_j_x2_x2 = c3 - (d_a2 * x1 + d_x1 * a2);
        djac[0]_l = d_j_x1_x1;
        djac[1]_l = d_j_x1_x2;
        djac[2]_l = d_j_x2_x1;
        djac[3]_l = d_j_x2_x2;
    }
}
#endif

TABLE int JACOBIAN_ROW[] = {
    0, 0, 1, 1
};
TABLE int JACOBIAN_COLUMN[] = {
    0, 1, 0, 1
};

#include "odec/jacobian.h"

#include "odec/pivots.h"

#define N_LU 4
#define SHIFT R(4.718370754707919)

MODEL_FN void lu_factor(const real jac[]_w, STEP_SIZE, real lu[]_w)
{
    EVERY_LANE {
        real w1_1 = SHIFT - h_l*jac[0]_l;
        real w1_2 = -h_l*jac[1]_l;
        real w2_1 = -h_l*jac[2]_l;
        real w2_2 = SHIFT - h_l*jac[3]_l;
        w1_1 = reciprocal(w1_1, SHIFT);
        w2_1 *= w1_1;
        w2_2 -= w2_1*w1_2;
        w2_2 = reciprocal(w2_2, SHIFT + fabs(w2_1*w1_2));
        lu[0]_l = w1_1;
        lu[1]_l = w1_2;
        lu[2]_l = w2_1;
        lu[3]_l = w2_2;
    }
}

// b becomes W⁻¹ b.
MODEL_FN void lu_solve(const real lu[]_w, real b[]_w)
{
    EVERY_LANE {
        real x1 = b[0]_l;
        real x2 = b[1]_l;
        x2 = x2 - lu[2]_l*x1;
        x2 = x2*lu[3]_l;
        x1 = (x1 - lu[1]_l*x2)*lu[0]_l;
        b[0]_l = x1;
        b[1]_l = x2;
    }
}

#if defined(ADJOINT) || defined(LOSS)
// b becomes (Wᵀ)⁻¹ b.
MODEL_FN void lu_solve_transposed(const real lu[]_w, real b[]_w)
{
    EVERY_LANE {
        real x1 = b[0]_l;
        real x2 = b[1]_l;
        x1 = x1*lu[0]_l;
        x2 = (x2 - lu[1]_l*x1)*lu[3]_l;
        x1 = x1 - lu[2]_l*x2;
        b[0]_l = x1;
        b[1]_l = x2;
    }
}
#endif

// --- One step of rodas5p (Steinebach, BIT 63 (2023) 27)
//
// W k_i = h f_i + Σ c_ij k_j, W = I/γ - h ∂f/∂x at the step's start,
// f_i = f(t + α_i h, x + Σ a_ij k_j), x_next = x + Σ m_i k_i; m_i is the last a_ji of its column.

#include "odec/slope.h"
#include "odec/rosenbrock.h"

#define COEFFICIENTS(of) of(a21, 3.0) of(a31, 2.849394379747939) of(a32, 0.45842242204463923) \
    of(a41, -6.954028509809101) of(a42, 2.489845061869568) of(a43, -10.358996098473584) \
    of(a51, 2.8029986275628964) of(a52, 0.5072464736228206) of(a53, -0.3988312541770524) \
    of(a54, -0.04721187230404641) of(a61, -7.502846399306121) of(a62, 2.561846144803919) \
    of(a63, -11.627539656261098) of(a64, -0.18268767659942256) of(a65, 0.030198172008377946) \
    of(c21, -14.155112264123755) of(c31, -17.97296035885952) of(c32, -2.859693295451294) \
    of(c41, 147.12150275711716) of(c42, -1.41221402718213) of(c43, 71.68940251302358) \
    of(c51, 165.43517024871676) of(c52, -0.4592823456491126) of(c53, 42.90938336958603) \
    of(c54, -5.961986721573306) of(c61, 24.854864614690072) of(c62, -3.0009227002832186) \
    of(c63, 47.4931110020768) of(c64, 5.5814197821558125) of(c65, -0.6610691825249471) \
    of(c71, 30.91273214028599) of(c72, -3.1208243349937974) of(c73, 77.79954646070892) \
    of(c74, 34.28646028294783) of(c75, -19.097331116725623) of(c76, -28.087943162872662) \
    of(c81, 37.80277123390563) of(c82, -3.2571969029072276) of(c83, 112.26918849496327) \
    of(c84, 66.9347231244047) of(c85, -40.06618937091002) of(c86, -54.66780262877968) \
    of(c87, -9.48861652309627) of(b1, 0.12236007991300493) of(b2, 0.050238881884182705) \
    of(b3, 1.3238392208663745) of(b4, 1.2643883758622316) of(b5, -0.7904031855871829) \
    of(b6, -0.9680932754194287) of(b7, -0.21426766071346695) of(b8, 0.21193756319429014)
#define POLYNOMIAL(of) of(b1_1, 18.445940457357736) of(b1_2, 0.0038736602192955) \
    of(b1_3, -1.193724251372219) of(b1_4, -2.550612778867943) of(b1_5, 0.555146713329451) \
    of(b1_6, 2.1241088310450404) of(b1_7, 1.4272876194431874) of(b1_8, 0.8279777892984451) \
    of(b2_1, -35.86447536361557) of(b2_2, 1.588978025173108) of(b2_3, -7.390011680591034) \
    of(b2_4, -22.127299463947274) of(b2_5, 19.65118979338797) of(b2_6, 14.856554783201469) \
    of(b2_7, -7.216327922863061) of(b2_8, -6.538213859221817) of(b3_1, 21.335592082873973) \
    of(b3_2, 3.856958974025215) of(b3_3, 69.87757623566245) of(b3_4, 104.62034291244223) \
    of(b3_5, -72.24900970086169) of(b3_6, -75.7705998669138) of(b3_7, 6.633213460592355) \
    of(b3_8, 11.593323255637094) of(b4_1, -11.419903575922262) of(b4_2, -2.8879645146136994) \
    of(b4_3, -72.92137995996029) of(b4_4, -80.12511834622643) of(b4_5, 52.072871366152654) \
    of(b4_6, 59.78993625266729) of(b4_7, 0.15582684282751913) of(b4_8, -4.883087185713722)

// The stages, of which the slopes are f1, f2, …
#define FORWARD(f, TAKE_SLOPE) \
    COEFFICIENTS(COEFFICIENT) \
    real jac[ROOM(N_JACOBIAN)]_w, lu[N_LU]_w; \
    real k1[N_STATES]_w, k2[N_STATES]_w, k3[N_STATES]_w, k4[N_STATES]_w, k5[N_STATES]_w, k6[N_STATES]_w, \
            k7[N_STATES]_w, k8[N_STATES]_w, y2[N_STATES]_w, y3[N_STATES]_w, y4[N_STATES]_w, y5[N_STATES]_w, \
                    y6[N_STATES]_w, y7[N_STATES]_w, y8[N_STATES]_w; \
    jacobian(x, p, jac); \
    lu_factor(jac, h, lu); \
    slope(x, p, clip, f##1); \
    TAKE_SLOPE(b1, f##1) \
    EACH(i, N_STATES) k1[i]_l = h_l*f##1[i]_l; \
    lu_solve(lu, k1); \
    EACH(i, N_STATES) y2[i]_l = x[i]_l + a21*k1[i]_l; \
    slope(y2, p, clip, f##2); \
    TAKE_SLOPE(b2, f##2) \
    EACH(i, N_STATES) k2[i]_l = h_l*f##2[i]_l + c21*k1[i]_l; \
    lu_solve(lu, k2); \
    EACH(i, N_STATES) y3[i]_l = x[i]_l + a31*k1[i]_l + a32*k2[i]_l; \
    slope(y3, p, clip, f##3); \
    TAKE_SLOPE(b3, f##3) \
    EACH(i, N_STATES) k3[i]_l = h_l*f##3[i]_l + c31*k1[i]_l + c32*k2[i]_l; \
    lu_solve(lu, k3); \
    EACH(i, N_STATES) y4[i]_l = x[i]_l + a41*k1[i]_l + a42*k2[i]_l + a43*k3[i]_l; \
    slope(y4, p, clip, f##4); \
    TAKE_SLOPE(b4, f##4) \
    EACH(i, N_STATES) k4[i]_l = h_l*f##4[i]_l + c41*k1[i]_l + c42*k2[i]_l + c43*k3[i]_l; \
    lu_solve(lu, k4); \
    EACH(i, N_STATES) y5[i]_l = x[i]_l + a51*k1[i]_l + a52*k2[i]_l + a53*k3[i]_l + a54*k4[i]_l; \
    slope(y5, p, clip, f##5); \
    TAKE_SLOPE(b5, f##5) \
    EACH(i, N_STATES) k5[i]_l = h_l*f##5[i]_l + c51*k1[i]_l + c52*k2[i]_l + c53*k3[i]_l + c54*k4[i]_l; \
    lu_solve(lu, k5); \
    EACH(i, N_STATES) y6[i]_l = x[i]_l + a61*k1[i]_l + a62*k2[i]_l + a63*k3[i]_l + a64*k4[i]_l + a65*k5[i]_l; \
    slope(y6, p, clip, f##6); \
    TAKE_SLOPE(b6, f##6) \
    EACH(i, N_STATES) k6[i]_l = h_l*f##6[i]_l + c61*k1[i]_l + c62*k2[i]_l + c63*k3[i]_l + c64*k4[i]_l \
            + c65*k5[i]_l; \
    lu_solve(lu, k6); \
    EACH(i, N_STATES) y7[i]_l = y6[i]_l + k6[i]_l; \
    slope(y7, p, clip, f##7); \
    TAKE_SLOPE(b7, f##7) \
    EACH(i, N_STATES) k7[i]_l = h_l*f##7[i]_l + c71*k1[i]_l + c72*k2[i]_l + c73*k3[i]_l + c74*k4[i]_l \
            + c75*k5[i]_l + c76*k6[i]_l; \
    lu_solve(lu, k7); \
    EACH(i, N_STATES) y8[i]_l = y7[i]_l + k7[i]_l; \
    slope(y8, p, clip, f##8); \
    TAKE_SLOPE(b8, f##8) \
    EACH(i, N_STATES) k8[i]_l = h_l*f##8[i]_l + c81*k1[i]_l + c82*k2[i]_l + c83*k3[i]_l + c84*k4[i]_l \
            + c85*k5[i]_l + c86*k6[i]_l + c87*k7[i]_l; \
    lu_solve(lu, k8);

// The step's end. rest: what rounding in the solves took from Σ m_i k_i = h Σ b_i f_i + h ∂f/∂x Σ b_i k_i.
#define FINISH \
    real bk[N_STATES]_w, rest[N_STATES]_w; \
    EACH(i, N_STATES) bk[i]_l = b1*k1[i]_l + b2*k2[i]_l + b3*k3[i]_l + b4*k4[i]_l + b5*k5[i]_l + b6*k6[i]_l \
            + b7*k7[i]_l + b8*k8[i]_l; \
    jacobian_product(x, p, bk, rest); \
    EACH(i, N_STATES) rest[i]_l = SHIFT*(h_l*(bf[i]_l + rest[i]_l) - (a61*k1[i]_l + a62*k2[i]_l + a63*k3[i]_l \
            + a64*k4[i]_l + a65*k5[i]_l + k6[i]_l + k7[i]_l + k8[i]_l)); \
    lu_solve(lu, rest); \
    EACH(i, N_STATES) x_next[i]_l = y8[i]_l + k8[i]_l + rest[i]_l;

FN void step(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
             IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, real x_next[]_w)
{
    real bf[N_STATES]_w;
    EACH(i, N_STATES) bf[i]_l = R(0.0);
    FORWARD(k, ADD_SLOPE)
    FINISH
}

// One step and the estimate of its local error; reach: h |λ| by a bound of the largest eigenvalue.
FN void step_error(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                   IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, real x_next[]_w,
                   real error[]_w IF_AUTO(, real reach[1]_w) IF_DENSE(, real kept[ALL_STAGES][N_STATES]_w))
{
    real bf[N_STATES]_w;
    EACH(i, N_STATES) bf[i]_l = R(0.0);
    FORWARD(k, ADD_SLOPE)
    FINISH
    EACH(i, N_STATES) error[i]_l = k8[i]_l;
#if DENSE
    EACH(i, N_STATES) {
        kept[0][i]_l = k1[i]_l;
        kept[1][i]_l = k2[i]_l;
        kept[2][i]_l = k3[i]_l;
        kept[3][i]_l = k4[i]_l;
        kept[4][i]_l = k5[i]_l;
        kept[5][i]_l = k6[i]_l;
        kept[6][i]_l = k7[i]_l;
        kept[7][i]_l = k8[i]_l;
    }
#endif
}

#if DENSE && !defined(ADJOINT)
// What makes the polynomial x + Σ θ^m q_m of the states within a step, from its stages.
FN void interpolant(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                    IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, const real x_next[]_w,
                    const real k[ALL_STAGES][N_STATES]_w, real q[DEGREE][N_STATES]_w)
{
    POLYNOMIAL(COEFFICIENT)
    EACH(i, N_STATES) {
        q[0][i]_l = b1_1*k[0][i]_l + b1_2*k[1][i]_l + b1_3*k[2][i]_l + b1_4*k[3][i]_l + b1_5*k[4][i]_l
                + b1_6*k[5][i]_l + b1_7*k[6][i]_l + b1_8*k[7][i]_l;
        q[1][i]_l = b2_1*k[0][i]_l + b2_2*k[1][i]_l + b2_3*k[2][i]_l + b2_4*k[3][i]_l + b2_5*k[4][i]_l
                + b2_6*k[5][i]_l + b2_7*k[6][i]_l + b2_8*k[7][i]_l;
        q[2][i]_l = b3_1*k[0][i]_l + b3_2*k[1][i]_l + b3_3*k[2][i]_l + b3_4*k[3][i]_l + b3_5*k[4][i]_l
                + b3_6*k[5][i]_l + b3_7*k[6][i]_l + b3_8*k[7][i]_l;
        q[3][i]_l = b4_1*k[0][i]_l + b4_2*k[1][i]_l + b4_3*k[2][i]_l + b4_4*k[3][i]_l + b4_5*k[4][i]_l
                + b4_6*k[5][i]_l + b4_7*k[6][i]_l + b4_8*k[7][i]_l;
    }
}
#endif

#if defined(ADJOINT) || defined(LOSS)
// The adjoint of one step: Wᵀ q_i = m_i w + Σ_j (a_ji v_j + c_ji q_j), v_i = h f_x(y_i)ᵀ q_i, w ← w + Σ v_i
// and what W and f_t give on account of x: Σ h q_i k_iᵀ is the cotangent of ∂f/∂x, so that no Hessian is
// formed.
// The parameters' shares are added to gp; gt and gh are those of the step's time and size.
FN void step_vjp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                 IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, real w[]_w, real gp[]_w
                 IF_INPUTS(, real gu[INPUT_ROWS][N_INPUTS]_w), real gt[1]_w, real gh[1]_w
                 IF_DENSE(, const real g[DEGREE][N_STATES]_w, real q[DEGREE][N_STATES]_w))
{
    real f1[N_STATES]_w, f2[N_STATES]_w, f3[N_STATES]_w, f4[N_STATES]_w, f5[N_STATES]_w, f6[N_STATES]_w,
            f7[N_STATES]_w, f8[N_STATES]_w;
    FORWARD(f, KEEP_SLOPE)
#if DENSE
    POLYNOMIAL(COEFFICIENT)
#endif
    real q1[N_STATES]_w, q2[N_STATES]_w, q3[N_STATES]_w, q4[N_STATES]_w, q5[N_STATES]_w, q6[N_STATES]_w,
            q7[N_STATES]_w, q8[N_STATES]_w, v1[N_STATES]_w, v2[N_STATES]_w, v3[N_STATES]_w, v4[N_STATES]_w,
                    v5[N_STATES]_w, v6[N_STATES]_w, v7[N_STATES]_w, v8[N_STATES]_w;
    real s[N_STATES]_w, wj[ROOM(N_JACOBIAN)]_w;
    EACH(e, N_JACOBIAN) wj[e]_l = R(0.0);
    EACH(i, N_STATES) q8[i]_l = w[i]_l IF_DENSE(+ b1_8*g[0][i]_l + b2_8*g[1][i]_l + b3_8*g[2][i]_l
            + b4_8*g[3][i]_l);
    lu_solve_transposed(lu, q8);
    EACH(i, N_STATES) s[i]_l = h_l*q8[i]_l;
    slope_vjp(y8, p, clip, s, v8, gp IF_INPUTS(, gu[7]) IF_TIMED(, t8));
    add_outer(q8, k8, wj);
    EACH(i, N_STATES) q7[i]_l = w[i]_l + v8[i]_l + c87*q8[i]_l IF_DENSE(+ b1_7*g[0][i]_l + b2_7*g[1][i]_l
            + b3_7*g[2][i]_l + b4_7*g[3][i]_l);
    lu_solve_transposed(lu, q7);
    EACH(i, N_STATES) s[i]_l = h_l*q7[i]_l;
    slope_vjp(y7, p, clip, s, v7, gp IF_INPUTS(, gu[6]) IF_TIMED(, t7));
    add_outer(q7, k7, wj);
    EACH(i, N_STATES) q6[i]_l = w[i]_l + v7[i]_l + v8[i]_l + c76*q7[i]_l + c86*q8[i]_l IF_DENSE(+
            b1_6*g[0][i]_l + b2_6*g[1][i]_l + b3_6*g[2][i]_l + b4_6*g[3][i]_l);
    lu_solve_transposed(lu, q6);
    EACH(i, N_STATES) s[i]_l = h_l*q6[i]_l;
    slope_vjp(y6, p, clip, s, v6, gp IF_INPUTS(, gu[5]) IF_TIMED(, t6));
    add_outer(q6, k6, wj);
    EACH(i, N_STATES) q5[i]_l = a65*w[i]_l + a65*v6[i]_l + a65*v7[i]_l + a65*v8[i]_l + c65*q6[i]_l
            + c75*q7[i]_l + c85*q8[i]_l IF_DENSE(+ b1_5*g[0][i]_l + b2_5*g[1][i]_l + b3_5*g[2][i]_l
                    + b4_5*g[3][i]_l);
    lu_solve_transposed(lu, q5);
    EACH(i, N_STATES) s[i]_l = h_l*q5[i]_l;
    slope_vjp(y5, p, clip, s, v5, gp IF_INPUTS(, gu[4]) IF_TIMED(, t5));
    add_outer(q5, k5, wj);
    EACH(i, N_STATES) q4[i]_l = a64*w[i]_l + a54*v5[i]_l + a64*v6[i]_l + a64*v7[i]_l + a64*v8[i]_l
            + c54*q5[i]_l + c64*q6[i]_l + c74*q7[i]_l + c84*q8[i]_l IF_DENSE(+ b1_4*g[0][i]_l
                    + b2_4*g[1][i]_l + b3_4*g[2][i]_l + b4_4*g[3][i]_l);
    lu_solve_transposed(lu, q4);
    EACH(i, N_STATES) s[i]_l = h_l*q4[i]_l;
    slope_vjp(y4, p, clip, s, v4, gp IF_INPUTS(, gu[3]) IF_TIMED(, t4));
    add_outer(q4, k4, wj);
    EACH(i, N_STATES) q3[i]_l = a63*w[i]_l + a43*v4[i]_l + a53*v5[i]_l + a63*v6[i]_l + a63*v7[i]_l
            + a63*v8[i]_l + c43*q4[i]_l + c53*q5[i]_l + c63*q6[i]_l + c73*q7[i]_l + c83*q8[i]_l IF_DENSE(+
                    b1_3*g[0][i]_l + b2_3*g[1][i]_l + b3_3*g[2][i]_l + b4_3*g[3][i]_l);
    lu_solve_transposed(lu, q3);
    EACH(i, N_STATES) s[i]_l = h_l*q3[i]_l;
    slope_vjp(y3, p, clip, s, v3, gp IF_INPUTS(, gu[2]) IF_TIMED(, t3));
    add_outer(q3, k3, wj);
    EACH(i, N_STATES) q2[i]_l = a62*w[i]_l + a32*v3[i]_l + a42*v4[i]_l + a52*v5[i]_l + a62*v6[i]_l
            + a62*v7[i]_l + a62*v8[i]_l + c32*q3[i]_l + c42*q4[i]_l + c52*q5[i]_l + c62*q6[i]_l + c72*q7[i]_l
                    + c82*q8[i]_l IF_DENSE(+ b1_2*g[0][i]_l + b2_2*g[1][i]_l + b3_2*g[2][i]_l
                    + b4_2*g[3][i]_l);
    lu_solve_transposed(lu, q2);
    EACH(i, N_STATES) s[i]_l = h_l*q2[i]_l;
    slope_vjp(y2, p, clip, s, v2, gp IF_INPUTS(, gu[1]) IF_TIMED(, t2));
    add_outer(q2, k2, wj);
    EACH(i, N_STATES) q1[i]_l = a61*w[i]_l + a21*v2[i]_l + a31*v3[i]_l + a41*v4[i]_l + a51*v5[i]_l
            + a61*v6[i]_l + a61*v7[i]_l + a61*v8[i]_l + c21*q2[i]_l + c31*q3[i]_l + c41*q4[i]_l + c51*q5[i]_l
                    + c61*q6[i]_l + c71*q7[i]_l + c81*q8[i]_l IF_DENSE(+ b1_1*g[0][i]_l + b2_1*g[1][i]_l
                    + b3_1*g[2][i]_l + b4_1*g[3][i]_l);
    lu_solve_transposed(lu, q1);
    EACH(i, N_STATES) s[i]_l = h_l*q1[i]_l;
    slope_vjp(x, p, clip, s, v1, gp IF_INPUTS(, gu[0]) IF_TIMED(, t1));
    add_outer(q1, k1, wj);
#if TIMES
    EACH(i, 1) gt[i]_l = gh[i]_l = R(0.0);
    EACH(e, N_JACOBIAN) gh[0]_l += wj[e]_l*jac[e]_l;
    UNROLL for (int i = 0; i < N_STATES; ++i) EVERY_LANE {
        gh[0]_l += q1[i]_l*f1[i]_l + q2[i]_l*f2[i]_l + q3[i]_l*f3[i]_l + q4[i]_l*f4[i]_l + q5[i]_l*f5[i]_l
                + q6[i]_l*f6[i]_l + q7[i]_l*f7[i]_l + q8[i]_l*f8[i]_l;
    }
#if DENSE
    EACH(i, N_STATES) {
        q[0][i]_l = b1_1*k1[i]_l + b1_2*k2[i]_l + b1_3*k3[i]_l + b1_4*k4[i]_l + b1_5*k5[i]_l + b1_6*k6[i]_l
                + b1_7*k7[i]_l + b1_8*k8[i]_l;
        q[1][i]_l = b2_1*k1[i]_l + b2_2*k2[i]_l + b2_3*k3[i]_l + b2_4*k4[i]_l + b2_5*k5[i]_l + b2_6*k6[i]_l
                + b2_7*k7[i]_l + b2_8*k8[i]_l;
        q[2][i]_l = b3_1*k1[i]_l + b3_2*k2[i]_l + b3_3*k3[i]_l + b3_4*k4[i]_l + b3_5*k5[i]_l + b3_6*k6[i]_l
                + b3_7*k7[i]_l + b3_8*k8[i]_l;
        q[3][i]_l = b4_1*k1[i]_l + b4_2*k2[i]_l + b4_3*k3[i]_l + b4_4*k4[i]_l + b4_5*k5[i]_l + b4_6*k6[i]_l
                + b4_7*k7[i]_l + b4_8*k8[i]_l;
    }
#endif
#endif
    EACH(i, N_STATES) w[i]_l += v1[i]_l + v2[i]_l + v3[i]_l + v4[i]_l + v5[i]_l + v6[i]_l + v7[i]_l + v8[i]_l;
    EACH(e, N_JACOBIAN) wj[e]_l *= h_l;
    jacobian_vjp(x, p, wj, v1, gp IF_INPUTS(, more) IF_TIMED(, t0));
    EACH(i, N_STATES) w[i]_l += v1[i]_l;
}
#endif

#if defined(TANGENT)
// One step and its tangent: W dk_i = d(right-hand side of k_i) + (dh ∂f/∂x + h d(∂f/∂x)) k_i.
// dt and dh are the tangents of the step's time and size.
FN void step_jvp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                 IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, const real dx[]_w,
                 const real dt[1]_w, const real dh[1]_w, const real dp[]_w,
                 IF_INPUTS(const real du[INPUT_ROWS][N_INPUTS]_w,) real x_next[]_w, real dx_next[]_w
                 IF_DENSE(, real q[DEGREE][N_STATES]_w, real dq[DEGREE][N_STATES]_w))
{
    real f1[N_STATES]_w, f2[N_STATES]_w, f3[N_STATES]_w, f4[N_STATES]_w, f5[N_STATES]_w, f6[N_STATES]_w,
            f7[N_STATES]_w, f8[N_STATES]_w;
    FORWARD(f, KEEP_SLOPE)
    real d1[N_STATES]_w, d2[N_STATES]_w, d3[N_STATES]_w, d4[N_STATES]_w, d5[N_STATES]_w, d6[N_STATES]_w,
            d7[N_STATES]_w, d8[N_STATES]_w, dy[N_STATES]_w, djac[ROOM(N_JACOBIAN)]_w;
    jacobian_jvp(x, p, IF_TIMED(dt,) dx, dp, IF_INPUTS(du[0],) djac);
    EACH(e, N_JACOBIAN) djac[e]_l = h_l*djac[e]_l + dh[0]_l*jac[e]_l;
    rhs_jvp(x, p, IF_TIMED(when,) dx, dp, IF_INPUTS(du[0],) d1);
    EACH(i, N_STATES) d1[i]_l = h_l*d1[i]_l + dh[0]_l*f1[i]_l;
    add_product(djac, k1, d1);
    lu_solve(lu, d1);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a21*d1[i]_l;
    rhs_jvp(y2, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[1],) d2);
    EACH(i, N_STATES) d2[i]_l = h_l*d2[i]_l + dh[0]_l*f2[i]_l + c21*d1[i]_l;
    add_product(djac, k2, d2);
    lu_solve(lu, d2);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a31*d1[i]_l + a32*d2[i]_l;
    rhs_jvp(y3, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[2],) d3);
    EACH(i, N_STATES) d3[i]_l = h_l*d3[i]_l + dh[0]_l*f3[i]_l + c31*d1[i]_l + c32*d2[i]_l;
    add_product(djac, k3, d3);
    lu_solve(lu, d3);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a41*d1[i]_l + a42*d2[i]_l + a43*d3[i]_l;
    rhs_jvp(y4, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[3],) d4);
    EACH(i, N_STATES) d4[i]_l = h_l*d4[i]_l + dh[0]_l*f4[i]_l + c41*d1[i]_l + c42*d2[i]_l + c43*d3[i]_l;
    add_product(djac, k4, d4);
    lu_solve(lu, d4);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a51*d1[i]_l + a52*d2[i]_l + a53*d3[i]_l + a54*d4[i]_l;
    rhs_jvp(y5, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[4],) d5);
    EACH(i, N_STATES) d5[i]_l = h_l*d5[i]_l + dh[0]_l*f5[i]_l + c51*d1[i]_l + c52*d2[i]_l + c53*d3[i]_l
            + c54*d4[i]_l;
    add_product(djac, k5, d5);
    lu_solve(lu, d5);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a61*d1[i]_l + a62*d2[i]_l + a63*d3[i]_l + a64*d4[i]_l + a65*d5[i]_l;
    rhs_jvp(y6, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[5],) d6);
    EACH(i, N_STATES) d6[i]_l = h_l*d6[i]_l + dh[0]_l*f6[i]_l + c61*d1[i]_l + c62*d2[i]_l + c63*d3[i]_l
            + c64*d4[i]_l + c65*d5[i]_l;
    add_product(djac, k6, d6);
    lu_solve(lu, d6);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a61*d1[i]_l + a62*d2[i]_l + a63*d3[i]_l + a64*d4[i]_l + a65*d5[i]_l
            + d6[i]_l;
    rhs_jvp(y7, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[6],) d7);
    EACH(i, N_STATES) d7[i]_l = h_l*d7[i]_l + dh[0]_l*f7[i]_l + c71*d1[i]_l + c72*d2[i]_l + c73*d3[i]_l
            + c74*d4[i]_l + c75*d5[i]_l + c76*d6[i]_l;
    add_product(djac, k7, d7);
    lu_solve(lu, d7);
    EACH(i, N_STATES) dy[i]_l = dx[i]_l + a61*d1[i]_l + a62*d2[i]_l + a63*d3[i]_l + a64*d4[i]_l + a65*d5[i]_l
            + d6[i]_l + d7[i]_l;
    rhs_jvp(y8, p, IF_TIMED(when,) dy, dp, IF_INPUTS(du[7],) d8);
    EACH(i, N_STATES) d8[i]_l = h_l*d8[i]_l + dh[0]_l*f8[i]_l + c81*d1[i]_l + c82*d2[i]_l + c83*d3[i]_l
            + c84*d4[i]_l + c85*d5[i]_l + c86*d6[i]_l + c87*d7[i]_l;
    add_product(djac, k8, d8);
    lu_solve(lu, d8);
    real bf[N_STATES]_w;
    EACH(i, N_STATES) bf[i]_l = b1*f1[i]_l + b2*f2[i]_l + b3*f3[i]_l + b4*f4[i]_l + b5*f5[i]_l + b6*f6[i]_l
            + b7*f7[i]_l + b8*f8[i]_l;
    FINISH
    EACH(i, N_STATES) dx_next[i]_l = dx[i]_l + a61*d1[i]_l + a62*d2[i]_l + a63*d3[i]_l + a64*d4[i]_l
            + a65*d5[i]_l + d6[i]_l + d7[i]_l + d8[i]_l;
#if DENSE
    POLYNOMIAL(COEFFICIENT)
    EACH(i, N_STATES) {
        q[0][i]_l = b1_1*k1[i]_l + b1_2*k2[i]_l + b1_3*k3[i]_l + b1_4*k4[i]_l + b1_5*k5[i]_l + b1_6*k6[i]_l
                + b1_7*k7[i]_l + b1_8*k8[i]_l;
        dq[0][i]_l = b1_1*d1[i]_l + b1_2*d2[i]_l + b1_3*d3[i]_l + b1_4*d4[i]_l + b1_5*d5[i]_l + b1_6*d6[i]_l
                + b1_7*d7[i]_l + b1_8*d8[i]_l;
        q[1][i]_l = b2_1*k1[i]_l + b2_2*k2[i]_l + b2_3*k3[i]_l + b2_4*k4[i]_l + b2_5*k5[i]_l + b2_6*k6[i]_l
                + b2_7*k7[i]_l + b2_8*k8[i]_l;
        dq[1][i]_l = b2_1*d1[i]_l + b2_2*d2[i]_l + b2_3*d3[i]_l + b2_4*d4[i]_l + b2_5*d5[i]_l + b2_6*d6[i]_l
                + b2_7*d7[i]_l + b2_8*d8[i]_l;
        q[2][i]_l = b3_1*k1[i]_l + b3_2*k2[i]_l + b3_3*k3[i]_l + b3_4*k4[i]_l + b3_5*k5[i]_l + b3_6*k6[i]_l
                + b3_7*k7[i]_l + b3_8*k8[i]_l;
        dq[2][i]_l = b3_1*d1[i]_l + b3_2*d2[i]_l + b3_3*d3[i]_l + b3_4*d4[i]_l + b3_5*d5[i]_l + b3_6*d6[i]_l
                + b3_7*d7[i]_l + b3_8*d8[i]_l;
        q[3][i]_l = b4_1*k1[i]_l + b4_2*k2[i]_l + b4_3*k3[i]_l + b4_4*k4[i]_l + b4_5*k5[i]_l + b4_6*k6[i]_l
                + b4_7*k7[i]_l + b4_8*k8[i]_l;
        dq[3][i]_l = b4_1*d1[i]_l + b4_2*d2[i]_l + b4_3*d3[i]_l + b4_4*d4[i]_l + b4_5*d5[i]_l + b4_6*d6[i]_l
                + b4_7*d7[i]_l + b4_8*d8[i]_l;
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
