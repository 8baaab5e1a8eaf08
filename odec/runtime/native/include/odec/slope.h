// dx/dt held within ±clip, and its VJP.
// Needs rhs and, for gradients, rhs_vjp.

// dx/dt, held within ±clip where that is asked for.
FN void slope(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw, IF_INPUTS(const real u[]_w,)
              const real clip, real k[]_w)
{
    rhs(IF_TIMED(time,) x, p, IF_INPUTS(u,) k);
#if CLIP
    EACH(i, N_STATES) k[i]_l = k[i]_l < -clip ? -clip : k[i]_l > clip ? clip : k[i]_l;
#endif
}

#if defined(ADJOINT) || defined(LOSS)
// The VJP of slope; a component of dx/dt that clip holds passes nothing on.
FN void slope_vjp(IF_TIMED(const double time_w,) const real x[]_w, const real p[]_pw,
                  IF_INPUTS(const real u[]_w,) const real clip, real w[]_w,
                  real gx[]_w, real gp[]_pw IF_INPUTS(, real gu[]_w) IF_TIMED(, real gt[]_w))
{
#if CLIP
    real k[N_STATES]_w;
    rhs(IF_TIMED(time,) x, p, IF_INPUTS(u,) k);
    EACH(i, N_STATES) w[i]_l = fabs(k[i]_l) <= clip ? w[i]_l : R(0.0);
#endif
    rhs_vjp(IF_TIMED(time,) x, p, IF_INPUTS(u,) w, gx, gp IF_INPUTS(, gu) IF_TIMED(, gt));
}
#endif
