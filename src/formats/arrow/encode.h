// Tensors to Arrow columns: what the IPC writer and the C data interface share.
#pragma once

#include <string>

#include "ferry/status.h"
#include "ferry/tensor_map.h"
#include "formats/arrow/array.h"
#include "formats/arrow/schema.h"

namespace ferry::arrow {

struct Column {
  Field field;
  ArrayData array;
};

struct Table {
  Schema schema;
  int64_t rows = 0;
  std::vector<ArrayData> columns;
};

// The rule of docs/formats/arrow.md. Where all tensors have the same number of rows (dense of rank 1 or more, ragged, CSR),
// they are columns of a table with that many. Else the table has one row, and each tensor is what its column holds there.
enum class Arrangement : uint8_t { automatic, one_row };
Result<Table> encode_table(const TensorMap& tensors, Arrangement arrangement = Arrangement::automatic);

// One tensor as a column of its own, by rows where it can be. Shares the tensor's memory but for booleans.
Result<Column> encode_column(std::string_view name, const Tensor& tensor, const Metadata& metadata, bool by_rows);
bool has_rows(const Tensor& tensor);    // can be laid out by rows
int64_t rows_of(const Tensor& tensor);  // where has_rows()

}  // namespace ferry::arrow
