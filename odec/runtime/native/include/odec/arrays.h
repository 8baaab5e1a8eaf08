// Products of arrays by lane and of parameters, and the gradients of parameters as sums over lanes.
// Needs machine.h; a model of arrays calls them, with sizes and strides that are constants.
//
// Strides count elements: `row` and `step` of a matrix are those from row to row and within a row. Sums go in
// one order, whatever the number of lanes or of threads.

#if GPU || LANES == 1
#define VECTOR_LANES 0
#else
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define VECTOR_LANES (8*VECTOR_BYTES/REAL_BITS)
#if LANES < 2*VECTOR_LANES
#undef VECTOR_LANES
#define VECTOR_LANES 0
#endif
#endif

#if VECTOR_LANES
#define TILED static inline __attribute__((always_inline))
typedef real Vector __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BITS/8), may_alias));
#if defined(__x86_64__)  // a vector that stays in its register, which gcc would load again for each use
#define IN_REGISTER(vector) __asm__("" : "+x"(vector))
#else
#define IN_REGISTER(vector)
#endif
FN Vector vector_at(const real *at) { return *(const Vector *)at; }
FN void put_vector(real *at, Vector value) { *(Vector *)at = value; }

// Of a product with uniform a, four rows (or fewer, the last one again) of two vectors: their sums stay in
// registers. next: from row to row of b, and y_next of y, in numbers.
TILED void tile_of_product(int rows, int inner, const real *a, int row, int step, const real *b, int next,
                           real *y, int y_next)
{
    Vector s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, z0 = {0}, z1 = {0}, z2 = {0}, z3 = {0};
    for (int k = 0; k < inner; ++k, a += step, b += next) {
        Vector s = vector_at(b), z = vector_at(b + VECTOR_LANES);
        IN_REGISTER(s);
        IN_REGISTER(z);
        s0 += a[0]*s;
        z0 += a[0]*z;
        if (rows > 1) {
            s1 += a[row]*s;
            z1 += a[row]*z;
        }
        if (rows > 2) {
            s2 += a[2*row]*s;
            z2 += a[2*row]*z;
        }
        if (rows > 3) {
            s3 += a[3*row]*s;
            z3 += a[3*row]*z;
        }
    }
    put_vector(y, s0);
    put_vector(y + VECTOR_LANES, z0);
    if (rows > 1) {
        put_vector(y + y_next, s1);
        put_vector(y + y_next + VECTOR_LANES, z1);
    }
    if (rows > 2) {
        put_vector(y + 2*y_next, s2);
        put_vector(y + 2*y_next + VECTOR_LANES, z2);
    }
    if (rows > 3) {
        put_vector(y + 3*y_next, s3);
        put_vector(y + 3*y_next + VECTOR_LANES, z3);
    }
}

// The rows of a product with uniform a, of `wide` numbers each, which b and y have side by side.
TILED void tiled_product(int rows, int inner, int wide, const real *a, int row, int step, const real *b,
                         int next, real *y, int y_next)
{
    for (int i = 0; i + 4 <= rows; i += 4)
        for (int c = 0; c < wide; c += 2*VECTOR_LANES)
            tile_of_product(4, inner, a + i*row, row, step, b + c, next, y + i*y_next + c, y_next);
    const int done = rows/4*4;
    for (int c = 0; c < wide && rows > done; c += 2*VECTOR_LANES)
        tile_of_product(rows - done, inner, a + done*row, row, step, b + c, next, y + done*y_next + c,
                        y_next);
}
#endif

// y[i][m] = Σ_k a[i][k] b[k][m] of lanes.
FN void product(int rows, int inner, int columns, const real (*a)_w, int a_row, int a_step,
                const real (*b)_w, int b_row, int b_step, real (*y)_w)
{
    UNROLL for (int i = 0; i < rows; ++i)
        UNROLL for (int m = 0; m < columns; ++m) {
            real sum[1]_w;
            EVERY_LANE sum[0]_l = R(0.0);
            EACH(k, inner) sum[0]_l += a[i*a_row + k*a_step]_l*b[k*b_row + m*b_step]_l;
            EVERY_LANE y[i*columns + m]_l = sum[0]_l;
        }
}

