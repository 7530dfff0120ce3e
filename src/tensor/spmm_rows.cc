// float32 and float64 rows times dense, compiled once for each instruction set and chosen at run time.
//
// A row of the result is made in tiles of up to eight vectors that stay in registers while the row's entries pass by,
// so that each entry costs one load and one multiply-add a vector and nothing is written but the result. The rows of
// `dense` lie anywhere: they are asked for kAhead entries before their turn.
#include <hwy/cache_control.h>

#include "tensor/spmm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/spmm_rows.cc"
// Vectors are kept in arrays, which the scalable ones cannot be; the steps between SSE2, AVX2 and AVX-512 gain nothing.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ferry::spmm_kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kAhead = 16;  // entries; enough of them in flight to hide a trip to memory
constexpr int kMost = 8;        // vectors a tile

// The part of one row of the result that a tile makes, and where the work goes on after it.
struct Tile {
  int64_t first;  // its first column of the result
  int64_t next;   // the first column of the tile after it, in this row or the next
  bool last;      // the row's last tile
};

// One tile: kVectors vectors, the last of them under `mask` where kMasked. Few vectors would wait for one another's
// sums, so several entries are then summed apart.
template <int kVectors, bool kMasked, class D, class T, class Index>
HWY_INLINE void multiply_tile(D d, hn::Mask<D> mask, const Rows<T, Index>& x, int64_t row, Tile tile) {
  using V = hn::Vec<D>;
  constexpr int kChains = kVectors == 1 ? 4 : kVectors <= 3 ? 2 : 1;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t begin = x.ends[row], end = x.ends[row + 1];
  const int64_t line = static_cast<int64_t>(64 / sizeof(T));
  const int64_t width = kVectors * lanes;

  V sums[kChains][kVectors];
  for (auto& chain : sums) {
    for (V& sum : chain) sum = hn::Zero(d);
  }
  const auto add = [&](V* chain, int64_t i) HWY_ATTR {
    const T* from = x.dense + static_cast<int64_t>(x.columns[i * x.stride]) * x.n + tile.first;
    const V weight = hn::Set(d, x.values[i]);
    for (int v = 0; v < kVectors; ++v) {
      const bool masked = kMasked && v == kVectors - 1;
      const V dense = masked ? hn::MaskedLoad(mask, d, from + v * lanes) : hn::LoadU(d, from + v * lanes);
      chain[v] = hn::MulAdd(weight, dense, chain[v]);
    }
  };
  // Past the end of the row the next tile's rows are wanted: the same entries again, or those of the row below.
  const auto prefetch = [&](int64_t i) HWY_ATTR {
    int64_t ahead = i + kAhead, first = tile.first;
    if (ahead >= end) {
      first = tile.next;
      if (!tile.last) ahead -= end - begin;
      if (ahead >= x.nnz || ahead < begin) return;
    }
    const T* from = x.dense + static_cast<int64_t>(x.columns[ahead * x.stride]) * x.n + first;
    const int64_t length = HWY_MIN(width, x.n - first);
    for (int64_t at = 0; at < length; at += line) hwy::Prefetch(from + at);
  };
  int64_t i = begin;
  for (; i + kChains <= end; i += kChains) {
    for (int chain = 0; chain < kChains; ++chain) prefetch(i + chain);
    for (int chain = 0; chain < kChains; ++chain) add(sums[chain], i + chain);
  }
  for (int chain = 0; i < end; ++i, ++chain) add(sums[chain], i);

  T* to = x.out + row * x.n + tile.first;
  for (int v = 0; v < kVectors; ++v) {
    V sum = sums[0][v];
    for (int chain = 1; chain < kChains; ++chain) sum = hn::Add(sum, sums[chain][v]);
    if (kMasked && v == kVectors - 1) {
      hn::BlendedStore(sum, mask, d, to + v * lanes);
    } else {
      hn::StoreU(sum, d, to + v * lanes);
    }
  }
}

template <class D, class T, class Index>
HWY_INLINE void multiply_with(D d, const Rows<T, Index>& x, int64_t begin, int64_t end) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t tile = kMost * lanes;
  const int64_t full = (x.n - 1) / tile * tile;  // what is left is one tile of 1 to 8 vectors, the last of them cut
  const int64_t rest = x.n - full, vectors = (rest + lanes - 1) / lanes;
  const auto mask = hn::FirstN(d, static_cast<size_t>(rest - (vectors - 1) * lanes));
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t at = 0; at < full; at += tile) multiply_tile<kMost, false>(d, mask, x, row, {at, at + tile, false});
    const Tile last{full, 0, true};
    switch (vectors) {
      case 1: multiply_tile<1, true>(d, mask, x, row, last); break;
      case 2: multiply_tile<2, true>(d, mask, x, row, last); break;
      case 3: multiply_tile<3, true>(d, mask, x, row, last); break;
      case 4: multiply_tile<4, true>(d, mask, x, row, last); break;
      case 5: multiply_tile<5, true>(d, mask, x, row, last); break;
      case 6: multiply_tile<6, true>(d, mask, x, row, last); break;
      case 7: multiply_tile<7, true>(d, mask, x, row, last); break;
      default: multiply_tile<8, true>(d, mask, x, row, last);
    }
  }
}

