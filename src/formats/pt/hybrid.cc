#include "formats/pt/hybrid.h"

#include <algorithm>
#include <cstring>

#include "ferry/checked.h"
#include "formats/arrow/leaf.h"
#include "formats/arrow/strided.h"

namespace ferry::pt {
namespace {

// Counts through the positions of a shape, last axis fastest.
class Odometer {
 public:
  explicit Odometer(std::span<const int64_t> dims) : dims_(dims), at_(dims.size(), 0) {}
  void next() {
    for (size_t axis = dims_.size(); axis-- > 0;) {
      if (++at_[axis] < dims_[axis]) return;
      at_[axis] = 0;
    }
  }
  std::span<const int64_t> at() const { return at_; }

 private:
  std::span<const int64_t> dims_;
  std::vector<int64_t> at_;
};

Result<SparseTensor> finish(const Shape& shape, MutableBuffer indices, const DenseTensor& values) {
  const int64_t count = values.num_elements();
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates,
                         DenseTensor::make(DType::int64, Shape{count, static_cast<int64_t>(shape.rank())}, std::move(indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor flat, values.reshaped(Shape{count}));
  return SparseTensor::coo(shape, std::move(coordinates), std::move(flat));
}

}  // namespace

Result<SparseTensor> from_hybrid(const Shape& shape, DenseTensor indices, DenseTensor values) {
  if (values.shape().rank() == 1) return SparseTensor::coo(shape, std::move(indices), std::move(values));
  const size_t rank = shape.rank(), sparse = static_cast<size_t>(indices.shape()[1]);
  const Shape dense = values.shape().drop_front(1);
  const int64_t nnz = values.shape()[0], each = nnz == 0 ? 0 : *dense.num_elements();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(values.num_elements()) * rank));
  int64_t* to = out.as<int64_t>().data();
  const auto* from = static_cast<const int64_t*>(indices.raw());
  for (int64_t entry = 0; entry < nnz && each > 0; ++entry, from += sparse) {
    Odometer inner(dense.dims());
    for (int64_t i = 0; i < each; ++i, inner.next()) {
      to = std::copy_n(from, sparse, to);
      to = std::ranges::copy(inner.at(), to).out;
    }
  }
  return finish(shape, std::move(out), values);
}

Result<SparseTensor> from_blocks(std::string_view layout, const Shape& shape, const DenseTensor& indptr, const DenseTensor& indices,
                                 const DenseTensor& values) {
  const bool by_row = layout == "sparse_csr" || layout == "sparse_bsr", blocks = layout == "sparse_bsr" || layout == "sparse_bsc";
  const size_t rank = shape.rank(), batch = indices.shape().rank() - 1;
  const Shape batches(shape.dims().first(batch));
  const Shape inside = values.shape().drop_front(batch + 1);  // block rows, block columns, dense axes
  const int64_t nnz = indices.shape()[batch], each = nnz == 0 ? 0 : *inside.num_elements(), majors = indptr.shape()[batch] - 1;
  const int64_t rows = blocks ? inside[0] : 1, columns = blocks ? inside[1] : 1;
  const int64_t minors = shape[batch + (by_row ? 1 : 0)] / (by_row ? columns : rows);
  const size_t dense_at = blocks ? 2 : 0;

  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(values.num_elements()) * rank));
  int64_t* to = out.as<int64_t>().data();
  Odometer batch_at(batches.dims());
  const int64_t batch_count = *batches.num_elements();
  for (int64_t b = 0; b < batch_count; ++b, batch_at.next()) {
    const int64_t* pointers = static_cast<const int64_t*>(indptr.raw()) + b * (majors + 1);
    const int64_t* minor = static_cast<const int64_t*>(indices.raw()) + b * nnz;
    if (pointers[0] != 0 || pointers[majors] != nnz) {
      return data_loss(concat("the pointers of a sparse tensor run from ", pointers[0], " to ", pointers[majors], ", expected 0 to ", nnz));
    }
    for (int64_t major = 0; major < majors; ++major) {
      if (pointers[major + 1] < pointers[major] || pointers[major + 1] > nnz) {
        return data_loss(concat("the pointers of a sparse tensor go from ", pointers[major], " to ", pointers[major + 1],
                                ", expected them to rise to ", nnz));
      }
      for (int64_t p = pointers[major]; p < pointers[major + 1]; ++p) {
        if (minor[p] < 0 || minor[p] >= minors) {
          return data_loss(concat("entry ", p, " of a sparse tensor has index ", minor[p], ", expected one below ", minors));
        }
        const int64_t row = (by_row ? major : minor[p]) * rows, column = (by_row ? minor[p] : major) * columns;
        Odometer inner(inside.dims());
        for (int64_t i = 0; i < each; ++i, inner.next()) {
          const auto at = inner.at();
          to = std::ranges::copy(batch_at.at(), to).out;
          *to++ = row + (blocks ? at[0] : 0);
          *to++ = column + (blocks ? at[1] : 0);
          to = std::ranges::copy(at.subspan(dense_at), to).out;
        }
      }
    }
  }
  return finish(shape, std::move(out), values);
}

