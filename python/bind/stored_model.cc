// Models as data: graphs, functions, signatures. What people see of them is put together in _stored_model.py.
#include "ferry/model_variables.h"
#include "ferry/op_census.h"
#include "ferry/signature.h"
#include "options.h"
#include "reading.h"
#include "text.h"

namespace ferry::py {
namespace {

nb::object type_object(int number) {
  if (number == 0) return nb::none();
  const DType dtype = unwrap(dtype_of_number(number));
  if (is_reference(number)) return word(concat(dtype_name(dtype), "_ref"));
  return dtype_object(dtype);
}
nb::object partial_shape(const PartialShape& shape) { return shape.has_rank() ? nb::object(shape_tuple(shape.dims())) : nb::none(); }
nb::bytes bytes_object(std::string_view bytes) { return nb::bytes(bytes.data(), bytes.size()); }
nb::bytes bytes_object(std::span<const std::byte> bytes) { return nb::bytes(bytes.data(), bytes.size()); }

// (kind, value)
nb::tuple attr_tuple(const AttrValue& attr, const Buffer* bytes);

nb::tuple call_tuple(const FunctionCall& call, const Buffer* bytes) {
  nb::dict attrs;
  for (const Attr& attr : call.attrs) attrs[name_object(attr.name)] = attr_tuple(attr.value, bytes);
  return nb::make_tuple(name_object(call.name), attrs);
}

template <class T, class Convert>
nb::object list_of(Result<std::vector<T>> values, Convert&& convert) {
  nb::list out;
  for (const T& value : unwrap(std::move(values))) out.append(convert(value));
  return out;
}

nb::object list_object(const AttrValue& attr, const Buffer* bytes) {
  switch (attr.list_kind()) {
    case AttrKind::text: return list_of(attr.texts(), [](std::string_view x) { return bytes_object(x); });
    case AttrKind::integer: return list_of(attr.integers(), [](int64_t x) { return nb::int_(x); });
    case AttrKind::number: return list_of(attr.numbers(), [](float x) { return nb::float_(x); });
    case AttrKind::boolean: return list_of(attr.booleans(), [](bool x) { return nb::bool_(x); });
    case AttrKind::type: return list_of(attr.type_numbers(), type_object);
    case AttrKind::shape: return list_of(attr.shapes(), partial_shape);
    case AttrKind::tensor: return list_of(attr.tensors(), [](std::span<const std::byte> x) { return bytes_object(x); });
    case AttrKind::func: return list_of(attr.funcs(), [&](const FunctionCall& x) { return call_tuple(x, bytes); });
    case AttrKind::none:
    case AttrKind::list:
    case AttrKind::placeholder: return nb::list();
  }
  __builtin_unreachable();
}

nb::object attr_object(const AttrValue& attr, AttrKind kind, const Buffer* bytes) {
  switch (kind) {
    case AttrKind::none: return nb::none();
    case AttrKind::text: return bytes_object(unwrap(attr.text()));
    case AttrKind::integer: return nb::int_(unwrap(attr.integer()));
    case AttrKind::number: return nb::float_(unwrap(attr.number()));
    case AttrKind::boolean: return nb::bool_(unwrap(attr.boolean()));
    case AttrKind::type: return type_object(unwrap(attr.type_number()));
    case AttrKind::shape: return partial_shape(unwrap(attr.shape()));
    case AttrKind::tensor: return tensor_object(unwrap(attr.constant(bytes)));
    case AttrKind::list: return list_object(attr, bytes);
    case AttrKind::func: return call_tuple(unwrap(attr.func()), bytes);
    case AttrKind::placeholder: return name_object(unwrap(attr.placeholder()));
  }
  __builtin_unreachable();
}

nb::tuple attr_tuple(const AttrValue& attr, const Buffer* bytes) {
  const AttrKind kind = attr.kind();
  return nb::make_tuple(word(attr_kind_name(kind)), attr_object(attr, kind, bytes));
}

// Nodes of a graph or of a function's body, which it keeps.
struct NodeTable {
  std::shared_ptr<const void> owner;
  const Nodes* nodes;
  Buffer bytes;  // which constants are shared with

