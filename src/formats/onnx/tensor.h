// onnx.TensorProto: one named dense tensor, its elements in raw_data, in a field of values, or in another file. docs/formats/onnx.md
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"
#include "wire/protobuf.h"

namespace ferry::onnx {

enum Field : uint32_t {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUInt64Data = 11,
  kDocString = 12,
  kExternalData = 13,
  kDataLocation = 14,
  kMetadataProps = 16,
};

struct Type {
  std::string_view name;  // "FLOAT"
  int32_t number;
  uint32_t bits;
  DType dtype;
  Field field;
  int32_t ir_version;  // the first that has it
};
const Type* type_from_number(int32_t number);
const Type* type_from_name(std::string_view name);
const Type* type_of(DType dtype);  // null where ONNX has none

// Metadata of a tensor whose type has no dtype of ours, and whose bytes are shown as uint8; writing it gives it back its type.
inline constexpr std::string_view kTypeKey = "onnx_dtype", kShapeKey = "onnx_shape";
// In metadata_props: the dtype of a tensor that is written as one ONNX knows.
inline constexpr std::string_view kDTypeKey = "tensorferry_dtype";
// Marks metadata of the whole map in a file that is one tensor.
inline constexpr char kMapMark = '/';

// Bytes in another file.
struct External {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

// A decoded message, good as long as its bytes. Sizes are checked; elements are when they are read.
struct TensorMessage {
  std::string name;
  const Type* type = nullptr;
  Shape dims;   // as ONNX has it
  Shape shape;  // as we read it: other than dims where elements are shown as bytes
  DType dtype = DType::float32;
  uint64_t elements = 0;
  uint64_t raw_bytes = 0;  // that elements take in raw_data
  std::span<const std::byte> message;
  uint64_t base = 0;  // of the message in the source
  std::optional<std::span<const std::byte>> raw;
  uint64_t raw_offset = 0;
  std::optional<External> external;
  Metadata metadata;

  bool is_view() const { return type->bits % 8 == 0; }  // raw bytes are ours
};

Result<TensorMessage> decode(std::span<const std::byte> message, uint64_t base, const Limits& limits);
// `raw` holds the elements: raw_data's, or those of the other file. A view of it where it can be.
Result<DenseTensor> from_raw(const TensorMessage& tensor, const Buffer& raw);
// From the field of values.
Result<DenseTensor> from_values(const TensorMessage& tensor);
// What either makes, beyond the bytes it is made from.
uint64_t made(const TensorMessage& tensor);

// StringStringEntryProto: adds nothing where a field is missing.
Status read_property(proto::Reader in, std::string& key, std::string& value);

}  // namespace ferry::onnx
