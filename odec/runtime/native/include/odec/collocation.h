// Steps whose stages are solved together: k_i = f(t + c_i h, y_i), y_i = x + h Σ a_ij k_j.
// Needs the tables RK_…, COUPLED, FIRST (where the stages begin), START_ERROR, and the factorisations lu_…
// and damp_….
//
// With J_i = ∂f/∂x at y_i, each solve is by W = A⁻¹ ⊗ I - h diag(J_i), as I - h (a_ij J_i) = W (A ⊗ I): W has
// fewer nonzeros.

#include "odec/steep.h"

#define EACH_STAGE(i) UNROLL for (int i = 0; i < COUPLED; ++i)
#if FIRST
#define OWN_STAGE(i) i + FIRST
#else
#define OWN_STAGE(i) i
#endif

// Σ_j row_j v_j over the stages.
MODEL_FN void combine(const real row[COUPLED], const real v[]_w, real sum[]_w)
{
    EACH(n, N_STATES) sum[n]_l = row[0]*v[n]_l;
    UNROLL for (int j = 1; j < COUPLED; ++j) EACH(n, N_STATES) sum[n]_l += row[j]*v[j*N_STATES + n]_l;
}

// The states y_i of the stages.
MODEL_FN void stage_states(STEP_SIZE, const real x[]_w, const real k[]_w, real y[]_w)
{
    EACH_STAGE(i) {
        combine(RK_A[i], k, y + i*N_STATES);
        EACH(n, N_STATES) y[i*N_STATES + n]_l = x[n]_l + h_l*y[i*N_STATES + n]_l;
    }
}

// W at the states of the stages, factorised; steep: 1 where one's ∂f/∂x is not finite.
MODEL_FN void factorise_steep(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real y[]_w,
                              const real p[]_w, IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,)
                              real lu[]_w, real steep[1]_w)
{
    real jac[ROOM(COUPLED*N_JACOBIAN)]_w;
    EACH_STAGE(i)
        jacobian(IF_TIMED(time[OWN_STAGE(i)],) y + i*N_STATES, p, IF_INPUTS(u[OWN_STAGE(i)],)
                 jac + i*N_JACOBIAN);
    flatten(COUPLED*N_JACOBIAN, jac, steep);
    lu_factor(jac, h, lu);
}

// W at the states of the stages, factorised.
MODEL_FN void factorise(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real y[]_w, const real p[]_w,
                        IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) real lu[]_w)
{
    real steep[1]_w;
    factorise_steep(IF_TIMED(time,) h, y, p, IF_INPUTS(u,) lu, steep);
}

// Newton's correction of all slopes: (I - h (a_ij J_i))⁻¹ (f - k).
MODEL_FN void correction(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w,
                         const real p[]_w, IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,)
                         const real k[]_w, real y[]_w, real change[]_w, real steep[1]_w)
{
    real lu[N_LU]_w, f[N_COUPLED]_w;
    stage_states(h, x, k, y);
    EACH_STAGE(i)
        rhs(IF_TIMED(time[OWN_STAGE(i)],) y + i*N_STATES, p, IF_INPUTS(u[OWN_STAGE(i)],) f + i*N_STATES);
    EACH(n, N_COUPLED) f[n]_l -= k[n]_l;
    factorise_steep(IF_TIMED(time,) h, y, p, IF_INPUTS(u,) lu, steep);
    lu_solve(lu, f);
    EACH_STAGE(i) combine(RK_INVERSE[i], f, change + i*N_STATES);
}

// The slopes k of the stages by Newton's method from 0.
#define UNKNOWNS N_COUPLED
#define CHANGE(dk) h_l*dk
#define CORRECT correction(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) k, y, change, steep)
MODEL_FN void solve_stages(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w,
                           const real p[]_w, IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) real k[]_w)
{
    EACH(n, N_COUPLED) k[n]_l = R(0.0);
#include "odec/newton.h"
}

