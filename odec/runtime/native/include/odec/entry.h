// What is called: the function KERNEL, which shares out trajectories among threads or blocks of a GPU.
// Needs the solves, adjoints and tangents of steps, fixed ones or those that follow a tolerance.

#if !GPU && !defined(FIT)
#define EXPORTED __attribute__((visibility("default")))
#ifdef _OPENMP
// Without omp.h, which declares more than a kernel can bear.
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
#define WORKER omp_get_thread_num()
#define WORKERS omp_get_num_threads()
#define PART static
#else  // the caller's threads take their parts themselves: see threads.py
#define WORKER 0
#define WORKERS 1
#define PART EXPORTED __attribute__((noinline))
#endif

// The next group of trajectories that no thread has taken.
static inline int64 next_of(int64 *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }

#if defined(ADJOINT) || defined(LOSS)
// The groups' sums in their own order, whichever thread made them.
PART void odec_total(const Call *call)
{
    const real *sums = call->scratch + call->threads*call->scratch_tape;
    for (int64 g = 0; g < call->groups; ++g, sums += call->scratch_sums) {
        if (!call->g_p.item)
            for (int i = 0; i < N_PARAMS; ++i) call->g_p.at[i*call->g_p.row] += sums[i];
#if INPUTS
        for (int n = 0; n < N_INPUTS; ++n) {
            const Series *s = &call->series[n];
            if (s->g && !s->item)
                for (int64 k = 0; k < s->pieces*s->terms; ++k) s->g[k] += sums[N_PARAMS + s->offset + k];
        }
#endif
    }
}
#endif
#endif

#if ADAPTIVE
#include "odec/adaptive_entry.h"
#else
#if defined(ADJOINT) || defined(LOSS)
#define BLOCK_OF(call, first, group, worker, pulse) \
    adjoint_block(call, first, pulse, (call)->scratch + (worker)*(call)->scratch_tape, \
                  (call)->scratch + (call)->threads*(call)->scratch_tape + (group)*(call)->scratch_sums)
#elif defined(TANGENT)
#define BLOCK_OF(call, first, group, worker, pulse) tangent_block(call, first, pulse)
#else
#define BLOCK_OF(call, first, group, worker, pulse) solve_block(call, first, pulse)
#endif

#if GPU
// One thread, one trajectory, then the next that is as many further on as there are threads.
extern "C" __global__ void __launch_bounds__(128) KERNEL(const __grid_constant__ Call call)
{
    const int64 thread = (int64)blockIdx.x*blockDim.x + threadIdx.x;
    Pulse pulse = pulse_of(&call, 0);
    for (int64 item = thread; item < call.batch; item += (int64)gridDim.x*blockDim.x)
        BLOCK_OF(&call, item, thread, 0, &pulse);
}
#elif !defined(FIT)
// One thread's part: groups, as long as there are any. The blocks of a group run one after the other.
PART void odec_part(const Call *call, int64 worker, int64 *next)
{
    const int64 blocks = (call->batch + LANES - 1)/LANES;
    Pulse pulse = pulse_of(call, worker);
    for (int64 group = next_of(next); group < call->groups; group = next_of(next)) {
        const int64 last = blocks*(group + 1)/call->groups;
        for (int64 block = blocks*group/call->groups; block < last && !ended(call); ++block)
            BLOCK_OF(call, block*LANES, group, worker, &pulse);
    }
}
#endif
#endif

#if !GPU && !defined(FIT)
EXPORTED void KERNEL(const Call *call)
{
    int64 next = 0, done = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads((int)call->threads) if (call->threads > 1)
#endif
    {
        odec_part(call, WORKER, &next);
        attend(call, WORKER, &done, WORKERS);
    }
#if defined(ADJOINT) || defined(LOSS)
    odec_total(call);
#endif
}
#endif
