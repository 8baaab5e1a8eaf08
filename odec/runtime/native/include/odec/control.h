// The control of the lanes' steps: the first of a trajectory, which size to try, and whether it is taken.
// Needs adaptive.h, slope_block and, of the method, LOCAL_ORDER, ERROR_ORDER, STEP_TIMES and DENSE_TIMES.

// The mean over the states of (value/(atol + rtol |x|))². Hairer, Nørsett & Wanner I, II.4, eq. 4.11.
FN void mean_square(const Call *call, Lanes *value, Lanes *x, real mean[LANES])
{
    const real rtol = (real)call->control.rtol;
    EACH_LANE mean[l] = R(0.0);
    UNROLL for (int i = 0; i < N_STATES; ++i) {
        const real atol = (real)call->control.atol[i];
        EACH_LANE {
            const real scaled = value[i][l]/(atol + rtol*fabs(x[i][l]));
            mean[l] += scaled*scaled*(R(1.0)/N_STATES);
        }
    }
}

// A first step for the trajectories just taken, and (FSAL) the slopes where a lane enters an interval.
// Hairer, Nørsett & Wanner I, II.4, page 169.
RARE void begin(const Call *call, Run *run)
{
    const Control *control = &call->control;
    const real clip = (real)call->clip, sign = (real)control->sign, max_step = (real)control->max_step;
    BLOCK(k1, N_STATES);
    BLOCK(k2, N_STATES);
    BLOCK(y, N_STATES);
    ALIGNED real d0[LANES], d1[LANES], d2[LANES], guess[LANES], steepest[WIDE] = {0}, logarithm[WIDE];
#if TIMED
    ALIGNED double time[1][LANES];
    EACH_LANE time[0][l] = time_of(call, run, l);
#endif
#if INPUTS
    ALIGNED real u[1][N_INPUTS][LANES];
    inputs_at(run, time, 1, u);
#endif
    slope_block(IF_TIMED(time[0],) run->x, run->p, IF_INPUTS(u[0],) clip, k1);
#if FSAL
    UNROLL for (int i = 0; i < N_STATES; ++i)
        EACH_LANE run->slope[i][l] = run->event[l] != NOTHING ? k1[i][l] : run->slope[i][l];
#endif
    mean_square(call, run->x, run->x, d0);
    mean_square(call, k1, run->x, d1);
    EACH_LANE {
        const real size = sqrt(d0[l]), slope = sqrt(d1[l]), span = (real)run->span[l];
        const real first = (size < R(1e-5)) | (slope < R(1e-5)) ? R(1e-6) : R(0.01)*size/slope;
        guess[l] = first > span ? span : first;
    }
    UNROLL for (int i = 0; i < N_STATES; ++i) EACH_LANE y[i][l] = run->x[i][l] + sign*guess[l]*k1[i][l];
#if TIMED
    EACH_LANE time[0][l] += control->sign*guess[l];
#endif
#if INPUTS
    inputs_at(run, time, 1, u);
#endif
    slope_block(IF_TIMED(time[0],) y, run->p, IF_INPUTS(u[0],) clip, k2);
    UNROLL for (int i = 0; i < N_STATES; ++i) EACH_LANE k2[i][l] -= k1[i][l];
    mean_square(call, k2, run->x, d2);
    EACH_LANE {
        const real slope = sqrt(d1[l]), bend = sqrt(d2[l])/guess[l];
        steepest[l] = slope > bend ? slope : bend;
    }
    EACH_WIDE logarithm[l] = log(R(0.01)/steepest[l]);
    EACH_LANE {
        const real tiny = R(1e-3)*guess[l] < R(1e-6) ? R(1e-6) : R(1e-3)*guess[l];
        const real second = steepest[l] <= R(1e-15) ? tiny : exp(logarithm[l]/LOCAL_ORDER);
        const real least = R(100.0)*guess[l] < second ? R(100.0)*guess[l] : second;
        const real chosen = least == least ? least : R(1e-6);
        const real h = control->first_step > 0 ? (real)control->first_step : chosen;
        run->h[l] = run->event[l] == TAKEN ? (h > max_step ? max_step : h) : run->h[l];
    }
    for (int l = 0; l < LANES; ++l) {
        if (run->event[l] != TAKEN) {
            run->event[l] = NOTHING;
            continue;
        }
        run->event[l] = STARTED;
        for (int i = N_STATES - 1; i >= 0; --i)
            if (!is_finite(run->x[i][l]) || !is_finite(k1[i][l])) {
                run->event[l] = NOT_FINITE;
                run->state[l] = i;
            }
    }
}

#if TIMED
// When the stages of the lanes' steps are.
#define SET_TIME(stage, when) trial->time[stage][l] = when;
FN void stage_times(const Call *call, const Run *run, Trial *trial)
{
    EACH_LANE {
        const double t = time_of(call, run, l), h = trial->h[l];
        STEP_TIMES(SET_TIME)
#if FSAL
        trial->time[STAGES][l] = t + h;
#endif
#if DENSE
        DENSE_TIMES(SET_TIME)
#endif
    }
}
#endif

// The sizes and times of the steps to try: to the next stop at most, and half the way where two steps do.
FN void propose(const Call *call, const Run *run, Trial *trial)
{
    const double sign = call->control.sign;
    EACH_LANE {
        const real left = (real)(run->span[l] - run->done[l]), wish = run->h[l];
        const bool lands = wish >= left*R(0.999999999999);
        const real half = R(0.5)*left, size = lands ? left : left < R(2.0)*wish ? half : wish;
        trial->lands[l] = lands;
        trial->size[l] = run->active[l] ? size : R(0.0);
        trial->h[l] = (real)sign*trial->size[l];
        trial->begin[l] = run->done[l];
    }
#if TIMED
    stage_times(call, run, trial);
#endif
#if INPUTS
    inputs_at(run, trial->time, EVALUATIONS, trial->u);
#if RATES
    rates_at(run, trial->time[0], trial->u[STAGES]);
#endif
#endif
}

