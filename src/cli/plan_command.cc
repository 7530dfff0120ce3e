// ferry plan: which variables of a target a checkpoint restores, and what would help with the others.
#include <algorithm>
#include <unordered_map>

#include "checkpoint/rename.h"
#include "checkpoint/transformed_reader.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/model_variables.h"
#include "ferry/restore.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"for", 0, Takes::path, "TARGET", "what is to be restored: a checkpoint, a SavedModel, a .meta graph, a list (JSON, CSV)"},
    {"rename", 0, Takes::text, "REGEX=NAME", "rename what the checkpoint has; \\1 is a group; @FILE holds rules", true},
    {"rules", 0, Takes::path, "FILE", "lines that rename, drop, transpose, cast, split and merge what the checkpoint has", true},
    {"accept-proposed", 0, Takes::nothing, "", "restore what is proposed, too"},
    {"allow-partial", 0, Takes::nothing, "", "what is not restored stays as it is: exit 0 (expect_partial)"},
    {"slots", 0, Takes::nothing, "", "the optimizer's slots and counters are wanted as well"},
    {"fix", 0, Takes::text, "KIND", "make fit what does not: transpose, reshape, axes, resize, cast, all", true},
    {"write", 0, Takes::path, "OUT", "write the target as it is once restored"},
    {"from-target", 0, Takes::format, "FORMAT", "TARGET's format"},
    {"all", 0, Takes::nothing, "", "every line, however many"},
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

constexpr std::pair<std::string_view, bool Fixes::*> kFixes[] = {{"transpose", &Fixes::transpose},
                                                                 {"reshape", &Fixes::reshape},
                                                                 {"axes", &Fixes::axes},
                                                                 {"resize", &Fixes::resize},
                                                                 {"cast", &Fixes::cast}};

// Gives false after a line about a wrong option.
bool read_options(Context& context, const Arguments& arguments, PlanOptions& options, RenameRules& rules, TensorRules& changes) {
  options.slots = arguments.has("slots");
  options.accept_proposed = arguments.has("accept-proposed");
  options.allow_partial = arguments.has("allow-partial");
  for (const std::string_view text : arguments.all("fix")) {
    for (const std::string_view word : split(text, ',')) {
      bool known = word == "all";
      for (const auto& [name, member] : kFixes) {
        if (word != name && word != "all") continue;
        options.fixes.*member = known = true;
      }
      if (known) continue;
      std::vector<std::string_view> names = {"all"};
      for (const auto& [name, member] : kFixes) names.push_back(name);
      context.usage(
          concat("--fix is ", quoted(word), ", expected transpose, reshape, axes, resize, cast or all", did_you_mean(word, names)));
      return false;
    }
  }
  const auto add = [&](std::string_view option, std::string_view rule) {
    const Status status = rules.add(rule);
    if (status.ok()) return true;
    if (status.code() == StatusCode::invalid_argument) {
      context.usage(concat("--", option, ": ", status.message()));
    } else {
      context.fail(status);
    }
    return false;
  };
  for (const std::string_view rule : arguments.all("rename")) {
    if (!add("rename", rule)) return false;
  }
  for (const std::string_view file : arguments.all("rules")) {
    auto read = TensorRules::read(std::string(file));
    if (!read.ok()) {
      context.fail(read.status());
      return false;
    }
    changes.append(*std::move(read));
  }
  // Rules that only rename are the plan's own, so that it can say which one it was.
  const bool only_rename =
      std::all_of(changes.rules().begin(), changes.rules().end(), [](const TensorRule& rule) { return rule.verb == RuleVerb::rename; });
  if (!only_rename) return true;
  for (const TensorRule& rule : changes.rules()) {
    for (size_t i = 0; i < rule.rename.size(); ++i) {
      if (!add("rules", rule.rename.text(i))) return false;
    }
  }
  changes = TensorRules();
  return true;
}

// A file of tensors with what is known of them.
struct Described {
  Input input;
  std::optional<ObjectGraph> objects;
  std::vector<Variable> variables;
  std::unique_ptr<TransformedReader> changed;  // by rules; the variables are then its

  const TensorReader& reader() const { return changed != nullptr ? *changed : *input.reader; }
};

std::optional<Described> describe(Context& context, const Arguments& arguments, std::string_view path, std::string_view from) {
  auto input = open_input(context, arguments, path, nullptr, from, true);
  if (!input) return std::nullopt;
  Described out{*std::move(input), {}, {}, {}};
  auto objects = read_object_graph(*out.input.reader, context.limits);
  if (!objects.ok()) {
    context.fail(path, objects.status());
    return std::nullopt;
  }
  out.objects = *std::move(objects);
  auto variables = describe_variables(out.input.tensors(), out.objects ? &*out.objects : nullptr);
  if (!variables.ok()) {
    context.fail(path, variables.status());
    return std::nullopt;
  }
  out.variables = *std::move(variables);
  return out;
}

