// What records hold, and the features that read them.
#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "ferry/features.h"
#include "records/columns.h"
#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry {
namespace {

using proto::bytes_tag;
using records::FeatureKind;

constexpr size_t kMaxAxes = 8;

// What is known of one key.
struct Facts {
  std::string name;
  bool is_list = false;
  FeatureKind kind = FeatureKind::none;
  int64_t records = 0, counted = 0;  // records that have it; rows or steps that were counted
  int64_t min_values = 0, max_values = 0, values = 0, max_steps = 0;
  int64_t last_record = -1, first_other = -1;  // first_other: where another kind was found
  FeatureKind other = FeatureKind::none;
  int64_t max_int = -1, min_int = 0;
  bool rising = true;    // the integers of each row
  bool constant = true;  // the same few integers in every row
  std::array<int64_t, kMaxAxes> ints{};

  void count(int64_t n) {
    if (counted++ == 0) {
      min_values = max_values = n;
    } else {
      min_values = std::min(min_values, n);
      max_values = std::max(max_values, n);
    }
    values += n;
  }
  bool uniform() const { return min_values == max_values; }
};

// An Example { features { entry… } } or the Features alone, whose every entry has a key that is text, and a value.
bool is_features(std::span<const std::byte> bytes, bool lists) {
  proto::Reader map(bytes);
  while (map.next()) {
    if (map.tag() != bytes_tag(1)) return false;
    proto::Reader entry = map.message();
    bool key = false, value = false;
    while (entry.next()) {
      if (entry.tag() == bytes_tag(1)) {
        key = is_utf8(entry.text());
        if (!key) return false;
      } else if (entry.tag() == bytes_tag(2)) {
        proto::Reader in = entry.message();
        while (in.next()) {
          const bool known = lists ? in.tag() == bytes_tag(1) : (in.tag() & 7) == 2 && in.field() <= 3;
          if (!known) return false;
          in.skip();
        }
        value = in.ok();
        if (!value) return false;
      } else {
        return false;
      }
    }
    if (!entry.ok() || !key || !value) return false;
  }
  return map.ok();
}
bool is_example(std::span<const std::byte> bytes) {
  proto::Reader in(bytes);
  while (in.next()) {
    if (in.tag() != bytes_tag(1) || !is_features(in.bytes(), false)) return false;
  }
  return in.ok();
}

RecordContent content_of(std::span<const std::byte> record) {
  bool example = true, lists = false, in_context = true, context = false;
  proto::Reader in(record);
  while (in.next()) {
    if (in.tag() != bytes_tag(1) && in.tag() != bytes_tag(2)) return RecordContent::other;
    const bool second = in.tag() == bytes_tag(2);
    const auto bytes = in.bytes();
    (second ? lists : context) = true;
    if (example && !is_features(bytes, second)) example = false;
    if (in_context && !is_example(bytes)) in_context = false;
    if (!example && !in_context) return RecordContent::other;
  }
  if (!in.ok()) return RecordContent::other;
  if (example) return lists ? RecordContent::sequence_example : RecordContent::example;
  return RecordContent::examples_in_context;
}

// The features of one message, by name.
class Table {
 public:
  Status add(std::span<const std::byte> map, bool lists, int64_t record, const Limits& limits) {
    proto::Reader in(map);
    while (in.next()) {
      if (in.tag() != bytes_tag(1)) {
        in.skip();
        continue;
      }
      proto::Reader entry = in.message();
      std::string_view key;
      std::span<const std::byte> value;
      while (entry.next()) {
        if (entry.tag() == bytes_tag(1)) {
          key = entry.text();
        } else if (entry.tag() == bytes_tag(2)) {
          value = entry.bytes();
        } else {
          entry.skip();
        }
      }
      FERRY_RETURN_IF_ERROR(entry.status());
      FERRY_ASSIGN_OR_RETURN(Facts* const facts, facts_of(key, lists, limits));
      if (facts->last_record == record) continue;  // of two with one key the last counts; here either will do
      facts->last_record = record;
      ++facts->records;
      if (lists) {
        FERRY_RETURN_IF_ERROR(steps(*facts, value, record));
      } else {
        FERRY_RETURN_IF_ERROR(feature(*facts, value, record));
      }
    }
    return in.status();
  }
  const std::vector<Facts>& all() const { return facts_; }
  const Facts* find(std::string_view name) const {
    const auto it = names_.find(std::string(name));
    return it == names_.end() ? nullptr : &facts_[it->second];
  }

