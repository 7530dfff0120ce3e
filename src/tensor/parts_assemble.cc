// Putting a composite tensor together from its parts.
#include <algorithm>
#include <limits>

#include "ferry/parts.h"
#include "ferry/ragged.h"

namespace ferry {
namespace {

constexpr int64_t kFreeRows = int64_t{1} << 20;
constexpr int64_t kRowsAnElement = 64;

Result<DenseTensor> to_int64(const DenseTensor& tensor) {
  if (tensor.dtype() == DType::int64) return tensor;
  FERRY_ASSERT(tensor.dtype() == DType::int32);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(tensor.num_elements())));
  std::ranges::copy(tensor.values<int32_t>(), out.as<int64_t>().begin());
  return DenseTensor::make(DType::int64, tensor.shape(), std::move(out).freeze());
}

Result<Shape> shape_from(const DenseTensor& dense_shape) {
  FERRY_ASSIGN_OR_RETURN(const DenseTensor dims, to_int64(dense_shape));
  for (const int64_t dim : dims.values<int64_t>()) {
    if (dim < 0) return invalid_argument(concat("dense_shape ", Shape(dims.values<int64_t>()).to_string(), " has a negative axis"));
  }
  return Shape(dims.values<int64_t>());
}

bool is_index(const DenseTensor& tensor, size_t rank) {
  return (tensor.dtype() == DType::int32 || tensor.dtype() == DType::int64) && tensor.shape().rank() == rank;
}

// The arrays of one group by role.
class Parts {
 public:
  explicit Parts(std::vector<std::pair<Part, DenseTensor>> arrays) : arrays_(std::move(arrays)) {}
  const DenseTensor* find(PartRole role, size_t level = 0) const {
    for (const auto& [part, array] : arrays_) {
      if (part.role == role && part.level == level) return &array;
    }
    return nullptr;
  }
  bool has(PartRole role) const { return find(role) != nullptr; }
  size_t count(PartRole role) const {
    return static_cast<size_t>(std::ranges::count_if(arrays_, [&](const auto& entry) { return entry.first.role == role; }));
  }

 private:
  std::vector<std::pair<Part, DenseTensor>> arrays_;
};

Status missing(const PartGroup& group, std::string_view what) {
  return invalid_argument(concat("the parts of ", quoted(group.name), " have no ", what));
}

Result<DenseTensor> strings_of(const Parts& parts, bool own_shape) {
  const DenseTensor* bytes = parts.find(PartRole::bytes);
  const DenseTensor* offsets = parts.find(PartRole::offsets);
  if (bytes == nullptr || offsets == nullptr || bytes->dtype() != DType::uint8 || bytes->shape().rank() != 1 ||
      offsets->dtype() != DType::int64 || offsets->shape().rank() != 1 || offsets->num_elements() < 1) {
    return invalid_argument("strings need bytes (uint8 [n]) and offsets (int64 [count + 1])");
  }
  Shape shape{offsets->num_elements() - 1};
  if (const DenseTensor* dims = parts.find(PartRole::dense_shape); own_shape && dims != nullptr) {
    FERRY_ASSIGN_OR_RETURN(shape, shape_from(*dims));
  }
  return DenseTensor::make_strings(std::move(shape), offsets->buffer(), bytes->buffer());
}

// values, or the strings that stand for them.
Result<DenseTensor> values_of(const PartGroup& group, const Parts& parts) {
  if (const DenseTensor* values = parts.find(PartRole::values)) return *values;
  if (!parts.has(PartRole::bytes)) return missing(group, "values");
  return strings_of(parts, group.kind == TensorKind::ragged);
}

// Coordinates given axis by axis → [nnz, rank].
Result<DenseTensor> interleave(std::span<const DenseTensor> axes, int64_t nnz) {
  const size_t rank = axes.size();
  const auto count = static_cast<size_t>(nnz);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(count * rank));
  const auto to = out.as<int64_t>();
  for (size_t axis = 0; axis < rank; ++axis) {
    const auto spread = [&](auto from) {
      for (size_t i = 0; i < count; ++i) to[i * rank + axis] = from[i];
    };
    if (axes[axis].dtype() == DType::int32) {
      spread(axes[axis].values<int32_t>());
    } else {
      spread(axes[axis].values<int64_t>());
    }
  }
  return DenseTensor::make(DType::int64, Shape{nnz, static_cast<int64_t>(rank)}, std::move(out).freeze());
}

