#include "formats/onnx/write.h"

#include <charconv>
#include <unordered_set>
#include <variant>
#include <vector>

#include "ferry/parts.h"
#include "ferry/sparse.h"
#include "formats/onnx/tensor.h"
#include "wire/protobuf.h"

namespace ferry::onnx {
namespace {

using proto::append_bytes_field;
using proto::append_tag;
using proto::append_varint;
using proto::append_varint_field;
using proto::bytes_tag;

constexpr uint64_t kMostBytes = (uint64_t{1} << 31) - 1;  // of a protobuf message
constexpr int32_t kIrVersion = 8, kOpset = 17;            // of December 2022; raised where a type needs it

// A message as pieces: what is small is text, elements are views of tensors.
struct Pieces {
  std::vector<std::variant<std::string, Buffer>> list;
  uint64_t size = 0;
  void add(std::string text) {
    size += text.size();
    list.emplace_back(std::move(text));
  }
  void add(Buffer bytes) {
    size += bytes.size();
    list.emplace_back(std::move(bytes));
  }
  void append(Pieces other) {
    size += other.size;
    for (auto& piece : other.list) list.push_back(std::move(piece));
  }
  // As a field of a larger message.
  Pieces as_field(uint32_t field) && {
    Pieces out;
    std::string head;
    append_tag(head, bytes_tag(field));
    append_varint(head, size);
    out.add(std::move(head));
    out.append(std::move(*this));
    return out;
  }
};

struct Spelling {
  const Type* type;
  Shape dims;
  bool declared;  // metadata_props say what dtype it was
};

// The type that a tensor is written as: its own, the one its bytes are of, or one as wide.
Spelling spelling(const DenseTensor& tensor, const Metadata& metadata) {
  if (const std::string* name = metadata.find(kTypeKey); name != nullptr && tensor.dtype() == DType::uint8) {
    const Type* type = type_from_name(*name);
    std::optional<Shape> dims(tensor.shape());
    if (const std::string* text = metadata.find(kShapeKey)) {
      dims = Shape();
      for (std::string_view rest = *text; !rest.empty() && dims;) {
        int64_t dim = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), dim);
        if (error != std::errc() || dim < 0 || dims->rank() == 254) {
          dims.reset();
          break;
        }
        dims->append(dim);
        rest.remove_prefix(static_cast<size_t>(end - rest.data()));
        if (!rest.empty() && rest.front() == ',') rest.remove_prefix(1);
      }
    }
    const auto count = dims ? dims->num_elements() : std::nullopt;
    const bool shown = type != nullptr && type->dtype == DType::uint8 && type != type_of(DType::uint8);
    if (shown && count && *count <= INT64_MAX / 8 && (static_cast<uint64_t>(*count) * type->bits + 7) / 8 == tensor.num_bytes())
      return {type, *dims, false};
  }
  if (const Type* type = type_of(tensor.dtype())) return {type, tensor.shape(), false};
  switch (dtype_size(tensor.dtype())) {
    case 2:
      return {
          type_of(dtype_class(tensor.dtype()) == DTypeClass::kQuantized && tensor.dtype() == DType::qint16 ? DType::int16 : DType::uint16),
          tensor.shape(), true};
    case 4: return {type_of(DType::int32), tensor.shape(), true};
    default: return {type_of(tensor.dtype() == DType::qint8 ? DType::int8 : DType::uint8), tensor.shape(), true};
  }
}

Result<Buffer> pack(const DenseTensor& tensor, uint32_t bits) {
  const auto from = tensor.values<uint8_t>();
  const size_t per_byte = 8 / bits;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::zeroed((from.size() + per_byte - 1) / per_byte));
  const auto to = out.as<uint8_t>();
  for (size_t i = 0; i < from.size(); ++i) {
    to[i / per_byte] |= static_cast<uint8_t>((from[i] & ((1u << bits) - 1)) << (i % per_byte * bits));
  }
  return std::move(out).freeze();
}

void append_props(std::string& out, uint32_t field, std::string_view key, std::string_view value) {
  std::string entry;
  append_bytes_field(entry, 1, key);
  append_bytes_field(entry, 2, value);
  append_bytes_field(out, field, entry);
}

