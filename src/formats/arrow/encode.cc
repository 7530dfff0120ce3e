#include "formats/arrow/encode.h"

#include <algorithm>
#include <limits>

#include "formats/arrow/bits.h"
#include "formats/arrow/extension_json.h"
#include "formats/arrow/path.h"
#include "wire/utf8.h"

namespace ferry::arrow {
namespace {

constexpr int64_t kMaxFixed = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxHollow = 1 << 20;

LazyBuffer ready(Buffer buffer) { return LazyBuffer(std::move(buffer)); }

// A column of these rows, each holding what `child` holds between two offsets.
Column list_of(Column child, const DenseTensor& splits) {
  Column out;
  out.field.type.id = splits.dtype() == DType::int32 ? TypeId::list : TypeId::large_list;
  out.array.length = splits.num_elements() - 1;
  out.array.buffers = {LazyBuffer(), ready(splits.buffer())};
  child.field.name = "item";
  out.field.children.push_back(std::move(child.field));
  out.array.children.push_back(std::move(child.array));
  return out;
}

// One row that holds all of `child`.
Column one_list(Column child) {
  const int64_t length = child.array.length;
  return list_of(std::move(child), DenseTensor::of<int64_t>(Shape{2}, {0, length}));
}

Column fixed_list_of(Column child, int64_t rows, int64_t size) {
  Column out;
  out.field.type = {TypeId::fixed_size_list, static_cast<int32_t>(size), {}};
  out.array.length = rows;
  out.array.buffers = {LazyBuffer()};
  child.field.name = "item";
  out.field.children.push_back(std::move(child.field));
  out.array.children.push_back(std::move(child.array));
  return out;
}

Result<Column> encode_strings(const DenseTensor& values) {
  const StringsView strings = values.strings();
  Column out;
  out.array.length = strings.size();
  const int64_t first = strings.offsets()[0];
  Buffer offsets = values.buffer();
  if (first != 0) {  // a slice: count from its own start
    FERRY_ASSIGN_OR_RETURN(MutableBuffer moved, MutableBuffer::of<int64_t>(static_cast<size_t>(strings.size()) + 1));
    for (int64_t i = 0; i <= strings.size(); ++i) moved.as<int64_t>()[static_cast<size_t>(i)] = strings.offsets()[i] - first;
    offsets = std::move(moved).freeze();
  }
  Buffer bytes = values.string_bytes().slice(static_cast<size_t>(first), static_cast<size_t>(strings.total_bytes()));
  bool utf8 = is_utf8(bytes.text());
  // The whole may be valid though a cut between two strings falls within a character.
  for (int64_t i = 1; utf8 && i < strings.size(); ++i) {
    const int64_t cut = strings.offsets()[i] - first;
    utf8 = cut >= strings.total_bytes() || (static_cast<unsigned char>(bytes.text()[static_cast<size_t>(cut)]) & 0xC0) != 0x80;
  }
  out.field.type.id = utf8 ? TypeId::large_utf8 : TypeId::large_binary;
  out.array.buffers = {LazyBuffer(), ready(std::move(offsets)), ready(std::move(bytes))};
  return out;
}

// The elements in a row, whatever the shape; complex ones as lists of two floats.
Result<Column> encode_elements(const DenseTensor& values) {
  const DType dtype = values.dtype();
  const int64_t count = values.num_elements();
  if (dtype == DType::string) return encode_strings(values);
  Column out;
  out.array.length = count;
  if (dtype == DType::bool_) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer bits, MutableBuffer::allocate(static_cast<size_t>(count / 8 + (count % 8 != 0))));
    pack_bits(reinterpret_cast<const uint8_t*>(values.raw()), count, reinterpret_cast<uint8_t*>(bits.data()));
    out.field.type.id = TypeId::boolean;
    out.array.buffers = {LazyBuffer(), ready(std::move(bits).freeze())};
    return out;
  }
  const DType stored = storage_dtype(dtype);
  out.field.type.id = type_of(stored);
  out.array.buffers = {LazyBuffer(), ready(values.buffer())};
  if (dtype_class(dtype) != DTypeClass::kComplex) return out;
  out.array.length = 2 * count;
  return fixed_list_of(std::move(out), count, 2);
}

void note_dtype(Field& field, DType dtype) {
  if (storage_dtype(dtype) != dtype) field.metadata.set(kDTypeKey, dtype_name(dtype));
}

