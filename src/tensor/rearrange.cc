#include "ferry/rearrange.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "tensor/elements.h"

namespace ferry {
namespace {

// An axis of the result: its length, and how far apart its elements lie in the input and in the result.
struct Axis {
  int64_t length, from, to;
};

// The axes of the result, outermost first; neighbours that stay neighbours are one, and those of length 1 are none.
std::vector<Axis> plan_axes(const Shape& shape, std::span<const int64_t> permutation) {
  const size_t rank = shape.rank();
  std::vector<int64_t> strides(rank, 1);
  for (size_t axis = rank; axis-- > 1;) strides[axis - 1] = strides[axis] * shape[axis];
  std::vector<Axis> out;
  for (size_t i = 0; i < rank; ++i) {
    const auto axis = static_cast<size_t>(permutation[i]);
    if (shape[axis] == 1) continue;
    if (!out.empty() && out.back().from == strides[axis] * shape[axis]) {
      out.back().length *= shape[axis];
      out.back().from = strides[axis];
    } else {
      out.push_back({shape[axis], strides[axis], 0});
    }
  }
  int64_t stride = 1;
  for (size_t i = out.size(); i-- > 0;) {
    out[i].to = stride;
    stride *= out[i].length;
  }
  return out;
}

// Calls f(from, to) with the offsets of each place of the outer axes in [begin, end) of their product.
template <class F>
void each_place(std::span<const Axis> outer, int64_t begin, int64_t end, F&& f) {
  for (int64_t i = begin; i < end; ++i) {
    int64_t rest = i, from = 0, to = 0;
    for (size_t axis = outer.size(); axis-- > 0;) {
      const int64_t at = rest % outer[axis].length;
      rest /= outer[axis].length;
      from += at * outer[axis].from;
      to += at * outer[axis].to;
    }
    f(from, to);
  }
}

int64_t product(std::span<const Axis> axes) {
  return std::accumulate(axes.begin(), axes.end(), int64_t{1}, [](int64_t n, const Axis& axis) { return n * axis.length; });
}

// Rows that stay whole are copied; else the two axes that are innermost in the input and in the result go in squares, so that both
// sides of a square stay in the cache.
template <class T>
void move_all(std::vector<Axis> axes, const T* in, T* out, ThreadPool* pool) {
  constexpr int64_t kSide = 64 / static_cast<int64_t>(sizeof(T)) * 2;
  if (axes.empty()) {
    *out = *in;
    return;
  }
  const Axis inner = axes.back();
  axes.pop_back();
  if (inner.from == 1) {
    parallel_for(pool, product(axes), std::max<int64_t>(1, 65536 / inner.length), [&](int64_t begin, int64_t end) {
      each_place(axes, begin, end,
                 [&](int64_t from, int64_t to) { std::memcpy(out + to, in + from, static_cast<size_t>(inner.length) * sizeof(T)); });
    });
    return;
  }
  const auto it = std::find_if(axes.begin(), axes.end(), [](const Axis& axis) { return axis.from == 1; });
  const Axis other = *it;  // there is one: the innermost of the input, which is not the innermost of the result
  axes.erase(it);
  const int64_t strips = (other.length + kSide - 1) / kSide;
  axes.push_back({strips, kSide, kSide * other.to});
  parallel_for(pool, product(axes), std::max<int64_t>(1, 65536 / (inner.length * kSide)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      each_place(axes, i, i + 1, [&](int64_t from, int64_t to) {
        const int64_t rows = std::min(kSide, other.length - i % strips * kSide);
        for (int64_t start = 0; start < inner.length; start += kSide) {
          const int64_t stop = std::min(inner.length, start + kSide);
          for (int64_t row = 0; row < rows; ++row) {
            T* const to_row = out + to + row * other.to;
            const T* const from_row = in + from + row;
            for (int64_t column = start; column < stop; ++column) to_row[column] = from_row[column * inner.from];
          }
        }
      });
    }
  });
}

Result<DenseTensor> move_strings(const DenseTensor& x, const std::vector<Axis>& axes, Shape shape, ThreadPool* pool) {
  std::vector<int64_t> positions(static_cast<size_t>(x.num_elements()));
  each_place(axes, 0, x.num_elements(), [&](int64_t from, int64_t to) { positions[static_cast<size_t>(to)] = from; });
  FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, x.reshaped(Shape{x.num_elements()}));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor moved, elements::take(flat, positions, pool));
  return moved.reshaped(std::move(shape));
}

}  // namespace

