// Two steps through a wide type that holds the source exactly, in blocks that stay in cache: 30 + 5 × 30 small loops instead of
// 30 × 30. Rounding happens once, in the second step.
#include "ferry/cast.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

namespace ferry {
namespace {

constexpr int64_t kBlock = 512;  // wide elements at a time: 8 KiB of complex<double> at most
constexpr int64_t kGrain = int64_t{1} << 16;

// The wide type of a source type.
template <class T>
struct WideOf {
  using type =
      std::conditional_t<is_complex_v<T>, std::complex<double>,
                         std::conditional_t<std::is_same_v<T, double>, double,
                                            std::conditional_t<std::is_same_v<T, float> || is_small_float_v<T>, float,
                                                               std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, int64_t>>>>;
};

template <class T>
typename WideOf<T>::type widen(T value) {
  using W = typename WideOf<T>::type;
  if constexpr (is_small_int_v<T>) {
    return static_cast<W>(static_cast<int>(value));
  } else {
    return static_cast<W>(value);
  }
}

// A float to an integer, defined for every input.
template <class I, class F>
I truncate(F value) {
  constexpr auto kTwo = [](int power) {
    F out = 1;
    for (int i = 0; i < power; ++i) out *= 2;
    return out;
  };
  if constexpr (sizeof(I) < 4) {
    const auto wide = truncate<int32_t>(value);
    return static_cast<I>(std::clamp<int32_t>(wide, std::numeric_limits<I>::min(), std::numeric_limits<I>::max()));
  } else if constexpr (std::is_signed_v<I>) {
    constexpr F kEnd = kTwo(8 * sizeof(I) - 1);
    // For double → int32 the truncated value may fit where the value lies below the lowest integer.
    const F whole = std::trunc(value);
    return whole >= -kEnd && whole < kEnd ? static_cast<I>(whole) : std::numeric_limits<I>::min();
  } else {
    using Signed = std::make_signed_t<I>;
    constexpr F kEnd = kTwo(8 * sizeof(I));
    const F whole = std::trunc(value);
    if (whole >= 0 && whole < kEnd) return static_cast<I>(whole);
    return static_cast<I>(truncate<Signed>(value));  // negative ones wrap, the rest is the top bit alone
  }
}

template <class T, class W>
T narrow(W value) {
  if constexpr (is_complex_v<T>) {
    if constexpr (is_complex_v<W>) {
      return T(static_cast<typename T::value_type>(value.real()), static_cast<typename T::value_type>(value.imag()));
    } else {
      return T(static_cast<typename T::value_type>(value), 0);
    }
  } else if constexpr (std::is_same_v<T, bool>) {
    return value != W{};
  } else if constexpr (is_complex_v<W>) {
    return narrow<T>(value.real());
  } else if constexpr (is_small_float_v<T>) {
    return T(static_cast<float>(value));
  } else if constexpr (is_small_int_v<T>) {
    if constexpr (std::is_floating_point_v<W>) {
      return T(static_cast<int>(truncate<int32_t>(value)));
    } else {
      return T(static_cast<int>(value & 0xff));
    }
  } else if constexpr (std::is_floating_point_v<W> && std::is_integral_v<T>) {
    return truncate<T>(value);
  } else {
    return static_cast<T>(value);
  }
}

// Whether the value is still there, rounding to a float aside.
template <class T, class W>
bool survives(W value, T now) {
  if constexpr (is_complex_v<W>) {
    if constexpr (is_complex_v<T>) {
      return survives(value.real(), now.real()) && survives(value.imag(), now.imag());
    } else {
      return value.imag() == 0 && survives(value.real(), now);
    }
  } else if constexpr (is_complex_v<T>) {
    return survives(value, now.real());
  } else if constexpr (std::is_same_v<T, bool>) {
    return value == W{} || value == W{1};
  } else if constexpr (is_small_float_v<T>) {
    // Types without infinity saturate or turn to NaN: rounding moves a value by less than half of itself.
    const auto wide = static_cast<double>(static_cast<float>(now));
    const auto was = static_cast<double>(value);
    if (std::isnan(was)) return std::isnan(wide);
    if (std::isinf(was)) return wide == was;
    return std::isfinite(wide) && (std::abs(wide) >= std::abs(was) / 2 || std::abs(was) < 1);
  } else if constexpr (std::is_floating_point_v<T>) {
    return !std::isfinite(static_cast<double>(value)) || std::isfinite(now);
  } else {
    int64_t whole;
    if constexpr (is_small_int_v<T>) {
      whole = static_cast<int>(now);
    } else if constexpr (std::is_same_v<T, uint64_t>) {
      if constexpr (std::is_floating_point_v<W>) {
        return value >= 0 && value < W{0x1p64} && std::trunc(value) == value;
      } else {
        return std::in_range<uint64_t>(value);
      }
    } else {
      whole = static_cast<int64_t>(now);
    }
    if constexpr (std::is_floating_point_v<W>) {
      return value >= W{-0x1p63} && value < W{0x1p63} && static_cast<int64_t>(value) == whole && std::trunc(value) == value;
    } else {
      return std::cmp_equal(value, whole);
    }
  }
}

template <class W>
using Widen = void (*)(const void* from, int64_t begin, int64_t count, W* to);
template <class W>
using Narrow = void (*)(const W* from, int64_t count, void* to, int64_t begin);
template <class W>
using Survivors = int64_t (*)(const W* from, int64_t count, const void* to, int64_t begin);

template <class T>
T load(const void* from, int64_t i) {
  if constexpr (std::is_same_v<T, bool>) {
    return static_cast<const uint8_t*>(from)[i] != 0;  // a byte from a file may be neither 0 nor 1
  } else {
    return static_cast<const T*>(from)[i];
  }
}

template <class W>
Status cast_through(const DenseTensor& x, Widen<W> widen_block, DType dtype, std::byte* out, const CastOptions& options) {
  const auto [narrow_block, survivors] = visit_dtype(dtype, [](auto tag) {
    using T = typename decltype(tag)::type;
    const Narrow<W> narrowing = [](const W* from, int64_t count, void* to, int64_t begin) {
      T* target = static_cast<T*>(to) + begin;
      for (int64_t i = 0; i < count; ++i) target[i] = narrow<T>(from[i]);
    };
    const Survivors<W> surviving = [](const W* from, int64_t count, const void* to, int64_t begin) {
      const T* target = static_cast<const T*>(to) + begin;
      for (int64_t i = 0; i < count; ++i) {
        if (!survives<T>(from[i], target[i])) return i;
      }
      return count;
    };
    return std::pair(narrowing, surviving);
  });
  std::atomic<int64_t> first_lost{std::numeric_limits<int64_t>::max()};
  parallel_for(options.pool, x.num_elements(), kGrain, [&, narrow_block = narrow_block, survivors = survivors](int64_t begin, int64_t end) {
    W wide[kBlock];
    for (int64_t at = begin; at < end; at += kBlock) {
      const int64_t count = std::min(kBlock, end - at);
      widen_block(x.raw(), at, count, wide);
      narrow_block(wide, count, out, at);
      if (!options.checked) continue;
      if (const int64_t good = survivors(wide, count, out, at); good < count) {
        int64_t known = first_lost.load();
        while (at + good < known && !first_lost.compare_exchange_weak(known, at + good)) {
        }
        return;
      }
    }
  });
  const int64_t lost = first_lost.load();
  if (lost == std::numeric_limits<int64_t>::max()) return {};
  return invalid_argument(concat("element ", lost, " of the ", x.num_elements(), " values is not a ", dtype_name(dtype), " and was ",
                                 dtype_name(x.dtype()), "; cast without the check to let it change"));
}

}  // namespace

Result<DenseTensor> cast(const DenseTensor& x, DType dtype, const CastOptions& options) {
  if (x.dtype() == dtype) return x;
  if (!is_fixed_size(x.dtype()) || !is_fixed_size(dtype)) {
    return unsupported(
        concat("there is no cast from ", dtype_name(x.dtype()), " to ", dtype_name(dtype), "; only numbers and bool have one"));
  }
  size_t bytes;
  if (__builtin_mul_overflow(static_cast<size_t>(x.num_elements()), dtype_size(dtype), &bytes)) {
    return limit_exceeded(concat(x.num_elements(), " elements of ", dtype_name(dtype), " do not fit the address space"));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::allocate(bytes));
  const Status status = visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using W = typename WideOf<T>::type;
    const Widen<W> widening = [](const void* from, int64_t begin, int64_t count, W* to) {
      for (int64_t i = 0; i < count; ++i) to[i] = widen(load<T>(from, begin + i));
    };
    return cast_through<W>(x, widening, dtype, block.data(), options);
  });
  if (!status.ok()) return status;
  return DenseTensor::make(dtype, x.shape(), std::move(block).freeze());
}

Result<SparseTensor> cast(const SparseTensor& x, DType dtype, const CastOptions& options) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, cast(x.values(), dtype, options));
  return x.with_values(std::move(values));
}

Result<RaggedTensor> cast(const RaggedTensor& x, DType dtype, const CastOptions& options) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, cast(x.flat_values(), dtype, options));
  const auto splits = x.nested_row_splits();
  return RaggedTensor::make({splits.begin(), splits.end()}, std::move(values));
}

Result<Tensor> cast(const Tensor& x, DType dtype, const CastOptions& options) {
  return std::visit(
      [&](const auto& tensor) -> Result<Tensor> {
        FERRY_ASSIGN_OR_RETURN(auto out, cast(tensor, dtype, options));
        return Tensor(std::move(out));
      },
      x);
}

}  // namespace ferry