Result<Tensor> from_components(const DenseTensor& buffer, const DenseTensor& sizes, const DenseTensor& strides, const DenseTensor& offsets,
                               const Limits& limits) {
  const auto misfit = [&] {
    return data_loss(concat("sizes ", sizes.shape().to_string(), ", strides ", strides.shape().to_string(), " and offsets ",
                            offsets.shape().to_string(), " do not make a nested tensor"));
  };
  if (buffer.shape().rank() != 1 || offsets.shape().rank() != 1) return misfit();
  const int64_t count = offsets.num_elements();
  if (count > 0 && (sizes.shape().rank() != 2 || sizes.shape()[0] != count || strides.shape() != sizes.shape())) return misfit();
  const size_t axes = count == 0 || sizes.shape().rank() != 2 ? 1 : static_cast<size_t>(sizes.shape()[1]);
  if (axes == 0) {  // scalars
    FERRY_ASSIGN_OR_RETURN(DenseTensor x, buffer.reshaped(Shape{buffer.num_elements()}));
    if (x.num_elements() != count) return misfit();
    return Tensor(std::move(x));
  }
  const auto sizes_of = [&](int64_t i) { return sizes.values<int64_t>().subspan(static_cast<size_t>(i) * axes, axes); };
  const auto size = [&](int64_t i, size_t axis) { return sizes.values<int64_t>()[static_cast<size_t>(i) * axes + axis]; };
  const auto stride = [&](int64_t i, size_t axis) { return strides.values<int64_t>()[static_cast<size_t>(i) * axes + axis]; };

  // Ragged up to the last axis that differs.
  size_t ragged = 1;
  std::vector<int64_t> dims(axes);
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    for (size_t axis = 0; axis < axes; ++axis) dims[axis] = size(i, axis);
    FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(dims, limits));
    const auto sum = checked_add(total, *shape.num_elements());
    if (!sum) return misfit();
    total = *sum;
    for (size_t axis = ragged; axis < axes; ++axis) {
      if (dims[axis] != size(0, axis)) ragged = axis + 1;
    }
  }
  const auto width = static_cast<int64_t>(dtype_size(buffer.dtype()));
  const auto bytes = checked_mul(total, width);
  if (!bytes) return misfit();
  FERRY_RETURN_IF_ERROR(arrow::check_expansion(buffer.num_bytes(), static_cast<uint64_t>(*bytes), limits));

  // The components end to end; the buffer itself where they lie so.
  bool in_order = total <= buffer.num_elements();
  int64_t expected = 0;
  for (int64_t i = 0; in_order && i < count; ++i) {
    // One without elements lies anywhere; its other axes may be longer than any product of them.
    if (std::ranges::find(sizes_of(i), 0) != sizes_of(i).end()) continue;
    in_order = offsets.values<int64_t>()[static_cast<size_t>(i)] == expected;
    int64_t step = 1;
    for (size_t axis = axes; in_order && axis-- > 0;) {
      in_order = size(i, axis) == 1 || stride(i, axis) == step;
      step *= size(i, axis);
    }
    expected += step;
  }
  Buffer elements;
  if (in_order) {
    elements = buffer.buffer().slice(0, static_cast<size_t>(*bytes));
  } else {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::allocate(static_cast<size_t>(*bytes)));
    std::byte* to = block.data();
    std::vector<int64_t> steps(axes);
    for (int64_t i = 0; i < count; ++i) {
      for (size_t axis = 0; axis < axes; ++axis) {
        dims[axis] = size(i, axis);
        const auto step = checked_mul(stride(i, axis), width);
        if (!step) return misfit();
        steps[axis] = dims[axis] == 1 ? 0 : *step;
      }
      const int64_t offset = offsets.values<int64_t>()[static_cast<size_t>(i)];
      if (offset < 0 || offset > buffer.num_elements())
        return data_loss(concat("component ", i, " of a nested tensor begins at element ", offset));
      const Buffer rest =
          buffer.buffer().slice(static_cast<size_t>(offset * width), static_cast<size_t>((buffer.num_elements() - offset) * width));
      FERRY_ASSIGN_OR_RETURN(const DenseTensor component, arrow::gather_strided(buffer.dtype(), Shape(dims), steps, rest, limits));
      if (component.num_elements() > 0) std::memcpy(to, component.raw(), static_cast<size_t>(component.num_bytes()));
      to += component.num_bytes();
    }
    elements = std::move(block).freeze();
  }

  // Level k has a row for each position on the axes before it.
  std::vector<DenseTensor> splits;
  std::vector<int64_t> owners(static_cast<size_t>(count));  // of each row: its component
  for (size_t i = 0; i < owners.size(); ++i) owners[i] = static_cast<int64_t>(i);
  int64_t flat_rows = 0;
  for (size_t level = 0; level < ragged; ++level) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer ends, MutableBuffer::of<int64_t>(owners.size() + 1));
    const auto out = ends.as<int64_t>();
    int64_t sum = 0;
    out[0] = 0;
    for (size_t row = 0; row < owners.size(); ++row) {
      const auto more = checked_add(sum, size(owners[row], level));
      if (!more) return misfit();
      out[row + 1] = sum = *more;
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor split,
                           DenseTensor::make(DType::int64, Shape{static_cast<int64_t>(out.size())}, std::move(ends).freeze()));
    splits.push_back(std::move(split));
    flat_rows = sum;
    if (level + 1 == ragged) break;
    // Rows without elements cost memory too.
    const auto cost = checked_mul<uint64_t>(static_cast<uint64_t>(sum), 16);
    if (!cost) return misfit();
    FERRY_RETURN_IF_ERROR(arrow::check_expansion(buffer.num_bytes() + sizes.num_bytes(), *cost, limits));
    std::vector<int64_t> next;
    next.reserve(static_cast<size_t>(sum));
    for (const int64_t owner : owners) next.insert(next.end(), static_cast<size_t>(size(owner, level)), owner);
    owners = std::move(next);
  }
  Shape shape{flat_rows};
  for (size_t axis = ragged; axis < axes; ++axis) shape.append(count == 0 ? 0 : size(0, axis));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, DenseTensor::make(buffer.dtype(), std::move(shape), std::move(elements)));
  FERRY_ASSIGN_OR_RETURN(RaggedTensor x, RaggedTensor::make(std::move(splits), std::move(values)));
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  return Tensor(std::move(x));
}

}  // namespace ferry::pt