Result<Tensor> assemble_coo(const PartGroup& group, const Parts& parts, Shape shape) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, values_of(group, parts));
  const int64_t nnz = values.num_elements();
  if (const DenseTensor* indices = parts.find(PartRole::indices)) {
    if (!is_index(*indices, 2)) return invalid_argument("COO indices are not int64 [nnz, rank]");
    FERRY_ASSIGN_OR_RETURN(DenseTensor wide, to_int64(*indices));
    FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(std::move(shape), std::move(wide), std::move(values)));
    return Tensor(std::move(out));
  }
  std::vector<DenseTensor> axes;
  if (const DenseTensor* coords = parts.find(PartRole::coords)) {
    if (!is_index(*coords, 2)) return invalid_argument("coords are not int64 [rank, nnz]");
    for (int64_t axis = 0; axis < coords->shape()[0]; ++axis) {
      FERRY_ASSIGN_OR_RETURN(const DenseTensor slice, coords->slice_rows(axis, axis + 1));
      FERRY_ASSIGN_OR_RETURN(DenseTensor flat, slice.reshaped(Shape{coords->shape()[1]}));
      axes.push_back(std::move(flat));
    }
  } else if (parts.has(PartRole::row) && parts.has(PartRole::col)) {
    axes = {*parts.find(PartRole::row), *parts.find(PartRole::col)};
  } else {
    for (size_t axis = 0; const DenseTensor* coords_k = parts.find(PartRole::axis, axis); ++axis) axes.push_back(*coords_k);
  }
  if (axes.size() != shape.rank()) {
    return invalid_argument(
        concat("coordinates are given for ", axes.size(), " axes, dense_shape ", shape.to_string(), " has ", shape.rank()));
  }
  for (const DenseTensor& axis : axes) {
    if (!is_index(axis, 1) || axis.num_elements() != nnz) {
      return invalid_argument(concat("coordinates have shape ", axis.shape().to_string(), ", expected one for each of ", nnz, " values"));
    }
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, interleave(axes, nnz));
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(std::move(shape), std::move(indices), std::move(values)));
  return Tensor(std::move(out));
}

Result<Tensor> assemble_compressed(const PartGroup& group, const Parts& parts, TensorKind kind, Shape shape) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, values_of(group, parts));
  const DenseTensor* indices_part = parts.find(PartRole::indices);
  if (indices_part == nullptr) return missing(group, "indices");
  DenseTensor indptr = *parts.find(PartRole::indptr), indices = *indices_part;
  if (!is_index(indptr, 1) || !is_index(indices, 1)) return invalid_argument("indptr and indices are not vectors of int32 or int64");
  if (kind == TensorKind::coo) {
    // One row of a matrix, written by SciPy as a vector.
    FERRY_ASSIGN_OR_RETURN(const DenseTensor ends, to_int64(indptr));
    if (ends.num_elements() != 2 || ends.values<int64_t>()[0] != 0 || ends.values<int64_t>()[1] != values.num_elements()) {
      return invalid_argument(concat("indptr of a vector of ", values.num_elements(), " values is not [0, ", values.num_elements(), "]"));
    }
    FERRY_ASSIGN_OR_RETURN(indices, to_int64(indices));
    FERRY_ASSIGN_OR_RETURN(indices, indices.reshaped(Shape{indices.num_elements(), 1}));
    FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(std::move(shape), std::move(indices), std::move(values)));
    return Tensor(std::move(out));
  }
  if (indptr.dtype() != indices.dtype()) {
    FERRY_ASSIGN_OR_RETURN(indptr, to_int64(indptr));
    FERRY_ASSIGN_OR_RETURN(indices, to_int64(indices));
  }
  const Layout layout = kind == TensorKind::csc ? Layout::csc : Layout::csr;
  FERRY_ASSIGN_OR_RETURN(SparseTensor out,
                         SparseTensor::compressed(layout, std::move(shape), std::move(indptr), std::move(indices), std::move(values)));
  return Tensor(std::move(out));
}

