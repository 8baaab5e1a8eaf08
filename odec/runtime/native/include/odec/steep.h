// Where an entry of ∂f/∂x is not finite, as that of sqrt(x) at 0, W takes it as 0: a solve then leads on.
// Needs machine.h.

// Makes entries of ∂f/∂x finite; steep becomes 1 where one was not, else 0.
FN void flatten(const int entries, real jac[]_w, real steep[1]_w)
{
    int some = 0;
    EVERY_LANE steep[0]_l = R(0.0);
    EACH(e, entries) steep[0]_l += R(0.0)*jac[e]_l;
    EVERY_LANE some |= steep[0]_l != R(0.0);
    if (!some) return;
    EVERY_LANE steep[0]_l = R(0.0);
    EACH(e, entries) {
        const bool finite = jac[e]_l - jac[e]_l == R(0.0);
        steep[0]_l = finite ? steep[0]_l : R(1.0);
        jac[e]_l = finite ? jac[e]_l : R(0.0);
    }
}
