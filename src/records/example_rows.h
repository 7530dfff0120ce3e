// The columns of a run of records while they are being filled.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ferry/buffer_pool.h"
#include "ferry/features.h"
#include "records/example_plan.h"

namespace ferry::records {

// The values of one column in the rows so far, back to back. Strings: ends[i] is where value i ends in `heap`.
struct alignas(64) ColumnRows {
  // How one value alone in its list is taken without a further look at the column.
  enum class One : uint8_t { none, fixed_float, fixed_int, fixed_string, float_value, int_value, string };

  // One cache line: what each feature of each record needs.
  std::byte* values = nullptr;  // float, int64_t, or for strings the ends
  size_t count = 0, capacity = 0;
  int64_t* splits = nullptr;  // [rows + 1]: values before each row; null for fixed columns
  char* heap = nullptr;
  size_t heap_size = 0, heap_capacity = 0;
  One one = One::none;
  // What the pointers point into, where the column grows; numbers of fixed columns lie in the result.
  PooledBuffer value_block, split_block, heap_block;

  // Room for `more` values, or bytes of strings, after those that are there.
  Status reserve(const ExampleColumn& column, size_t more, BufferPool& pool) {
    if (more <= capacity - count) [[likely]]
      return {};
    return grow(column, more, pool);
  }
  Status reserve_heap(size_t more, BufferPool& pool) {
    if (more <= heap_capacity - heap_size) [[likely]]
      return {};
    return grow_heap(more, pool);
  }
  Status grow(const ExampleColumn& column, size_t more, BufferPool& pool);
  Status grow_heap(size_t more, BufferPool& pool);
  // To no values in blocks of its own, with room for what came before.
  Status restart(const ExampleColumn& column, size_t values, size_t bytes, BufferPool& pool);

  float* floats() { return reinterpret_cast<float*>(values); }
  int64_t* ints() { return reinterpret_cast<int64_t*>(values); }
};

class ExampleRows {
 public:
  // `fixed`: where row 0 of each fixed column of numbers goes, null for the others.
  Status begin(const ExamplePlan& plan, bool single, int64_t rows, std::span<std::byte* const> fixed, BufferPool& pool);
  // Adds the record of row `row`, which follows the one before. `name` and `index` are for errors.
  Status add(RecordBytes record, std::string_view name, int64_t index);

  ColumnRows& column(size_t i) { return columns_[i]; }
  int64_t rows() const { return row_; }

 private:
  struct Entry {
    std::string_view key, feature;
  };
  struct Where {
    std::string_view name;
    int64_t index;
  };

  bool add_plain(const uint8_t* at, const uint8_t* end);
  bool add_one(ColumnRows& rows, const uint8_t* at, size_t size, const uint8_t* readable);
  bool add_list(const ExampleColumn& column, ColumnRows& rows, const uint8_t* at, const uint8_t* end, const uint8_t* record_end);
  void fill_missing(uint32_t column);
  bool finish_row();
  // The letter, for records that are not plain.
  Status add_general(RecordBytes record, const Where& where);
  Status scan(RecordBytes record);
  Status add_feature(uint32_t column, std::string_view feature, uint8_t kind, const Where& where);
  Status add_missing(uint32_t column, const Where& where);
  bool coded_list(const ExampleColumn& column, ColumnRows& rows, std::string_view list, Status& status);
  void roll_back();

  bool reserve(ColumnRows& rows, const ExampleColumn& column, size_t more) {
    if (more <= rows.capacity - rows.count) [[likely]]
      return true;
    failure_ = rows.grow(column, more, *pool_);
    return failure_.ok();
  }
  bool reserve_heap(ColumnRows& rows, size_t more) {
    if (more <= rows.heap_capacity - rows.heap_size) [[likely]]
      return true;
    failure_ = rows.grow_heap(more, *pool_);
    return failure_.ok();
  }

  const ExamplePlan* plan_ = nullptr;
  BufferPool* pool_ = nullptr;
  bool single_ = false;
  int64_t row_ = 0;
  std::vector<ColumnRows> columns_;
  std::vector<uint64_t> seen_;  // a bit a column
  std::vector<Entry> entries_;
  Status failure_;  // of memory
};

}  // namespace ferry::records
