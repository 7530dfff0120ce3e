// Walks messages by onnx.proto's field numbers; what is not named here is skipped.
#include "formats/onnx/model.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::onnx {
namespace {

using proto::bytes_tag;
using proto::varint_tag;

std::span<const std::byte> message_at(proto::Reader& in, uint64_t& base) {
  const auto bytes = in.bytes();
  base = in.offset() - bytes.size();
  return bytes;
}

class Walker {
 public:
  Walker(Contents& out, const Limits& limits) : out_(out), limits_(limits) {}

  // ModelProto
  Status model(std::span<const std::byte> bytes) {
    proto::Reader in(bytes, 0);
    uint64_t base = 0;
    bool graph_seen = false;
    while (in.next()) {
      switch (in.tag()) {
        case varint_tag(1): out_.metadata.set("onnx.ir_version", concat(in.int64())); break;
        case bytes_tag(2): set("onnx.producer_name", in.text()); break;
        case bytes_tag(3): set("onnx.producer_version", in.text()); break;
        case bytes_tag(4): set("onnx.domain", in.text()); break;
        case varint_tag(5): out_.metadata.set("onnx.model_version", concat(in.int64())); break;
        case bytes_tag(6): set("onnx.doc_string", in.text()); break;
        case bytes_tag(7): {
          const auto inner = message_at(in, base);
          if (!in.ok()) break;
          graph_seen = true;
          FERRY_RETURN_IF_ERROR(graph(inner, base, "", 0));
          break;
        }
        case bytes_tag(8): FERRY_RETURN_IF_ERROR(opset(in.message())); break;
        case bytes_tag(14): FERRY_RETURN_IF_ERROR(property(in.message())); break;
        case bytes_tag(20): {  // TrainingInfoProto
          proto::Reader training = in.message();
          while (training.next()) {
            if (training.tag() == bytes_tag(1) || training.tag() == bytes_tag(2)) {
              const std::string_view what = training.field() == 1 ? "initialization/" : "algorithm/";
              const auto inner = message_at(training, base);
              if (training.ok()) FERRY_RETURN_IF_ERROR(graph(inner, base, concat("training/", what), 1));
            } else {
              training.skip();
            }
          }
          FERRY_RETURN_IF_ERROR(training.status());
          break;
        }
        case bytes_tag(25): {
          const auto inner = message_at(in, base);
          if (in.ok()) FERRY_RETURN_IF_ERROR(function(inner, base));
          break;
        }
        default: in.skip();
      }
    }
    if (!in.ok()) return in.status().with_context("not an ONNX model");
    if (!graph_seen) return data_loss("the ONNX model has no graph");
    return {};
  }

  Status tensor(std::span<const std::byte> bytes, uint64_t base, std::string_view prefix, std::string_view name = {}) {
    FERRY_ASSIGN_OR_RETURN(TensorMessage out, decode(bytes, base, limits_));
    FERRY_RETURN_IF_ERROR(rename(out, prefix, name));
    out_.dense.push_back(std::move(out));
    return {};
  }

