// One record as people and scripts read it: a tf.train.Example or SequenceExample by its features, anything else as bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/json_text.h"
#include "cli/printer.h"
#include "ferry/tensor.h"
#include "records/columns.h"

namespace ferry::cli {

// Features by name. Of a list: the steps one after another, cut by `splits` or `width`.
struct RecordFeature {
  std::string name;
  records::FeatureKind kind = records::FeatureKind::none;
  bool is_list = false;
  int64_t steps = 1, width = 0;
  DenseTensor values, splits;

  int64_t begin(int64_t step) const { return width >= 0 ? step * width : splits.values<int64_t>()[step]; }
};
struct DecodedRecord {
  records::RecordKind kind = records::RecordKind::other;
  std::vector<RecordFeature> features;
};
// What is not well formed is `other`: a record may be anything.
Result<DecodedRecord> decode_record(std::span<const std::byte> record);

// "int64", "float", "bytes", "nothing".
std::string_view short_name(records::FeatureKind kind);
// Indented lines, one a feature, at most `limit` values each.
void print_record(Printer& out, const DecodedRecord& decoded, std::span<const std::byte> record, int64_t limit);
// "kind":…,"features":{name:[values]} and "lists":{name:[[values]]}, or "data"; numbers that JSON has no word for are strings,
// bytes that are no UTF-8 are {"b64":…}. Members of the object that is open.
void json_record(JsonText& json, const DecodedRecord& decoded, std::span<const std::byte> record, int64_t limit);

}  // namespace ferry::cli