FN void step(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
             IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, real x_next[]_w)
{
    real k[N_COUPLED]_w, slope[N_STATES]_w;
    solve_stages(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) k);
    combine(RK_B, k, slope);
    EACH(n, N_STATES) x_next[n]_l = x[n]_l + h_l*slope[n]_l;
}

#if CAN_ADAPT
// One step and the estimate of its local error, its stiff components damped by (I - h γ ∂f/∂x)⁻¹ at the
// step's start. Hairer & Wanner II, IV.8, eq. 8.19.
FN void step_error(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                   IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip,
                   real x_next[]_w, real error[]_w IF_DENSE(, real kept[ALL_STAGES][N_STATES]_w))
{
    real k[N_COUPLED]_w, k0[N_STATES]_w, slope[N_STATES]_w, jac[ROOM(N_JACOBIAN)]_w, w[N_DAMP]_w, steep[1]_w;
    solve_stages(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) k);
    rhs(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) k0);
    combine(RK_E, k, error);
    EACH(n, N_STATES) error[n]_l = h_l*DAMP_SHIFT*(error[n]_l + (real)START_ERROR*k0[n]_l);
    jacobian(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) jac);
    flatten(N_JACOBIAN, jac, steep);
    damp_factor(jac, h, w);
    damp_solve(w, error);
    combine(RK_B, k, slope);
    EACH(n, N_STATES) x_next[n]_l = x[n]_l + h_l*slope[n]_l;
#if DENSE
    EACH_STAGE(i) EACH(n, N_STATES) kept[OWN_STAGE(i)][n]_l = k[i*N_STATES + n]_l;
#endif
}

#if DENSE && !defined(ADJOINT)
// What makes the polynomial x + Σ θ^m q_m of the states within a step, from its stages.
FN void interpolant(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                    IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, const real x_next[]_w,
                    const real k[ALL_STAGES][N_STATES]_w, real q[DEGREE][N_STATES]_w)
{
    UNROLL for (int m = 0; m < DEGREE; ++m) {
        combine(RK_WITHIN[m], k[FIRST], q[m]);
        EACH(n, N_STATES) q[m][n]_l *= h_l;
    }
}
#endif
#endif

#if defined(ADJOINT) || defined(LOSS)
// The adjoint of one step: w_i - h Σ_j a_ji f_x(y_j)ᵀ w_j = h b_i w in one transposed solve,
// v_i = f_x(y_i)ᵀ w_i, w ← w + Σ v_i.
// The parameters' shares are added to gp; gt and gh are those of the step's time and size.
FN void step_vjp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                 IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip, real w[]_w,
                 real gp[]_w IF_INPUTS(, real gu[INPUT_ROWS][N_INPUTS]_w), real gt[1]_w, real gh[1]_w
                 IF_DENSE(, const real g[DEGREE][N_STATES]_w, real within[DEGREE][N_STATES]_w))
{
    real k[N_COUPLED]_w, y[N_COUPLED]_w, q[N_COUPLED]_w, v[N_COUPLED]_w, lu[N_LU]_w
        IF_TIMED(, stage_t[COUPLED]_w);
    solve_stages(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) k);
    stage_states(h, x, k, y);
    factorise(IF_TIMED(time,) h, y, p, IF_INPUTS(u,) lu);
    EACH_STAGE(i) EACH(n, N_STATES) q[i*N_STATES + n]_l = h_l*RK_PULLED[i]*w[n]_l;
#if DENSE
    UNROLL for (int m = 0; m < DEGREE; ++m)
        EACH_STAGE(i) EACH(n, N_STATES) q[i*N_STATES + n]_l += h_l*RK_WITHIN_PULLED[m][i]*g[m][n]_l;
#endif
    lu_solve_transposed(lu, q);
#if TIMED
    EACH(i, COUPLED) stage_t[i]_l = R(0.0);
