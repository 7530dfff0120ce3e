// Models and graphs, run.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "engine/session.h"
#include "ferry/model.h"
#include "numpy.h"
#include "reading.h"
#include "text.h"

namespace ferry::py {
namespace {

// A graph with its state. What is fed and fetched are tensors by name.
class GraphRunner {
 public:
  explicit GraphRunner(nb::bytes bytes)
      : graph_(unwrap(Graph::parse(unwrap(Buffer::copy_of(std::string_view(bytes.c_str(), bytes.size())))))), session_(graph_) {}

  nb::list run(nb::dict feeds, const std::vector<std::string>& fetches, const std::vector<std::string>& targets) {
    std::vector<std::string> names;
    std::vector<ops::Value> values;
    for (auto [name, value] : feeds) {
      names.push_back(nb::cast<std::string>(name));
      Tensor tensor = to_tensor(value);
      auto* dense = std::get_if<DenseTensor>(&tensor);
      if (dense == nullptr) throw StatusError(invalid_argument(concat("the feed ", quoted(names.back()), " must be dense")));
      values.emplace_back(std::move(*dense));
    }
    auto out = py::run([&]() -> Result<std::vector<ops::Value>> {
      FERRY_ASSIGN_OR_RETURN(const engine::Schedule* schedule, session_.prepare(names, fetches, targets));
      return session_.run(*schedule, std::move(values));
    });
    nb::list list;
    for (ops::Value& value : out) list.append(value.is_tensor() ? tensor_object(value.tensor()) : nb::none());
    return list;
  }

 private:
  Graph graph_;
  engine::Session session_;
};

nb::object dtype_or_none(const std::optional<DType>& dtype) { return dtype ? dtype_object(*dtype) : nb::none(); }
nb::object shape_or_none(const PartialShape& shape) { return shape.has_rank() ? nb::object(shape_tuple(shape.dims())) : nb::none(); }

// (name, kind, dtype, shape, has a default, ((key, tensor, dtype, shape), …))
nb::object port_tuple(const Port& port) {
  nb::list parts;
  for (const PortPart& part : port.parts) {
    parts.append(nb::make_tuple(name_object(part.key), name_object(part.tensor), dtype_or_none(part.dtype), shape_or_none(part.shape)));
  }
  return nb::make_tuple(name_object(port.name), std::string(kind_name(port.kind)), dtype_or_none(port.dtype), shape_or_none(port.shape),
                        port.has_default(), nb::tuple(parts));
}

Model load_model(nb::handle path, nb::handle tags, nb::handle checkpoint) {
  const std::string from = path_text(path);
  LoadOptions options;
  if (!tags.is_none()) options.tags = nb::cast<std::vector<std::string>>(tags);
  if (!checkpoint.is_none()) options.checkpoint = path_text(checkpoint);
  return unwrap(unlocked([&] { return Model::load(from, options); }), from);
}

const Signature& signature_of(const Model& model, const std::string& key) { return *unwrap(model.find_signature(key)); }

nb::dict run_signature(const Model& model, const std::string& key, nb::handle entries, std::optional<double> timeout) {
  const Signature& signature = signature_of(model, key);
  const TensorMap inputs = map_from(entries, nb::none());
  const auto threads = pool();
  RunOptions options;
  options.pool = threads.get();
  if (timeout) options.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(static_cast<int64_t>(*timeout * 1e6));
  TensorMap out = py::run([&] { return model.run(signature, inputs, options); });
  nb::dict results;
  for (auto& entry : out) results[name_object(entry.name)] = tensor_object(std::move(entry.tensor));
  return results;
}

nb::list run_tensors(const Model& model, nb::dict feeds, const std::vector<std::string>& fetches) {
  std::vector<Model::NamedTensor> given;
  for (auto [name, value] : feeds) {
    Tensor tensor = to_tensor(value);
    auto* dense = std::get_if<DenseTensor>(&tensor);
    if (dense == nullptr) throw StatusError(invalid_argument(concat("the feed ", quoted(nb::cast<std::string>(name)), " must be dense")));
    given.emplace_back(nb::cast<std::string>(name), std::move(*dense));
  }
  const auto threads = pool();
  RunOptions options;
  options.pool = threads.get();
  nb::list out;
  for (DenseTensor& tensor : py::run([&] { return model.run(given, fetches, options); })) out.append(tensor_object(std::move(tensor)));
  return out;
}

nb::list list_signatures(const Model& model) {
  nb::list out;
  for (const Signature& signature : model.signatures()) {
    nb::list inputs, outputs;
    for (const Port& port : signature.inputs) inputs.append(port_tuple(port));
    for (const Port& port : signature.outputs) outputs.append(port_tuple(port));
    out.append(nb::make_tuple(name_object(signature.key), name_object(signature.method), inputs, outputs, signature.proposed));
  }
  return out;
}

}  // namespace

void add_engine(nb::module_& m) {
  nb::class_<GraphRunner>(m, "GraphRunner", "A serialized GraphDef, ready to run any of its tensors.")
      .def(nb::init<nb::bytes>(), nb::arg("graph_def"))
      .def("run", &GraphRunner::run, nb::arg("feeds"), nb::arg("fetches"), nb::arg("targets") = std::vector<std::string>());
  nb::class_<Model>(m, "_Model")
      .def("signatures", &list_signatures)
      .def("prepare", [](const Model& model, const std::string& key) { check(model.prepare(signature_of(model, key))); })
      .def("run", &run_signature, nb::arg("signature"), nb::arg("inputs"), nb::arg("timeout").none())
      .def("run_tensors", &run_tensors, nb::arg("feeds"), nb::arg("fetches"));
  m.def("_load_model", &load_model, nb::arg("path"), nb::arg("tags").none(), nb::arg("checkpoint").none());
}

}  // namespace ferry::py
