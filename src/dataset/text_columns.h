// Fields of text to columns of a batch.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "dataset/decoder.h"
#include "formats/csv/records.h"

namespace ferry::dataset {

// Field i of column c of a batch is fields[i * columns + c].
struct FieldGrid {
  std::span<const csv::Field> fields;
  size_t columns = 0;
  size_t rows() const { return columns == 0 ? 0 : fields.size() / columns; }
  const csv::Field& at(size_t row, size_t column) const { return fields[row * columns + column]; }
};

std::string_view trimmed(std::string_view text);
// Column `column` as dtype, missing fields as said. `bad` is the row that an error is about.
Result<DenseTensor> text_column(const FieldGrid& grid, size_t column, DType dtype, std::optional<double> missing, BufferPool& pool,
                                BadRow& bad);
bool is_text_dtype(DType dtype);

}  // namespace ferry::dataset
