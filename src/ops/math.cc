// Functions of one number.
#include <bit>
#include <limits>

#include "ops/elementwise.h"

namespace ferry::ops {
namespace {

#define FERRY_UNARY(Name, expression) \
  struct Name {                       \
    template <class A>                \
    static auto apply(A x) {          \
      return expression;              \
    }                                 \
  };

struct Magnitude {
  template <class A>
  static A apply(A x) {
    if constexpr (std::is_integral_v<A>) {
      return x < 0 ? wrapping(A(0), x, [](auto a, auto b) { return a - b; }) : x;
    } else {
      return std::abs(x);
    }
  }
};
struct Negative {
  template <class A>
  static A apply(A x) {
    if constexpr (std::is_integral_v<A>) {
      return wrapping(A(0), x, [](auto a, auto b) { return a - b; });
    } else {
      return -x;
    }
  }
};
struct Squared {
  template <class A>
  static A apply(A x) {
    return wrapping(x, x, [](auto a, auto b) { return a * b; });
  }
};
struct SignOf {
  template <class A>
  static A apply(A x) {
    if constexpr (is_complex_v<A>) {
      const auto size = std::abs(x);
      return size == 0 ? A(0) : x / size;
    } else {
      if constexpr (std::is_floating_point_v<A>) {
        if (x != x) return x;
      }
      return static_cast<A>((A(0) < x) - (x < A(0)));
    }
  }
};
struct HalfToEven {
  template <class A>
  static A apply(A x) {
    if constexpr (std::is_integral_v<A>) {
      return x;
    } else {
      return std::nearbyint(x);
    }
  }
};
struct LogOnePlus {
  template <class A>
  static A apply(A x) {
    if constexpr (is_complex_v<A>) {
      // Exact near zero, where 1 + x loses the small part.
      const A u = A(1) + x;
      return u == A(1) ? x : u - A(1) == x ? std::log(u) : std::log(u) * (x / (u - A(1)));
    } else {
      return std::log1p(x);
    }
  }
};
struct ExpMinusOne {
  template <class A>
  static A apply(A x) {
    if constexpr (is_complex_v<A>) {
      using R = typename A::value_type;
      const R half = std::sin(x.imag() / 2), em1 = std::expm1(x.real());
      return A(em1 * std::cos(x.imag()) - 2 * half * half, (em1 + 1) * std::sin(x.imag()));
    } else {
      return std::expm1(x);
    }
  }
};
struct Logistic {
  template <class A>
  static A apply(A x) {
    if constexpr (is_complex_v<A>) {
      return A(1) / (A(1) + std::exp(-x));
    } else {
      // The side that does not overflow.
      if (x >= 0) return 1 / (1 + std::exp(-x));
      const A e = std::exp(x);
      return e / (1 + e);
    }
  }
};

FERRY_UNARY(ArcCosine, std::acos(x))
FERRY_UNARY(ArcCosineH, std::acosh(x))
FERRY_UNARY(ArcSine, std::asin(x))
FERRY_UNARY(ArcSineH, std::asinh(x))
FERRY_UNARY(ArcTangent, std::atan(x))
FERRY_UNARY(ArcTangentH, std::atanh(x))
FERRY_UNARY(Upwards, std::ceil(x))
FERRY_UNARY(Downwards, std::floor(x))
FERRY_UNARY(Cosine, std::cos(x))
FERRY_UNARY(CosineH, std::cosh(x))
FERRY_UNARY(Sine, std::sin(x))
FERRY_UNARY(SineH, std::sinh(x))
FERRY_UNARY(Tangent, std::tan(x))
FERRY_UNARY(TangentH, std::tanh(x))
FERRY_UNARY(Exponential, std::exp(x))
FERRY_UNARY(Logarithm, std::log(x))
FERRY_UNARY(SquareRoot, std::sqrt(x))
FERRY_UNARY(InverseRoot, A(1) / std::sqrt(x))
FERRY_UNARY(Inverse, A(1) / x)
FERRY_UNARY(ErrorFunction, std::erf(x))
FERRY_UNARY(ErrorComplement, std::erfc(x))
FERRY_UNARY(NearestInteger, std::nearbyint(x))
FERRY_UNARY(Finite, std::isfinite(x))
FERRY_UNARY(Infinite, std::isinf(x))
FERRY_UNARY(NotANumber, x != x)
FERRY_UNARY(Conjugate, std::conj(x))
FERRY_UNARY(RealPart, x.real())
FERRY_UNARY(ImaginaryPart, x.imag())
FERRY_UNARY(Phase, std::arg(x))
FERRY_UNARY(Modulus, std::abs(x))
FERRY_UNARY(Complement, static_cast<A>(~x))
FERRY_UNARY(OneBits, static_cast<uint8_t>(std::popcount(static_cast<std::make_unsigned_t<A>>(x))))
FERRY_UNARY(Not, !x)

// lgamma() of C keeps a sign in a global; this one does not.
struct LogGamma {
  static float apply(float x) {
    int sign;
    return ::lgammaf_r(x, &sign);
  }
  static double apply(double x) {
    int sign;
    return ::lgamma_r(x, &sign);
  }
};

template <class T>
struct ToByte {
  using type = uint8_t;
};

}  // namespace

#undef FERRY_UNARY
#define FERRY_UNARY_OP(op, ...) \
  extern const Op op##_op;      \
  const Op op##_op { #op, make_unary < __VA_ARGS__> }

FERRY_UNARY_OP(Abs, Magnitude, Join<Floats, Signed>);
FERRY_UNARY_OP(Neg, Negative, Numbers);
FERRY_UNARY_OP(Square, Squared, Numbers);
FERRY_UNARY_OP(Sign, SignOf, Numbers);
FERRY_UNARY_OP(Round, HalfToEven, Reals);
FERRY_UNARY_OP(Rint, NearestInteger, Floats);
FERRY_UNARY_OP(Ceil, Upwards, Floats);
FERRY_UNARY_OP(Floor, Downwards, Floats);
FERRY_UNARY_OP(Acos, ArcCosine, FloatsAndComplexes);
FERRY_UNARY_OP(Acosh, ArcCosineH, FloatsAndComplexes);
FERRY_UNARY_OP(Asin, ArcSine, FloatsAndComplexes);
FERRY_UNARY_OP(Asinh, ArcSineH, FloatsAndComplexes);
FERRY_UNARY_OP(Atan, ArcTangent, FloatsAndComplexes);
FERRY_UNARY_OP(Atanh, ArcTangentH, FloatsAndComplexes);
FERRY_UNARY_OP(Cos, Cosine, FloatsAndComplexes);
FERRY_UNARY_OP(Cosh, CosineH, FloatsAndComplexes);
FERRY_UNARY_OP(Sin, Sine, FloatsAndComplexes);
FERRY_UNARY_OP(Sinh, SineH, FloatsAndComplexes);
FERRY_UNARY_OP(Tan, Tangent, FloatsAndComplexes);
FERRY_UNARY_OP(Tanh, TangentH, FloatsAndComplexes);
FERRY_UNARY_OP(Exp, Exponential, FloatsAndComplexes);
FERRY_UNARY_OP(Expm1, ExpMinusOne, FloatsAndComplexes);
FERRY_UNARY_OP(Log, Logarithm, FloatsAndComplexes);
FERRY_UNARY_OP(Log1p, LogOnePlus, FloatsAndComplexes);
FERRY_UNARY_OP(Sqrt, SquareRoot, FloatsAndComplexes);
FERRY_UNARY_OP(Rsqrt, InverseRoot, FloatsAndComplexes);
FERRY_UNARY_OP(Inv, Inverse, FloatsAndComplexes);
FERRY_UNARY_OP(Reciprocal, Inverse, FloatsAndComplexes);
FERRY_UNARY_OP(Sigmoid, Logistic, FloatsAndComplexes);
FERRY_UNARY_OP(Erf, ErrorFunction, Floats);
FERRY_UNARY_OP(Erfc, ErrorComplement, Floats);
FERRY_UNARY_OP(Lgamma, LogGamma, Floats);
FERRY_UNARY_OP(IsFinite, Finite, Floats, ToBool);
FERRY_UNARY_OP(IsInf, Infinite, Floats, ToBool);
FERRY_UNARY_OP(IsNan, NotANumber, Floats, ToBool);
FERRY_UNARY_OP(Conj, Conjugate, Complexes);
FERRY_UNARY_OP(Real, RealPart, Complexes, ToReal);
FERRY_UNARY_OP(Imag, ImaginaryPart, Complexes, ToReal);
FERRY_UNARY_OP(Angle, Phase, Complexes, ToReal);
FERRY_UNARY_OP(ComplexAbs, Modulus, Complexes, ToReal);
FERRY_UNARY_OP(Invert, Complement, Integers);
FERRY_UNARY_OP(PopulationCount, OneBits, Integers, ToByte);
FERRY_UNARY_OP(LogicalNot, Not, Types<bool>);

}  // namespace ferry::ops
