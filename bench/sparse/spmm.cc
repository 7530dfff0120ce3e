// Sparse times dense against Eigen's RowMajor product. Answers are compared before anything is timed.
#include <benchmark/benchmark.h>

#include <Eigen/SparseCore>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "ferry/sparse.h"

namespace {

using Sparse = Eigen::SparseMatrix<float, Eigen::RowMajor>;
using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr unsigned kSeed = 20240607;

struct Case {
  ferry::SparseTensor csr, coo, csc;
  ferry::DenseTensor dense;
  Sparse eigen_sparse;
  Dense eigen_dense, eigen_out;
  std::vector<float> out;

  Case(int64_t m, int64_t k, int64_t nnz, int64_t n) {
    std::mt19937_64 random(kSeed);
    std::normal_distribution<float> normal;
    std::vector<int64_t> at;
    std::vector<float> values, numbers(static_cast<size_t>(k * n));
    std::vector<Eigen::Triplet<float>> triplets;
    // A permuted stride gives as many distinct coordinates as asked for.
    for (int64_t i = 0; i < nnz; ++i) {
      at.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(m)));
      at.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(k)));
      values.push_back(normal(random));
    }
    for (float& v : numbers) v = normal(random);
    coo = *ferry::coalesce(*ferry::SparseTensor::coo(ferry::Shape{m, k},
                                                     ferry::DenseTensor::of<int64_t>(ferry::Shape{nnz, 2}, std::span<const int64_t>(at)),
                                                     ferry::DenseTensor::vector<float>(std::span<const float>(values))));
    csr = *ferry::to_layout(coo, ferry::Layout::csr);
    csc = *ferry::to_layout(coo, ferry::Layout::csc);
    dense = ferry::DenseTensor::of<float>(ferry::Shape{k, n}, std::span<const float>(numbers));
    for (int64_t i = 0; i < coo.nnz(); ++i) {
      triplets.emplace_back(static_cast<int>(coo.coordinates()[2 * i]), static_cast<int>(coo.coordinates()[2 * i + 1]),
                            coo.values().values<float>()[static_cast<size_t>(i)]);
    }
    eigen_sparse.resize(m, k);
    eigen_sparse.setFromTriplets(triplets.begin(), triplets.end());
    eigen_dense = Eigen::Map<const Dense>(numbers.data(), k, n);
    eigen_out.resize(m, n);
    out.resize(static_cast<size_t>(m * n));
    compare();
  }

  void run_ferry(const ferry::SparseTensor& x, ferry::ThreadPool* pool) {
    const ferry::Status status = ferry::spmm_into(x, dense.view(), std::as_writable_bytes(std::span(out)), pool);
    if (!status.ok()) std::abort();
  }
  void run_eigen() { eigen_out.noalias() = eigen_sparse * eigen_dense; }

  void compare() {
    run_eigen();
    for (const auto* x : {&csr, &coo, &csc}) {
      run_ferry(*x, nullptr);
      for (size_t i = 0; i < out.size(); ++i) {
        if (std::abs(out[i] - eigen_out.data()[i]) > 1e-4f * (1 + std::abs(eigen_out.data()[i]))) {
          std::fprintf(stderr, "element %zu: ferry %g, Eigen %g\n", i, static_cast<double>(out[i]),
                       static_cast<double>(eigen_out.data()[i]));
          std::exit(1);
        }
      }
    }
  }
};

Case& the_case(benchmark::State& state) {
  static std::map<std::vector<int64_t>, std::unique_ptr<Case>> cases;
  auto& slot = cases[{state.range(0), state.range(1), state.range(2), state.range(3)}];
  if (!slot) slot = std::make_unique<Case>(state.range(0), state.range(1), state.range(2), state.range(3));
  return *slot;
}

void report(benchmark::State& state, const Case& c) {
  const auto flops = 2.0 * static_cast<double>(c.csr.nnz() * state.range(3));
  state.counters["FLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}

void eigen(benchmark::State& state) {
  Case& c = the_case(state);
  for (auto _ : state) {
    c.run_eigen();
    benchmark::ClobberMemory();
  }
  report(state, c);
}

void ferry_layout(benchmark::State& state, const ferry::SparseTensor Case::*layout, int threads) {
  Case& c = the_case(state);
  ferry::ThreadPool pool(threads);
  for (auto _ : state) {
    c.run_ferry(c.*layout, &pool);
    benchmark::ClobberMemory();
  }
  report(state, c);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "k", "nnz", "n"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  b->Args({256, 100'000, 25'600, 64})->Args({1024, 100'000, 51'200, 128});
  for (int64_t n : {1, 8, 64, 256}) b->Args({4096, 65'536, 262'144, n});
}

BENCHMARK(eigen)->Name("spmm/eigen")->Apply(shapes);
BENCHMARK_CAPTURE(ferry_layout, , &Case::csr, 1)->Name("spmm/ferry")->Apply(shapes);
BENCHMARK_CAPTURE(ferry_layout, , &Case::csr, 2)->Name("spmm/ferry_2_threads")->Apply(shapes);
BENCHMARK_CAPTURE(ferry_layout, , &Case::coo, 1)->Name("spmm/ferry_coo")->Apply(shapes);
BENCHMARK_CAPTURE(ferry_layout, , &Case::csc, 1)->Name("spmm/ferry_csc")->Apply(shapes);

}  // namespace

BENCHMARK_MAIN();
