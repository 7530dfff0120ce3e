// Strings of tf.io.serialize_tensor joined end to end: what they look like, and what there is to say of them.
#pragma once

#include <cstddef>
#include <span>

#include "ferry/status.h"

namespace ferry::tensorproto {

// Ok where the bytes are at most one TensorProto; else the error that explains why several without frames cannot be taken
// apart again, and what to write instead.
Status refuse_concatenated(std::span<const std::byte> bytes);

}  // namespace ferry::tensorproto
