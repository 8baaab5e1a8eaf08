// Within a function: when the stages of step j of an interval are, as `time`, and the inputs then, as `u`,
// `since` their knots.
// Needs interval_inputs.h, and there `call`, `first`, `start`, `h`, `j` and the inputs' `pieces`.

#if TIMED
    double time[STAGES];
    stage_times(start, h, j, time);
#endif
#if INPUTS
#if MAP
    take_pieces_at(call, time[0], first, pieces);
#endif
    real since[STAGES][N_INPUTS];
    times_since(pieces, h, j, since);
    ALIGNED real u[INPUT_ROWS][N_INPUTS][INPUT_LANES];
    input_values(pieces, since, u);
#if RATES
    input_rates(pieces, since[0], u[STAGES]);
#endif
#endif
