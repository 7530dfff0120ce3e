#include "checkpoint/plan_fix.h"

#include <algorithm>
#include <numeric>

#include "ferry/status.h"

namespace ferry {

namespace {

// What a dtype holds exactly: integers of so many bits with or without a sign, or binary fractions.
struct Range {
  bool is_float = false, is_signed = false, is_complex = false;
  int bits = 0;                 // of an integer without its sign; of a significand with the hidden bit
  int lowest = 0, highest = 0;  // exponents of the smallest and the largest power of two
  bool infinity = true, nan = true, negative_zero = true;
};

std::optional<Range> range_of(DType dtype) {
  const int bits = static_cast<int>(dtype_size(dtype)) * 8;
  switch (dtype) {
    case DType::string:
    case DType::resource:
    case DType::variant: return std::nullopt;
    case DType::int4: return Range{.is_signed = true, .bits = 3};
    case DType::uint4: return Range{.bits = 4};
    case DType::int2: return Range{.is_signed = true, .bits = 1};
    case DType::uint2: return Range{.bits = 2};
    default: break;
  }
  switch (dtype_class(dtype)) {
    case DTypeClass::kBool: return Range{.bits = 1};
    case DTypeClass::kSigned: return Range{.is_signed = true, .bits = bits - 1};
    case DTypeClass::kUnsigned: return Range{.bits = bits};
    case DTypeClass::kQuantized:
    case DTypeClass::kString:
    case DTypeClass::kOpaque: return std::nullopt;
    case DTypeClass::kFloat:
    case DTypeClass::kComplex: break;
  }
  if (dtype == DType::float64 || dtype == DType::complex128) {
    return Range{
        .is_float = true, .is_signed = true, .is_complex = dtype == DType::complex128, .bits = 53, .lowest = -1074, .highest = 1023};
  }
  if (dtype == DType::float32 || dtype == DType::complex64) {
    return Range{.is_float = true, .is_signed = true, .is_complex = dtype == DType::complex64, .bits = 24, .lowest = -149, .highest = 127};
  }
  if (dtype == DType::bfloat16) return Range{.is_float = true, .is_signed = true, .bits = 8, .lowest = -133, .highest = 127};
  return visit_dtype(dtype, [](auto tag) -> std::optional<Range> {
    using T = typename decltype(tag)::type;
    if constexpr (is_small_float_v<T> && !std::is_same_v<T, BFloat16>) {
      constexpr FloatTraits traits = T::traits;
      const int top = (1 << traits.exponent) - 1 - traits.bias - (traits.infinity ? 1 : 0);
      return Range{.is_float = true,
                   .is_signed = true,
                   .bits = traits.mantissa + 1,
                   .lowest = 1 - traits.bias - traits.mantissa,
                   .highest = top,
                   .infinity = traits.infinity,
                   .nan = traits.nan,
                   .negative_zero = !traits.unsigned_zero};
    } else {
      return std::nullopt;
    }
  });
}

}  // namespace

bool cast_is_lossless(DType from, DType to) {
  if (from == to) return true;
  if (to == DType::bool_) return false;
  const auto a = range_of(from), b = range_of(to);
  if (!a || !b || (a->is_complex && !b->is_complex)) return false;
  if (a->is_float) {
    return b->is_float && a->bits <= b->bits && a->lowest >= b->lowest && a->highest <= b->highest && (b->infinity || !a->infinity) &&
           (b->nan || !a->nan) && (b->negative_zero || !a->negative_zero);
  }
  if (b->is_float) return a->bits <= b->bits && a->bits <= b->highest && b->lowest <= 0;
  return b->is_signed ? a->bits <= b->bits : !a->is_signed && a->bits <= b->bits;
}

namespace plan {
namespace {

// A transposition of `have` that gives `wanted`. Where several do, the one that keeps the order of equal axes, but for a square
// or a cube, which is turned round.
std::optional<std::vector<size_t>> find_permutation(const Shape& have, const Shape& wanted) {
  const size_t rank = have.rank();
  if (rank != wanted.rank() || rank < 2) return std::nullopt;
  std::vector<size_t> out;
  std::vector<bool> taken(rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    size_t from = 0;
    while (from < rank && (taken[from] || have[from] != wanted[axis])) ++from;
    if (from == rank) return std::nullopt;
    taken[from] = true;
    out.push_back(from);
  }
  return out;
}

std::vector<int64_t> without_ones(const Shape& shape) {
  std::vector<int64_t> out;
  for (const int64_t dim : shape) {
    if (dim != 1) out.push_back(dim);
  }
  return out;
}

bool is_known(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](int64_t dim) { return dim >= 0; });
}

std::string permutation_text(const std::vector<size_t>& permutation) {
  std::string out;
  for (const size_t axis : permutation) out += concat(out.empty() ? "" : ", ", axis);
  return concat("(", out, ")");
}

}  // namespace

bool fits(const Shape& have, const std::optional<Shape>& wanted) {
  if (!wanted) return true;
  if (have.rank() != wanted->rank()) return false;
  for (size_t axis = 0; axis < have.rank(); ++axis) {
    if ((*wanted)[axis] >= 0 && (*wanted)[axis] != have[axis]) return false;
  }
  return true;
}

