// Graphs, run.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "engine/session.h"
#include "numpy.h"

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
      FERRY_ASSIGN_OR_RETURN(const engine::Plan* plan, session_.prepare(names, fetches, targets));
      return session_.run(*plan, std::move(values));
    });
    nb::list list;
    for (ops::Value& value : out) list.append(value.is_tensor() ? tensor_object(value.tensor()) : nb::none());
    return list;
  }

 private:
  Graph graph_;
  engine::Session session_;
};

}  // namespace

void add_engine(nb::module_& m) {
  nb::class_<GraphRunner>(m, "GraphRunner", "A serialized GraphDef, ready to run any of its tensors.")
      .def(nb::init<nb::bytes>(), nb::arg("graph_def"))
      .def("run", &GraphRunner::run, nb::arg("feeds"), nb::arg("fetches"), nb::arg("targets") = std::vector<std::string>());
}

}  // namespace ferry::py
