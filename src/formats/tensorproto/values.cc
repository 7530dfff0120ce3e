// The elements of a TensorProto, from tensor_content or from the *_val fields.
#include <algorithm>
#include <cstring>

#include "ferry/checked.h"
#include "formats/tensorproto/tensorproto.h"
#include "wire/protobuf.h"

namespace ferry::tensorproto {
namespace {

using proto::bytes_tag;
using proto::make_tag;
using proto::Wire;

// What fills up a list of values that is shorter than the shape: its last value, or zero.
template <class T>
void splat(std::span<T> out, size_t have) {
  if (have < out.size()) std::fill(out.begin() + static_cast<ptrdiff_t>(have), out.end(), have == 0 ? T{} : out[have - 1]);
}

Status packed_problem(uint64_t at, Field field) {
  return data_loss_at(at, concat("the packed values of field ", static_cast<uint32_t>(field), " end inside a value"));
}

// Varints, packed or not, each cut to T. Values past the shape's count are ignored, as in TensorFlow.
template <class T>
Status fill_varints(std::span<const std::byte> message, uint64_t base, Field field, std::span<T> out) {
  size_t have = 0;
  const auto take = [&](uint64_t value) {
    if (have < out.size()) {
      out[have++] = static_cast<T>(value);
    }
  };
  proto::Reader in(message, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(field)) {
      const auto packed = in.bytes();
      if (!proto::for_each_varint(packed, take)) return packed_problem(in.offset(), field);
    } else if (in.tag() == proto::varint_tag(field)) {
      take(in.varint());
    } else {
      in.skip();
    }
  }
  splat(out, have);
  return in.status();
}

// Floats and doubles; complex numbers are pairs of them, and an odd one at the end does not count.
template <class T, size_t kPer>
Status fill_fixed(std::span<const std::byte> message, uint64_t base, Field field, std::span<std::byte> out) {
  constexpr Wire wire = sizeof(T) == 4 ? Wire::fixed32 : Wire::fixed64;
  size_t have = 0;  // bytes
  const auto take = [&](const void* bytes, size_t size) {
    const size_t some = std::min(size, out.size() - have);
    if (some > 0) std::memcpy(out.data() + have, bytes, some);
    have += some;
  };
  proto::Reader in(message, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(field)) {
      const auto packed = in.bytes();
      if (packed.size() % sizeof(T) != 0) return packed_problem(in.offset(), field);
      take(packed.data(), packed.size());
    } else if (in.tag() == make_tag(field, wire)) {
      if constexpr (sizeof(T) == 4) {
        const uint32_t value = in.fixed32();
        take(&value, 4);
      } else {
        const uint64_t value = in.fixed64();
        take(&value, 8);
      }
    } else {
      in.skip();
    }
  }
  struct Element {
    T parts[kPer];
  };
  splat(std::span(reinterpret_cast<Element*>(out.data()), out.size() / sizeof(Element)), have / sizeof(Element));
  return in.status();
}

Status fill_bytes(std::span<const std::byte> message, uint64_t base, std::span<std::byte> out) {
  std::span<const std::byte> values;
  proto::Reader in(message, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(kFloat8Val)) {
      values = in.bytes();
    } else {
      in.skip();
    }
  }
  const size_t have = std::min(values.size(), out.size());
  if (have > 0) std::memcpy(out.data(), values.data(), have);
  splat(out, have);
  return in.status();
}

