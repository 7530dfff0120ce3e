#include "formats/json/rows.h"

#include <algorithm>
#include <cstring>

#include "ferry/ragged.h"
#include "ferry/sparse.h"
#include "formats/json/composite.h"

namespace ferry::json {
namespace {

// ---- Reading

Column& column_of(Text& text, std::vector<Column>& columns, std::string_view name) {
  for (Column& column : columns) {
    if (column.name == name) return column;
  }
  columns.push_back({std::string(name), ListBuilder(text.options.numbers), {}, text.in.offset()});
  columns.back().list.open_list(text.in);
  return columns.back();
}

// Whether the object that stands next is one tensor by its keys alone.
bool row_is_tensor(const Reader& in) {
  Reader ahead = in;
  std::string key;
  bool values = false, rest = false, b64 = false;
  ahead.open();
  size_t members = 0;
  for (bool first = true; ahead.next_member(first, key); ++members) {
    values |= key == "values" || key == "data";
    rest |= key == "indices" || is_splits_key(key) || key == "dtype";
    b64 |= key == "b64" && ahead.peek() == Token::string;
    if (!is_tensor_key(key) && key != "b64") return false;
    ahead.skip_value();
  }
  return (b64 && members == 1) || (values && rest);
}

Status cell(Text& text, Column& column, size_t row) {
  Reader& in = text.in;
  if (column.rows++ != row)
    return data_loss_at(in.offset(),
                        concat("row ", row, " names the input ", quoted(column.name), ", which is not in every row before it"));
  if (in.peek() != Token::object) {
    column.list.read(in);
    return in.status();
  }
  Value value = read_value(text);
  if (!in.ok()) return in.status();
  if (!value.is_object) {
    column.list.add_string(in, *value.list.scalar_string());
    return in.status();
  }
  FERRY_ASSIGN_OR_RETURN(Tensor tensor, to_tensor(text, value));
  column.composites.push_back(std::move(tensor));
  return {};
}

// ---- Stacking

Result<DenseTensor> join(std::span<const DenseTensor> parts) {
  int64_t count = 0;
  for (const DenseTensor& part : parts) count += part.num_elements();
  if (parts[0].is_string()) {
    StringsBuilder builder;
    for (const DenseTensor& part : parts) {
      for (int64_t i = 0; i < part.num_elements(); ++i) FERRY_RETURN_IF_ERROR(builder.append(part.strings()[i]));
    }
    return std::move(builder).finish(Shape{count});
  }
  const DType dtype = parts[0].dtype();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer data, MutableBuffer::allocate(static_cast<size_t>(count) * dtype_size(dtype)));
  std::byte* at = data.data();
  for (const DenseTensor& part : parts) {
    if (!part.buffer().empty()) std::memcpy(at, part.raw(), part.buffer().size());
    at += part.buffer().size();
  }
  return DenseTensor::make(dtype, Shape{count}, std::move(data).freeze());
}

// As deserialize_many_sparse: the shape takes the maximum over the rows, and a batch axis in front.
Result<Tensor> stack_sparse(Column& column) {
  std::vector<SparseTensor> rows;
  Shape shape;
  for (Tensor& tensor : column.composites) {
    auto* sparse = std::get_if<SparseTensor>(&tensor);
    if (sparse == nullptr) return data_loss_at(column.offset, "some rows are sparse and some are not");
    if (!rows.empty() && (sparse->rank() != shape.rank() || sparse->dtype() != rows[0].dtype())) {
      return data_loss_at(column.offset, concat("row ", rows.size(), " is ", dtype_name(sparse->dtype()), " of rank ", sparse->rank(),
                                                ", the rows before it ", dtype_name(rows[0].dtype()), " of rank ", shape.rank()));
    }
    if (rows.empty()) shape = sparse->shape();
    for (size_t axis = 0; axis < shape.rank(); ++axis) shape[axis] = std::max(shape[axis], sparse->shape()[axis]);
    if (sparse->layout() == Layout::coo) {
      rows.push_back(*sparse);
    } else {
      FERRY_ASSIGN_OR_RETURN(SparseTensor coo, to_layout(*sparse, Layout::coo));
      rows.push_back(std::move(coo));
    }
  }
  const size_t rank = shape.rank();
  std::vector<int64_t> indices;
  std::vector<DenseTensor> values;
  for (size_t row = 0; row < rows.size(); ++row) {
    const int64_t* from = rows[row].coordinates();
    for (int64_t i = 0; i < rows[row].nnz(); ++i, from += rank) {
      indices.push_back(static_cast<int64_t>(row));
      indices.insert(indices.end(), from, from + rank);
    }
    values.push_back(rows[row].values());
  }
  Shape whole{static_cast<int64_t>(rows.size())};
  for (int64_t dim : shape) whole.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor all, join(values));
  const int64_t count = all.num_elements();
  FERRY_ASSIGN_OR_RETURN(
      SparseTensor out,
      SparseTensor::coo(std::move(whole), DenseTensor::of<int64_t>(Shape{count, static_cast<int64_t>(rank) + 1}, indices), std::move(all)));
  return Tensor(std::move(out));
}

