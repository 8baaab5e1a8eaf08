// Adam: its whole loop, each epoch a simulation with its gradient.
// Needs fit.h, initial_vjp, and adaptive_adjoint.h or, with fixed steps, adjoint.h.

#if defined(FIT_ADAM)
// Where Adam stands. theta, gradient, m, v, best hold one number a coordinate.
typedef struct {
    double *theta, *gradient, *m, *v, *best, *losses;
    double loss, best_loss, lr, beta1, beta2, eps, decay1, decay2;  // decay: beta^count
    int64 failures, most_failures, best_epoch;
} Adam;

#if ADAPTIVE
// One simulation with its gradient, on a tape that the next one takes too; false where it does not fit.
static bool simulate(const Call *call, Pulse *pulse, Tape *tape)
{
    return adjoint_group(call, 0, 1, pulse, tape, 0);
}
#else
// One simulation with its gradient; its tape is the call's.
typedef int Tape;
FN Tape tape_of(const Call *call, int64 worker) { return 0; }
FN void free_tape(Tape *tape) {}
FN bool simulate(const Call *call, Pulse *pulse, Tape *tape)
{
    adjoint_block(call, 0, pulse, call->scratch, call->scratch + call->scratch_tape);
    return true;
}
#endif

// The loss at θ and its gradient; infinite where the simulation fails.
static double evaluate(const Problem *problem, Pulse *pulse, Tape *tape, const double theta[],
                       double gradient[])
{
    const Call *call = problem->call;
    double slope[ROOM(N_PARAMS)];
    real p[ROOM(N_PARAMS)]_w, w[N_STATES]_w, gp[ROOM(N_PARAMS)]_w, gt[1]_w;
    place_parameters(problem, theta, slope, p);
    if (!simulate(call, pulse, tape)) {
#if ADAPTIVE
        *call->control.lacking = 1;
#endif
        return (double)INFINITY;
    }
    const double loss = call->loss.at[0];
    if (!isfinite(loss)) return (double)INFINITY;
    EACH(i, N_PARAMS) gp[i]_l = call->g_p.at[i*call->g_p.row];
    EACH(i, N_STATES) w[i]_l = call->g_x0.at[i*call->g_x0.row];
    if (!problem->given_x0) {
#if INITIAL_TIMED
        double time_w;
        EVERY_LANE time_l = call->when[0];
#endif
        initial_vjp(IF_INITIAL_TIMED(time,) p, w, gp, gt);
    }
    for (int64 k = 0; k < problem->size; ++k) {
        gradient[k] = gp[problem->coordinates[k].param]_one*slope[k];
        if (!isfinite(gradient[k])) return (double)INFINITY;
    }
    return loss;
}

__attribute__((visibility("default")))
double loss_at(const Problem *problem, const double theta[], double gradient[])
{
    Pulse pulse = pulse_of(problem->call, 0);
    Tape tape = tape_of(problem->call, 0);
    const double loss = evaluate(problem, &pulse, &tape, theta, gradient);
    free_tape(&tape);
    return loss;
}

// Epochs of Adam; a step into a failed simulation is taken back and the rate halved. Returns their number.
__attribute__((visibility("default")))
int64 KERNEL(const Problem *problem, Adam *s, int64 epochs)
{
    double theta[ROOM(N_PARAMS)], gradient[ROOM(N_PARAMS)], m[ROOM(N_PARAMS)], v[ROOM(N_PARAMS)];
    Pulse pulse = pulse_of(problem->call, 0);
    Tape tape = tape_of(problem->call, 0);
    int64 epoch = 0;
    while (epoch < epochs && s->failures < s->most_failures && !ended(problem->call)) {
        const double decay1 = s->decay1*s->beta1, decay2 = s->decay2*s->beta2;
        const double rate = s->lr/(1 - decay1), root = 1/sqrt(1 - decay2);
        for (int64 k = 0; k < problem->size; ++k) {
            m[k] = s->m[k] + (s->gradient[k] - s->m[k])*(1 - s->beta1);
            v[k] = s->v[k]*s->beta2 + s->gradient[k]*s->gradient[k]*(1 - s->beta2);
            theta[k] = s->theta[k] - rate*m[k]/(sqrt(v[k])*root + s->eps);
        }
        const double loss = evaluate(problem, &pulse, &tape, theta, gradient);
        const bool good = isfinite(loss);
        for (int64 k = 0; k < problem->size; ++k) {
            s->m[k] = good ? m[k] : 0.0;
            s->v[k] = good ? v[k] : 0.0;
            if (good) {
                s->theta[k] = theta[k];
                s->gradient[k] = gradient[k];
            }
        }
        s->loss = good ? loss : s->loss;
        s->lr = good ? s->lr : s->lr/2;
        s->decay1 = good ? decay1 : 1.0;
        s->decay2 = good ? decay2 : 1.0;
        s->failures = good ? 0 : s->failures + 1;
        s->losses[epoch] = s->loss;
        if (s->loss < s->best_loss) {
            s->best_loss = s->loss;
            s->best_epoch = epoch;
            for (int64 k = 0; k < problem->size; ++k) s->best[k] = s->theta[k];
        }
        ++epoch;
#if ADAPTIVE
        if (*problem->call->control.lacking) break;
#endif
    }
    free_tape(&tape);
    return epoch;
}
#endif
