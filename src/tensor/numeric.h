// Products beside the sums of arithmetic.h, for the dtypes that one calculates with. Internal.
#pragma once

#include <type_traits>

#include "ferry/dtype.h"
#include "ferry/status.h"
#include "tensor/arithmetic.h"

namespace ferry {

// Integers wrap, as in NumPy and TensorFlow; signed overflow would be undefined otherwise.
template <class A>
A multiply_elements(A a, A b) {
  if constexpr (std::is_integral_v<A>) {
    using Unsigned = std::conditional_t<sizeof(A) <= 4, uint32_t, uint64_t>;
    return static_cast<A>(static_cast<Unsigned>(a) * static_cast<Unsigned>(b));
  } else if constexpr (is_complex_v<A>) {
    // The textbook product, as NumPy and Eigen have it: std::complex repairs infinities at five times the cost.
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  } else {
    return a * b;
  }
}

// Unsupported, with a sentence, for strings, bool, quantized and opaque dtypes.
Status check_numeric(DType dtype, std::string_view what);

// f(TypeTag<T>) for a dtype that check_numeric() let through.
template <class F>
decltype(auto) visit_numeric(DType dtype, F&& f) {
  return visit_dtype(dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (std::is_same_v<T, bool>) {
      return f(TypeTag<uint8_t>{});  // never reached
    } else {
      return f(TypeTag<T>{});
    }
  });
}

}  // namespace ferry
