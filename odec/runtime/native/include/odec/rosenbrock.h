// What the functions of a Rosenbrock step do with the slopes f_i of its stages, beside the k_i.
// Needs, in these functions, the vector bf.

// Adds b_i f_i to Σ b_i f_i at once, so that k_i may take the place of f_i; or leaves them all for later.
#define ADD_SLOPE(b, f) EACH(i, N_STATES) bf[i]_l += b*f[i]_l;
#define KEEP_SLOPE(b, f)
