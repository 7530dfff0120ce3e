#include "formats/arrow/path.h"

#include <algorithm>

#include "ferry/checked.h"
#include "formats/arrow/extension_json.h"
#include "formats/arrow/strided.h"

namespace ferry::arrow {
namespace {

template <class Offset>
Result<std::pair<int64_t, int64_t>> end_offsets(const Piece& piece) {
  if (piece.array->buffers.size() < 2) return data_loss("a list array without offsets");
  FERRY_ASSIGN_OR_RETURN(const Buffer offsets, piece.array->buffers[1].load());
  const auto needed = checked_mul<uint64_t>(static_cast<uint64_t>(piece.end) + 1, sizeof(Offset));
  if (!needed || *needed > offsets.size()) {
    return data_loss(concat("a buffer of list offsets has ", offsets.size(), " bytes, too few for ", piece.end, " lists"));
  }
  Offset first, last;
  std::memcpy(&first, offsets.data() + static_cast<size_t>(piece.begin) * sizeof(Offset), sizeof(Offset));
  std::memcpy(&last, offsets.data() + static_cast<size_t>(piece.end) * sizeof(Offset), sizeof(Offset));
  return std::pair<int64_t, int64_t>(first, last);
}

Status check_child(const Piece& child) {
  const ArrayData& array = *child.array;
  if (child.begin < array.offset || child.end < child.begin || child.end > array.offset + array.length) {
    return data_loss(
        concat("lists hold elements ", child.begin - array.offset, " to ", child.end - array.offset, " of a child of ", array.length));
  }
  return {};
}

// The tensor shape that an extension type gives to fixed-size lists, or the length alone.
Status read_dims(const Field& field, Level& level) {
  level.dims = {field.type.size};
  if (field.extension() != "arrow.fixed_shape_tensor") return {};
  FERRY_ASSIGN_OR_RETURN(const json::Tree tree, parse_extension(field.extension_metadata()));
  const json::Tree* shape = tree.find("shape");
  const auto dims = shape == nullptr ? std::nullopt : numbers_of(*shape);
  if (!dims) return data_loss("an arrow.fixed_shape_tensor without a shape");
  FERRY_ASSIGN_OR_RETURN(const Shape checked, Shape::checked(*dims));
  if (checked.num_elements() != field.type.size) {
    return data_loss(concat("an arrow.fixed_shape_tensor of shape ", checked.to_string(), " is stored in lists of ", field.type.size));
  }
  level.dims = *dims;
  if (const json::Tree* json_permutation = tree.find("permutation");
      json_permutation != nullptr && !json_permutation->is(json::Token::null)) {
    const auto permutation = numbers_of(*json_permutation);
    if (!permutation || permutation->size() != dims->size() || !is_permutation(*permutation)) {
      return data_loss(concat("an arrow.fixed_shape_tensor of rank ", dims->size(), " has a permutation that is none"));
    }
    if (!is_identity(*permutation)) level.permutation = *permutation;
  }
  return {};
}

Status enter_list(const Field& field, Level& level, std::vector<Piece>& children) {
  for (const Piece& piece : level.pieces) {
    if (piece.array->children.size() != 1) return data_loss("a list array without a child");
    const ArrayData& child = piece.array->children[0];
    Piece below{&child, child.offset, child.offset};
    if (piece.begin != piece.end) {
      int64_t begin, end;
      if (level.fixed()) {
        const auto first = checked_mul<int64_t>(piece.begin, field.type.size);
        const auto last = checked_mul<int64_t>(piece.end, field.type.size);
        if (!last || !first) return data_loss("fixed-size lists hold more elements than 63 bits can count");
        begin = *first;
        end = *last;
      } else {
        FERRY_ASSIGN_OR_RETURN(const auto ends, level.kind == TypeId::list ? end_offsets<int32_t>(piece) : end_offsets<int64_t>(piece));
        std::tie(begin, end) = ends;
        if (begin < 0 || end < begin) return data_loss(concat("list offsets go from ", begin, " to ", end));
      }
      const auto first = checked_add<int64_t>(child.offset, begin);
      const auto last = checked_add<int64_t>(child.offset, end);
      if (!first || !last) return data_loss("list offsets beyond 63 bits");
      below = {&child, *first, *last};
    }
    FERRY_RETURN_IF_ERROR(check_child(below));
    const auto sum = checked_add<int64_t>(level.below, below.end - below.begin);
    if (!sum) return data_loss("lists hold more elements than 63 bits can count");
    level.below = *sum;
    children.push_back(below);
  }
  return {};
}

}  // namespace

Note note_of(const Field& field) {
  Note out;
  if (const std::string* text = field.metadata.find(kDTypeKey)) out.dtype = dtype_from_name(*text);
  if (const std::string* text = field.metadata.find(kRowsKey)) out.whole = *text == "one";
  if (const std::string* text = field.metadata.find(kShapeKey)) {
    if (auto tree = parse_extension(*text); tree.ok()) out.shape = numbers_of(*tree);
  }
  return out;
}

Metadata visible_metadata(const Field& field) {
  Metadata out;
  const std::string_view extension = field.extension();
  const bool ours = extension.empty() || extension == "arrow.fixed_shape_tensor" || extension == "arrow.variable_shape_tensor" ||
                    extension == "arrow.bool8";
  for (const auto& [key, value] : field.metadata) {
    if (key == kDTypeKey || key == kRowsKey || key == kShapeKey || key == kSparseKey) continue;
    if (key == kExtensionName || key == kExtensionMetadata) {
      if (!ours && !value.empty()) out.set(key == kExtensionName ? "arrow.extension" : "arrow.extension.metadata", value);
      continue;
    }
    out.set(key, value);
  }
  if (!field.type.words.empty()) out.set("arrow.type", field.type.words);
  if (ours && !extension.empty()) {
    if (auto tree = parse_extension(field.extension_metadata()); tree.ok()) {
      if (const json::Tree* names = tree->find("dim_names"); names != nullptr && names->is(json::Token::array)) {
        // They name the axes as these lie; we list them as they are meant.
        std::vector<int64_t> order;
        if (const json::Tree* permutation = tree->find("permutation")) order = numbers_of(*permutation).value_or(order);
        if (order.size() != names->items.size() || !is_permutation(order)) order.clear();
        std::string text = "[";
        for (size_t i = 0; i < names->items.size(); ++i) {
          const json::Tree& name = names->items[order.empty() ? i : static_cast<size_t>(order[i])];
          if (i > 0) text += ',';
          json::append_string(text, name.is(json::Token::string) ? std::string_view(name.text) : std::string_view());
        }
        out.set("arrow.dim_names", text + "]");
      }
    }
  }
  return out;
}

std::vector<Piece> whole_pieces(std::span<const ArrayData* const> chunks) {
  std::vector<Piece> out;
  for (const ArrayData* chunk : chunks) out.push_back({chunk, chunk->offset, chunk->offset + chunk->length});
  return out;
}

Status find_paths(const Field& field, std::vector<Piece> pieces, Path so_far, const Limits& limits, std::vector<Path>& out) {
  if (out.size() >= limits.max_tensors) return limit_exceeded(concat("more than ", limits.max_tensors, " tensors (max_tensors)"));
  switch (field.type.id) {
    case TypeId::structure: {
      if (field.dictionary) break;
      so_far.wrappers.insert(so_far.wrappers.end(), pieces.begin(), pieces.end());
      for (size_t i = 0; i < field.children.size(); ++i) {
        std::vector<Piece> children;
        for (const Piece& piece : pieces) {
          if (i >= piece.array->children.size()) return data_loss("a struct array with too few children");
          const ArrayData& child = piece.array->children[i];
          const auto last = checked_add<int64_t>(child.offset, piece.end);
          if (!last) return data_loss("a struct child beyond 63 bits");
          children.push_back({&child, child.offset + piece.begin, *last});
          FERRY_RETURN_IF_ERROR(check_child(children.back()));
        }
        Path next = so_far;
        next.name += "/" + field.children[i].name;
        FERRY_RETURN_IF_ERROR(find_paths(field.children[i], std::move(children), std::move(next), limits, out));
      }
      return {};
    }
    case TypeId::map:
    case TypeId::list:
    case TypeId::large_list:
    case TypeId::fixed_size_list: {
      if (field.dictionary) break;
      Level level;
      level.kind = field.type.id == TypeId::map ? TypeId::list : field.type.id;
      for (const Piece& piece : pieces) level.entries += piece.end - piece.begin;
      level.pieces = pieces;
      if (level.fixed()) FERRY_RETURN_IF_ERROR(read_dims(field, level));
      std::vector<Piece> children;
      FERRY_RETURN_IF_ERROR(enter_list(field, level, children));
      so_far.wrappers.insert(so_far.wrappers.end(), pieces.begin(), pieces.end());
      so_far.levels.push_back(std::move(level));
      return find_paths(field.children[0], std::move(children), std::move(so_far), limits, out);
    }
    default: break;
  }
  if (!leaf_dtype(field)) {
    return unsupported(concat("field ", quoted(so_far.name), " is of Arrow type ", type_name(field.type),
                              ", which no tensor has; cast it before writing, or name the columns to read (--set columns=a,b)"));
  }
  so_far.leaf = &field;
  for (const Piece& piece : pieces) so_far.count += piece.end - piece.begin;
  so_far.pieces = std::move(pieces);
  out.push_back(std::move(so_far));
  return {};
}

DType storage_dtype(DType dtype) {
  switch (dtype) {
    case DType::bfloat16: return DType::uint16;
    case DType::complex64: return DType::float32;
    case DType::complex128: return DType::float64;
    case DType::qint8:
    case DType::int4:
    case DType::int2: return DType::int8;
    case DType::qint16: return DType::int16;
    case DType::qint32: return DType::int32;
    case DType::quint16: return DType::uint16;
    case DType::quint8:
    case DType::uint4:
    case DType::uint2:
    case DType::float8_e5m2:
    case DType::float8_e4m3fn:
    case DType::float8_e4m3fnuz:
    case DType::float8_e4m3b11fnuz:
    case DType::float8_e5m2fnuz:
    case DType::float4_e2m1fn: return DType::uint8;
    case DType::float32:
    case DType::float64:
    case DType::int32:
    case DType::uint8:
    case DType::int16:
    case DType::int8:
    case DType::string:
    case DType::int64:
    case DType::bool_:
    case DType::uint16:
    case DType::float16:
    case DType::uint32:
    case DType::uint64:
    case DType::resource:
    case DType::variant: return dtype;
  }
  __builtin_unreachable();
}

}  // namespace ferry::arrow
