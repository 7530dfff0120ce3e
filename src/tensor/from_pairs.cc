// Entries in any order into a sorted COO tensor without duplicates.
#include <algorithm>
#include <limits>

#include "ferry/sparse.h"
#include "tensor/entries.h"

namespace ferry {
namespace {

// TensorFlow's int64, from whatever integers the caller has.
Result<DenseTensor> as_int64(DenseTensor indices) {
  if (indices.dtype() == DType::int64) return indices;
  const DTypeClass klass = dtype_class(indices.dtype());
  if (klass != DTypeClass::kSigned && klass != DTypeClass::kUnsigned) {
    return invalid_argument(concat("indices are ", dtype_name(indices.dtype()), ", expected int64"));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer wide, MutableBuffer::of<int64_t>(static_cast<size_t>(indices.num_elements())));
  int64_t too_large = -1;
  visit_dtype(indices.dtype(), [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    const T* from = static_cast<const T*>(indices.raw());
    auto to = wide.as<int64_t>();
    if constexpr (std::is_integral_v<T> || is_small_int_v<T>) {
      for (size_t i = 0; i < to.size(); ++i) {
        to[i] = static_cast<int64_t>(to_arithmetic(from[i]));
        if (std::is_same_v<T, uint64_t> && to[i] < 0 && too_large < 0) too_large = static_cast<int64_t>(i);
      }
    }
  });
  if (too_large >= 0) return invalid_argument(concat("index number ", too_large, " does not fit int64"));
  return DenseTensor::make(DType::int64, indices.shape(), std::move(wide).freeze());
}

// One past the largest index of each axis.
Result<Shape> smallest_shape(const DenseTensor& indices) {
  const auto rank = static_cast<size_t>(indices.shape()[1]);
  const int64_t count = indices.shape()[0];
  Shape shape;
  for (size_t axis = 0; axis < rank; ++axis) shape.append(0);
  const int64_t* at = static_cast<const int64_t*>(indices.raw());
  for (int64_t i = 0; i < count; ++i, at += rank) {
    for (size_t axis = 0; axis < rank; ++axis) {
      if (at[axis] < 0 || at[axis] == std::numeric_limits<int64_t>::max()) [[unlikely]] {
        return invalid_argument(
            concat("entry ", i, " is at ", Shape(std::span(at, rank)).to_string(), "; an index lies between 0 and 2^63 - 2"));
      }
      shape[axis] = std::max(shape[axis], at[axis] + 1);
    }
  }
  return shape;
}

}  // namespace

std::optional<Duplicates> duplicates_from_name(std::string_view name) {
  if (name == "sum") return Duplicates::sum;
  if (name == "first") return Duplicates::first;
  if (name == "last") return Duplicates::last;
  if (name == "min") return Duplicates::min;
  if (name == "max") return Duplicates::max;
  if (name == "error") return Duplicates::error;
  return std::nullopt;
}

Result<SparseTensor> from_pairs(DenseTensor indices, DenseTensor values, std::optional<Shape> shape, Duplicates duplicates,
                                ThreadPool* pool) {
  FERRY_ASSIGN_OR_RETURN(indices, as_int64(std::move(indices)));
  // A plain list of positions is a column of them.
  if (indices.shape().rank() == 1 && (!shape || shape->rank() == 1)) {
    FERRY_ASSIGN_OR_RETURN(indices, indices.reshaped(Shape{indices.num_elements(), 1}));
  }
  if (indices.shape().rank() != 2) {
    return invalid_argument(concat("indices have shape ", indices.shape().to_string(), ", expected [entries, rank]"));
  }
  if (!shape) {
    FERRY_ASSIGN_OR_RETURN(shape, smallest_shape(indices));
  }
  FERRY_ASSIGN_OR_RETURN(const SparseTensor x, SparseTensor::coo(*std::move(shape), std::move(indices), std::move(values)));
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  return coalesce(x, duplicates, pool);
}

}  // namespace ferry