// The checkpoint as the rules make it. A variable that is still one tensor keeps its place in the object graph and its role.
bool change(Context& context, Described& file, const TensorRules& rules) {
  auto changed = std::make_unique<TransformedReader>(*file.input.reader, TransformOptions{context.limits, context.pool()});
  if (const Status status = changed->apply(rules); !status.ok()) {
    context.fail(file.input.path, status);
    return false;
  }
  std::vector<Variable> variables(changed->tensors().size());
  std::unordered_map<std::string_view, std::string_view> now;  // keys by those that they had
  for (size_t i = 0; i < variables.size(); ++i) {
    const std::string& name = changed->tensors()[i].name;
    const auto origins = changed->origins(i);
    Variable& variable = variables[i];
    if (origins.size() == 1) {
      const Variable& was = file.variables[origins[0]];
      variable = was;
      now.emplace(was.key, name);
      if (was.key != name || was.name == was.key) variable.name = name;
    } else {
      variable.name = name;
    }
    variable.key = name;
    variable.tensor = i;
  }
  for (Variable& variable : variables) {
    const auto it = now.find(variable.slot_of);
    if (it != now.end()) variable.slot_of = it->second;
  }
  file.variables = std::move(variables);
  file.changed = std::move(changed);
  return true;
}

// What is wanted, and where it is a file of tensors, that.
struct Target {
  std::vector<Wanted> wanted;
  std::optional<Described> file;
  std::vector<size_t> tensors;
};

// A graph by itself (a .meta file) wants what its saver restores; the checkpoint beside it, where there is one, has the values.
std::optional<Target> read_graph(Context& context, const Arguments& arguments, std::string_view path) {
  const auto failed = [&](const Status& status) {
    context.fail(path, status);
    return std::nullopt;
  };
  const auto model = StoredModel::open(std::string(path), context.limits);
  if (!model.ok()) return failed(model.status());
  const auto meta = model->read();
  if (!meta.ok()) return failed(meta.status());
  auto variables = model_variables(*meta, context.limits);
  if (!variables.ok()) return failed(variables.status());
  Target out{std::move(variables->wanted), {}, {}};
  if (!model->variables()) return out;
  auto file = describe(context, arguments, path, "from-target");
  if (!file) return std::nullopt;
  std::unordered_map<std::string_view, size_t> by_key;
  for (const TensorInfo& info : file->input.tensors()) by_key.emplace(info.name, static_cast<size_t>(&info - file->input.tensors().data()));
  for (const Wanted& wanted : out.wanted) {
    const auto it = by_key.find(wanted.key);
    if (it == by_key.end()) return Target{std::move(out.wanted), {}, {}};
    out.tensors.push_back(it->second);
  }
  out.file = *std::move(file);
  return out;
}

// A SavedModel whose variables are not there: it still says what it wants.
bool is_bare_saved_model(std::string_view path) {
  const std::string text(path);
  if (!is_folder(text)) return false;
  const auto folder = directory(text);
  return (folder->has("saved_model.pb") || folder->has("saved_model.pbtxt")) && !folder->has("variables/variables.index");
}

std::optional<Target> read_target(Context& context, const Arguments& arguments, std::string_view path) {
  const bool may_be_list =
      path == "-" || path.ends_with(".json") || path.ends_with(".csv") || path.ends_with(".tsv") || path.ends_with(".txt");
  if (may_be_list && !arguments.has("from-target")) {
    const auto failed = [&](const Status& status) {
      context.fail(path, status);
      return std::nullopt;
    };
    auto source = open_source(std::string(path), {.limits = context.limits});
    if (!source.ok()) return failed(source.status());
    auto text = (*source)->view(0, (*source)->size());
    if (!text.ok()) return failed(text.status());
    auto list = read_wanted(text->text(), context.limits);
    if (!list.ok()) return failed(list.status());
    if (*list) return Target{**std::move(list), {}, {}};
    if (path == "-") return failed(invalid_argument("no list of variables, expected JSON or CSV with name, dtype and shape"));
  }
  if ((path.ends_with(".meta") || is_bare_saved_model(path)) && !arguments.has("from-target")) return read_graph(context, arguments, path);
  auto file = describe(context, arguments, path, "from-target");
  if (!file) return std::nullopt;
  Target out{{}, *std::move(file), {}};
  auto wanted = wanted_of(out.file->variables, out.file->input.tensors());
  out.wanted = std::move(wanted.wanted);
  out.tensors = std::move(wanted.tensors);
  return out;
}

