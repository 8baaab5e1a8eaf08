// One step of a map, its adjoint and its tangent.
// Needs rhs, and rhs_vjp and rhs_jvp for the other two.

FN void step(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
             IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, real x_next[]_w)
{
#if ARRAYS  // x_next may be x, of which loops over elements read some when others are written
    ALIGNED real next[N_STATES]_w;
    rhs(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) next);
    EACH(i, N_STATES) x_next[i]_l = next[i]_l;
#else
    rhs(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) x_next);
#endif
}

#if defined(ADJOINT) || defined(LOSS)
// The adjoint of one step: w from x_next to x; the shares of the parameters are added to gp.
FN void step_vjp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
                 IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, real w[]_w, real gp[]_pw
                 IF_INPUTS(, real gu[STAGES][N_INPUTS]_w), real gt[1]_w, real gh[1]_w)
{
    real v[N_STATES]_w IF_TIMED(, unused[1]_w);
#if TIMED
    EACH(i, 1) unused[i]_l = R(0.0);
#endif
    rhs_vjp(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) w, v, gp IF_INPUTS(, gu[0]) IF_TIMED(, unused));
    EACH(i, N_STATES) w[i]_l = v[i]_l;
}
#endif

#if defined(TANGENT)
// One step and its tangent.
FN void step_jvp(IF_TIMED(const double time[STAGES]_tw,) STEP_SIZE, const real x[]_w, const real p[]_pw,
                 IF_INPUTS(const real u[STAGES][N_INPUTS]_w,) const real clip, const real dx[]_w,
                 const real dt[1]_w, const real dh[1]_w, const real dp[]_w,
                 IF_INPUTS(const real du[STAGES][N_INPUTS]_w,) real x_next[]_w, real dx_next[]_w)
{
#if ARRAYS
    ALIGNED real next[N_STATES]_w;
    rhs_jvp(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) IF_TIMED(dt,) dx, dp, IF_INPUTS(du[0],) next);
    EACH(i, N_STATES) dx_next[i]_l = next[i]_l;
    step(IF_TIMED(time,) h, x, p, IF_INPUTS(u,) clip, x_next);
#else
    rhs_jvp(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) IF_TIMED(dt,) dx, dp, IF_INPUTS(du[0],) dx_next);
    rhs(IF_TIMED(time[0],) x, p, IF_INPUTS(u[0],) x_next);
#endif
}
#endif
