// What factorisations have in common: W = shift·I - h J as L·U, without exchange of rows, in an order that
// fills little. The diagonal holds reciprocals of pivots. Needs machine.h.

FN real larger(real a, real b) { return a > b ? a : b; }

// A pivot that is lost in rounding, beside the shift and what was subtracted, makes the lane's result NaN,
// where pivots are checked: a smaller step follows.
#define TINY_PIVOT (REAL_BITS == 64 ? R(0x1p-48) : R(0x1p-19))
FN real reciprocal(real pivot, real scale) { return fabs(pivot) > TINY_PIVOT*scale ? R(1.0)/pivot : NAN_; }
