// Products with the nonzeros of ∂f/∂x.
// Needs N_JACOBIAN, JACOBIAN_ROW and JACOBIAN_COLUMN.

// The cotangent w of J, wherever J is not zero: w += q kᵀ.
FN void add_outer(const real q[]_w, const real k[]_w, real w[]_w)
{
    EACH(e, N_JACOBIAN) w[e]_l += q[JACOBIAN_ROW[e]]_l*k[JACOBIAN_COLUMN[e]]_l;
}

// b += J k.
FN void add_product(const real jac[]_w, const real k[]_w, real b[]_w)
{
    EACH(e, N_JACOBIAN) b[JACOBIAN_ROW[e]]_l += jac[e]_l*k[JACOBIAN_COLUMN[e]]_l;
}
