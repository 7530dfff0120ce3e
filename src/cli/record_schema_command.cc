// ferry record schema: what features the records have, and the specs that read them.
#include <algorithm>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/record_files.h"
#include "cli/text.h"
#include "ferry/features.h"
#include "records/tfrecord.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"records", 'n', Takes::integer, "N", "look at the first N records only"},
    {"text", 0, Takes::nothing, "", "only the schema as --set schema= takes it"},
    {"python", 0, Takes::text, "ferry|tf", "only the specs in Python, with tensorferry's names or tf.io's"},
    kSkipDamaged,
    kMaxRecord,
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

std::string python_text(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const auto c = static_cast<unsigned char>(text[0]);
    if (length == 0 || c < 0x20 || c == 0x7f) {
      out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out + "\"";
}

std::string python_shape(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.rank(); ++i) out += concat(i == 0 ? "" : ", ", shape[i]);
  return out + "]";
}

// One spec, as code.
std::string python_spec(const FeatureSpec& spec, bool tf) {
  const std::string dtype = concat(tf ? "tf." : "ferry.", dtype_name(spec.dtype));
  std::string arguments;
  switch (spec.kind) {
    case FeatureSpec::Kind::fixed_len: arguments = concat(python_shape(spec.shape), ", ", dtype); break;
    case FeatureSpec::Kind::fixed_len_sequence:
      arguments = concat(python_shape(spec.shape), ", ", dtype, spec.allow_missing ? ", allow_missing=True" : "");
      break;
    case FeatureSpec::Kind::var_len: arguments = dtype; break;
    case FeatureSpec::Kind::ragged:
      arguments = concat(dtype, spec.value_key.empty() ? std::string() : concat(", value_key=", python_text(spec.value_key)));
      break;
    case FeatureSpec::Kind::sparse: {
      std::string keys, sizes;
      for (const std::string& key : spec.index_keys) keys += concat(keys.empty() ? "" : ", ", python_text(key));
      const bool one = spec.index_keys.size() == 1;
      arguments = concat("index_key=", one ? keys : concat("[", keys, "]"), ", value_key=", python_text(spec.values_from()),
                         ", dtype=", dtype, ", size=", one && spec.shape.rank() == 1 ? concat(spec.shape[0]) : python_shape(spec.shape));
      break;
    }
  }
  return concat(tf ? "tf.io." : "ferry.", kind_name(spec.kind), "(", arguments, ")");
}

void print_python(Printer& out, std::string_view name, std::span<const FeatureSpec> specs, bool tf) {
  out.print(name, " = {\n");
  for (const FeatureSpec& spec : specs) out.print("    ", python_text(spec.name), ": ", python_spec(spec, tf), ",\n");
  out.print("}\n");
}

// A spec that the text has no word for stands as its class.
std::string text_of(const FeatureSpec& spec) {
  const auto text = schema_text(std::span(&spec, 1));
  return text.ok() ? *text : python_spec(spec, false);
}

std::string counts(int64_t least, int64_t most) { return least == most ? concat(least) : concat(least, " to ", most); }

void print_table(Context& context, std::span<const InferredFeature> features) {
  Table table({"FEATURE", "LIST", ">RECORDS", ">VALUES", "READS AS"});
  for (const InferredFeature& feature : features) {
    table.add({printable(feature.spec.name), feature.is_list ? concat("to ", feature.max_steps) : "-", concat(feature.records),
               counts(feature.min_values, feature.max_values), printable(text_of(feature.spec))});
  }
  table.print(context.out, context.colour_out);
}

std::vector<FeatureSpec> specs_of(std::span<const InferredFeature> features, bool lists) {
  std::vector<FeatureSpec> out;
  for (const InferredFeature& feature : features) {
    if (feature.is_list == lists) out.push_back(feature.spec);
  }
  return out;
}

void json_features(JsonText& json, std::span<const InferredFeature> features) {
  json.begin_list();
  for (const InferredFeature& feature : features) {
    json.begin_object().member("name", feature.spec.name).member("list", feature.is_list).member("dtype", dtype_name(feature.spec.dtype));
    json.member("class", kind_name(feature.spec.kind)).key("shape").shape(feature.spec.shape);
    json.member("schema", text_of(feature.spec)).member("records", feature.records).member("values", feature.values);
    json.member("min_values", feature.min_values).member("max_values", feature.max_values);
    if (feature.is_list) json.member("max_steps", feature.max_steps);
    json.key("conflict");
    feature.conflict.empty() ? json.null() : json.text(feature.conflict);
    json.end_object();
  }
  json.end_list();
}

