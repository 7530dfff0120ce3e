// tf.train.Example and SequenceExample to columns, one pass over the wire: no message objects, no allocation a record once
// the columns are as long as they need to be.
//
//   Example         { Features features = 1 }
//   SequenceExample { Features context = 1; FeatureLists feature_lists = 2 }
//   Features        { map<string, Feature> feature = 1 }
//   FeatureLists    { map<string, FeatureList { repeated Feature feature = 1 }> feature_list = 1 }
//   Feature         { oneof kind { BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3 } }
//   *List           { repeated bytes / float / int64 value = 1 }         numbers packed or not
//
// Read as libprotobuf reads them: of two entries with one key the last counts, two lists of one kind in a Feature add up, of
// two kinds the last counts, unknown fields are skipped. proto/example.proto
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "records/growing.h"

namespace ferry::records {

// The numbers are the fields of Feature. `none`: a Feature that says nothing, or a column that no list was seen for.
enum class FeatureKind : uint8_t { none = 0, bytes = 1, floats = 2, ints = 3 };
std::string_view kind_name(FeatureKind kind);  // "int64_list"

// What a record is, by its own bytes. A SequenceExample without lists is an Example.
enum class RecordKind : uint8_t { example, sequence_example, other };
RecordKind record_kind(std::span<const std::byte> record);
// The same of the beginning of a long one: its first map entry, up to the kind of its list.
bool starts_like_example(std::span<const std::byte> head);

// The values of one feature in all rows, back to back, and how many each row has. Rows are counted, not stored, for as long
// as all are of one length. Not thread-safe.
class Column {
 public:
  // Adds one row: a serialized Feature. `base` is its place in the source, for errors.
  Status add(std::span<const std::byte> feature, uint64_t base);
  Status add_missing(int64_t rows);  // without values
  void truncate(int64_t rows);

  FeatureKind kind() const { return kind_; }
  int64_t rows() const { return rows_; }
  int64_t num_values() const { return count_; }
  bool is_uniform() const { return splits_.size() == 0; }  // every row has width() values
  int64_t width() const { return rows_ == 0 ? 0 : width_; }

  struct Taken {
    FeatureKind kind = FeatureKind::none;
    int64_t rows = 0, width = -1;  // -1: see splits
    DenseTensor values;            // [count]: string, float32 or int64
    DenseTensor splits;            // int64 [rows + 1] where rows differ
  };
  Result<Taken> take() &&;  // leaves nothing

 private:
  Status add_list(FeatureKind kind, std::span<const std::byte> list, uint64_t base);
  Status add_general(std::span<const std::byte> feature, uint64_t base);
  Status end_row(int64_t values);
  void truncate_values(int64_t count);

  FeatureKind kind_ = FeatureKind::none;
  int64_t rows_ = 0, count_ = 0, width_ = 0;
  Growing<int64_t> splits_;  // empty while uniform; else [rows + 1]
  Growing<int64_t> ints_;    // values, or for bytes the end of each
  Growing<float> floats_;
  Growing<char> heap_;
};

struct NamedColumn {
  std::string name;
  Column values;  // a row for each record; of a list: for each of its steps
  bool is_list = false;
  Growing<int64_t> steps;  // of a list: [records + 1], the steps before each record
};

// Fills columns from records. The first error stays; columns are then good for nothing.
class ColumnBuilder {
 public:
  // `lists`: the records may be SequenceExamples; without, they are Examples and field 2 is unknown.
  explicit ColumnBuilder(const Limits& limits = {}, bool lists = true) : limits_(limits), lists_(lists) {}

  Status add(std::span<const std::byte> record, uint64_t base);
  int64_t records() const { return records_; }
  // Every column is brought to records() rows.
  Result<std::vector<NamedColumn>> finish() &&;

 private:
  // Finds a column by its name; keys are short, records many.
  class Index {
   public:
    static constexpr uint32_t kNone = UINT32_MAX;
    uint32_t find(std::string_view name, const std::vector<NamedColumn>& columns) const;
    void insert(const std::vector<NamedColumn>& columns, uint32_t column);

   private:
    std::vector<uint32_t> slots_;  // column + 1
    uint64_t seed_ = reinterpret_cast<uintptr_t>(this) * 0x9e3779b97f4a7c15u;
    size_t used_ = 0;
  };

  Status add_entry(std::span<const std::byte> entry, uint64_t base, bool list);
  Status add_entry_general(std::span<const std::byte> entry, uint64_t base, bool list);
  Status add_value(std::string_view key, uint64_t key_at, std::span<const std::byte> value, uint64_t base, bool list);
  Status add_steps(NamedColumn& column, std::span<const std::byte> list, uint64_t base);
  Result<NamedColumn*> column(std::string_view key, uint64_t key_at, bool list);
  Status check_cells() const;

  Limits limits_;
  bool lists_;
  std::vector<NamedColumn> columns_;
  Index index_, list_index_;
  int64_t records_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace ferry::records
