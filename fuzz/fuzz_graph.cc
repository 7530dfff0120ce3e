// Models in protobuf's wire format: whatever reads a GraphDef, a MetaGraph or a SavedModel gives values or a sentence.
#include <cstdlib>

#include "ferry/model_rename.h"
#include "ferry/model_variables.h"
#include "ferry/op_census.h"
#include "ferry/signature.h"

namespace {

using namespace ferry;

void read_attr(const AttrValue& attr) {
  switch (attr.kind()) {
    case AttrKind::tensor: (void)attr.constant(nullptr, {.max_tensor_bytes = 1 << 20}); break;
    case AttrKind::shape: (void)attr.shape(); break;
    case AttrKind::type: (void)attr.type(); break;
    case AttrKind::func: (void)attr.func(); break;
    case AttrKind::list:
      (void)attr.list_size();
      (void)attr.texts();
      (void)attr.integers();
      (void)attr.types();
      (void)attr.shapes();
      (void)attr.funcs();
      break;
    default: break;
  }
}

void read_nodes(const Nodes& nodes) {
  for (const Node& node : nodes) {
    if (nodes.find(node.name) == std::nullopt) std::abort();
    for (const Attr& attr : node.attrs) read_attr(attr.value);
    for (const std::string_view input : node.inputs) (void)parse_input(input);
  }
}

void check(const Status& status) {
  if (!status.ok() && (status.message().empty() || status.code() == StatusCode::internal)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = Buffer::copy_of(std::as_bytes(std::span(data, size)));
  if (!bytes.ok()) return 0;
  const auto model = StoredModel::open(Place{memory_source(*bytes), nullptr});
  check(model.status());
  if (!model.ok()) return 0;
  for (size_t i = 0; i < model->size() && i < 4; ++i) {
    const auto meta = model->read(i);
    check(meta.status());
    if (!meta.ok()) continue;
    read_nodes(meta->graph().nodes());
    for (size_t k = 0; k < meta->graph().functions().size(); ++k) {
      const auto function = meta->graph().functions().read(k);
      check(function.status());
      if (function.ok()) read_nodes(function->nodes());
    }
    for (const std::string_view name : meta->collection_names()) (void)meta->collection(name);
    check(meta->ops().status());
    const auto signatures = read_signatures(*meta);
    check(signatures.status());
    check(propose_signature(*meta).status());
    check(callable_functions(*meta, true).status());
    check(model_variables(*meta).status());
    check(count_ops(*meta).status());
    if (!signatures.ok() || signatures->empty()) continue;
    ModelRenames renames;
    for (const Port& port : (*signatures)[0].inputs) renames.inputs.push_back({"", port.name, "new_" + port.name});
    renames.signatures.emplace_back((*signatures)[0].key, "renamed");
    const auto renamed = rename_ports(*model, renames);
    check(renamed.status());
    // What was edited is still a model.
    if (renamed.ok() && !StoredModel::open(Place{memory_source(*Buffer::copy_of(*renamed)), nullptr}).ok()) std::abort();
  }
  return 0;
}
