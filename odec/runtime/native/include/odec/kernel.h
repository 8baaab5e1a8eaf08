// All that kernels have in common, from blocks of lanes to the function that is called.
// Needs a kernel's sizes and flags, machine.h, the model and a method's steps.

#include "odec/blocks.h"
#include "odec/call.h"
#include "odec/params.h"
#include "odec/watch.h"
#include "odec/inputs.h"
#if ADAPTIVE
#include "odec/adaptive.h"
#include "odec/control.h"
#include "odec/lanes.h"
#if AUTO
#include "odec/auto.h"
#endif
#include "odec/dense.h"
#include "odec/adaptive_solve.h"
#include "odec/adaptive_adjoint.h"
#else
#include "odec/interval_inputs.h"
#include "odec/fixed.h"
#include "odec/adjoint.h"
#include "odec/tangent.h"
#endif
#include "odec/entry.h"
#if defined(FIT) && !GPU
#include "odec/fit.h"
#include "odec/fit_adam.h"
#include "odec/fit_residuals.h"
#endif
