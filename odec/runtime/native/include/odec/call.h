// What a kernel is called with, and how rows of numbers go into and out of blocks of lanes.
// Needs machine.h, N_INPUTS and the flags; structures.py has the same structures.

// An array of values by row (component), item (trajectory) and output time; a stride of 0 where it is shared.
typedef struct {
    real *at;
    int64 row, item, time;
} View;

#if INPUTS
// One input: knots (n_knots), coefficients (pieces, terms, batch or 1) in powers of the time since the knot.
typedef struct {
    const double *knots;
    int64 n_knots, pieces, terms, item;
    const real *c;   // coefficients
    const real *dc;  // their tangents
    real *g;         // their gradients
    int64 offset;    // of this input's gradients among all shared ones
} Series;

#endif
#if CAN_ADAPT
// What rules adaptive steps.
typedef struct {
    double first_step, min_step, max_step, rtol, sign;  // sign: of the direction of time
    int64 max_steps;
    const double *atol;    // of each state
    const double *stops;   // where steps end: the output times and the inputs' knots
    const int64 *output;   // each stop's index among the output times, or -1
    int64 n_stops, first;  // how many there are; the first interval between two that differ, or -1
#if INPUTS
    const int64 *piece;    // by interval and input: the piece that holds there,
    const int64 *inside;   // whether the input moves there,
    const double *edge;    // and where it does not, the time since the piece's knot that counts
#endif
    int64 room;            // of a tape, in steps (on a GPU)
    int64 *lacking;        // set where there was no memory for a tape
    View report;           // what ended a trajectory early, when, in which state; steps accepted, rejected
} Control;

#endif
// What all runs of a process have in common; see watch.h.
typedef struct {
    int64 told, heard;  // how often runs were told to end, and how often Ctrl-C was heard
    int64 item, batch;  // where the present run is
    double reached, end;
    int64 clock_id;
    int (*clock)(int, long *);  // functions of the C library and of Python
    int (*nap)(unsigned);
    int (*take_lock)(void);
    int (*check_signals)(void);
    void (*fetch_error)(void **, void **, void **);
    void (*give_lock)(int);
    unsigned long (*thread)(void);
    unsigned long main;  // Python's main thread
} Board;

typedef struct {
    int64 batch, times, steps, segment, groups, threads, last_only;
    double clip;
    const double *when;       // the output times; with outputs within steps NaN at the end
    const double *start, *h;  // of each interval between stops, which are the output times and inputs' knots
    const int64 *count;       // its number of steps
    const int64 *interval, *within;  // where each segment of the tape starts
    View x0, p, out, observed;       // solve
    View w, g_x0, g_p, g_t;          // adjoint
    View d_x0, d_p, d_t;             // tangent
    View data, weight, loss;         // loss: states, then observables
    real *scratch;                   // tapes, and the groups' sums of shared gradients
    int64 scratch_tape, scratch_sums;
#if INPUTS
    int64 stops;  // how many, with fixed steps
    Series series[N_INPUTS];
#endif
#if CAN_ADAPT
    Control control;
#endif
    int64 stop, told, heard;  // why it is to end; the board's numbers from when it was asked for, or 0
    double deadline;          // on the board's clock, or 0
    Board *board;             // null where nobody watches
    void *error[3];           // what Python raised
#if INPUTS
    // With fixed steps:
    const int64 *output;  // each stop's index among the output times, or their number
    const int64 *piece;   // by interval and input: the piece that holds there,
    const int64 *inside;  // whether the input moves there,
    const double *edge;   // and where it does not, the time since the piece's knot that counts
#endif
} Call;

// With fixed steps: how many stops there are, and which row of outputs and of their times' derivatives is a
// stop's; for an input's knot that after the last, which is 0 and of which nothing is read.
#if INPUTS
#define STOPS call->stops
#define OUTPUT(stop) call->output[stop]
#define OUTPUT_BEFORE(interval) call->output[interval + 1] - 1
#else
#define STOPS call->times
#define OUTPUT(stop) stop
#define OUTPUT_BEFORE(interval) interval
#endif

FN int64 item_of(const Call *call, int64 first,
        int l) { return first + l < call->batch ? first + l : call->batch - 1; }

// Whether a block's trajectories are all there and lie side by side.
FN bool together(const Call *call, const View *view, int64 first)
{
    return view->item == 1 && first + LANES <= call->batch;
}

// Rows of the trajectories from `first` on; lanes beyond the batch repeat its last one.
FN void load(const Call *call, const View *view, int64 time, int64 first, int rows, Lanes *to)
{
    UNROLL for (int i = 0; i < rows; ++i) {
        const real *at = view->at + time*view->time + i*view->row;
        if (together(call, view, first)) EACH_LANE to[i][l] = at[first + l];
        else if (view->item == 0) EACH_LANE to[i][l] = at[0];
        else
            for (int l = 0; l < LANES; ++l) to[i][l] = at[item_of(call, first, l)*view->item];
    }
}

FN void store(const Call *call, const View *view, int64 time, int64 first, int rows, Lanes *from)
{
    UNROLL for (int i = 0; i < rows; ++i) {
        real *at = view->at + time*view->time + i*view->row;
        if (together(call, view, first)) EACH_LANE at[first + l] = from[i][l];
        else
            for (int l = 0; l < LANES; ++l)
                if (first + l < call->batch) at[(first + l)*view->item] = from[i][l];
    }
}