// Elements under an arrow.fixed_shape_tensor of `dims` each; complex elements add an axis of two.
Column fixed_shape(Column elements, int64_t rows, std::vector<int64_t> dims, const Metadata& metadata) {
  if (elements.field.type.id == TypeId::fixed_size_list) {
    dims.push_back(2);
    Field item = std::move(elements.field.children[0]);
    ArrayData array = std::move(elements.array.children[0]);
    elements = {std::move(item), std::move(array)};
  }
  int64_t size = 1;
  for (const int64_t dim : dims) size *= dim;
  Column out = fixed_list_of(std::move(elements), rows, size);
  std::string text = concat("{\"shape\":", json_list(dims));
  if (const std::string* names = metadata.find("arrow.dim_names")) {
    if (auto list = parse_extension(*names); list.ok() && list->is(json::Token::array) && list->items.size() == dims.size()) {
      text += concat(",\"dim_names\":", *names);
    }
  }
  out.field.metadata.set(kExtensionName, "arrow.fixed_shape_tensor");
  out.field.metadata.set(kExtensionMetadata, text + "}");
  return out;
}

// Whether a row of these axes can be a fixed-size list. Lists of no elements are refused by some readers.
bool fits_fixed(std::span<const int64_t> dims, DType dtype) {
  const int64_t size = Shape(dims).num_elements().value_or(0);
  return size > 0 && size <= kMaxFixed / (dtype_class(dtype) == DTypeClass::kComplex ? 2 : 1);
}

Result<Column> dense_rows(const DenseTensor& tensor, const Metadata& metadata) {
  FERRY_ASSIGN_OR_RETURN(Column elements, encode_elements(tensor));
  const auto inner = tensor.shape().dims().subspan(1);
  if (inner.empty()) return elements;
  const int64_t rows = tensor.shape()[0];
  if (fits_fixed(inner, tensor.dtype())) return fixed_shape(std::move(elements), rows, {inner.begin(), inner.end()}, metadata);
  // Rows without elements: empty lists, and their shape beside them.
  FERRY_ASSIGN_OR_RETURN(MutableBuffer zeros, MutableBuffer::zeroed(static_cast<size_t>(rows + 1) * 8));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor splits, DenseTensor::make(DType::int64, Shape{rows + 1}, std::move(zeros).freeze()));
  Column out = list_of(std::move(elements), splits);
  out.field.metadata.set(kShapeKey, json_list(inner));
  return out;
}

Result<Column> dense_whole(const DenseTensor& tensor, const Metadata& metadata) {
  FERRY_ASSIGN_OR_RETURN(Column out, encode_elements(tensor));
  const auto dims = tensor.shape().dims();
  if (!dims.empty() && fits_fixed(dims, tensor.dtype())) {
    out = fixed_shape(std::move(out), 1, {dims.begin(), dims.end()}, metadata);
  } else if (!dims.empty()) {
    out = one_list(std::move(out));
    out.field.metadata.set(kShapeKey, json_list(dims));
  }
  out.field.metadata.set(kRowsKey, "one");
  return out;
}

Result<Column> ragged_rows(const RaggedTensor& tensor) {
  const DenseTensor& flat = tensor.flat_values();
  FERRY_ASSIGN_OR_RETURN(Column out, encode_elements(flat));
  const auto inner = flat.shape().dims().subspan(1);
  int64_t count = flat.num_elements();
  // Innermost axis first; an axis of a list may be empty or beyond what a list can count.
  for (size_t axis = inner.size(); axis-- > 0;) {
    if (inner[axis] > kMaxFixed) {
      return unsupported(
          concat("an inner axis of ", inner[axis], " elements is more than an Arrow fixed-size list can count; use safetensors or npz"));
    }
    const auto lists = Shape(flat.shape().dims().first(axis + 1)).num_elements();
    if (!lists)
      return unsupported("a ragged tensor without elements whose axes multiply to more than 63 bits; Arrow cannot count its lists");
    count = *lists;
    out = fixed_list_of(std::move(out), count, inner[axis]);
  }
  for (size_t level = tensor.ragged_rank(); level-- > 0;) out = list_of(std::move(out), tensor.row_splits(level));
  return out;
}

std::string descriptor(const SparseTensor& tensor) {
  const Layout layout = tensor.layout();
  std::string format = layout == Layout::coo ? "COO" : layout == Layout::csr ? "CSR" : "CSC";
  std::string types;
  if (layout == Layout::coo) {
    for (size_t axis = 0; axis < tensor.rank(); ++axis) types += concat("\"indices_", axis, "\":\"int64\",");
  } else {
    types =
        concat("\"pointers_to_1\":\"", dtype_name(tensor.index_dtype()), "\",\"indices_1\":\"", dtype_name(tensor.index_dtype()), "\",");
  }
  return concat("{\"binsparse\":{\"version\":\"0.1\",\"format\":\"", format, "\",\"shape\":", json_list(tensor.shape().dims()),
                ",\"number_of_stored_values\":", tensor.nnz(), ",\"data_types\":{", types, "\"values\":\"", dtype_name(tensor.dtype()),
                "\"}}}");
}

void add_child(Column& out, std::string_view name, Column child) {
  child.field.name = name;
  out.field.children.push_back(std::move(child.field));
  out.array.children.push_back(std::move(child.array));
}

