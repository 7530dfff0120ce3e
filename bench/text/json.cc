// JSON text ↔ float32 tensor, 1 Mi numbers of a normal distribution, beside the scheme of TensorFlow Serving, emulated (its code is not
// run): in, RapidJSON's DOM walked into a repeated field; out, "%g", read back, "%.9g" where that gave another number, ".0" where it looks
// like an integer. Also beside RapidJSON's own writer and std::to_chars.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "ferry/format.h"
#include "formats/json/json.h"
#include "rapidjson/document.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"

namespace {

using namespace ferry;

const std::vector<float>& numbers() {
  static const std::vector<float> made = [] {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::vector<float> out(1 << 20);
    for (float& value : out) value = normal(random);
    return out;
  }();
  return made;
}

const TensorMap& tensors() {
  static const TensorMap map = [] {
    TensorMap out;
    (void)out.add("", DenseTensor::of<float>(Shape{static_cast<int64_t>(numbers().size())}, numbers()));
    return out;
  }();
  return map;
}

void print_with_ferry(std::string& out) {
  out.clear();
  (void)json::print_tensors(tensors(), {}, *memory_sink(out));
}

void print_as_serving(std::string& out) {
  out = "[";
  for (const float value : numbers()) {
    char text[40];
    std::snprintf(text, sizeof(text), "%g", static_cast<double>(value));
    if (std::strtof(text, nullptr) != value) std::snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
    out += text;
    if (std::strpbrk(text, ".en") == nullptr) out += ".0";
    out += ", ";
  }
  out.replace(out.size() - 2, 2, "]");
}

void print_with_to_chars(std::string& out) {
  out = "[";
  for (const float value : numbers()) {
    char text[40];
    out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
    out += ", ";
  }
  out.replace(out.size() - 2, 2, "]");
}

void print_with_rapidjson(std::string& out) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.StartArray();
  for (const float value : numbers()) writer.Double(static_cast<double>(value));
  writer.EndArray();
  out.assign(buffer.GetString(), buffer.GetSize());
}

const std::string& text() {
  static const std::string made = [] {
    std::string out;
    print_with_ferry(out);
    return out;
  }();
  return made;
}

bool read_with_ferry(std::vector<float>* out) {
  auto read = json::parse_tensors(text());
  benchmark::DoNotOptimize(read);
  if (!read.ok()) return false;
  if (out != nullptr) {
    const auto values = std::get<DenseTensor>((*read)[0].tensor).values<float>();
    out->assign(values.begin(), values.end());
  }
  return true;
}

bool read_as_serving(std::vector<float>* out) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNanAndInfFlag>(text().data(), text().size());
  if (document.HasParseError()) return false;
  std::vector<float> field;  // as a repeated field grows: one by one
  for (const auto& value : document.GetArray()) {
    if (!value.IsNumber()) return false;
    field.push_back(static_cast<float>(value.GetDouble()));
  }
  benchmark::DoNotOptimize(field.data());
  if (out != nullptr) *out = std::move(field);
  return true;
}

template <void (*kPrint)(std::string&)>
void write(benchmark::State& state) {
  std::string out;
  kPrint(out);
  // Whatever was written reads back to the same floats.
  const auto back = json::parse_tensors(out);
  if (!back.ok() || !std::ranges::equal(std::get<DenseTensor>((*back)[0].tensor).values<float>(), numbers())) {
    return state.SkipWithError("answers differ");
  }
  for (auto _ : state) {
    kPrint(out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(numbers().size()));
}

template <bool (*kRead)(std::vector<float>*)>
void read(benchmark::State& state) {
  std::vector<float> got;
  // RapidJSON's usual way of reading may miss a double by its last bit, and so a float once in a great while.
  const auto close = [](float a, float b) { return std::abs(a - b) <= std::abs(b) * 2e-7f; };
  if (!kRead(&got) || got.size() != numbers().size() || !std::ranges::equal(got, numbers(), close))
    return state.SkipWithError("answers differ");
  for (auto _ : state) benchmark::DoNotOptimize(kRead(nullptr));
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(numbers().size()));
}

}  // namespace

BENCHMARK(read<read_with_ferry>)->Name("json_read/ferry")->Unit(benchmark::kMillisecond);
BENCHMARK(read<read_as_serving>)->Name("json_read/TF Serving's scheme, emulated")->Unit(benchmark::kMillisecond);
BENCHMARK(write<print_with_ferry>)->Name("json_write/ferry")->Unit(benchmark::kMillisecond);
BENCHMARK(write<print_as_serving>)->Name("json_write/TF Serving's scheme, emulated")->Unit(benchmark::kMillisecond);
BENCHMARK(write<print_with_rapidjson>)->Name("json_write/RapidJSON")->Unit(benchmark::kMillisecond);
BENCHMARK(write<print_with_to_chars>)->Name("json_write/to_chars")->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