#endif
    EACH_STAGE(i)
        rhs_vjp(IF_TIMED(time[OWN_STAGE(i)],) y + i*N_STATES, p, IF_INPUTS(u[OWN_STAGE(i)],) q + i*N_STATES,
                v + i*N_STATES, gp IF_INPUTS(, gu[OWN_STAGE(i)]) IF_TIMED(, stage_t + i));
#if INPUTS && FIRST
    EACH(n, N_INPUTS) gu[0][n]_l = R(0.0);
#endif
#if TIMES
    real slope[N_STATES]_w;
    EACH(n, 1) gt[n]_l = gh[n]_l = R(0.0);
#if TIMED
    EACH_STAGE(i) EVERY_LANE {
        gt[0]_l += stage_t[i]_l;
        gh[0]_l += RK_C[i]*stage_t[i]_l;
    }
#endif
    combine(RK_B, k, slope);
    EACH(n, N_STATES) gh[0]_l += w[n]_l*slope[n]_l;
    EACH_STAGE(i) {
        combine(RK_A[i], k, slope);
        EACH(n, N_STATES) gh[0]_l += v[i*N_STATES + n]_l*slope[n]_l;
    }
#if DENSE
    UNROLL for (int m = 0; m < DEGREE; ++m) {
        combine(RK_WITHIN[m], k, within[m]);
        EACH(n, N_STATES) within[m][n]_l *= h_l;
    }
#endif
#endif
    EACH_STAGE(i) EACH(n, N_STATES) w[n]_l += v[i*N_STATES + n]_l;
}
#endif

#if defined(TANGENT)
// One step and its tangent: (I - h (a_ij J_i)) dk = f's tangents along what else the y_i depend on.
// dt and dh are the tangents of the step's time and size.
FN void step_jvp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_w,
                 IF_INPUTS(const real u[INPUT_ROWS][N_INPUTS]_w,) const real clip,
                 const real dx[]_w, const real dt[1]_w, const real dh[1]_w, const real dp[]_w,
                 IF_INPUTS(const real du[INPUT_ROWS][N_INPUTS]_w,) real x_next[]_w, real dx_next[]_w
                 IF_DENSE(, real q[DEGREE][N_STATES]_w, real dq[DEGREE][N_STATES]_w))
{
    real k[N_COUPLED]_w, y[N_COUPLED]_w, d[N_COUPLED]_w, dy[N_STATES]_w, slope[N_STATES]_w, lu[N_LU]_w
        IF_TIMED(, when[1]_w);
    solve_stages(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) k);
    stage_states(h, x, k, y);
    factorise(IF_TIMED(time,) h, y, p, IF_INPUTS(u,) lu);
    EACH_STAGE(i) {
        combine(RK_A[i], k, dy);
        EACH(n, N_STATES) dy[n]_l = dx[n]_l + dh[0]_l*dy[n]_l;
#if TIMED
        EACH(n, 1) when[n]_l = dt[n]_l + RK_C[i]*dh[n]_l;
#endif
        rhs_jvp(IF_TIMED(time[OWN_STAGE(i)],) y + i*N_STATES, p, IF_INPUTS(u[OWN_STAGE(i)],)
                IF_TIMED(when,) dy, dp, IF_INPUTS(du[OWN_STAGE(i)],) d + i*N_STATES);
    }
    lu_solve(lu, d);
    combine(RK_PULLED, d, dy);
    combine(RK_B, k, slope);
    EACH(n, N_STATES) {
        x_next[n]_l = x[n]_l + h_l*slope[n]_l;
        dx_next[n]_l = dx[n]_l + h_l*dy[n]_l + dh[0]_l*slope[n]_l;
    }
#if DENSE
    UNROLL for (int m = 0; m < DEGREE; ++m) {
        combine(RK_WITHIN[m], k, q[m]);
        combine(RK_WITHIN_PULLED[m], d, dq[m]);
        EACH(n, N_STATES) {
            dq[m][n]_l = h_l*dq[m][n]_l + dh[0]_l*q[m][n]_l;
            q[m][n]_l *= h_l;
        }
    }
#endif
}
#endif
