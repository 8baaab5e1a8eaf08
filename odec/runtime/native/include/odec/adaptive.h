// Steps that follow a tolerance: what lanes hold, the steps that they try, the inputs at their times.
// Needs a kernel's sizes and flags (N_…, TERMS, TRIAL_ROWS, EVALUATIONS), machine.h and call.h.
//
// Each lane has a trajectory of its own, at its own time and with its own step, and takes the next one when
// that has ended. Steps end on the stops. What a lane does depends on its trajectory alone.

#if REAL_BITS == 32
typedef int Whole;  // an integer as wide as a real
#define EPSILON 0x1p-23
#define TINY 0x1p-126
#else
typedef int64 Whole;
#define EPSILON 0x1p-52
#define TINY 0x1p-1022
#endif

// What happens to a lane. From NOT_FINITE to OFTEN_UNSOLVED: what ends a trajectory early.
enum {
    NOTHING, NOT_FINITE, STEP_TOO_SMALL, TOO_MANY_STEPS, NOT_SOLVED, OFTEN_UNSOLVED, LANDED, TAKEN, STARTED
};

// The lanes' trajectories.
typedef struct {
    BLOCK(x, N_STATES);
    PARAMS_OF_LANES(p);
#if FSAL
    BLOCK(slope, N_STATES);  // at x
#endif
    ALIGNED real h[LANES];       // the size of the next step, if no stop comes before
    ALIGNED real before[LANES];  // the logarithm of the error of the last step that was taken
    ALIGNED double from[LANES], span[LANES];  // the interval's start and length,
    ALIGNED double done[LANES];               // and how far x is in it
    ALIGNED Whole active[LANES], rejected_last[LANES], accepted[LANES], rejected[LANES], event[LANES];
    ALIGNED Whole unsolved[LANES];  // how many of the rejected steps led to no finite numbers
#if AUTO
    ALIGNED Whole stiff[LANES], signs[LANES];  // the method; how often the other was the better one
#endif
    int64 item[LANES], interval[LANES], state[LANES];
    int64 running;  // how many lanes are active
#if WEIGHED
    View outputs;  // the states at the outputs, of the trajectories from `first` on
    int64 first;
#endif
#if DENSE
    ALIGNED int64 next[LANES];  // the next output
    ALIGNED double to[LANES];   // the interval's end
#endif
#if INPUTS
    ALIGNED real c[N_INPUTS][TERMS][LANES];  // the pieces of the inputs in the interval: coefficients,
    ALIGNED double knot[N_INPUTS][LANES];    // the knots from which they count
    ALIGNED real edge[N_INPUTS][LANES];      // and, where an input does not move, the time since then
    ALIGNED Whole inside[N_INPUTS][LANES];
#endif
#if defined(TANGENT)
    BLOCK(dx, N_STATES);
    BLOCK(dp, N_PARAMS);
    ALIGNED real d_from[LANES], d_to[LANES];  // of the interval's ends
#if INPUTS
    ALIGNED real dc[N_INPUTS][TERMS][LANES];
#endif
#endif
} Run;

// The step that they try.
typedef struct {
    ALIGNED real size[LANES], h[LANES];  // without and with the direction of time
    ALIGNED double begin[LANES];         // how far into the interval it starts
    ALIGNED Whole lands[LANES], good[LANES];
    ALIGNED real square[LANES];          // its scaled error, squared
    BLOCK(x_next, N_STATES);
    BLOCK(error, N_STATES);
#if AUTO
    BLOCK(reach, 1);  // h |λ|
#endif
#if TWO_ERRORS
    BLOCK(lower, N_STATES);  // the error by the second estimate
#endif
#if FSAL
    BLOCK(slope, N_STATES);  // at x_next
#endif
#if DENSE
    ALIGNED real kept[ALL_STAGES][N_STATES][LANES];  // its stages
#endif
#if TIMED
    ALIGNED double time[EVALUATIONS][LANES];
#endif
#if INPUTS
    ALIGNED real u[TRIAL_ROWS][N_INPUTS][LANES];  // with RATES the last: their rates of change
#endif
} Trial;

// Logarithms are taken of whole vectors of the processor, as shorter ones have another log in the C library.
#if GPU || LANES == 1 || LANES*REAL_BITS >= 512
#define WIDE LANES
#else
#define WIDE (512/REAL_BITS)
#endif
#define EACH_WIDE PARALLEL_LANES for (int l = 0; l < WIDE; ++l)

FN bool is_finite(real x) { return x - x == R(0.0); }

FN double time_of(const Call *call, const Run *run, int l)
{
    return run->from[l] + call->control.sign*run->done[l];
}

#if INPUTS
// The time since an input's knot, where its piece is evaluated.
FN real since(const Run *run, int n, double time, int l)
{
    return run->inside[n][l] ? (real)(time - run->knot[n][l]) : run->edge[n][l];
}

// The inputs' values at some times.
FN void inputs_at(const Run *run, double (*time)[LANES], int times, real (*u)[N_INPUTS][LANES])
{
    UNROLL for (int k = 0; k < times; ++k)
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_LANE {
                const real s = since(run, n, time[k][l], l);
                real value = run->c[n][TERMS - 1][l];
                UNROLL for (int j = TERMS - 2; j >= 0; --j) value = run->c[n][j][l] + s*value;
                u[k][n][l] = value;
            }
}

#if RATES
// The inputs' rates of change at some time; zero where they do not move.
FN void rates_at(const Run *run, double time[LANES], real (*rate)[LANES])
{
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        EACH_LANE {
            const real s = since(run, n, time[l], l);
            real value = R(0.0);
            UNROLL for (int j = TERMS - 1; j >= 1; --j) value = (real)j*run->c[n][j][l] + s*value;
            rate[n][l] = run->inside[n][l] ? value : R(0.0);
        }
}
#endif

// The pieces of the inputs in interval k become those of a lane.
FN void take_pieces(const Call *call, Run *run, int64 k, int l)
{
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        const int64 items = s->item ? call->batch : 1, item = s->item ? run->item[l] : 0;
        const int64 piece = call->control.piece[k*N_INPUTS + n];
        run->knot[n][l] = s->knots[piece];
        run->inside[n][l] = (Whole)call->control.inside[k*N_INPUTS + n];
        run->edge[n][l] = (real)call->control.edge[k*N_INPUTS + n];
        for (int64 j = 0; j < TERMS; ++j) {
            const int64 place = (piece*s->terms + j)*items + item;
            run->c[n][j][l] = j < s->terms ? s->c[place] : R(0.0);
#if defined(TANGENT)
            run->dc[n][j][l] = j < s->terms ? s->dc[place] : R(0.0);
#endif
        }
    }
}
#endif
