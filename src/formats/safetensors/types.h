// The dtype names of safetensors, and how dtypes that it has no name for travel. docs/formats/safetensors.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/buffer.h"
#include "ferry/dtype.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"

namespace ferry::safetensors {

enum class Type : uint8_t {
#define FERRY_SAFETENSORS_TYPE(name, bits, dtype) name,
#include "formats/safetensors/types.def"
#undef FERRY_SAFETENSORS_TYPE
};

std::string_view type_name(Type type);
std::optional<Type> type_from_name(std::string_view name);
unsigned type_bits(Type type);
// ceil-free: nullopt where the count overflows or the elements do not fill whole bytes.
std::optional<uint64_t> bytes_of(Type type, const Shape& shape);

// In __metadata__, under "NAME/" of the array: the dtype of an array whose elements safetensors cannot name.
inline constexpr std::string_view kDTypeKey = "tensorferry_dtype";
// In a tensor's own metadata: what the file called elements that are read as plain bytes, and their shape there if it is another.
inline constexpr std::string_view kUntypedKey = "safetensors_dtype";
inline constexpr std::string_view kUntypedShapeKey = "safetensors_shape";

// How the elements of one array lie in the file.
enum class Coding : uint8_t {
  plain,    // as in memory
  nibbles,  // F4: two a byte, the first in the low half
  pairs,    // complex128 as F64 with a last axis of two
};

struct Stored {
  Type type;
  Shape shape;
  Coding coding;
  bool declared;  // kDTypeKey is needed to know the dtype
};
// How a tensor is written; `metadata` is its own, where kUntypedKey may stand. Not for strings.
Stored stored_as(DType dtype, const Shape& shape, const Metadata& metadata);
Result<Buffer> encode(const DenseTensor& tensor, const Stored& stored);

// What an array of the file is in memory.
struct Loaded {
  DType dtype;
  Shape shape;
  Coding coding;
  bool used_declaration;
};
// `declared` is kDTypeKey's value, or null. One that does not fit the array is not used.
Loaded loaded_as(Type type, const Shape& shape, const std::string* declared);
Result<DenseTensor> decode(const Loaded& loaded, Buffer bytes);

}  // namespace ferry::safetensors
