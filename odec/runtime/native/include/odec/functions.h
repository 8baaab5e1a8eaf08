// Functions that C lacks, for the bodies of models: a model uses few of them, and the others cost nothing.
// Needs machine.h and, of the C library, the functions of the working type under their plain names.

FN real select(bool condition, real yes, real no) { return condition ? yes : no; }
FN real lesser(real a, real b) { return (a < b) | (a != a) ? a : b; }
FN real greater(real a, real b) { return (a > b) | (a != a) ? a : b; }
FN real relu(real x) { return x < R(0.0) ? R(0.0) : x; }
FN real sign(real x) { return x > R(0.0) ? R(1.0) : x < R(0.0) ? R(-1.0) : x; }
FN real heaviside(real x, real at_zero) { return x == R(0.0) ? at_zero : x > R(0.0) ? R(1.0) : R(0.0); }

FN real sigmoid(real x)
{
    const real e = exp(-fabs(x));
    return (x < R(0.0) ? e : R(1.0)) / (R(1.0) + e);
}

// tanh for loops over elements, of which networks take many: t/(t + 2) with t = exp(2|x|) - 1, where exp is
// that of 2|x| less a multiple of ln 2 by its series. Within 4 units in the last place.
#if GPU
#define WITHIN_LOOPS FN
#else
#define WITHIN_LOOPS static inline __attribute__((always_inline))
#endif
WITHIN_LOOPS real quick_tanh(real x)
{
#if GPU || REAL_BITS == 32
    return tanh(x);
#else
    const real z = fabs(x) > 20.0 ? 40.0 : 2.0*fabs(x);
    union { real value; int64 bits; } power = {z*1.4426950408889634 + 0x1.8p52};  // the last bits count ln 2
    const real k = power.value - 0x1.8p52, r = (z - k*0x1.62e42fefa38p-1) - k*0x1.ef35793c7673p-45;
    real q = 1.6059043836821613e-10;
    q = q*r + 2.08767569878681e-09;
    q = q*r + 2.505210838544172e-08;
    q = q*r + 2.755731922398589e-07;
    q = q*r + 2.7557319223985893e-06;
    q = q*r + 2.48015873015873e-05;
    q = q*r + 0.0001984126984126984;
    q = q*r + 0.001388888888888889;
    q = q*r + 0.008333333333333333;
    q = q*r + 0.041666666666666664;
    q = q*r + 0.16666666666666666;
    q = q*r + 0.5;
    q = r + r*r*q;
    power.bits = (power.bits << 52) + 0x3ff0000000000000;  // as a number 2^k
    const real t = power.value*q + (power.value - 1.0);
    return __builtin_copysign(t/(t + 2.0), x);
#endif
}

FN real softplus(real x) { return (x > R(0.0) ? x : R(0.0)) + log1p(exp(-fabs(x))); }

FN real modulo(real a, real b)
{
    const real whole = floor(a/b);
    const real rest = whole == R(0.0) ? a : a - b*whole;  // with an infinite b too
    return (rest != R(0.0)) & ((rest < R(0.0)) != (b < R(0.0))) ? rest + b : rest;
}

// 0 for an infinite x: what x enters is at its limit.
FN real finite_part(real x) { return fabs(x) == INFINITY_ ? R(0.0) : x; }

// The first in double precision, the second in single precision, for which the first may be too small.
#if REAL_BITS == 64
#define BY_PRECISION(wide, narrow) R(wide)
#else
#define BY_PRECISION(wide, narrow) R(narrow)
#endif

// What is so near to 0 has its slopes taken at the distance, where need be.
FN bool is_near_zero(real x) { return fabs(x) < BY_PRECISION(1e-100, 1e-28); }
FN real distance_of_slopes(real x) { return BY_PRECISION(1e-46, 1e-18); }

// x, or what is so far from 0 on its side of it: by the k-th of distances that come in pairs.
FN real apart_from_zero(real x, real k)
{
    const real odd = k == R(1.0) ? BY_PRECISION(1e-20, 1e-9) : BY_PRECISION(1e-23, 1e-11);
    const real even = k == R(2.0) ? BY_PRECISION(1e-46, 1e-18) : BY_PRECISION(1e-42, 1e-16);
    const real distance = (k == R(1.0)) | (k == R(3.0)) ? odd : even;
    return fabs(x) < distance ? (x < R(0.0) ? -distance : distance) : x;
}

