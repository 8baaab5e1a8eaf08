// When the stages of a step are, and the inputs' values and rates of change then.
// Needs call.h, and STEP_TIMES: the stages' numbers and times, by t and h.

#if (TIMED || OBSERVE_TIMED) && !ADAPTIVE
// a*b rounded, never fused with what follows: times come out the same on every machine.
FN double rounded_product(double a, double b)
{
#if GPU
    return __dmul_rn(a, b);
#else
    volatile double product = a*b;
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

#if SIDED
// The same at a stage of a step that reaches to either side of its middle. Held inputs have the value there.
// At the ends and beyond, where a knot may be, others keep the piece within: a kink there costs no order.
FN int64 find_within(const Series *s, double time, double middle, double reach, real *since, bool *inside)
{
    const double low = middle - reach, high = middle + reach;
    const int64 piece =
        find(s, s->terms == 1 ? middle : time < low ? low : time > high ? high : time, since, inside);
    if (*inside) *since = (real)(time - s->knots[piece]);
    return piece;
}

#define FIND(time) find_within(s, time, middle, reach, &since, &inside)
#define FIND_RATE(time) FIND(time)
#else
#define FIND(time) find(s, s->terms == 1 ? middle : time, &since, &inside)
#define FIND_RATE(time) find(s, time, &since, &inside)
#endif

// The inputs' values at the stages of a step around `middle`, where held ones have the value that they keep.
FN void input_values(const Call *call, int64 first, const double time[],
                     double middle IF_SIDED(, double reach), int times, real (*u)[N_INPUTS][LANES])
{
    for (int k = 0; k < times; ++k)
        for (int n = 0; n < N_INPUTS; ++n) {
            const Series *s = &call->series[n];
            const int64 items = s->item ? call->batch : 1;
            real since;
            bool inside;
            const real *c = s->c + FIND(time[k])*s->terms*items;
            for (int l = 0; l < LANES; ++l) {
                const int64 item = item_of(call, first, l)*s->item;
                real value = c[(s->terms - 1)*items + item];
                for (int64 j = s->terms - 2; j >= 0; --j) value = c[j*items + item] + since*value;
                u[k][n][l] = value;
            }
        }
}

#if RATES
// The inputs' rates of change at a step's start; zero for held ones, and outside the knots.
FN void input_rates(const Call *call, int64 first, double time,
                    double middle IF_SIDED(, double reach), real (*rate)[LANES])
{
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        const int64 items = s->item ? call->batch : 1;
        real since;
        bool inside;
        const real *c = s->c + FIND(time)*s->terms*items;
        for (int l = 0; l < LANES; ++l) {
            const int64 item = item_of(call, first, l)*s->item;
            real value = R(0.0);
            for (int64 j = s->terms - 1; j >= 1; --j) value = (real)j*c[j*items + item] + since*value;
            rate[n][l] = inside ? value : R(0.0);
        }
    }
}
#endif
#endif
