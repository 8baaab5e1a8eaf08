// What is fitted: parameters as functions of an optimizer's coordinates, for a weighted sum of squares.
// Needs call.h, initial and, for gradients, initial_vjp and initial_jvp.
//
// θ are the coordinates: a fitted parameter is transform(offset + scale θ). Kept in double precision.

enum { NONE, ABOVE, BELOW, BETWEEN, EXPONENTIAL, POWER_OF_TEN };

// One coordinate: which parameter it stands for, and how.
typedef struct {
    int64 param, kind;
    double lower, upper, offset, scale;
} Coordinate;

// What is fitted: the arguments of the simulation, and the coordinates.
typedef struct {
    const Call *call;
    const Coordinate *coordinates;
    int64 size;
    int64 given_x0;  // whether the initial states are given, not the model's own
} Problem;

// Small arrays stand in lanes where everything does: of a single value, the first counts.
#if INNER_LANES
#define _one [0]
#else
#define _one
#endif

// The parameter at θ, and its derivative by θ.
static double natural(const Coordinate *c, double theta, double *slope)
{
    const double raw = c->offset + c->scale*theta;
    double value = raw;
    *slope = c->scale;
    switch (c->kind) {
    case NONE: return value;
    case EXPONENTIAL: value = exp(raw); *slope *= value; return value;
    case POWER_OF_TEN: value = pow(10.0, raw); *slope *= value*2.302585092994045684; return value;
    }
    const double e = exp(-fabs(raw)), logistic = raw >= 0 ? 1/(1 + e) : e/(1 + e);
    const double soft = (raw > 0 ? raw : 0) + log1p(e);
    switch (c->kind) {
    case ABOVE: value = c->lower + soft; *slope *= logistic; break;
    case BELOW: value = c->upper - soft; *slope *= -logistic; break;
    case BETWEEN:
        value = c->lower + (c->upper - c->lower)*logistic;
        *slope *= (c->upper - c->lower)*logistic*(1 - logistic);
        break;
    }
    return value;
}

// The parameters at θ, which become the call's, and their derivatives; the initial states too, where they are
// the model's.
static void place_parameters(const Problem *problem, const double theta[], double slope[], real p[]_w)
{
    const Call *call = problem->call;
    for (int64 k = 0; k < problem->size; ++k) {
        const Coordinate *c = &problem->coordinates[k];
        call->p.at[c->param*call->p.row] = (real)natural(c, theta[k], &slope[k]);
    }
    EACH(i, N_PARAMS) p[i]_l = call->p.at[i*call->p.row];
    if (problem->given_x0) return;
    real x[N_STATES]_w;
#if INITIAL_TIMED
    double time_w;
    EVERY_LANE time_l = call->when[0];
#endif
    initial(IF_INITIAL_TIMED(time,) p, x);
    for (int i = 0; i < N_STATES; ++i) call->x0.at[i*call->x0.row] = x[i]_one;
}