 private:
  Result<Facts*> facts_of(std::string_view key, bool lists, const Limits& limits) {
    auto& names = lists ? lists_ : names_;
    const auto it = names.find(std::string(key));
    if (it != names.end()) return &facts_[it->second];
    if (facts_.size() >= limits.max_tensors) return limit_exceeded(concat("more than ", limits.max_tensors, " features (max_tensors)"));
    if (key.size() > limits.max_name_bytes) {
      return limit_exceeded(concat("the name of a feature has ", key.size(), " bytes (max_name_bytes)"));
    }
    names.emplace(key, facts_.size());
    facts_.emplace_back();
    facts_.back().name = key;
    facts_.back().is_list = lists;
    return &facts_.back();
  }

  static Status steps(Facts& facts, std::span<const std::byte> list, int64_t record) {
    int64_t count = 0;
    proto::Reader in(list);
    while (in.next()) {
      if (in.tag() == bytes_tag(1)) {
        FERRY_RETURN_IF_ERROR(feature(facts, in.bytes(), record));
        ++count;
      } else {
        in.skip();
      }
    }
    facts.max_steps = std::max(facts.max_steps, count);
    return in.status();
  }

  static Status feature(Facts& facts, std::span<const std::byte> bytes, int64_t record) {
    FeatureKind kind = FeatureKind::none;
    int64_t count = 0, last = -1;
    bool rising = true, same = true;
    const auto take_int = [&](uint64_t bits) {
      const auto value = static_cast<int64_t>(bits);
      facts.max_int = std::max(facts.max_int, value);
      facts.min_int = std::min(facts.min_int, value);
      rising = rising && value > last;
      last = value;
      const auto at = static_cast<size_t>(count++);
      if (at >= kMaxAxes) {
        same = false;
      } else if (facts.counted == 0) {
        facts.ints[at] = value;
      } else {
        same = same && facts.ints[at] == value;
      }
    };
    proto::Reader in(bytes);
    while (in.next()) {
      if ((in.tag() & 7) != 2 || in.field() > 3) {
        in.skip();
        continue;
      }
      kind = static_cast<FeatureKind>(in.field());
      count = 0;
      proto::Reader list = in.message();
      while (list.next()) {
        if (list.field() != 1) {
          list.skip();
        } else if (kind == FeatureKind::bytes && list.tag() == bytes_tag(1)) {
          list.bytes();
          ++count;
        } else if (kind == FeatureKind::floats && list.tag() == bytes_tag(1)) {
          count += static_cast<int64_t>(list.bytes().size() / 4);
        } else if (kind == FeatureKind::floats && list.tag() == proto::fixed32_tag(1)) {
          list.fixed32();
          ++count;
        } else if (kind == FeatureKind::ints && list.tag() == bytes_tag(1)) {
          if (!proto::for_each_varint(list.bytes(), take_int)) return data_loss("the packed values end inside a value");
        } else if (kind == FeatureKind::ints && list.tag() == proto::varint_tag(1)) {
          take_int(list.varint());
        } else {
          list.skip();
        }
      }
      FERRY_RETURN_IF_ERROR(list.status());
    }
    FERRY_RETURN_IF_ERROR(in.status());
    if (kind != FeatureKind::none) {
      if (facts.kind == FeatureKind::none) facts.kind = kind;
      if (facts.kind != kind && facts.first_other < 0) {
        facts.first_other = record;
        facts.other = kind;
      }
    }
    facts.rising = facts.rising && rising;
    facts.constant = facts.constant && same;
    facts.count(count);
    return {};
  }