// SciPy's blocks, values [blocks, height, width], row of blocks by row of blocks → CSR, every entry of a block kept.
template <class Index>
Result<SparseTensor> csr_from_blocks(Shape shape, std::span<const int64_t> block_ptr, std::span<const int64_t> block_columns,
                                     const DenseTensor& values) {
  const int64_t blocks = values.shape()[0], height = values.shape()[1], width = values.shape()[2];
  const int64_t nnz = values.num_elements(), rows = shape[0];
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indptr, MutableBuffer::of<Index>(static_cast<size_t>(rows) + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<Index>(static_cast<size_t>(nnz)));
  const size_t size = dtype_size(values.dtype());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer data, MutableBuffer::allocate(static_cast<size_t>(nnz) * size));
  const auto* from = static_cast<const std::byte*>(values.raw());
  const auto line = static_cast<size_t>(width) * size;
  const auto ptr = indptr.as<Index>(), column = indices.as<Index>();
  size_t used = 0;
  ptr[0] = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t block_row = row / height, inner = row % height;
    for (int64_t b = block_ptr[static_cast<size_t>(block_row)]; b < block_ptr[static_cast<size_t>(block_row) + 1]; ++b) {
      std::memcpy(data.data() + used * size, from + static_cast<size_t>(b * height + inner) * line, line);
      for (int64_t c = 0; c < width; ++c) column[used++] = static_cast<Index>(block_columns[static_cast<size_t>(b)] * width + c);
    }
    ptr[static_cast<size_t>(row) + 1] = static_cast<Index>(used);
  }
  FERRY_ASSERT(static_cast<int64_t>(used) == nnz && blocks * height * width == nnz);
  const DType index = dtype_of<Index>();
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr_tensor, DenseTensor::make(index, Shape{rows + 1}, std::move(indptr).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices_tensor, DenseTensor::make(index, Shape{nnz}, std::move(indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor flat, DenseTensor::make(values.dtype(), Shape{nnz}, std::move(data).freeze()));
  return SparseTensor::csr(std::move(shape), std::move(indptr_tensor), std::move(indices_tensor), std::move(flat));
}

Result<Tensor> assemble_blocks(const Parts& parts, Shape shape) {
  const DenseTensor& values = *parts.find(PartRole::values);
  FERRY_ASSIGN_OR_RETURN(const DenseTensor ptr, to_int64(*parts.find(PartRole::indptr)));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor columns, to_int64(*parts.find(PartRole::indices)));
  const int64_t blocks = values.shape()[0], height = values.shape()[1], width = values.shape()[2];
  if (height < 1 || width < 1 || shape[0] % height != 0 || shape[1] % width != 0 || ptr.num_elements() - 1 != shape[0] / height) {
    return invalid_argument(concat("BSR blocks of ", height, " by ", width, " with ", ptr.num_elements(), " row pointers do not cut shape ",
                                   shape.to_string()));
  }
  const auto p = ptr.values<int64_t>();
  for (size_t i = 0; i < p.size(); ++i) {
    if (i == 0 ? p[0] != 0 : p[i] < p[i - 1])
      return invalid_argument(concat("BSR indptr is ", p[i], " at position ", i, ", expected it to rise from 0"));
  }
  if (p.back() != blocks) return invalid_argument(concat("BSR indptr ends at ", p.back(), ", expected the number of blocks, ", blocks));
  for (const int64_t c : columns.values<int64_t>()) {
    if (c < 0 || c >= shape[1] / width) return invalid_argument(concat("BSR block column ", c, " is outside shape ", shape.to_string()));
  }
  // Tall blocks let a small file name very many rows.
  if (shape[0] > kFreeRows && shape[0] / kRowsAnElement > ptr.num_elements() + values.num_elements()) {
    return limit_exceeded(concat("BSR of shape ", shape.to_string(), " has too many rows for its ", values.num_elements(),
                                 " values to be turned into CSR; save x.tocoo() instead"));
  }
  constexpr int64_t kMost32 = std::numeric_limits<int32_t>::max();
  if (shape[1] <= kMost32 && values.num_elements() <= kMost32) {
    FERRY_ASSIGN_OR_RETURN(SparseTensor out, csr_from_blocks<int32_t>(std::move(shape), p, columns.values<int64_t>(), values));
    return Tensor(std::move(out));
  }
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, csr_from_blocks<int64_t>(std::move(shape), p, columns.values<int64_t>(), values));
  return Tensor(std::move(out));
}