// TensorProto, its fields by number as protobuf writes them.
Result<Pieces> tensor_message(const DenseTensor& tensor, std::string_view name, const Metadata& metadata, const Metadata* of_map,
                              int32_t& ir_version) {
  const Spelling as = spelling(tensor, metadata);
  ir_version = std::max(ir_version, as.type->ir_version);
  Pieces out;
  std::string head;
  for (const int64_t dim : as.dims) append_varint_field(head, kDims, static_cast<uint64_t>(dim));
  append_varint_field(head, kDataType, static_cast<uint64_t>(as.type->number));
  if (tensor.is_string()) {
    const StringsView strings = tensor.strings();
    for (int64_t i = 0; i < strings.size(); ++i) append_bytes_field(head, kStringData, strings[i]);
  }
  if (!name.empty()) append_bytes_field(head, kName, name);
  if (!tensor.is_string()) {
    Buffer elements = tensor.buffer().slice(0, tensor.num_bytes());
    if (as.type->bits == 4 || as.type->bits == 2) {
      FERRY_ASSIGN_OR_RETURN(elements, pack(tensor, as.type->bits));
    }
    append_tag(head, bytes_tag(kRawData));
    append_varint(head, elements.size());
    out.add(std::move(head));
    out.add(std::move(elements));
    head.clear();
  }
  if (const std::string* doc = metadata.find("doc_string")) append_bytes_field(head, kDocString, *doc);
  if (as.declared) append_props(head, kMetadataProps, kDTypeKey, dtype_name(tensor.dtype()));
  for (const auto& [key, value] : metadata) {
    const bool used =
        key == "doc_string" || key == kDTypeKey || ((key == kTypeKey || key == kShapeKey) && type_of(tensor.dtype()) != as.type);
    if (!used) append_props(head, kMetadataProps, key, value);
  }
  if (of_map != nullptr) {
    for (const auto& [key, value] : *of_map) append_props(head, kMetadataProps, concat(std::string_view(&kMapMark, 1), key), value);
  }
  out.add(std::move(head));
  return out;
}

// What SparseTensorProto can say: coordinates in order, none twice.
bool is_canonical(const SparseTensor& x) {
  if (x.layout() != Layout::coo || x.rank() == 0) return false;
  const Order order = x.order().sorted && x.order().unique ? x.order() : find_order(x);
  return order.sorted && order.unique;
}

Result<Pieces> sparse_message(const SparseTensor& x, std::string_view name, const Metadata& metadata, const Metadata* of_map,
                              int32_t& ir_version) {
  Pieces out;
  FERRY_ASSIGN_OR_RETURN(Pieces values, tensor_message(x.values(), name, metadata, of_map, ir_version));
  FERRY_ASSIGN_OR_RETURN(Pieces indices, tensor_message(x.indices(), "", {}, nullptr, ir_version));
  out.append(std::move(values).as_field(1));
  out.append(std::move(indices).as_field(2));
  std::string dims;
  for (const int64_t dim : x.shape()) append_varint_field(dims, 3, static_cast<uint64_t>(dim));
  out.add(std::move(dims));
  return out;
}

