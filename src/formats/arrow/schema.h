// Arrow's types and fields, as far as tensors need them, and their flatbuffers spelling (Schema.fbs).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor_map.h"
#include "wire/flatbuffers.h"
#include "wire/flatbuffers_writer.h"

namespace ferry::arrow {

// How the bytes lie. Dates, times and durations are the integers that hold them; `Type::words` says what they meant.
enum class TypeId : uint8_t {
  null,
  boolean,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float16,
  float32,
  float64,
  utf8,
  binary,
  large_utf8,
  large_binary,
  utf8_view,
  binary_view,
  fixed_size_binary,
  list,
  large_list,
  fixed_size_list,
  structure,
  // Known only as far as needed to step over them.
  decimal,
  interval,
  map,
  list_view,
  large_list_view,
  sparse_union,
  dense_union,
  run_end_encoded,
};

struct Type {
  TypeId id = TypeId::null;
  int32_t size = 0;   // bytes of fixed_size_binary, elements of fixed_size_list
  std::string words;  // "timestamp[us, UTC]", where the id does not say it all
  Type() = default;
  Type(TypeId i, int32_t s = 0, std::string w = {}) : id(i), size(s), words(std::move(w)) {}
};

std::string type_name(const Type& type);  // as PyArrow prints it
// The dtype whose elements lie in memory as Arrow lays them out (booleans do not: they are bits).
std::optional<DType> plain_dtype(TypeId id);
TypeId type_of(DType plain);  // the inverse, for what plain_dtype() gives

struct Field {
  std::string name;
  Type type;
  bool nullable = true;
  Metadata metadata;
  std::vector<Field> children;
  // Dictionary-encoded: `type` is that of the values, `index` that of what the column holds.
  struct Dictionary {
    int64_t id = 0;
    TypeId index = TypeId::int32;
  };
  std::optional<Dictionary> dictionary;

  std::string_view extension() const;  // "arrow.fixed_shape_tensor", or ""
  std::string_view extension_metadata() const;
};

struct Schema {
  std::vector<Field> fields;
  Metadata metadata;
};

inline constexpr std::string_view kExtensionName = "ARROW:extension:name";
inline constexpr std::string_view kExtensionMetadata = "ARROW:extension:metadata";

Result<Schema> read_schema(const flatbuffers::Table& table, const Limits& limits);
Result<Metadata> read_metadata(const flatbuffers::Table& table, int slot);
// `kind` and `type` as the unions of Schema.fbs and Tensor.fbs carry them.
Result<Type> read_type(uint8_t kind, const std::optional<flatbuffers::Table>& type);
Result<TypeId> read_int_type(const std::optional<flatbuffers::Table>& type);  // absent: int32

flatbuffers::TableWriter schema_table(const Schema& schema);

}  // namespace ferry::arrow
