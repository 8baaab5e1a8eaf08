// Within a function: Newton's iteration from k for each lane, until |size·Δk| ≤ √ε |y|, so that what is left
// is of the size of ε, or for three times within ε^⅔ of the largest |y|. From where ∂f/∂x is not finite
// (steep) a lane moves on, unless k = f holds there. NaN where MOST_ITERATIONS do not get there, unless Δk is
// then within ε^⅔ of k: between the two sides of a kink.
// Needs UNKNOWNS, CHANGE(dk) = size·dk, and CORRECT, the statement that sets y, steep and change = Δk from k.

#define MOST_ITERATIONS 30
#define ROOT_EPSILON (REAL_BITS == 64 ? R(1.4901161193847656e-8) : R(3.4526698300124393e-4))
#define NEAR_EPSILON (REAL_BITS == 64 ? R(3.666852862501036e-11) : R(2.422064677114364e-5))
    real y[UNKNOWNS]_w, change[UNKNOWNS]_w, moving[1]_w, late[1]_w, most[1]_w, size[1]_w, apart[1]_w;
    real steep[1]_w;
    EVERY_LANE {
        moving[0]_l = R(1.0);
        late[0]_l = R(0.0);
    }
    int left = 1;
    for (int iteration = 0;; ++iteration) {
        CORRECT;
        if (!left || iteration == MOST_ITERATIONS) break;
        EVERY_LANE most[0]_l = size[0]_l = apart[0]_l = R(0.0);
        EACH(i, UNKNOWNS) {
            const real move = fabs(CHANGE(change[i]_l)), far = steep[0]_l > R(0.0) ? R(0.0) : fabs(y[i]_l);
            k[i]_l += moving[0]_l > R(0.0) ? change[i]_l : R(0.0);
            most[0]_l = larger(move, most[0]_l);
            size[0]_l = larger(far, size[0]_l);
            apart[0]_l = move <= ROOT_EPSILON*far ? apart[0]_l
                : move < INFINITY_ ? larger(apart[0]_l, R(1.0)) : R(2.0);
        }
        EVERY_LANE {
            late[0]_l += most[0]_l <= NEAR_EPSILON*size[0]_l ? R(1.0) : R(0.0);
            const bool ended = (apart[0]_l != R(1.0)) | (late[0]_l >= R(3.0));
            moving[0]_l = ended ? R(0.0) : moving[0]_l;
        }
        left = 0;
        EVERY_LANE left |= moving[0]_l > R(0.0);
    }
    if (left) {
        EVERY_LANE most[0]_l = size[0]_l = R(0.0);
        EACH(i, UNKNOWNS) {
            most[0]_l = larger(fabs(change[i]_l), most[0]_l);
            size[0]_l = larger(fabs(k[i]_l), size[0]_l);
        }
        EVERY_LANE moving[0]_l = most[0]_l <= NEAR_EPSILON*size[0]_l ? R(0.0) : moving[0]_l;
    }
    EACH(i, UNKNOWNS) k[i]_l = moving[0]_l > R(0.0) ? NAN_ : k[i]_l + change[i]_l;
