// ferry model ops: which ops a model is made of, and which of them its signatures reach.
#include <algorithm>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/model_text.h"
#include "cli/text.h"
#include "ferry/op_census.h"
#include "ferry/signature.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"signature", 's', Takes::text, "KEY", "only ops that this signature reaches"},
    {"tags", 0, Takes::text, "A,B", "the meta graph with just these tags"},
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

std::string reached_by(const OpUse& use) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(use.signatures.size(), 4); ++i)
    out += concat(out.empty() ? "" : ", ", printable(use.signatures[i]));
  if (use.signatures.size() > 4) out += ", ...";
  if (use.by_function && use.signatures.empty()) out += concat(out.empty() ? "" : ", ", "functions");
  if (use.by_init) out += concat(out.empty() ? "" : ", ", "initialization");
  if (use.by_saver && !use.reachable()) out += "saving";
  return out.empty() ? "nothing" : out;
}

void print_json(Context& context, const StoredModel& model, const OpCensus& census) {
  JsonText json(context.out);
  json.begin_object().member("schema", 1).member("path", std::string_view(model.path()));
  json.member("functions", census.functions).member("reached_functions", census.reached_functions);
  json.key("missing_functions").begin_list();
  for (const std::string& name : census.missing) json.text(name);
  json.end_list().key("ops").begin_list();
  for (const OpUse& use : census.ops) {
    json.begin_object().member("op", std::string_view(use.op)).member("nodes", use.nodes).member("reached", use.reached);
    json.key("signatures").begin_list();
    for (const std::string& key : use.signatures) json.text(key);
    json.end_list().member("functions", use.by_function).member("initialization", use.by_init).member("saving", use.by_saver);
    json.member("core", use.core).end_object();
  }
  json.end_list().end_object();
  context.out.print("\n");
}

int run(Context& context, const Arguments& arguments) {
  const std::string path(arguments.words()[0]);
  const auto model = StoredModel::open(path, context.limits);
  if (!model.ok()) return context.fail(path, model.status());
  size_t index = 0;
  if (arguments.has("tags")) {
    const auto chosen = chosen_graphs(*model, arguments);
    if (!chosen.ok()) return context.fail(path, chosen.status());
    index = chosen->front();
  } else if (const auto chosen = model->choose(); chosen.ok()) {
    index = *chosen;
  } else if (model->size() == 0) {
    return context.fail(path, chosen.status());
  }
  const auto meta = model->read(index);
  if (!meta.ok()) return context.fail(path, meta.status());
  std::vector<std::string> fetches;
  if (meta->signatures().empty() && !meta->has_objects()) {
    const auto proposed = propose_signature(*meta);
    if (!proposed.ok()) return context.fail(path, proposed.status());
    if (*proposed) {
      for (const Port& port : (*proposed)->outputs) fetches.push_back(port.parts[0].tensor);
    }
  }
  auto census = count_ops(*meta, fetches);
  if (!census.ok()) return context.fail(path, census.status());
  if (const auto key = arguments.get("signature")) {
    if (meta->find_signature(*key) == nullptr) return context.fail(path, not_found(concat("no signature ", ferry::quoted(*key))));
    std::erase_if(census->ops, [&](const OpUse& use) {
      return std::ranges::find(use.signatures, *key, [](const std::string& name) { return std::string_view(name); }) ==
             use.signatures.end();
    });
  }
  if (arguments.has("json")) {
    print_json(context, *model, *census);
    return 0;
  }
  Printer& out = context.out;
  const auto reachable = static_cast<size_t>(std::ranges::count_if(census->ops, &OpUse::reachable));
  out.print(printable(path), ": ", counted(census->ops.size(), "op"), ", ", reachable, " reachable; ",
            counted(census->functions, "function"), ", ", census->reached_functions, " reached by signatures\n");
  Table table({"OP", ">NODES", ">REACHED", "REACHED BY", ""});
  for (const OpUse& use : census->ops) {
    table.add({printable(use.op), concat(use.nodes), concat(use.reached), reached_by(use), use.core ? "" : "not of core TensorFlow"});
  }
  if (!table.empty()) table.print(out, context.colour_out);
  for (const std::string& name : census->missing)
    context.warn(path, concat("a function is called that the library does not have: ", printable(name)));
  return 0;
}

}  // namespace

extern const Command model_ops_command = {
    .group = Group::models,
    .name = "model ops",
    .summary = "ops of a model, and which signatures reach them",
    .usage = "MODEL",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = 1,
    .details =
        "NODES counts an op in the graph and all functions, REACHED those that a signature needs: through calls, branches,\n"
        "loops and every other attribute that names a function. What only initialization, saving or nothing at all reaches is\n"
        "said. Ops that TensorFlow does not have by itself come from another library.",
    .example = "ferry model ops saved_model",
    .run = run,
};

}  // namespace ferry::cli