  const Node& at(size_t i) const {
    if (i >= nodes->size()) throw nb::index_error("no such node");
    return (*nodes)[i];
  }
};

struct FunctionBody {
  std::shared_ptr<const Function> function;
  Buffer bytes;
};

nb::list args_list(const std::vector<ArgDef>& args) {
  nb::list out;
  for (const ArgDef& arg : args) {
    out.append(nb::make_tuple(name_object(arg.name), type_object(arg.type_number), name_object(arg.type_attr), name_object(arg.number_attr),
                              name_object(arg.type_list_attr)));
  }
  return out;
}
nb::dict rets_dict(std::span<const Function::Ret> rets) {
  nb::dict out;
  for (const Function::Ret& ret : rets) out[name_object(ret.name)] = name_object(ret.tensor);
  return out;
}

std::string_view role_word(PartRole role) {
  switch (role) {
    case PartRole::indices: return "indices";
    case PartRole::dense_shape: return "dense_shape";
    case PartRole::row_splits: return "row_splits";
    default: return "values";
  }
}

nb::object or_none(std::string_view text) { return text.empty() ? nb::none() : name_object(text); }

nb::list ports_list(const std::vector<Port>& ports) {
  nb::list out;
  for (const Port& port : ports) {
    nb::list parts;
    for (const PortPart& part : port.parts) {
      parts.append(nb::make_tuple(or_none(part.key), or_none(part.tensor), word(role_word(part.role)), part.level,
                                  part.dtype ? dtype_object(*part.dtype) : nb::none(), partial_shape(part.shape),
                                  part.default_value.empty() ? nb::none() : nb::object(bytes_object(part.default_value))));
    }
    out.append(nb::make_tuple(name_object(port.name), word(kind_name(port.kind)), port.dtype ? dtype_object(*port.dtype) : nb::none(),
                              partial_shape(port.shape), word(port_origin_name(port.origin)), or_none(port.argument), parts));
  }
  return out;
}

nb::tuple signature_tuple(const Signature& signature) {
  nb::list notes;
  for (const std::string& note : signature.notes) notes.append(name_object(note));
  return nb::make_tuple(name_object(signature.key), name_object(signature.method), ports_list(signature.inputs),
                        ports_list(signature.outputs), notes, signature.proposed);
}

class OpenModel {
 public:
  OpenModel(nb::handle path, nb::handle limits) : path_(path_text(path)) {
    const Limits limit = to_limits(limits);
    model_ = std::make_shared<const StoredModel>(unwrap(unlocked([&] { return StoredModel::open(path_, limit); }), path_));
  }
  const StoredModel& model() const { return *model_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::shared_ptr<const StoredModel> model_;
};

class OpenMetaGraph {
 public:
  OpenMetaGraph(const OpenModel& model, size_t i) : model_(model) {
    meta_ = std::make_shared<const MetaGraph>(unwrap(unlocked([&] { return model.model().read(i); }), model.path()));
  }
  const MetaGraph& meta() const { return *meta_; }

