#include "cli/ckpt_files.h"

#include "cli/output.h"
#include "cli/text.h"

namespace ferry::cli {

std::optional<CkptInput> open_ckpt(Context& context, const Arguments& arguments, std::string_view path) {
  auto input = open_input(context, arguments, path, nullptr, "from", true);
  if (!input) return std::nullopt;
  CkptInput out;
  out.input = *std::move(input);
  const auto infos = out.input.tensors();
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].name != ObjectGraph::kKey) out.tensors.push_back(i);
  }
  if (const std::string* skipped = out.input.reader->metadata().find("ckpt.skipped"); skipped != nullptr) {
    context.warn(path, concat("left out, since they are objects of the program that wrote them: ", *skipped));
  }
  if (arguments.has("no-objects")) return out;
  auto graph = read_object_graph(*out.input.reader, context.limits);
  if (!graph.ok()) {
    context.fail(path, graph.status());
    return std::nullopt;
  }
  out.graph = *std::move(graph);
  return out;
}

bool apply_rules(Context& context, const CkptInput& from, TransformedReader& tensors, const TensorRules& rules) {
  tensors.select(from.tensors);
  if (const Status status = tensors.apply(rules); !status.ok()) return context.fail(from.input.path, status), false;
  return true;
}

std::optional<std::string> moved_graph(Context& context, const CkptInput& from, const TransformedReader& tensors) {
  const auto before = from.input.tensors();
  KeyMap keys;
  for (size_t i = 0; i < tensors.tensors().size(); ++i) {
    const std::vector<size_t> origins = tensors.origins(i);
    for (const size_t origin : origins) {
      const std::string& key = before[origin].name;
      const bool fresh = keys.emplace(key, tensors.tensors()[i].name).second;
      if ((fresh && origins.size() == 1) || !from.graph->find_key(key)) continue;
      context.fail(from.input.path,
                   unsupported(concat("the object graph has ", quoted(key), " as one variable, and the rules ",
                                      fresh ? "merge it with others" : "split it", "; write without objects (--no-objects)")));
      return std::nullopt;
    }
  }
  ObjectEdit graph(*from.graph);
  if (const Status status = graph.move(keys); !status.ok()) {
    context.fail(from.input.path, status);
    return std::nullopt;
  }
  return graph.bytes();
}

PickedReader picked(const TensorReader& tensors) {
  std::vector<PickedReader::Pick> picks;
  for (size_t i = 0; i < tensors.tensors().size(); ++i) picks.push_back({&tensors, i});
  return PickedReader(std::move(picks));
}

int write_ckpt(Context& context, const Arguments& arguments, PickedReader tensors, const std::string* graph, std::string_view in_path,
               std::string_view out_path) {
  if (graph != nullptr) tensors.add(std::string(ObjectGraph::kKey), DenseTensor::of_strings(Shape{}, {*graph}));
  return write_output(context, tensors, in_path, out_path, *find_format("ckpt"), {}, arguments.has("check"));
}

}  // namespace ferry::cli