Result<Tensor> stack_ragged(Column& column) {
  std::vector<RaggedTensor> rows;
  std::vector<int64_t> splits{0};
  for (Tensor& tensor : column.composites) {
    auto* ragged = std::get_if<RaggedTensor>(&tensor);
    if (ragged == nullptr) return data_loss_at(column.offset, "some rows are ragged and some are not");
    splits.push_back(splits.back() + ragged->rows());
    rows.push_back(*ragged);
  }
  FERRY_ASSIGN_OR_RETURN(RaggedTensor inner, concat_rows(rows));
  std::vector<DenseTensor> levels;
  levels.push_back(DenseTensor::vector<int64_t>(splits));
  if (inner.splits_dtype() != DType::int64) return unsupported("rows of instances need int64 row_splits");
  for (const DenseTensor& level : inner.nested_row_splits()) levels.push_back(level);
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(levels), inner.flat_values()));
  return Tensor(std::move(out));
}

}  // namespace

Status read_rows(Text& text, std::vector<Column>& columns) {
  Reader& in = text.in;
  in.open();
  size_t row = 0;
  bool named = false;
  std::string key;
  for (bool first = true; in.next_element(first); ++row) {
    const bool is_named = in.peek() == Token::object && !row_is_tensor(in);
    if (row == 0) named = is_named;
    if (named != is_named) {
      return data_loss_at(in.offset(), concat("row ", row, " of instances is ", is_named ? "an object of named inputs" : "a plain value",
                                              ", the rows before it are not"));
    }
    if (!named) {
      FERRY_RETURN_IF_ERROR(cell(text, column_of(text, columns, ""), row));
      continue;
    }
    in.open();
    size_t members = 0;
    for (bool inner = true; in.next_member(inner, key); ++members) {
      if (row > 0 && std::ranges::none_of(columns, [&](const Column& c) { return c.name == key; })) {
        return data_loss_at(in.offset(), concat("row ", row, " names the input ", quoted(key), ", which the rows before it have not"));
      }
      if (columns.size() > text.options.limits.max_tensors) return limit_exceeded("more inputs than max_tensors");
      FERRY_RETURN_IF_ERROR(cell(text, column_of(text, columns, key), row));
    }
    if (in.ok() && members != columns.size())
      return data_loss_at(in.offset(), concat("row ", row, " has ", members, " inputs, expected ", columns.size()));
  }
  if (row == 0 && in.ok()) return data_loss_at(in.offset(), "instances holds no row");
  return in.status();
}

Result<Tensor> stack(Column& column) {
  if (column.composites.empty()) {
    column.list.close_list();
    Value place;
    place.offset = column.offset;
    return at(std::move(column.list).finish(), place);
  }
  if (column.composites.size() != column.rows) return data_loss_at(column.offset, "some rows are objects and some are plain values");
  if (std::holds_alternative<SparseTensor>(column.composites[0])) return stack_sparse(column);
  if (std::holds_alternative<RaggedTensor>(column.composites[0])) return stack_ragged(column);
  return data_loss_at(column.offset, "rows of instances are plain lists, sparse or ragged objects");
}

}  // namespace ferry::json
