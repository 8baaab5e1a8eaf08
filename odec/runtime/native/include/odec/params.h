// A block's parameters and the gradients by them: by lane, or where the batch shares them as they lie.
// Needs call.h; within a function that has `call` and, of lanes that stand side by side, `first`.
//
// Gradients of shared parameters are summed over lanes where they arise, into the sums of the block's group.

#if UNIFORM
#define UNIFORM_OR(shared, own) shared
#define PARAMS_OF_LANES(p) Param *p
#define BLOCK_PARAMS(p) Param *p = call->p.at
#define BLOCK_GRADIENTS(gp, sums) Param *gp = sums

// Lanes from the trajectory `last` on repeat another one: they have no share in sums over lanes.
FN void leave_out(int64 first, int64 last, int rows, Lanes *w)
{
    for (int l = 0; l < LANES; ++l)
        if (first + l >= last)
            for (int i = 0; i < rows; ++i) w[i][l] = R(0.0);
}
#else
#define UNIFORM_OR(shared, own) own
#define PARAMS_OF_LANES(p) BLOCK(p, N_PARAMS)
#define BLOCK_PARAMS(p) BLOCK(p, N_PARAMS); load(call, &call->p, 0, first, N_PARAMS, p)
#define BLOCK_GRADIENTS(gp, sums) \
    BLOCK(gp, N_PARAMS); \
    for (int i = 0; i < N_PARAMS; ++i) EACH_LANE gp[i][l] = R(0.0)
FN void leave_out(int64 first, int64 last, int rows, Lanes *w) {}
#endif