// A slope, or where it is not finite what it is at two distances where these agree, or it falls to 0.
FN real limit_of_slopes(real here, real first, real second)
{
    const real one = fabs(first), two = fabs(second), close = BY_PRECISION(1e-6, 1e-4);
    const bool agree = fabs(first - second) <= close*(one > two ? one : two);
    const bool gone = (second != R(0.0)) | (one < BY_PRECISION(1e-100, 1e-25));
    const bool falls = (two <= BY_PRECISION(1e-8, 1e-4)*one) & (one < INFINITY_) & gone;
    return !(fabs(here) < INFINITY_) & (two < INFINITY_) & (agree | falls) ? second : here;
}

// Powers by repeated squaring.
FN real square(real x) { return x*x; }
FN real cube(real x) { return square(x)*x; }
FN real power_4(real x) { return square(square(x)); }
FN real power_5(real x) { return power_4(x)*x; }
FN real power_6(real x) { return square(cube(x)); }
FN real power_7(real x) { return power_6(x)*x; }
FN real power_8(real x) { return square(power_4(x)); }
FN real power_9(real x) { return power_8(x)*x; }
FN real power_10(real x) { return square(power_5(x)); }
FN real power_11(real x) { return power_10(x)*x; }
FN real power_12(real x) { return square(power_6(x)); }
FN real power_13(real x) { return power_12(x)*x; }
FN real power_14(real x) { return square(power_7(x)); }
FN real power_15(real x) { return power_14(x)*x; }
FN real power_16(real x) { return square(power_8(x)); }

// 0 where x is 0, whatever y is but NaN.
FN real x_log_y(real x, real y) { return x*log((x == R(0.0)) & (y == y) ? R(1.0) : y); }

// (exp(z) - 1)/z, which is 1 at z = 0.
FN real exprel(real z)
{
    const int near = fabs(z) < R(1e-3);
    const real x = near ? z : R(0.0);
    real series = R(0.0);
    series = series*x + R(0.001388888888888889);
    series = series*x + R(0.008333333333333333);
    series = series*x + R(0.041666666666666664);
    series = series*x + R(0.16666666666666666);
    series = series*x + R(0.5);
    series = series*x + R(1.0);
    const real y = near ? R(1.0) : z > R(1000.0) ? R(1000.0) : z;  // beyond, the value is infinite
    const real r = R(1.0)/y;
    const real far = expm1(y)*r;
    return near ? series : far;
}

// The derivative of exprel.
FN real exprel1(real z)
{
    const int near = fabs(z) < R(0.5);
    const real x = near ? z : R(0.0);
    real series = R(0.0);
    series = series*x + R(7.169215998581078e-13);
    series = series*x + R(1.0706029224547743e-11);
    series = series*x + R(1.4911969277048643e-10);
    series = series*x + R(1.9270852604185937e-09);
    series = series*x + R(2.296443268665491e-08);
    series = series*x + R(2.505210838544172e-07);
    series = series*x + R(2.48015873015873e-06);
    series = series*x + R(2.2045855379188714e-05);
    series = series*x + R(0.00017361111111111112);
    series = series*x + R(0.0011904761904761906);
    series = series*x + R(0.006944444444444444);
    series = series*x + R(0.03333333333333333);
    series = series*x + R(0.125);
    series = series*x + R(0.3333333333333333);
    series = series*x + R(0.5);
    const real y = near ? R(1.0) : z > R(1000.0) ? R(1000.0) : z;  // beyond, the value is infinite
    const real r = R(1.0)/y;
    const real far = (exp(y)*(R(1.0) - r) + r)*r;
    return near ? series : far;
}