Result<DenseTensor> transpose(const DenseTensor& x, std::span<const int64_t> permutation, ThreadPool* pool) {
  const size_t rank = x.shape().rank();
  std::vector<int64_t> reversed;
  if (permutation.empty()) {
    for (size_t axis = rank; axis-- > 0;) reversed.push_back(static_cast<int64_t>(axis));
    permutation = reversed;
  }
  std::vector<bool> seen(rank);
  Shape shape;
  for (const int64_t axis : permutation) {
    if (permutation.size() != rank || axis < 0 || static_cast<size_t>(axis) >= rank || seen[static_cast<size_t>(axis)]) {
      return invalid_argument(
          concat("the permutation ", Shape(permutation).to_string(), " does not name each axis of ", x.shape().to_string(), " once"));
    }
    seen[static_cast<size_t>(axis)] = true;
    shape.append(x.shape()[static_cast<size_t>(axis)]);
  }
  if (x.num_elements() == 0 || std::is_sorted(permutation.begin(), permutation.end())) return x.reshaped(std::move(shape));
  const std::vector<Axis> axes = plan_axes(x.shape(), permutation);
  if (x.is_string()) return move_strings(x, axes, std::move(shape), pool);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(x.num_bytes())));
  visit_width(dtype_size(x.dtype()), [&](auto tag) {
    using T = typename decltype(tag)::type;
    move_all(axes, static_cast<const T*>(x.raw()), reinterpret_cast<T*>(out.data()), pool);
  });
  return DenseTensor::make(x.dtype(), std::move(shape), std::move(out).freeze());
}

Result<DenseTensor> overlay(const DenseTensor& base, const DenseTensor& x, size_t axis) {
  const auto mismatch = [&] {
    return invalid_argument(concat(dtype_name(x.dtype()), " ", x.shape().to_string(), " cannot be laid over ", dtype_name(base.dtype()),
                                   " ", base.shape().to_string(), " along axis ", axis));
  };
  const size_t rank = base.shape().rank();
  if (rank != x.shape().rank() || axis >= rank || base.dtype() != x.dtype()) return mismatch();
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < rank; ++i) {
    if (i != axis && base.shape()[i] != x.shape()[i]) return mismatch();
    if (i < axis) outer *= base.shape()[i];
    if (i > axis) inner *= base.shape()[i];
  }
  const int64_t rows = base.shape()[axis], own = std::min(rows, x.shape()[axis]);
  // Rows of the two end to end, of which each place of the result takes one or the other's.
  const int64_t block = rows * inner, taken = own * inner, stride = x.shape()[axis] * inner;
  if (base.is_string()) {
    FERRY_ASSIGN_OR_RETURN(const DenseTensor flat_base, base.reshaped(Shape{base.num_elements()}));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor flat_x, x.reshaped(Shape{x.num_elements()}));
    const DenseTensor both[] = {flat_x, flat_base};
    FERRY_ASSIGN_OR_RETURN(const DenseTensor joined, elements::join(both));
    std::vector<int64_t> positions;
    positions.reserve(static_cast<size_t>(base.num_elements()));
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < block; ++i) positions.push_back(i < taken ? o * stride + i : x.num_elements() + o * block + i);
    }
    FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, elements::take(joined, positions));
    return flat.reshaped(base.shape());
  }
  const auto size = static_cast<int64_t>(dtype_size(base.dtype()));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(base.num_bytes())));
  const auto* const from = static_cast<const std::byte*>(x.raw());
  const auto* const rest = static_cast<const std::byte*>(base.raw());
  for (int64_t o = 0; o < outer; ++o) {
    std::byte* const to = out.data() + o * block * size;
    if (taken > 0) std::memcpy(to, from + o * stride * size, static_cast<size_t>(taken * size));
    if (block > taken) std::memcpy(to + taken * size, rest + (o * block + taken) * size, static_cast<size_t>((block - taken) * size));
  }
  return DenseTensor::make(base.dtype(), base.shape(), std::move(out).freeze());
}

}  // namespace ferry
