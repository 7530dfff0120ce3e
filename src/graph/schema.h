// TensorFlow's messages by name, for the text format. The table is schema.def.
#pragma once

#include <span>

#include "wire/text_proto.h"

namespace ferry::graph::schema {

#define FERRY_MESSAGE(id, name) extern const textproto::Message id;
#define FERRY_FIELD(...)
#define FERRY_END(...)
#include "graph/schema.def"

// All of them.
std::span<const textproto::Message* const> messages();

}  // namespace ferry::graph::schema
