// Lists of element types, and the step from a dtype to one of them.
#pragma once

#include <complex>
#include <cstdint>
#include <string>
#include <type_traits>

#include "ferry/dtype.h"
#include "ferry/status.h"

namespace ferry::ops {

template <class... Ts>
struct Types {};

template <class A, class B>
struct JoinTypes;
template <class... As, class... Bs>
struct JoinTypes<Types<As...>, Types<Bs...>> {
  using type = Types<As..., Bs...>;
};
template <class A, class B>
using Join = typename JoinTypes<A, B>::type;

using Floats = Types<Half, BFloat16, float, double>;
using Complexes = Types<std::complex<float>, std::complex<double>>;
using Signed = Types<int8_t, int16_t, int32_t, int64_t>;
using Unsigned = Types<uint8_t, uint16_t, uint32_t, uint64_t>;
using Integers = Join<Signed, Unsigned>;
using Reals = Join<Floats, Integers>;
using Numbers = Join<Reals, Complexes>;
using FloatsAndComplexes = Join<Floats, Complexes>;

// Calls f(TypeTag<T>) for the T of the list whose dtype this is; false where there is none. Quantized dtypes are no integers here.
template <class... Ts, class F>
bool with_type(DType dtype, Types<Ts...>, F&& f) {
  return ((dtype == dtype_of<Ts>() && (f(TypeTag<Ts>{}), true)) || ...);
}

inline Status no_kernel(std::string_view op, DType dtype) {
  return unsupported(concat(op, " of ", dtype_name(dtype), " is not among the kernels of this engine"));
}

}  // namespace ferry::ops
