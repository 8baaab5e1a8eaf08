// The cotangents of outputs within the steps that lanes take back.
// Needs Back and cotangents of adaptive_adjoint.h, and reach of tape.h.

#if DENSE
// The outputs within the steps that lanes take back.
typedef struct {
    BLOCK(w, N_STATES);                        // Σ w, the sum over them of their cotangents,
    ALIGNED real g[DEGREE][N_STATES][LANES];   // Σ θ^m w,
    ALIGNED real q[DEGREE][N_STATES][LANES];   // and the polynomials of the states there
    int64 left[LANES];                         // the outputs that were left before these
} Inside;

// The last outputs of the lanes that are left, where they lie in their steps: θ and their cotangents, or 0.
FN Whole output_before(const Call *call, const Run *run, const Trial *trial, int64 left[LANES],
                       Whole here[LANES], real theta[LANES], Lanes *w)
{
    Whole any = 0;
    for (int l = 0; l < LANES; ++l) {
        const int64 n = left[l] - 1;
        const double at = n >= 0 && trial->good[l] ? reach(call, run, n, l) : 0.0;
        here[l] = at > run->done[l];
        const double part = here[l] ? (at - run->done[l])/(double)trial->size[l] : 0.0;
        int64 row = 0;
        const real *from = here[l] ? cotangents(call, run, n, l, &row) : 0;
        theta[l] = (real)(part < 1.0 ? part : 1.0);
        UNROLL for (int i = 0; i < N_STATES; ++i) w[i][l] = here[l] ? from[i*row] : R(0.0);
        left[l] -= here[l];
        any |= here[l];
    }
    return any;
}

FN void gather_inside(const Call *call, const Run *run, Back *back, const Trial *trial, Inside *inside)
{
    ALIGNED real theta[LANES];
    Whole here[LANES];
    BLOCK(w, N_STATES);
    UNROLL for (int i = 0; i < N_STATES; ++i) EACH_LANE inside->w[i][l] = R(0.0);
    UNROLL for (int m = 0; m < DEGREE; ++m)
        UNROLL for (int i = 0; i < N_STATES; ++i) EACH_LANE inside->g[m][i][l] = R(0.0);
    for (int l = 0; l < LANES; ++l) inside->left[l] = back->left[l];
    while (output_before(call, run, trial, back->left, here, theta, w))
        UNROLL for (int i = 0; i < N_STATES; ++i)
            EACH_LANE {
                real power = w[i][l];
                inside->w[i][l] += power;
                UNROLL for (int m = 0; m < DEGREE; ++m) inside->g[m][i][l] += power *= theta[l];
            }
}

#if TIMES
// Outputs within a step move along its polynomial, as they or the step's ends move.
FN void pull_times(const Call *call, const Run *run, const Trial *trial, Inside *inside, Lanes *gt, Lanes *gh)
{
    const View *g_t = &call->g_t;
    ALIGNED real theta[LANES], rate[LANES];
    Whole here[LANES];
    BLOCK(w, N_STATES);
#if AUTO || !ROSENBROCK  // q of the others is h times a sum
    UNROLL for (int i = 0; i < N_STATES; ++i)
        UNROLL for (int m = 0; m < DEGREE; ++m)
            EACH_LANE gh[0][l] += trial->good[l] IF_AUTO(& ~run->stiff[l])
                    ? inside->g[m][i][l]*inside->q[m][i][l]/trial->h[l] : R(0.0);
#endif
    while (output_before(call, run, trial, inside->left, here, theta, w)) {
        EACH_LANE rate[l] = R(0.0);
        UNROLL for (int i = 0; i < N_STATES; ++i)
            EACH_LANE {
                real slope = R(0.0);
                UNROLL for (int m = DEGREE; m >= 1; --m)
                    slope = (real)m*inside->q[m - 1][i][l] + theta[l]*slope;
                rate[l] += w[i][l]*slope;
            }
        for (int l = 0; l < LANES; ++l) {
            if (!here[l]) continue;
            const real slope = rate[l]/trial->h[l];
            g_t->at[inside->left[l]*g_t->time + run->item[l]*g_t->item] += slope;
            gt[0][l] -= slope;
            gh[0][l] -= theta[l]*slope;
        }
    }
}
#endif
#endif
