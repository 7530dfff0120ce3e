// libsvm text to CSR arrays: ours against a plain strtod loop that does the least a reader can do. 10 MB of text.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "ferry/format.h"
#include "ferry/sparse.h"

namespace {

using namespace ferry;

const std::string& text() {
  static const std::string made = [] {
    std::mt19937 random(5);
    std::string out;
    while (out.size() < 10'000'000) {
      out += random() % 2 == 0 ? "1" : "-1";
      int column = 0;
      for (int i = 0; i < 50; ++i) {
        column += 1 + static_cast<int>(random() % 2000);
        char pair[40];
        out.append(
            pair, static_cast<size_t>(std::snprintf(pair, sizeof(pair), " %d:%.6g", column, static_cast<double>(random()) / 4294967296.0)));
      }
      out += '\n';
    }
    return out;
  }();
  return made;
}

struct Arrays {
  std::vector<double> labels, values;
  std::vector<int64_t> indptr{0};
  std::vector<int32_t> indices;
};

Arrays strtod_loop() {
  Arrays out;
  const char* at = text().c_str();
  while (*at != '\0') {
    char* next;
    out.labels.push_back(std::strtod(at, &next));
    at = next;
    while (*at == ' ') {
      out.indices.push_back(static_cast<int32_t>(std::strtol(at, &next, 10)) - 1);
      at = next + 1;
      out.values.push_back(std::strtod(at, &next));
      at = next;
    }
    out.indptr.push_back(static_cast<int64_t>(out.values.size()));
    ++at;
  }
  return out;
}

Result<TensorMap> ours() { return read_tensors(memory_source(Buffer::borrow(text().data(), text().size())), find_format("libsvm")); }

bool agree() {
  const Arrays theirs = strtod_loop();
  auto mine = ours();
  if (!mine.ok()) return false;
  const auto& x = std::get<SparseTensor>(mine->find("x")->tensor);
  return std::ranges::equal(x.values().values<double>(), theirs.values) &&
         (x.index_dtype() == DType::int32 ? std::ranges::equal(x.indices().values<int32_t>(), theirs.indices)
                                          : std::ranges::equal(x.indices().values<int64_t>(), theirs.indices));
}

void ferry_reader(benchmark::State& state) {
  if (!agree()) return state.SkipWithError("answers differ");
  for (auto _ : state) benchmark::DoNotOptimize(ours());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text().size()));
}

void strtod_reader(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(strtod_loop());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text().size()));
}

}  // namespace

BENCHMARK(ferry_reader)->Name("libsvm/ferry")->Unit(benchmark::kMillisecond);
BENCHMARK(strtod_reader)->Name("libsvm/strtod")->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