std::vector<size_t> layout_change(Leaf from, Leaf to, size_t rank) {
  if (rank < 2 || rank > 5) return {};
  const bool to_keras = from == Leaf::weight && (to == Leaf::kernel || to == Leaf::weights);
  const bool to_torch = to == Leaf::weight && (from == Leaf::kernel || from == Leaf::weights);
  std::vector<size_t> out;
  if (to_keras) {  // [out, in, space…] → [space…, in, out]
    for (size_t axis = 2; axis < rank; ++axis) out.push_back(axis);
    out.insert(out.end(), {1, 0});
  } else if (to_torch) {
    out = {rank - 1, rank - 2};
    for (size_t axis = 0; axis + 2 < rank; ++axis) out.push_back(axis);
  } else if (from == Leaf::weight && to == Leaf::depthwise && rank == 4) {  // [channels, 1, height, width] → [height, width, channels, 1]
    out = {2, 3, 0, 1};
  } else if (from == Leaf::depthwise && to == Leaf::weight && rank == 4) {
    out = {2, 3, 0, 1};
  }
  return out;
}

Shape transposed(const Shape& shape, const std::vector<size_t>& permutation) {
  Shape out;
  for (const size_t axis : permutation) out.append(shape[axis]);
  return out;
}

std::optional<Fix> find_fix(const Shape& have, const std::optional<Shape>& wanted, Leaf from, Leaf to) {
  Fix fix;
  if (!wanted) return fix;
  if (auto meant = layout_change(from, to, have.rank()); !meant.empty() && fits(transposed(have, meant), wanted)) {
    fix.permutation = std::move(meant);
    return fix;
  }
  if (fits(have, wanted)) return fix;
  if (is_known(*wanted) && without_ones(have) == without_ones(*wanted)) {
    fix.reshaped = wanted;
    fix.axes_of_one = true;
    return fix;
  }
  if (auto permutation = find_permutation(have, *wanted)) {
    fix.permutation = *std::move(permutation);
    return fix;
  }
  if (have.rank() == wanted->rank()) {
    size_t axis = 0, differing = 0;
    for (size_t i = 0; i < have.rank(); ++i) {
      if ((*wanted)[i] < 0 || (*wanted)[i] == have[i]) continue;
      axis = i;
      ++differing;
    }
    // Nothing would be left of the one or there is nothing of the other: no fix.
    if (differing == 1 && have[axis] > 0 && (*wanted)[axis] > 0) {
      fix.resized = Fix::Resized{axis, have[axis], (*wanted)[axis]};
      return fix;
    }
  }
  if (is_known(*wanted) && have.num_elements() && have.num_elements() == wanted->num_elements()) {
    fix.reshaped = wanted;
    return fix;
  }
  return std::nullopt;
}

void add_cast(Fix& fix, DType have, std::optional<DType> wanted) {
  if (!wanted || *wanted == have) return;
  if (!is_fixed_size(have) || !is_fixed_size(*wanted)) return;
  fix.cast = wanted;
  fix.lossless = cast_is_lossless(have, *wanted);
}

bool allowed(const Fix& fix, const Fixes& fixes, bool meant) {
  if (!fix.permutation.empty() && !fixes.transpose && !meant) return false;
  if (fix.reshaped && !fixes.reshape && !(fix.axes_of_one && fixes.axes)) return false;
  if (fix.resized && !fixes.resize) return false;
  return !fix.cast || fixes.cast;
}

std::string fix_text(const Fix& fix, const Have& have) {
  std::string out;
  const auto add = [&](const std::string& words) { out += concat(out.empty() ? "" : ", ", words); };
  if (!fix.permutation.empty()) {
    std::string names;
    if (fix.permutation == std::vector<size_t>{2, 3, 1, 0}) names = ": OIHW → HWIO";
    if (fix.permutation == std::vector<size_t>{3, 2, 0, 1}) names = ": HWIO → OIHW";
    add(concat("transpose ", permutation_text(fix.permutation), names));
  }
  if (fix.reshaped) {
    add(concat(fix.axes_of_one ? (fix.reshaped->rank() > have.shape.rank()   ? "add axes of 1: "
                                  : fix.reshaped->rank() < have.shape.rank() ? "remove axes of 1: "
                                                                             : "move axes of 1: ")
                               : "reshape ",
               shape_text(have.shape), " → ", shape_text(*fix.reshaped)));
  }
  if (fix.resized) {
    const auto& [axis, from, to] = *fix.resized;
    const std::string_view what = axis == 0 ? "row" : "element";
    const int64_t by = to > from ? to - from : from - to;
    const std::string where = axis == 0 ? std::string() : concat(" along axis ", axis);
    add(to > from ? concat("grow by ", by, " ", what, by == 1 ? "" : "s", where, by == 1 ? " (kept as it is)" : " (kept as they are)")
                  : concat("cut off the last ", by, " ", what, by == 1 ? "" : "s", where));
  }
  if (fix.cast) {
    add(concat("cast ", dtype_name(have.dtype), " → ", dtype_name(*fix.cast),
               fix.lossless ? " (lossless)" : " (may lose digits or range)"));
  }
  return out;
}

std::string fix_options(const Fix& fix, bool meant) {
  std::string out;
  const auto add = [&](std::string_view word) { out += concat(out.empty() ? "" : " ", "--fix ", word); };
  if (!fix.permutation.empty() && !meant) add("transpose");
  if (fix.reshaped) add(fix.axes_of_one ? "axes" : "reshape");
  if (fix.resized) add("resize");
  if (fix.cast) add("cast");
  return out;
}

std::string shape_text(const Shape& shape) {
  std::string out;
  for (const int64_t dim : shape) out += concat(out.empty() ? "" : ", ", dim < 0 ? std::string("?") : std::to_string(dim));
  return concat("[", out, "]");
}

std::string shape_text(const std::optional<Shape>& shape) { return shape ? shape_text(*shape) : std::string("any"); }

}  // namespace plan
}  // namespace ferry
