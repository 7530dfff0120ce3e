// Dense float32 [4096, 4096] (64 MiB) to COO and CSR, and back, at the densities of docs/performance.md.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "ferry/sparse.h"
#include "tensor/reference.h"

namespace {
using namespace ferry;

DenseTensor make_dense(int per_mille) {
  constexpr int64_t kSide = 4096;
  std::mt19937_64 random(2);
  auto buffer = MutableBuffer::of<float>(kSide * kSide);
  for (float& x : buffer->as<float>()) {
    const uint64_t r = random();
    x = r % 1000 < static_cast<uint64_t>(per_mille) ? static_cast<float>(r >> 40) + 1 : 0;
  }
  return *DenseTensor::make(DType::float32, Shape{kSide, kSide}, std::move(*buffer).freeze());
}

void check(bool good) {
  if (good) return;
  std::fputs("the fast kernel disagrees with the reference\n", stderr);
  std::exit(1);
}

void BM_from_dense(benchmark::State& state, Layout layout) {
  const DenseTensor dense = make_dense(static_cast<int>(state.range(0)));
  const SparseTensor expected = *to_layout(*reference::from_dense(dense), layout);
  check(identical(Tensor(*from_dense(dense, layout)), Tensor(expected)));
  for (auto _ : state) benchmark::DoNotOptimize(from_dense(dense, layout));
  state.SetBytesProcessed(static_cast<int64_t>(dense.num_bytes()) * state.iterations());
}

void BM_to_dense(benchmark::State& state, Layout layout) {
  const DenseTensor dense = make_dense(static_cast<int>(state.range(0)));
  const SparseTensor sparse = *from_dense(dense, layout);
  check(identical(Tensor(*to_dense(sparse)), Tensor(dense)));
  for (auto _ : state) benchmark::DoNotOptimize(to_dense(sparse));
  state.SetBytesProcessed(static_cast<int64_t>(dense.num_bytes()) * state.iterations());
}

void densities(benchmark::internal::Benchmark* bench) { bench->Arg(1)->Arg(10)->Arg(100)->Arg(500)->Unit(benchmark::kMillisecond); }
BENCHMARK_CAPTURE(BM_from_dense, coo, Layout::coo)->Apply(densities);
BENCHMARK_CAPTURE(BM_from_dense, csr, Layout::csr)->Apply(densities);
BENCHMARK_CAPTURE(BM_to_dense, coo, Layout::coo)->Apply(densities);
BENCHMARK_CAPTURE(BM_to_dense, csr, Layout::csr)->Apply(densities);

}  // namespace

BENCHMARK_MAIN();
