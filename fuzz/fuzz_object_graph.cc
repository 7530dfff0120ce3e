// Object graphs of any bytes: every id that is given out is that of an object, paths lead where they say, and what is said of tensors and
// of the graph's fit with them ends, in the time that the bytes are worth.
//   the bytes   a count of tensors, each: length of its name, name, rank; then the graph
#include <algorithm>
#include <cstdlib>

#include "ferry/checkpoint.h"

namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferry;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take = [&](size_t count) {
    const std::string_view out = rest.substr(0, count);
    rest.remove_prefix(out.size());
    return out;
  };
  const auto number = [&] {
    const std::string_view byte = take(1);
    return byte.empty() ? size_t{0} : static_cast<size_t>(static_cast<uint8_t>(byte[0]));
  };
  TensorMap tensors;
  for (size_t left = number() % 8; left > 0; --left) {
    const std::string name(take(number()));
    const size_t rank = number() % 3;
    (void)tensors.add(name, rank == 0 ? DenseTensor::scalar<int64_t>(1) : DenseTensor::of<float>({2}, {1, 2}));
  }
  Limits limits;
  limits.max_tensors = 1 << 16;
  limits.max_name_bytes = 4096;
  auto bytes = Buffer::copy_of(rest);
  if (!bytes.ok()) return 0;
  const auto graph = ObjectGraph::parse(*std::move(bytes), limits);
  if (!graph.ok()) {
    demand(graph.status().code() != StatusCode::internal && !graph.status().message().empty());
    return 0;
  }
  const auto count = static_cast<uint32_t>(graph->size());
  for (uint32_t id = 0; id < count; ++id) {
    const ObjectNode node = graph->node(id);
    for (const ObjectChild& child : node.children) demand(child.node < count);
    for (const ObjectSlot& slot : node.slots) demand(slot.node < count && slot.original < count);
    if (const auto owner = graph->optimizer_of(id)) demand(*owner < count && graph->is_optimizer(*owner));
    const auto path = graph->path_of(id);
    if (!path) continue;
    demand(path->size() == graph->path_size(id) && path->size() <= limits.max_name_bytes);
    (void)graph->find(*path);  // of two children with one name the first is found
    for (const ObjectAttribute& attribute : node.attributes) demand(graph->find_key(attribute.key).has_value());
  }
  const auto reader = reader_of(std::move(tensors));
  const auto variables = describe_variables(reader->tensors(), &*graph);
  if (variables.ok()) {
    for (const Variable& at : *variables) {
      demand(at.key == reader->tensors()[at.tensor].name);
      if (at.node) demand(*at.node < count);
      if (at.slot_of.empty()) continue;
      demand(std::ranges::any_of(*variables, [&](const Variable& other) { return other.key == at.slot_of; }));
    }
  }
  (void)describe_variables(reader->tensors(), nullptr);
  (void)check_objects(*graph, *reader);
  return 0;
}
