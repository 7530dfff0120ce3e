// ferry ckpt rename: a checkpoint whose tensors have other keys, or are otherwise changed by rules.
#include "cli/ckpt_files.h"
#include "cli/command.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"rename", 0, Takes::text, "REGEX=NAME", "rename what matches; \\1 is a group; @FILE holds rules", true},
    {"rules", 0, Takes::path, "FILE", "lines that drop, rename, transpose, reshape, cast, split and merge", true},
    kNoObjects,
    kCheckOutput,
};

int run(Context& context, const Arguments& arguments) {
  TensorRules rules;
  TensorRule rename{};
  rename.verb = RuleVerb::rename;
  rename.where = "--rename";
  for (std::string_view text : arguments.all("rename")) {
    const Status status = rename.rename.add(text);
    if (status.ok()) continue;
    return status.code() == StatusCode::invalid_argument ? context.usage(concat("--rename: ", status.message())) : context.fail(status);
  }
  if (rename.rename.size() > 0) rules.append(std::move(rename));
  for (std::string_view path : arguments.all("rules")) {
    auto more = TensorRules::read(std::string(path));
    if (!more.ok()) return context.fail(more.status());
    rules.append(*std::move(more));
  }
  if (rules.rules().empty()) return context.usage("nothing is renamed; give --rename or --rules");
  const std::string_view in_path = arguments.words()[0], out_path = arguments.words()[1];
  const auto from = open_ckpt(context, arguments, in_path);
  if (!from) return context.exit_code();
  TransformedReader tensors(*from->input.reader, {.limits = context.limits, .pool = context.pool()});
  if (!apply_rules(context, *from, tensors, rules)) return context.exit_code();
  std::optional<std::string> graph;
  if (from->graph) {
    graph = moved_graph(context, *from, tensors);
    if (!graph) return context.exit_code();
  }
  return write_ckpt(context, arguments, picked(tensors), graph ? &*graph : nullptr, in_path, out_path);
}

}  // namespace

extern const Command ckpt_rename_command = {
    .group = Group::restore,
    .name = "ckpt rename",
    .summary = "a TensorFlow checkpoint with other keys; objects move with them",
    .usage = "IN OUT",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 2,
    .most = 2,
    .details =
        "OUT is a prefix: OUT.index and OUT.data-00000-of-00001. Where IN has an object graph, its keys follow, and where the place of\n"
        "an object in its key changes (model/a to net/b), the object moves there, so that tf.train.Checkpoint restores a program that\n"
        "calls it so. What cannot be kept whole is refused.",
    .example = "ferry ckpt rename model.ckpt-100 renamed --rename '^encoder/=backbone/'",
    .run = run,
};

}  // namespace ferry::cli