// Which lanes take their step, and the size of the next; returns whether anything happens to a lane.
// A PI controller: 0.9 err^(-0.7/q) err_before^(0.4/q), q = ERROR_ORDER, between 0.2 and 10, no growth after
// a rejection. Gustafsson, ACM TOMS 17 (1991) 533–554; Hairer & Wanner II, IV.2.
// In short loops, as gcc needs them.
FN Whole judge(const Call *call, Run *run, Trial *trial)
{
    const Control *control = &call->control;
    const real min_step = (real)control->min_step, max_step = (real)control->max_step;
    const Whole most = (Whole)control->max_steps;
    BLOCK(larger, N_STATES);
    UNROLL for (int i = 0; i < N_STATES; ++i) EACH_LANE {
        const real a = fabs(run->x[i][l]), b = fabs(trial->x_next[i][l]);
        larger[i][l] = a > b ? a : b;
    }
    mean_square(call, trial->error, larger, trial->square);
#if TWO_ERRORS
    // With a second estimate of lower order, error⁴/(error² + 0.01 lower²).
    // Hairer, Nørsett & Wanner I, II.10, eq. 10.17.
    ALIGNED real lower[LANES];
    mean_square(call, trial->lower, larger, lower);
    EACH_LANE {
        const real square = trial->square[l], both = square + R(0.01)*lower[l];
        trial->square[l] = both > R(0.0) ? square/both*square : square;
    }
#endif
#if DENSE && defined(EXCESS)
    EACH_LANE trial->square[l] *= R(1.0)*EXCESS*EXCESS;
#endif
    ALIGNED real square[WIDE] = {0}, error[WIDE], factor[LANES];
    // 1 at rest, and never 0, whose logarithm takes vector functions long.
    EACH_LANE square[l] = run->active[l] ? trial->square[l] : R(1.0);
    EACH_LANE square[l] = square[l] < R(1e-20) ? R(1e-20) : square[l];
    EACH_LANE trial->good[l] = (run->active[l] != 0) & (square[l] <= R(1.0));
    EACH_WIDE error[l] = R(0.5)*log(square[l]);
    EACH_LANE {
        const real grow = R(-0.7)/ERROR_ORDER*error[l] + R(0.4)/ERROR_ORDER*run->before[l],
                   shrink = -error[l]/ERROR_ORDER;
        factor[l] = R(0.9)*exp(trial->good[l] ? grow : shrink);
    }
    EACH_LANE {
        const bool good = trial->good[l] != 0, again = run->rejected_last[l] != 0;
        const real growth = again ? R(1.0) : R(10.0);
        const real high = good ? growth : R(0.9), low = good ? R(0.2) : R(0.1);
        const real f = factor[l];
        factor[l] = f > high ? high : f > low ? f : low;
    }
    EACH_LANE {
        const real size = trial->size[l], wish = run->h[l], next = size*factor[l];
        const real longer = (size < wish) & (next < wish) ? wish : next;
        const real held = longer < min_step ? min_step : longer > max_step ? max_step : longer;
        run->h[l] = trial->good[l] ? held : run->active[l] ? next : wish;
    }
    EACH_LANE {
        const Whole good = trial->good[l], bad = run->active[l] & ~good;
        const real before = error[l] < R(-9.210340371976182) ? R(-9.210340371976182) : error[l];
        run->before[l] = good ? before : run->before[l];
        run->rejected_last[l] = run->active[l] ? bad : run->rejected_last[l];
        run->accepted[l] += good;
        run->rejected[l] += bad;
        run->unsolved[l] += bad & (square[l] - square[l] != R(0.0));
    }
    const double shortest = control->min_step > 0 ? control->min_step : TINY;
    Whole any = 0;
    EACH_LANE {
        const bool good = trial->good[l] != 0, lands = trial->lands[l] != 0, active = run->active[l] != 0;
        const double done = run->done[l], after = lands ? run->span[l] : done + (double)trial->size[l];
        const double rounding = 16*EPSILON*fabs(run->from[l] + control->sign*done);
        const double least = rounding < shortest ? shortest : rounding;
#if AUTO
        // Where the explicit step has become too short, the other method goes on.
        const bool lost = active & !good & (run->h[l] < least), over = lost & !run->stiff[l];
        run->stiff[l] = over ? 1 : run->stiff[l];
        run->signs[l] = over ? 0 : run->signs[l];
        run->h[l] = over ? (real)least : run->h[l];
        const bool small = lost & !over, landed = good & lands;
#else
        const bool small = active & !good & (run->h[l] < least), landed = good & lands;
#endif
        const bool many = active & !landed & (run->accepted[l] + run->rejected[l] >= most);
        const Whole event = landed ? LANDED : small ? STEP_TOO_SMALL : many ? TOO_MANY_STEPS : NOTHING;
        run->done[l] = good ? after : done;
        run->event[l] = event;
    }
    EACH_LANE any |= run->event[l];
    return any;
}

// The lanes that take their step are where it ends.
FN void move(Run *run, const Trial *trial)
{
    UNROLL for (int i = 0; i < N_STATES; ++i)
        EACH_LANE {
            run->x[i][l] = trial->good[l] ? trial->x_next[i][l] : run->x[i][l];
#if FSAL
            run->slope[i][l] = trial->good[l] ? trial->slope[i][l] : run->slope[i][l];
#endif
        }
}
