// The rows of a libsvm text: the part that is hot.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry::libsvm {

// Indices have up to 18 digits, counted from 1.
inline constexpr int64_t kLastColumn = 999'999'999'999'999'998;

struct RowOptions {
  DType values = DType::float64;  // a carrier: float32, float64, int64 or uint64
  DType labels = DType::float64;  // float64, int64 or uint64; kept as their 64 bits
  bool rising = true;             // indices rise within a row; else any order, and `order` says what was found
  int64_t base = -1;              // the index of the first column; -1: 1 unless an index 0 turns up
  int64_t columns = -1;           // -1: as many as the largest index needs
};

struct Rows {
  DenseTensor indptr, indices, values;  // indices count from 0; both int32, or int64 where needed
  int64_t columns = 0;
  Order order;
  std::vector<uint64_t> labels;       // all rows' labels, one after another
  std::vector<int64_t> label_splits;  // empty where every row has exactly one
  std::vector<int64_t> qids;          // empty where the file has none
};

// `text` is all of the source, so that errors know their place.
Result<Rows> read_rows(std::string_view text, const RowOptions& options, const Limits& limits, ThreadPool* pool);

}  // namespace ferry::libsvm
