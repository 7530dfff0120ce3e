// A small language for tests: Examples and SequenceExamples as one would write them down.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/features.h"
#include "wire/protobuf.h"

namespace ferry::example_language {

inline std::string field(uint32_t number, std::string_view value) {
  std::string out;
  proto::append_bytes_field(out, number, value);
  return out;
}
inline std::string ints(std::initializer_list<int64_t> values) {
  std::string packed;
  for (int64_t v : values) proto::append_varint(packed, static_cast<uint64_t>(v));
  return field(3, values.size() == 0 ? "" : field(1, packed));
}
inline std::string floats(std::initializer_list<float> values) {
  std::string packed;
  for (float v : values) packed.append(reinterpret_cast<const char*>(&v), 4);
  return field(2, values.size() == 0 ? "" : field(1, packed));
}
inline std::string strings(std::initializer_list<std::string_view> values) {
  std::string list;
  for (std::string_view v : values) list += field(1, v);
  return field(1, list);
}
inline std::string entry(std::string_view key, std::string_view feature) { return field(1, field(1, key) + field(2, feature)); }
inline std::string example(std::initializer_list<std::pair<std::string_view, std::string>> features) {
  std::string map;
  for (const auto& [key, feature] : features) map += entry(key, feature);
  return field(1, map);
}

inline std::vector<RecordBytes> bytes_of(const std::vector<std::string>& records) {
  std::vector<RecordBytes> out;
  for (const std::string& record : records) out.push_back(std::as_bytes(std::span(record)));
  return out;
}
inline std::string sequence(std::initializer_list<std::pair<std::string_view, std::string>> context,
                            std::initializer_list<std::pair<std::string_view, std::vector<std::string>>> lists) {
  std::string map;
  for (const auto& [key, steps] : lists) {
    std::string list;
    for (const std::string& step : steps) list += field(1, step);
    map += entry(key, list);
  }
  return example(context) + field(2, map);
}

}  // namespace ferry::example_language
