// The inputs in an interval between two stops, in which no knot lies: each is one polynomial there.
// Needs inputs.h, TERMS and STAGE_C: the stages' c_i, their times within a step.
//
// A map reads its inputs at its own whole times, so that it finds their pieces anew in every step.

#if INPUTS
// What lanes hold of the inputs' pieces. An input that does not move, as the time is outside its knots, is a
// constant.
typedef struct {
    ALIGNED real c[N_INPUTS][TERMS][INPUT_LANES];  // coefficients in powers of the time since the knot
    real since[N_INPUTS];  // from the knot to the interval's start; of a map to its step
    int64 piece[N_INPUTS];
    bool inside[N_INPUTS];  // whether the input moves,
    real edge[N_INPUTS];    // and if it does not, the time since the knot where its constant is taken
#if defined(ADJOINT) || defined(LOSS)
    ALIGNED real g[N_INPUTS][TERMS][LANES];  // cotangents of the coefficients
#endif
#if defined(TANGENT)
    ALIGNED real dc[N_INPUTS][TERMS][INPUT_LANES];  // tangents
#endif
} Pieces;

// The coefficients of a piece of input n in lanes, or the value at its edge for one that does not move.
FN void spread_piece(const Call *call, int64 first, const Pieces *pieces, int n, const real *c,
                     real (*to)[INPUT_LANES])
{
    const Series *s = &call->series[n];
    const int64 items = s->item ? call->batch : 1;
    const real *at = c + pieces->piece[n]*s->terms*items;
    UNROLL for (int j = 0; j < TERMS; ++j) {
        if (j >= s->terms) EACH_INPUT_LANE to[j][l] = R(0.0);
        else if (!s->item) EACH_INPUT_LANE to[j][l] = at[j];
        else if (first + LANES <= items) EACH_INPUT_LANE to[j][l] = at[j*items + first + l];
        else for (int l = 0; l < INPUT_LANES; ++l) to[j][l] = at[j*items + item_of(call, first, l)];
    }
    if (pieces->inside[n]) return;
    const real since = pieces->edge[n];
    UNROLL for (int j = TERMS - 2; j >= 0; --j)
        EACH_INPUT_LANE {
            to[j][l] += since*to[j + 1][l];
            to[j + 1][l] = R(0.0);
        }
}

// The piece of input n that is known by its number, in an interval that starts at a time.
FN void take_piece(const Call *call, double start, int64 first, Pieces *pieces, int n)
{
    const Series *s = &call->series[n];
    pieces->since[n] = (real)(start - s->knots[pieces->piece[n]]);
    spread_piece(call, first, pieces, n, s->c, pieces->c[n]);
#if defined(TANGENT)
    spread_piece(call, first, pieces, n, s->dc, pieces->dc[n]);
#endif
}

#if MAP
// The pieces at a time.
FN void take_pieces_at(const Call *call, double time, int64 first, Pieces *pieces)
{
    for (int n = 0; n < N_INPUTS; ++n) {
        pieces->piece[n] = find(&call->series[n], time, &pieces->edge[n], &pieces->inside[n]);
        take_piece(call, time, first, pieces, n);
    }
}
#endif

// The pieces in interval k.
FN void take_pieces(const Call *call, int64 k, int64 first, Pieces *pieces)
{
#if !MAP
    UNROLL for (int n = 0; n < N_INPUTS; ++n) {
        const int64 place = k*N_INPUTS + n;
        pieces->piece[n] = call->piece[place];
        pieces->inside[n] = call->inside[place] != 0;
        pieces->edge[n] = (real)call->edge[place];
        take_piece(call, call->start[k], first, pieces, n);
    }
#endif
}

// Fetches the pieces in interval k into the caches ahead of their time: coefficients of each trajectory's own
// lie far apart.
FN void fetch_pieces(const Call *call, int64 k, int64 first)
{
#if INPUT_LANES > 1 && !MAP
    if (k < 0 || k + 1 >= call->stops) return;
    for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        if (!s->item) continue;
        const real *at = s->c + call->piece[k*N_INPUTS + n]*s->terms*call->batch + first;
        for (int64 j = 0; j < s->terms; ++j, at += call->batch)
            for (int l = 0; l < LANES; l += 64/(int)sizeof(real)) __builtin_prefetch(at + l);
    }
#endif
}

// The time from the inputs' knots to the stages of step j of an interval.
FN void times_since(const Pieces *pieces, double h, int64 j, real (*since)[N_INPUTS])
{
    const real c[STAGES] = STAGE_C, size = (real)h, start = MAP ? R(0.0) : (real)j*size;
    UNROLL for (int k = 0; k < STAGES; ++k)
        UNROLL for (int n = 0; n < N_INPUTS; ++n) {
            const real at = pieces->since[n] + start;
            since[k][n] = c[k] == R(0.0) ? at : at + c[k]*size;
        }
}

// The inputs' values at the stages of a step.
FN void input_values(const Pieces *pieces, real (*since)[N_INPUTS], real (*u)[N_INPUTS][INPUT_LANES])
{
    UNROLL for (int k = 0; k < STAGES; ++k)
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_INPUT_LANE {
                real value = pieces->c[n][TERMS - 1][l];
                UNROLL for (int j = TERMS - 2; j >= 0; --j) value = pieces->c[n][j][l] + since[k][n]*value;
                u[k][n][l] = value;
            }
}

