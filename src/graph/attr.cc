// AttrValue { oneof { ListValue list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; DataType type = 6; TensorShapeProto shape = 7;
//                     TensorProto tensor = 8; string placeholder = 9; NameAttrList func = 10 } }
// ListValue { repeated: bytes s = 2; int64 i = 3; float f = 4; bool b = 5; DataType type = 6; TensorShapeProto shape = 7;
//             TensorProto tensor = 8; NameAttrList func = 9 }     numbers packed or not
#include <bit>

#include "formats/tensorproto/tensorproto.h"
#include "graph/parse.h"

namespace ferry {
namespace {

using namespace graph;

AttrKind kind_of_tag(uint32_t tag) {
  switch (tag) {
    case bytes_tag(1): return AttrKind::list;
    case bytes_tag(2): return AttrKind::text;
    case varint_tag(3): return AttrKind::integer;
    case fixed32_tag(4): return AttrKind::number;
    case varint_tag(5): return AttrKind::boolean;
    case varint_tag(6): return AttrKind::type;
    case bytes_tag(7): return AttrKind::shape;
    case bytes_tag(8): return AttrKind::tensor;
    case bytes_tag(9): return AttrKind::placeholder;
    case bytes_tag(10): return AttrKind::func;
    default: return AttrKind::none;
  }
}

AttrKind kind_of_list_field(uint32_t field) {
  switch (field) {
    case 2: return AttrKind::text;
    case 3: return AttrKind::integer;
    case 4: return AttrKind::number;
    case 5: return AttrKind::boolean;
    case 6: return AttrKind::type;
    case 7: return AttrKind::shape;
    case 8: return AttrKind::tensor;
    case 9: return AttrKind::func;
    default: return AttrKind::none;
  }
}

// Of a oneof's fields the last one counts. The reader comes back standing at its value.
struct Found {
  AttrKind kind = AttrKind::none;
  proto::Reader at;
};
Result<Found> find_value(std::span<const std::byte> message, uint64_t base) {
  Found out;
  proto::Reader in(message, base);
  while (in.next()) {
    if (const AttrKind kind = kind_of_tag(in.tag()); kind != AttrKind::none) out = {kind, in};
    in.skip();
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Status wrong_kind(AttrKind found, AttrKind wanted) {
  if (found == AttrKind::none) return data_loss(concat("the attribute has no value, expected ", attr_kind_name(wanted)));
  return invalid_argument(concat("the attribute is of the kind ", attr_kind_name(found), ", expected ", attr_kind_name(wanted)));
}

Result<proto::Reader> value_at(const AttrValue& value, AttrKind wanted) {
  FERRY_ASSIGN_OR_RETURN(const Found found, find_value(value.message(), value.offset()));
  if (found.kind != wanted) return wrong_kind(found.kind, wanted);
  return found.at;
}

// take(reader) for each element; numbers may be packed, and then the reader stands at one within the packed bytes.
template <class Take>
Status for_each_element(const AttrValue& value, AttrKind wanted, Take&& take) {
  FERRY_ASSIGN_OR_RETURN(proto::Reader list, value_at(value, AttrKind::list));
  proto::Reader in = list.message();
  while (in.next()) {
    const AttrKind kind = kind_of_list_field(in.field());
    if (kind == AttrKind::none) {
      in.skip();
      continue;
    }
    if (kind != wanted)
      return invalid_argument(concat("the attribute is a list of ", attr_kind_name(kind), "s, expected ", attr_kind_name(wanted), "s"));
    const bool scalar = kind == AttrKind::integer || kind == AttrKind::boolean || kind == AttrKind::type || kind == AttrKind::number;
    if (scalar && in.wire() == proto::Wire::bytes) {
      proto::Reader packed = in.message();
      while (packed.ok() && !packed.done()) FERRY_RETURN_IF_ERROR(take(packed));
      FERRY_RETURN_IF_ERROR(packed.status());
    } else if (in.wire() == (kind == AttrKind::number ? proto::Wire::fixed32 : scalar ? proto::Wire::varint : proto::Wire::bytes)) {
      FERRY_RETURN_IF_ERROR(take(in));
    } else {
      in.skip();
    }
  }
  return in.status();
}

Result<FunctionCall> parse_call(Piece message) {
  FunctionCall out;
  proto::Reader in = message.reader();
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      out.name = in.text();
    } else if (in.tag() == bytes_tag(2)) {
      FERRY_ASSIGN_OR_RETURN(Attr attr, parse_attr(piece(in)));
      out.attrs.push_back(attr);
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

}  // namespace

std::string_view attr_kind_name(AttrKind kind) {
  switch (kind) {
    case AttrKind::none: return "nothing";
    case AttrKind::text: return "string";
    case AttrKind::integer: return "int";
    case AttrKind::number: return "float";
    case AttrKind::boolean: return "bool";
    case AttrKind::type: return "type";
    case AttrKind::shape: return "shape";
    case AttrKind::tensor: return "tensor";
    case AttrKind::list: return "list";
    case AttrKind::func: return "func";
    case AttrKind::placeholder: return "placeholder";
  }
  __builtin_unreachable();
}

AttrKind AttrValue::kind() const {
  const auto found = find_value(message_, base_);
  return found.ok() ? found->kind : AttrKind::none;
}

// A value of one kind, with what reads it from where the reader stands.
#define FERRY_READ_ATTR(kind, expression)                                    \
  FERRY_ASSIGN_OR_RETURN(proto::Reader in, value_at(*this, AttrKind::kind)); \
  auto value = expression;                                                   \
  FERRY_RETURN_IF_ERROR(in.status());                                        \
  return value

Result<std::string_view> AttrValue::text() const { FERRY_READ_ATTR(text, in.text()); }
Result<int64_t> AttrValue::integer() const { FERRY_READ_ATTR(integer, in.int64()); }
Result<float> AttrValue::number() const { FERRY_READ_ATTR(number, in.float32()); }
Result<bool> AttrValue::boolean() const { FERRY_READ_ATTR(boolean, in.boolean()); }
Result<int> AttrValue::type_number() const { FERRY_READ_ATTR(type, in.int32()); }
Result<std::span<const std::byte>> AttrValue::tensor() const { FERRY_READ_ATTR(tensor, in.bytes()); }
Result<std::string_view> AttrValue::placeholder() const { FERRY_READ_ATTR(placeholder, in.text()); }

#undef FERRY_READ_ATTR

Result<DType> AttrValue::type() const {
  FERRY_ASSIGN_OR_RETURN(const int number, type_number());
  return dtype_of_number(number);
}

Result<PartialShape> AttrValue::shape(const Limits& limits) const {
  FERRY_ASSIGN_OR_RETURN(proto::Reader in, value_at(*this, AttrKind::shape));
  const Piece message = piece(in);
  return parse_shape(message.bytes, message.base, limits);
}

Result<DenseTensor> AttrValue::constant(const Buffer* source, const Limits& limits) const {
  FERRY_ASSIGN_OR_RETURN(proto::Reader in, value_at(*this, AttrKind::tensor));
  const Piece message = piece(in);
  FERRY_ASSIGN_OR_RETURN(const auto view, tensorproto::TensorProtoView::decode(message.bytes, message.base, limits));
  return view.to_tensor(source, limits);
}

Result<FunctionCall> AttrValue::func() const {
  FERRY_ASSIGN_OR_RETURN(proto::Reader in, value_at(*this, AttrKind::func));
  return parse_call(piece(in));
}

AttrKind AttrValue::list_kind() const {
  auto at = value_at(*this, AttrKind::list);
  if (!at.ok()) return AttrKind::none;
  proto::Reader in = at->message();
  while (in.next()) {
    if (const AttrKind kind = kind_of_list_field(in.field()); kind != AttrKind::none) return kind;
    in.skip();
  }
  return AttrKind::none;
}

size_t AttrValue::list_size() const {
  size_t out = 0;
  const AttrKind kind = list_kind();
  (void)for_each_element(*this, kind, [&](proto::Reader& in) -> Status {
    ++out;
    if (kind == AttrKind::number) {
      in.float32();
    } else if (kind == AttrKind::integer || kind == AttrKind::boolean || kind == AttrKind::type) {
      in.varint();
    } else {
      in.bytes();
    }
    return in.status();
  });
  return out;
}

#define FERRY_READ_LIST(T, kind, expression)                                                       \
  std::vector<T> out;                                                                              \
  FERRY_RETURN_IF_ERROR(for_each_element(*this, AttrKind::kind, [&](proto::Reader& in) -> Status { \
    out.push_back(expression);                                                                     \
    return in.status();                                                                            \
  }));                                                                                             \
  return out

Result<std::vector<std::string_view>> AttrValue::texts() const { FERRY_READ_LIST(std::string_view, text, in.text()); }
Result<std::vector<int64_t>> AttrValue::integers() const { FERRY_READ_LIST(int64_t, integer, in.int64()); }
Result<std::vector<float>> AttrValue::numbers() const { FERRY_READ_LIST(float, number, in.float32()); }
Result<std::vector<bool>> AttrValue::booleans() const { FERRY_READ_LIST(bool, boolean, in.boolean()); }
Result<std::vector<int>> AttrValue::type_numbers() const { FERRY_READ_LIST(int, type, in.int32()); }
Result<std::vector<std::span<const std::byte>>> AttrValue::tensors() const {
  FERRY_READ_LIST(std::span<const std::byte>, tensor, in.bytes());
}

#undef FERRY_READ_LIST

Result<std::vector<DType>> AttrValue::types() const {
  FERRY_ASSIGN_OR_RETURN(const auto numbers, type_numbers());
  std::vector<DType> out;
  out.reserve(numbers.size());
  for (const int number : numbers) {
    FERRY_ASSIGN_OR_RETURN(const DType dtype, dtype_of_number(number));
    out.push_back(dtype);
  }
  return out;
}

Result<std::vector<PartialShape>> AttrValue::shapes(const Limits& limits) const {
  std::vector<PartialShape> out;
  Status status = for_each_element(*this, AttrKind::shape, [&](proto::Reader& in) -> Status {
    const Piece message = piece(in);
    FERRY_RETURN_IF_ERROR(in.status());
    FERRY_ASSIGN_OR_RETURN(PartialShape shape, parse_shape(message.bytes, message.base, limits));
    out.push_back(std::move(shape));
    return {};
  });
  FERRY_RETURN_IF_ERROR(status);
  return out;
}

Result<std::vector<FunctionCall>> AttrValue::funcs() const {
  std::vector<FunctionCall> out;
  Status status = for_each_element(*this, AttrKind::func, [&](proto::Reader& in) -> Status {
    const Piece message = piece(in);
    FERRY_RETURN_IF_ERROR(in.status());
    FERRY_ASSIGN_OR_RETURN(FunctionCall call, parse_call(message));
    out.push_back(std::move(call));
    return {};
  });
  FERRY_RETURN_IF_ERROR(status);
  return out;
}

// ---- Shapes and dtypes

bool PartialShape::is_full() const {
  if (!known_) return false;
  for (const int64_t dim : dims_) {
    if (dim < 0) return false;
  }
  return true;
}

std::string PartialShape::to_string() const {
  if (!known_) return "?";
  std::string out = "[";
  for (size_t i = 0; i < dims_.rank(); ++i) {
    if (i > 0) out += ", ";
    out += dims_[i] < 0 ? std::string("?") : concat(dims_[i]);
  }
  return out + "]";
}

// TensorShapeProto { repeated Dim { int64 size = 1; string name = 2 } dim = 2; bool unknown_rank = 3 }
Result<PartialShape> parse_shape(std::span<const std::byte> message, uint64_t base, const Limits& limits) {
  Shape dims;
  bool unknown = false;
  proto::Reader in(message, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(2)) {
      proto::Reader dim = in.message();
      int64_t size = 0;
      while (dim.next()) dim.tag() == varint_tag(1) ? void(size = dim.int64()) : dim.skip();
      FERRY_RETURN_IF_ERROR(dim.status());
      if (size < -1) return data_loss_at(in.field_offset(), concat("an axis of length ", size, ", expected -1 (any) or more"));
      if (dims.rank() >= limits.max_rank) return limit_exceeded(concat("a shape of more than ", limits.max_rank, " axes"));
      dims.append(size);
    } else if (in.tag() == varint_tag(3)) {
      unknown = in.boolean();
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return unknown ? PartialShape() : PartialShape(std::move(dims));
}

Result<DType> dtype_of_number(int number) {
  if (number == 0) return invalid_argument("the dtype is left open (DT_INVALID)");
  if (const auto dtype = dtype_from_number(is_reference(number) ? number - 100 : number)) return *dtype;
  return unsupported(
      concat("the dtype has the number ", number, ", which TensorFlow does not know; expected 1 to 33, or 101 to 133 for references"));
}

}  // namespace ferry
