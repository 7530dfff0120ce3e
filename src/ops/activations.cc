// Activations: functions of one number that networks bend their sums with.
#include <limits>

#include "ops/elementwise.h"

namespace ferry::ops {
namespace {

struct Rectified {
  template <class A>
  static A apply(A x) {
    return x < A(0) ? A(0) : x;  // NaN stays
  }
};
struct Rectified6 {
  template <class A>
  static A apply(A x) {
    return x < A(0) ? A(0) : x > A(6) ? A(6) : x;
  }
};
struct Exponentially {  // Elu
  template <class A>
  static A apply(A x) {
    return x < A(0) ? std::expm1(x) : x;
  }
};
struct ScaledExponentially {  // Selu
  template <class A>
  static A apply(A x) {
    return x < A(0) ? A(1.7580993408473768599402175208123) * std::expm1(x) : A(1.0507009873554804934193349852946) * x;
  }
};
struct Softsigned {
  template <class A>
  static A apply(A x) {
    return x / (A(1) + std::abs(x));
  }
};

// log(exp(x) + 1), which far from 0 is x, or exp(x), to the last bit of T.
template <class T>
void softplus(const void* in, void* out, int64_t count) {
  using A = Arithmetic<T>;
  const int bits = std::is_same_v<T, Half> ? 10 : std::is_same_v<T, BFloat16> ? 7 : std::numeric_limits<A>::digits - 1;
  const A threshold = std::log(std::ldexp(A(1), -bits)) + A(2);
  const T* const from = static_cast<const T*>(in);
  T* const to = static_cast<T*>(out);
  for (int64_t i = 0; i < count; ++i) {
    const A x = load(from[i]);
    to[i] = store<T>(x > -threshold ? x : x < threshold ? std::exp(x) : std::log1p(std::exp(x)));
  }
}

Result<KernelRef> make_softplus(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, Floats{}, [&]<class T>(TypeTag<T>) { out = std::make_unique<UnaryKernel>(softplus<T>, dtype, dtype, 8192); });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

using LeakyLoop = void (*)(const void* in, void* out, int64_t count, float alpha);
template <class T>
void leaky(const void* in, void* out, int64_t count, float alpha) {
  using A = Arithmetic<T>;
  const T* const from = static_cast<const T*>(in);
  T* const to = static_cast<T*>(out);
  const A slope = load(static_cast<T>(alpha));
  for (int64_t i = 0; i < count; ++i) {
    const A x = load(from[i]);
    to[i] = store<T>(x > A(0) ? x : x * slope);
  }
}

class LeakyReluKernel final : public Kernel {
 public:
  LeakyReluKernel(LeakyLoop loop, float alpha) : loop_(loop), alpha_(alpha) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), x.shape()));
    const size_t width = dtype_size(x.dtype());
    const auto* const in = static_cast<const std::byte*>(x.raw());
    parallel_for(call.run().pool, x.num_elements(), 32768, [&](int64_t begin, int64_t end) {
      loop_(in + static_cast<size_t>(begin) * width, out + static_cast<size_t>(begin) * width, end - begin, alpha_);
    });
    return {};
  }

 private:
  LeakyLoop loop_;
  float alpha_;
};

Result<KernelRef> make_leaky(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, Floats{},
            [&]<class T>(TypeTag<T>) { out = std::make_unique<LeakyReluKernel>(leaky<T>, static_cast<float>(node.real("alpha"))); });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

}  // namespace

extern const Op Relu_op, Relu6_op, Elu_op, Selu_op, Softsign_op, Softplus_op, LeakyRelu_op;

const Op Relu_op{"Relu", make_unary<Rectified, Reals>};
const Op Relu6_op{"Relu6", make_unary<Rectified6, Reals>};
const Op Elu_op{"Elu", make_unary<Exponentially, Floats>};
const Op Selu_op{"Selu", make_unary<ScaledExponentially, Floats>};
const Op Softsign_op{"Softsign", make_unary<Softsigned, Floats>};
const Op Softplus_op{"Softplus", make_softplus};
const Op LeakyRelu_op{"LeakyRelu", make_leaky};

}  // namespace ferry::ops
