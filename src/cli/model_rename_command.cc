// ferry model rename: better names for a SavedModel's signatures, inputs and outputs.
#include "cli/command.h"
#include "cli/text.h"
#include "ferry/model_rename.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"input", 0, Takes::text, "[KEY:]OLD=NEW", "rename an input, or all parts of a sparse or ragged one; of signature KEY, or of all",
     true},
    {"output", 0, Takes::text, "[KEY:]OLD=NEW", "the same for an output", true},
    {"signature", 0, Takes::text, "OLD=NEW", "rename a signature", true},
    {"in-place", 0, Takes::nothing, "", "change MODEL itself"},
};

// "serving_default:args_0_1=clicks/values".
std::optional<PortRename> port_rename(std::string_view text, const std::vector<std::string>& signatures) {
  const auto parts = split_assignment(text);
  if (!parts) return std::nullopt;
  PortRename out;
  std::string_view from = parts->first;
  // A name may have a ':' of its own.
  for (const std::string& key : signatures) {
    if (from.size() > key.size() + 1 && from.starts_with(key) && from[key.size()] == ':') {
      out.signature = key;
      from.remove_prefix(key.size() + 1);
      break;
    }
  }
  out.from = std::string(from);
  out.to = std::string(parts->second);
  return out;
}

int run(Context& context, const Arguments& arguments) {
  const std::string path(arguments.words()[0]);
  const bool in_place = arguments.has("in-place");
  if (in_place == (arguments.words().size() == 2))
    return context.usage(in_place ? "--in-place takes no OUT" : "OUT is missing (or --in-place)");
  const auto model = StoredModel::open(path, context.limits);
  if (!model.ok()) return context.fail(path, model.status());
  std::vector<std::string> signatures;
  for (size_t i = 0; i < model->size(); ++i) {
    const auto meta = model->read(i);
    if (!meta.ok()) return context.fail(path, meta.status());
    for (const SignatureDef& signature : meta->signatures()) signatures.emplace_back(signature.key);
  }
  ModelRenames renames;
  for (const bool input : {true, false}) {
    for (const std::string_view text : arguments.all(input ? "input" : "output")) {
      auto rename = port_rename(text, signatures);
      if (!rename) return context.usage(concat(input ? "--input " : "--output ", text, " is not OLD=NEW"));
      (input ? renames.inputs : renames.outputs).push_back(*std::move(rename));
    }
  }
  for (const std::string_view text : arguments.all("signature")) {
    const auto parts = split_assignment(text);
    if (!parts) return context.usage(concat("--signature ", text, " is not OLD=NEW"));
    renames.signatures.emplace_back(parts->first, parts->second);
  }
  if (renames.empty()) return context.usage("nothing is renamed: give --input, --output or --signature");
  const Status status = in_place ? rename_in_place(*model, renames) : write_renamed(*model, renames, std::string(arguments.words()[1]));
  return status.ok() ? 0 : context.fail(path, status);
}

}  // namespace

extern const Command model_rename_command = {
    .group = Group::models,
    .name = "model rename",
    .summary = "new names for signatures, inputs and outputs of a SavedModel",
    .usage = "MODEL [OUT]",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = 2,
    .details =
        "Only names in saved_model.pb change: variables and assets are linked or copied to OUT, a new folder. OLD is a\n"
        "signature's own key (args_0_1) or a logical name of `ferry model show` (args_0, bag): then all parts are renamed, to\n"
        "NEW/indices, NEW/values, NEW/dense_shape, or NEW/values, NEW/row_splits. The result loads in TensorFlow, whose Python\n"
        "writes NEW/values as NEW_values, and in TensorFlow Serving. fingerprint.pb is left out.",
    .example = "ferry model rename saved_model renamed --input 'serving_default:args_0=clicks'",
    .run = run,
};

}  // namespace ferry::cli