// One tensor after the other: memory does not grow with the model.
int write(Context& context, const RestoredFrom& from, std::string_view path, const Format& format, const FormatOptions& options) {
  const auto reader = restored_tensors(from);
  if (!reader.ok()) return context.fail(path, reader.status());
  WriteOptions write;
  write.format = options;
  write.pool = from.pool;
  const Progress progress(context, "writing");
  const Status status = save(**reader, std::string(path), &format, write);
  return status.ok() ? 0 : context.fail(path, status);
}

int run(Context& context, const Arguments& arguments) {
  const auto target_path = arguments.get("for");
  if (!target_path) return context.usage("--for TARGET is missing: what is the checkpoint to be restored into?");
  PlanOptions options;
  RenameRules rules;
  TensorRules changes;
  if (!read_options(context, arguments, options, rules, changes)) return context.exit_code();
  const auto out_path = arguments.get("write");
  const Format* out = nullptr;
  std::optional<FormatOptions> out_options;
  if (out_path) {
    if ((out = output_format(context, arguments, *out_path)) == nullptr) return context.exit_code();
  }
  const std::string_view path = arguments.words()[0];
  if (path == "-" && *target_path == "-") return context.usage("stdin can be the checkpoint or the target, not both");
  auto checkpoint = describe(context, arguments, path, "from");
  if (!checkpoint) return context.exit_code();
  if (!changes.rules().empty() && !change(context, *checkpoint, changes)) return context.exit_code();
  if (out != nullptr) {
    out_options = output_options(context, arguments, *out, checkpoint->input.format);
    if (!out_options) return context.exit_code();
  }
  const auto target = read_target(context, arguments, *target_path);
  if (!target) return context.exit_code();

  const std::vector<Have> have = have_of(checkpoint->variables, checkpoint->reader().tensors());
  std::unordered_map<uint32_t, size_t> by_node;
  if (checkpoint->objects) {
    for (const Variable& variable : checkpoint->variables) {
      if (variable.node) by_node.emplace(*variable.node, variable.tensor);
    }
    options.find_path = [&](std::string_view text) -> std::optional<size_t> {
      const auto node = checkpoint->objects->find(text);
      const auto it = node ? by_node.find(*node) : by_node.end();
      return it == by_node.end() ? std::nullopt : std::optional(it->second);
    };
  }
  const Plan plan = make_plan(have, target->wanted, &rules, options);
  const PlanTextOptions text{.most_rows = arguments.has("all") ? size_t{0} : size_t{20}, .checkpoint = path, .target = *target_path};
  context.out.print(arguments.has("json") ? plan_json(plan, have, target->wanted, text) : plan_table(plan, have, target->wanted, text));
  if (!plan.applicable()) {
    if (out_path) context.warn(*out_path, "not written, because the plan is incomplete (--allow-partial)");
    return kNegative;
  }
  if (out == nullptr) return 0;
  RestoredFrom from{.plan = plan, .have = have, .wanted = target->wanted, .checkpoint = checkpoint->reader(), .pool = context.pool()};
  if (target->file) {
    from.target = target->file->input.reader.get();
    from.target_tensors = target->tensors;
  }
  return write(context, from, *out_path, *out, *out_options);
}

}  // namespace

extern const Command plan_command = {
    .group = Group::restore,
    .name = "plan",
    .summary = "what a checkpoint restores into a model, what is missing, and what would help",
    .usage = "CKPT --for TARGET",
    .options = kOptions,
    .reads = true,
    .writes = true,
    .least = 1,
    .most = 1,
    .details =
        "For each variable of TARGET: restored by its key, its place in the object graph, its name or a rule; proposed, where the names\n"
        "differ in a way that is well known (a scope renamed, PyTorch's words for Keras', transposed as these mean) or only one tensor\n"
        "could be meant; missing; or of another shape or dtype, with what would make it fit. Nothing proposed is restored unless\n"
        "--accept-proposed is written, nothing is made to fit without --fix. Exit 1 where a variable is left.\n"
        "\n"
        "TARGET is anything that holds named tensors, a SavedModel included, or a list: JSON objects with name, dtype and shape, or CSV.\n"
        "--write OUT writes the target's tensors under its keys, in its order and dtypes, with its object graph, and with what is not\n"
        "restored as it was: TensorFlow restores such a checkpoint without a warning.",
    .example = "ferry plan old/model.ckpt-100 --for new/ckpt-1 --rename '^tower/=encoder/' --write restored.ckpt --to ckpt",
    .run = run,
};

}  // namespace ferry::cli
