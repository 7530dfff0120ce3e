// Features and records from the same bytes, through the parsers of Examples and SequenceExamples. Each record is read by the
// short way and, with a field in front that nobody knows, by the letter: both accept with the same tensors, or both refuse. A
// batch gives what its records give; what comes out is valid.
//
//   features: a count, then for each a key, a kind, a dtype, a shape   records: a length each
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ferry/features.h"
#include "ferry/thread_pool.h"

namespace {

using namespace ferry;

[[noreturn]] void differ(const char* what, const Status& status = {}) {
  std::fprintf(stderr, "%s %s\n", what, status.to_string().c_str());
  std::abort();
}

struct Input {
  const uint8_t* at;
  const uint8_t* end;
  uint8_t byte() { return at < end ? *at++ : 0; }
  std::string bytes(size_t size) {
    size = std::min(size, static_cast<size_t>(end - at));
    std::string out(reinterpret_cast<const char*>(at), size);
    at += size;
    return out;
  }
};

constexpr DType kDTypes[] = {DType::int64, DType::float32, DType::string};
// Keys that the corpus uses, so that few bytes find them.
constexpr const char* kKeys[] = {"a", "b", "", "key", "aa_12345678", "bb_12345678", "x/indices", "x/values"};

FeatureSpec feature(Input& in) {
  const std::string name = kKeys[in.byte() % 8];
  const DType dtype = kDTypes[in.byte() % 3];
  const uint8_t more = in.byte();
  const Shape shape = more % 4 == 0 ? Shape{} : more % 4 == 1 ? Shape{1} : more % 4 == 2 ? Shape{2} : Shape{1, 3};
  const auto fallback = [&](const Shape& of) -> std::optional<DenseTensor> {
    if (more < 128) return std::nullopt;
    const auto count = static_cast<size_t>(of.num_elements().value());
    if (dtype == DType::int64) return DenseTensor::of<int64_t>(of, std::vector<int64_t>(count, -5));
    if (dtype == DType::float32) return DenseTensor::of<float>(of, std::vector<float>(count, 0.5f));
    return DenseTensor::of_strings(of, std::vector<std::string_view>(count, "default"));
  };
  switch (in.byte() % 6) {
    case 0:
    case 1: return FeatureSpec::fixed_len(name, dtype, shape, fallback(shape));
    case 2: return FeatureSpec::fixed_len_sequence(name, dtype, shape, fallback(Shape{}));
    case 3: return FeatureSpec::var_len(name, dtype);
    case 4: {
      FeatureSpec out = FeatureSpec::sparse(name, dtype, Shape{100}, {kKeys[in.byte() % 8]}, kKeys[in.byte() % 8]);
      out.already_sorted = more % 2 == 0;
      return out;
    }
    default: {
      FeatureSpec out = FeatureSpec::ragged(name, dtype);
      out.row_splits_dtype = more % 2 == 0 ? DType::int32 : DType::int64;
      for (uint8_t i = in.byte() % 3; i > 0; --i) {
        const auto kind = static_cast<RaggedPartition::Kind>(in.byte() % 6);
        out.partitions.push_back({kind, kKeys[in.byte() % 8], more % 5});
      }
      return out;
    }
  }
}
std::vector<FeatureSpec> features(Input& in) {
  std::vector<FeatureSpec> out;
  for (uint8_t i = in.byte() % 6; i > 0; --i) out.push_back(feature(in));
  return out;
}

void check_valid(const TensorMap& map) {
  for (const auto& entry : map) {
    if (const Status status = validate(entry.tensor, Validation::bounds); !status.ok()) differ("an invalid tensor:", status);
  }
}

std::vector<RecordBytes> views(const std::vector<std::string>& records) {
  std::vector<RecordBytes> out;
  for (const std::string& record : records) out.push_back(std::as_bytes(std::span(record)));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in{data, data + size};
  Limits limits;
  limits.max_densified_bytes = limits.free_expanded_bytes = 1 << 24;
  const bool sequences = in.byte() % 4 == 3;
  const std::vector<FeatureSpec> first = features(in), second = sequences ? features(in) : std::vector<FeatureSpec>();
  std::vector<std::string> records, odd;
  while (in.at < in.end && records.size() < 40) {
    const size_t length = in.byte();
    records.push_back(in.bytes(length == 255 ? SIZE_MAX : length));
    odd.push_back("\x18\x01" + records.back());
  }
  (void)infer_features(views(records), limits);
  if (sequences) {
    auto parser = SequenceExampleParser::make(first, second, limits);
    if (!parser.ok()) return 0;
    for (const std::string& record : records) {
      if (const auto one = parser->parse_single(std::as_bytes(std::span(record))); one.ok()) {
        check_valid(one->context);
        check_valid(one->lists);
      }
    }
    if (const auto all = parser->parse(views(records)); all.ok()) {
      check_valid(all->context);
      check_valid(all->lists);
    }
    return 0;
  }
  auto parser = ExampleParser::make(first, limits);
  if (!parser.ok()) return 0;
  bool every = true;
  for (size_t i = 0; i < records.size(); ++i) {
    const RecordBytes plain = std::as_bytes(std::span(records[i])), letter = std::as_bytes(std::span(odd[i]));
    const auto a = parser->parse_single(plain), b = parser->parse_single(letter);
    if (a.ok() != b.ok()) differ("one way accepts, the other refuses:", a.ok() ? b.status() : a.status());
    if (a.ok()) {
      check_valid(*a);
      if (!identical(*a, *b)) differ("the two ways differ");
    }
    const auto c = parser->parse(std::span(&plain, 1)), d = parser->parse(std::span(&letter, 1));
    if (c.ok() != d.ok()) differ("one way accepts, the other refuses, in a batch:", c.ok() ? d.status() : c.status());
    if (c.ok() && !identical(*c, *d)) differ("the two ways differ in a batch");
    every = every && c.ok();
  }
  int64_t failed = -1;
  ParseOptions options;
  options.failed = &failed;
  const auto all = parser->parse(views(records), options);
  if (all.ok()) {
    check_valid(*all);
    static ThreadPool threads(2);
    ParseOptions split;
    split.threads = &threads;
    const auto again = parser->parse(views(odd), split);
    if (!again.ok() || !identical(*all, *again)) differ("a batch in parts differs");
  }
  if (!all.ok() && every && all.status().code() == StatusCode::invalid_argument && failed >= 0) {
    // Only coordinates and partitions are held against other records, and those by their totals.
    bool together = false;
    for (const FeatureSpec& spec : first) together = together || spec.kind == FeatureSpec::Kind::sparse;
    if (!together) differ("a batch of good records is refused:", all.status());
  }
  return 0;
}
