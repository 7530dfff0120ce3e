#include "formats/arrow/schema.h"

#include <array>

namespace ferry::arrow {
namespace {

using flatbuffers::Table;
using flatbuffers::TableWriter;
using flatbuffers::Vector;

// The Type union of Schema.fbs.
enum FbType : uint8_t {
  kNull = 1,
  kInt,
  kFloatingPoint,
  kBinary,
  kUtf8,
  kBool,
  kDecimal,
  kDate,
  kTime,
  kTimestamp,
  kInterval,
  kList,
  kStruct,
  kUnion,
  kFixedSizeBinary,
  kFixedSizeList,
  kMap,
  kDuration,
  kLargeBinary,
  kLargeUtf8,
  kLargeList,
  kRunEndEncoded,
  kBinaryView,
  kUtf8View,
  kListView,
  kLargeListView,
};

constexpr std::array<std::string_view, 4> kUnits = {"s", "ms", "us", "ns"};

Result<std::string_view> read_unit(const Table& type, int16_t otherwise) {
  FERRY_ASSIGN_OR_RETURN(const int16_t unit, type.scalar<int16_t>(0, otherwise));
  if (unit < 0 || unit >= static_cast<int16_t>(kUnits.size())) return data_loss(concat("time unit ", unit, " is not one of Arrow's four"));
  return kUnits[static_cast<size_t>(unit)];
}

Result<Type> read_float(const Table& type) {
  FERRY_ASSIGN_OR_RETURN(const int16_t precision, type.scalar<int16_t>(0, 0));
  switch (precision) {
    case 0: return Type{TypeId::float16};
    case 1: return Type{TypeId::float32};
    case 2: return Type{TypeId::float64};
    default: return data_loss(concat("floating-point precision ", precision, " is not one of Arrow's three"));
  }
}

Result<Type> read_time(const Table& type) {
  FERRY_ASSIGN_OR_RETURN(const std::string_view unit, read_unit(type, 1));
  FERRY_ASSIGN_OR_RETURN(const int32_t bits, type.scalar<int32_t>(1, 32));
  if (bits != 32 && bits != 64) return data_loss(concat("a time of ", bits, " bits, expected 32 or 64"));
  return Type{bits == 32 ? TypeId::int32 : TypeId::int64, 0, concat("time", bits, "[", unit, "]")};
}

Result<Type> read_timestamp(const Table& type) {
  FERRY_ASSIGN_OR_RETURN(const std::string_view unit, read_unit(type, 0));
  FERRY_ASSIGN_OR_RETURN(const std::string_view zone, type.text(1));
  return Type{TypeId::int64, 0, zone.empty() ? concat("timestamp[", unit, "]") : concat("timestamp[", unit, ", ", zone, "]")};
}

Result<Type> read_sized(const Table& type, TypeId id, std::string_view what) {
  FERRY_ASSIGN_OR_RETURN(const int32_t size, type.scalar<int32_t>(0, 0));
  if (size < 0) return data_loss(concat(what, " of size ", size, ", expected 0 or more"));
  return Type{id, size, {}};
}

Result<Field> read_field(const Table& table, const Limits& limits, uint64_t depth) {
  if (depth > limits.max_nesting)
    return limit_exceeded(concat("Arrow fields are nested more than ", limits.max_nesting, " deep (max_nesting)"));
  Field out;
  FERRY_ASSIGN_OR_RETURN(const std::string_view name, table.text(0));
  if (name.size() > limits.max_name_bytes) {
    return limit_exceeded(concat("a field name has ", name.size(), " bytes, more than ", limits.max_name_bytes, " (max_name_bytes)"));
  }
  out.name = name;
  const std::string context = concat("field ", quoted(name));
  FERRY_ASSIGN_OR_RETURN(const uint8_t nullable, table.scalar<uint8_t>(1, 0));
  out.nullable = nullable != 0;
  FERRY_ASSIGN_OR_RETURN(const uint8_t kind, table.scalar<uint8_t>(2, 0));
  FERRY_ASSIGN_OR_RETURN(const auto type, table.table(3));
  auto read = read_type(kind, type);
  if (!read.ok()) return read.status().with_context(context);
  out.type = *std::move(read);
  FERRY_ASSIGN_OR_RETURN(const auto dictionary, table.table(4));
  if (dictionary) {
    Field::Dictionary encoding;
    FERRY_ASSIGN_OR_RETURN(encoding.id, dictionary->scalar<int64_t>(0, 0));
    FERRY_ASSIGN_OR_RETURN(const auto index, dictionary->table(1));
    FERRY_ASSIGN_OR_RETURN(encoding.index, read_int_type(index));
    out.dictionary = encoding;
  }
  FERRY_ASSIGN_OR_RETURN(const Vector children, table.tables(5));
  for (size_t i = 0; i < children.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Table child, children.table(i));
    FERRY_ASSIGN_OR_RETURN(Field field, read_field(child, limits, depth + 1));
    out.children.push_back(std::move(field));
  }
  FERRY_ASSIGN_OR_RETURN(out.metadata, read_metadata(table, 6));
  size_t expected = out.children.size();
  switch (out.type.id) {
    case TypeId::list:
    case TypeId::large_list:
    case TypeId::fixed_size_list:
    case TypeId::map:
    case TypeId::list_view:
    case TypeId::large_list_view: expected = 1; break;
    case TypeId::run_end_encoded: expected = 2; break;
    case TypeId::structure:
    case TypeId::sparse_union:
    case TypeId::dense_union: break;
    default: expected = 0;
  }
  if (out.children.size() != expected) {
    return data_loss_at(table.offset(),
                        concat(context, " is a ", type_name(out.type), " with ", out.children.size(), " children, expected ", expected));
  }
  return out;
}

TableWriter metadata_tables(TableWriter table, int slot, const Metadata& metadata) {
  if (metadata.empty()) return table;
  std::vector<TableWriter> pairs;
  for (const auto& [key, value] : metadata) {
    pairs.emplace_back();
    pairs.back().text(0, key).text(1, value);
  }
  table.tables(slot, std::move(pairs));
  return table;
}

TableWriter int_table(int32_t bits, bool is_signed) {
  TableWriter out;
  out.scalar<int32_t>(0, bits).scalar<uint8_t>(1, is_signed);
  return out;
}

TableWriter sized_table(int32_t size) {
  TableWriter out;
  out.scalar<int32_t>(0, size);
  return out;
}

TableWriter float_table(int16_t precision) {
  TableWriter out;
  out.scalar<int16_t>(0, precision);
  return out;
}

std::pair<FbType, TableWriter> type_table(const Type& type) {
  switch (type.id) {
    case TypeId::null: return {kNull, TableWriter()};
    case TypeId::boolean: return {kBool, TableWriter()};
    case TypeId::int8: return {kInt, int_table(8, true)};
    case TypeId::int16: return {kInt, int_table(16, true)};
    case TypeId::int32: return {kInt, int_table(32, true)};
    case TypeId::int64: return {kInt, int_table(64, true)};
    case TypeId::uint8: return {kInt, int_table(8, false)};
    case TypeId::uint16: return {kInt, int_table(16, false)};
    case TypeId::uint32: return {kInt, int_table(32, false)};
    case TypeId::uint64: return {kInt, int_table(64, false)};
    case TypeId::float16: return {kFloatingPoint, float_table(0)};
    case TypeId::float32: return {kFloatingPoint, float_table(1)};
    case TypeId::float64: return {kFloatingPoint, float_table(2)};
    case TypeId::utf8: return {kUtf8, TableWriter()};
    case TypeId::binary: return {kBinary, TableWriter()};
    case TypeId::large_utf8: return {kLargeUtf8, TableWriter()};
    case TypeId::large_binary: return {kLargeBinary, TableWriter()};
    case TypeId::utf8_view: return {kUtf8View, TableWriter()};
    case TypeId::binary_view: return {kBinaryView, TableWriter()};
    case TypeId::fixed_size_binary: return {kFixedSizeBinary, sized_table(type.size)};
    case TypeId::list: return {kList, TableWriter()};
    case TypeId::large_list: return {kLargeList, TableWriter()};
    case TypeId::fixed_size_list: return {kFixedSizeList, sized_table(type.size)};
    case TypeId::structure: return {kStruct, TableWriter()};
    // Read only to be stepped over; our writer never makes them.
    case TypeId::decimal: return {kDecimal, TableWriter()};
    case TypeId::interval: return {kInterval, TableWriter()};
    case TypeId::map: return {kMap, TableWriter()};
    case TypeId::list_view: return {kListView, TableWriter()};
    case TypeId::large_list_view: return {kLargeListView, TableWriter()};
    case TypeId::sparse_union:
    case TypeId::dense_union: return {kUnion, TableWriter()};
    case TypeId::run_end_encoded: return {kRunEndEncoded, TableWriter()};
  }
  __builtin_unreachable();
}

TableWriter field_table(const Field& field) {
  TableWriter out;
  auto [kind, type] = type_table(field.type);
  out.text(0, field.name).scalar<uint8_t>(1, field.nullable).scalar<uint8_t>(2, kind).table(3, std::move(type));
  std::vector<TableWriter> children;
  for (const Field& child : field.children) children.push_back(field_table(child));
  out.tables(5, std::move(children));  // present even where empty: some readers insist
  return metadata_tables(std::move(out), 6, field.metadata);
}

}  // namespace

