#include "dataset/table.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "ferry/cast.h"
#include "ferry/sparse.h"

namespace ferry::dataset {
namespace {

constexpr size_t aligned(size_t size) { return (size + 7) & ~size_t{7}; }

void append_bytes(std::vector<std::byte>& out, const void* data, size_t size) {
  if (size == 0) return;
  const auto* bytes = static_cast<const std::byte*>(data);
  out.insert(out.end(), bytes, bytes + size);
  out.resize(aligned(out.size()));
}
void append_int(std::vector<std::byte>& out, int64_t value) { append_bytes(out, &value, 8); }

// Numbers that count from wherever they did, from 0.
void append_from_zero(std::vector<std::byte>& out, const int64_t* numbers, int64_t count) {
  const size_t at = out.size();
  out.resize(at + static_cast<size_t>(count) * 8);
  auto* to = out.data() + at;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t value = numbers[i] - numbers[0];
    std::memcpy(to + i * 8, &value, 8);
  }
}

void append_elements(std::vector<std::byte>& out, const Column& column, const Piece& piece, int64_t count) {
  if (column.dtype != DType::string) return append_bytes(out, piece.values, static_cast<size_t>(count) * dtype_size(column.dtype));
  append_from_zero(out, piece.offsets, count + 1);
  append_bytes(out, piece.values + piece.offsets[0], static_cast<size_t>(piece.offsets[count] - piece.offsets[0]));
}

void append_piece(std::vector<std::byte>& out, const Column& column, const Piece& piece, size_t index_bytes, size_t stride) {
  switch (column.form) {
    case Column::Form::fixed: return append_elements(out, column, piece, column.elements);
    case Column::Form::list: {
      append_int(out, piece.count);
      int64_t count = piece.count;
      for (size_t level = 0; level + 1 < column.levels; ++level) {
        append_from_zero(out, piece.splits[level], count + 1);
        count = piece.splits[level][count] - piece.splits[level][0];
      }
      return append_elements(out, column, piece, count * column.elements);
    }
    case Column::Form::sparse: {
      append_int(out, piece.count);
      const size_t axes = column.axes();
      const size_t at = out.size();
      out.resize(at + aligned(static_cast<size_t>(piece.count) * axes * column.index_bytes));
      std::byte* to = out.data() + at;
      for (int64_t i = 0; i < piece.count; ++i) {
        for (size_t axis = 0; axis < axes; ++axis) {
          const std::byte* from = piece.indices + (static_cast<size_t>(i) * stride + axis) * index_bytes;
          int64_t index;
          if (index_bytes == 4) {
            int32_t narrow;
            std::memcpy(&narrow, from, 4);
            index = narrow;
          } else {
            std::memcpy(&index, from, 8);
          }
          std::memcpy(to, &index, column.index_bytes);  // little endian: the low half is first
          to += column.index_bytes;
        }
      }
      return append_elements(out, column, piece, piece.count);
    }
  }
}

Result<DenseTensor> wide(const DenseTensor& splits) {
  if (splits.dtype() == DType::int64) return splits;
  return cast(splits, DType::int64);
}

// indptr of the first axis of sorted coordinates.
Result<DenseTensor> row_pointers(const SparseTensor& x) {
  const int64_t rows = x.shape()[0];
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<int64_t>(static_cast<size_t>(rows) + 1));
  auto out = block.as<int64_t>();
  const int64_t* at = x.coordinates();
  const auto rank = static_cast<int64_t>(x.rank());
  int64_t entry = 0;
  for (int64_t row = 0; row <= rows; ++row) {
    while (entry < x.nnz() && at[entry * rank] < row) ++entry;
    out[static_cast<size_t>(row)] = entry;
  }
  return DenseTensor::make(DType::int64, Shape{rows + 1}, std::move(block).freeze());
}

std::string shape_text(const Shape& shape) { return shape.to_string(); }

}  // namespace

Result<std::vector<Column>> columns_of(std::span<const ElementSpec> row_spec) {
  std::vector<Column> out;
  for (const ElementSpec& spec : row_spec) {
    Column column;
    column.name = spec.name;
    column.dtype = spec.dtype;
    if (spec.dtype != DType::string && !is_fixed_size(spec.dtype)) {
      return unsupported(concat(quoted(spec.name), " has elements of dtype ", dtype_name(spec.dtype), ", which no tensor holds"));
    }
    size_t uniform = 0;  // first axis of inner
    switch (spec.kind) {
      case TensorKind::dense:
        if (spec.shape.rank() > 0 && spec.shape[0] < 0) {
          column.form = Column::Form::list;
          column.levels = uniform = 1;
        }
        break;
      case TensorKind::ragged:
        column.form = Column::Form::list;
        uniform = column.levels = spec.ragged_rank + 1;
        if (uniform > spec.shape.rank()) {
          return invalid_argument(
              concat(quoted(spec.name), " has ", spec.ragged_rank, " ragged axes and the shape ", shape_text(spec.shape)));
        }
        break;
      case TensorKind::coo:
      case TensorKind::csr:
      case TensorKind::csc: column.form = Column::Form::sparse; break;
    }
    column.inner = spec.shape.drop_front(uniform);
    for (const int64_t dim : column.inner) {
      if (dim < 0) {
        return unsupported(concat(quoted(spec.name), " has rows of shape ", shape_text(spec.shape), ", expected lengths that all rows have",
                                  column.form == Column::Form::sparse ? "; say the shape of a row" : " behind the ragged axes"));
      }
    }
    if (column.form == Column::Form::sparse) {
      column.index_bytes = column.inner.rank() == 1 && column.inner[0] <= std::numeric_limits<int32_t>::max() ? 4 : 8;
    } else {
      const auto count = column.inner.num_elements();
      if (!count)
        return limit_exceeded(concat(quoted(spec.name), " has rows of shape ", shape_text(spec.shape), ", more than can be counted"));
      column.elements = *count;
    }
    for (const Column& other : out) {
      if (other.name == column.name) return invalid_argument(concat("two tensors of a row are called ", quoted(column.name)));
    }
    out.push_back(std::move(column));
  }
  return out;
}

