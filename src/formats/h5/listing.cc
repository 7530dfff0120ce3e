#include "formats/h5/listing.h"

#include <bit>

#include "wire/json.h"

namespace ferry::h5 {
namespace {

Result<std::string> read_text(ByteCursor& in, uint64_t most) {
  FERRY_ASSIGN_OR_RETURN(const auto size, in.read<uint32_t>("a text of the listing"));
  if (size > most) return limit_exceeded(concat("a name of ", size, " bytes is longer than ", most, " (max_name_bytes)"));
  FERRY_ASSIGN_OR_RETURN(const auto text, in.take_text(size, "a text of the listing"));
  return std::string(text);
}

template <class Enum>
Result<Enum> read_enum(ByteCursor& in, Enum last) {
  FERRY_ASSIGN_OR_RETURN(const auto value, in.read<uint8_t>("a kind"));
  if (value > static_cast<uint8_t>(last)) return data_loss(concat("ferry-hdf5 lists a thing of kind ", value));
  return static_cast<Enum>(value);
}

Result<Attribute> read_attribute(ByteCursor& in, const Limits& limits) {
  Attribute out;
  FERRY_ASSIGN_OR_RETURN(out.name, read_text(in, limits.max_name_bytes));
  FERRY_ASSIGN_OR_RETURN(out.kind, read_enum(in, AttributeKind::unreadable));
  FERRY_ASSIGN_OR_RETURN(const auto scalar, in.read<uint8_t>("an attribute"));
  out.scalar = scalar != 0;
  FERRY_ASSIGN_OR_RETURN(const auto count, in.read<uint64_t>("an attribute"));
  const uint64_t each = out.kind == AttributeKind::texts ? 4 : 8;
  if (count > in.remaining() / each) return data_loss("ferry-hdf5 lists an attribute longer than its listing");
  for (uint64_t i = 0; i < count; ++i) {
    if (out.kind == AttributeKind::texts) {
      FERRY_ASSIGN_OR_RETURN(std::string text, read_text(in, UINT32_MAX));
      out.texts.push_back(std::move(text));
    } else {
      FERRY_ASSIGN_OR_RETURN(const auto word, in.read<uint64_t>("an attribute"));
      out.words.push_back(word);
    }
  }
  return out;
}

Status read_dataset(ByteCursor& in, const Limits& limits, Object& out) {
  FERRY_ASSIGN_OR_RETURN(out.element, read_enum(in, ElementKind::opaque));
  FERRY_ASSIGN_OR_RETURN(const auto number, in.read<uint8_t>("a dataset"));
  const auto dtype = dtype_from_number(number);
  if (!dtype || (*dtype != DType::string && !is_fixed_size(*dtype)) || (*dtype == DType::string) != (out.element == ElementKind::strings)) {
    return data_loss(concat("ferry-hdf5 lists elements of dtype number ", number));
  }
  out.dtype = *dtype;
  FERRY_ASSIGN_OR_RETURN(const auto rank, in.read<uint8_t>("a dataset"));
  std::vector<int64_t> dims;
  for (int axis = 0; axis < rank; ++axis) {
    FERRY_ASSIGN_OR_RETURN(const auto dim, in.read<uint64_t>("a dataset"));
    dims.push_back(dim > INT64_MAX ? -1 : static_cast<int64_t>(dim));
  }
  FERRY_ASSIGN_OR_RETURN(out.offset, in.read<uint64_t>("a dataset"));
  FERRY_ASSIGN_OR_RETURN(out.values, in.read<uint64_t>("a dataset"));
  FERRY_ASSIGN_OR_RETURN(out.reason, read_text(in, limits.max_name_bytes));
  auto shape = Shape::checked(dims, limits);
  if (!shape.ok()) return shape.status().with_context(concat("dataset ", quoted(out.path)));
  out.shape = *std::move(shape);
  if (out.element == ElementKind::opaque && rank == 0) return data_loss("ferry-hdf5 lists opaque elements without a size");
  return {};
}

void append_word(std::string& out, AttributeKind kind, uint64_t word) {
  switch (kind) {
    case AttributeKind::integers: json::append_integer(out, static_cast<int64_t>(word)); return;
    case AttributeKind::naturals: json::append_integer(out, word); return;
    case AttributeKind::numbers: json::append_float(out, std::bit_cast<double>(word)); return;
    case AttributeKind::booleans: out += word != 0 ? "true" : "false"; return;
    case AttributeKind::texts:
    case AttributeKind::unreadable: return;
  }
}

}  // namespace

std::string Attribute::as_text() const {
  std::string out;
  if (scalar && kind == AttributeKind::texts) return texts.empty() ? "" : texts[0];
  if (scalar && !words.empty()) {
    append_word(out, kind, words[0]);
    return out;
  }
  out += '[';
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    json::append_string(out, text);
  }
  for (const uint64_t word : words) {
    if (out.size() > 1) out += ',';
    append_word(out, kind, word);
  }
  out += ']';
  return out;
}

const Attribute* Object::find(std::string_view name) const {
  for (const Attribute& attribute : attributes) {
    if (attribute.name == name) return &attribute;
  }
  return nullptr;
}

const std::string* Object::text(std::string_view name) const {
  const Attribute* attribute = find(name);
  return attribute != nullptr && attribute->kind == AttributeKind::texts && attribute->texts.size() == 1 ? &attribute->texts[0] : nullptr;
}

Result<std::vector<Object>> parse_listing(std::span<const std::byte> bytes, const Limits& limits) {
  ByteCursor in(bytes);
  FERRY_ASSIGN_OR_RETURN(const auto count, in.read<uint64_t>("the listing"));
  std::vector<Object> out;
  for (uint64_t i = 0; i < count; ++i) {
    Object object;
    FERRY_ASSIGN_OR_RETURN(object.kind, read_enum(in, ObjectKind::skipped));
    FERRY_ASSIGN_OR_RETURN(object.path, read_text(in, limits.max_name_bytes));
    if (object.kind == ObjectKind::skipped) {
      FERRY_ASSIGN_OR_RETURN(object.reason, read_text(in, limits.max_name_bytes));
    } else {
      if (object.kind == ObjectKind::dataset) FERRY_RETURN_IF_ERROR(read_dataset(in, limits, object));
      FERRY_ASSIGN_OR_RETURN(const auto attributes, in.read<uint32_t>("the attributes"));
      for (uint32_t k = 0; k < attributes; ++k) {
        FERRY_ASSIGN_OR_RETURN(Attribute attribute, read_attribute(in, limits));
        object.attributes.push_back(std::move(attribute));
      }
    }
    out.push_back(std::move(object));
  }
  if (!in.done()) return data_loss("ferry-hdf5's listing is longer than it says");
  return out;
}

}  // namespace ferry::h5
