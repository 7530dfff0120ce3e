// ByteCursor: reads a span front to back; every step is held against what remains.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "ferry/status.h"

namespace ferry {

static_assert(std::endian::native == std::endian::little, "big-endian machines are not supported");

class ByteCursor {
 public:
  explicit ByteCursor(std::span<const std::byte> bytes, uint64_t base = 0) : bytes_(bytes), base_(base) {}

  size_t remaining() const { return bytes_.size() - at_; }
  uint64_t offset() const { return base_ + at_; }  // in the source
  bool done() const { return at_ == bytes_.size(); }

  // A little-endian number. `what` names it in the error.
  template <class T>
  requires std::is_trivially_copyable_v<T> Result<T> read(std::string_view what) {
    if (remaining() < sizeof(T)) return cut(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  Result<std::span<const std::byte>> take(uint64_t size, std::string_view what) {
    if (size > remaining()) return cut(what, size);
    const auto out = bytes_.subspan(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return out;
  }
  Result<std::string_view> take_text(uint64_t size, std::string_view what) {
    FERRY_ASSIGN_OR_RETURN(const auto bytes, take(size, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  Status skip(uint64_t size, std::string_view what) {
    if (size > remaining()) return cut(what, size);
    at_ += static_cast<size_t>(size);
    return {};
  }

 private:
  Status cut(std::string_view what, uint64_t wanted) const {
    return data_loss_at(offset(), concat(what, " needs ", wanted, " bytes, only ", remaining(), " remain"));
  }
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  uint64_t base_;
};

}  // namespace ferry
