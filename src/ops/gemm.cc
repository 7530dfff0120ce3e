#include "ops/gemm.h"

#include <Eigen/Core>
#include <algorithm>
#include <vector>

#include "ops/types.h"

namespace ferry::ops {
namespace {

using GemmTypes = Join<FloatsAndComplexes, Types<int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t>>;

template <class T, bool kTransposed>
auto matrix(const T* data, int64_t rows, int64_t columns) {
  using M = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, kTransposed ? Eigen::ColMajor : Eigen::RowMajor>;
  return Eigen::Map<const M>(data, rows, columns);
}

template <class T>
std::vector<T> conjugates(const T* data, int64_t count) {
  std::vector<T> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) out[static_cast<size_t>(i)] = std::conj(data[i]);
  return out;
}

template <class T>
struct Block {
  const T* a;
  int64_t a_rows;  // of the whole matrix, of which these may be some
  bool a_transposed;
  const T* b;
  bool b_transposed;
  T* out;
  int64_t m, n, k;
};

template <class T, bool kA, bool kB>
void product(const Block<T>& p) {
  using Row = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Row> out(p.out, p.m, p.n);
  const auto b = matrix<T, kB>(p.b, p.k, p.n);
  if constexpr (kA) {
    using M = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
    out.noalias() = Eigen::Map<const M, 0, Eigen::OuterStride<>>(p.a, p.m, p.k, Eigen::OuterStride<>(p.a_rows)) * b;
  } else {
    if (p.m == 1) {
      using Vector = Eigen::Matrix<T, 1, Eigen::Dynamic, Eigen::RowMajor>;
      Eigen::Map<Vector>(p.out, p.n).noalias() = Eigen::Map<const Vector>(p.a, p.k) * b;
    } else {
      out.noalias() = matrix<T, false>(p.a, p.m, p.k) * b;
    }
  }
}

template <class T>
void multiply(const Block<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {
    std::fill_n(p.out, p.m * p.n, T(0));
  } else if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<std::conditional_t<sizeof(T) < 4, int, T>>;
    std::vector<T> turned;
    const T* b = p.b;
    if (p.b_transposed) {
      turned.resize(static_cast<size_t>(p.k * p.n));
      for (int64_t j = 0; j < p.n; ++j) {
        for (int64_t l = 0; l < p.k; ++l) turned[static_cast<size_t>(l * p.n + j)] = p.b[j * p.k + l];
      }
      b = turned.data();
    }
    for (int64_t i = 0; i < p.m; ++i) {
      T* const row = p.out + i * p.n;
      std::fill_n(row, p.n, T(0));
      for (int64_t l = 0; l < p.k; ++l) {
        const U x = static_cast<U>(p.a_transposed ? p.a[l * p.a_rows + i] : p.a[i * p.k + l]);
        const T* const from = b + l * p.n;
        for (int64_t j = 0; j < p.n; ++j) row[j] = static_cast<T>(static_cast<U>(row[j]) + x * static_cast<U>(from[j]));
      }
    }
  } else if (p.a_transposed) {
    p.b_transposed ? product<T, true, true>(p) : product<T, true, false>(p);
  } else {
    p.b_transposed ? product<T, false, true>(p) : product<T, false, false>(p);
  }
}

// Rows of the result in pieces of at most this many multiplications between two looks at the clock.
constexpr double kBetweenChecks = 4e9;
constexpr double kGrain = 1 << 18;  // multiplications worth a thread of their own

template <class T>
Status multiply_checked(Run* run, const Block<T>& p) {
  const double row_cost = std::max(1.0, static_cast<double>(p.n) * static_cast<double>(p.k));
  if (run == nullptr || row_cost * static_cast<double>(p.m) <= kGrain) {
    multiply(p);
    return {};
  }
  const auto piece = [&](int64_t begin, int64_t end) {
    Block<T> part = p;
    part.a += p.a_transposed ? begin : begin * p.k;
    part.out += begin * p.n;
    part.m = end - begin;
    multiply(part);
  };
  const int64_t step = std::max<int64_t>(1, static_cast<int64_t>(std::min(kBetweenChecks / row_cost, 9e15)));
  const int threads = run->pool == nullptr ? 1 : run->pool->size();
  for (int64_t at = 0; at < p.m; at += step) {
    FERRY_RETURN_IF_ERROR(run->check());
    const int64_t rows = std::min(step, p.m - at);
    // Pieces as large as threads allow: each packs the right side anew.
    const int64_t grain = std::max({(rows + threads - 1) / threads, int64_t{8}, static_cast<int64_t>(std::min(kGrain / row_cost, 9e15))});
    parallel_for(run->pool, rows, grain, [&](int64_t begin, int64_t end) { piece(at + begin, at + end); });
  }
  return {};
}

