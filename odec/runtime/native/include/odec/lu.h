// The factorisation of W = S - h J as L·U and its solves, by loops over tables of places: for large models.
// Needs LU(name) and LU_TABLE(name), the names of functions and tables; LU_ENTRIES; LU_SIZE, the rows;
// LU_SHIFT, the diagonal of S; LU_STAGES, which are solved together; LU_CHECKED: pivots are; LU_TRANSPOSED.

MODEL_FN void LU(factor)(const real jac[]_w, STEP_SIZE, real lu[]_w)
{
    for (int k = 0; k < LU_ENTRIES; ++k) {
        const int from = LU_TABLE(SOURCE)[k];
        if (from < 0) EVERY_LANE lu[k]_l = R(0.0);
        else EVERY_LANE lu[k]_l = -h_l*jac[from]_l;
    }
#if LU_STAGES > 1
    for (int i = 0; i < COUPLED; ++i)
        for (int j = 0; j < COUPLED; ++j)
            for (int v = 0; v < N_STATES; ++v)
                EVERY_LANE lu[LU_TABLE(SHIFTED)[(i*COUPLED + j)*N_STATES + v]]_l += RK_INVERSE[i][j];
#else
    for (int k = 0; k < LU_SIZE; ++k) EVERY_LANE lu[LU_TABLE(DIAGONAL)[k]]_l += LU_SHIFT;
#endif
    for (int k = 0; k < LU_SIZE; ++k) {
#if LU_CHECKED
        real scale[1]_w, pivot[1]_w;
        const int at = LU_TABLE(DIAGONAL)[k];
        EVERY_LANE scale[0]_l = LU_SHIFT;
        for (int e = LU_TABLE(TAKEN_START)[k]; e < LU_TABLE(TAKEN_START)[k + 1]; ++e) {
            const int left = LU_TABLE(TAKEN)[e][0], above = LU_TABLE(TAKEN)[e][1];
            EVERY_LANE scale[0]_l += fabs(lu[left]_l*lu[above]_l);
        }
        EVERY_LANE lu[at]_l = pivot[0]_l = reciprocal(lu[at]_l, scale[0]_l);
#else
        real pivot[1]_w;
        const int at = LU_TABLE(DIAGONAL)[k];
        EVERY_LANE lu[at]_l = pivot[0]_l = R(1.0)/lu[at]_l;
#endif
        for (int e = LU_TABLE(SCALE_START)[k]; e < LU_TABLE(SCALE_START)[k + 1]; ++e) {
            const int below = LU_TABLE(SCALE)[e];
            EVERY_LANE lu[below]_l *= pivot[0]_l;
        }
        for (int e = LU_TABLE(UPDATE_START)[k]; e < LU_TABLE(UPDATE_START)[k + 1]; ++e) {
            const int target = LU_TABLE(UPDATE)[e][0], left = LU_TABLE(UPDATE)[e][1],
                right = LU_TABLE(UPDATE)[e][2];
            EVERY_LANE lu[target]_l -= lu[left]_l*lu[right]_l;
        }
    }
}

// b becomes W⁻¹ b.
MODEL_FN void LU(solve)(const real lu[]_w, real b[]_w)
{
    for (int k = 0; k < LU_SIZE; ++k) {
        const int i = LU_TABLE(LOWER)[k][0];
        for (int e = LU_TABLE(LOWER_TERM_START)[k]; e < LU_TABLE(LOWER_TERM_START)[k + 1]; ++e) {
            const int place = LU_TABLE(LOWER_TERM)[e][0], other = LU_TABLE(LOWER_TERM)[e][1];
            EVERY_LANE b[i]_l -= lu[place]_l*b[other]_l;
        }
    }
    for (int k = 0; k < LU_SIZE; ++k) {
        const int i = LU_TABLE(UPPER)[k][0], at = LU_TABLE(UPPER)[k][1];
        for (int e = LU_TABLE(UPPER_TERM_START)[k]; e < LU_TABLE(UPPER_TERM_START)[k + 1]; ++e) {
            const int place = LU_TABLE(UPPER_TERM)[e][0], other = LU_TABLE(UPPER_TERM)[e][1];
            EVERY_LANE b[i]_l -= lu[place]_l*b[other]_l;
        }
        EVERY_LANE b[i]_l *= lu[at]_l;
    }
}

#if LU_TRANSPOSED && (defined(ADJOINT) || defined(LOSS))
// b becomes (Wᵀ)⁻¹ b.
MODEL_FN void LU(solve_transposed)(const real lu[]_w, real b[]_w)
{
    for (int k = 0; k < LU_SIZE; ++k) {
        const int i = LU_TABLE(UPPER_T)[k][0], at = LU_TABLE(UPPER_T)[k][1];
        for (int e = LU_TABLE(UPPER_T_TERM_START)[k]; e < LU_TABLE(UPPER_T_TERM_START)[k + 1]; ++e) {
            const int place = LU_TABLE(UPPER_T_TERM)[e][0], other = LU_TABLE(UPPER_T_TERM)[e][1];
            EVERY_LANE b[i]_l -= lu[place]_l*b[other]_l;
        }
        EVERY_LANE b[i]_l *= lu[at]_l;
    }
    for (int k = 0; k < LU_SIZE; ++k) {
        const int i = LU_TABLE(LOWER_T)[k][0];
        for (int e = LU_TABLE(LOWER_T_TERM_START)[k]; e < LU_TABLE(LOWER_T_TERM_START)[k + 1]; ++e) {
            const int place = LU_TABLE(LOWER_T_TERM)[e][0], other = LU_TABLE(LOWER_T_TERM)[e][1];
            EVERY_LANE b[i]_l -= lu[place]_l*b[other]_l;
        }
    }
}
#endif

#undef LU
#undef LU_TABLE
#undef LU_ENTRIES
#undef LU_SIZE
#undef LU_SHIFT
#undef LU_STAGES
#undef LU_CHECKED
#undef LU_TRANSPOSED