// n = 1: each entry is a number, not a vector. Eight sums apart hide the latency of the additions.
template <class T, class Index>
HWY_INLINE void multiply_vector(const Rows<T, Index>& x, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    constexpr int64_t kChains = 8;
    T sums[kChains] = {};
    int64_t i = x.ends[row];
    const int64_t last = x.ends[row + 1];
    for (; i + kChains <= last; i += kChains) {
      for (int64_t chain = 0; chain < kChains; ++chain) {
        sums[chain] += x.values[i + chain] * x.dense[x.columns[(i + chain) * x.stride]];
      }
    }
    for (int64_t chain = 0; i < last; ++i, ++chain) sums[chain] += x.values[i] * x.dense[x.columns[i * x.stride]];
    x.out[row] = ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
  }
}

template <class T, class Index>
HWY_INLINE void multiply(const Rows<T, Index>& x, int64_t begin, int64_t end) {
  const hn::ScalableTag<T> whole;
  const hn::CappedTag<T, 32 / sizeof(T)> half;  // narrow results leave the upper half of a 64-byte vector idle
  if (x.n == 1) {
    multiply_vector(x, begin, end);
  } else if (x.n <= static_cast<int64_t>(hn::Lanes(half))) {
    multiply_with(half, x, begin, end);
  } else {
    multiply_with(whole, x, begin, end);
  }
}

void multiply_f32_i32(const Rows<float, int32_t>& x, int64_t begin, int64_t end) { multiply(x, begin, end); }
void multiply_f32_i64(const Rows<float, int64_t>& x, int64_t begin, int64_t end) { multiply(x, begin, end); }
void multiply_f64_i32(const Rows<double, int32_t>& x, int64_t begin, int64_t end) { multiply(x, begin, end); }
void multiply_f64_i64(const Rows<double, int64_t>& x, int64_t begin, int64_t end) { multiply(x, begin, end); }

template <class T>
HWY_INLINE void add_scaled(const T* from, T weight, T* to, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto w = hn::Set(d, weight);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) hn::StoreU(hn::MulAdd(w, hn::LoadU(d, from + j), hn::LoadU(d, to + j)), d, to + j);
  if (j < n) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(n - j));
    const auto sum = hn::MulAdd(w, hn::MaskedLoad(mask, d, from + j), hn::MaskedLoad(mask, d, to + j));
    hn::BlendedStore(sum, mask, d, to + j);
  }
}

void add_scaled_f32(const float* from, float weight, float* to, int64_t n) { add_scaled(from, weight, to, n); }
void add_scaled_f64(const double* from, double weight, double* to, int64_t n) { add_scaled(from, weight, to, n); }

}  // namespace HWY_NAMESPACE
}  // namespace ferry::spmm_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ferry::spmm_kernels {

HWY_EXPORT(multiply_f32_i32);
HWY_EXPORT(multiply_f32_i64);
HWY_EXPORT(multiply_f64_i32);
HWY_EXPORT(multiply_f64_i64);
HWY_EXPORT(add_scaled_f32);
HWY_EXPORT(add_scaled_f64);

void multiply_rows(const Rows<float, int32_t>& x, int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(multiply_f32_i32)(x, begin, end); }
void multiply_rows(const Rows<float, int64_t>& x, int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(multiply_f32_i64)(x, begin, end); }
void multiply_rows(const Rows<double, int32_t>& x, int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(multiply_f64_i32)(x, begin, end); }
void multiply_rows(const Rows<double, int64_t>& x, int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(multiply_f64_i64)(x, begin, end); }

void add_scaled(const float* from, float weight, float* to, int64_t n) { HWY_DYNAMIC_DISPATCH(add_scaled_f32)(from, weight, to, n); }
void add_scaled(const double* from, double weight, double* to, int64_t n) { HWY_DYNAMIC_DISPATCH(add_scaled_f64)(from, weight, to, n); }

}  // namespace ferry::spmm_kernels
#endif
