// What a model and its method have: IF_INPUTS(u,) is `u,` where there are inputs, else nothing, and so on.
// Needs the flags, which are 0 or 1. It is for lists of arguments alone: statements have #if.

#define IF_0(...)
#define IF_1(...) __VA_ARGS__
#define IF_(flag) IF_##flag
#define IF(flag) IF_(flag)

#define IF_INPUTS(...) IF(INPUTS)(__VA_ARGS__)
#define IF_TIMED(...) IF(TIMED)(__VA_ARGS__)                  // dx/dt depends on the time
#define IF_OBSERVE_TIMED(...) IF(OBSERVE_TIMED)(__VA_ARGS__)  // an observable does
#define IF_INITIAL_TIMED(...) IF(INITIAL_TIMED)(__VA_ARGS__)  // an initial value does
#define IF_MAP(...) IF(MAP)(__VA_ARGS__)                      // of t to t + 1, not an equation
#define IF_RATES(...) IF(RATES)(__VA_ARGS__)                  // steps use the inputs' rates of change
#define IF_FSAL(...) IF(FSAL)(__VA_ARGS__)                    // the last stage is the next step's first
#define IF_TWO_ERRORS(...) IF(TWO_ERRORS)(__VA_ARGS__)        // steps estimate two errors
#define IF_AUTO(...) IF(AUTO)(__VA_ARGS__)                    // two methods, one for stiff trajectories
#define IF_HAS_DENSE(...) IF(HAS_DENSE)(__VA_ARGS__)          // steps have a polynomial between their ends