// SciPy's diagonals: values[d, column] lies in row column - offsets[d]. Zeros are padding, as in its own tocoo().
Result<Tensor> assemble_diagonals(const Parts& parts, Shape shape) {
  const DenseTensor& values = *parts.find(PartRole::values);
  FERRY_ASSIGN_OR_RETURN(const DenseTensor offsets, to_int64(*parts.find(PartRole::offsets)));
  std::vector<int64_t> sorted(offsets.values<int64_t>().begin(), offsets.values<int64_t>().end());
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
    return invalid_argument(concat("DIA has two diagonals of offset ", *twice));
  }
  struct Entry {
    int64_t row, column, at;
  };
  std::vector<Entry> entries;
  const int64_t length = values.shape()[1], columns = std::min(length, shape[1]);
  visit_dtype(values.dtype(), [&]<class T>(TypeTag<T>) {
    const auto* from = static_cast<const T*>(values.raw());
    for (int64_t d = 0; d < offsets.num_elements(); ++d) {
      const int64_t offset = offsets.values<int64_t>()[static_cast<size_t>(d)];
      for (int64_t column = 0; column < columns; ++column) {
        int64_t row;
        if (__builtin_sub_overflow(column, offset, &row) || row < 0 || row >= shape[0]) continue;
        if (to_arithmetic(from[d * length + column]) == Arithmetic<T>()) continue;
        entries.push_back({row, column, d * length + column});
      }
    }
  });
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) { return std::pair(a.row, a.column) < std::pair(b.row, b.column); });
  const size_t nnz = entries.size(), size = dtype_size(values.dtype());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(2 * nnz));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer data, MutableBuffer::allocate(nnz * size));
  for (size_t i = 0; i < nnz; ++i) {
    indices.as<int64_t>()[2 * i] = entries[i].row;
    indices.as<int64_t>()[2 * i + 1] = entries[i].column;
    std::memcpy(data.data() + i * size, static_cast<const std::byte*>(values.raw()) + static_cast<size_t>(entries[i].at) * size, size);
  }
  const auto count = static_cast<int64_t>(nnz);
  FERRY_ASSIGN_OR_RETURN(DenseTensor index_tensor, DenseTensor::make(DType::int64, Shape{count, 2}, std::move(indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor value_tensor, DenseTensor::make(values.dtype(), Shape{count}, std::move(data).freeze()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor out,
                         SparseTensor::coo(std::move(shape), std::move(index_tensor), std::move(value_tensor), Order{true, true}));
  return Tensor(std::move(out));
}

Result<Tensor> assemble_ragged(const PartGroup& group, const Parts& parts) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, values_of(group, parts));
  const bool lengths = parts.has(PartRole::row_lengths);
  const PartRole role = lengths ? PartRole::row_lengths : PartRole::row_splits;
  std::vector<DenseTensor> splits;
  for (size_t level = 0; level < parts.count(role); ++level) {
    const DenseTensor* part = parts.find(role, level);
    if (part == nullptr) return missing(group, concat(lengths ? "row_lengths_" : "row_splits_", level));
    if (!lengths) {
      splits.push_back(*part);
      continue;
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor made, splits_from_lengths(*part));
    splits.push_back(std::move(made));
  }
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(splits), std::move(values)));
  return Tensor(std::move(out));
}

bool has_role(const PartGroup& group, PartRole role) {
  return std::ranges::any_of(group.parts, [&](const Part& part) { return part.role == role; });
}

const ArrayInfo* info_of(const PartGroup& group, std::span<const ArrayInfo> arrays, PartRole role) {
  for (const Part& part : group.parts) {
    if (part.role == role) return &arrays[part.array];
  }
  return nullptr;
}

// What is known of a group before its large arrays are read.
struct Outline {
  int64_t indptr = -1;  // its length; -1 without one
  size_t value_rank = 1;
};

