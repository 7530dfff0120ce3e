// The arithmetic of one element, so that coalesce and to_dense agree to the bit. Internal.
#pragma once

#include <type_traits>

#include "ferry/dtype.h"

namespace ferry {

// bool as bytes from outside have it: any byte but 0 is true, and reading a 2 is no undefined behaviour.
struct Truth {
  uint8_t byte = 0;
  friend bool operator==(Truth a, Truth b) { return (a.byte != 0) == (b.byte != 0); }
  friend bool operator<(Truth a, Truth b) { return (a.byte != 0) < (b.byte != 0); }
};

// visit_dtype with Truth for bool. Not for strings.
template <class F>
decltype(auto) visit_element(DType dtype, F&& f) {
  return visit_dtype(
      dtype, [&]<class T>(TypeTag<T>) -> decltype(auto) { return f(TypeTag<std::conditional_t<std::is_same_v<T, bool>, Truth, T>>{}); });
}

// Integers wrap, bool is "or"; small floats are added in float and rounded once by the caller.
template <class A>
A add_elements(A a, A b) {
  if constexpr (std::is_same_v<A, Truth>) {
    return Truth{static_cast<uint8_t>(a.byte != 0 || b.byte != 0)};
  } else if constexpr (std::is_integral_v<A>) {
    using U = std::conditional_t<(sizeof(A) < 4), uint32_t, std::make_unsigned_t<A>>;  // never promoted to a signed int
    return static_cast<A>(static_cast<U>(a) + static_cast<U>(b));
  } else {
    return a + b;
  }
}

// -0.0 is zero, NaN is not.
template <class T>
bool is_zero(T value) {
  if constexpr (is_small_float_v<T>) {
    return static_cast<float>(value) == 0;
  } else if constexpr (is_small_int_v<T>) {
    return static_cast<int>(value) == 0;
  } else {
    return value == T{};
  }
}

template <class T>
bool is_nan(T value) {
  if constexpr (is_complex_v<T>) {
    return value.real() != value.real() || value.imag() != value.imag();
  } else if constexpr (is_small_float_v<T> || std::is_floating_point_v<T>) {
    const auto wide = to_arithmetic(value);
    return wide != wide;
  } else {
    return false;
  }
}

// Whether a goes before b; a NaN goes before everything, so that it wins both min and max, as in NumPy.
template <bool kMax, class T>
bool beats(T a, T b) {
  if (is_nan(b)) return false;
  if (is_nan(a)) return true;
  return kMax ? to_arithmetic(b) < to_arithmetic(a) : to_arithmetic(a) < to_arithmetic(b);
}

}  // namespace ferry