// The derivative of exprel1.
FN real exprel2(real z)
{
    const int near = fabs(z) < R(0.5);
    const real x = near ? z : R(0.0);
    real series = R(0.0);
    series = series*x + R(6.74749741042925e-13);
    series = series*x + R(1.0036902398013508e-11);
    series = series*x + R(1.3917837991912066e-10);
    series = series*x + R(1.789436313245837e-09);
    series = series*x + R(2.1197937864604532e-08);
    series = series*x + R(2.296443268665491e-07);
    series = series*x + R(2.2546897546897547e-06);
    series = series*x + R(1.984126984126984e-05);
    series = series*x + R(0.00015432098765432098);
    series = series*x + R(0.0010416666666666667);
    series = series*x + R(0.005952380952380952);
    series = series*x + R(0.027777777777777776);
    series = series*x + R(0.1);
    series = series*x + R(0.25);
    series = series*x + R(0.3333333333333333);
    const real y = near ? R(1.0) : z > R(1000.0) ? R(1000.0) : z;  // beyond, the value is infinite
    const real r = R(1.0)/y;
    const real far = (exp(y)*(R(1.0) - R(2.0)*r*(R(1.0) - r)) - R(2.0)*r*r)*r;
    return near ? series : far;
}

// Without a vector version: called lane by lane from a clone that the loop over lanes can call.
#if GPU
#define BY_LANE FN
#elif defined(__clang__)
#define BY_LANE static inline __attribute__((const))
#else
#define BY_LANE static __attribute__((noinline, const, simd("notinbranch")))
#endif
BY_LANE real gamma_function(real x) { return tgamma(x); }
BY_LANE real log_gamma(real x) { return lgamma(x); }

// Recurrence, reflection and the asymptotic series. Abramowitz & Stegun 6.3.5, 6.3.7, 6.3.18.
BY_LANE real digamma(real x)
{
    const real pi = R(3.14159265358979323846);
    real shift = R(0.0);
    if (x <= R(0.0)) {
        if (x == floor(x)) return NAN_;
        shift = -pi/tan(pi*x);
        x = R(1.0) - x;
    }
    for (; x < R(12.0); x += R(1.0)) shift -= R(1.0)/x;
    const real s = R(1.0)/(x*x);
    const real tail =
        s*(R(1.0)/12 - s*(R(1.0)/120 - s*(R(1.0)/252 - s*(R(1.0)/240 - s*(R(5.0)/660 - s*R(691.0)/32760)))));
    return shift + log(x) - R(0.5)/x - tail;
}

// Recurrence, reflection and the asymptotic series. Abramowitz & Stegun 6.4.6, 6.4.7, 6.4.12.
BY_LANE real trigamma(real x)
{
    real shift = R(0.0), sign = R(1.0);
    if (x <= R(0.0)) {
        if (x == floor(x)) return INFINITY_;
        const real s = R(3.14159265358979323846)/sin(R(3.14159265358979323846)*x);
        shift = s*s;
        sign = R(-1.0);
        x = R(1.0) - x;
    }
    for (; x < R(12.0); x += R(1.0)) shift += sign/(x*x);
    const real s = R(1.0)/(x*x);
    const real tail =
        s*(R(1.0)/6 - s*(R(1.0)/30 - s*(R(1.0)/42 - s*(R(1.0)/30 - s*(R(5.0)/66 - s*R(691.0)/2730)))));
    return shift + sign*(R(1.0) + R(0.5)/x + tail)/x;
}

// A piecewise polynomial at x, or its derivative of an order. Outside the knots the end values hold, unless
// the pieces go on there.
#define LOOKUP(name, count, terms, extrapolate) \
    BY_LANE real name(real x, real order) \
    { \
        const real first = name##_knots[0], last = name##_knots[(count) - 1]; \
        const real at = (extrapolate) || x != x ? x : x < first ? first : x > last ? last : x; \
        int low = 0, high = (count) - 1; \
        while (high - low > 1) { \
            const int middle = (low + high)/2; \
            if (at < name##_knots[middle]) high = middle; \
            else low = middle; \
        } \
        real value = R(0.0); \
        for (int k = (terms) - 1; k >= (int)order; k--) { \
            real factor = R(1.0); \
            for (int j = 0; j < (int)order; j++) factor *= (real)(k - j); \
            value = value*(at - name##_knots[low]) + factor*name##_pieces[low][k]; \
        } \
        return order > R(0.0) && !(extrapolate) && (x < first || x > last) ? R(0.0) : value; \
    }