  nb::list signatures() const {
    nb::list out;
    for (const Signature& signature : unwrap(unlocked([&] { return read_signatures(model_.model(), *meta_); }), model_.path()))
      out.append(signature_tuple(signature));
    return out;
  }
  nb::object proposed() const {
    const auto signature = unwrap(unlocked([&] { return propose_signature(*meta_); }), model_.path());
    return signature ? nb::object(signature_tuple(*signature)) : nb::none();
  }
  nb::list callables(bool all) const {
    nb::list out;
    for (const CallableFunction& function : unwrap(unlocked([&] { return callable_functions(*meta_, all); }), model_.path())) {
      nb::list traces;
      for (const auto& trace : function.traces) {
        nb::list values;
        for (const std::string& value : trace.values) values.append(name_object(value));
        traces.append(nb::make_tuple(name_object(trace.function), ports_list(trace.inputs), ports_list(trace.outputs), values));
      }
      out.append(nb::make_tuple(name_object(function.path), traces));
    }
    return out;
  }
  // (key, path, name, role, dtype, shape, nodes)
  nb::list variables() const {
    const ModelVariables variables = unwrap(unlocked([&] { return model_variables(*meta_); }), model_.path());
    std::vector<nb::list> nodes(variables.wanted.size());
    for (const auto& handle : variables.handles) nodes[handle.wanted].append(name_object(handle.node));
    nb::list out;
    for (size_t i = 0; i < variables.wanted.size(); ++i) {
      const Wanted& wanted = variables.wanted[i];
      out.append(nb::make_tuple(or_none(wanted.key), or_none(wanted.path), or_none(wanted.name), word(role_name(wanted.role)),
                                wanted.dtype ? dtype_object(*wanted.dtype) : nb::none(),
                                wanted.shape ? nb::object(shape_tuple(*wanted.shape)) : nb::none(), nodes[i]));
    }
    return out;
  }
  NodeTable nodes() const { return {meta_, &meta_->graph().nodes(), meta_->graph().bytes()}; }
  nb::list function_names() const {
    nb::list out;
    const FunctionLibrary& library = meta_->graph().functions();
    for (size_t i = 0; i < library.size(); ++i) out.append(name_object(library.name(i)));
    return out;
  }
  nb::object function(nb::handle name) const {
    const std::string text = name_text(name);
    if (!meta_->graph().functions().find(text)) return nb::none();
    auto function = std::make_shared<const Function>(unwrap(meta_->graph().functions().read(text), model_.path()));
    return nb::cast(FunctionBody{std::move(function), meta_->graph().bytes()});
  }
  nb::tuple collection(nb::handle name) const {
    const Collection found = unwrap(meta_->collection(name_text(name)), model_.path());
    nb::list out;
    switch (found.kind) {
      case Collection::Kind::none: break;
      case Collection::Kind::nodes:
        for (const std::string_view text : found.texts) out.append(name_object(text));
        break;
      case Collection::Kind::bytes:
        for (const std::string_view text : found.texts) out.append(bytes_object(text));
        break;
      case Collection::Kind::any:
        for (size_t i = 0; i < found.texts.size(); ++i)
          out.append(nb::make_tuple(name_object(found.types[i]), bytes_object(found.texts[i])));
        break;
      case Collection::Kind::integers:
        for (const int64_t value : found.integers) out.append(value);
        break;
      case Collection::Kind::numbers:
        for (const float value : found.numbers) out.append(value);
        break;
    }
    return nb::make_tuple(static_cast<int>(found.kind), out);
  }
  nb::list ops() const {
    nb::list out;
    for (const OpUse& use : unwrap(unlocked([&] { return count_ops(*meta_); }), model_.path()).ops) {
      nb::list signatures;
      for (const std::string& key : use.signatures) signatures.append(name_object(key));
      out.append(
          nb::make_tuple(name_object(use.op), use.nodes, use.reached, signatures, use.by_function, use.by_init, use.by_saver, use.core));
    }
    return out;
  }

