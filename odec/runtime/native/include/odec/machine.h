// The compiler and its target: the type `real`, functions, loops over lanes, the sizes and times of steps.
// Needs REAL_BITS (64 or 32), LANES (trajectories that advance side by side), INNER_LANES and ADAPTIVE, and a
// kernel's sizes and flags.
//
// INNER_LANES=0: the loop over lanes stands around a whole step, whose values are then scalars in vector
// registers. INNER_LANES=1: it stands inside every loop, and values are arrays over lanes: for large models,
// and with one lane for a GPU thread. x[i]_l is component i of the present lane in both.
//
// UNIFORM=1: all trajectories have the same parameters, which are read where they lie, and gradients of
// parameters are sums over lanes. UNIFORM=0: every lane has its own. p[i]_pl is parameter i in both.

#include "odec/flags.h"
#include "odec/sizes.h"

#if defined(FIT_ADAM)
#define FIT
#define LOSS
#elif defined(FIT_RESIDUALS)
#define FIT
#define LOSS
#define TANGENT
#endif
// TAPED: adaptive steps go to a tape, to be taken back. WEIGHED: the states at the outputs are compared with
// data before.
#if defined(ADJOINT) || (defined(LOSS) && !defined(TANGENT))
#define TAPED 1
#else
#define TAPED 0
#endif
#if TAPED && defined(LOSS)
#define WEIGHED 1
#else
#define WEIGHED 0
#endif

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define GPU 1
typedef long long int64;
#define CONSTANT static constexpr
#define TABLE static __device__ const
#define FN static __device__ __forceinline__
#define MODEL_FN FN
#define RESTRICT __restrict__
#define ALIGNED
#if ARRAYS  // whose loops stay loops
#define UNROLL _Pragma("unroll 1")
#else
#define UNROLL _Pragma("unroll")
#endif
#define PARALLEL_LANES
#else
#define GPU 0
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
typedef int64_t int64;
#define CONSTANT static const
#define TABLE static const
#define RESTRICT restrict
#define ALIGNED __attribute__((aligned(64)))
#if INNER_LANES && (LANES > 1 || ARRAYS || defined(FIT))
#define FN static
#define MODEL_FN static __attribute__((noinline))
#define UNROLL
#else
#define FN static inline __attribute__((always_inline))
#define MODEL_FN FN
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 65534")
#endif
#endif
#if LANES == 1
#define PARALLEL_LANES
#elif defined(__clang__)
#define PARALLEL_LANES _Pragma("clang loop vectorize(assume_safety) interleave_count(1)")
#elif ADAPTIVE  // with short loops, which gcc would unroll before it vectorises
#define PARALLEL_LANES _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#else
#define PARALLEL_LANES _Pragma("GCC ivdep")
#endif
#endif

#if REAL_BITS == 32
typedef float real;
#define R(literal) literal##f
#if !GPU
#define fabs fabsf
#define sqrt sqrtf
#define floor floorf
#define ceil ceilf
#define tgamma tgammaf
#define lgamma lgammaf
#endif
#else
typedef double real;
#define R(literal) literal
#endif

#define EACH_LANE PARALLEL_LANES for (int l = 0; l < LANES; ++l)
// SHARED_INPUTS=1: all trajectories have the same inputs, of which fixed steps hold one number for all lanes.
#if defined(SHARED_INPUTS) && !INNER_LANES
#define INPUT_LANES 1
#define INPUT_LANE(l) 0
#else
#define INPUT_LANES LANES
#define INPUT_LANE(l) l
#endif
#define EACH_INPUT_LANE PARALLEL_LANES for (int l = 0; l < INPUT_LANES; ++l)
#if INNER_LANES
#define _w [LANES]
#define _l [l]
#define EVERY_LANE EACH_LANE
#define EACH(i, n) UNROLL for (int i = 0; i < (n); ++i) EACH_LANE
#else
#define _w
#define _l
#define EVERY_LANE
#define EACH(i, n) UNROLL for (int i = 0; i < (n); ++i)
#endif
#if GPU
#define INFINITY_ ((real)__longlong_as_double(0x7ff0000000000000LL))
#define NAN_ ((real)__longlong_as_double(0x7ff8000000000000LL))
#else
#define INFINITY_ ((real)INFINITY)
#define NAN_ ((real)NAN)
#endif

// A method's coefficients as constants of a function: by themselves, as those of a step, where fixed steps
// have h in them, and beside these, as plain_name.
#define COEFFICIENT(name, value) const real name = (real)(value);
#define PLAIN_COEFFICIENT(name, value) const real plain_##name = (real)(value);

// Within a lane a step's size is h_l, a function's time is time_l, and a stage's time is time[k]_tl.
#if ADAPTIVE
// Every lane takes its own steps: sizes and times are values like any other, times still in double precision.
#define STEP_SIZE const real h _w
#define h_l h _l
#define time_w time _w
#define time_l time _l
#define _tw _w
#define _tl _l
#define STEP_COEFFICIENT COEFFICIENT
#define TIMES_H(sum) h_l*(sum)
#else
// All lanes take the same steps: sizes and times are scalars in double precision; h is in the coefficients.
#define STEP_SIZE const double h
#define h_l ((real)h)
#define time_w time
#define time_l time
#define _tw
#define _tl
#define STEP_COEFFICIENT(name, value) const real name = (real)(h*(value));
#define TIMES_H(sum) sum
#endif

#if GPU
#define RARE FN
#else
#define RARE static __attribute__((noinline))  // called between many steps
#endif
#define ROOM(n) ((n) > 0 ? (n) : 1)
typedef real Lanes[LANES];
#ifndef UNIFORM
#define UNIFORM 0
#endif
#if UNIFORM
#define _pw
#define _pl
typedef real Param;
#else
#define _pw _w
#define _pl _l
typedef Lanes Param;
#endif
#define BLOCK(name, n) ALIGNED Lanes name[ROOM(n)]
