#include "ferry/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ferry/sparse.h"

namespace ferry {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One tensor as a rising list of positions: entry i stands at coordinates(i), every other element is zero.
template <class T>
T element(const DenseTensor& values, int64_t i) {
  if constexpr (std::is_same_v<T, bool>) {
    return values.values<uint8_t>()[static_cast<size_t>(i)] != 0;
  } else {
    return values.values<T>()[static_cast<size_t>(i)];
  }
}

struct Distance {
  double absolute = 0, relative = 0, magnitude = 0;  // of b
};

Distance distance(double absolute, double magnitude) {
  if (std::isnan(absolute)) absolute = kInfinity;
  if (absolute == 0) return {};
  const double relative = absolute / magnitude;
  return {absolute, std::isnan(relative) ? kInfinity : relative, magnitude};
}

// Zero where the two are one value.
template <class T>
Distance distance_between(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    return a == b ? Distance{} : distance(1, b ? 1 : 0);
  } else if constexpr (is_complex_v<T>) {
    const auto same = [](auto x, auto y) { return x == y || (std::isnan(x) && std::isnan(y)); };
    if (same(a.real(), b.real()) && same(a.imag(), b.imag())) return {};
    const std::complex<double> x(a), y(b);
    return distance(std::abs(x - y), std::abs(y));
  } else {
    const auto x = to_arithmetic(a), y = to_arithmetic(b);
    if constexpr (std::is_floating_point_v<decltype(x)>) {
      if (x == y || (std::isnan(x) && std::isnan(y))) return {};
      return distance(std::abs(static_cast<double>(x) - static_cast<double>(y)), std::abs(static_cast<double>(y)));
    } else {
      if (x == y) return {};
      // The difference of two integers of 64 bits fits 64 bits without a sign.
      const uint64_t gap =
          x > y ? static_cast<uint64_t>(x) - static_cast<uint64_t>(y) : static_cast<uint64_t>(y) - static_cast<uint64_t>(x);
      return distance(static_cast<double>(gap), std::abs(static_cast<double>(y)));
    }
  }
}

DenseTensor one_of(const DenseTensor* values, int64_t i, DType dtype) {
  if (values != nullptr) {
    auto flat = values->reshaped(Shape{values->num_elements()});
    FERRY_ASSERT(flat.ok());
    auto one = flat->slice_rows(i, i + 1);
    FERRY_ASSERT(one.ok());
    return *std::move(one);
  }
  if (dtype == DType::string) return DenseTensor::of_strings(Shape{1}, {""});
  auto block = MutableBuffer::zeroed(dtype_size(dtype));
  FERRY_ASSERT(block.ok());
  auto zero = DenseTensor::make(dtype, Shape{1}, (*std::move(block)).freeze());
  FERRY_ASSERT(zero.ok());
  return *std::move(zero);
}

// Walks both sides and hands each position to a judge: judge(ia, ib), -1 for "no entry: zero".
class Walker {
 public:
  Walker(const Shape& shape, const Tensor& a, const Tensor& b) : shape_(shape), a_(a), b_(b) {}

  template <class Judge>
  void walk(Judge&& judge) const {
    const auto* dense_a = std::get_if<DenseTensor>(&a_);
    const auto* dense_b = std::get_if<DenseTensor>(&b_);
    if (dense_a != nullptr && dense_b != nullptr) {
      for (int64_t i = 0; i < dense_a->num_elements(); ++i) judge(i, i);
    } else if (dense_a != nullptr) {
      dense_and_sparse(dense_a->num_elements(), std::get<SparseTensor>(b_), judge);
    } else if (dense_b != nullptr) {
      dense_and_sparse(dense_b->num_elements(), std::get<SparseTensor>(a_), [&](int64_t d, int64_t s) { judge(s, d); });
    } else {
      sparse_and_sparse(std::get<SparseTensor>(a_), std::get<SparseTensor>(b_), judge);
    }
  }
  bool both_dense() const { return std::holds_alternative<DenseTensor>(a_) && std::holds_alternative<DenseTensor>(b_); }
  const DenseTensor& values_a() const { return values(a_); }
  const DenseTensor& values_b() const { return values(b_); }
  std::vector<int64_t> coordinate(int64_t ia, int64_t ib) const {
    if (ia >= 0) return coordinate(a_, ia);
    return coordinate(b_, ib);
  }

