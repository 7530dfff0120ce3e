// TensorProto: the bytes of tf.io.serialize_tensor, and of every tensor inside GraphDef, PredictRequest and serialize_sparse.
// Decoding makes a view: nothing is copied, and up to six axes nothing is allocated. docs/formats/tensorproto.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/buffer.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry::tensorproto {

// Field numbers of tensorflow.TensorProto.
enum Field : uint32_t {
  kDType = 1,
  kShape = 2,
  kVersion = 3,
  kContent = 4,
  kFloatVal = 5,
  kDoubleVal = 6,
  kIntVal = 7,
  kStringVal = 8,
  kSComplexVal = 9,
  kInt64Val = 10,
  kBoolVal = 11,
  kDComplexVal = 12,
  kHalfVal = 13,
  kUInt32Val = 16,
  kUInt64Val = 17,
  kFloat8Val = 18,
};
Field value_field(DType dtype);  // where TensorFlow keeps values of this dtype that are not in tensor_content

// One decoded message. Points into the bytes given to decode() and is good as long as they are.
class TensorProtoView {
 public:
  // Reads the message as libprotobuf would (repeated fields append, single ones: the last wins) and checks dtype, shape and the
  // length of tensor_content. `base` is where the bytes begin in their source, for offsets in errors.
  static Status decode(std::span<const std::byte> bytes, TensorProtoView& out, uint64_t base = 0, const Limits& limits = {});
  static Result<TensorProtoView> decode(std::span<const std::byte> bytes, uint64_t base = 0, const Limits& limits = {}) {
    TensorProtoView out;
    FERRY_RETURN_IF_ERROR(decode(bytes, out, base, limits));
    return out;
  }
  static Result<TensorProtoView> decode(std::string_view bytes, uint64_t base = 0, const Limits& limits = {}) {
    return decode(std::as_bytes(std::span(bytes.data(), bytes.size())), base, limits);
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t num_elements() const { return count_; }
  int64_t version_number() const { return version_; }
  // More than one: the bytes look like that many messages written one after another (255 or more: 255).
  int pieces() const { return dtypes_seen_ < shapes_seen_ ? dtypes_seen_ : shapes_seen_; }
  // The elements as they lie in memory where the message has them so (not for strings); else empty, and copy_to() unpacks.
  std::span<const std::byte> content() const { return content_; }
  uint64_t content_offset() const { return content_offset_; }
  bool has_content() const { return !content_.empty(); }
  // Bytes of the elements in memory, strings and their offsets included once read.
  uint64_t num_bytes() const { return static_cast<uint64_t>(count_) * (dtype_ == DType::string ? 8 : dtype_size(dtype_)); }

  // Fixed-size dtypes: `out` takes exactly num_bytes(). A short value list is filled up with its last value, none at all with zeros.
  Status copy_to(std::span<std::byte> out) const;
  // take(std::string_view) for each element of a string tensor, in order.
  template <class Take>
  Status for_each_string(Take&& take) const;
  // With the owner of the bytes, tensor_content is shared where it is aligned to its elements; else everything is copied.
  Result<DenseTensor> to_tensor(const Buffer* source = nullptr, const Limits& limits = {}) const;

 private:
  Status read_shape(std::span<const std::byte> bytes, uint64_t base, const Limits& limits);
  Status fail(Status status) const;  // adds what concatenated messages look like, where these may be some
  Status check_expansion(uint64_t bytes, const Limits& limits) const;
  // The next string of a string tensor; `cursor` starts as {} and is moved on.
  struct StringCursor {
    size_t at = 0, lengths = 0;
    int64_t i = 0;
    std::string_view last;
    bool exhausted = false;
  };
  Status start_strings(StringCursor& cursor) const;
  std::string_view next_string(StringCursor& cursor) const;

  std::span<const std::byte> message_, content_;
  uint64_t base_ = 0, content_offset_ = 0;
  int64_t count_ = 0, version_ = 0;
  Shape shape_;
  DType dtype_ = DType::float32;
  uint8_t dtypes_seen_ = 0, shapes_seen_ = 0;  // more than one each: several messages written one after another
};

template <class Take>
Status TensorProtoView::for_each_string(Take&& take) const {
  StringCursor cursor;
  FERRY_RETURN_IF_ERROR(start_strings(cursor));
  for (int64_t i = 0; i < count_; ++i) take(next_string(cursor));
  return {};
}

// ---- Writing. Appends exactly the bytes that TensorFlow writes.

// dtype and shape, and for fixed-size elements the tag and length of tensor_content: the elements follow.
void append_header(std::string& out, DType dtype, std::span<const int64_t> shape, uint64_t content_bytes);
// tf.io.serialize_tensor: elements in tensor_content, strings in string_val.
void encode(std::string& out, DenseView tensor);  // fixed-size dtypes
Status encode(std::string& out, const DenseTensor& tensor);
// What serialize_sparse does: strings too in tensor_content, all lengths and then all bytes.
Status encode_as_content(std::string& out, const DenseTensor& tensor);

// The same into memory that is large enough; each returns the byte after what it wrote.
constexpr size_t header_bound(size_t rank) { return 32 + 13 * rank; }
char* put_header(char* at, DType dtype, std::span<const int64_t> shape, uint64_t content_bytes);
// At most header_bound(rank), the bytes of the strings and five for the length of each.
char* put_strings_as_content(char* at, std::span<const int64_t> shape, const StringsView& strings, int64_t begin, int64_t end);

inline constexpr uint64_t kMostBytes = 0x7fffffff;  // protobuf's limit on a message and on a field

}  // namespace ferry::tensorproto
