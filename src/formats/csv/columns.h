// Columns of a csv: what dtype their texts have, and filling them.
#pragma once

#include <cstdint>
#include <optional>

#include "ferry/limits.h"
#include "ferry/tensor.h"
#include "formats/csv/records.h"

namespace ferry::csv {

// The narrowest of int64, uint64, float64, bool and string that every text seen fits. Missing ones (empty) make integers
// float64; a column of nothing else is float64 too.
class Guess {
 public:
  void see(const Field& field);
  DType dtype() const;

 private:
  bool int64_ = true, uint64_ = true, float64_ = true, bool_ = true, missing_ = false, any_ = false;
};

// Takes fields one after another. Missing is NaN in floats and "" in strings, and an error elsewhere.
class Column {
 public:
  static Result<Column> make(DType dtype, uint64_t count, const Limits& limits);
  // False where the text is not of the dtype.
  bool append(const Field& field);
  DType dtype() const { return dtype_; }
  Result<DenseTensor> finish(Shape shape) &&;

 private:
  DType dtype_ = DType::float64, carrier_ = DType::float64;
  MutableBuffer data_;
  size_t count_ = 0;
  std::optional<StringsBuilder> strings_;
};

}  // namespace ferry::csv
