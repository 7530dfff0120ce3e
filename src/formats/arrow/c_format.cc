#include "formats/arrow/c_format.h"

#include <charconv>
#include <cstring>

namespace ferry::arrow {
namespace {

struct Letter {
  std::string_view format;
  TypeId id;
};
constexpr Letter kLetters[] = {
    {"n", TypeId::null},
    {"b", TypeId::boolean},
    {"c", TypeId::int8},
    {"C", TypeId::uint8},
    {"s", TypeId::int16},
    {"S", TypeId::uint16},
    {"i", TypeId::int32},
    {"I", TypeId::uint32},
    {"l", TypeId::int64},
    {"L", TypeId::uint64},
    {"e", TypeId::float16},
    {"f", TypeId::float32},
    {"g", TypeId::float64},
    {"z", TypeId::binary},
    {"Z", TypeId::large_binary},
    {"u", TypeId::utf8},
    {"U", TypeId::large_utf8},
    {"vz", TypeId::binary_view},
    {"vu", TypeId::utf8_view},
    {"+l", TypeId::list},
    {"+L", TypeId::large_list},
    {"+s", TypeId::structure},
    {"+m", TypeId::map},
    {"+vl", TypeId::list_view},
    {"+vL", TypeId::large_list_view},
    {"+r", TypeId::run_end_encoded},
};

std::string_view unit_of(char letter) {
  switch (letter) {
    case 's': return "s";
    case 'm': return "ms";
    case 'u': return "us";
    default: return "ns";
  }
}

Result<int32_t> parse_size(std::string_view format) {
  int32_t size = -1;
  const auto [end, error] = std::from_chars(format.data() + 3, format.data() + format.size(), size);
  if (error != std::errc() || end != format.data() + format.size() || size < 0) {
    return data_loss(concat("Arrow format string ", quoted(format), " has no size"));
  }
  return size;
}

}  // namespace

std::string format_string(const Type& type) {
  if (type.id == TypeId::fixed_size_list) return concat("+w:", type.size);
  if (type.id == TypeId::fixed_size_binary) return concat("w:", type.size);
  for (const Letter& letter : kLetters) {
    if (letter.id == type.id) return std::string(letter.format);
  }
  FERRY_ASSERT(false);  // the encoder makes no other types
}

Result<Type> parse_format_string(std::string_view format) {
  for (const Letter& letter : kLetters) {
    if (letter.format == format) return Type(letter.id);
  }
  if (format.starts_with("+w:")) {
    FERRY_ASSIGN_OR_RETURN(const int32_t size, parse_size(format));
    return Type(TypeId::fixed_size_list, size);
  }
  if (format.starts_with("w:")) {
    FERRY_ASSIGN_OR_RETURN(const int32_t size, parse_size(concat("+", format)));
    return Type(TypeId::fixed_size_binary, size);
  }
  if (format.starts_with("d:")) return Type(TypeId::decimal);
  if (format.starts_with("ti")) return Type(TypeId::interval);
  if (format.starts_with("+us:")) return Type(TypeId::sparse_union);
  if (format.starts_with("+ud:")) return Type(TypeId::dense_union);
  if (format == "tdD") return Type(TypeId::int32, 0, "date32[day]");
  if (format == "tdm") return Type(TypeId::int64, 0, "date64[ms]");
  if (format.size() >= 3 && format[0] == 't' && std::string_view("smun").find(format[2]) != std::string_view::npos) {
    const std::string_view unit = unit_of(format[2]);
    if (format[1] == 't') {
      const bool narrow = format[2] == 's' || format[2] == 'm';
      return Type(narrow ? TypeId::int32 : TypeId::int64, 0, concat("time", narrow ? 32 : 64, "[", unit, "]"));
    }
    if (format[1] == 'D') return Type(TypeId::int64, 0, concat("duration[", unit, "]"));
    if (format[1] == 's') {
      const std::string_view zone = format.size() > 4 ? format.substr(4) : std::string_view();
      return Type(TypeId::int64, 0, zone.empty() ? concat("timestamp[", unit, "]") : concat("timestamp[", unit, ", ", zone, "]"));
    }
  }
  return unsupported(concat("Arrow format string ", quoted(format), " is not known here; cast the column first"));
}

std::string encode_metadata(const Metadata& metadata) {
  std::string out;
  const auto number = [&](size_t value) {
    const auto word = static_cast<int32_t>(value);
    out.append(reinterpret_cast<const char*>(&word), 4);
  };
  number(metadata.size());
  for (const auto& [key, value] : metadata) {
    number(key.size());
    out += key;
    number(value.size());
    out += value;
  }
  return out;
}

Result<Metadata> decode_metadata(const char* encoded) {
  Metadata out;
  if (encoded == nullptr) return out;
  const auto number = [&] {
    int32_t word;
    std::memcpy(&word, encoded, 4);
    encoded += 4;
    return word;
  };
  const auto text = [&](int32_t size) {
    const std::string_view piece(encoded, static_cast<size_t>(size));
    encoded += size;
    return piece;
  };
  for (int32_t pairs = number(); pairs > 0; --pairs) {
    const int32_t key_size = number();
    if (key_size < 0) return data_loss("metadata of an Arrow schema with a negative length");
    const std::string_view key = text(key_size);
    const int32_t value_size = number();
    if (value_size < 0) return data_loss("metadata of an Arrow schema with a negative length");
    out.set(key, text(value_size));
  }
  return out;
}

}  // namespace ferry::arrow
