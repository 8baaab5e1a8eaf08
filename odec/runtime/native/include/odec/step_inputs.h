// Within a function: when the stages of step j of an interval are, as `time`, and the inputs then, as `u`.
// Needs interval_inputs.h, and there `call`, `first`, `start`, `h`, `j` and the inputs' `pieces`.

#if TIMED
    double time[STAGES];
    stage_times(start, h, j, time);
#endif
#if INPUTS
#if MAP
    take_pieces_at(call, time[0], first, pieces);
#endif
#if TERMS == 1
    real (*u)[N_INPUTS][LANES] = pieces->u;
#else
    ALIGNED real u[INPUT_ROWS][N_INPUTS][LANES];
    input_values(pieces, time, u);
#if RATES
    input_rates(pieces, time[0], u[STAGES]);
#endif
#endif
#endif
