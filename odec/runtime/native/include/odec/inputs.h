// When the stages of a step are, and the inputs' values at an output.
// Needs call.h, and STEP_TIMES: the stages' numbers and times, by t and h.

#if (TIMED || OBSERVE_TIMED) && !ADAPTIVE
// a*b rounded, never fused with what follows: times come out the same on every machine.
FN double rounded_product(double a, double b)
{
#if GPU
    return __dmul_rn(a, b);
#else
    double product = a*b;
    __asm__("" : "+m"(product));
    return product;
#endif
}

#define AT_STAGE(number, when) time[number] = when;
// When the stages of step j of an interval are.
FN void stage_times(double start, double h, int64 j, double time[STAGES])
{
    const double t = start + rounded_product((double)j, h);
    STEP_TIMES(AT_STAGE)
}
#endif
#if INPUTS

// The piece of an input that holds at a time, the time since its knot, and whether the knots span the time.
FN int64 find(const Series *s, double time, real *since, bool *inside)
{
    const double first = s->knots[0], last = s->knots[s->n_knots - 1];
    const double t = time < first ? first : time > last ? last : time;
    int64 low = 0, high = s->n_knots;
    while (low < high) {
        const int64 middle = (low + high)/2;
        if (s->knots[middle] <= t) low = middle + 1; else high = middle;
    }
    int64 piece = low - 1 < s->pieces - 1 ? low - 1 : s->pieces - 1;
    piece = piece < 0 ? 0 : piece;
    *since = (real)(t - s->knots[piece]);
    *inside = first <= time && time <= last;
    return piece;
}

// The inputs at an output, of the trajectories from `first` on.
FN void inputs_of_output(const Call *call, int64 first, double time, real (*u)[LANES])
{
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        const int64 items = s->item ? call->batch : 1;
        real since;
        bool inside;
        const real *c = s->c + find(s, time, &since, &inside)*s->terms*items;
        for (int l = 0; l < LANES; ++l) {
            const int64 item = item_of(call, first, l)*s->item;
            real value = c[(s->terms - 1)*items + item];
            for (int64 j = s->terms - 2; j >= 0; --j) value = c[j*items + item] + since*value;
            u[n][l] = value;
        }
    }
}

#if defined(LOSS)
// Adds the inputs' cotangents there, of the trajectories to `last`, to the gradients of their coefficients.
FN void pull_output_inputs(const Call *call, int64 first, int64 last, double time, real (*gu)[LANES],
                           real *sums)
{
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        if (!s->g) continue;
        real since, power = R(1.0);
        bool inside;
        const int64 piece = find(s, time, &since, &inside);
        for (int64 j = 0; j < s->terms; ++j, power *= since) {
            const int64 place = piece*s->terms + j;
            for (int l = 0; l < LANES && first + l < last; ++l) {
                if (s->item) s->g[place*call->batch + first + l] += gu[n][l]*power;
                else sums[N_PARAMS + s->offset + place] += gu[n][l]*power;
            }
        }
    }
}
#endif
#endif
