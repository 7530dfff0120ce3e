// tf.train.Example both ways: columns of 1000 rows to records, against libprotobuf's message filled and serialized (what
// everyone runs), and its message, already filled, only serialized (its best case); and records to columns, against
// libprotobuf parsing and its values copied out. 40 features of one value; and lists: 1024 floats and 512 ids.
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "example.pb.h"
#include "records/columns.h"
#include "records/rows.h"

namespace {

using namespace ferry;
using records::FeatureColumn;

constexpr int kRows = 1000;

struct Data {
  std::vector<FeatureColumn> columns;
  std::vector<std::string> records;  // ours, one a row
};

FeatureColumn column(std::string name, DenseTensor values, int64_t width) {
  FeatureColumn out;
  out.name = std::move(name);
  out.values = std::move(values);
  out.width = width;
  return out;
}

DenseTensor floats(std::mt19937& random, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& v : out) v = static_cast<float>(random()) * 1e-9f;
  return DenseTensor::vector<float>(out);
}
DenseTensor ids(std::mt19937& random, int64_t count) {
  std::vector<int64_t> out(static_cast<size_t>(count));
  for (int64_t& v : out) v = static_cast<int64_t>(random() >> (random() % 28));
  return DenseTensor::vector<int64_t>(out);
}

Data data(int64_t kind) {
  std::mt19937 random(17);
  Data out;
  if (kind == 40) {
    for (int i = 0; i < 20; ++i) out.columns.push_back(column(concat("dense_feature_", i), floats(random, kRows), 1));
    for (int i = 0; i < 20; ++i) out.columns.push_back(column(concat("categorical_", i), ids(random, kRows), 1));
  } else {
    out.columns.push_back(column("embedding", floats(random, 1024 * kRows), 1024));
    out.columns.push_back(column("ids", ids(random, 512 * kRows), 512));
  }
  records::RowEncoder rows(out.columns);
  out.records.resize(kRows);
  for (int row = 0; row < kRows; ++row) rows.append(out.records[static_cast<size_t>(row)], row);
  return out;
}

void fill(proto::Example& message, const Data& data, int row) {
  message.Clear();
  auto& map = *message.mutable_features()->mutable_feature();
  for (const FeatureColumn& column : data.columns) {
    proto::Feature& feature = map[column.name];
    const auto begin = static_cast<size_t>(row * column.width), end = begin + static_cast<size_t>(column.width);
    if (column.kind() == records::FeatureKind::floats) {
      const float* values = column.values.values<float>().data();
      feature.mutable_float_list()->mutable_value()->Add(values + begin, values + end);
    } else {
      const int64_t* values = column.values.values<int64_t>().data();
      feature.mutable_int64_list()->mutable_value()->Add(values + begin, values + end);
    }
  }
}

// Answers first: libprotobuf reads from our bytes what it was filled with itself.
bool agree(const Data& data) {
  for (int row = 0; row < kRows; ++row) {
    proto::Example theirs, ours;
    fill(theirs, data, row);
    if (!ours.ParseFromString(data.records[static_cast<size_t>(row)]) || ours.features().feature_size() != theirs.features().feature_size())
      return false;
    for (const auto& [name, feature] : theirs.features().feature()) {
      const auto it = ours.features().feature().find(name);
      if (it == ours.features().feature().end() || it->second.SerializeAsString() != feature.SerializeAsString()) return false;
    }
  }
  return true;
}

template <class Row>
void per_row(benchmark::State& state, const Data& data, Row&& encode_row) {
  if (!agree(data)) {
    state.SkipWithError("answers differ");
    return;
  }
  int row = 0;
  for (auto _ : state) {
    encode_row(row);
    if (++row == kRows) row = 0;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(data.records[0].size()));
}

void encode_ferry(benchmark::State& state) {
  const Data data = ::data(state.range(0));
  records::RowEncoder rows(data.columns);
  std::vector<char> out(size_t{64} << 10);
  per_row(state, data, [&](int row) {
    rows.measure(row);
    benchmark::DoNotOptimize(rows.put(out.data()));
    benchmark::ClobberMemory();
  });
}

void encode_libprotobuf(benchmark::State& state) {
  const Data data = ::data(state.range(0));
  proto::Example message;
  std::string out;
  per_row(state, data, [&](int row) {
    fill(message, data, row);
    message.SerializeToString(&out);
    benchmark::DoNotOptimize(out.data());
  });
}

void encode_libprotobuf_serialize_only(benchmark::State& state) {
  const Data data = ::data(state.range(0));
  std::vector<proto::Example> messages(kRows);
  for (int row = 0; row < kRows; ++row) fill(messages[static_cast<size_t>(row)], data, row);
  std::string out;
  per_row(state, data, [&](int row) {
    messages[static_cast<size_t>(row)].SerializeToString(&out);
    benchmark::DoNotOptimize(out.data());
  });
}

// All thousand records to columns; the figure is for one.
void decode_ferry(benchmark::State& state) {
  const Data data = ::data(state.range(0));
  while (state.KeepRunningBatch(kRows)) {
    records::ColumnBuilder builder;
    for (const std::string& record : data.records) {
      if (!builder.add(std::as_bytes(std::span(record)), 0).ok()) state.SkipWithError("refused");
    }
    auto columns = std::move(builder).finish();
    benchmark::DoNotOptimize(columns);
  }
}

void decode_libprotobuf(benchmark::State& state) {
  const Data data = ::data(state.range(0));
  proto::Example message;
  std::vector<std::vector<float>> all_floats(data.columns.size());
  std::vector<std::vector<int64_t>> all_ids(data.columns.size());
  while (state.KeepRunningBatch(kRows)) {
    for (auto& v : all_floats) v.clear();
    for (auto& v : all_ids) v.clear();
    for (const std::string& record : data.records) {
      if (!message.ParseFromString(record)) state.SkipWithError("refused");
      const auto& map = message.features().feature();
      for (size_t i = 0; i < data.columns.size(); ++i) {
        const proto::Feature& feature = map.find(data.columns[i].name)->second;
        const auto& f = feature.float_list().value();
        const auto& n = feature.int64_list().value();
        all_floats[i].insert(all_floats[i].end(), f.begin(), f.end());
        all_ids[i].insert(all_ids[i].end(), n.begin(), n.end());
      }
    }
    benchmark::ClobberMemory();
  }
}

}  // namespace

BENCHMARK(encode_ferry)->Name("example_encode/ferry")->Arg(40)->Arg(1536);
BENCHMARK(encode_libprotobuf)->Name("example_encode/libprotobuf")->Arg(40)->Arg(1536);
BENCHMARK(encode_libprotobuf_serialize_only)->Name("example_encode/libprotobuf_serialize_only")->Arg(40)->Arg(1536);
BENCHMARK(decode_ferry)->Name("example_decode/ferry")->Arg(40)->Arg(1536);
BENCHMARK(decode_libprotobuf)->Name("example_decode/libprotobuf")->Arg(40)->Arg(1536);
BENCHMARK_MAIN();