  // SparseTensorProto
  Status sparse(std::span<const std::byte> bytes, uint64_t base, std::string_view prefix, std::string_view name = {}) {
    SparseMessage out;
    out.base = base;
    bool values = false, indices = false;
    std::vector<int64_t> dims;
    const auto add_dim = [&](uint64_t dim) {
      if (dims.size() <= limits_.max_rank) dims.push_back(static_cast<int64_t>(dim));
    };
    proto::Reader in(bytes, base);
    uint64_t at = 0;
    while (in.next()) {
      if (in.tag() == bytes_tag(1) || in.tag() == bytes_tag(2)) {
        const bool first = in.field() == 1;
        const auto inner = message_at(in, at);
        if (!in.ok()) break;
        FERRY_ASSIGN_OR_RETURN((first ? out.values : out.indices), decode(inner, at, limits_));
        (first ? values : indices) = true;
      } else if (in.tag() == varint_tag(3)) {
        add_dim(in.varint());
      } else if (in.tag() == bytes_tag(3)) {
        if (!proto::for_each_varint(in.bytes(), add_dim))
          return data_loss_at(in.offset(), "the packed dims of a sparse tensor end inside a value");
      } else {
        in.skip();
      }
    }
    if (!in.ok()) return in.status().with_context("not an ONNX SparseTensorProto");
    if (!values || !indices) return data_loss_at(base, concat("the sparse tensor has no ", values ? "indices" : "values"));
    if (dims.size() > limits_.max_rank)
      return limit_exceeded(concat("a sparse tensor has more than ", limits_.max_rank, " axes (max_rank)"));
    for (const int64_t dim : dims) {
      if (dim < 0) return data_loss_at(base, concat("the sparse tensor has an axis of length ", dim));
    }
    out.shape = Shape(dims);
    // [n] of values with [n, rank] coordinates, or [n] positions in rows-first order.
    const auto& v = out.values.shape;
    const auto& i = out.indices.shape;
    const bool linear = i.rank() == 1 && out.shape.num_elements();
    const bool fits = v.rank() == 1 && (linear || (i.rank() == 2 && i[1] == static_cast<int64_t>(dims.size()))) && i[0] == v[0] &&
                      out.indices.dtype == DType::int64;
    if (!fits) {
      return data_loss_at(base, concat("values ", v.to_string(), ", indices ", dtype_name(out.indices.dtype), i.to_string(), " and dims ",
                                       out.shape.to_string(), " do not make a sparse tensor"));
    }
    FERRY_RETURN_IF_ERROR(rename(out.values, prefix, name));
    out_.sparse.push_back(std::move(out));
    return {};
  }

 private:
  void set(std::string_view key, std::string_view value) {
    if (!value.empty()) out_.metadata.set(key, value);
  }

  // Names must be there once; the later of two is told apart by a number.
  Status rename(TensorMessage& tensor, std::string_view prefix, std::string_view name) {
    if (out_.dense.size() + out_.sparse.size() >= limits_.max_tensors) {
      return limit_exceeded(concat("more tensors than the limit of ", limits_.max_tensors, " (max_tensors)"));
    }
    std::string own = concat(prefix, name.empty() ? std::string_view(tensor.name) : name);
    if (own.size() > limits_.max_name_bytes) {
      return limit_exceeded(concat("a name of ", own.size(), " bytes exceeds the limit of ", limits_.max_name_bytes, " (max_name_bytes)"));
    }
    if (!is_utf8(own)) return data_loss_at(tensor.base, concat("the name ", quoted(own), " is not UTF-8"));
    name_bytes_ += own.size();
    if (name_bytes_ > limits_.free_expanded_bytes)
      return limit_exceeded("names of tensors in nested graphs take more than free_expanded_bytes");
    if (!names_.insert(own).second) {
      uint64_t& count = repeats_[own];
      count = std::max<uint64_t>(count, 1);
      std::string numbered;
      do numbered = concat(own, "#", ++count);
      while (!names_.insert(numbered).second);
      own = std::move(numbered);
    }
    tensor.name = std::move(own);
    return {};
  }

  Status opset(proto::Reader in) {
    std::string domain;
    int64_t version = 0;
    while (in.next()) {
      if (in.tag() == bytes_tag(1)) {
        domain = in.text();
      } else if (in.tag() == varint_tag(2)) {
        version = in.int64();
      } else {
        in.skip();
      }
    }
    if (opsets_++ < 100) out_.metadata.set(domain.empty() ? "onnx.opset" : concat("onnx.opset.", domain), concat(version));
    return in.status();
  }

  Status property(proto::Reader in) {
    std::string key, value;
    FERRY_RETURN_IF_ERROR(read_property(in, key, value));
    if (properties_.insert(key).second) out_.metadata.append(std::move(key), std::move(value));
    return {};
  }

