// Unsorted COO of 20 + 20 bit coordinates: sort, and COO to CSR sorted and not.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "ferry/sparse.h"
#include "tensor/reference.h"

namespace {
using namespace ferry;

SparseTensor make_random(int64_t count) {
  std::mt19937_64 random(7);
  auto indices = MutableBuffer::of<int64_t>(static_cast<size_t>(2 * count));
  auto values = MutableBuffer::of<float>(static_cast<size_t>(count));
  for (int64_t& index : indices->as<int64_t>()) index = static_cast<int64_t>(random() >> 44);
  for (float& value : values->as<float>()) value = static_cast<float>(random() >> 40);
  return *SparseTensor::coo(Shape{1 << 20, 1 << 20}, *DenseTensor::make(DType::int64, Shape{count, 2}, std::move(*indices).freeze()),
                            *DenseTensor::make(DType::float32, Shape{count}, std::move(*values).freeze()));
}

void check(bool good) {
  if (good) return;
  std::fputs("the fast kernel disagrees with the reference\n", stderr);
  std::exit(1);
}

void report(benchmark::State& state, int64_t count) {
  state.counters["ns/entry"] =
      benchmark::Counter(static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void BM_sort(benchmark::State& state) {
  const SparseTensor x = make_random(state.range(0));
  if (x.nnz() <= 1'000'000) check(identical(Tensor(*sort(x)), Tensor(reference::sort(x))));
  for (auto _ : state) benchmark::DoNotOptimize(sort(x));
  report(state, x.nnz());
}

void BM_sort_sorted(benchmark::State& state) {
  const SparseTensor x = sort(make_random(state.range(0)))->with_order({});
  for (auto _ : state) benchmark::DoNotOptimize(sort(x));
  report(state, x.nnz());
}

void BM_coo_to_csr(benchmark::State& state, bool sorted) {
  SparseTensor x = make_random(state.range(0));
  if (sorted) x = sort(x)->with_order({});
  check(identical(Tensor(reference::sort(reference::to_coo(*to_layout(x, Layout::csr)))), Tensor(reference::sort(x))));
  for (auto _ : state) benchmark::DoNotOptimize(to_layout(x, Layout::csr));
  report(state, x.nnz());
}

BENCHMARK(BM_sort)->Arg(1'000'000)->Arg(10'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_sort_sorted)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_coo_to_csr, sorted, true)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_coo_to_csr, unsorted, false)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
