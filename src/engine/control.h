// Kernels over schedules: branches, loops and calls.
#pragma once

#include "engine/program.h"
#include "engine/schedule.h"
#include "ops/kernel.h"

namespace ferry::engine {

// If, While, Case, calls that are not inlined. Null (and ok) where the op is none of these.
Result<ops::KernelRef> make_control_kernel(const ops::NodeInfo& node, Program& program, Problems& problems);
// A call of a function as it is.
ops::KernelRef make_call_kernel(const FunctionSchedule* function);

// A frame of TensorFlow 1: `variables` values that go round (the first inputs), then constants. The schedule's fetches are the next
// value of each variable and then the exits, which are dead until the last time round.
ops::KernelRef make_frame_kernel(std::unique_ptr<Schedule> body, size_t variables, size_t constants, size_t exits);

}  // namespace ferry::engine
