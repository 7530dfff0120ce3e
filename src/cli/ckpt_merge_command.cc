// ferry ckpt merge: the tensors of several checkpoints in one.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "cli/ckpt_files.h"
#include "cli/command.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"prefer", 0, Takes::text, "WHICH", "of two tensors of one key: first or last"},
    kNoObjects,
    kCheckOutput,
};

class Merge {
 public:
  Merge(Context& context, ObjectEdit::Prefer prefer) : context_(context), prefer_(prefer) {}

  bool add(const CkptInput& from) {
    const auto infos = from.input.tensors();
    for (const size_t i : from.tensors) {
      const auto [it, fresh] = by_name_.emplace(infos[i].name, picks_.size());
      if (fresh) {
        picks_.push_back({from.input.reader.get(), i});
        paths_.push_back(&from.input.path);
      } else if (!settle(it->second, from, i)) {
        return false;
      }
    }
    return add_graph(from);
  }

  int write(const Arguments& arguments, std::string_view in_path, std::string_view out_path) {
    std::erase_if(picks_, [&](const PickedReader::Pick& pick) { return orphans_.contains(pick.reader->tensors()[pick.position].name); });
    std::string graph;
    if (graph_) {
      KeyMap keys;
      for (const PickedReader::Pick& pick : picks_) {
        const std::string& name = pick.reader->tensors()[pick.position].name;
        keys.emplace(name, name);
      }
      if (const Status status = graph_->move(keys); !status.ok()) return context_.fail(in_path, status);
      graph = graph_->bytes();
    }
    if (graph_ && !without_.empty()) {
      context_.warn(without_, concat("has no object graph, and ", graph_path_, " has one: its tensors are found by their keys alone"));
    }
    return write_ckpt(context_, arguments, PickedReader(picks_), graph_ ? &graph : nullptr, in_path, out_path);
  }

 private:
  // Two tensors of one key: equal ones are one.
  bool settle(size_t there, const CkptInput& from, size_t i) {
    PickedReader::Pick& pick = picks_[there];
    if (prefer_ == ObjectEdit::Prefer::first) return true;
    if (prefer_ == ObjectEdit::Prefer::none) {
      const auto a = pick.reader->read(pick.position), b = from.input.reader->read(i);
      if (!a.ok()) return context_.fail(*paths_[there], a.status()), false;
      if (!b.ok()) return context_.fail(from.input.path, b.status()), false;
      if (identical(*a, *b)) return true;
      context_.fail(from.input.path, invalid_argument(concat("the tensor ", quoted(from.input.tensors()[i].name), " is in ", *paths_[there],
                                                             " too, and not the same; choose with --prefer first or --prefer last")));
      return false;
    }
    pick = {from.input.reader.get(), i};
    paths_[there] = &from.input.path;
    return true;
  }

  bool add_graph(const CkptInput& from) {
    if (!from.graph) {
      if (!from.tensors.empty()) without_ = from.input.path;
      return true;
    }
    if (!graph_) {
      graph_.emplace(*from.graph);
      graph_path_ = from.input.path;
      return true;
    }
    std::vector<std::string> orphans;
    if (const Status status = graph_->merge(ObjectEdit(*from.graph), graph_path_, from.input.path, prefer_, orphans); !status.ok())
      return context_.fail(from.input.path, status), false;
    orphans_.insert(orphans.begin(), orphans.end());
    return true;
  }

  Context& context_;
  ObjectEdit::Prefer prefer_;
  std::vector<PickedReader::Pick> picks_;
  std::vector<const std::string*> paths_;
  std::unordered_map<std::string_view, size_t> by_name_;
  std::optional<ObjectEdit> graph_;
  std::string graph_path_, without_;
  std::unordered_set<std::string> orphans_;
};

int run(Context& context, const Arguments& arguments) {
  auto prefer = ObjectEdit::Prefer::none;
  if (const auto word = arguments.get("prefer")) {
    if (*word != "first" && *word != "last") return context.usage(concat("--prefer is ", quoted(*word), ", expected first or last"));
    prefer = *word == "first" ? ObjectEdit::Prefer::first : ObjectEdit::Prefer::second;
  }
  const auto words = arguments.words();
  std::vector<CkptInput> inputs;
  for (std::string_view path : words.first(words.size() - 1)) {
    auto input = open_ckpt(context, arguments, path);
    if (!input) return context.exit_code();
    inputs.push_back(*std::move(input));
  }
  Merge merge(context, prefer);
  for (const CkptInput& input : inputs) {
    if (!merge.add(input)) return context.exit_code();
  }
  return merge.write(arguments, words[0], words.back());
}

}  // namespace

extern const Command ckpt_merge_command = {
    .group = Group::restore,
    .name = "ckpt merge",
    .summary = "the tensors of several checkpoints in one",
    .usage = "IN... OUT",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 2,
    .most = kAnyNumber,
    .details =
        "OUT is a prefix. A key that two have is an error unless they hold the same, or --prefer chooses. Object graphs become one:\n"
        "objects are the same where the same names lead to them from the root.",
    .example = "ferry ckpt merge encoder decoder both",
    .run = run,
};

}  // namespace ferry::cli