std::vector<ElementSpec> batch_spec(std::span<const Column> columns) {
  std::vector<ElementSpec> out;
  for (const Column& column : columns) {
    ElementSpec spec{column.name, TensorKind::dense, column.dtype, Shape{-1}, 0};
    if (column.form == Column::Form::list) {
      spec.kind = TensorKind::ragged;
      spec.ragged_rank = column.levels;
      for (size_t level = 0; level < column.levels; ++level) spec.shape.append(-1);
    }
    if (column.form == Column::Form::sparse) spec.kind = TensorKind::coo;
    for (const int64_t dim : column.inner) spec.shape.append(dim);
    out.push_back(std::move(spec));
  }
  return out;
}

Result<std::shared_ptr<const Table>> Table::make(const TensorMap& tensors) {
  auto table = std::make_shared<Table>();
  table->rows_ = -1;
  std::vector<ElementSpec> specs;
  for (const auto& entry : tensors) {
    const Shape shape = shape_of(entry.tensor);
    if (shape.rank() == 0)
      return invalid_argument(concat(quoted(entry.name), " is a scalar, expected rows: an axis 0 that all tensors share"));
    if (table->rows_ < 0) table->rows_ = shape[0];
    if (shape[0] != table->rows_) {
      return invalid_argument(concat(quoted(entry.name), " has ", shape[0], " rows and ", quoted(tensors[0].name), " has ", table->rows_));
    }
    ElementSpec spec{entry.name, TensorKind::dense, dtype_of(entry.tensor), shape.drop_front(1), 0};
    Source source;
    if (const auto* dense = std::get_if<DenseTensor>(&entry.tensor)) {
      source.values = *dense;
    } else if (const auto* ragged = std::get_if<RaggedTensor>(&entry.tensor)) {
      FERRY_RETURN_IF_ERROR(ragged->validate(Validation::bounds));
      for (const DenseTensor& splits : ragged->nested_row_splits()) {
        FERRY_ASSIGN_OR_RETURN(DenseTensor level, wide(splits));
        source.splits.push_back(std::move(level));
      }
      source.values = ragged->flat_values();
      spec.ragged_rank = ragged->ragged_rank() - 1;
      spec.kind = spec.ragged_rank == 0 ? TensorKind::dense : TensorKind::ragged;
    } else {
      const auto& sparse = std::get<SparseTensor>(entry.tensor);
      FERRY_RETURN_IF_ERROR(sparse.validate(Validation::bounds));
      spec.kind = TensorKind::coo;
      FERRY_ASSIGN_OR_RETURN(SparseTensor x, sort(sparse));
      if (x.rank() == 2) {
        FERRY_ASSIGN_OR_RETURN(x, to_layout(x, Layout::csr));
        x = x.with_order(find_order(x));
        if (!x.order().sorted) {
          FERRY_ASSIGN_OR_RETURN(x, sort(x));
          x = x.with_order(find_order(x));
        }
        FERRY_ASSIGN_OR_RETURN(DenseTensor pointers, wide(x.indptr()));
        source.splits.push_back(std::move(pointers));
        source.index_bytes = dtype_size(x.index_dtype());
      } else {
        x = x.with_order(find_order(x));
        FERRY_ASSIGN_OR_RETURN(DenseTensor pointers, row_pointers(x));
        source.splits.push_back(std::move(pointers));
        source.stride = x.rank();
        source.skip = 1;
      }
      source.unique = x.order().unique;
      source.indices = x.indices();
      source.values = x.values();
    }
    specs.push_back(std::move(spec));
    table->sources_.push_back(std::move(source));
  }
  if (table->rows_ < 0) return invalid_argument("a table without tensors has no rows; give at least one tensor");
  FERRY_ASSIGN_OR_RETURN(table->columns_, columns_of(specs));
  return std::shared_ptr<const Table>(std::move(table));
}

