// ferry ckpt subset: a checkpoint of some of another's tensors.
#include "cli/ckpt_files.h"
#include "cli/command.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"select", 0, Takes::text, "NAME", "these tensors; * and ? stand for letters, role:weight for what they are", true},
    {"drop", 0, Takes::text, "NAME", "all but these, role:optimizer for all that an optimizer keeps", true},
    kNoObjects,
    kCheckOutput,
};

int run(Context& context, const Arguments& arguments) {
  TensorRules rules;
  for (const auto& [option, verb] : {std::pair("select", RuleVerb::select), std::pair("drop", RuleVerb::drop)}) {
    TensorRule rule{};
    rule.verb = verb;
    rule.where = concat("--", option);
    for (std::string_view text : arguments.all(option)) {
      auto pattern = RulePattern::parse(text);
      if (!pattern.ok()) return context.usage(concat("--", option, ": ", pattern.status().message()));
      rule.patterns.push_back(*std::move(pattern));
    }
    if (!rule.patterns.empty()) rules.append(std::move(rule));
  }
  if (rules.rules().empty()) return context.usage("all tensors would stay; give --select or --drop");
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

extern const Command ckpt_subset_command = {
    .group = Group::restore,
    .name = "ckpt subset",
    .summary = "a TensorFlow checkpoint of some of another's tensors",
    .usage = "IN OUT",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 2,
    .most = 2,
    .details =
        "OUT is a prefix. The object graph keeps its objects, without the values that are left out: restored in part, TensorFlow says so\n"
        "(assert_existing_objects_matched) or is told that it is meant so (expect_partial).",
    .example = "ferry ckpt subset model.ckpt-100 weights --drop role:optimizer",
    .run = run,
};

}  // namespace ferry::cli