 private:
  static const DenseTensor& values(const Tensor& x) {
    const auto* sparse = std::get_if<SparseTensor>(&x);
    return sparse != nullptr ? sparse->values() : std::get<DenseTensor>(x);
  }
  std::vector<int64_t> coordinate(const Tensor& x, int64_t i) const {
    const size_t rank = shape_.rank();
    std::vector<int64_t> out(rank);
    if (const auto* sparse = std::get_if<SparseTensor>(&x)) {
      for (size_t axis = 0; axis < rank; ++axis) out[axis] = sparse->coordinates()[static_cast<size_t>(i) * rank + axis];
      return out;
    }
    for (size_t axis = rank; axis-- > 0; i /= shape_[axis]) out[axis] = i % shape_[axis];
    return out;
  }
  template <class Judge>
  void dense_and_sparse(int64_t count, const SparseTensor& sparse, Judge&& judge) const {
    const size_t rank = shape_.rank();
    int64_t entry = 0;
    const auto position = [&](int64_t e) {
      int64_t linear = 0;
      for (size_t axis = 0; axis < rank; ++axis)
        linear = linear * shape_[axis] + sparse.coordinates()[static_cast<size_t>(e) * rank + axis];
      return linear;
    };
    int64_t next = sparse.nnz() > 0 ? position(0) : -1;
    for (int64_t i = 0; i < count; ++i) {
      if (i != next) {
        judge(i, -1);
        continue;
      }
      judge(i, entry);
      next = ++entry < sparse.nnz() ? position(entry) : -1;
    }
  }
  template <class Judge>
  void sparse_and_sparse(const SparseTensor& a, const SparseTensor& b, Judge&& judge) const {
    const size_t rank = shape_.rank();
    int64_t i = 0, j = 0;
    while (i < a.nnz() || j < b.nnz()) {
      int order = i == a.nnz() ? 1 : j == b.nnz() ? -1 : 0;
      for (size_t axis = 0; order == 0 && axis < rank; ++axis) {
        const int64_t x = a.coordinates()[static_cast<size_t>(i) * rank + axis], y = b.coordinates()[static_cast<size_t>(j) * rank + axis];
        order = x < y ? -1 : x > y ? 1 : 0;
        if (order != 0) break;
      }
      if (order < 0) {
        judge(i++, -1);
      } else if (order > 0) {
        judge(-1, j++);
      } else {
        judge(i++, j++);
      }
    }
  }
  const Shape& shape_;
  const Tensor& a_;
  const Tensor& b_;
};

// What a stretch of elements adds up to. Stretches are of one length whoever works on them, and added in order.
struct Found {
  int64_t differing = 0;
  double max_absolute = 0, max_relative = 0, squares = 0;
  int64_t first_a = -1, first_b = -1;
};

template <class T>
struct Judge {
  Tolerance tolerance;
  bool exact;

  void operator()(T a, T b, int64_t ia, int64_t ib, Found& out) const {
    const Distance apart = distance_between(a, b);
    if (apart.absolute == 0) return;
    const bool finite = apart.absolute < kInfinity;  // infinity is near to nothing
    if (!exact && finite && apart.absolute <= tolerance.absolute + tolerance.relative * apart.magnitude) return;
    if (out.differing++ == 0) {
      out.first_a = ia;
      out.first_b = ib;
    }
    out.max_absolute = std::max(out.max_absolute, apart.absolute);
    out.max_relative = std::max(out.max_relative, apart.relative);
    out.squares += apart.absolute * apart.absolute;
  }
};

// Equal bytes are equal values, which memcmp tells as fast as they can be read.
template <class T>
Found compare_dense(const DenseTensor& a, const DenseTensor& b, const Judge<T>& judge, ThreadPool* pool) {
  constexpr int64_t kStretch = 1 << 14;
  const int64_t count = a.num_elements(), stretches = (count + kStretch - 1) / kStretch;
  const size_t width = dtype_size(a.dtype());
  const auto *bytes_a = static_cast<const std::byte*>(a.raw()), *bytes_b = static_cast<const std::byte*>(b.raw());
  std::vector<Found> found(static_cast<size_t>(stretches));
  parallel_for(pool, stretches, 16, [&](int64_t begin, int64_t end) {
    for (int64_t stretch = begin; stretch < end; ++stretch) {
      const int64_t from = stretch * kStretch, to = std::min(count, from + kStretch);
      const size_t offset = static_cast<size_t>(from) * width;
      if (std::memcmp(bytes_a + offset, bytes_b + offset, static_cast<size_t>(to - from) * width) == 0) continue;
      Found here;
      for (int64_t i = from; i < to; ++i) judge(element<T>(a, i), element<T>(b, i), i, i, here);
      found[static_cast<size_t>(stretch)] = here;
    }
  });
  Found out;
  for (const Found& part : found) {
    if (out.differing == 0) {
      out.first_a = part.first_a;
      out.first_b = part.first_b;
    }
    out.differing += part.differing;
    out.max_absolute = std::max(out.max_absolute, part.max_absolute);
    out.max_relative = std::max(out.max_relative, part.max_relative);
    out.squares += part.squares;
  }
  return out;
}

