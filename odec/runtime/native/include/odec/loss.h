// The weighted squares at the outputs of adaptive runs, and their cotangents, before the way back.
// Needs call.h and, where there are observables, observe_block and observe_vjp_block.

#if WEIGHED
#if OBSERVED
// What the observables at output k add to the loss, to the cotangents w of the states there and to gp.
// A trajectory of which none is measured gets nothing, not even where they are not finite.
FN void weigh_observables(const Call *call, int64 k, int64 first, int64 last, Lanes *x, Param *p, Lanes *data,
                          Lanes *weight, Lanes *w, Param *gp, Lanes *loss, real *sums)
{
    BLOCK(y, N_OBSERVABLES);
    BLOCK(gx, N_STATES);
#if !UNIFORM
    BLOCK(more, N_PARAMS);
#endif
    ALIGNED bool measured[LANES];
    bool any = false;
    for (int l = 0; l < LANES; ++l) {
        measured[l] = false;
        for (int i = 0; i < N_OBSERVABLES; ++i) measured[l] |= weight[i][l] != R(0.0);
        any |= measured[l];
    }
    if (!any) return;
#if UNIFORM
    // Sums over lanes take all of them, with cotangents of 0: each has some state that is measured.
    int other = 0;
    while (!measured[other]) ++other;
    for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES; ++l) x[i][l] = measured[l] ? x[i][l] : x[i][other];
#else
    for (int i = 0; i < N_PARAMS; ++i) EACH_LANE more[i][l] = R(0.0);
#endif
#if OBSERVE_TIMED
    ALIGNED double time[LANES];
    BLOCK(unused_time, 1);
    EACH_LANE {
        time[l] = call->when[k];
        unused_time[0][l] = R(0.0);
    }
#endif
#if INPUTS
    ALIGNED real u[N_INPUTS][LANES], gu[N_INPUTS][LANES];
    inputs_of_output(call, first, call->when[k], u);
#endif
    observe_block(IF_OBSERVE_TIMED(time,) x, p, IF_INPUTS(u,) y);
    for (int i = 0; i < N_OBSERVABLES; ++i)
        EACH_LANE {
            const real q = weight[i][l], residual = q == R(0.0) ? R(0.0) : y[i][l] - data[i][l];
            loss[0][l] += q*residual*residual;
            y[i][l] = R(2.0)*q*residual;
        }
    observe_vjp_block(IF_OBSERVE_TIMED(time,) x, p, IF_INPUTS(u,) y, gx,
                      UNIFORM_OR(gp, more) IF_INPUTS(, gu)
                      IF_OBSERVE_TIMED(, unused_time));
    for (int i = 0; i < N_STATES; ++i) EACH_LANE w[i][l] += measured[l] ? gx[i][l] : R(0.0);
#if !UNIFORM
    for (int i = 0; i < N_PARAMS; ++i) EACH_LANE gp[i][l] += measured[l] ? more[i][l] : R(0.0);
#endif
#if INPUTS
    for (int n = 0; n < N_INPUTS; ++n) EACH_LANE gu[n][l] = measured[l] ? gu[n][l] : R(0.0);
    pull_output_inputs(call, first, last, call->when[k], gu, sums);
#endif
}
#endif

// Output k of the trajectories from `first` on, of those from `begin` to `last` that are on a tape:
// states become cotangents.
FN void weigh_output(const Call *call, const View *outputs, int64 k, int64 begin, int64 first, int64 last,
                     Param *p, Param *gp, Lanes *loss, real *sums)
{
    BLOCK(x, N_STATES);
    BLOCK(w, N_STATES);
    BLOCK(data, N_STATES + N_OBSERVABLES);
    BLOCK(weight, N_STATES + N_OBSERVABLES);
    real *at = outputs->at + k*outputs->time;
    load(call, &call->data, k, first, N_STATES + N_OBSERVABLES, data);
    load(call, &call->weight, k, first, N_STATES + N_OBSERVABLES, weight);
    leave_out(first, last, N_STATES + N_OBSERVABLES, weight);
    for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES; ++l) {
            const int64 item = first + l < last ? first + l : last - 1;
            x[i][l] = at[i*outputs->row + (item - begin)*outputs->item];
        }
    for (int i = 0; i < N_STATES; ++i)
        EACH_LANE {
            const real residual = weight[i][l] == R(0.0) ? R(0.0) : x[i][l] - data[i][l];
            loss[0][l] += weight[i][l]*residual*residual;
            w[i][l] = R(2.0)*weight[i][l]*residual;
        }
#if OBSERVED
    weigh_observables(call, k, first, last, x, p, data + N_STATES, weight + N_STATES, w, gp, loss, sums);
#endif
    for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES && first + l < last; ++l)
            at[i*outputs->row + (first + l - begin)*outputs->item] = w[i][l];
}

// The sums of squares of the trajectories from `begin` to `last`, whose states at the outputs give way to the
// cotangents there. What observables give to the parameters goes to their gradients.
RARE void weigh(const Call *call, const View *outputs, int64 begin, int64 last, real *sums)
{
    for (int64 first = begin; first < last; first += LANES) {
        BLOCK(loss, 1);
        BLOCK_PARAMS(p);
        BLOCK_GRADIENTS(gp, sums);
        EACH_LANE loss[0][l] = R(0.0);
        for (int64 k = 0; k < call->times; ++k)
            weigh_output(call, outputs, k, begin, first, last, p, gp, loss, sums);
        for (int l = 0; l < LANES && first + l < last; ++l) {
            call->loss.at[(first + l)*call->loss.item] = loss[0][l];
#if !UNIFORM
            for (int i = 0; i < N_PARAMS; ++i) {
                if (call->g_p.item) call->g_p.at[i*call->g_p.row + (first + l)*call->g_p.item] = gp[i][l];
                else sums[i] += gp[i][l];
            }
#endif
        }
    }
}
#endif
