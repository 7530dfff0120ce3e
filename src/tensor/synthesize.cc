// Which elements are not zero: element i where permuted(i) < count, with a keyed permutation of [0, elements). A dense tensor asks
// it forwards for every element, a sparse one backwards for each of its entries, and both find the same places.
#include "ferry/synthesize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>

#include "ferry/sparse.h"

namespace ferry {
namespace {

constexpr int64_t kGrain = int64_t{1} << 14;

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// A Feistel network over an even number of bits, walked until it lands in range: at most four times as many values as asked for.
class Permutation {
 public:
  Permutation(uint64_t count, uint64_t seed) : count_(count) {
    half_ = (static_cast<int>(std::bit_width(std::max<uint64_t>(count, 2) - 1)) + 1) / 2;
    mask_ = (uint64_t{1} << half_) - 1;
    for (int round = 0; round < kRounds; ++round) keys_[round] = mix(seed ^ mix(static_cast<uint64_t>(round) + 1));
  }
  uint64_t forward(uint64_t x) const {
    do {
      uint64_t left = x >> half_, right = x & mask_;
      for (int round = 0; round < kRounds; ++round) {
        const uint64_t next = left ^ (mix(right ^ keys_[round]) & mask_);
        left = right;
        right = next;
      }
      x = left << half_ | right;
    } while (x >= count_);
    return x;
  }
  uint64_t backward(uint64_t x) const {
    do {
      uint64_t left = x >> half_, right = x & mask_;
      for (int round = kRounds; round-- > 0;) {
        const uint64_t before = right ^ (mix(left ^ keys_[round]) & mask_);
        right = left;
        left = before;
      }
      x = left << half_ | right;
    } while (x >= count_);
    return x;
  }

 private:
  static constexpr int kRounds = 4;
  uint64_t count_, mask_;
  int half_;
  uint64_t keys_[kRounds];
};

// The value at a place: depends on the seed and the place alone.
template <class T>
T value_at(uint64_t seed, uint64_t place) {
  const uint64_t random = mix(seed + mix(place));
  // In [-1, 1), a multiple of 2^-23, never zero.
  const auto real = [](uint64_t bits) {
    const float x = static_cast<float>(static_cast<int32_t>(bits & 0xffffff) - 0x800000) / 8388608.0f;
    return x == 0 ? 0.5f : x;
  };
  if constexpr (std::is_same_v<T, bool>) {
    return true;
  } else if constexpr (is_complex_v<T>) {
    using R = typename T::value_type;
    return T(static_cast<R>(real(random)), static_cast<R>(real(random >> 32)));
  } else if constexpr (is_small_float_v<T>) {
    const T value(real(random));
    return static_cast<float>(value) == 0 ? T(0.5f) : value;  // too small for so few bits
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(real(random));
  } else if constexpr (is_small_int_v<T>) {
    const T value(static_cast<int>(1 + random % 15));
    return static_cast<int>(value) == 0 ? T(1) : value;
  } else {
    return static_cast<T>(1 + random % 100);
  }
}

// Values at the places that `place(i)` names; those where it gives kZero stay zero.
constexpr uint64_t kZero = UINT64_MAX;

template <class Place>
Result<DenseTensor> values_at(DType dtype, Shape shape, uint64_t seed, ThreadPool* pool, Place&& place) {
  const int64_t count = *shape.num_elements();
  if (dtype == DType::string) {
    StringsBuilder builder;
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t at = place(i);
      FERRY_RETURN_IF_ERROR(builder.append(at == kZero ? std::string() : concat("s", mix(seed + mix(at)) % 1000)));
    }
    return std::move(builder).finish(std::move(shape));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::allocate(static_cast<size_t>(count) * dtype_size(dtype)));
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = reinterpret_cast<T*>(block.data());
    parallel_for(pool, count, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint64_t at = place(i);
        out[i] = at == kZero ? T() : value_at<T>(seed, at);
      }
    });
  });
  return DenseTensor::make(dtype, std::move(shape), std::move(block).freeze());
}

Status check_bytes(double count, size_t each, const Limits& limits) {
  const double bytes = count * static_cast<double>(each);
  if (bytes <= static_cast<double>(limits.max_tensor_bytes)) return {};
  return limit_exceeded(concat("the tensor would take ", bytes, " bytes, more than ", limits.max_tensor_bytes, " (max_tensor_bytes)"));
}