Result<Pieces> model_message(const TensorMap& tensors) {
  Pieces dense, sparse;
  int32_t ir_version = kIrVersion;
  Metadata metadata;
  std::unordered_set<std::string> names;
  const auto taken = [&](const std::string& name) -> Status {
    if (name.empty()) return unsupported("ONNX initializers have names, and one has none; rename it (--rename), or write it alone");
    if (names.insert(name).second) return {};
    return invalid_argument(concat("two arrays are named ", quoted(name), ", one of them as part of a tensor; rename one (--rename)"));
  };
  for (const auto& entry : tensors) {
    if (const auto* x = std::get_if<SparseTensor>(&entry.tensor); x != nullptr && !entry.name.empty() && is_canonical(*x)) {
      FERRY_RETURN_IF_ERROR(taken(entry.name));
      FERRY_ASSIGN_OR_RETURN(Pieces message, sparse_message(*x, entry.name, entry.metadata, nullptr, ir_version));
      sparse.append(std::move(message).as_field(15));
      continue;
    }
    if (const auto* x = std::get_if<DenseTensor>(&entry.tensor)) {
      FERRY_RETURN_IF_ERROR(taken(entry.name));
      FERRY_ASSIGN_OR_RETURN(Pieces message, tensor_message(*x, entry.name, entry.metadata, nullptr, ir_version));
      dense.append(std::move(message).as_field(5));
      continue;
    }
    // CSR, CSC, ragged, and COO that is out of order: in parts.
    FERRY_ASSIGN_OR_RETURN(const auto parts, spell_parts(entry.name, entry.tensor, metadata));
    for (const auto& [key, value] : entry.metadata) {
      if (key != "layout") metadata.set(concat(entry.name, "/", key), value);
    }
    for (const SpelledArray& part : parts) {
      FERRY_RETURN_IF_ERROR(taken(part.name));
      FERRY_ASSIGN_OR_RETURN(Pieces message, tensor_message(part.array, part.name, {}, nullptr, ir_version));
      dense.append(std::move(message).as_field(5));
    }
  }
  const auto own = [&](std::string_view key, std::string_view otherwise) {
    const std::string* value = tensors.metadata.find(key);
    return value == nullptr || value->empty() ? std::string(otherwise) : *value;
  };
  Pieces graph;
  std::string graph_name;
  append_bytes_field(graph_name, 2, own("onnx.graph_name", "tensors"));
  graph.add(std::move(graph_name));
  graph.append(std::move(dense));
  graph.append(std::move(sparse));

  Pieces out;
  std::string head;
  append_varint_field(head, 1, static_cast<uint64_t>(ir_version));
  append_bytes_field(head, 2, own("onnx.producer_name", "tensorferry"));
  for (const auto& [field, key] : {std::pair{3u, "onnx.producer_version"}, {4u, "onnx.domain"}}) {
    if (const std::string text = own(key, ""); !text.empty()) append_bytes_field(head, field, text);
  }
  if (const std::string text = own("onnx.doc_string", ""); !text.empty()) append_bytes_field(head, 6, text);
  out.add(std::move(head));
  out.append(std::move(graph).as_field(7));
  std::string tail, opset;
  append_bytes_field(opset, 1, "");
  append_varint_field(opset, 2, kOpset);
  append_bytes_field(tail, 8, opset);
  for (const Metadata* list : {&tensors.metadata, static_cast<const Metadata*>(&metadata)}) {
    for (const auto& [key, value] : *list) {
      if (!key.starts_with("onnx.")) append_props(tail, 14, key, value);
    }
  }
  out.add(std::move(tail));
  return out;
}

}  // namespace

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  const std::string_view as = options.format.get("as", "auto");
  if (as != "auto" && as != "model" && as != "tensor")
    return invalid_argument(concat("option as is ", quoted(as), ", expected auto, model or tensor"));
  const auto* dense = tensors.size() == 1 ? std::get_if<DenseTensor>(&tensors[0].tensor) : nullptr;
  const auto* sparse = tensors.size() == 1 ? std::get_if<SparseTensor>(&tensors[0].tensor) : nullptr;
  const bool alone = dense != nullptr || (sparse != nullptr && is_canonical(*sparse));
  if (as == "tensor" && !alone) {
    return unsupported(
        "an ONNX tensor file holds one dense tensor, or one sparse one in COO, sorted, no coordinate twice; write a model (leave as "
        "unset)");
  }
  int32_t ir_version = 0;
  const bool single = alone && as != "model" && (as == "tensor" || tensors[0].name.empty());
  FERRY_ASSIGN_OR_RETURN(const Pieces message,
                         !single            ? model_message(tensors)
                         : dense != nullptr ? tensor_message(*dense, tensors[0].name, tensors[0].metadata, &tensors.metadata, ir_version)
                                            : sparse_message(*sparse, tensors[0].name, tensors[0].metadata, &tensors.metadata, ir_version));
  if (message.size > kMostBytes) {
    return unsupported(
        concat("an ONNX file holds less than 2 GiB, these tensors take ", message.size, " bytes; use safetensors, npz or arrow"));
  }
  for (const auto& piece : message.list) {
    if (const auto* text = std::get_if<std::string>(&piece)) {
      FERRY_RETURN_IF_ERROR(sink.write(*text));
    } else {
      FERRY_RETURN_IF_ERROR(sink.write(std::get<Buffer>(piece).bytes()));
    }
  }
  return {};
}

}  // namespace ferry::onnx
