// The tape of adaptive steps, from which the adjoint takes them back, and which trajectories lie on it.
// Needs adaptive.h.

#if TAPED
#if GPU
// The tapes of all threads lie interleaved.
#define MOST_KEPT 1
#define TAPE_ROW ((int64)gridDim.x*blockDim.x)
#define TAPE_LANE ((int64)blockIdx.x*blockDim.x + threadIdx.x)
#else
#define MOST_KEPT (16*LANES)
#define TAPE_ROW ((int64)LANES)
#define TAPE_LANE 0
#define ENOUGH (((int64)1 << 20)/(int64)sizeof(real))  // values, with which no more trajectories are begun
#endif
#define AT(row, i) (((row)*(N_STATES + 1) + (i))*TAPE_ROW + TAPE_LANE)

// A trajectory on the tape: the one that its lane had before it, the interval where it ended, and whether it
// had taken a step there. All are counted from the first of the tape. outputs: how many it has reached.
typedef struct {
    int64 before, interval;
    bool moved;
#if DENSE
    int64 outputs;
#endif
} Kept;

// The steps that lanes took, in rows over the lanes: the states before a step and its size (0 where a lane
// took none), and how far into its interval it started.
typedef struct {
    real *states;
    double *begins;
    int64 rows, room, first;
    int64 last[LANES];  // the trajectory that each lane had last, or -1
    Kept kept[MOST_KEPT];
#if WEIGHED
    View outputs;  // the states of its trajectories at the output times, then the cotangents there
    int64 most;    // trajectories for which there is room
#endif
} Tape;

#if DENSE
// How far into its interval a lane's output n lies.
FN double reach(const Call *call, const Run *run, int64 n, int l)
{
    return call->control.sign*(call->when[n] - run->from[l]);
}
#endif

// A lane's trajectory has ended.
FN void keep(IF_HAS_DENSE(const Call *call,) const Run *run, Tape *tape, int l)
{
    Kept *kept = &tape->kept[run->item[l] - tape->first];
    kept->before = tape->last[l];
    kept->interval = run->interval[l];
    kept->moved = run->done[l] > 0.0;
#if DENSE
    kept->outputs = 0;
    while (kept->outputs < call->times && reach(call, run, kept->outputs, l) <= run->done[l]) ++kept->outputs;
#endif
    tape->last[l] = run->item[l] - tape->first;
}

// Makes room for another row. Returns false where there is none.
FN bool make_room(Tape *tape)
{
    if (tape->rows < tape->room) return true;
#if GPU
    return false;
#else
    const int64 room = tape->room ? 2*tape->room : 256;
    real *states = __builtin_realloc(tape->states, room*(N_STATES + 1)*LANES*sizeof(real));
    if (states) tape->states = states;
    double *begins = states ? __builtin_realloc(tape->begins, room*LANES*sizeof(double)) : 0;
    if (begins) tape->begins = begins;
    if (!begins) return false;
    tape->room = room;
    return true;
#endif
}

// The steps that lanes take go to the tape. Returns false where there is no room for them.
FN bool record(const Run *run, const Trial *trial, Tape *tape)
{
    if (!make_room(tape)) return false;
    const int64 row = tape->rows;
    UNROLL for (int i = 0; i < N_STATES; ++i)
        for (int l = 0; l < LANES; ++l) tape->states[AT(row, i) + l] = run->x[i][l];
    Whole any = 0;
    for (int l = 0; l < LANES; ++l) {
#if AUTO
        const real size = run->stiff[l] ? -trial->size[l] : trial->size[l];  // the sign tells the method
        tape->states[AT(row, N_STATES) + l] = trial->good[l] ? size : R(0.0);
#else
        tape->states[AT(row, N_STATES) + l] = trial->good[l] ? trial->size[l] : R(0.0);
#endif
        tape->begins[row*TAPE_ROW + TAPE_LANE + l] = trial->begin[l];
        any |= trial->good[l];
    }
    tape->rows += any != 0;
    return true;
}
#else
typedef int Tape;
FN void keep(IF_HAS_DENSE(const Call *call,) const Run *run, Tape *tape, int l) {}
#endif