Piece Table::piece(size_t c, int64_t row, const int64_t** splits) const {
  const Column& column = columns_[c];
  const Source& source = sources_[c];
  Piece out;
  int64_t first = row;  // of the elements, in units of inner
  if (column.form != Column::Form::fixed) {
    const int64_t* outer = source.splits[0].values<int64_t>().data() + row;
    first = outer[0];
    out.count = outer[1] - outer[0];
  }
  if (column.form == Column::Form::list) {
    for (size_t level = 1; level < column.levels; ++level) {
      splits[level - 1] = source.splits[level].values<int64_t>().data() + first;
      first = *splits[level - 1];
    }
    out.splits = splits;
  }
  if (column.form == Column::Form::sparse) {
    out.indices = source.indices.buffer().data() + (static_cast<size_t>(first) * source.stride + source.skip) * source.index_bytes;
  } else {
    first *= column.elements;
  }
  if (column.dtype == DType::string) {
    out.offsets = source.values.strings().offsets() + first;
    out.values = reinterpret_cast<const std::byte*>(source.values.strings().bytes());
  } else {
    out.values = source.values.buffer().data() + static_cast<size_t>(first) * dtype_size(column.dtype);
  }
  return out;
}

void append_row(const Table& table, int64_t row, std::vector<std::byte>& out) {
  const int64_t* splits[256];
  for (size_t c = 0; c < table.columns().size(); ++c) {
    append_piece(out, table.columns()[c], table.piece(c, row, splits), table.index_bytes(c), table.index_stride(c));
  }
}

Status append_row(std::span<const Column> columns, const TensorMap& row, std::vector<std::byte>& out) {
  if (row.size() != columns.size()) {
    return invalid_argument(concat("a row of ", row.size(), " tensors, expected ", columns.size()));
  }
  const int64_t* inner[256];
  for (const Column& column : columns) {
    const TensorMap::Entry* entry = row.find(column.name);
    if (entry == nullptr) return invalid_argument(concat("the row has no tensor ", quoted(column.name)));
    const auto wrong = [&](std::string_view expected) {
      return invalid_argument(concat(quoted(column.name), " is a ", kind_name(kind_of(entry->tensor)), " tensor of ",
                                     dtype_name(dtype_of(entry->tensor)), " with shape ", shape_of(entry->tensor).to_string(),
                                     ", expected ", expected));
    };
    if (dtype_of(entry->tensor) != column.dtype) return wrong(dtype_name(column.dtype));
    Piece piece;
    const auto elements = [&](const DenseTensor& x) {
      if (x.is_string()) {
        piece.offsets = x.strings().offsets();
        piece.values = reinterpret_cast<const std::byte*>(x.strings().bytes());
      } else {
        piece.values = x.buffer().data();
      }
    };
    switch (column.form) {
      case Column::Form::fixed: {
        const auto* dense = std::get_if<DenseTensor>(&entry->tensor);
        if (dense == nullptr || dense->shape() != column.inner) return wrong(concat("dense, shape ", column.inner.to_string()));
        elements(*dense);
        append_piece(out, column, piece, 8, 1);
        break;
      }
      case Column::Form::list: {
        const auto* dense = std::get_if<DenseTensor>(&entry->tensor);
        const auto* ragged = std::get_if<RaggedTensor>(&entry->tensor);
        const DenseTensor* values = dense != nullptr ? dense : ragged != nullptr ? &ragged->flat_values() : nullptr;
        const size_t levels = dense != nullptr ? 1 : ragged != nullptr ? ragged->ragged_rank() + 1 : 0;
        if (levels != column.levels || values->shape().rank() == 0 || values->shape().drop_front(1) != column.inner) {
          return wrong(concat("a list of ", column.levels, column.levels == 1 ? " level" : " levels", " of elements of shape ",
                              column.inner.to_string()));
        }
        std::vector<DenseTensor> widened;
        piece.count = values->shape()[0];
        if (ragged != nullptr) {
          FERRY_RETURN_IF_ERROR(ragged->validate(Validation::bounds));
          piece.count = ragged->rows();
          for (size_t level = 0; level < ragged->ragged_rank(); ++level) {
            FERRY_ASSIGN_OR_RETURN(DenseTensor splits, wide(ragged->row_splits(level)));
            widened.push_back(std::move(splits));
          }
          for (size_t level = 0; level < widened.size(); ++level) inner[level] = widened[level].values<int64_t>().data();
        }
        piece.splits = inner;
        elements(*values);
        append_piece(out, column, piece, 8, 1);
        break;
      }
      case Column::Form::sparse: {
        const auto* given = std::get_if<SparseTensor>(&entry->tensor);
        if (given == nullptr || given->shape() != column.inner) return wrong(concat("sparse, shape ", column.inner.to_string()));
        FERRY_RETURN_IF_ERROR(given->validate(Validation::bounds));
        FERRY_ASSIGN_OR_RETURN(SparseTensor x, to_layout(*given, Layout::coo));
        FERRY_ASSIGN_OR_RETURN(x, sort(x));
        piece.count = x.nnz();
        piece.indices = reinterpret_cast<const std::byte*>(x.coordinates());
        elements(x.values());
        append_piece(out, column, piece, 8, column.axes());
        break;
      }
    }
  }
  return {};
}

}  // namespace ferry::dataset
