// Whether outputs may lie within steps, how many rows of inputs a step takes, how often it evaluates dx/dt.
// Needs STAGES, EXTRA_STAGES (those of a method's polynomial alone) and the flags.

#if HAS_DENSE
#define DENSE (ADAPTIVE == 2)
#else
#define DENSE 0
#endif
#if DENSE
#define IF_DENSE(...) __VA_ARGS__
#else
#define IF_DENSE(...)
#endif

#if EXTRA_STAGES
#define ALL_STAGES (STAGES + EXTRA_STAGES)
#define STAGE_ROWS (DENSE ? ALL_STAGES : STAGES)
#define INPUT_ROWS STAGE_ROWS
#else
#define ALL_STAGES STAGES
#define STAGE_ROWS STAGES
#if RATES
#define INPUT_ROWS (STAGES + 1)
#else
#define INPUT_ROWS STAGES
#endif
#endif

#if EXTRA_STAGES > 1 && FSAL
#define EVALUATIONS (DENSE ? ALL_STAGES : STAGES + 1)
#elif EXTRA_STAGES && !FSAL
#define EVALUATIONS (DENSE ? ALL_STAGES : STAGES)
#elif FSAL
#define EVALUATIONS (STAGES + 1)
#else
#define EVALUATIONS STAGES
#endif
#if RATES
#define TRIAL_ROWS INPUT_ROWS
#else
#define TRIAL_ROWS EVALUATIONS
#endif
