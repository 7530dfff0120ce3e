// Protobuf's text format turned into its wire format, by a table of messages and fields: what follows reads one form only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry::textproto {

enum class Type : uint8_t {
  message,
  text,
  bytes,
  boolean,
  enumeration,
  float32,
  float64,
  int32,
  int64,
  uint32,
  uint64,
  sint32,
  sint64,
  fixed32,
  fixed64,
  sfixed32,
  sfixed64
};

struct EnumValue {
  std::string_view name;
  int32_t number;
};
struct Enum {
  std::string_view name;
  std::span<const EnumValue> values;
};
struct Message;
struct Field {
  std::string_view name;
  uint32_t number;
  Type type;
  bool repeated;
  const Message* message = nullptr;
  const Enum* enumeration = nullptr;
};
// Entries of maps are messages like others, and the map a repeated field of them.
struct Message {
  std::string_view name;  // "tensorflow.NodeDef"
  std::span<const Field> fields;
};

// `known`: messages that may stand in a google.protobuf.Any by their full name. What the text says wrong comes back with its offset, and
// line and column in the words.
Result<std::string> to_wire(std::string_view text, const Message& message, std::span<const Message* const> known = {},
                            const Limits& limits = {});

// The name of the first field, behind comments; empty where the text does not begin like a message.
std::string_view first_field(std::string_view text);

}  // namespace ferry::textproto