// The inputs' rates of change at a stage.
FN void input_rates(const Pieces *pieces, const real since[N_INPUTS], real (*rate)[INPUT_LANES])
{
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        EACH_INPUT_LANE {
            real value = R(0.0);
            UNROLL for (int j = TERMS - 1; j >= 1; --j) value = (real)j*pieces->c[n][j][l] + since[n]*value;
            rate[n][l] = value;
        }
}

#if defined(ADJOINT) || defined(LOSS)
// Whether anybody asks for the gradients of the inputs' coefficients.
FN bool inputs_wanted(const Call *call)
{
    bool any = false;
    for (int n = 0; n < N_INPUTS; ++n) any |= call->series[n].g != 0;
    return any;
}

FN void forget_cotangents(Pieces *pieces)
{
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        UNROLL for (int j = 0; j < TERMS; ++j) EACH_LANE pieces->g[n][j][l] = R(0.0);
}

// Adds the inputs' cotangents at the stages of a step, and those of their rates, to those of their pieces.
FN void pull_inputs(Pieces *pieces, real (*since)[N_INPUTS], real (*gu)[N_INPUTS][LANES])
{
    UNROLL for (int k = 0; k < STAGES; ++k)
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_LANE {
                real power = gu[k][n][l];
                UNROLL for (int j = 0; j < TERMS; ++j, power *= since[k][n]) pieces->g[n][j][l] += power;
            }
#if RATES
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        EACH_LANE {
            real power = gu[STAGES][n][l];
            UNROLL for (int j = 1; j < TERMS; ++j, power *= since[0][n]) pieces->g[n][j][l] += (real)j*power;
        }
#endif
}

// Adds those of the pieces to the gradients of the coefficients, through the value at an edge that was taken.
FN void give_pieces(const Call *call, int64 first, Pieces *pieces, real *sums)
{
    UNROLL for (int n = 0; n < N_INPUTS; ++n) {
        const Series *s = &call->series[n];
        if (!s->g) continue;
        real power = R(1.0);
        UNROLL for (int j = 0; j < TERMS; ++j, power *= pieces->edge[n]) {
            if (j >= s->terms) continue;
            const int64 place = pieces->piece[n]*s->terms + j;
            for (int l = 0; l < LANES && first + l < call->batch; ++l) {
                const real g = pieces->inside[n] ? pieces->g[n][j][l] : pieces->g[n][0][l]*power;
                if (s->item) s->g[place*call->batch + first + l] += g;
                else sums[N_PARAMS + s->offset + place] += g;
            }
        }
    }
    forget_cotangents(pieces);
}

#if TIMES
// Adds to the cotangents of a step's time and size what the inputs' change in time gives.
FN void pull_times(const Pieces *pieces, real (*since)[N_INPUTS], real (*gu)[N_INPUTS][LANES], Lanes *gt,
                   Lanes *gh)
{
#if !MAP
    const real c[STAGES] = STAGE_C;
    for (int k = 0; k < STAGES; ++k) {
        ALIGNED real rate[N_INPUTS][INPUT_LANES];
        input_rates(pieces, since[k], rate);
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_LANE {
                gt[0][l] += rate[n][INPUT_LANE(l)]*gu[k][n][l];
                gh[0][l] += c[k]*rate[n][INPUT_LANE(l)]*gu[k][n][l];
            }
    }
#if RATES
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        EACH_LANE {
            real bend = R(0.0);
            UNROLL for (int j = TERMS - 1; j >= 2; --j)
                bend = (real)(j*(j - 1))*pieces->c[n][j][INPUT_LANE(l)] + since[0][n]*bend;
            gt[0][l] += bend*gu[STAGES][n][l];
        }
#endif
#endif
}
#endif
#endif

#if defined(TANGENT)
// The inputs' tangents at the stages: of their coefficients, and of the time.
FN void input_tangents(const Pieces *pieces, real (*since)[N_INPUTS], Lanes *dt, Lanes *dh,
                       real (*du)[N_INPUTS][LANES])
{
    const real c[STAGES] = STAGE_C;
    UNROLL for (int k = 0; k < STAGES; ++k)
        UNROLL for (int n = 0; n < N_INPUTS; ++n)
            EACH_LANE {
                real value = R(0.0), rate = R(0.0);
                UNROLL for (int j = TERMS - 1; j >= 0; --j)
                    value = pieces->dc[n][j][INPUT_LANE(l)] + since[k][n]*value;
                UNROLL for (int j = TERMS - 1; j >= 1; --j)
                    rate = (real)j*pieces->c[n][j][INPUT_LANE(l)] + since[k][n]*rate;
                du[k][n][l] = value + rate*(dt[0][l] + c[k]*dh[0][l]);
            }
#if RATES
    UNROLL for (int n = 0; n < N_INPUTS; ++n)
        EACH_LANE {
            real value = R(0.0), bend = R(0.0);
            UNROLL for (int j = TERMS - 1; j >= 1; --j)
                value = (real)j*pieces->dc[n][j][INPUT_LANE(l)] + since[0][n]*value;
            UNROLL for (int j = TERMS - 1; j >= 2; --j)
                bend = (real)(j*(j - 1))*pieces->c[n][j][INPUT_LANE(l)] + since[0][n]*bend;
            du[STAGES][n][l] = value + bend*dt[0][l];
        }
#endif
}
#endif
#endif
