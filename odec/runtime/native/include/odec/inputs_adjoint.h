// Cotangents of the inputs at the stages of fixed steps, as gradients of their coefficients and of the times.
// Needs inputs.h and STAGE_C: the stages' c_i, their times within a step.

#if INPUTS && (defined(ADJOINT) || defined(LOSS))
// Adds the inputs' cotangents at some times to the gradients of their coefficients.
FN void pull_inputs(const Call *call, int64 first, const double time[],
                    double middle IF_SIDED(, double reach), int times,
                    real (*gu)[N_INPUTS][LANES], real *sums)
{
    for (int k = 0; k < times; ++k)
        for (int n = 0; n < N_INPUTS; ++n) {
            const Series *s = &call->series[n];
            if (!s->g) continue;
            real since, power = R(1.0);
            bool inside;
            const int64 piece = FIND(time[k]);
            for (int64 j = 0; j < s->terms; ++j, power *= since) {
                const int64 place = piece*s->terms + j;
                for (int l = 0; l < LANES; ++l) {
                    if (first + l >= call->batch) break;
                    if (s->item) s->g[place*call->batch + first + l] += gu[k][n][l]*power;
                    else sums[N_PARAMS + s->offset + place] += gu[k][n][l]*power;
                }
            }
        }
}

#if RATES
// Adds the cotangents of the inputs' rates of change at a step's start to those gradients.
FN void pull_input_rates(const Call *call, int64 first, double time,
                         double middle IF_SIDED(, double reach), real (*grate)[LANES], real *sums)
{
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        if (!s->g) continue;
        real since, power = R(1.0);
        bool inside;
        const int64 piece = FIND(time);
        if (!inside) continue;
        for (int64 j = 1; j < s->terms; ++j, power *= since) {
            const int64 place = piece*s->terms + j;
            for (int l = 0; l < LANES; ++l) {
                if (first + l >= call->batch) break;
                const real share = grate[n][l]*(real)j*power;
                if (s->item) s->g[place*call->batch + first + l] += share;
                else sums[N_PARAMS + s->offset + place] += share;
            }
        }
    }
}
#endif

#if TIMES
// Adds to the times' cotangents what the inputs' change in time gives.
FN void pull_rates(const Call *call, int64 first, const double time[],
                   IF_SIDED(double middle, double reach,) real (*gu)[N_INPUTS][LANES],
                   Lanes *u_rate, Lanes *u_rate_c)
{
#if MAP
    for (int l = 0; l < LANES; ++l) u_rate[0][l] = u_rate_c[0][l] = R(0.0);
#else
    const real c[STAGES] = STAGE_C;
    for (int l = 0; l < LANES; ++l) u_rate[0][l] = u_rate_c[0][l] = R(0.0);
    for (int k = 0; k < STAGES; ++k)
        for (int n = 0; n < N_INPUTS; ++n) {
            const Series *s = &call->series[n];
            const int64 items = s->item ? call->batch : 1;
            real since;
            bool inside;
            const real *a = s->c + FIND_RATE(time[k])*s->terms*items;
            if (!inside) continue;
            for (int l = 0; l < LANES; ++l) {
                const int64 item = item_of(call, first, l)*s->item;
                real rate = R(0.0);
                for (int64 j = s->terms - 1; j >= 1; --j) rate = (real)j*a[j*items + item] + since*rate;
                u_rate[0][l] += rate*gu[k][n][l];
                u_rate_c[0][l] += c[k]*rate*gu[k][n][l];
            }
        }
#if RATES
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        const int64 items = s->item ? call->batch : 1;
        real since;
        bool inside;
        const real *a = s->c + FIND_RATE(time[0])*s->terms*items;
        if (!inside) continue;
        for (int l = 0; l < LANES; ++l) {
            const int64 item = item_of(call, first, l)*s->item;
            real bend = R(0.0);
            for (int64 j = s->terms - 1; j >= 2; --j) bend = (real)(j*(j - 1))*a[j*items + item] + since*bend;
            u_rate[0][l] += bend*gu[STAGES][n][l];
        }
    }
#endif
#endif
}
#endif
#endif
