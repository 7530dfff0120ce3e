// transpose and reshape.
#include <algorithm>

#include "ferry/sparse.h"
#include "tensor/elements.h"

namespace ferry {
namespace {

using elements::freeze;

Result<std::vector<size_t>> checked_permutation(std::span<const int64_t> permutation, size_t rank) {
  std::vector<size_t> axes(rank);
  if (permutation.empty()) {
    for (size_t axis = 0; axis < rank; ++axis) axes[axis] = rank - 1 - axis;
    return axes;
  }
  if (permutation.size() != rank) {
    return invalid_argument(
        concat("the permutation ", Shape(permutation).to_string(), " has ", permutation.size(), " axes, the tensor ", rank));
  }
  std::vector<bool> seen(rank, false);
  for (size_t axis = 0; axis < rank; ++axis) {
    if (static_cast<uint64_t>(permutation[axis]) >= rank || seen[static_cast<size_t>(permutation[axis])]) {
      return invalid_argument(
          concat("the permutation ", Shape(permutation).to_string(), " does not name each of the axes 0 to ", rank - 1, " once"));
    }
    axes[axis] = static_cast<size_t>(permutation[axis]);
    seen[axes[axis]] = true;
  }
  return axes;
}

// The target with its -1, if it has one, replaced by the length that makes the counts equal.
Result<Shape> infer_shape(const Shape& from, const Shape& to) {
  Shape out = to;
  std::optional<size_t> open;
  for (size_t axis = 0; axis < to.rank(); ++axis) {
    if (to[axis] == -1 && !open) {
      open = axis;
      out[axis] = 1;
    } else if (to[axis] < 0) {
      return invalid_argument(concat("shape ", to.to_string(), " has the length ", to[axis], " on axis ", axis,
                                     ", expected 0 or more, or one -1 to be worked out"));
    }
  }
  if (!open) return out;
  const auto total = from.num_elements(), known = out.num_elements();
  if (!total || !known || *known == 0 || *total % *known != 0) {
    return invalid_argument(concat("the -1 in shape ", to.to_string(), " cannot be worked out from shape ", from.to_string()));
  }
  out[*open] = *total / *known;
  return out;
}

}  // namespace

Result<SparseTensor> transpose(const SparseTensor& x, std::span<const int64_t> permutation, ThreadPool* pool) {
  const size_t rank = x.rank();
  FERRY_ASSIGN_OR_RETURN(const auto axes, checked_permutation(permutation, rank));
  const bool identity = std::ranges::is_sorted(axes);
  if (x.layout() != Layout::coo) {
    if (identity) return x;
    const Layout swapped = x.layout() == Layout::csr ? Layout::csc : Layout::csr;
    return SparseTensor::compressed(swapped, Shape{x.shape()[1], x.shape()[0]}, x.indptr(), x.indices(), x.values(), x.order());
  }
  if (identity) return sort(x, pool);
  Shape shape = x.shape();
  for (size_t axis = 0; axis < rank; ++axis) shape[axis] = x.shape()[axes[axis]];
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::allocate(x.indices().buffer().size()));
  const int64_t* from = x.coordinates();
  int64_t* to = indices.as<int64_t>().data();
  parallel_for(pool, x.nnz(), 1 << 15, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin) * rank; i < static_cast<size_t>(end) * rank; i += rank) {
      for (size_t axis = 0; axis < rank; ++axis) to[i + axis] = from[i + axes[axis]];
    }
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor permuted, freeze<int64_t>(std::move(indices), x.indices().shape()));
  FERRY_ASSIGN_OR_RETURN(const SparseTensor moved,
                         SparseTensor::coo(std::move(shape), std::move(permuted), x.values(), {false, x.order().unique}));
  return sort(moved, pool);
}

Result<SparseTensor> reshape(const SparseTensor& x, const Shape& target) {
  FERRY_ASSIGN_OR_RETURN(Shape shape, infer_shape(x.shape(), target));
  if (x.layout() != Layout::coo) {
    FERRY_ASSIGN_OR_RETURN(const SparseTensor coo, to_layout(x, Layout::coo));
    return reshape(coo, shape);
  }
  const size_t from_rank = x.rank(), to_rank = shape.rank();
  // Axes that both shapes share at either end stay as they are, so that only what lies between has to fit 63 bits.
  size_t front = 0, back = 0;
  while (front < std::min(from_rank, to_rank) && x.shape()[front] == shape[front]) ++front;
  while (back < std::min(from_rank, to_rank) - front && x.shape()[from_rank - 1 - back] == shape[to_rank - 1 - back]) ++back;
  const auto middle = [&](const Shape& s) { return Shape(s.dims().subspan(front, s.rank() - front - back)).num_elements(); };
  const auto from_count = middle(x.shape()), to_count = middle(shape);
  const bool empty = x.shape().num_elements() == 0 && shape.num_elements() == 0;
  if (!empty && from_count != to_count) {
    return invalid_argument(
        concat("shape ", x.shape().to_string(), " cannot become ", shape.to_string(), ": they do not have as many elements"));
  }
  if (!empty && !from_count) {
    return unsupported(concat("shape ", x.shape().to_string(), " cannot become ", shape.to_string(),
                              ": the axes that change have more elements than 63 bits can count"));
  }
  const int64_t nnz = empty ? 0 : x.nnz();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(static_cast<size_t>(nnz) * to_rank));
  const int64_t* from = x.coordinates();
  int64_t* to = indices.as<int64_t>().data();
  for (int64_t i = 0; i < nnz; ++i, from += from_rank, to += to_rank) {
    std::copy_n(from, front, to);
    int64_t position = 0;
    for (size_t axis = front; axis < from_rank - back; ++axis) position = position * x.shape()[axis] + from[axis];
    for (size_t axis = to_rank - back; axis-- > front;) {
      to[axis] = position % shape[axis];
      position /= shape[axis];
    }
    std::copy_n(from + from_rank - back, back, to + to_rank - back);
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates, freeze<int64_t>(std::move(indices), Shape{nnz, static_cast<int64_t>(to_rank)}));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, x.values().slice_rows(0, nnz));
  return SparseTensor::coo(std::move(shape), std::move(coordinates), std::move(values), x.order());  // row-major order is kept
}

}  // namespace ferry
