// MetaGraphDef { MetaInfoDef meta_info_def = 1; GraphDef graph_def = 2; SaverDef saver_def = 3; map<string, CollectionDef> collection_def =
// 4;
//                map<string, SignatureDef> signature_def = 5; repeated AssetFileDef asset_file_def = 6; SavedObjectGraph object_graph_def =
//                7 }
// MetaInfoDef  { string meta_graph_version = 1; OpList stripped_op_list = 2; Any any_info = 3; repeated string tags = 4;
//                string tensorflow_version = 5; string tensorflow_git_version = 6; bool stripped_default_attrs = 7;
//                map<string, string> function_aliases = 8 }
#include "ferry/meta_graph.h"

#include <algorithm>

#include "graph/parse.h"

namespace ferry {
namespace graph {
Result<StructuredValue> parse_type_spec(Piece message, const Limits& limits);  // saved_objects.cc
}
namespace {

using namespace graph;

// TensorInfo { oneof { string name = 1; CooSparse coo_sparse = 4; CompositeTensor composite_tensor = 5 } DataType dtype = 2;
//              TensorShapeProto tensor_shape = 3 }
// CooSparse  { string values_tensor_name = 1; string indices_tensor_name = 2; string dense_shape_tensor_name = 3 }
// CompositeTensor { TypeSpecProto type_spec = 1; repeated TensorInfo components = 2 }
Result<TensorPlace> parse_place(Piece message, const Limits& limits, uint64_t depth) {
  FERRY_RETURN_IF_ERROR(check_depth(depth, limits));
  TensorPlace out;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1):
        out.kind = TensorPlace::Kind::name;
        out.name = in.text();
        break;
      case varint_tag(2): out.type_number = in.int32(); break;
      case bytes_tag(3): {
        const Piece shape = piece(in);
        FERRY_ASSIGN_OR_RETURN(out.shape, parse_shape(shape.bytes, shape.base, limits));
        break;
      }
      case bytes_tag(4): {
        out.kind = TensorPlace::Kind::coo_sparse;
        proto::Reader sparse = in.message();
        while (sparse.next()) {
          switch (sparse.tag()) {
            case bytes_tag(1): out.values = sparse.text(); break;
            case bytes_tag(2): out.indices = sparse.text(); break;
            case bytes_tag(3): out.dense_shape = sparse.text(); break;
            default: sparse.skip();
          }
        }
        FERRY_RETURN_IF_ERROR(sparse.status());
        break;
      }
      case bytes_tag(5): {
        out.kind = TensorPlace::Kind::composite;
        const Piece composite = piece(in);
        proto::Reader inner = composite.reader();
        while (inner.next()) {
          if (inner.tag() == bytes_tag(1)) {
            const Piece spec = piece(inner);
            out.type_spec = {spec.bytes, spec.base};
          } else if (inner.tag() == bytes_tag(2)) {
            FERRY_ASSIGN_OR_RETURN(TensorPlace component, parse_place(piece(inner), limits, depth + 1));
            out.components.push_back(std::move(component));
          } else {
            inner.skip();
          }
        }
        FERRY_RETURN_IF_ERROR(inner.status());
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// By key, of equal keys the last: what a map holds.
template <class T, class Key>
void as_map(std::vector<T>& entries, Key&& key) {
  std::ranges::stable_sort(entries, {}, key);
  std::vector<T> out;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + 1 == entries.size() || std::invoke(key, entries[i]) != std::invoke(key, entries[i + 1])) out.push_back(std::move(entries[i]));
  }
  entries = std::move(out);
}

// SignatureDef { map<string, TensorInfo> inputs = 1, outputs = 2; string method_name = 3; map<string, TensorProto> defaults = 4 }
Result<SignatureDef> parse_signature(Piece message, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry(message));
  SignatureDef out;
  out.key = entry.key;
  proto::Reader in = entry.value.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1):
      case bytes_tag(2): {
        const bool input = in.field() == 1;
        FERRY_ASSIGN_OR_RETURN(const MapEntry port, parse_entry(piece(in)));
        auto place = parse_place(port.value, limits, 0);
        if (!place.ok())
          return place.status().with_context(concat("signature ", quoted(out.key), ", ", input ? "input " : "output ", quoted(port.key)));
        (input ? out.inputs : out.outputs).emplace_back(port.key, *std::move(place));
        break;
      }
      case bytes_tag(3): out.method = in.text(); break;
      case bytes_tag(4): {
        FERRY_ASSIGN_OR_RETURN(const MapEntry value, parse_entry(piece(in)));
        out.defaults.emplace_back(value.key, value.value.bytes);
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  using Port = std::pair<std::string_view, TensorPlace>;
  as_map(out.inputs, &Port::first);
  as_map(out.outputs, &Port::first);
  as_map(out.defaults, &std::pair<std::string_view, std::span<const std::byte>>::first);
  return out;
}

