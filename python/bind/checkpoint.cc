// Checkpoints: one tensor by its key, variables, objects. What people see of them is put together in _checkpoint.py.
#include "ferry/checkpoint.h"

#include "options.h"
#include "reading.h"
#include "text.h"

namespace ferry::py {
namespace {

// An object graph stays as long as the checkpoint that it is of.
struct Graph {
  std::shared_ptr<const Checkpoint> checkpoint;
  const ObjectGraph* objects;

  uint32_t id(int64_t node) const {
    if (node < 0 || static_cast<uint64_t>(node) >= objects->size()) throw nb::index_error("no such object");
    return static_cast<uint32_t>(node);
  }
};

class OpenCheckpoint {
 public:
  OpenCheckpoint(nb::handle path, nb::handle format, nb::handle parts, nb::handle validate, nb::handle limits, nb::handle keywords)
      : path_(path_text(path)), pool_(pool()) {
    ReadOptions options = read_options(parts, validate, limits);
    const Format* named = format_named(format);
    auto place = unwrap(unlocked([&] { return find_place(path_, options.limits); }), path_);
    if (named == nullptr) named = unwrap(unlocked([&] { return detect_format(place); }), path_);
    options.format = options_for(*named, keywords);
    options.pool = pool_.get();
    checkpoint_ = std::make_shared<const Checkpoint>(unwrap(Checkpoint::open(std::move(place), named, options), path_));
  }

  std::string_view format() const { return checkpoint_->format().id; }

  // By key, else by path or name, of one variable or of those that make up a tensor; None where nothing is called so.
  nb::object get(nb::handle text) const {
    if (!PyUnicode_Check(text.ptr())) throw nb::type_error("a checkpoint's keys are str");
    const NameText name(text);
    const std::string_view wanted = name.view;
    auto tensor = unlocked([&]() -> Result<std::optional<Tensor>> {
      FERRY_ASSIGN_OR_RETURN(auto found, checkpoint_->read(wanted));
      if (found) return std::optional(*std::move(found));
      FERRY_ASSIGN_OR_RETURN(const Variable* const variable, checkpoint_->find_any(wanted));
      return variable == nullptr ? checkpoint_->read_group(wanted) : checkpoint_->read(variable->key);
    });
    auto found = unwrap(std::move(tensor), path_);
    return found ? tensor_object(*std::move(found)) : nb::none();
  }
  // The key of what is called so, or None.
  nb::object key(nb::handle text) const {
    if (!PyUnicode_Check(text.ptr())) return nb::none();
    const std::string wanted = name_text(text);
    const Variable* const found = unwrap(unlocked([&] { return checkpoint_->find_any(wanted); }), path_);
    return found == nullptr ? nb::none() : name_object(found->key);
  }
  bool has_group(nb::handle text) const {
    if (!PyUnicode_Check(text.ptr())) return false;
    const std::string wanted = name_text(text);
    return unwrap(unlocked([&] { return checkpoint_->has_group(wanted); }), path_);
  }
  const TensorReader& reader() const {
    return *unwrap(unlocked([&] { return checkpoint_->reader(); }), path_);
  }
  nb::list keys() const {
    nb::list out;
    for (const TensorInfo& info : reader().tensors()) out.append(name_object(info.name));
    return out;
  }
  size_t size() const { return reader().tensors().size(); }
  // The tensors from this position on, as many as are read well at once.
  nb::list read_from(size_t begin) const {
    constexpr size_t kMost = 256;
    constexpr uint64_t kMostBytes = uint64_t{16} << 20;
    std::vector<Tensor> tensors;
    check(unlocked([&]() -> Status {
            FERRY_ASSIGN_OR_RETURN(const TensorReader* const from, checkpoint_->reader());
            const auto infos = from->tensors();
            uint64_t bytes = 0;
            for (size_t i = begin; i < infos.size() && tensors.size() < kMost && bytes < kMostBytes; bytes += infos[i++].bytes) {
              FERRY_ASSIGN_OR_RETURN(Tensor tensor, from->read(i));
              tensors.push_back(std::move(tensor));
            }
            return {};
          }),
          path_);
    nb::list out;
    for (Tensor& tensor : tensors) out.append(tensor_object(std::move(tensor)));
    return out;
  }
  nb::dict metadata() const { return metadata_dict(reader().metadata()); }
  // (key, path, name, role, slot_name, slot_of, of_optimizer, kind, dtype, shape, nnz, bytes, node), None for what is not known
  nb::list variables() const {
    const auto variables = unwrap(unlocked([&] { return checkpoint_->variables(); }), path_);
    const auto infos = reader().tensors();
    const auto or_none = [](std::string_view text) { return text.empty() ? nb::none() : name_object(text); };
    nb::list out;
    for (const Variable& at : variables) {
      const TensorInfo& info = infos[at.tensor];
      out.append(nb::make_tuple(
          name_object(at.key), or_none(at.path), name_object(at.name), word(role_name(at.role)), or_none(at.slot_name), or_none(at.slot_of),
          at.of_optimizer, word(kind_name(info.kind)), dtype_object(info.dtype), shape_tuple(info.shape),
          info.nnz < 0 ? nb::none() : nb::object(nb::int_(info.nnz)), info.bytes, at.node ? nb::object(nb::int_(*at.node)) : nb::none()));
    }
    return out;
  }
  nb::object objects() const {
    const ObjectGraph* const graph = unwrap(unlocked([&] { return checkpoint_->objects(); }), path_);
    if (graph == nullptr || graph->size() == 0) return nb::none();
    return nb::cast(Graph{checkpoint_, graph});
  }