  // GraphProto
  Status graph(std::span<const std::byte> bytes, uint64_t base, const std::string& prefix, uint64_t depth) {
    if (depth > limits_.max_nesting) return limit_exceeded(concat("graphs are nested deeper than ", limits_.max_nesting, " (max_nesting)"));
    proto::Reader in(bytes, base);
    uint64_t at = 0;
    while (in.next()) {
      const uint32_t tag = in.tag();
      if (tag == bytes_tag(1) || tag == bytes_tag(5) || tag == bytes_tag(15)) {
        const auto inner = message_at(in, at);
        if (!in.ok()) break;
        if (tag == bytes_tag(1)) FERRY_RETURN_IF_ERROR(node(inner, at, prefix, depth));
        if (tag == bytes_tag(5)) FERRY_RETURN_IF_ERROR(tensor(inner, at, prefix));
        if (tag == bytes_tag(15)) FERRY_RETURN_IF_ERROR(sparse(inner, at, prefix));
      } else if (tag == bytes_tag(2) && depth == 0) {
        set("onnx.graph_name", in.text());
      } else {
        in.skip();
      }
    }
    return in.status();
  }

  // FunctionProto and AttributeProto: the name is field 1, and may come behind what it names.
  static Result<std::string_view> name_of(std::span<const std::byte> bytes, uint64_t base) {
    std::string_view name;
    proto::Reader in(bytes, base);
    while (in.next()) {
      if (in.tag() == bytes_tag(1)) {
        name = in.text();
      } else {
        in.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(in.status());
    return name;
  }

  // FunctionProto
  Status function(std::span<const std::byte> bytes, uint64_t base) {
    FERRY_ASSIGN_OR_RETURN(const std::string_view name, name_of(bytes, base));
    proto::Reader in(bytes, base);
    uint64_t at = 0;
    while (in.next()) {
      if (in.tag() == bytes_tag(7)) {
        const auto inner = message_at(in, at);
        if (in.ok()) FERRY_RETURN_IF_ERROR(node(inner, at, concat("functions/", name, "/"), 1));
      } else {
        in.skip();
      }
    }
    return in.status();
  }

  // NodeProto: constants by the name of their output, other tensors by NODE/ATTRIBUTE.
  Status node(std::span<const std::byte> bytes, uint64_t base, const std::string& prefix, uint64_t depth) {
    std::string_view name, output, type;
    bool attributes = false;
    proto::Reader first(bytes, base);
    while (first.next()) {
      switch (first.tag()) {
        case bytes_tag(2): {
          const auto text = first.text();
          if (output.empty()) output = text;
          break;
        }
        case bytes_tag(3): name = first.text(); break;
        case bytes_tag(4): type = first.text(); break;
        default: attributes = attributes || first.tag() == bytes_tag(5); first.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(first.status());
    if (!attributes) return {};
    const std::string_view own = type == "Constant" || name.empty() ? output : name;
    proto::Reader in(bytes, base);
    uint64_t at = 0;
    while (in.next()) {
      if (in.tag() == bytes_tag(5)) {
        const auto inner = message_at(in, at);
        if (in.ok()) FERRY_RETURN_IF_ERROR(attribute(inner, at, prefix, own, type == "Constant", depth));
      } else {
        in.skip();
      }
    }
    return in.status();
  }

  // AttributeProto
  Status attribute(std::span<const std::byte> bytes, uint64_t base, const std::string& prefix, std::string_view owner, bool constant,
                   uint64_t depth) {
    FERRY_ASSIGN_OR_RETURN(const std::string_view name, name_of(bytes, base));
    proto::Reader in(bytes, base);
    uint64_t at = 0, index = 0;
    while (in.next()) {
      const uint32_t tag = in.tag();
      const bool one = tag == bytes_tag(5) || tag == bytes_tag(22), list = tag == bytes_tag(10) || tag == bytes_tag(23);
      const bool graphs = tag == bytes_tag(6) || tag == bytes_tag(11);
      if (!one && !list && !graphs) {
        in.skip();
        continue;
      }
      const auto inner = message_at(in, at);
      if (!in.ok()) break;
      if (graphs) {
        const std::string path = concat(prefix, owner, "/", name, tag == bytes_tag(11) ? concat("/", index++, "/") : std::string("/"));
        FERRY_RETURN_IF_ERROR(graph(inner, at, path, depth + 1));
        continue;
      }
      std::string own = constant && one ? std::string(owner) : list ? concat(owner, "/", name, "/", index++) : concat(owner, "/", name);
      if (own.empty()) own = name;
      if (tag == bytes_tag(5) || tag == bytes_tag(10)) {
        FERRY_RETURN_IF_ERROR(tensor(inner, at, prefix, own));
      } else {
        FERRY_RETURN_IF_ERROR(sparse(inner, at, prefix, own));
      }
    }
    return in.status();
  }

  Contents& out_;
  const Limits& limits_;
  std::unordered_set<std::string> names_, properties_;
  std::unordered_map<std::string, uint64_t> repeats_;
  uint64_t name_bytes_ = 0;
  size_t opsets_ = 0;
};

// The fields of a message as far as the head reaches, each with its size; false where they are not a protobuf message.
struct Seen {
  uint32_t tag;
  uint64_t value;                    // of a varint, or the size of bytes
  std::span<const std::byte> bytes;  // as many of them as there are
  bool cut;
};
std::optional<std::vector<Seen>> fields_of(std::span<const std::byte> head, bool whole) {
  std::vector<Seen> out;
  const std::byte* at = head.data();
  const std::byte* const end = at + head.size();
  while (at < end) {
    Seen field{};
    uint64_t tag;
    const std::byte* next = proto::read_varint(at, end, tag);
    if (next == nullptr) break;
    if (tag < 8 || tag > 1023) return std::nullopt;  // no field of ours is past 26
    field.tag = static_cast<uint32_t>(tag);
    const uint64_t wire = tag & 7;
    if (wire == 0 || wire == 2) {
      next = proto::read_varint(next, end, field.value);
      if (next == nullptr) break;
      if (wire == 2) {
        const auto there = static_cast<uint64_t>(end - next);
        field.cut = field.value > there;
        field.bytes = {next, static_cast<size_t>(std::min(field.value, there))};
        next += field.bytes.size();
      }
    } else if (wire == 1 || wire == 5) {
      const ptrdiff_t size = wire == 1 ? 8 : 4;
      if (end - next < size) break;
      next += size;
    } else {
      return std::nullopt;
    }
    out.push_back(field);
    at = next;
    if (field.cut) break;
  }
  if (whole && (at != end || (!out.empty() && out.back().cut))) return std::nullopt;
  return out;
}

bool seems_tensor(std::span<const std::byte> head, bool whole) {
  const auto fields = fields_of(head, whole);
  if (!fields || fields->empty()) return false;
  const Type* type = nullptr;
  uint64_t count = 1, values = 0;
  bool cut = false, typed = false, strings = false;
  bool none = false, beyond = false;  // an axis of length 0; more elements than 64 bits count
  const auto add_dim = [&](uint64_t dim) {
    none = none || dim == 0;
    beyond = __builtin_mul_overflow(count, dim, &count) || beyond;
  };
  std::optional<uint64_t> raw;
  bool external = false;
  for (const Seen& field : *fields) {
    cut = field.cut;
    switch (field.tag) {
      case varint_tag(kDims): add_dim(field.value); break;
      case bytes_tag(kDims):
        if (!proto::for_each_varint(field.bytes, add_dim)) return false;
        break;
      case varint_tag(kDataType):
        if (field.value > INT32_MAX || (type = type_from_number(static_cast<int32_t>(field.value))) == nullptr) return false;
        break;
      case bytes_tag(kFloatData):
        typed = true;
        values += field.value / 4;
        break;
      case bytes_tag(kDoubleData):
        typed = true;
        values += field.value / 8;
        break;
      case bytes_tag(kInt32Data):
      case bytes_tag(kInt64Data):
      case bytes_tag(kUInt64Data):
        typed = true;
        if (!field.cut) {
          (void)proto::for_each_varint(field.bytes, [&](uint64_t) { ++values; });
        }
        break;
      case bytes_tag(kStringData):
        strings = true;
        ++values;
        break;
      case bytes_tag(kRawData): raw = field.value; break;
      case bytes_tag(kExternalData): external = true; break;
      case bytes_tag(kName):
      case bytes_tag(kDocString):
      case varint_tag(kDataLocation):
      case bytes_tag(kMetadataProps):
      case bytes_tag(kSegment): break;
      case proto::make_tag(kFloatData, proto::Wire::fixed32):
      case proto::make_tag(kDoubleData, proto::Wire::fixed64):
      case varint_tag(kInt32Data):
      case varint_tag(kInt64Data):
      case varint_tag(kUInt64Data):
        typed = true;
        ++values;
        break;
      default: return false;
    }
  }
  if (type == nullptr || (beyond && !none)) return false;
  if (none) count = 0;
  if (external) return true;
  if (raw && *raw > 0) {
    uint64_t bits;
    return type->bits > 0 && !__builtin_mul_overflow(count, uint64_t{type->bits}, &bits) && bits / 8 + (bits % 8 != 0) == *raw;
  }
  if (strings) return type->dtype == DType::string && (values == count || !whole);
  if (!typed) return count == 0 && whole;
  if (cut || !whole) return true;
  const uint64_t wanted =
      type->bits < 6 ? (count * type->bits + 7) / 8 : count * (dtype_class(type->dtype) == DTypeClass::kComplex ? 2 : 1);
  return values == wanted;
}

}  // namespace

Kind kind_of(std::span<const std::byte> head, bool whole) {
  const auto fields = fields_of(head, whole);
  if (!fields || fields->empty()) return Kind::none;
  // ModelProto: ir_version, names, then a graph or operator sets.
  bool model = fields->front().tag == varint_tag(1) && fields->front().value > 0 && fields->front().value < 100, graph = false;
  for (const Seen& field : *fields) {
    switch (field.tag) {
      case varint_tag(1):
      case varint_tag(5):
      case bytes_tag(2):
      case bytes_tag(3):
      case bytes_tag(4):
      case bytes_tag(6):
      case bytes_tag(14):
      case bytes_tag(20):
      case bytes_tag(25):
      case bytes_tag(26): break;
      case bytes_tag(7): graph = true; break;
      case bytes_tag(8): graph = graph || field.value < 256; break;
      default: model = false;
    }
    if ((field.tag == bytes_tag(2) || field.tag == bytes_tag(3)) &&
        !is_utf8({reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size()}) && !field.cut)
      model = false;
  }
  if (model && graph) return Kind::model;
  if (seems_tensor(head, whole)) return Kind::tensor;
  // SparseTensorProto: values, indices, dims.
  const Seen& first = fields->front();
  if (first.tag != bytes_tag(1) || !seems_tensor(first.bytes, !first.cut)) return Kind::none;
  if (first.cut) return Kind::sparse;
  if (fields->size() < 2 || (*fields)[1].tag != bytes_tag(2) || !seems_tensor((*fields)[1].bytes, !(*fields)[1].cut)) return Kind::none;
  const bool dims = std::all_of(fields->begin() + 2, fields->end(),
                                [](const Seen& field) { return field.tag == varint_tag(3) || field.tag == bytes_tag(3); });
  return dims ? Kind::sparse : Kind::none;
}

Result<Contents> read_contents(std::span<const std::byte> bytes, Kind kind, const Limits& limits) {
  Contents out;
  Walker walker(out, limits);
  switch (kind) {
    case Kind::tensor: FERRY_RETURN_IF_ERROR(walker.tensor(bytes, 0, "")); break;
    case Kind::sparse: FERRY_RETURN_IF_ERROR(walker.sparse(bytes, 0, "")); break;
    case Kind::model:
    case Kind::none: FERRY_RETURN_IF_ERROR(walker.model(bytes)); return out;
  }
  // In a file of one tensor, what belongs to the whole map is marked.
  Metadata& own = out.dense.empty() ? out.sparse[0].values.metadata : out.dense[0].metadata;
  Metadata rest;
  for (const auto& [key, value] : own) {
    if (key.size() > 1 && key[0] == kMapMark) {
      out.metadata.set(std::string_view(key).substr(1), value);
    } else {
      rest.append(key, value);
    }
  }
  own = std::move(rest);
  return out;
}

}  // namespace ferry::onnx
