// What an ExampleParser does for its features: the keys it looks for, how each is stored, and which features are made of them.
// Made once, then only read.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/features.h"
#include "records/columns.h"
#include "records/example_wire.h"

namespace ferry::records {

// Finds a column by its key: one multiplication and one compare of 16 bytes for keys up to 16 bytes. Keys are told apart by
// their last 8 bytes and their length; those that agree in both hang behind one another.
class KeyTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // `keys` outlives the table and differ.
  void build(const std::vector<std::string_view>& keys);

  // `before`: how many bytes may be read in front of the key.
  uint32_t find(const uint8_t* key, size_t size, size_t before) const {
    const uint64_t tail = tail_of(key, size, before);
    for (const Slot* slot = &slots_[hash(tail, size)];; slot = &slots_[slot->next]) {
      if (slot->tail == tail && slot->size == size && (size <= 8 || std::memcmp(slot->key, key, size - 8) == 0)) return slot->column;
      if (slot->next == 0) return kNone;
    }
  }
  uint32_t find(std::string_view key) const { return find(reinterpret_cast<const uint8_t*>(key.data()), key.size(), 0); }

 private:
  struct Slot {
    uint64_t tail = 0;
    uint32_t size = UINT32_MAX;
    uint32_t column = kNone;
    const char* key = nullptr;
    uint32_t next = 0;  // 0: none; slot 0 is never chained to
  };

  static uint64_t tail_of(const uint8_t* key, size_t size, size_t before) {
    if (size >= 8) [[likely]]
      return load64(key + size - 8);
    if (size == 0) return 0;
    if (size + before >= 8) return load64(key + size - 8) >> (64 - 8 * size);
    uint64_t out = 0;
    std::memcpy(&out, key, size);
    return out;
  }
  size_t hash(uint64_t tail, size_t size) const { return ((tail + size * 0xc2b2ae3d27d4eb4fu) * multiplier_ >> shift_) + 1; }

  std::vector<Slot> slots_;
  uint64_t multiplier_ = 0x9e3779b97f4a7c15u;
  int shift_ = 63;
};

// One key of the records.
struct ExampleColumn {
  enum class Store : uint8_t {
    fixed,     // width values a row, in place
    sequence,  // whole steps of width values, padded in the end
    sparse,    // as many as come, with coordinates in the end
    ragged,    // as many as come, with row_splits in the end
  };
  std::string key;
  Store store = Store::fixed;
  DType dtype = DType::float32;
  FeatureKind kind = FeatureKind::floats;
  uint8_t tag = 0x12;  // of the list in a Feature
  int64_t width = 1;   // fixed: values a row; sequence: a step
  Shape shape;
  DenseTensor default_value;  // fixed: [width] or without elements; sequence: one
  DType splits_dtype = DType::int64;
  bool allow_missing = true;  // of lists of a SequenceExample

  bool is_fixed() const { return store == Store::fixed; }
  bool is_string() const { return dtype == DType::string; }
};

// Which columns a feature is made of.
struct FeaturePlan {
  uint32_t values = 0;
  std::vector<uint32_t> indices;     // sparse
  std::vector<uint32_t> partitions;  // ragged; KeyTable::kNone for uniform_row_length
};

struct ExamplePlan {
  std::vector<FeatureSpec> features;
  std::vector<ExampleColumn> columns;
  std::vector<FeaturePlan> plans;  // one a feature
  KeyTable table;                  // of the columns

  // `lists`: the features are feature lists of SequenceExamples.
  enum class Of : uint8_t { example, context, lists };
  static Result<std::unique_ptr<ExamplePlan>> make(std::vector<FeatureSpec> features, Of of, const Limits& limits);
};

// "float_list" for float32, as an error message names what it expected.
FeatureKind list_kind(DType dtype);

}  // namespace ferry::records