Result<GroupFacts> resolve(const PartGroup& group, Outline outline, const DenseTensor* dense_shape, const DenseTensor* format) {
  if (group.kind == TensorKind::ragged) return GroupFacts{group.kind, Shape()};
  if (group.kind == TensorKind::dense) {
    if (dense_shape == nullptr) return GroupFacts{group.kind, Shape()};
    FERRY_ASSIGN_OR_RETURN(Shape shape, shape_from(*dense_shape));
    return GroupFacts{group.kind, std::move(shape)};
  }
  if (dense_shape == nullptr || !is_index(*dense_shape, 1)) return missing(group, "dense_shape of int64 [rank]");
  FERRY_ASSIGN_OR_RETURN(Shape shape, shape_from(*dense_shape));
  std::string_view named;
  if (format != nullptr) {
    if (!format->is_string() || format->num_elements() != 1) return invalid_argument("SciPy's format is not one string");
    named = format->strings()[0];
  }
  const bool compressed = outline.indptr >= 0, diagonals = has_role(group, PartRole::offsets) && !has_role(group, PartRole::bytes);
  const bool fits = named.empty() || (diagonals                 ? named == "dia"
                                      : !compressed             ? named == "coo"
                                      : outline.value_rank == 3 ? named == "bsr"
                                                                : named == "csr" || named == "csc");
  if (!fits) return invalid_argument(concat("SciPy's format is ", quoted(named), ", which is not what the arrays beside it make"));
  if (!compressed) return GroupFacts{TensorKind::coo, std::move(shape)};
  if (shape.rank() == 1) return GroupFacts{TensorKind::coo, std::move(shape)};
  if (shape.rank() != 2) return invalid_argument(concat("a compressed matrix has two axes, dense_shape is ", shape.to_string()));
  if (outline.value_rank == 3) return GroupFacts{TensorKind::csr, std::move(shape)};
  const bool rows_fit = outline.indptr - 1 == shape[0], columns_fit = outline.indptr - 1 == shape[1];
  const bool known = !named.empty() || group.layout_known;
  TensorKind kind = group.kind == TensorKind::csc ? TensorKind::csc : TensorKind::csr;
  if (!named.empty()) kind = named == "csc" ? TensorKind::csc : TensorKind::csr;
  if (!known && !rows_fit) kind = TensorKind::csc;
  if (!(kind == TensorKind::csr ? rows_fit : columns_fit)) {
    return invalid_argument(concat("indptr has ", outline.indptr, " elements, expected one more than the ",
                                   !known                    ? "rows or columns"
                                   : kind == TensorKind::csr ? "rows"
                                                             : "columns",
                                   " of shape ", shape.to_string()));
  }
  return GroupFacts{kind, std::move(shape)};
}

}  // namespace

Result<GroupFacts> resolve_group(const PartGroup& group, std::span<const ArrayInfo> arrays, const DenseTensor* dense_shape,
                                 const DenseTensor* format) {
  Outline outline;
  if (const ArrayInfo* indptr = info_of(group, arrays, PartRole::indptr)) outline.indptr = indptr->shape[0];
  if (const ArrayInfo* values = info_of(group, arrays, PartRole::values)) outline.value_rank = values->shape.rank();
  return resolve(group, outline, dense_shape, format);
}

Result<Tensor> assemble_parts(const PartGroup& group, std::vector<std::pair<Part, DenseTensor>> arrays) {
  const Parts parts(std::move(arrays));
  if (parts.has(PartRole::row_splits) || parts.has(PartRole::row_lengths)) return assemble_ragged(group, parts);
  if (group.kind == TensorKind::dense) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, strings_of(parts, true));
    return Tensor(std::move(out));
  }
  Outline outline;
  const DenseTensor* indptr = parts.find(PartRole::indptr);
  const DenseTensor* values = parts.find(PartRole::values);
  if (indptr != nullptr) outline.indptr = indptr->num_elements();
  if (values != nullptr) outline.value_rank = values->shape().rank();
  FERRY_ASSIGN_OR_RETURN(GroupFacts facts, resolve(group, outline, parts.find(PartRole::dense_shape), parts.find(PartRole::format)));
  if (indptr != nullptr && outline.value_rank == 3) return assemble_blocks(parts, std::move(facts.shape));
  if (indptr != nullptr) return assemble_compressed(group, parts, facts.kind, std::move(facts.shape));
  if (parts.has(PartRole::offsets) && !parts.has(PartRole::bytes)) return assemble_diagonals(parts, std::move(facts.shape));
  return assemble_coo(group, parts, std::move(facts.shape));
}

}  // namespace ferry