template <class T>
std::span<T> as(std::span<std::byte> bytes) {
  return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace

Status TensorProtoView::copy_to(std::span<std::byte> out) const {
  FERRY_ASSERT(dtype_ != DType::string && out.size() == num_bytes());
  if (out.empty()) return {};
  if (has_content()) {
    std::memcpy(out.data(), content_.data(), out.size());
    return {};
  }
  const Field field = value_field(dtype_);
  switch (field) {
    case kFloatVal: return fill_fixed<float, 1>(message_, base_, field, out);
    case kDoubleVal: return fill_fixed<double, 1>(message_, base_, field, out);
    case kSComplexVal: return fill_fixed<float, 2>(message_, base_, field, out);
    case kDComplexVal: return fill_fixed<double, 2>(message_, base_, field, out);
    case kFloat8Val: return fill_bytes(message_, base_, out);
    case kBoolVal: return fill_varints<bool>(message_, base_, field, as<bool>(out));
    default: break;
  }
  switch (dtype_size(dtype_)) {
    case 1: return fill_varints<uint8_t>(message_, base_, field, as<uint8_t>(out));
    case 2: return fill_varints<uint16_t>(message_, base_, field, as<uint16_t>(out));
    case 4: return fill_varints<uint32_t>(message_, base_, field, as<uint32_t>(out));
    default: return fill_varints<uint64_t>(message_, base_, field, as<uint64_t>(out));
  }
}

// In tensor_content, all lengths as varints come first, then all bytes.
Status TensorProtoView::start_strings(StringCursor& cursor) const {
  FERRY_ASSERT(dtype_ == DType::string);
  if (!has_content()) return {};
  if (static_cast<uint64_t>(count_) > content_.size()) {
    return fail(data_loss_at(content_offset_, concat("tensor_content holds ", content_.size(), " bytes, too few for the lengths of ",
                                                     count_, " strings of shape ", shape_.to_string())));
  }
  const std::byte* at = content_.data();
  const std::byte* const end = at + content_.size();
  uint64_t total = 0;
  for (int64_t i = 0; i < count_; ++i) {
    uint64_t length;
    const std::byte* after = proto::read_varint(at, end, length);
    if (after == nullptr || length > 0xffffffffu) {
      return fail(data_loss_at(content_offset_ + static_cast<uint64_t>(at - content_.data()),
                               concat("the length of string ", i, " in tensor_content is no varint of 32 bits")));
    }
    at = after;
    total += length;
  }
  if (total != static_cast<uint64_t>(end - at)) {
    return fail(data_loss_at(content_offset_ + static_cast<uint64_t>(at - content_.data()),
                             concat("the strings in tensor_content need ", total, " bytes by their lengths, ", end - at, " are there")));
  }
  cursor.at = static_cast<size_t>(at - content_.data());
  return {};
}

std::string_view TensorProtoView::next_string(StringCursor& cursor) const {
  if (has_content()) {
    uint64_t length;
    const std::byte* at = content_.data() + cursor.lengths;
    const std::byte* after = proto::read_varint(at, content_.data() + content_.size(), length);
    cursor.lengths += static_cast<size_t>(after - at);
    const std::string_view out(reinterpret_cast<const char*>(content_.data()) + cursor.at, static_cast<size_t>(length));
    cursor.at += out.size();
    return out;
  }
  if (!cursor.exhausted) {
    proto::Reader in(message_.subspan(cursor.at));
    while (in.next()) {
      if (in.tag() == bytes_tag(kStringVal)) {
        cursor.last = in.text();
        cursor.at += static_cast<size_t>(in.offset());
        return cursor.last;
      }
      in.skip();
    }
    cursor.exhausted = true;
  }
  return cursor.last;
}

// A message of a few bytes may stand for a tensor of any size. The rule is that of compressed streams: past the free part,
// growth is held to a ratio.
Status TensorProtoView::check_expansion(uint64_t bytes, const Limits& limits) const {
  if (bytes > limits.max_tensor_bytes) {
    return limit_exceeded(concat("shape ", shape_.to_string(), " of ", dtype_name(dtype_), " needs ", bytes, " bytes, the limit is ",
                                 limits.max_tensor_bytes, " (max_tensor_bytes)"));
  }
  if (bytes > limits.free_expanded_bytes && bytes / limits.max_expansion_ratio > message_.size()) {
    return limit_exceeded(concat(message_.size(), " bytes announce shape ", shape_.to_string(), " of ", dtype_name(dtype_), ", ", bytes,
                                 " bytes; more than ", limits.free_expanded_bytes, " bytes and ", limits.max_expansion_ratio,
                                 " times the message is refused (max_expansion_ratio)"));
  }
  return {};
}

Result<DenseTensor> TensorProtoView::to_tensor(const Buffer* source, const Limits& limits) const {
  FERRY_RETURN_IF_ERROR(check_expansion(num_bytes(), limits));
  if (dtype_ == DType::string) {
    uint64_t total = 0;
    FERRY_RETURN_IF_ERROR(for_each_string([&](std::string_view text) { total += text.size(); }));
    FERRY_RETURN_IF_ERROR(check_expansion(total, limits));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(static_cast<size_t>(count_) + 1));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer heap, MutableBuffer::allocate(static_cast<size_t>(total)));
    int64_t* offset = offsets.as<int64_t>().data();
    int64_t at = 0;
    *offset++ = 0;
    FERRY_RETURN_IF_ERROR(for_each_string([&](std::string_view text) {
      if (!text.empty()) std::memcpy(heap.data() + at, text.data(), text.size());
      at += static_cast<int64_t>(text.size());
      *offset++ = at;
    }));
    return DenseTensor::make_strings(shape_, std::move(offsets).freeze(), std::move(heap).freeze());
  }
  if (source != nullptr && has_content()) {
    const Buffer view = source->slice(static_cast<size_t>(content_.data() - source->data()), content_.size());
    return DenseTensor::make(dtype_, shape_, view);
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer data, MutableBuffer::allocate(static_cast<size_t>(num_bytes())));
  FERRY_RETURN_IF_ERROR(copy_to({data.data(), data.size()}));
  return DenseTensor::make(dtype_, shape_, std::move(data).freeze());
}

}  // namespace ferry::tensorproto