Result<Tensor> synthesize_ragged(const Recipe& recipe, const Limits& limits, ThreadPool* pool) {
  if (recipe.shape.rank() < 2) {
    return invalid_argument(
        concat("a ragged tensor needs a shape of rank 2 or more, [rows, longest row, …], not ", recipe.shape.to_string()));
  }
  const int64_t rows = recipe.shape[0], longest = recipe.shape[1];
  FERRY_RETURN_IF_ERROR(check_bytes(static_cast<double>(rows) + 1, sizeof(int64_t), limits));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<int64_t>(static_cast<size_t>(rows) + 1));
  const auto splits = block.as<int64_t>();
  splits[0] = 0;
  // Lengths are even over a span around the mean, as wide as both ends allow.
  const double mean = recipe.density * static_cast<double>(longest);
  const double reach = std::min(mean, static_cast<double>(longest) - mean);
  const double lowest = mean - reach;
  for (int64_t i = 0; i < rows; ++i) {
    const double random = static_cast<double>(mix(recipe.seed ^ mix(~static_cast<uint64_t>(i))) >> 11) * 0x1p-53;
    const auto length = std::min(longest, static_cast<int64_t>(lowest + random * (2 * reach + 1)));
    if (__builtin_add_overflow(splits[static_cast<size_t>(i)], length, &splits[static_cast<size_t>(i) + 1])) {
      return limit_exceeded("the rows together have more than 2^63 values");
    }
  }
  const int64_t total = splits[static_cast<size_t>(rows)];
  Shape flat{total};
  for (int64_t dim : recipe.shape.dims().subspan(2)) flat.append(dim);
  FERRY_ASSIGN_OR_RETURN(flat, Shape::checked(flat.dims(), limits));
  FERRY_RETURN_IF_ERROR(check_bytes(static_cast<double>(*flat.num_elements()), std::max<size_t>(8, dtype_size(recipe.dtype)), limits));
  FERRY_ASSIGN_OR_RETURN(DenseTensor row_splits, DenseTensor::make(DType::int64, Shape{rows + 1}, std::move(block).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values,
                         values_at(recipe.dtype, std::move(flat), recipe.seed, pool, [](int64_t i) { return static_cast<uint64_t>(i); }));
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make({std::move(row_splits)}, std::move(values)));
  return Tensor(std::move(out));
}

}  // namespace

Result<Tensor> synthesize(const Recipe& recipe, const Limits& limits, ThreadPool* pool) {
  if (!(recipe.density >= 0 && recipe.density <= 1)) {
    return invalid_argument(concat("the density is ", recipe.density, ", expected 0 to 1"));
  }
  if (dtype_class(recipe.dtype) == DTypeClass::kOpaque) {
    return unsupported(concat(dtype_name(recipe.dtype), " has no values to make"));
  }
  FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(recipe.shape.dims(), limits));
  if (recipe.kind == TensorKind::ragged) return synthesize_ragged(recipe, limits, pool);
  const auto elements = static_cast<uint64_t>(*shape.num_elements());
  const size_t width = std::max<size_t>(dtype_size(recipe.dtype), 1);
  // A density of one must give every element; the product may be rounded past it.
  const auto count =
      std::min(elements, static_cast<uint64_t>(std::llround(std::min(recipe.density * static_cast<double>(elements), 0x1p62))));
  const Permutation permutation(elements, recipe.seed);
  if (recipe.kind == TensorKind::dense) {
    FERRY_RETURN_IF_ERROR(check_bytes(static_cast<double>(elements), width, limits));
    FERRY_ASSIGN_OR_RETURN(DenseTensor dense, values_at(recipe.dtype, shape, recipe.seed, pool, [&](int64_t i) {
                             const auto place = static_cast<uint64_t>(i);
                             return count == elements || permutation.forward(place) < count ? place : kZero;
                           }));
    return Tensor(std::move(dense));
  }
  if (recipe.kind != TensorKind::coo && shape.rank() != 2) {
    return invalid_argument(concat(kind_name(recipe.kind), " holds matrices, and the shape is ", shape.to_string(), "; use coo"));
  }
  FERRY_RETURN_IF_ERROR(check_bytes(static_cast<double>(count), width + 8 * std::max<size_t>(shape.rank(), 1), limits));
  const auto nnz = static_cast<int64_t>(count);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer places, MutableBuffer::of<uint64_t>(count));
  const auto place = places.as<uint64_t>();
  parallel_for(pool, nnz, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<uint64_t>(i);
      place[at] = count == elements ? at : permutation.backward(at);
    }
  });
  std::sort(place.begin(), place.end());
  const size_t rank = shape.rank();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<int64_t>(count * rank));
  const auto indices = block.as<int64_t>();
  parallel_for(pool, nnz, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      uint64_t rest = place[static_cast<size_t>(i)];
      for (size_t axis = rank; axis-- > 0; rest /= static_cast<uint64_t>(shape[axis])) {
        indices[static_cast<size_t>(i) * rank + axis] = static_cast<int64_t>(rest % static_cast<uint64_t>(shape[axis]));
      }
    }
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates,
                         DenseTensor::make(DType::int64, Shape{nnz, static_cast<int64_t>(rank)}, std::move(block).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values,
                         values_at(recipe.dtype, Shape{nnz}, recipe.seed, pool, [&](int64_t i) { return place[static_cast<size_t>(i)]; }));
  FERRY_ASSIGN_OR_RETURN(SparseTensor coo,
                         SparseTensor::coo(shape, std::move(coordinates), std::move(values), {.sorted = true, .unique = true}));
  if (recipe.kind == TensorKind::coo) return Tensor(std::move(coo));
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, to_layout(coo, recipe.kind == TensorKind::csr ? Layout::csr : Layout::csc, std::nullopt, pool));
  return Tensor(std::move(out));
}

}  // namespace ferry
