// ferry model check: whether our engine can run a model, and what stands in the way.
#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/model_text.h"
#include "cli/text.h"
#include "ferry/model.h"
#include "ferry/model_variables.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"signature", 's', Takes::text, "KEY", "only this signature"},
    {"tags", 0, Takes::text, "A,B", "the meta graph with just these tags"},
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

int run(Context& context, const Arguments& arguments) {
  const std::string path(arguments.words()[0]);
  LoadOptions options;
  options.read.limits = context.limits;
  if (const auto tags = arguments.get("tags")) {
    for (const std::string_view tag : split(*tags, ',')) options.tags.emplace_back(tag);
  }
  const auto model = Model::load(path, options);
  if (!model.ok()) return context.fail(path, model.status());
  struct Answer {
    const Signature* signature;
    Status status;
  };
  std::vector<Answer> answers;
  if (const auto key = arguments.get("signature")) {
    const auto found = model->find_signature(*key);
    if (!found.ok()) return context.fail(path, found.status());
    answers.push_back({*found, model->prepare(**found)});
  } else {
    for (const Signature& signature : model->signatures()) answers.push_back({&signature, model->prepare(signature)});
  }
  const auto variables = model_variables(model->meta(), context.limits);
  if (!variables.ok()) return context.fail(path, variables.status());
  bool runs = true;
  for (const Answer& answer : answers) runs = runs && answer.status.ok();
  if (arguments.has("json")) {
    JsonText json(context.out);
    json.begin_object().member("schema", 1).member("path", std::string_view(path)).member("runs", runs);
    json.member("variable_bytes", variables->num_bytes()).key("signatures").begin_list();
    for (const Answer& answer : answers) {
      json.begin_object().member("key", std::string_view(answer.signature->key)).member("runs", answer.status.ok());
      if (!answer.status.ok()) json.member("problem", answer.status.message());
      json.end_object();
    }
    json.end_list().end_object();
    context.out.print("\n");
    return runs ? 0 : kNegative;
  }
  for (const Answer& answer : answers) {
    context.out.print(printable(answer.signature->key), ": ", answer.status.ok() ? "runs" : "does not run", "\n");
    if (!answer.status.ok()) context.out.print("  ", printable(answer.status.message()), "\n");
  }
  if (answers.empty()) context.out.print("no signatures; tensors of the graph can be fed and fetched by name\n");
  context.out.print("variables: ", counted(variables->wanted.size(), "tensor"), ", ", human_bytes(variables->num_bytes()), "\n");
  return runs ? 0 : kNegative;
}

}  // namespace

extern const Command model_check_command = {
    .group = Group::models,
    .name = "model check",
    .summary = "whether a model runs here, and all that stands in the way",
    .usage = "MODEL",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = 1,
    .details =
        "Loads the model, fills its tables, and prepares each signature without running it. Exit code 1 where one cannot run:\n"
        "then every op that is missing is named, with the nodes that need it.",
    .example = "ferry model check saved_model",
    .run = run,
};

}  // namespace ferry::cli