std::string_view Field::extension() const {
  const std::string* name = metadata.find(kExtensionName);
  return name == nullptr ? std::string_view() : std::string_view(*name);
}

std::string_view Field::extension_metadata() const {
  const std::string* text = metadata.find(kExtensionMetadata);
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

std::string type_name(const Type& type) {
  if (!type.words.empty()) return type.words;
  switch (type.id) {
    case TypeId::null: return "null";
    case TypeId::boolean: return "bool";
    case TypeId::int8: return "int8";
    case TypeId::int16: return "int16";
    case TypeId::int32: return "int32";
    case TypeId::int64: return "int64";
    case TypeId::uint8: return "uint8";
    case TypeId::uint16: return "uint16";
    case TypeId::uint32: return "uint32";
    case TypeId::uint64: return "uint64";
    case TypeId::float16: return "halffloat";
    case TypeId::float32: return "float";
    case TypeId::float64: return "double";
    case TypeId::utf8: return "string";
    case TypeId::binary: return "binary";
    case TypeId::large_utf8: return "large_string";
    case TypeId::large_binary: return "large_binary";
    case TypeId::utf8_view: return "string_view";
    case TypeId::binary_view: return "binary_view";
    case TypeId::fixed_size_binary: return concat("fixed_size_binary[", type.size, "]");
    case TypeId::list: return "list";
    case TypeId::large_list: return "large_list";
    case TypeId::fixed_size_list: return concat("fixed_size_list[", type.size, "]");
    case TypeId::structure: return "struct";
    case TypeId::decimal: return "decimal";
    case TypeId::interval: return "interval";
    case TypeId::map: return "map";
    case TypeId::list_view: return "list_view";
    case TypeId::large_list_view: return "large_list_view";
    case TypeId::sparse_union: return "sparse_union";
    case TypeId::dense_union: return "dense_union";
    case TypeId::run_end_encoded: return "run_end_encoded";
  }
  __builtin_unreachable();
}

std::optional<DType> plain_dtype(TypeId id) {
  switch (id) {
    case TypeId::int8: return DType::int8;
    case TypeId::int16: return DType::int16;
    case TypeId::int32: return DType::int32;
    case TypeId::int64: return DType::int64;
    case TypeId::uint8: return DType::uint8;
    case TypeId::uint16: return DType::uint16;
    case TypeId::uint32: return DType::uint32;
    case TypeId::uint64: return DType::uint64;
    case TypeId::float16: return DType::float16;
    case TypeId::float32: return DType::float32;
    case TypeId::float64: return DType::float64;
    default: return std::nullopt;
  }
}

TypeId type_of(DType plain) {
  for (int id = static_cast<int>(TypeId::int8); id <= static_cast<int>(TypeId::float64); ++id) {
    if (plain_dtype(static_cast<TypeId>(id)) == plain) return static_cast<TypeId>(id);
  }
  FERRY_ASSERT(false);
}

Result<TypeId> read_int_type(const std::optional<Table>& type) {
  if (!type) return TypeId::int32;
  FERRY_ASSIGN_OR_RETURN(const int32_t bits, type->scalar<int32_t>(0, 0));
  FERRY_ASSIGN_OR_RETURN(const uint8_t is_signed, type->scalar<uint8_t>(1, 0));
  switch (bits) {
    case 8: return is_signed ? TypeId::int8 : TypeId::uint8;
    case 16: return is_signed ? TypeId::int16 : TypeId::uint16;
    case 32: return is_signed ? TypeId::int32 : TypeId::uint32;
    case 64: return is_signed ? TypeId::int64 : TypeId::uint64;
    default: return data_loss_at(type->offset(), concat("an integer of ", bits, " bits, expected 8, 16, 32 or 64"));
  }
}

Result<Type> read_type(uint8_t kind, const std::optional<Table>& type) {
  if (!type) return data_loss("an Arrow field has no type");
  switch (kind) {
    case kNull: return Type{TypeId::null};
    case kInt: {
      FERRY_ASSIGN_OR_RETURN(const TypeId id, read_int_type(type));
      return Type{id};
    }
    case kFloatingPoint: return read_float(*type);
    case kBinary: return Type{TypeId::binary};
    case kUtf8: return Type{TypeId::utf8};
    case kBool: return Type{TypeId::boolean};
    case kDecimal: return Type{TypeId::decimal};
    case kDate: {
      FERRY_ASSIGN_OR_RETURN(const int16_t unit, type->scalar<int16_t>(0, 1));
      return unit == 0 ? Type{TypeId::int32, 0, "date32[day]"} : Type{TypeId::int64, 0, "date64[ms]"};
    }
    case kTime: return read_time(*type);
    case kTimestamp: return read_timestamp(*type);
    case kInterval: return Type{TypeId::interval};
    case kList: return Type{TypeId::list};
    case kStruct: return Type{TypeId::structure};
    case kUnion: {
      FERRY_ASSIGN_OR_RETURN(const int16_t mode, type->scalar<int16_t>(0, 0));
      return Type{mode == 0 ? TypeId::sparse_union : TypeId::dense_union};
    }
    case kFixedSizeBinary: return read_sized(*type, TypeId::fixed_size_binary, "a fixed_size_binary");
    case kFixedSizeList: return read_sized(*type, TypeId::fixed_size_list, "a fixed_size_list");
    case kMap: return Type{TypeId::map};
    case kDuration: {
      FERRY_ASSIGN_OR_RETURN(const std::string_view unit, read_unit(*type, 1));
      return Type{TypeId::int64, 0, concat("duration[", unit, "]")};
    }
    case kLargeBinary: return Type{TypeId::large_binary};
    case kLargeUtf8: return Type{TypeId::large_utf8};
    case kLargeList: return Type{TypeId::large_list};
    case kRunEndEncoded: return Type{TypeId::run_end_encoded};
    case kBinaryView: return Type{TypeId::binary_view};
    case kUtf8View: return Type{TypeId::utf8_view};
    case kListView: return Type{TypeId::list_view};
    case kLargeListView: return Type{TypeId::large_list_view};
    default: return unsupported(concat("Arrow type number ", kind, " is not known here; cast the column before writing the file"));
  }
}

Result<Metadata> read_metadata(const Table& table, int slot) {
  Metadata out;
  FERRY_ASSIGN_OR_RETURN(const Vector pairs, table.tables(slot));
  // Metadata is looked through from the front for each key; a list long enough to make that slow is no description.
  if (pairs.size() > 4096) return limit_exceeded(concat(pairs.size(), " pairs of custom metadata, at most 4096 are read"));
  for (size_t i = 0; i < pairs.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Table pair, pairs.table(i));
    FERRY_ASSIGN_OR_RETURN(const std::string_view key, pair.text(0));
    FERRY_ASSIGN_OR_RETURN(const std::string_view value, pair.text(1));
    out.set(key, value);
  }
  return out;
}

Result<Schema> read_schema(const Table& table, const Limits& limits) {
  Schema out;
  FERRY_ASSIGN_OR_RETURN(const int16_t endianness, table.scalar<int16_t>(0, 0));
  if (endianness != 0) return unsupported("the Arrow schema says its data is big-endian; rewrite it on, or for, a little-endian machine");
  FERRY_ASSIGN_OR_RETURN(const Vector fields, table.tables(1));
  if (fields.size() > limits.max_tensors) {
    return limit_exceeded(concat(fields.size(), " columns, more than ", limits.max_tensors, " (max_tensors)"));
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Table field, fields.table(i));
    FERRY_ASSIGN_OR_RETURN(Field read, read_field(field, limits, 1));
    out.fields.push_back(std::move(read));
  }
  FERRY_ASSIGN_OR_RETURN(out.metadata, read_metadata(table, 2));
  return out;
}

TableWriter schema_table(const Schema& schema) {
  TableWriter out;
  out.scalar<int16_t>(0, 0);
  std::vector<TableWriter> fields;
  for (const Field& field : schema.fields) fields.push_back(field_table(field));
  out.tables(1, std::move(fields));
  return metadata_tables(std::move(out), 2, schema.metadata);
}

}  // namespace ferry::arrow
