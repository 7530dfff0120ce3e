// A protobuf message with some of its fields written anew; every other byte stays as it was, fields unknown to us included.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "wire/protobuf.h"

namespace ferry::proto {

struct RawField {
  uint32_t number;
  Wire wire;
  std::string_view raw;              // tag and value
  std::span<const std::byte> value;  // of a field of bytes
  std::string_view text() const { return {reinterpret_cast<const char*>(value.data()), value.size()}; }
};

// edit(field, out) → Result<bool>: true where it has appended what is to stand instead (which may be nothing).
template <class Edit>
Result<std::string> splice(std::span<const std::byte> message, Edit&& edit) {
  std::string out;
  out.reserve(message.size() + 64);
  const std::string_view whole(reinterpret_cast<const char*>(message.data()), message.size());
  Reader in(message);
  while (in.next()) {
    RawField field{in.field(), in.wire(), {}, {}};
    const auto begin = static_cast<size_t>(in.field_offset());
    if (in.wire() == Wire::bytes) {
      field.value = in.bytes();
    } else {
      in.skip();
    }
    if (!in.ok()) break;
    field.raw = whole.substr(begin, static_cast<size_t>(in.offset()) - begin);
    FERRY_ASSIGN_OR_RETURN(const bool written, edit(std::as_const(field), out));
    if (!written) out += field.raw;
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

}  // namespace ferry::proto