int run(Context& context, const Arguments& arguments) {
  const int64_t most = arguments.integer("records", INT64_MAX);
  if (most < 1) return context.usage(concat("--records is ", most, ", expected 1 or more"));
  const auto python = arguments.get("python");
  if (python && *python != "tf" && *python != "ferry")
    return context.usage(concat("--python is ", quoted(*python), ", expected ferry or tf"));
  if (arguments.has("text") + arguments.has("python") + arguments.has("json") > 1)
    return context.usage("--text, --python and --json exclude one another");
  auto paths = record_paths(context, arguments.words());
  if (!paths) return context.exit_code();
  RecordInputs in(context, arguments, *std::move(paths), "looking");
  FeatureInference inference(context.limits);
  for (int64_t n = 0; n < most && in.next(); ++n) {
    if (const Status status = inference.add(in.record()); !status.ok()) {
      // It counts over all files; what is said counts in this one.
      std::string_view message = status.message();
      if (message.starts_with("record ")) message.remove_prefix(std::min(message.find_first_of(" :", 7), message.size()));
      return in.fail(Status(status.code(), concat("record ", in.reader().number(), message),
                            in.reader().offset() + records::kHeaderBytes + status.offset().value_or(0)));
    }
  }
  if (in.failed()) return in.code();
  const InferredFeatures found = inference.finish();
  const std::string_view path = in.count() == 1 ? std::string_view(in.path(0)) : std::string_view();
  int code = 0;
  std::vector<const InferredFeature*> conflicts;
  for (const auto* list : {&found.features, &found.examples}) {
    for (const InferredFeature& feature : *list) {
      if (feature.conflict.empty()) continue;
      context.warn(path, concat("feature ", quoted(feature.spec.name), ": ", feature.conflict));
      code = kNegative;
    }
  }
  if (found.records == 0) {
    context.warn(path, "no records, and so no schema");
    code = kNegative;
  }
  const std::vector<FeatureSpec> own = specs_of(found.features, false), lists = specs_of(found.features, true),
                                 inner = specs_of(found.examples, false);
  const auto joined = [](std::span<const FeatureSpec> specs) {
    std::string out;
    for (const FeatureSpec& spec : specs) out += concat(out.empty() ? "" : ", ", text_of(spec));
    return out;
  };
  const bool sequence = found.content == RecordContent::sequence_example;
  const auto print_code = [&](bool tf) {
    print_python(context.out, sequence || !inner.empty() ? "context_features" : "features", own, tf);
    if (sequence) print_python(context.out, "sequence_features", lists, tf);
    if (!inner.empty()) print_python(context.out, "example_features", inner, tf);
  };
  if (arguments.has("json")) {
    JsonText json(context.out);
    json.begin_object().member("schema", 1).member("content", content_name(found.content)).member("records", found.records);
    json.member("text", joined(own)).key("features");
    json_features(json, found.features);
    if (!found.examples.empty()) {
      json.key("examples");
      json_features(json, found.examples);
    }
    json.end_object();
    context.out.print("\n");
  } else if (arguments.has("text")) {
    context.out.print(joined(own), "\n");
  } else if (python) {
    print_code(*python == "tf");
  } else if (found.records > 0) {
    context.out.print(counted(static_cast<uint64_t>(found.records), "record"), " of ", content_name(found.content), "\n");
    print_table(context, found.features);
    if (!found.examples.empty()) {
      context.out.print("\nin each of their examples\n");
      print_table(context, found.examples);
    }
    context.out.print("\nschema: ", joined(own), "\n\n");
    print_code(false);
  }
  return code;
}

}  // namespace

extern const Command record_schema_command = {
    .group = Group::records,
    .name = "record schema",
    .summary = "the features of the records, and the specs that read them",
    .usage = "PATH...",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = kAnyNumber,
    .details =
        "Examples and SequenceExamples are told apart by their bytes: a SequenceExample parses as an Example too, and loses its\n"
        "lists without a word. Exit 1 where no one spec reads all records: a feature that is int64_list here and float_list\n"
        "there. A sparse feature is as wide as the largest index seen; say more where more may come.",
    .example = "ferry record schema 'train-*.tfrecord' --python tf",
    .run = run,
};

}  // namespace ferry::cli
