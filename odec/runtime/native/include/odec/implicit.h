// Stages that are solved one after the other, k = f(t, base + h γ k), and W = (I - h γ ∂f/∂x)/γ.
// Needs GAMMA, SHIFT = 1/γ, rhs, jacobian and the factorisation lu_….

#include "odec/steep.h"

// W at a state, factorised; steep: 1 where ∂f/∂x is not finite there.
MODEL_FN void factorise_steep(IF_TIMED(const double time_w,) STEP_SIZE, const real y[]_w, const real p[]_w,
                              IF_INPUTS(const real u[]_w,) real lu[]_w, real steep[1]_w)
{
    real jac[ROOM(N_JACOBIAN)]_w;
    jacobian(IF_TIMED(time,) y, p, IF_INPUTS(u,) jac);
    flatten(N_JACOBIAN, jac, steep);
    lu_factor(jac, h, lu);
}

// W at a state, factorised.
MODEL_FN void factorise(IF_TIMED(const double time_w,) STEP_SIZE, const real y[]_w, const real p[]_w,
                        IF_INPUTS(const real u[]_w,) real lu[]_w)
{
    real steep[1]_w;
    factorise_steep(IF_TIMED(time,) h, y, p, IF_INPUTS(u,) lu, steep);
}

// Newton's correction of k = f(t, y), y = base + h γ k: (I - h γ ∂f/∂x)⁻¹ (f - k).
MODEL_FN void correction(IF_TIMED(const double time_w,) STEP_SIZE, const real base[]_w, const real p[]_w,
                         IF_INPUTS(const real u[]_w,) const real k[]_w, real y[]_w, real change[]_w,
                         real steep[1]_w)
{
    real lu[N_LU]_w;
    EACH(i, N_STATES) y[i]_l = base[i]_l + h_l*(real)GAMMA*k[i]_l;
    rhs(IF_TIMED(time,) y, p, IF_INPUTS(u,) change);
    EACH(i, N_STATES) change[i]_l = (change[i]_l - k[i]_l)*SHIFT;
    factorise_steep(IF_TIMED(time,) h, y, p, IF_INPUTS(u,) lu, steep);
    lu_solve(lu, change);
}

// The root k of k = f(t, base + h γ k) from a guess.
#define UNKNOWNS N_STATES
#define CHANGE(dk) h_l*(real)GAMMA*dk
#define CORRECT correction(IF_TIMED(time,) h, base, p, IF_INPUTS(u,) k, y, change, steep)
MODEL_FN void solve_stage(IF_TIMED(const double time_w,) STEP_SIZE, const real base[]_w, const real p[]_w,
                          IF_INPUTS(const real u[]_w,) real k[]_w)
{
#include "odec/newton.h"
}
