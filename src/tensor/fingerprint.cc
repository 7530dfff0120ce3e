// A sum of one hash for each value that is not zero, of its place and its bits. A sum does not care for order, so neither
// sorting nor thread count matter, and implicit zeros cost nothing.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <complex>
#include <cstring>

#include "ferry/compare.h"
#include "ferry/statistics.h"

namespace ferry {
namespace {

constexpr uint64_t kFirst = 0x9e3779b97f4a7c15u;   // the golden ratio
constexpr uint64_t kSecond = 0xbf58476d1ce4e5b9u;  // splitmix64's

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * kSecond;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t joined(uint64_t a, uint64_t b) { return mix(a * kFirst + mix(b + kSecond)); }

uint64_t hash_text(std::string_view text) {
  uint64_t hash = text.size();
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t size = std::min<size_t>(8, text.size());
    std::memcpy(&word, text.data(), size);
    hash = joined(hash, word);
    text.remove_prefix(size);
  }
  return hash;
}

// The bits of a number, one spelling for each value; 0 is zero.
template <class F>
uint64_t float_bits(F value) {
  if (value == 0) return 0;
  if (std::isnan(value)) return 0x7ff8000000000000u;
  return std::bit_cast<uint64_t>(static_cast<double>(value));
}

template <class T>
uint64_t value_bits(const void* from, int64_t i) {
  if constexpr (std::is_same_v<T, bool>) {
    return static_cast<const uint8_t*>(from)[i] != 0;
  } else {
    const T value = static_cast<const T*>(from)[i];
    if constexpr (is_complex_v<T>) {
      const uint64_t real = float_bits(value.real()), imaginary = float_bits(value.imag());
      return real == 0 && imaginary == 0 ? 0 : joined(real, imaginary);
    } else {
      const auto number = to_arithmetic(value);
      if constexpr (std::is_floating_point_v<decltype(number)>) {
        return float_bits(number);
      } else {
        return static_cast<uint64_t>(number);
      }
    }
  }
}

// Sums over entries; place(i) names the element that value i stands at.
template <class Place>
uint64_t sum_of(const DenseTensor& values, ThreadPool* pool, bool behind, Place&& place) {
  constexpr int64_t kGrain = int64_t{1} << 16, kPiece = int64_t{1} << 18;
  std::atomic<uint64_t> total{0};
  if (values.is_string()) {
    const StringsView strings = values.strings();
    uint64_t sum = 0;
    for (int64_t i = 0; i < strings.size(); ++i) {
      if (!strings[i].empty()) sum += joined(place(i), hash_text(strings[i]));
    }
    return sum;
  }
  visit_dtype(values.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallel_for(pool, values.num_elements(), kGrain, [&](int64_t begin, int64_t end) {
      uint64_t sum = 0;
      for (int64_t first = begin; first < end; first += kPiece) {
        const int64_t last = std::min(end, first + kPiece);
        for (int64_t i = first; i < last; ++i) {
          if (const uint64_t bits = value_bits<T>(values.raw(), i); bits != 0) sum += joined(place(i), bits);
        }
        if (behind)
          values.buffer().slice(static_cast<size_t>(first) * sizeof(T), static_cast<size_t>(last - first) * sizeof(T)).drop_pages();
      }
      total.fetch_add(sum, std::memory_order_relaxed);
    });
  });
  return total.load();
}

uint64_t header(DType dtype, std::span<const int64_t> dims) {
  uint64_t hash = static_cast<uint64_t>(dtype);
  for (int64_t dim : dims) hash = joined(hash, static_cast<uint64_t>(dim));
  return hash;
}

Result<uint64_t> of_sparse(const SparseTensor& x, ThreadPool* pool) {
  FERRY_ASSIGN_OR_RETURN(const SparseTensor coo, canonical_coo(x, pool));
  const size_t rank = x.rank();
  const int64_t* at = coo.coordinates();
  const Shape& shape = x.shape();
  // Row-major position, the number a dense tensor has by itself; it wraps only where no dense tensor can exist.
  const uint64_t sum = sum_of(coo.values(), pool, false, [&](int64_t i) {
    uint64_t place = 0;
    for (size_t axis = 0; axis < rank; ++axis) {
      place = place * static_cast<uint64_t>(shape[axis]) + static_cast<uint64_t>(at[static_cast<size_t>(i) * rank + axis]);
    }
    return place;
  });
  return joined(header(x.dtype(), shape.dims()), sum);
}

uint64_t of_dense(const DenseTensor& x, ThreadPool* pool, bool behind) {
  const uint64_t sum = sum_of(x, pool, behind, [](int64_t i) { return static_cast<uint64_t>(i); });
  return joined(header(x.dtype(), x.shape().dims()), sum);
}

uint64_t of_ragged(const RaggedTensor& x, ThreadPool* pool) {
  uint64_t hash = kFirst;  // so that no ragged tensor is taken for its flat values
  for (const DenseTensor& splits : x.nested_row_splits()) {
    const bool narrow = splits.dtype() == DType::int32;
    for (int64_t i = 0; i < splits.num_elements(); ++i) {
      const auto at = static_cast<size_t>(i);
      hash = joined(hash, static_cast<uint64_t>(narrow ? splits.values<int32_t>()[at] : splits.values<int64_t>()[at]));
    }
  }
  return joined(hash, of_dense(x.flat_values(), pool, false));
}

}  // namespace

Result<uint64_t> fingerprint(const Tensor& x, ThreadPool* pool, bool behind) {
  if (const auto* sparse = std::get_if<SparseTensor>(&x)) return of_sparse(*sparse, pool);
  if (const auto* ragged = std::get_if<RaggedTensor>(&x)) return of_ragged(*ragged, pool);
  return of_dense(std::get<DenseTensor>(x), pool, behind);
}

}  // namespace ferry
