#include "graph/schema.h"

namespace ferry::graph::schema {
namespace {

using textproto::Enum;
using textproto::EnumValue;
using textproto::Field;
using textproto::Message;
using textproto::Type;

// What the last column of a field names: a message, an enum, or nothing.
constexpr const Message* message_of(const Message* message) { return message; }
constexpr const Message* message_of(const Enum*) { return nullptr; }
constexpr const Enum* enum_of(const Enum* enumeration) { return enumeration; }
constexpr const Enum* enum_of(const Message*) { return nullptr; }
constexpr const Message* const none_address = nullptr;

#define FERRY_ENUM(id, name)                   \
  extern const Enum id;                        \
  constexpr std::string_view id##_name = name; \
  constexpr EnumValue id##_values[] = {
#define FERRY_VALUE(name, number) {#name, number},
#define FERRY_END_ENUM(id) \
  }                        \
  ;                        \
  const Enum id{id##_name, id##_values};
#include "graph/schema.def"

}  // namespace

#define FERRY_ENUM(id, name) constexpr const Enum* id##_address = &id;
#define FERRY_VALUE(...)
#define FERRY_END_ENUM(...)
#define FERRY_MESSAGE(id, name) constexpr const Message* id##_address = &id;
#define FERRY_FIELD(...)
#define FERRY_END(...)
#include "graph/schema.def"

// A message without fields still needs an array: the first element stands for none.
#define FERRY_MESSAGE(id, name)                \
  constexpr std::string_view id##_name = name; \
  constexpr Field id##_fields[] = {{{}, 0, Type::message, false},
#define FERRY_FIELD(name, number, type, repeated, of) \
  {#name, number, Type::type, repeated, message_of(of##_address), enum_of(of##_address)},
#define FERRY_END(id) \
  }                   \
  ;                   \
  const Message id{id##_name, std::span(id##_fields).subspan(1)};
#include "graph/schema.def"

std::span<const Message* const> messages() {
  static constexpr const Message* kAll[] = {
#define FERRY_MESSAGE(id, name) &id,
#define FERRY_FIELD(...)
#define FERRY_END(...)
#include "graph/schema.def"
  };
  return kAll;
}

}  // namespace ferry::graph::schema
