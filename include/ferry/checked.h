// Arithmetic on sizes from outside: overflow is a value, never a wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ferry {

template <class T>
constexpr std::optional<T> checked_mul(T a, T b) {
  T out;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

template <class T>
constexpr std::optional<T> checked_add(T a, T b) {
  T out;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

}  // namespace ferry
