// Kernels that do one thing to each element. A function object says what, in the type that its arithmetic is made in (float for
// the small floats); the loops, broadcasting and dtypes are here.
//
//   struct Multiply { template <class A> static A apply(A a, A b) { return a * b; } };
//   extern const Op Mul_op{"Mul", make_binary<Multiply, Numbers>};
#pragma once

#include <cmath>
#include <functional>

#include "ops/broadcast.h"
#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {

// An element as its arithmetic sees it, and back.
template <class T>
auto load(T value) {
  return to_arithmetic(value);
}
template <class T, class A>
T store(A value) {
  if constexpr (std::is_same_v<T, A>) {
    return value;
  } else {
    return static_cast<T>(value);
  }
}

// Signed integers wrap around, as TensorFlow's do; C++ wants that said.
template <class A>
using Wrapping = std::make_unsigned_t<std::conditional_t<sizeof(A) < sizeof(int), int, A>>;
template <class A, class F>
A wrapping(A a, A b, F&& f) {
  if constexpr (std::is_integral_v<A> && !std::is_same_v<A, bool>) {
    return static_cast<A>(f(static_cast<Wrapping<A>>(a), static_cast<Wrapping<A>>(b)));
  } else {
    return f(a, b);
  }
}

// ---- One input

// Elements [0, count) of `in` to `out`, which may be the same memory.
using UnaryLoop = void (*)(const void* in, void* out, int64_t count);

template <class F, class T, class R>
void unary_loop(const void* in, void* out, int64_t count) {
  const T* const from = static_cast<const T*>(in);
  R* const to = static_cast<R*>(out);
  for (int64_t i = 0; i < count; ++i) to[i] = store<R>(F::apply(load(from[i])));
}

class UnaryKernel final : public Kernel {
 public:
  UnaryKernel(UnaryLoop loop, DType in, DType out, int64_t grain) : loop_(loop), in_(dtype_size(in)), out_(out), grain_(grain) {}
  Status run(Call& call) const override;

 private:
  UnaryLoop loop_;
  size_t in_;
  DType out_;
  int64_t grain_;  // elements worth a thread of their own
};

// R of each T: the same type without a third argument.
template <class F, class List, template <class> class Out = std::type_identity>
Result<KernelRef> make_unary(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, List{}, [&]<class T>(TypeTag<T>) {
    using R = typename Out<T>::type;
    out = std::make_unique<UnaryKernel>(unary_loop<F, T, R>, dtype, dtype_of<R>(), 32768);
  });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

template <class T>
struct ToBool {
  using type = bool;
};
template <class T>
struct ToReal {
  using type = typename T::value_type;
};

// ---- Two inputs, broadcast

// `step`: 0 where the side is one element for all.
using BinaryLoop = Status (*)(const void* a, int64_t step_a, const void* b, int64_t step_b, void* out, int64_t count);

// F::apply(a, b); where F can fail F::apply(a, b, Status&); where the small floats are rounded on the way, F::round(a, b, to) too,
// in which `to` rounds a step.
template <class F, class T, class R>
Status binary_loop(const void* a, int64_t step_a, const void* b, int64_t step_b, void* out, int64_t count) {
  const T *const x = static_cast<const T*>(a), *const y = static_cast<const T*>(b);
  R* const to = static_cast<R*>(out);
  using A = decltype(load(T{}));
  if constexpr (is_small_float_v<T> && requires(float v) { F::round(v, v, std::identity{}); }) {
    const auto rounded = [](float value) { return static_cast<float>(T(value)); };
    for (int64_t i = 0; i < count; ++i) to[i] = store<R>(F::round(load(x[i * step_a]), load(y[i * step_b]), rounded));
  } else if constexpr (requires(A v, Status status) { F::apply(v, v, status); }) {
    Status status;
    for (int64_t i = 0; i < count; ++i) to[i] = store<R>(F::apply(load(x[i * step_a]), load(y[i * step_b]), status));
    return status;
  } else if (step_a != 0 && step_b != 0) {
    for (int64_t i = 0; i < count; ++i) to[i] = store<R>(F::apply(load(x[i]), load(y[i])));
  } else if (step_a != 0) {
    const A constant = load(y[0]);
    for (int64_t i = 0; i < count; ++i) to[i] = store<R>(F::apply(load(x[i]), constant));
  } else {
    const A constant = load(x[0]);
    for (int64_t i = 0; i < count; ++i) to[i] = store<R>(F::apply(constant, load(y[i * step_b])));
  }
  return {};
}

class BinaryKernel final : public Kernel {
 public:
  // `unfit`: the answer for shapes that do not fit, in place of an error (Equal and NotEqual, where they are asked for that).
  BinaryKernel(BinaryLoop loop, DType in, DType out, std::optional<bool> unfit = std::nullopt)
      : loop_(loop), in_(dtype_size(in)), out_(out), unfit_(unfit) {}
  Status run(Call& call) const override;

 private:
  BinaryLoop loop_;
  size_t in_;
  DType out_;
  std::optional<bool> unfit_;
};

template <class F, class List, template <class> class Out = std::type_identity>
Result<KernelRef> make_binary(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, List{}, [&]<class T>(TypeTag<T>) {
    using R = typename Out<T>::type;
    out = std::make_unique<BinaryKernel>(binary_loop<F, T, R>, dtype, dtype_of<R>());
  });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

}  // namespace ferry::ops
