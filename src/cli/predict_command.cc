// ferry predict: a signature of a model, run on tensors from files.
#include <algorithm>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/text.h"
#include "ferry/cast.h"
#include "ferry/model.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"signature", 0, Takes::text, "KEY", "serving_default without it, or the only one there is"},
    {"inputs", 'i', Takes::path, "[NAME=]FILE", "tensors to feed, in any format; NAME for the only tensor of a file", true},
    {"output", 'o', Takes::path, "FILE", "where the outputs go; without it to stdout as JSON"},
    {"fetch", 0, Takes::text, "TENSOR", "tensors of the graph in place of a signature's outputs; then inputs are named as in the graph",
     true},
    {"tags", 0, Takes::text, "A,B", "the meta graph with just these tags"},
    {"checkpoint", 0, Takes::path, "PATH", "variables from here in place of those beside the graph"},
    {"timeout", 0, Takes::number, "SECONDS", "stop a run that takes longer"},
    {"cast", 0, Takes::nothing, "",
     "give inputs the dtypes of the signature where that loses nothing but rounding (text always gets them)"},
};

constexpr std::string_view kTextFormats[] = {"json", "csv", "tsv", "libsvm", "mtx"};

const std::optional<DType> dtype_for(const Signature& signature, std::string_view name) {
  if (const Port* port = signature.find_input(name)) return port->dtype;
  for (const Port& port : signature.inputs) {
    for (const PortPart& part : port.parts) {
      if (part.key == name) return part.dtype;
    }
  }
  return std::nullopt;
}

// Reads every --inputs; false after an error line.
bool read_inputs(Context& context, const Arguments& arguments, const Signature* signature, TensorMap& out) {
  for (std::string_view text : arguments.all("inputs")) {
    std::string_view name, path = text;
    // A file may have '=' in its name; then it is there as it stands.
    if (const size_t cut = text.find('='); cut != std::string_view::npos && !find_place(std::string(text)).ok()) {
      name = text.substr(0, cut);
      path = text.substr(cut + 1);
    }
    const auto input = open_input(context, arguments, path);
    if (!input) return false;
    const auto infos = input->tensors();
    if (!name.empty() && infos.size() != 1) {
      context.usage(concat("--inputs ", text, ": the file has ", infos.size(), " tensors, which have names of their own"));
      return false;
    }
    const bool casts = arguments.has("cast") || std::ranges::find(kTextFormats, input->format->id) != std::end(kTextFormats);
    for (size_t i = 0; i < infos.size(); ++i) {
      std::string wanted(name.empty() ? std::string_view(infos[i].name) : name);
      // A file of one nameless tensor is the only input there is.
      if (wanted.empty() && signature != nullptr && signature->inputs.size() == 1) wanted = signature->inputs.front().name;
      const auto failed = [&](const Status& status) {
        context.fail(path, status.with_context(concat("tensor ", display_name(wanted))));
        return false;
      };
      auto tensor = input->reader->read(i);
      if (tensor.ok()) {
        if (const Status status = validate(*tensor, Validation::bounds); !status.ok()) tensor = status;
      }
      if (!tensor.ok()) return failed(tensor.status());
      const auto dtype = signature == nullptr ? std::nullopt : dtype_for(*signature, wanted);
      if (casts && dtype && *dtype != dtype_of(*tensor) && is_fixed_size(*dtype) && is_fixed_size(dtype_of(*tensor))) {
        tensor = cast(*tensor, *dtype, {.checked = true, .pool = context.pool()});
        if (!tensor.ok()) return failed(tensor.status());
      }
      if (const Status status = out.add(wanted, *std::move(tensor)); !status.ok()) return failed(status);
    }
  }
  return true;
}

int run(Context& context, const Arguments& arguments) {
  const std::string path(arguments.words()[0]);
  const std::string output(arguments.get("output").value_or("-"));
  const Format* const format =
      arguments.get("output") || arguments.has("to") ? output_format(context, arguments, output) : find_format("json");
  if (format == nullptr) return context.exit_code();
  LoadOptions options;
  options.read.limits = context.limits;
  if (const auto tags = arguments.get("tags")) {
    for (const std::string_view tag : split(*tags, ',')) options.tags.emplace_back(tag);
  }
  options.checkpoint = arguments.get("checkpoint").value_or("");
  const auto model = Model::load(path, options);
  if (!model.ok()) return context.fail(path, model.status());

  RunOptions run_options;
  run_options.pool = context.pool();
  if (arguments.has("timeout")) {
    run_options.deadline =
        std::chrono::steady_clock::now() + std::chrono::microseconds(static_cast<int64_t>(arguments.number("timeout", 0) * 1e6));
  }
  TensorMap results;
  const auto fetches = arguments.all("fetch");
  if (fetches.empty()) {
    const auto signature = model->find_signature(arguments.get("signature").value_or(""));
    if (!signature.ok()) return context.fail(path, signature.status());
    TensorMap inputs;
    if (!read_inputs(context, arguments, *signature, inputs)) return context.exit_code();
    auto out = model->run(**signature, inputs, run_options);
    if (!out.ok()) return context.fail(path, out.status());
    results = *std::move(out);
  } else {
    if (arguments.has("signature")) return context.usage("--fetch and --signature contradict one another");
    TensorMap inputs;
    if (!read_inputs(context, arguments, nullptr, inputs)) return context.exit_code();
    std::vector<Model::NamedTensor> feeds;
    for (const auto& entry : inputs) {
      const auto* dense = std::get_if<DenseTensor>(&entry.tensor);
      if (dense == nullptr)
        return context.fail(
            path, invalid_argument(concat("the tensor ", ferry::quoted(entry.name), " of the graph must be dense; use --no-parts")));
      feeds.emplace_back(entry.name, *dense);
    }
    const std::vector<std::string> names(fetches.begin(), fetches.end());
    auto out = model->run(feeds, names, run_options);
    if (!out.ok()) return context.fail(path, out.status());
    for (size_t i = 0; i < names.size(); ++i) {
      if (const Status status = results.add(names[i], std::move((*out)[i])); !status.ok()) return context.fail(path, status);
    }
  }
  const auto written = output_options(context, arguments, *format);
  if (!written) return context.exit_code();
  return write_output(context, results, output, *format, *written);
}

}  // namespace

extern const Command predict_command = {
    .group = Group::models,
    .name = "predict",
    .summary = "run a model on tensors from files",
    .usage = "MODEL",
    .options = kOptions,
    .reads = true,
    .writes = true,
    .least = 1,
    .most = 1,
    .details =
        "MODEL is a SavedModel folder, a .meta file beside its checkpoint, or a frozen graph. Inputs are matched to the signature by\n"
        "name; sparse and ragged ones are whole, or in the pieces that the signature has. `ferry model show MODEL` prints what it\n"
        "takes. An op that this engine lacks is an error that names all of them: see `ferry model check`.",
    .example = "ferry predict saved_model --inputs x.npz --output scores.npz",
    .run = run,
};

}  // namespace ferry::cli