void compare_values(const Walker& walker, DType dtype, Tolerance tolerance, ThreadPool* pool, Comparison& out) {
  const DenseTensor& values_a = walker.values_a();
  const DenseTensor& values_b = walker.values_b();
  Found found;
  if (dtype == DType::string) {
    const StringsView a = values_a.strings(), b = values_b.strings();
    walker.walk([&](int64_t ia, int64_t ib) {
      const std::string_view x = ia < 0 ? std::string_view() : a[ia], y = ib < 0 ? std::string_view() : b[ib];
      if (x == y || found.differing++ != 0) return;
      found.first_a = ia;
      found.first_b = ib;
    });
  } else {
    visit_dtype(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const Judge<T> judge{tolerance, std::is_same_v<T, bool> || (tolerance.relative == 0 && tolerance.absolute == 0)};
      if (walker.both_dense()) {
        found = compare_dense<T>(values_a, values_b, judge, pool);
        return;
      }
      walker.walk([&](int64_t ia, int64_t ib) {
        judge(ia < 0 ? T() : element<T>(values_a, ia), ib < 0 ? T() : element<T>(values_b, ib), ia, ib, found);
      });
    });
  }
  if (found.differing == 0) return;
  out.differing = found.differing;
  out.max_absolute = found.max_absolute;
  out.max_relative = found.max_relative;
  out.norm = std::sqrt(found.squares);
  out.first = walker.coordinate(found.first_a, found.first_b);
  out.first_a = one_of(found.first_a < 0 ? nullptr : &values_a, found.first_a, dtype);
  out.first_b = one_of(found.first_b < 0 ? nullptr : &values_b, found.first_b, dtype);
}

Result<Comparison> compare_ragged(const RaggedTensor& a, const RaggedTensor& b, Tolerance tolerance, ThreadPool* pool) {
  Comparison out;
  out.dtype_differs = a.dtype() != b.dtype();
  const auto split = [](const DenseTensor& splits, int64_t i) {
    return splits.dtype() == DType::int32 ? int64_t{splits.values<int32_t>()[static_cast<size_t>(i)]}
                                          : splits.values<int64_t>()[static_cast<size_t>(i)];
  };
  out.shape_differs = a.ragged_rank() != b.ragged_rank() || a.flat_values().shape() != b.flat_values().shape();
  for (size_t level = 0; !out.shape_differs && level < a.ragged_rank(); ++level) {
    const DenseTensor &x = a.row_splits(level), &y = b.row_splits(level);
    out.shape_differs = x.num_elements() != y.num_elements();
    for (int64_t i = 0; !out.shape_differs && i < x.num_elements(); ++i) out.shape_differs = split(x, i) != split(y, i);
  }
  if (out.dtype_differs || out.shape_differs) return out;
  FERRY_ASSIGN_OR_RETURN(Comparison flat, compare(Tensor(a.flat_values()), Tensor(b.flat_values()), tolerance, pool));
  if (flat.differing == 0) return flat;
  // From the position in the flat values back up through the splits: which row at each level.
  std::vector<int64_t> first(flat.first.begin() + 1, flat.first.end());
  int64_t at = flat.first[0];
  for (size_t level = a.ragged_rank(); level-- > 0;) {
    const DenseTensor& splits = a.row_splits(level);
    int64_t low = 0, high = splits.num_elements() - 1;  // the last row that begins at or before it
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      (split(splits, middle) <= at ? low : high) = middle;
    }
    first.insert(first.begin(), at - split(splits, low));
    at = low;
  }
  first.insert(first.begin(), at);
  flat.first = std::move(first);
  return flat;
}

}  // namespace

Result<SparseTensor> canonical_coo(const SparseTensor& x, ThreadPool* pool) {
  FERRY_ASSIGN_OR_RETURN(SparseTensor coo, to_layout(x, Layout::coo, std::nullopt, pool));
  if (coo.order().sorted && coo.order().unique) return coo;
  const Order found = find_order(coo, pool);
  if (found.sorted && found.unique) return coo.with_order(found);
  const DTypeClass klass = dtype_class(x.dtype());
  return coalesce(coo, klass == DTypeClass::kString || klass == DTypeClass::kQuantized ? Duplicates::last : Duplicates::sum, pool);
}

Result<Comparison> compare(const Tensor& a, const Tensor& b, Tolerance tolerance, ThreadPool* pool) {
  Comparison out;
  out.kind_differs = kind_of(a) != kind_of(b);
  const auto* ragged_a = std::get_if<RaggedTensor>(&a);
  const auto* ragged_b = std::get_if<RaggedTensor>(&b);
  if (ragged_a != nullptr && ragged_b != nullptr) return compare_ragged(*ragged_a, *ragged_b, tolerance, pool);
  out.dtype_differs = dtype_of(a) != dtype_of(b);
  out.shape_differs = ragged_a != nullptr || ragged_b != nullptr || shape_of(a) != shape_of(b);
  if (out.dtype_differs || out.shape_differs) return out;
  const auto canonical = [&](const Tensor& x) -> Result<Tensor> {
    const auto* sparse = std::get_if<SparseTensor>(&x);
    if (sparse == nullptr) return x;
    FERRY_ASSIGN_OR_RETURN(SparseTensor coo, canonical_coo(*sparse, pool));
    return Tensor(std::move(coo));
  };
  FERRY_ASSIGN_OR_RETURN(const Tensor x, canonical(a));
  FERRY_ASSIGN_OR_RETURN(const Tensor y, canonical(b));
  const Shape shape = shape_of(a);
  compare_values(Walker(shape, x, y), dtype_of(a), tolerance, pool, out);
  return out;
}

}  // namespace ferry
