// Pieces of dense tensors along one axis: cut out, and put together.
#include <cstring>
#include <vector>

#include "ferry/rearrange.h"
#include "tensor/elements.h"

namespace ferry {
namespace {

// Elements before the axis and behind it.
struct Around {
  int64_t outer = 1, inner = 1;
};
Around around(const Shape& shape, size_t axis) {
  Around out;
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (i < axis) out.outer *= shape[i];
    if (i > axis) out.inner *= shape[i];
  }
  return out;
}

Result<DenseTensor> without_elements(DType dtype, Shape shape) {
  if (dtype != DType::string) return DenseTensor::make(dtype, std::move(shape), Buffer());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::zeroed(sizeof(int64_t)));
  return DenseTensor::make_strings(std::move(shape), std::move(offsets).freeze(), Buffer());
}

// The places of the axis as rows, whatever stands before it.
Result<DenseTensor> as_rows(const DenseTensor& x, size_t axis) {
  const Around by = around(x.shape(), axis);
  return x.reshaped(Shape{by.outer * x.shape()[axis], by.inner});
}

}  // namespace

Result<DenseTensor> cut(const DenseTensor& x, size_t axis, int64_t begin, int64_t size) {
  const Shape& shape = x.shape();
  if (axis >= shape.rank()) return invalid_argument(concat("axis ", axis, " is not one of the ", shape.rank(), " of ", shape.to_string()));
  if (begin < 0 || size < 0 || begin > shape[axis] || size > shape[axis] - begin) {
    return invalid_argument(concat("[", begin, ", ", begin, " + ", size, ") does not lie in axis ", axis, " of ", shape.to_string()));
  }
  if (axis == 0) return x.slice_rows(begin, begin + size);
  Shape out = shape;
  out[axis] = size;
  if (x.num_elements() == 0 || size == 0) return without_elements(x.dtype(), std::move(out));  // products below could overflow
  const Around by = around(shape, axis);
  FERRY_ASSIGN_OR_RETURN(const DenseTensor rows, as_rows(x, axis));
  std::vector<elements::Run> runs;
  for (int64_t o = 0; o < by.outer; ++o) runs.push_back({o * shape[axis] + begin, size, o * size});
  FERRY_ASSIGN_OR_RETURN(const DenseTensor taken, elements::take_runs(rows, runs, by.outer * size));
  return taken.reshaped(std::move(out));
}

Result<DenseTensor> join(std::span<const DenseTensor> parts, size_t axis) {
  if (parts.empty()) return invalid_argument("nothing to join");
  const DenseTensor& first = parts[0];
  Shape shape = first.shape();
  if (axis >= shape.rank()) return invalid_argument(concat("axis ", axis, " is not one of the ", shape.rank(), " of ", shape.to_string()));
  int64_t length = 0;
  for (const DenseTensor& part : parts) {
    bool fits = part.dtype() == first.dtype() && part.shape().rank() == shape.rank();
    for (size_t i = 0; fits && i < shape.rank(); ++i) fits = i == axis || part.shape()[i] == shape[i];
    if (!fits) {
      return invalid_argument(concat(dtype_name(part.dtype()), " ", part.shape().to_string(), " does not fit ", dtype_name(first.dtype()),
                                     " ", first.shape().to_string(), " along axis ", axis));
    }
    if (__builtin_add_overflow(length, part.shape()[axis], &length))
      return invalid_argument("the joined axis is longer than 63 bits count");
  }
  if (parts.size() == 1) return first;
  shape[axis] = length;
  if (!shape.num_elements()) return invalid_argument(concat("shape ", shape.to_string(), " has more elements than 63 bits count"));
  if (*shape.num_elements() == 0) return without_elements(first.dtype(), std::move(shape));
  const Around by = around(shape, axis);
  if (first.is_string()) {
    std::vector<DenseTensor> rows;
    for (const DenseTensor& part : parts) {
      FERRY_ASSIGN_OR_RETURN(rows.emplace_back(), as_rows(part, axis));
    }
    FERRY_ASSIGN_OR_RETURN(const DenseTensor all, elements::join(rows));
    std::vector<elements::Run> runs;
    int64_t out = 0;
    for (int64_t o = 0; o < by.outer; ++o) {
      int64_t before = 0;
      for (const DenseTensor& part : parts) {
        const int64_t own = part.shape()[axis];
        if (own > 0) runs.push_back({before + o * own, own, out});
        before += by.outer * own;
        out += own;
      }
    }
    FERRY_ASSIGN_OR_RETURN(const DenseTensor taken, elements::take_runs(all, runs, by.outer * length));
    return taken.reshaped(std::move(shape));
  }
  size_t bytes;
  if (__builtin_mul_overflow(static_cast<size_t>(*shape.num_elements()), dtype_size(first.dtype()), &bytes)) {
    return limit_exceeded(concat("shape ", shape.to_string(), " needs more than 2^64 bytes"));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(bytes));
  std::byte* to = out.data();
  for (int64_t o = 0; o < by.outer; ++o) {
    for (const DenseTensor& part : parts) {
      const size_t run = static_cast<size_t>(part.shape()[axis] * by.inner) * dtype_size(first.dtype());
      if (run > 0) std::memcpy(to, static_cast<const std::byte*>(part.raw()) + static_cast<size_t>(o) * run, run);
      to += run;
    }
  }
  return DenseTensor::make(first.dtype(), std::move(shape), std::move(out).freeze());
}

}  // namespace ferry
