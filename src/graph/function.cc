// FunctionDefLibrary { repeated FunctionDef function = 1; repeated GradientDef gradient = 2 }
// FunctionDef { OpDef signature = 1; map<string, AttrValue> attr = 5; map<uint32, ArgAttrs> arg_attr = 7;
//               map<uint32, uint32> resource_arg_unique_id = 8; repeated NodeDef node_def = 3; map<string, string> ret = 4;
//               map<string, string> control_ret = 6 }
// OpDef { string name = 1; repeated ArgDef input_arg = 2, output_arg = 3; repeated string control_output = 20; repeated AttrDef attr = 4;
//         string summary = 5, description = 6; bool is_commutative = 18, is_aggregate = 16, is_stateful = 17,
//         allows_uninitialized_input = 19, is_distributed_communication = 21 }
#include <bit>

#include "graph/nodes.h"
#include "graph/parse.h"

namespace ferry {
namespace {

using namespace graph;

Result<ArgDef::HandleData> parse_handle_data(Piece message, const Limits& limits) {
  ArgDef::HandleData out;
  proto::Reader in = message.reader();
  while (in.next()) {
    if (in.tag() == varint_tag(1)) {
      out.type_number = in.int32();
    } else if (in.tag() == bytes_tag(2)) {
      const Piece shape = piece(in);
      FERRY_ASSIGN_OR_RETURN(out.shape, parse_shape(shape.bytes, shape.base, limits));
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<ArgDef> parse_arg(Piece message, const Limits& limits) {
  ArgDef out;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.name = in.text(); break;
      case bytes_tag(2): out.description = in.text(); break;
      case varint_tag(3): out.type_number = in.int32(); break;
      case bytes_tag(4): out.type_attr = in.text(); break;
      case bytes_tag(5): out.number_attr = in.text(); break;
      case bytes_tag(6): out.type_list_attr = in.text(); break;
      case bytes_tag(7): {
        FERRY_ASSIGN_OR_RETURN(auto handle, parse_handle_data(piece(in), limits));
        out.handle_data.push_back(std::move(handle));
        break;
      }
      case varint_tag(16): out.is_ref = in.boolean(); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<AttrDef> parse_attr_def(Piece message) {
  AttrDef out;
  bool has_minimum = false;
  int64_t minimum = 0;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.name = in.text(); break;
      case bytes_tag(2): out.type = in.text(); break;
      case bytes_tag(3): {
        const Piece value = piece(in);
        out.default_value = AttrValue(value.bytes, value.base);
        break;
      }
      case varint_tag(5): has_minimum = in.boolean(); break;
      case varint_tag(6): minimum = in.int64(); break;
      case bytes_tag(7): {
        const Piece value = piece(in);
        out.allowed_values = AttrValue(value.bytes, value.base);
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  if (has_minimum) out.minimum = minimum;
  return out;
}

// map<string, string>
Result<Function::Ret> parse_ret(Piece message) {
  FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry(message));
  return Function::Ret{entry.key, text_of(entry.value.bytes)};
}

struct NumberEntry {
  uint32_t key = 0, number = 0;
  Piece value;
};
Result<NumberEntry> parse_number_entry(Piece message) {
  NumberEntry out;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.key = static_cast<uint32_t>(in.varint()); break;
      case varint_tag(2): out.number = static_cast<uint32_t>(in.varint()); break;
      case bytes_tag(2): out.value = piece(in); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// The name in a FunctionDef's signature, and nothing else of it.
Result<std::string_view> name_of_function(Piece message) {
  std::string_view out;
  proto::Reader in = message.reader();
  while (in.next()) {
    if (in.tag() != bytes_tag(1)) {
      in.skip();
      continue;
    }
    proto::Reader signature = in.message();
    while (signature.next()) signature.tag() == bytes_tag(1) ? void(out = signature.text()) : signature.skip();
    FERRY_RETURN_IF_ERROR(signature.status());
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

}  // namespace

const AttrDef* OpDef::find_attr(std::string_view attr) const {
  for (const AttrDef& candidate : attrs) {
    if (candidate.name == attr) return &candidate;
  }
  return nullptr;
}

Result<OpDef> OpDef::parse(std::span<const std::byte> message, uint64_t base, const Limits& limits) {
  OpDef out;
  proto::Reader in(message, base);
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.name = in.text(); break;
      case bytes_tag(2):
      case bytes_tag(3): {
        const bool input = in.field() == 2;
        FERRY_ASSIGN_OR_RETURN(ArgDef arg, parse_arg(piece(in), limits));
        (input ? out.inputs : out.outputs).push_back(std::move(arg));
        break;
      }
      case bytes_tag(4): {
        FERRY_ASSIGN_OR_RETURN(AttrDef attr, parse_attr_def(piece(in)));
        out.attrs.push_back(std::move(attr));
        break;
      }
      case bytes_tag(5): out.summary = in.text(); break;
      case bytes_tag(6): out.description = in.text(); break;
      case varint_tag(16): out.is_aggregate = in.boolean(); break;
      case varint_tag(17): out.is_stateful = in.boolean(); break;
      case varint_tag(18): out.is_commutative = in.boolean(); break;
      case varint_tag(19): out.allows_uninitialized_input = in.boolean(); break;
      case bytes_tag(20): out.control_outputs.push_back(in.text()); break;
      case varint_tag(21): out.is_distributed_communication = in.boolean(); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<Function> Function::parse(Buffer bytes, uint64_t base, const Limits& limits) {
  Function out;
  out.bytes_ = std::move(bytes);
  NodesParser nodes;
  Merged signature;
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
      case 1: signature.add(value, out.bytes_); break;
      case 3: FERRY_RETURN_IF_ERROR(nodes.add(value, limits)); break;
      case 4:
      case 6: {
        FERRY_ASSIGN_OR_RETURN(const Ret ret, parse_ret(value));
        (field == 4 ? out.ret_ : out.control_ret_).push_back(ret);
        break;
      }
      case 5: {
        FERRY_ASSIGN_OR_RETURN(const Attr attr, parse_attr(value));
        out.attrs_.push_back(attr);
        break;
      }
      case 7: {
        FERRY_ASSIGN_OR_RETURN(const NumberEntry entry, parse_number_entry(value));
        FERRY_ASSIGN_OR_RETURN(auto attrs, parse_attrs(entry.value, 1));
        out.arg_attrs_.push_back({entry.key, std::move(attrs)});
        break;
      }
      case 8: {
        FERRY_ASSIGN_OR_RETURN(const NumberEntry entry, parse_number_entry(value));
        out.unique_ids_.emplace_back(entry.key, entry.number);
        break;
      }
      default: break;
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  const Buffer text = signature.bytes();
  FERRY_ASSIGN_OR_RETURN(out.signature_, OpDef::parse(text.bytes(), signature.base(), limits));
  if (text.owner() != out.bytes_.owner()) {  // merged from several: keep both
    auto both = std::make_shared<std::pair<Buffer, Buffer>>(out.bytes_, text);
    out.bytes_ = Buffer::adopt(out.bytes_.data(), out.bytes_.size(), both);
  }
  auto parsed = std::move(nodes).finish();
  if (!parsed.ok()) return parsed.status().with_context(concat("function ", quoted(out.name())));
  out.nodes_ = *std::move(parsed);
  return out;
}

const AttrValue* Function::arg_attr(size_t arg, std::string_view name) const {
  for (size_t i = arg_attrs_.size(); i-- > 0;) {
    if (arg_attrs_[i].arg == arg) return graph::find_attr(arg_attrs_[i].attrs, name);
  }
  return nullptr;
}

const AttrValue* Function::find_attr(std::string_view name) const { return graph::find_attr(attrs_, name); }

std::optional<std::string_view> Function::ret_of(std::string_view output) const {
  for (size_t i = ret_.size(); i-- > 0;) {
    if (ret_[i].name == output) return ret_[i].tensor;
  }
  return std::nullopt;
}

// ---- FunctionLibrary

Status FunctionLibrary::add(std::span<const std::byte> message, uint64_t base, const Limits& limits) {
  proto::Reader in(message, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      const Piece function = piece(in);
      if (!in.ok()) break;
      const auto name = name_of_function(function);
      if (!name.ok()) return name.status().with_context("a function of the library");
      if (name->empty()) return data_loss_at(function.base, "a function without a name");
      if (functions_.size() >= limits.max_tensors) return limit_exceeded(concat("more than ", limits.max_tensors, " functions"));
      functions_.push_back({*name, function.bytes, function.base});
    } else if (in.tag() == bytes_tag(2)) {
      FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry(piece(in)));
      gradients_.push_back({entry.key, text_of(entry.value.bytes)});
    } else {
      in.skip();
    }
  }
  return in.status();
}

Status FunctionLibrary::index() {
  slots_.assign(std::bit_ceil(2 * functions_.size() + 1), 0);
  for (size_t i = 0; i < functions_.size(); ++i) {
    uint32_t& slot = slot_of(slots_, functions_[i].name, [&](size_t k) { return functions_[k].name; });
    if (slot == 0) slot = static_cast<uint32_t>(i + 1);
  }
  return {};
}

std::optional<size_t> FunctionLibrary::find(std::string_view name) const {
  if (slots_.empty()) return std::nullopt;
  const uint32_t slot = slot_of(slots_, name, [&](size_t k) { return functions_[k].name; });
  return slot == 0 ? std::nullopt : std::optional<size_t>(slot - 1);
}

Result<Function> FunctionLibrary::read(size_t i) const {
  const Entry& entry = functions_[i];
  auto out = Function::parse(share(entry.message, bytes_), entry.base, limits_);
  if (!out.ok()) return out.status().with_context(concat("function ", quoted(entry.name)));
  return out;
}

Result<Function> FunctionLibrary::read(std::string_view name) const {
  const auto i = find(name);
  if (!i) return not_found(concat("the graph's library has no function ", quoted(name)));
  return read(*i);
}

}  // namespace ferry