// SaverDef { string filename_tensor_name = 1, save_tensor_name = 2, restore_op_name = 3; int32 max_to_keep = 4; bool sharded = 5;
//            float keep_checkpoint_every_n_hours = 6; CheckpointFormatVersion version = 7 }
Result<SaverDef> parse_saver(Piece message) {
  SaverDef out;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.filename_tensor = in.text(); break;
      case bytes_tag(2): out.save_tensor = in.text(); break;
      case bytes_tag(3): out.restore_op = in.text(); break;
      case varint_tag(4): out.max_to_keep = in.int32(); break;
      case varint_tag(5): out.sharded = in.boolean(); break;
      case fixed32_tag(6): out.keep_every_n_hours = in.float32(); break;
      case varint_tag(7): out.version = in.int32(); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// AssetFileDef { TensorInfo tensor_info = 1; string filename = 2 }
Result<AssetFile> parse_asset(Piece message, const Limits& limits) {
  AssetFile out;
  proto::Reader in = message.reader();
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      FERRY_ASSIGN_OR_RETURN(const TensorPlace place, parse_place(piece(in), limits, 0));
      out.tensor = place.name;
    } else if (in.tag() == bytes_tag(2)) {
      out.filename = in.text();
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// CollectionDef { oneof { NodeList node_list = 1; BytesList bytes_list = 2; Int64List int64_list = 3; FloatList float_list = 4;
//                         AnyList any_list = 5 } }, each a list of values in field 1
Result<Collection> parse_collection(std::string_view name, Piece message) {
  Collection out;
  proto::Reader in = message.reader();
  while (in.next()) {
    if (in.wire() != proto::Wire::bytes || in.field() > 5) {
      in.skip();
      continue;
    }
    const auto kind = static_cast<Collection::Kind>(in.field());
    if (kind != out.kind) out = {};
    out.kind = kind;
    proto::Reader values = in.message();
    while (values.next()) {
      if (values.field() != 1) {
        values.skip();
        continue;
      }
      const bool is_bytes = values.wire() == proto::Wire::bytes;
      if ((kind == Collection::Kind::nodes || kind == Collection::Kind::bytes) && is_bytes) {
        out.texts.push_back(values.text());
      } else if (kind == Collection::Kind::any && is_bytes) {
        FERRY_ASSIGN_OR_RETURN(const MapEntry any, parse_entry(piece(values)));
        out.types.push_back(any.key);
        out.texts.push_back(text_of(any.value.bytes));
      } else if (kind == Collection::Kind::integers && values.wire() == proto::Wire::varint) {
        out.integers.push_back(values.int64());
      } else if (kind == Collection::Kind::integers && is_bytes) {
        if (!proto::for_each_varint(values.bytes(), [&](uint64_t v) { out.integers.push_back(static_cast<int64_t>(v)); }))
          return data_loss_at(values.field_offset(), concat("the collection ", quoted(name), " is cut off"));
      } else if (kind == Collection::Kind::numbers && values.wire() == proto::Wire::fixed32) {
        out.numbers.push_back(values.float32());
      } else if (kind == Collection::Kind::numbers && is_bytes) {
        proto::Reader packed = values.message();
        while (packed.ok() && !packed.done()) out.numbers.push_back(packed.float32());
        FERRY_RETURN_IF_ERROR(packed.status());
      } else {
        values.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(values.status());
  }
  FERRY_RETURN_IF_ERROR(in.status());
  out.name = name;
  return out;
}

}  // namespace

Result<StructuredValue> TensorPlace::read_type_spec(const Limits& limits) const {
  if (!type_spec.present()) return data_loss("a composite tensor without a type_spec");
  return graph::parse_type_spec({type_spec.message, type_spec.base}, limits);
}

Result<std::vector<std::string_view>> parse_tags(std::span<const std::byte> message, uint64_t base) {
  std::vector<std::string_view> out;
  proto::Reader in(message, base);
  while (in.next()) {
    if (in.tag() != bytes_tag(1)) {
      in.skip();
      continue;
    }
    proto::Reader info = in.message();
    while (info.next()) info.tag() == bytes_tag(4) ? out.push_back(info.text()) : info.skip();
    FERRY_RETURN_IF_ERROR(info.status());
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

MetaGraph MetaGraph::of(Graph graph) {
  MetaGraph out;
  out.bytes_ = graph.bytes();
  out.graph_ = std::move(graph);
  return out;
}

Status MetaGraph::parse_info(Buffer bytes, uint64_t base) {
  info_ = std::move(bytes);
  proto::Reader in(info_.bytes(), base);
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): version_ = in.text(); break;
      case bytes_tag(2): {
        proto::Reader list = in.message();
        while (list.next()) {
          if (list.tag() != bytes_tag(1)) {
            list.skip();
            continue;
          }
          const Piece op = piece(list);
          if (list.ok()) ops_.push_back({{}, op.bytes, op.base});
        }
        FERRY_RETURN_IF_ERROR(list.status());
        break;
      }
      case bytes_tag(4): tags_.push_back(in.text()); break;
      case bytes_tag(5): tensorflow_version_ = in.text(); break;
      case bytes_tag(6): tensorflow_git_version_ = in.text(); break;
      case varint_tag(7): stripped_default_attrs_ = in.boolean(); break;
      case bytes_tag(8): {
        FERRY_ASSIGN_OR_RETURN(const MapEntry alias, parse_entry(piece(in)));
        function_aliases_.emplace_back(alias.key, text_of(alias.value.bytes));
        break;
      }
      default: in.skip();
    }
  }
  return in.status();
}

Result<MetaGraph> MetaGraph::parse(Buffer bytes, uint64_t base, const Limits& limits) {
  MetaGraph out;
  out.bytes_ = std::move(bytes);
  out.limits_ = limits;
  Merged info, graph, objects;
  proto::Reader in(out.bytes_.bytes(), base);
  while (in.next()) {
    if (in.wire() != proto::Wire::bytes) {
      in.skip();
      continue;
    }
    const uint32_t field = in.field();
    const Piece value = piece(in);
    if (!in.ok()) break;
    switch (field) {
      case 1: info.add(value, out.bytes_); break;
      case 2: graph.add(value, out.bytes_); break;
      case 3: {
        FERRY_ASSIGN_OR_RETURN(out.saver_, parse_saver(value));
        break;
      }
      case 4: {
        FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry(value));
        out.collections_.push_back({entry.key, entry.value.bytes, entry.value.base});
        break;
      }
      case 5: {
        FERRY_ASSIGN_OR_RETURN(SignatureDef signature, parse_signature(value, limits));
        out.signatures_.push_back(std::move(signature));
        break;
      }
      case 6: {
        FERRY_ASSIGN_OR_RETURN(const AssetFile asset, parse_asset(value, limits));
        out.assets_.push_back(asset);
        break;
      }
      case 7: objects.add(value, out.bytes_); break;
      default: break;
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  FERRY_RETURN_IF_ERROR(out.parse_info(info.bytes(), info.base()));
  FERRY_ASSIGN_OR_RETURN(out.graph_, Graph::parse(graph.bytes(), graph.base(), limits));
  if (objects.present()) {
    out.objects_ = objects.bytes();
    out.objects_base_ = objects.base();
  }
  as_map(out.signatures_, &SignatureDef::key);
  as_map(out.collections_, &Part::name);
  return out;
}

bool MetaGraph::has_tag(std::string_view tag) const { return std::ranges::find(tags_, tag) != tags_.end(); }

Result<std::vector<OpDef>> MetaGraph::ops() const {
  std::vector<OpDef> out;
  out.reserve(ops_.size());
  for (const Part& part : ops_) {
    FERRY_ASSIGN_OR_RETURN(OpDef op, OpDef::parse(part.message, part.base, limits_));
    out.push_back(std::move(op));
  }
  return out;
}

const SignatureDef* MetaGraph::find_signature(std::string_view key) const {
  const auto it = std::ranges::lower_bound(signatures_, key, {}, &SignatureDef::key);
  return it != signatures_.end() && it->key == key ? &*it : nullptr;
}

std::vector<std::string_view> MetaGraph::collection_names() const {
  std::vector<std::string_view> out;
  for (const Part& part : collections_) out.push_back(part.name);
  return out;
}

bool MetaGraph::has_collection(std::string_view name) const { return std::ranges::binary_search(collections_, name, {}, &Part::name); }

Result<Collection> MetaGraph::collection(std::string_view name) const {
  const auto it = std::ranges::lower_bound(collections_, name, {}, &Part::name);
  if (it == collections_.end() || it->name != name) return not_found(concat("the meta graph has no collection ", quoted(name)));
  return parse_collection(it->name, {it->message, it->base});
}

Result<SavedObjects> MetaGraph::objects() const { return SavedObjects::parse(objects_, objects_base_, limits_); }

}  // namespace ferry
