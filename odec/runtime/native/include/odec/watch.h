// How a kernel looks up from its steps now and then: whether it is to end, and how far it is for all to see.
// Needs call.h; watch.py is the other side. On a GPU nobody looks up.

// A thread's steps until it looks up again, and what it knows since it began.
typedef struct {
    int64 worker, left, every, told, heard;
    double looked, asked;
} Pulse;

#if GPU
FN Pulse pulse_of(const Call *call, int64 worker)
{
    const Pulse pulse = {worker, 1};
    return pulse;
}
FN int64 until(Pulse *pulse, int64 from, int64 to) { return to; }
FN bool ends(const Call *call, Pulse *pulse, double time, int64 item) { return false; }
FN bool ended(const Call *call) { return false; }
#else
#define FIRST_LOOK (1 + 4096/(N_STATES*STAGES))
#define LOOK_SECONDS 2e-4
#define ASK_SECONDS 0.03  // asking Python takes its lock
#define MOST_STEPS ((int64)1 << 40)
#define IDLE_LOOKS 4000

// Why a run ends before its time; watch.py has the same.
enum { GOES_ON, RAISED, TOLD, LATE };

FN Pulse pulse_of(const Call *call, int64 worker)
{
    Pulse pulse = {worker, FIRST_LOOK, FIRST_LOOK, 0, 0, 0.0, 0.0};
    if (call->board) {
        pulse.told = call->told ? call->told : __atomic_load_n(&call->board->told, __ATOMIC_RELAXED);
        pulse.heard = call->told ? call->heard : __atomic_load_n(&call->board->heard, __ATOMIC_RELAXED);
    }
    return pulse;
}

FN bool ended(const Call *call) { return __atomic_load_n(&call->stop, __ATOMIC_RELAXED) != GOES_ON; }

// The step before which a thread looks up, on its way through some steps.
FN int64 until(Pulse *pulse, int64 from, int64 to)
{
    const int64 end = to - from < pulse->left ? to : from + pulse->left;
    pulse->left -= end - from;
    return end;
}

// The time in seconds, on the clock of the deadline.
static double seconds(const Board *board)
{
    long now[2];
    board->clock(board->clock_id, now);
    return (double)now[0] + 1e-9*(double)now[1];
}

// Lets Python deal with signals, which it does in its main thread alone. Returns whether that raised an
// exception, which the call keeps.
static bool raised(Call *call)
{
    const Board *board = call->board;
    const int lock = board->take_lock();
    const bool found = board->check_signals() != 0;
    if (found) board->fetch_error(&call->error[0], &call->error[1], &call->error[2]);
    board->give_lock(lock);
    return found;
}

// Why the run is to end; the thread that called the kernel finds it out.
static int64 reason(Call *call, Pulse *pulse, double now)
{
    const Board *board = call->board;
    if (__atomic_load_n(&board->told, __ATOMIC_RELAXED) != pulse->told) return TOLD;
    if (__atomic_load_n(&board->heard, __ATOMIC_RELAXED) != pulse->heard && board->thread() != board->main)
        return TOLD;
    if (call->deadline > 0.0 && now > call->deadline) return LATE;
    if (now - pulse->asked < ASK_SECONDS) return GOES_ON;
    pulse->asked = now;
    return raised(call) ? RAISED : GOES_ON;
}

// Looks up: some other number of steps later next time, so that it is about LOOK_SECONDS later.
RARE bool look(const Call *call, Pulse *pulse, double time, int64 item)
{
    Call *own = (Call *)call;
    Board *board = call->board;
    pulse->left = pulse->every;
    if (!board) return false;
    const double now = seconds(board), since = now - pulse->looked;
    if (pulse->looked == 0.0) pulse->asked = now;
    else if (since < LOOK_SECONDS) pulse->every *= pulse->every < MOST_STEPS ? 2 : 1;
    else pulse->every = 1 + (int64)((double)pulse->every*LOOK_SECONDS/since);
    pulse->looked = now;
    pulse->left = pulse->every;
    if (pulse->worker == 0) {
        board->reached = time;
        board->item = item;
        board->batch = call->batch;
        board->end = call->when[call->times - 1];
        const int64 found = ended(call) ? GOES_ON : reason(own, pulse, now);
        if (found != GOES_ON) __atomic_store_n(&own->stop, found, __ATOMIC_RELAXED);
    }
    return ended(call);
}

// Whether the run ends here, of which trajectory `item` has reached a time.
FN bool ends(const Call *call, Pulse *pulse, double time, int64 item)
{
    return pulse->left == 0 && look(call, pulse, time, item);
}

// The thread that called the kernel looks up until all have done their part.
static inline void attend(const Call *call, int64 worker, int64 *done, int64 workers)
{
    __atomic_fetch_add(done, 1, __ATOMIC_RELEASE);
    if (worker != 0 || !call->board) return;
    Pulse pulse = pulse_of(call, 0);
    for (int64 k = 0; __atomic_load_n(done, __ATOMIC_ACQUIRE) < workers; ++k) {
        if (k < IDLE_LOOKS) continue;
        call->board->nap(100);
        look(call, &pulse, call->board->reached, call->board->item);
    }
}
#endif
