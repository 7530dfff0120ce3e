// ferry request: inputs that a signature takes, made up, as a request's body or as a file.
#include "cli/command.h"
#include "cli/input.h"
#include "cli/model_text.h"
#include "cli/output.h"
#include "cli/text.h"
#include "ferry/signature.h"
#include "ferry/synthesize.h"
#include "wire/json.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"signature", 0, Takes::text, "KEY", "serving_default without it, or the only one there is"},
    {"tags", 0, Takes::text, "A,B", "the meta graph with just these tags"},
    {"batch", 'n', Takes::integer, "N", "length of the first axis where it may be any (2)"},
    {"seed", 0, Takes::integer, "N", "other values (0)"},
    {"output", 'o', Takes::path, "FILE", "the inputs as a file, for ferry predict, in place of a body"},
    {"curl", 0, Takes::nothing, "", "a command that posts the body to a server of TensorFlow Serving's REST interface"},
    {"python", 0, Takes::nothing, "", "the same in Python"},
    {"name", 0, Takes::text, "NAME", "of the model on the server, for --curl and --python (model)"},
    {"url", 0, Takes::text, "URL", "of the server (http://localhost:8501)"},
};

// Axes that may have any length: the first is the batch, the others are 3.
Shape example_shape(const PartialShape& wanted, int64_t batch) {
  Shape out;
  if (!wanted.has_rank()) return Shape{batch};
  for (size_t axis = 0; axis < wanted.dims().rank(); ++axis) {
    const int64_t length = wanted.dims()[axis];
    out.append(length >= 0 ? length : axis == 0 ? batch : 3);
  }
  return out;
}

Result<Tensor> example_of(const Port& port, int64_t batch, uint64_t seed, const Limits& limits) {
  Recipe recipe{.kind = port.kind, .dtype = port.dtype.value_or(DType::float32), .shape = example_shape(port.shape, batch), .seed = seed};
  if (port.kind == TensorKind::coo) {
    const auto count = recipe.shape.num_elements();
    // A few entries, however wide the tensor is.
    recipe.density =
        count && *count > 0 ? std::min(1.0, static_cast<double>(2 * std::max<int64_t>(batch, 1)) / static_cast<double>(*count)) : 0;
  }
  if (port.kind == TensorKind::ragged) {
    recipe.density = 0.6;
    if (recipe.shape.rank() < 2) recipe.shape.append(3);
  }
  return synthesize(recipe, limits);
}

int run(Context& context, const Arguments& arguments) {
  const std::string path(arguments.words()[0]);
  const auto model = StoredModel::open(path, context.limits);
  if (!model.ok()) return context.fail(path, model.status());
  const auto chosen = arguments.has("tags") ? chosen_graphs(*model, arguments) : Result<std::vector<size_t>>(std::vector<size_t>());
  if (!chosen.ok()) return context.fail(path, chosen.status());
  const auto meta = chosen->empty() ? model->read() : model->read(chosen->front());
  if (!meta.ok()) return context.fail(path, meta.status());
  auto signatures = read_signatures(*model, *meta);
  if (!signatures.ok()) return context.fail(path, signatures.status());
  if (signatures->empty()) {
    auto proposed = propose_signature(*meta, context.limits);
    if (!proposed.ok()) return context.fail(path, proposed.status());
    if (*proposed) signatures->push_back(**proposed);
  }
  const std::string_view key =
      arguments.get("signature").value_or(signatures->size() == 1 ? std::string_view(signatures->front().key) : "serving_default");
  const Signature* signature = nullptr;
  std::string there;
  for (const Signature& one : *signatures) {
    if (one.key == key) signature = &one;
    there += concat(there.empty() ? "" : ", ", ferry::quoted(one.key));
  }
  if (signature == nullptr) {
    return context.fail(path, not_found(concat("no signature ", ferry::quoted(key),
                                               there.empty() ? "; the model has none" : concat("; there are ", there))));
  }
  const int64_t batch = arguments.integer("batch", 2);
  if (batch < 0) return context.usage("--batch takes a number of rows");
  TensorMap inputs;
  uint64_t seed = static_cast<uint64_t>(arguments.integer("seed", 0));
  for (const Port& port : signature->inputs) {
    if (port.has_default()) continue;
    auto tensor = example_of(port, batch, seed++, context.limits);
    if (!tensor.ok()) return context.fail(path, tensor.status().with_context(concat("input ", ferry::quoted(port.name))));
    if (const Status status = inputs.add(port.name, *std::move(tensor)); !status.ok()) return context.fail(path, status);
  }
  if (const auto output = arguments.get("output")) {
    const Format* const format = output_format(context, arguments, *output);
    if (format == nullptr) return context.exit_code();
    const auto options = output_options(context, arguments, *format);
    if (!options) return context.exit_code();
    return write_output(context, inputs, *output, *format, *options);
  }
  WriteOptions plain;
  plain.format.set("plain", "true");
  auto text = to_bytes(inputs, *find_format("json"), plain);
  if (!text.ok()) return context.fail(path, text.status());
  while (text->ends_with('\n')) text->pop_back();
  std::string body = "{";
  if (signature->key != "serving_default" && !signature->proposed) {
    body += "\"signature_name\": ";
    json::append_string(body, signature->key);
    body += ", ";
  }
  body += concat("\"inputs\": ", inputs.empty() ? "{}" : *text, "}");
  const std::string url =
      concat(arguments.get("url").value_or("http://localhost:8501"), "/v1/models/", arguments.get("name").value_or("model"), ":",
             signature->short_method() == "classify" || signature->short_method() == "regress" ? signature->short_method() : "predict");
  Printer& out = context.out;
  if (arguments.has("curl")) {
    std::string shell;
    for (const char c : body) shell += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out.print("curl -sS -X POST ", url, " -d '", shell, "'\n");
  } else if (arguments.has("python")) {
    out.print("import json, urllib.request\n\nbody = json.loads(r'''", body, "''')\n", "request = urllib.request.Request(\"", url,
              "\", json.dumps(body).encode())\n", "print(json.load(urllib.request.urlopen(request)))\n");
  } else {
    out.print(body, "\n");
  }
  return 0;
}

}  // namespace

extern const Command request_command = {
    .group = Group::models,
    .name = "request",
    .summary = "inputs that a model takes, made up: a body to send, or a file for ferry predict",
    .usage = "MODEL",
    .options = kOptions,
    .reads = false,
    .writes = true,
    .least = 1,
    .most = 1,
    .details =
        "Reads the signature and makes up a tensor for each input, of its dtype and shape: sparse inputs as objects of indices, values\n"
        "and dense_shape, ragged ones as values and row_splits. Inputs that the signature has defaults for are left out. What the\n"
        "model makes of the values is its affair: serialized Examples, for one, are more than any string.",
    .example = "ferry request saved_model --curl",
    .run = run,
};

}  // namespace ferry::cli
