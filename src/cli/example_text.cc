#include "cli/example_text.h"

#include <algorithm>
#include <cmath>

#include "cli/element_text.h"
#include "cli/text.h"
#include "wire/json.h"
#include "wire/utf8.h"

namespace ferry::cli {
namespace {

using records::FeatureKind;
using records::RecordKind;

void append_value(std::string& out, const RecordFeature& feature, int64_t i) {
  constexpr size_t kShown = 120;  // bytes of one string
  if (feature.kind == FeatureKind::bytes) {
    const std::string_view text = feature.values.strings()[i];
    append_quoted(out, text.substr(0, kShown));
    if (text.size() > kShown) out += concat("… (", text.size(), " bytes)");
  } else {
    element_text(feature.values.dtype())(out, feature.values, i);
  }
}

void append_values(std::string& out, const RecordFeature& feature, int64_t begin, int64_t end, int64_t limit) {
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) out += ", ";
    if (i - begin == limit) {
      out += concat("… ", end - i, " more");
      break;
    }
    append_value(out, feature, i);
  }
}

void json_bytes(JsonText& json, std::string_view bytes) {
  if (is_utf8(bytes)) {
    json.text(bytes);
    return;
  }
  std::string text;
  json::append_base64(text, bytes);
  json.begin_object().member("b64", text).end_object();
}

void json_values(JsonText& json, const RecordFeature& feature, int64_t begin, int64_t end, int64_t limit) {
  json.begin_list();
  end = std::min(end, begin + std::min(limit, end - begin));
  std::string text;
  for (int64_t i = begin; i < end; ++i) {
    switch (feature.kind) {
      case FeatureKind::none: break;
      case FeatureKind::bytes: json_bytes(json, feature.values.strings()[i]); break;
      case FeatureKind::ints: json.integer(feature.values.values<int64_t>()[i]); break;
      case FeatureKind::floats: {
        const float value = feature.values.values<float>()[i];
        if (!std::isfinite(value)) {
          json.text(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
          break;
        }
        text.clear();
        element_text(DType::float32)(text, feature.values, i);
        json.raw_number(text);
        break;
      }
    }
  }
  json.end_list();
}

}  // namespace

std::string_view short_name(FeatureKind kind) {
  switch (kind) {
    case FeatureKind::none: return "nothing";
    case FeatureKind::bytes: return "bytes";
    case FeatureKind::floats: return "float";
    case FeatureKind::ints: return "int64";
  }
  __builtin_unreachable();
}

Result<DecodedRecord> decode_record(std::span<const std::byte> record) {
  DecodedRecord out;
  out.kind = records::record_kind(record);
  if (out.kind == RecordKind::other) return out;
  records::ColumnBuilder builder;
  if (!builder.add(record, 0).ok()) {
    out.kind = RecordKind::other;
    return out;
  }
  FERRY_ASSIGN_OR_RETURN(auto columns, std::move(builder).finish());
  for (records::NamedColumn& column : columns) {
    FERRY_ASSIGN_OR_RETURN(auto taken, std::move(column.values).take());
    out.features.push_back({.name = std::move(column.name),
                            .kind = taken.kind,
                            .is_list = column.is_list,
                            .steps = taken.rows,
                            .width = taken.width,
                            .values = std::move(taken.values),
                            .splits = std::move(taken.splits)});
  }
  std::ranges::stable_sort(
      out.features, [](const RecordFeature& a, const RecordFeature& b) { return a.is_list != b.is_list ? b.is_list : a.name < b.name; });
  return out;
}

void print_record(Printer& out, const DecodedRecord& decoded, std::span<const std::byte> record, int64_t limit) {
  if (decoded.kind == RecordKind::other) {
    const std::string_view text(reinterpret_cast<const char*>(record.data()), record.size());
    const auto shown = static_cast<size_t>(std::min<int64_t>(std::min(limit, INT64_MAX / 8) * 8, static_cast<int64_t>(text.size())));
    std::string line;
    append_quoted(line, text.substr(0, shown));
    out.print("  ", line, shown < text.size() ? concat(" … ", text.size() - shown, " bytes more") : "", "\n");
    return;
  }
  const auto type_of = [](const RecordFeature& feature) {
    return feature.is_list ? concat(short_name(feature.kind), ", ", counted(static_cast<uint64_t>(feature.steps), "step"))
                           : concat(short_name(feature.kind), "[", feature.begin(1), "]");
  };
  size_t name_width = 0, type_width = 0;
  for (const RecordFeature& feature : decoded.features) {
    name_width = std::max(name_width, std::min<size_t>(display_width(printable(feature.name)), 40));
    type_width = std::max(type_width, type_of(feature).size());
  }
  for (const RecordFeature& feature : decoded.features) {
    const std::string name = printable(feature.name), type = type_of(feature);
    out.print("  ", name);
    out.pad(name_width - std::min(name_width, display_width(name)) + 2);
    out.print(type);
    out.pad(type_width - type.size() + 2);
    std::string line;
    if (feature.is_list) {
      for (int64_t step = 0; step < feature.steps; ++step) {
        if (step == limit) {
          line += concat(" … ", feature.steps - step, " more");
          break;
        }
        line += step == 0 ? "[" : " [";
        append_values(line, feature, feature.begin(step), feature.begin(step + 1), limit);
        line += "]";
      }
    } else {
      append_values(line, feature, 0, feature.begin(1), limit);
    }
    out.print(line.empty() ? "-" : line, "\n");
  }
}

void json_record(JsonText& json, const DecodedRecord& decoded, std::span<const std::byte> record, int64_t limit) {
  switch (decoded.kind) {
    case RecordKind::other: {
      const std::string_view text(reinterpret_cast<const char*>(record.data()), record.size());
      json.member("kind", "bytes").key("data");
      json_bytes(json, text.substr(0, limit >= INT64_MAX / 8 ? text.size() : static_cast<size_t>(limit * 8)));
      return;
    }
    case RecordKind::example: json.member("kind", "example"); break;
    case RecordKind::sequence_example: json.member("kind", "sequence_example"); break;
  }
  json.key("features").begin_object();
  for (const RecordFeature& feature : decoded.features) {
    if (feature.is_list) continue;
    json.key(feature.name);
    json_values(json, feature, 0, feature.begin(1), limit);
  }
  json.end_object();
  if (decoded.kind != RecordKind::sequence_example) return;
  json.key("lists").begin_object();
  for (const RecordFeature& feature : decoded.features) {
    if (!feature.is_list) continue;
    json.key(feature.name).begin_list();
    for (int64_t step = 0; step < std::min(limit, feature.steps); ++step)
      json_values(json, feature, feature.begin(step), feature.begin(step + 1), limit);
    json.end_list();
  }
  json.end_object();
}

}  // namespace ferry::cli