 private:
  std::string path_;
  std::shared_ptr<ThreadPool> pool_;  // outlives the readers
  std::shared_ptr<const Checkpoint> checkpoint_;
};

nb::list children(const Graph& graph, int64_t node) {
  nb::list out;
  for (const ObjectChild& child : graph.objects->node(graph.id(node)).children)
    out.append(nb::make_tuple(name_object(child.name), child.node));
  return out;
}

nb::list attributes(const Graph& graph, int64_t node) {
  nb::list out;
  for (const ObjectAttribute& at : graph.objects->node(graph.id(node)).attributes)
    out.append(nb::make_tuple(name_object(at.name), name_object(at.full_name), name_object(at.key)));
  return out;
}

nb::list slots(const Graph& graph, int64_t node) {
  nb::list out;
  for (const ObjectSlot& slot : graph.objects->node(graph.id(node)).slots)
    out.append(nb::make_tuple(name_object(slot.name), slot.original, slot.node));
  return out;
}

}  // namespace

void add_checkpoint(nb::module_& m) {
  nb::class_<Graph>(m, "_ObjectGraph", "The objects of a checkpoint, by number; 0 is the root.")
      .def("__len__", [](const Graph& graph) { return graph.objects->size(); })
      .def("children", children, nb::arg("node"), "[(name, node)]")
      .def("attributes", attributes, nb::arg("node"), "[(name, full name, key)]")
      .def("slots", slots, nb::arg("node"), "[(name, original, node)]")
      .def(
          "path",
          [](const Graph& graph, int64_t node) {
            const auto path = graph.objects->path_of(graph.id(node));
            return path ? name_object(*path) : nb::none();
          },
          nb::arg("node"))
      .def(
          "find",
          [](const Graph& graph, nb::handle path) {
            const auto node = graph.objects->find(name_text(path));
            return node ? nb::object(nb::int_(*node)) : nb::none();
          },
          nb::arg("path"))
      .def(
          "is_optimizer", [](const Graph& graph, int64_t node) { return graph.objects->is_optimizer(graph.id(node)); }, nb::arg("node"))
      .def("problems", [](const Graph& graph) {
        nb::list out;
        for (const std::string& problem : graph.objects->problems()) out.append(word(problem));
        return out;
      });
  nb::class_<OpenCheckpoint>(m, "_Checkpoint", "An opened checkpoint.")
      .def(nb::init<nb::handle, nb::handle, nb::handle, nb::handle, nb::handle, nb::handle>(), nb::arg("path"), nb::arg("format").none(),
           nb::arg("parts"), nb::arg("validate"), nb::arg("limits").none(), nb::arg("options"))
      .def_prop_ro("format", [](const OpenCheckpoint& x) { return word(x.format()); })
      .def("get", &OpenCheckpoint::get, nb::arg("text"))
      .def("key", &OpenCheckpoint::key, nb::arg("text").none())
      .def("has_group", &OpenCheckpoint::has_group, nb::arg("text").none())
      .def("keys", &OpenCheckpoint::keys)
      .def("read_from", &OpenCheckpoint::read_from, nb::arg("position"))
      .def("__len__", &OpenCheckpoint::size)
      .def("metadata", &OpenCheckpoint::metadata)
      .def("variables", &OpenCheckpoint::variables)
      .def("objects", &OpenCheckpoint::objects);
  m.def(
      "_checkpoint_state",
      [](nb::handle folder) -> nb::object {
        const std::string path = path_text(folder);
        const auto state = unwrap(unlocked([&] { return read_checkpoint_state(path); }), path);
        if (!state) return nb::none();
        nb::list all;
        for (const std::string& prefix : state->all) all.append(name_object(prefix));
        return nb::make_tuple(state->latest.empty() ? nb::none() : name_object(state->latest), all);
      },
      nb::arg("folder"), "(latest, all) by their prefixes, or None.");
}

}  // namespace ferry::py
