// Sums, products, quotients, powers, bits and comparisons of two tensors.
#include <algorithm>
#include <limits>

#include "ops/elementwise.h"
#include "ops/strings.h"

namespace ferry::ops {
namespace {

template <class A>
inline constexpr bool is_integer = std::is_integral_v<A> && !std::is_same_v<A, bool>;

struct Plus {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Minus {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
};
struct Times {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct TimesNoNan {
  template <class A>
  static A apply(A a, A b) {
    return b == A(0) ? A(0) : a * b;
  }
};

// The smallest number over -1 has no quotient; it wraps around.
template <class A>
bool divides(A a, A b, Status& status) {
  if (b == 0) {
    if (status.ok()) status = invalid_argument("Integer division by zero");
    return false;
  }
  (void)a;
  return true;
}
template <class A>
bool overflows(A a, A b) {
  if constexpr (std::is_signed_v<A>) return a == std::numeric_limits<A>::min() && b == A(-1);
  return false;
}

struct Quotient {  // Div, RealDiv
  template <class A>
  static A apply(A a, A b) requires(!is_integer<A>) {
    return a / b;
  }
  template <class A>
  static A apply(A a, A b, Status& status) requires(is_integer<A>) {
    if (!divides(a, b, status)) return 0;
    return overflows(a, b) ? a : static_cast<A>(a / b);
  }
};
struct QuotientNoNan {
  template <class A>
  static A apply(A a, A b) {
    return b == A(0) ? A(0) : a / b;
  }
};
struct TruncatedQuotient {
  template <class Rounded>
  static float round(float a, float b, Rounded to) {
    return std::trunc(to(a / b));
  }
  template <class A>
  static A apply(A a, A b) requires(!is_integer<A>) {
    return std::trunc(a / b);
  }
  template <class A>
  static A apply(A a, A b, Status& status) requires(is_integer<A>) {
    return Quotient::apply(a, b, status);
  }
};
struct FlooredQuotient {
  template <class Rounded>
  static float round(float a, float b, Rounded to) {
    return std::floor(to(a / b));
  }
  template <class A>
  static A apply(A a, A b) requires(!is_integer<A>) {
    return std::floor(a / b);
  }
  template <class A>
  static A apply(A a, A b, Status& status) requires(is_integer<A>) {
    if (!divides(a, b, status)) return 0;
    if (overflows(a, b)) return a;
    const A out = static_cast<A>(a / b);
    return (a % b != 0 && (a < 0) != (b < 0)) ? static_cast<A>(out - 1) : out;
  }
};
struct Remainder {  // of the quotient towards zero
  template <class A>
  static A apply(A a, A b) requires(!is_integer<A>) {
    return std::fmod(a, b);
  }
  template <class A>
  static A apply(A a, A b, Status& status) requires(is_integer<A>) {
    if (!divides(a, b, status)) return 0;
    return overflows(a, b) ? A(0) : static_cast<A>(a % b);
  }
};
struct FlooredRemainder {
  template <class A>
  static A apply(A a, A b) requires(!is_integer<A>) {
    const A out = std::fmod(a, b);
    return out != 0 && (b < 0) != (out < 0) ? out + b : out;
  }
  template <class A>
  static A apply(A a, A b, Status& status) requires(is_integer<A>) {
    if (!divides(a, b, status)) return 0;
    if (overflows(a, b)) return 0;
    const A out = static_cast<A>(a % b);
    return out != 0 && (b < 0) != (out < 0) ? static_cast<A>(out + b) : out;
  }
};

struct SquaredGap {
  template <class Rounded>
  static float round(float a, float b, Rounded to) {
    const float gap = to(a - b);
    return gap * gap;
  }
  template <class A>
  static A apply(A a, A b) {
    if constexpr (is_complex_v<A>) {
      const A gap = a - b;
      return gap * std::conj(gap);
    } else {
      return Times::apply(Minus::apply(a, b), Minus::apply(a, b));
    }
  }
};

struct Power {
  template <class A>
  static A apply(A a, A b) requires(!is_integer<A>) {
    return std::pow(a, b);
  }
  template <class A>
  static A apply(A a, A b, Status& status) requires(is_integer<A>) {
    if (b < 0) {
      if (status.ok()) status = invalid_argument("Integers to negative integer powers are not allowed");
      return 0;
    }
    A out = 1;
    for (auto left = static_cast<std::make_unsigned_t<A>>(b); left != 0; left >>= 1) {
      if (left & 1) out = Times::apply(out, a);
      a = Times::apply(a, a);
    }
    return out;
  }
};

// NaN on either side is the answer.
struct Larger {
  template <class A>
  static A apply(A a, A b) {
    if constexpr (std::is_floating_point_v<A>) {
      if (a != a || b != b) return a + b;
    }
    return a < b ? b : a;
  }
};
struct Smaller {
  template <class A>
  static A apply(A a, A b) {
    if constexpr (std::is_floating_point_v<A>) {
      if (a != a || b != b) return a + b;
    }
    return b < a ? b : a;
  }
};

struct XDivY {
  template <class A>
  static A apply(A a, A b) {
    return a == A(0) ? A(0) : a / b;
  }
};
struct XLogY {
  template <class A>
  static A apply(A a, A b) {
    return a == A(0) ? A(0) : a * std::log(b);
  }
};
struct XLog1pY {
  template <class A>
  static A apply(A a, A b) {
    if (a == A(0)) return A(0);
    if constexpr (is_complex_v<A>) {
      return a * std::log(A(1) + b);
    } else {
      return a * std::log1p(b);
    }
  }
};
struct ArcTangent2 {
  template <class A>
  static A apply(A a, A b) {
    return std::atan2(a, b);
  }
};
struct Next {
  template <class A>
  static A apply(A a, A b) {
    return std::nextafter(a, b);
  }
};

struct And {
  template <class A>
  static A apply(A a, A b) {
    return static_cast<A>(a & b);
  }
};
struct Or {
  template <class A>
  static A apply(A a, A b) {
    return static_cast<A>(a | b);
  }
};
struct Xor {
  template <class A>
  static A apply(A a, A b) {
    return static_cast<A>(a ^ b);
  }
};
// A shift by less than 0 or by more than the width has no meaning in C++; TensorFlow takes the nearest that has.
template <class A>
int shift_of(A b) {
  return static_cast<int>(std::clamp<int64_t>(static_cast<int64_t>(std::min<A>(b, A(sizeof(A) * 8 - 1))), 0, sizeof(A) * 8 - 1));
}
struct ShiftLeft {
  template <class A>
  static A apply(A a, A b) {
    return static_cast<A>(static_cast<std::make_unsigned_t<A>>(a) << shift_of(b));
  }
};
struct ShiftRight {
  template <class A>
  static A apply(A a, A b) {
    return static_cast<A>(a >> shift_of(b));
  }
};

struct IsLess {
  template <class A>
  static bool apply(A a, A b) {
    return a < b;
  }
};
struct IsLessOrEqual {
  template <class A>
  static bool apply(A a, A b) {
    return a <= b;
  }
};
struct IsGreater {
  template <class A>
  static bool apply(A a, A b) {
    return a > b;
  }
};
struct IsGreaterOrEqual {
  template <class A>
  static bool apply(A a, A b) {
    return a >= b;
  }
};
struct IsEqual {
  template <class A>
  static bool apply(A a, A b) {
    return a == b;
  }
};
struct IsUnequal {
  template <class A>
  static bool apply(A a, A b) {
    return a != b;
  }
};
struct Both {
  static bool apply(bool a, bool b) { return a && b; }
};
struct Either {
  static bool apply(bool a, bool b) { return a || b; }
};

// Quantized dtypes are compared as the integers they are kept in.
DType plain(DType dtype) {
  switch (dtype) {
    case DType::qint8: return DType::int8;
    case DType::quint8: return DType::uint8;
    case DType::qint16: return DType::int16;
    case DType::quint16: return DType::uint16;
    case DType::qint32: return DType::int32;
    default: return dtype;
  }
}

template <class F, bool kUnfit>
Result<KernelRef> make_equality(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[0];
  if (dtype == DType::string) return make_string_equality(!kUnfit, node.flag("incompatible_shape_error"));
  KernelRef out;
  with_type(plain(dtype), Join<Numbers, Types<bool>>{}, [&]<class T>(TypeTag<T>) {
    out = std::make_unique<BinaryKernel>(binary_loop<F, T, bool>, dtype, DType::bool_,
                                         node.flag("incompatible_shape_error") ? std::nullopt : std::optional(kUnfit));
  });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

Result<KernelRef> make_add(const NodeInfo& node) {
  if (node.input_dtypes()[0] == DType::string) return make_string_sum();
  return make_binary<Plus, Numbers>(node);
}

}  // namespace

extern const Op Add_op, AddV2_op, Sub_op, Mul_op, MulNoNan_op, Div_op, RealDiv_op, DivNoNan_op, TruncateDiv_op, FloorDiv_op, Mod_op,
    TruncateMod_op, FloorMod_op, SquaredDifference_op, Pow_op, Maximum_op, Minimum_op, Xdivy_op, Xlogy_op, Xlog1py_op, Atan2_op,
    NextAfter_op, BitwiseAnd_op, BitwiseOr_op, BitwiseXor_op, LeftShift_op, RightShift_op, Less_op, LessEqual_op, Greater_op,
    GreaterEqual_op, Equal_op, NotEqual_op, LogicalAnd_op, LogicalOr_op;

const Op Add_op{"Add", make_add};
const Op AddV2_op{"AddV2", make_binary<Plus, Numbers>};
const Op Sub_op{"Sub", make_binary<Minus, Numbers>};
const Op Mul_op{"Mul", make_binary<Times, Numbers>};
const Op MulNoNan_op{"MulNoNan", make_binary<TimesNoNan, FloatsAndComplexes>};
const Op Div_op{"Div", make_binary<Quotient, Numbers>};
const Op RealDiv_op{"RealDiv", make_binary<Quotient, FloatsAndComplexes>};
const Op DivNoNan_op{"DivNoNan", make_binary<QuotientNoNan, FloatsAndComplexes>};
const Op TruncateDiv_op{"TruncateDiv", make_binary<TruncatedQuotient, Reals>};
const Op FloorDiv_op{"FloorDiv", make_binary<FlooredQuotient, Reals>};
const Op Mod_op{"Mod", make_binary<Remainder, Reals>};
const Op TruncateMod_op{"TruncateMod", make_binary<Remainder, Reals>};
const Op FloorMod_op{"FloorMod", make_binary<FlooredRemainder, Reals>};
const Op SquaredDifference_op{"SquaredDifference", make_binary<SquaredGap, Numbers>};
const Op Pow_op{"Pow", make_binary<Power, Join<FloatsAndComplexes, Signed>>};
const Op Maximum_op{"Maximum", make_binary<Larger, Reals>};
const Op Minimum_op{"Minimum", make_binary<Smaller, Reals>};
const Op Xdivy_op{"Xdivy", make_binary<XDivY, FloatsAndComplexes>};
const Op Xlogy_op{"Xlogy", make_binary<XLogY, FloatsAndComplexes>};
const Op Xlog1py_op{"Xlog1py", make_binary<XLog1pY, FloatsAndComplexes>};
const Op Atan2_op{"Atan2", make_binary<ArcTangent2, Floats>};
const Op NextAfter_op{"NextAfter", make_binary<Next, Types<float, double>>};
const Op BitwiseAnd_op{"BitwiseAnd", make_binary<And, Integers>};
const Op BitwiseOr_op{"BitwiseOr", make_binary<Or, Integers>};
const Op BitwiseXor_op{"BitwiseXor", make_binary<Xor, Integers>};
const Op LeftShift_op{"LeftShift", make_binary<ShiftLeft, Integers>};
const Op RightShift_op{"RightShift", make_binary<ShiftRight, Integers>};
const Op Less_op{"Less", make_binary<IsLess, Reals, ToBool>};
const Op LessEqual_op{"LessEqual", make_binary<IsLessOrEqual, Reals, ToBool>};
const Op Greater_op{"Greater", make_binary<IsGreater, Reals, ToBool>};
const Op GreaterEqual_op{"GreaterEqual", make_binary<IsGreaterOrEqual, Reals, ToBool>};
const Op Equal_op{"Equal", make_equality<IsEqual, false>};
const Op NotEqual_op{"NotEqual", make_equality<IsUnequal, true>};
const Op LogicalAnd_op{"LogicalAnd", make_binary<Both, Types<bool>>};
const Op LogicalOr_op{"LogicalOr", make_binary<Either, Types<bool>>};

}  // namespace ferry::ops