  std::vector<Facts> facts_;
  std::unordered_map<std::string, size_t> names_, lists_;
};

DType dtype_of_kind(FeatureKind kind) {
  switch (kind) {
    case FeatureKind::bytes: return DType::string;
    case FeatureKind::ints: return DType::int64;
    case FeatureKind::none:
    case FeatureKind::floats: break;
  }
  return DType::float32;
}

InferredFeature describe(const Facts& facts, int64_t records) {
  InferredFeature out;
  out.is_list = facts.is_list;
  out.records = facts.records;
  out.min_values = facts.min_values;
  out.max_values = facts.max_values;
  out.values = facts.values;
  out.max_steps = facts.max_steps;
  const DType dtype = dtype_of_kind(facts.kind);
  const bool uniform = facts.uniform() && facts.max_values > 0;
  const Shape shape = facts.max_values == 1 ? Shape{} : Shape{facts.max_values};
  if (facts.is_list) {
    out.spec = uniform ? FeatureSpec::fixed_len_sequence(facts.name, dtype, shape) : FeatureSpec::ragged(facts.name, dtype);
  } else {
    out.spec =
        uniform && facts.records == records ? FeatureSpec::fixed_len(facts.name, dtype, shape) : FeatureSpec::ragged(facts.name, dtype);
  }
  if (facts.first_other >= 0) {
    out.conflict = concat("record ", facts.first_other, " has a ", records::kind_name(facts.other), ", those before a ",
                          records::kind_name(facts.kind));
  }
  return out;
}

// x/indices (or x/indices_0 …), x/values and x/dense_shape are parts of x, as tables.h reads them.
std::optional<InferredFeature> sparse_of(const Table& table, const Facts& values, int64_t records, std::vector<const Facts*>& parts) {
  constexpr std::string_view kValues = "values";
  if (values.is_list || !std::string_view(values.name).ends_with(kValues)) return std::nullopt;
  const std::string prefix = values.name.substr(0, values.name.size() - kValues.size());
  if (!prefix.empty() && (prefix.size() < 2 || prefix.back() != '/')) return std::nullopt;
  const auto fits = [&](const Facts* indices) {
    return indices != nullptr && indices->kind == FeatureKind::ints && indices->first_other < 0 && indices->min_int >= 0 &&
           indices->records == values.records && indices->values == values.values && indices->min_values == values.min_values &&
           indices->max_values == values.max_values;
  };
  if (values.first_other >= 0 || values.values == 0) return std::nullopt;
  Shape shape;
  const Facts* const dims = table.find(concat(prefix, "dense_shape"));
  if (dims != nullptr) {
    if (dims->kind != FeatureKind::ints || !dims->constant || !dims->uniform() || dims->records != records ||
        dims->max_values > static_cast<int64_t>(kMaxAxes))
      return std::nullopt;
    for (int64_t axis = 0; axis < dims->max_values; ++axis) shape.append(dims->ints[static_cast<size_t>(axis)]);
  }
  InferredFeature out = describe(values, records);
  std::vector<std::string> keys;
  if (const Facts* one = table.find(concat(prefix, "indices")); fits(one)) {
    if (dims == nullptr) {
      if (!one->rising || one->max_int == INT64_MAX) return std::nullopt;
      shape.append(one->max_int + 1);
    }
    if (shape.rank() != 1) return std::nullopt;
    parts.push_back(one);
    keys.push_back(one->name);
  } else {
    for (size_t axis = 0; dims != nullptr && axis < shape.rank(); ++axis) {
      const Facts* const indices = table.find(concat(prefix, "indices_", axis));
      if (!fits(indices)) return std::nullopt;
      parts.push_back(indices);
      keys.push_back(indices->name);
    }
    if (keys.empty()) return std::nullopt;
  }
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] < 0 || parts[axis]->max_int >= shape[axis]) return std::nullopt;
  }
  if (dims != nullptr) parts.push_back(dims);
  parts.push_back(&values);
  out.spec = FeatureSpec::sparse(prefix.empty() ? std::string() : prefix.substr(0, prefix.size() - 1), dtype_of_kind(values.kind), shape,
                                 std::move(keys), values.name);
  return out;
}

