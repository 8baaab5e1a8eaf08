// ricker: The Ricker map: a population with overcrowding. One generation a step.
//
// Written by odec 0.1.0 from ricker.ode (sha256 a62be5977edf6c58).
// Map. Engine: native; for a C compiler (vector units, threads) and for NVRTC (one thread per trajectory).

// --- Sizes, and what the model and the method have ---------------------------------------------------------

#define N_STATES 1
#define N_PARAMS 3
#define N_INPUTS 0
#define N_OBSERVABLES 0
#define INPUTS 0
#define OBSERVED 0
#define TIMED 0
#define OBSERVE_TIMED 0
#define INITIAL_TIMED 0
#define MAP 1
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

#if REAL_BITS == 32 && !GPU
#define exp expf
#endif
#if VECTOR_LIBM
// The C library's vector versions (at most 4 units in the last place).
extern real exp(real) __attribute__((const, nothrow, simd("notinbranch")));
#endif
#include "odec/functions.h"

// --- The model ---------------------------------------------------------------------------------------------

// x[t + 1] of the states at a time.
MODEL_FN void rhs(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                  IF_INPUTS(const real u[]_w,) real dx[]_w)
{
    EVERY_LANE {
        const real N = x[0]_l;
        const real r = p[0]_l;
        const real K = p[1]_l;
        const real N_next = N * exp(r * (R(1.0) - N / K));  // ricker.ode:10
        dx[0]_l = N_next;
    }
}

#if defined(ADJOINT) || defined(LOSS)
// w·∂f/∂x and w·∂f/∂u and, added to what is there, w·∂f/∂p and w·∂f/∂t.
MODEL_FN void rhs_vjp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                      IF_INPUTS(const real u[]_w,) const real w[]_w, real gx[]_w, real gp[]_pw
                      IF_INPUTS(, real gu[]_w) IF_TIMED(, real gt[]_w))
{
    EVERY_LANE {
        const real N = x[0]_l;
        const real r = p[0]_l;
        const real K = p[1]_l;
        const real w_N = w[0]_l;
        const real c0 = N / K;
        const real c1 = R(1.0) - c0;
        const real c2 = exp(r * c1);
        const real N_next = N * c2;  // ricker.ode:10
        const real g_N = w_N * (c2 - N_next * r / K);
        const real c3 = w_N * N * c2;
        const real g_r = c3 * c1;
        const real g_K = c3 * r * c0 / K;
        gx[0]_l = g_N;
        gp[0]_l += g_r;
        gp[1]_l += g_K;
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
        const real N = x[0]_l;
        const real r = p[0]_l;
        const real K = p[1]_l;
        const real d_N = dx[0]_l;
        const real d_r = dp[0]_l;
        const real d_K = dp[1]_l;
        const real c0 = N / K;
        const real c1 = R(1.0) - c0;
        const real c2 = exp(r * c1);
        const real d_N_next = d_N * c2 + (d_r * c1 - (d_N / K - d_K * c0 / K) * r) * c2 * N;
        dk[0]_l = d_N_next;
    }
}
#endif

#include "odec/step_map.h"

#if defined(FIT) && !GPU
// The states at the first time.
MODEL_FN void initial(IF_INITIAL_TIMED(const double time_w,) const real p[]_pw, real x[]_w)
{
    EVERY_LANE {
        const real N0 = p[2]_l;
        const real N = N0;  // ricker.ode:8
        x[0]_l = N;
    }
}

#if defined(LOSS)
// Adds w·∂x/∂p to gp.
MODEL_FN void initial_vjp(IF_INITIAL_TIMED(const double time_w,) const real p[]_pw, const real w[]_w,
        real gp[]_pw,
                          real gt[]_w)
{
    EVERY_LANE {
        const real w_N = w[0]_l;
        gp[2]_l += w_N;
    }
}
#endif

#if defined(TANGENT)
// ∂x/∂p·dp.
MODEL_FN void initial_jvp(IF_INITIAL_TIMED(const double time_w,) const real p[]_pw, const real dt[]_w,
                          const real dp[]_w, real dx[]_w)
{
    EVERY_LANE {
        const real d_N0 = dp[2]_l;
        dx[0]_l = d_N0;
    }
}
#endif
#endif

#include "odec/kernel.h"
