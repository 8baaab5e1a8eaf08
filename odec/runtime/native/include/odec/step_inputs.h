// Within a function: when the stages of step j of an interval are, as `time`, and the inputs then, as `u`.
// Needs inputs.h, and there `call`, `first`, `start`, `h` and `j`.

#if TIMED
    double time[STAGES];
    stage_times(start, h, j, time);
#endif
#if INPUTS
    ALIGNED real u[INPUT_ROWS][N_INPUTS][LANES];
#if MAP
    const double middle = time[0];
#else
    const double middle = start + rounded_product((double)j + 0.5, h);
#endif
#if SIDED
    const double reach = rounded_product(0.499, h < 0 ? -h : h);
#endif
    input_values(call, first, time, middle IF_SIDED(, reach), STAGES, u);
#if RATES
    input_rates(call, first, time[0], middle IF_SIDED(, reach), u[STAGES]);
#endif
#endif
