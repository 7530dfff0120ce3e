// A Binsparse descriptor: JSON that says how plain arrays make one sparse or dense tensor. docs/formats/binsparse.md
// The container (npz, HDF5, safetensors) is somebody else's business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "ferry/tensor_map.h"

namespace ferry::binsparse {

inline constexpr std::string_view kKey = "binsparse";     // the JSON namespace, and the array or attribute that holds the text
inline constexpr std::string_view kVersion = "0.1.0";     // what binsparse-python's SemVer reads; the specification says "0.1"
inline constexpr std::string_view kArraysKey = "arrays";  // beside the namespace: where arrays lie under other names

// What one array holds, as data_types says it: "iso[complex[float32]]".
struct ElementType {
  DType dtype = DType::float32;  // complex64 for complex[float32], bool for bint8
  bool iso = false;              // one element that stands for all
};
std::string element_type_name(ElementType type);
Result<ElementType> element_type_from_name(std::string_view name);

enum class Structure : uint8_t {
  none,
  symmetric_lower,
  symmetric_upper,
  hermitian_lower,
  hermitian_upper,
  skew_symmetric_lower,
  skew_symmetric_upper,
};
inline bool is_lower(Structure s) {
  return s == Structure::symmetric_lower || s == Structure::hermitian_lower || s == Structure::skew_symmetric_lower;
}
std::string_view structure_name(Structure structure);

// A level of the tree, outermost first; the element level at the end is not listed.
struct Level {
  bool sparse;
  size_t rank;
};

struct Descriptor {
  std::string format;  // "CSR", "custom"
  Shape shape;
  int64_t stored = 0;  // number_of_stored_values
  bool fill = false;   // there is an array fill_value
  int64_t index_base = 0;
  Structure structure = Structure::none;
  std::vector<Level> levels;
  std::vector<size_t> transpose;                           // axis of the shape that level axis k is; empty: k itself
  std::vector<std::pair<std::string, std::string>> types;  // array → what data_types says
  Metadata attributes;                                     // beside the namespace: texts as they are, the rest as JSON

  const std::string* type_of(std::string_view array) const;
  // The shape in the order of the levels.
  Shape level_shape() const;
};

// Whether `text` may be one: an object that names the key.
bool looks_like_descriptor(std::string_view text);
// {"binsparse": {…}, …}; version 0.x.
Result<Descriptor> parse_descriptor(std::string_view text, const Limits& limits = {});
// With `format` among the predefined ones, or "custom" for anything else that `levels` say. Attributes are written as texts;
// `arrays` (name, place) adds kArraysKey.
std::string write_descriptor(const Descriptor& descriptor, const std::vector<std::pair<std::string, std::string>>& arrays = {});

}  // namespace ferry::binsparse