template <class T>
Status typed(Run* run, GemmSide a, GemmSide b, T* out, int64_t m, int64_t n, int64_t k) {
  const T *x = static_cast<const T*>(a.data), *y = static_cast<const T*>(b.data);
  if constexpr (is_small_float_v<T>) {
    std::vector<float> wide(static_cast<size_t>(m * k + k * n + m * n));
    float *const wa = wide.data(), *const wb = wa + m * k, *const wo = wb + k * n;
    for (int64_t i = 0; i < m * k; ++i) wa[i] = static_cast<float>(x[i]);
    for (int64_t i = 0; i < k * n; ++i) wb[i] = static_cast<float>(y[i]);
    FERRY_RETURN_IF_ERROR(multiply_checked<float>(run, {wa, m, a.transposed, wb, b.transposed, wo, m, n, k}));
    for (int64_t i = 0; i < m * n; ++i) out[i] = T(wo[i]);
    return {};
  } else {
    std::vector<T> conjugate_a, conjugate_b;
    if constexpr (is_complex_v<T>) {
      if (a.conjugated) x = (conjugate_a = conjugates(x, m * k)).data();
      if (b.conjugated) y = (conjugate_b = conjugates(y, k * n)).data();
    }
    return multiply_checked<T>(run, {x, m, a.transposed, y, b.transposed, out, m, n, k});
  }
}

Status any(Run* run, DType dtype, GemmSide a, GemmSide b, void* out, int64_t m, int64_t n, int64_t k) {
  Status status = no_kernel("a product of matrices", dtype);
  with_type(dtype, GemmTypes{}, [&]<class T>(TypeTag<T>) { status = typed<T>(run, a, b, static_cast<T*>(out), m, n, k); });
  return status;
}

}  // namespace

Status gemm(Run& run, DType dtype, GemmSide a, GemmSide b, void* out, int64_t m, int64_t n, int64_t k) {
  return any(&run, dtype, a, b, out, m, n, k);
}

Status gemm(Run& run, DType dtype, const GemmBatch& batch, GemmSide a, GemmSide b, void* out, int64_t m, int64_t n, int64_t k) {
  const int64_t count = batch.count;
  if (count == 1) return gemm(run, dtype, a, b, out, m, n, k);
  // One matrix on the right for all on the left is one product.
  if (!a.transposed && batch.step_b == 0 && batch.step_a == m * k) return gemm(run, dtype, a, b, out, m * count, n, k);
  const size_t width = dtype_size(dtype);
  const auto one = [&](Run* with, int64_t i) {
    const auto at = [&](GemmSide side, int64_t step) {
      side.data = static_cast<const std::byte*>(side.data) + static_cast<size_t>(i * step) * width;
      return side;
    };
    return any(with, dtype, at(a, batch.step_a), at(b, batch.step_b), static_cast<std::byte*>(out) + static_cast<size_t>(i * m * n) * width,
               m, n, k);
  };
  const double cost = std::max(1.0, static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));
  if (cost > 1e8) {
    for (int64_t i = 0; i < count; ++i) FERRY_RETURN_IF_ERROR(one(&run, i));
    return {};
  }
  if (!has_gemm(dtype)) return no_kernel("a product of matrices", dtype);
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kGrain / cost));
  const int64_t block = std::max<int64_t>(1, static_cast<int64_t>(kBetweenChecks / cost));
  for (int64_t from = 0; from < count; from += block) {
    FERRY_RETURN_IF_ERROR(run.check());
    parallel_for(run.pool, std::min(block, count - from), grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = from + begin; i < from + end; ++i) static_cast<void>(one(nullptr, i).ok());
    });
  }
  return {};
}

bool has_gemm(DType dtype) {
  return with_type(dtype, GemmTypes{}, [](auto) {});
}

}  // namespace ferry::ops
