// The weighted residuals and their Jacobian, by tangents along the coordinates.
// Needs fit.h, initial_jvp, observe and observe_vjp, and adaptive_solve.h or, with fixed steps, tangent.h.

#if defined(FIT_RESIDUALS)
// Where the next residual and its derivatives by θ, a row of the Jacobian, are to be written.
typedef struct {
    double *residual, *row;
} Rows;

// One residual, whose row is filled with the derivatives of its prediction by θ: both are weighted.
FN void end_row(int64 size, double weight, double residual, Rows *rows)
{
    const double root = sqrt(weight);
    *rows->residual++ = root*residual;
    for (int64 i = 0; i < size; ++i) rows->row[i] *= root;
    rows->row += size;
}

// The residuals of output k: states, then observables.
static void add_output(const Problem *problem, int64 k, const real p[]_w, const double slope[], Rows *rows)
{
    const Call *call = problem->call;
    const int64 size = problem->size;
    const real *x = call->observed.at + k*call->observed.time;
    const real *weight = call->weight.at + k*call->weight.time, *data = call->data.at + k*call->data.time;
    for (int i = 0; i < N_STATES; ++i) {
        if (weight[i] == R(0.0)) continue;
        for (int64 d = 0; d < size; ++d)
            rows->row[d] = call->out.at[k*call->out.time + i*call->out.row + d*call->out.item];
        end_row(size, weight[i], x[i] - data[i], rows);
    }
#if OBSERVED
    real at[N_STATES]_w, y[N_OBSERVABLES]_w, w[N_OBSERVABLES]_w, gx[N_STATES]_w, gp[ROOM(N_PARAMS)]_w;
    EACH(i, N_STATES) at[i]_l = x[i];
#if INPUTS
    ALIGNED real lanes[N_INPUTS][LANES];
    real u[N_INPUTS]_w, gu[N_INPUTS]_w;
    inputs_of_output(call, 0, call->when[k], lanes);
    EACH(i, N_INPUTS) u[i]_l = lanes[i][0];
#endif
#if OBSERVE_TIMED
    real gt[1]_w;
    double time_w;
    EVERY_LANE {
        gt[0]_l = R(0.0);
        time_l = call->when[k];
    }
#endif
    observe(IF_OBSERVE_TIMED(time,) at, p, IF_INPUTS(u,) y);
    for (int j = 0; j < N_OBSERVABLES; ++j) {
        if (weight[N_STATES + j] == R(0.0)) continue;
        EACH(i, N_OBSERVABLES) w[i]_l = i == j ? R(1.0) : R(0.0);
        EACH(i, N_PARAMS) gp[i]_l = R(0.0);
        observe_vjp(IF_OBSERVE_TIMED(time,) at, p, IF_INPUTS(u,) w, gx, gp IF_INPUTS(, gu)
                    IF_OBSERVE_TIMED(, gt));
        for (int64 d = 0; d < size; ++d) {
            rows->row[d] = gp[problem->coordinates[d].param]_one*slope[d];
            for (int i = 0; i < N_STATES; ++i)
                rows->row[d] += gx[i]_one*call->out.at[k*call->out.time + i*call->out.row + d*call->out.item];
        }
        end_row(size, weight[N_STATES + j], y[j]_one - data[N_STATES + j], rows);
    }
#endif
}

// The states and their tangents along the directions, at the outputs.
static void simulate(const Call *call, int64 directions)
{
    Pulse pulse = pulse_of(call, 0);
#if ADAPTIVE
    Work work = {0, directions, 0, &pulse};
    integrate(call, &work, 0);
#else
    for (int64 first = 0; first < directions; first += LANES) tangent_block(call, first, &pulse);
#endif
}

// The weighted residuals at θ of all that was measured, in order of time, states before observables, and
// their Jacobian, a row each: the directions of θ run side by side, as lanes.
__attribute__((visibility("default")))
void KERNEL(const Problem *problem, const double *theta, double *residual, double *jacobian)
{
    const Call *call = problem->call;
    const int64 size = problem->size;
    double slope[ROOM(N_PARAMS)];
    Rows rows = {residual, jacobian};
    real p[ROOM(N_PARAMS)]_w, dt[1]_w;
    EACH(i, 1) dt[i]_l = R(0.0);
    place_parameters(problem, theta, slope, p);
#if INITIAL_TIMED
    double time_w;
    EVERY_LANE time_l = call->when[0];
#endif
    for (int64 d = 0; d < size; ++d) {
        real dp[ROOM(N_PARAMS)]_w, dx[N_STATES]_w;
        EACH(i, N_PARAMS) dp[i]_l = i == problem->coordinates[d].param ? (real)slope[d] : R(0.0);
        EACH(i, N_STATES) dx[i]_l = R(0.0);
        if (!problem->given_x0) initial_jvp(IF_INITIAL_TIMED(time,) p, dt, dp, dx);
        for (int i = 0; i < N_PARAMS; ++i) call->d_p.at[d*call->d_p.item + i*call->d_p.row] = dp[i]_one;
        for (int i = 0; i < N_STATES; ++i) call->d_x0.at[d*call->d_x0.item + i*call->d_x0.row] = dx[i]_one;
    }
    simulate(call, size);
    for (int64 k = 0; k < call->times; ++k) add_output(problem, k, p, slope, &rows);
}
#endif