std::vector<InferredFeature> describe(const Table& table, int64_t records) {
  std::unordered_map<const Facts*, InferredFeature> groups;  // by the first of their parts
  std::unordered_set<const Facts*> used;
  for (const Facts& facts : table.all()) {
    std::vector<const Facts*> parts;
    auto sparse = sparse_of(table, facts, records, parts);
    if (!sparse || (table.find(sparse->spec.name) != nullptr && !sparse->spec.name.empty())) continue;
    groups.emplace(*std::ranges::min_element(parts), *std::move(sparse));
    used.insert(parts.begin(), parts.end());
  }
  std::vector<InferredFeature> out;
  for (const Facts& facts : table.all()) {
    if (const auto it = groups.find(&facts); it != groups.end()) out.push_back(it->second);
    if (!used.contains(&facts)) out.push_back(describe(facts, records));
  }
  return out;
}

}  // namespace

std::string_view content_name(RecordContent content) {
  switch (content) {
    case RecordContent::example: return "Example";
    case RecordContent::sequence_example: return "SequenceExample";
    case RecordContent::examples_in_context: return "ExampleListWithContext";
    case RecordContent::other: return "other";
  }
  __builtin_unreachable();
}

std::vector<FeatureSpec> InferredFeatures::specs(bool lists) const {
  std::vector<FeatureSpec> out;
  for (const InferredFeature& feature : features) {
    if (feature.is_list == lists) out.push_back(feature.spec);
  }
  return out;
}

struct FeatureInference::Impl {
  Limits limits;
  RecordContent content = RecordContent::other;
  int64_t records = 0, empty = 0, examples = 0;
  Table features, inner;  // inner: of the examples in a context

  Status add(RecordBytes record);
};

FeatureInference::FeatureInference(const Limits& limits) : impl_(std::make_unique<Impl>()) { impl_->limits = limits; }
FeatureInference::FeatureInference(FeatureInference&&) noexcept = default;
FeatureInference::~FeatureInference() = default;

Status FeatureInference::Impl::add(RecordBytes record) {
  const RecordContent found = content_of(record);
  if (found == RecordContent::other)
    return data_loss(concat("record ", records, " is no Example, SequenceExample or ExampleListWithContext"));
  // An Example among SequenceExamples is one without lists; a record without bytes is any of them.
  if (content == RecordContent::other || (content == RecordContent::example && found == RecordContent::sequence_example)) {
    content = found;
  } else if (found != content && !record.empty() && !(content == RecordContent::sequence_example && found == RecordContent::example)) {
    // Records without bytes at the front said nothing.
    if (empty != records)
      return data_loss(concat("record ", records, " is a ", content_name(found), ", those before are ", content_name(content), "s"));
    content = found;
  }
  proto::Reader in(record);
  while (in.next()) {
    const bool second = in.tag() == bytes_tag(2);
    const auto bytes = in.bytes();
    if (found != RecordContent::examples_in_context) {
      FERRY_RETURN_IF_ERROR(features.add(bytes, second, records, limits));
      continue;
    }
    proto::Reader example(bytes);
    while (example.next())
      FERRY_RETURN_IF_ERROR((second ? features : inner).add(example.bytes(), false, second ? records : examples, limits));
    if (!second) ++examples;
  }
  if (record.empty()) ++empty;
  ++records;
  return {};
}

Status FeatureInference::add(RecordBytes record) { return impl_->add(record); }

InferredFeatures FeatureInference::finish() const {
  InferredFeatures out;
  out.content = impl_->content;
  out.records = impl_->records;
  out.features = describe(impl_->features, impl_->records);
  out.examples = describe(impl_->inner, impl_->examples);
  return out;
}

Result<InferredFeatures> infer_features(std::span<const RecordBytes> records, const Limits& limits) {
  FeatureInference inference(limits);
  for (const RecordBytes& record : records) FERRY_RETURN_IF_ERROR(inference.add(record));
  return inference.finish();
}

}  // namespace ferry
