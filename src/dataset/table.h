// Rows of tables: tensors that share axis 0. A row is a number where the table stays in memory, or its values one after another
// (the row code) where it does not; both are read as pieces, which one assembler puts together to the tensors of a batch.
//
// Row code, everything little endian and each part beginning at a multiple of eight bytes from the row's start:
//   fixed    the elements; strings: int64 offsets [n + 1] from 0, bytes
//   list     int64 count, then for each inner level int64 splits [count + 1] from 0, whose last is the next count; the elements as above
//   sparse   int64 count, coordinates [count, axes] (int32 where there is one axis of less than 2^31, else int64), the elements
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataset/decoder.h"
#include "ferry/dataset.h"
#include "ferry/tensor_map.h"

namespace ferry::dataset {

struct Column {
  enum class Form : uint8_t { fixed, list, sparse };
  std::string name;
  Form form = Form::fixed;
  DType dtype = DType::float32;
  Shape inner;             // fixed: of a row; list: of an element; sparse: of a row
  size_t levels = 0;       // list: of splits in a batch
  int64_t elements = 1;    // product of inner, but for sparse
  size_t index_bytes = 8;  // sparse: of a coordinate in the row code

  size_t axes() const { return form == Form::sparse ? inner.rank() : 0; }
};

// From what a row is.
Result<std::vector<Column>> columns_of(std::span<const ElementSpec> row_spec);
std::vector<ElementSpec> batch_spec(std::span<const Column> columns);

// One column of one row.
struct Piece {
  const std::byte* values = nullptr;       // elements; strings: their bytes, from which the offsets count
  const int64_t* offsets = nullptr;        // strings
  const std::byte* indices = nullptr;      // sparse
  const int64_t* const* splits = nullptr;  // list: of the inner levels, levels - 1 of them, each from its own base
  int64_t count = 0;                       // list: at the outermost level; sparse: entries
};

// Tensors in memory, looked at by rows. Thread-safe.
class Table {
 public:
  // All tensors have axis 0 and one length of it. COO of two axes becomes CSR, splits int64; entries are sorted by row.
  static Result<std::shared_ptr<const Table>> make(const TensorMap& tensors);
  int64_t rows() const { return rows_; }
  std::span<const Column> columns() const { return columns_; }
  // `splits`: room for columns' levels - 1 pointers.
  Piece piece(size_t column, int64_t row, const int64_t** splits) const;
  size_t index_bytes(size_t column) const { return sources_[column].index_bytes; }
  size_t index_stride(size_t column) const { return sources_[column].stride; }
  bool unique(size_t column) const { return sources_[column].unique; }

 private:
  struct Source {
    std::vector<DenseTensor> splits;  // int64, of list and sparse: outermost first
    DenseTensor values, indices;
    size_t index_bytes = 8, stride = 1, skip = 0;  // of coordinates: bytes each, how many an entry has, which is the row's first
    bool unique = false;
  };
  std::vector<Column> columns_;
  std::vector<Source> sources_;
  int64_t rows_ = 0;
};

// Appends the row code of one row.
void append_row(const Table& table, int64_t row, std::vector<std::byte>& out);
// What is wrong with a row's tensors for the columns that are expected, or its code.
Status append_row(std::span<const Column> columns, const TensorMap& row, std::vector<std::byte>& out);

// Rows that are numbers (int64) into a table.
std::shared_ptr<const RowDecoder> decoder_of(std::shared_ptr<const Table> table);
// Rows in the row code.
std::shared_ptr<const RowDecoder> row_code_decoder(std::vector<Column> columns);

}  // namespace ferry::dataset