Result<Column> sparse_rows(const SparseTensor& tensor) {
  FERRY_ASSIGN_OR_RETURN(Column index, encode_elements(tensor.indices()));
  FERRY_ASSIGN_OR_RETURN(Column value, encode_elements(tensor.values()));
  Column entry;
  entry.field.type.id = TypeId::structure;
  entry.array.length = tensor.nnz();
  entry.array.buffers = {LazyBuffer()};
  add_child(entry, "index", std::move(index));
  add_child(entry, "value", std::move(value));
  return list_of(std::move(entry), tensor.indptr());
}

Result<Column> sparse_whole(const SparseTensor& tensor) {
  Column out;
  out.field.type.id = TypeId::structure;
  out.array.length = 1;
  out.array.buffers = {LazyBuffer()};
  if (tensor.layout() != Layout::coo) {
    FERRY_ASSIGN_OR_RETURN(Column indptr, encode_elements(tensor.indptr()));
    add_child(out, "indptr", one_list(std::move(indptr)));
  }
  FERRY_ASSIGN_OR_RETURN(Column indices, encode_elements(tensor.indices()));
  if (tensor.layout() == Layout::coo) indices = fixed_list_of(std::move(indices), tensor.nnz(), static_cast<int64_t>(tensor.rank()));
  add_child(out, "indices", one_list(std::move(indices)));
  FERRY_ASSIGN_OR_RETURN(Column values, encode_elements(tensor.values()));
  add_child(out, "values", one_list(std::move(values)));
  FERRY_ASSIGN_OR_RETURN(Column shape, encode_elements(DenseTensor::vector<int64_t>(tensor.shape().dims())));
  add_child(out, "dense_shape", one_list(std::move(shape)));
  return out;
}

}  // namespace

bool has_rows(const Tensor& tensor) {
  if (const auto* dense = std::get_if<DenseTensor>(&tensor)) {
    if (dense->shape().rank() == 0) return false;
    const auto inner = dense->shape().dims().subspan(1);
    // Empty rows cost an offset each, though there is nothing in them.
    const bool hollow = std::ranges::find(inner, 0) != inner.end() && dense->shape()[0] <= kMaxHollow;
    return inner.empty() || fits_fixed(inner, dense->dtype()) || hollow;
  }
  if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) return sparse->layout() == Layout::csr;
  return true;
}

int64_t rows_of(const Tensor& tensor) {
  if (const auto* ragged = std::get_if<RaggedTensor>(&tensor)) return ragged->rows();
  return shape_of(tensor)[0];
}

Result<Column> encode_column(std::string_view name, const Tensor& tensor, const Metadata& metadata, bool by_rows) {
  Result<Column> made = Column();
  if (const auto* dense = std::get_if<DenseTensor>(&tensor)) {
    made = by_rows ? dense_rows(*dense, metadata) : dense_whole(*dense, metadata);
  } else if (const auto* ragged = std::get_if<RaggedTensor>(&tensor)) {
    made = ragged_rows(*ragged);
    if (made.ok() && !by_rows) {
      made = one_list(*std::move(made));
      made->field.metadata.set(kRowsKey, "one");
    }
  } else {
    const auto& sparse = std::get<SparseTensor>(tensor);
    made = by_rows ? sparse_rows(sparse) : sparse_whole(sparse);
    if (made.ok()) made->field.metadata.set(kSparseKey, descriptor(sparse));
  }
  if (!made.ok()) return made.status().with_context(quoted(name));
  Column out = *std::move(made);
  out.field.name = name;
  note_dtype(out.field, dtype_of(tensor));
  const bool named = out.field.extension_metadata().find("dim_names") != std::string_view::npos;
  for (const auto& [key, value] : metadata) {
    if (key == "arrow.dim_names" && named) continue;  // said by the type
    if (key == kDTypeKey || key == kRowsKey || key == kShapeKey || key == kSparseKey || key == kExtensionName ||
        key == kExtensionMetadata) {
      return invalid_argument(
          concat("metadata ", quoted(key), " of ", quoted(name), " is a key that the Arrow writer itself uses; rename it"));
    }
    out.field.metadata.set(key, value);
  }
  return out;
}

Result<Table> encode_table(const TensorMap& tensors, Arrangement arrangement) {
  Table out;
  out.schema.metadata = tensors.metadata;
  bool by_rows =
      arrangement == Arrangement::automatic && std::ranges::all_of(tensors, [](const auto& entry) { return has_rows(entry.tensor); });
  for (const auto& entry : tensors) by_rows = by_rows && rows_of(entry.tensor) == rows_of(tensors[0].tensor);
  out.rows = tensors.empty() ? 0 : by_rows ? rows_of(tensors[0].tensor) : 1;
  for (const auto& entry : tensors) {
    FERRY_ASSIGN_OR_RETURN(Column column, encode_column(entry.name, entry.tensor, entry.metadata, by_rows));
    out.schema.fields.push_back(std::move(column.field));
    out.columns.push_back(std::move(column.array));
  }
  return out;
}

}  // namespace ferry::arrow