 private:
  OpenModel model_;
  std::shared_ptr<const MetaGraph> meta_;
};

nb::list text_list(std::span<const std::string_view> texts) {
  nb::list out;
  for (const std::string_view text : texts) out.append(name_object(text));
  return out;
}

}  // namespace

void add_stored_model(nb::module_& m) {
  nb::class_<NodeTable>(m, "_Nodes", "Nodes of a graph or function, by number.")
      .def("__len__", [](const NodeTable& x) { return x.nodes->size(); })
      .def("find",
           [](const NodeTable& x, nb::handle name) {
             const auto i = x.nodes->find(name_text(name));
             return i ? nb::object(nb::int_(*i)) : nb::none();
           })
      .def("node",
           [](const NodeTable& x, size_t i) {
             const Node& node = x.at(i);
             nb::list attrs;
             for (const Attr& attr : node.attrs) attrs.append(name_object(attr.name));
             return nb::make_tuple(name_object(node.name), name_object(node.op), name_object(node.device), text_list(node.inputs), attrs);
           })
      .def("attr", [](const NodeTable& x, size_t i, nb::handle name) -> nb::object {
        const AttrValue* value = x.at(i).find(name_text(name));
        return value == nullptr ? nb::none() : nb::object(attr_tuple(*value, &x.bytes));
      });
  nb::class_<FunctionBody>(m, "_Function", "A function of a graph's library.")
      .def_prop_ro("name", [](const FunctionBody& x) { return name_object(x.function->name()); })
      .def("inputs", [](const FunctionBody& x) { return args_list(x.function->signature().inputs); })
      .def("outputs", [](const FunctionBody& x) { return args_list(x.function->signature().outputs); })
      .def("ret", [](const FunctionBody& x) { return rets_dict(x.function->ret()); })
      .def("control_ret", [](const FunctionBody& x) { return rets_dict(x.function->control_ret()); })
      .def("attrs",
           [](const FunctionBody& x) {
             nb::dict out;
             for (const Attr& attr : x.function->attrs()) out[name_object(attr.name)] = attr_tuple(attr.value, &x.bytes);
             return out;
           })
      .def("nodes", [](const FunctionBody& x) {
        return NodeTable{x.function, &x.function->nodes(), x.bytes};
      });
  nb::class_<OpenMetaGraph>(m, "_MetaGraph", "A graph with what belongs to it.")
      .def("tags", [](const OpenMetaGraph& x) { return text_list(x.meta().tags()); })
      .def("tensorflow_version", [](const OpenMetaGraph& x) { return name_object(x.meta().tensorflow_version()); })
      .def("versions",
           [](const OpenMetaGraph& x) {
             const Versions& versions = x.meta().graph().versions();
             return nb::make_tuple(versions.producer, versions.min_consumer);
           })
      .def("signatures", &OpenMetaGraph::signatures)
      .def("proposed", &OpenMetaGraph::proposed)
      .def("callables", &OpenMetaGraph::callables, nb::arg("all"))
      .def("variables", &OpenMetaGraph::variables)
      .def("nodes", &OpenMetaGraph::nodes)
      .def("function_names", &OpenMetaGraph::function_names)
      .def("function", &OpenMetaGraph::function)
      .def("collection_names", [](const OpenMetaGraph& x) { return text_list(x.meta().collection_names()); })
      .def("collection", &OpenMetaGraph::collection)
      .def("init_ops",
           [](const OpenMetaGraph& x) {
             nb::list out;
             for (const std::string& node : init_ops(x.meta())) out.append(name_object(node));
             return out;
           })
      .def("assets",
           [](const OpenMetaGraph& x) {
             nb::list out;
             for (const AssetFile& asset : x.meta().assets())
               out.append(nb::make_tuple(or_none(asset.tensor), name_object(asset.filename)));
             return out;
           })
      .def("ops", &OpenMetaGraph::ops);
  nb::class_<OpenModel>(m, "_StoredModel", "An opened SavedModel, MetaGraph or GraphDef.")
      .def(nb::init<nb::handle, nb::handle>(), nb::arg("path"), nb::arg("limits").none())
      .def_prop_ro("kind", [](const OpenModel& x) { return word(model_kind_name(x.model().kind())); })
      .def_prop_ro("is_text", [](const OpenModel& x) { return x.model().is_text(); })
      .def("__len__", [](const OpenModel& x) { return x.model().size(); })
      .def("tags",
           [](const OpenModel& x, size_t i) {
             if (i >= x.model().size()) throw nb::index_error("no such meta graph");
             nb::list out;
             for (const std::string& tag : x.model().tags(i)) out.append(name_object(tag));
             return out;
           })
      .def("choose",
           [](const OpenModel& x, nb::handle tags) {
             std::vector<std::string> texts;
             for (nb::handle tag : nb::iter(tags)) texts.push_back(name_text(tag));
             std::vector<std::string_view> views(texts.begin(), texts.end());
             return unwrap(x.model().choose(views), x.path());
           })
      .def("meta_graph",
           [](const OpenModel& x, size_t i) {
             if (i >= x.model().size()) throw nb::index_error("no such meta graph");
             return OpenMetaGraph(x, i);
           })
      .def("variables",
           [](const OpenModel& x) {
             const auto prefix = x.model().variables();
             return prefix ? name_object(*prefix) : nb::none();
           })
      .def("fingerprint",
           [](const OpenModel& x) -> nb::object {
             const auto found = unwrap(x.model().fingerprint(), x.path());
             if (!found) return nb::none();
             return nb::make_tuple(found->saved_model_checksum, found->graph_def_program_hash, found->signature_def_hash,
                                   found->saved_object_graph_hash, found->checkpoint_hash, name_object(found->uuid));
           })
      .def("serialized", [](const OpenModel& x) { return bytes_object(x.model().bytes().text()); });
}

}  // namespace ferry::py
