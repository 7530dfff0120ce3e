// What string tensors need where numbers have a loop.
#pragma once

#include "ops/kernel.h"

namespace ferry::ops {

// Equal (or not) element by element, broadcast; without `errors`, shapes that do not fit are unequal as a whole.
Result<KernelRef> make_string_equality(bool equal, bool errors);
// a + b, broadcast.
Result<KernelRef> make_string_sum();

}  // namespace ferry::ops