// The same of a parameter a and of lanes.
#if UNIFORM && VECTOR_LANES
TILED void param_product(int rows, int inner, int columns, const real *a, int a_row, int a_step,
                         const Lanes *b, int b_row, int b_step, Lanes *y)
{
    if (b_step == 1)
        tiled_product(rows, inner, columns*LANES, a, a_row, a_step, b[0], b_row*LANES, y[0], columns*LANES);
    else
        for (int m = 0; m < columns; ++m)
            tiled_product(rows, inner, LANES, a, a_row, a_step, b[m*b_step], b_row*LANES, y[m],
                          columns*LANES);
}
#else
FN void param_product(int rows, int inner, int columns, const real (*a)_pw, int a_row, int a_step,
                      const real (*b)_w, int b_row, int b_step, real (*y)_w)
{
    UNROLL for (int i = 0; i < rows; ++i)
        UNROLL for (int m = 0; m < columns; ++m) {
            real sum[1]_w;
            EVERY_LANE sum[0]_l = R(0.0);
            EACH(k, inner) sum[0]_l += a[i*a_row + k*a_step]_pl*b[k*b_row + m*b_step]_l;
            EVERY_LANE y[i*columns + m]_l = sum[0]_l;
        }
}
#endif

#if defined(ADJOINT) || defined(LOSS)
#if UNIFORM
FN real sum_of_lanes(const real *values)
{
    real sum = R(0.0);
#if VECTOR_LANES
    Vector sums = vector_at(values);
    for (int l = VECTOR_LANES; l < LANES; l += VECTOR_LANES) sums += vector_at(values + l);
    for (int l = 0; l < VECTOR_LANES; ++l) sum += sums[l];
#else
    for (int l = 0; l < LANES; ++l) sum += values[l];
#endif
    return sum;
}
#endif

// Adds what lanes have to the gradients of n parameters that lie `step` apart.
FN void add_gradients(int n, const real (*w)_w, real (*g)_pw, int step)
{
#if UNIFORM
    UNROLL for (int i = 0; i < n; ++i) g[i*step] += sum_of_lanes(w[i]);
#else
    EACH(i, n) g[i*step]_pl += w[i]_l;
#endif
}

// Adds the products w[i] v[j] to the gradients of a matrix.
#if UNIFORM && VECTOR_LANES
// Four rows of them, where v lies transposed: two vectors a lane.
TILED void tile_of_outer(const Lanes *w, const real v[LANES][2*VECTOR_LANES], real *g, int row)
{
    Vector s0 = vector_at(g), s1 = vector_at(g + row), s2 = vector_at(g + 2*row), s3 = vector_at(g + 3*row);
    Vector z0 = vector_at(g + VECTOR_LANES), z1 = vector_at(g + row + VECTOR_LANES);
    Vector z2 = vector_at(g + 2*row + VECTOR_LANES), z3 = vector_at(g + 3*row + VECTOR_LANES);
    for (int l = 0; l < LANES; ++l) {
        Vector s = vector_at(v[l]), z = vector_at(v[l] + VECTOR_LANES);
        IN_REGISTER(s);
        IN_REGISTER(z);
        s0 += w[0][l]*s;
        z0 += w[0][l]*z;
        s1 += w[1][l]*s;
        z1 += w[1][l]*z;
        s2 += w[2][l]*s;
        z2 += w[2][l]*z;
        s3 += w[3][l]*s;
        z3 += w[3][l]*z;
    }
    put_vector(g, s0);
    put_vector(g + row, s1);
    put_vector(g + 2*row, s2);
    put_vector(g + 3*row, s3);
    put_vector(g + VECTOR_LANES, z0);
    put_vector(g + row + VECTOR_LANES, z1);
    put_vector(g + 2*row + VECTOR_LANES, z2);
    put_vector(g + 3*row + VECTOR_LANES, z3);
}

TILED void add_outer(int rows, int columns, const Lanes *w, const Lanes *v, real *g, int row, int step)
{
    const int tiled_rows = step == 1 ? rows/4*4 : 0, tiled = tiled_rows ? columns/(2*VECTOR_LANES) : 0;
    for (int c = 0; c < tiled; ++c) {
        const int first = 2*c*VECTOR_LANES;
        ALIGNED real turned[LANES][2*VECTOR_LANES];
        for (int j = 0; j < 2*VECTOR_LANES; ++j)
            for (int l = 0; l < LANES; ++l) turned[l][j] = v[first + j][l];
        for (int i = 0; i < tiled_rows; i += 4) tile_of_outer(w + i, turned, g + i*row + first, row);
    }
    for (int i = 0; i < rows; ++i)
        for (int j = i < tiled_rows ? tiled*2*VECTOR_LANES : 0; j < columns; ++j) {
            ALIGNED real products[LANES];
            EACH_LANE products[l] = w[i][l]*v[j][l];
            g[i*row + j*step] += sum_of_lanes(products);
        }
}
#else
FN void add_outer(int rows, int columns, const real (*w)_w, const real (*v)_w, real (*g)_pw, int row,
                  int step)
{
    UNROLL for (int i = 0; i < rows; ++i)
        UNROLL for (int j = 0; j < columns; ++j) {
            real products[1]_w;
            EVERY_LANE products[0]_l = w[i]_l*v[j]_l;
            add_gradients(1, products, g + i*row + j*step, 1);
        }
}
#endif
#endif
