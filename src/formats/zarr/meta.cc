#include "formats/zarr/meta.h"

#include <algorithm>
#include <charconv>

#include "ferry/checked.h"
#include "formats/zarr/fill.h"

namespace ferry::zarr {
namespace {

using json::Token;
using json::Tree;

Result<const Tree*> member(const Tree& object, std::string_view key) {
  const Tree* found = object.find(key);
  if (found == nullptr) return data_loss(concat("the array's metadata has no member ", quoted(key)));
  return found;
}

std::string_view text_of(const Tree* tree) { return tree != nullptr && tree->is(Token::string) ? std::string_view(tree->text) : ""; }

Result<std::vector<int64_t>> dims(const Tree& object, std::string_view key, int64_t least) {
  FERRY_ASSIGN_OR_RETURN(const Tree* list, member(object, key));
  auto out = list->integers();
  if (!out || std::ranges::any_of(*out, [&](int64_t dim) { return dim < least; })) {
    return data_loss(concat("the member ", quoted(key), " is ", quoted(list->text), ", expected a list of lengths"));
  }
  return *std::move(out);
}

// ---- Codecs

std::string unknown_codec(std::string_view id) {
  std::string hint = id == "bz2" || id == "lzma" ? "; write it with zstd or gzip" : "";
  return concat("its chunks went through the codec ", quoted(id), ", which is not read", hint);
}

// Numcodecs ids, with which version 2 names codecs and version 3 those that it has not taken over ("numcodecs.zlib").
Status numcodec(std::string_view id, const Tree* settings, const Element& element, std::vector<Codec>& out, std::string& obstacle) {
  const auto number = [&](std::string_view key, int64_t otherwise) {
    const Tree* found = settings == nullptr ? nullptr : settings->find(key);
    return found == nullptr ? otherwise : found->integer().value_or(otherwise);
  };
  if (id == "zlib" || id == "gzip") {
    out.push_back({.kind = CodecKind::zlib});
  } else if (id == "zstd") {
    out.push_back({.kind = CodecKind::zstd});
  } else if (id == "lz4") {
    out.push_back({.kind = CodecKind::lz4});
  } else if (id == "blosc") {
    out.push_back({.kind = CodecKind::blosc});
  } else if (id == "crc32c") {
    out.push_back({.kind = CodecKind::crc32c});
  } else if (id == "shuffle") {
    const int64_t width = number("elementsize", 4);
    if (width < 1 || width > 1 << 20) return data_loss(concat("the codec shuffle has elements of ", width, " bytes"));
    out.push_back({.kind = CodecKind::shuffle, .width = static_cast<uint64_t>(width)});
  } else if (id == "delta") {
    const std::string_view stored = text_of(settings == nullptr ? nullptr : settings->find("astype"));
    const std::string_view of = text_of(settings == nullptr ? nullptr : settings->find("dtype"));
    if (element.kind != ElementKind::fixed || dtype_class(element.dtype) == DTypeClass::kComplex || (!stored.empty() && stored != of)) {
      obstacle = "its chunks went through the codec 'delta' with a change of dtype, which is not read";
    }
    out.push_back({.kind = CodecKind::delta});
  } else if (id != "vlen-utf8" && id != "vlen-bytes") {
    obstacle = unknown_codec(id);
  }
  return {};
}

Status parse_codecs(const Tree& list, std::span<const int64_t> chunk, ArrayMeta& meta, Element& element, std::vector<Codec>& out,
                    int depth);

Status parse_sharding(const Tree& settings, std::span<const int64_t> chunk, ArrayMeta& meta, Element& element, std::vector<Codec>& out,
                      int depth) {
  if (depth >= 2) return data_loss("shards are nested deeper than anyone does");
  Codec shard{.kind = CodecKind::sharding};
  FERRY_ASSIGN_OR_RETURN(shard.chunk_shape, dims(settings, "chunk_shape", 1));
  if (shard.chunk_shape.size() != chunk.size()) return data_loss("the chunks within a shard have another rank than the array");
  for (size_t axis = 0; axis < chunk.size(); ++axis) {
    if (chunk[axis] % shard.chunk_shape[axis] != 0) return data_loss("the chunks within a shard do not divide it");
  }
  FERRY_ASSIGN_OR_RETURN(const Tree* inner, member(settings, "codecs"));
  FERRY_RETURN_IF_ERROR(parse_codecs(*inner, shard.chunk_shape, meta, element, shard.inner, depth + 1));
  const std::string_view place = text_of(settings.find("index_location"));
  if (!place.empty() && place != "end" && place != "start") return data_loss(concat("a shard's index is at ", quoted(place)));
  shard.index_first = place == "start";
  if (const Tree* index = settings.find("index_codecs"); index != nullptr) {
    for (const Tree& codec : index->items) {
      const std::string_view name = codec.is(Token::string) ? std::string_view(codec.text) : text_of(codec.find("name"));
      const Tree* about = codec.find("configuration");
      if (name == "crc32c") {
        shard.index_crc = true;
      } else if (name != "bytes" || (about != nullptr && text_of(about->find("endian")) == "big")) {
        meta.obstacle = concat("the index of its shards went through the codec ", quoted(name), ", which is not read");
      }
    }
  }
  out.push_back(std::move(shard));
  return {};
}

Status parse_codecs(const Tree& list, std::span<const int64_t> whole, ArrayMeta& meta, Element& element, std::vector<Codec>& out,
                    int depth) {
  std::vector<int64_t> chunk(whole.begin(), whole.end());
  if (!list.is(Token::array)) return data_loss("the member 'codecs' is no list");
  if (list.items.size() > 64) return data_loss(concat("the array has ", list.items.size(), " codecs"));
  bool serialised = false;
  for (const Tree& codec : list.items) {
    std::string_view name = codec.is(Token::string) ? std::string_view(codec.text) : text_of(codec.find("name"));
    const Tree* settings = codec.find("configuration");
    if (name.starts_with("numcodecs.")) name.remove_prefix(10);
    if (name == "bytes") {
      const std::string_view endian = text_of(settings == nullptr ? nullptr : settings->find("endian"));
      if (!endian.empty() && endian != "little" && endian != "big") return data_loss(concat("bytes are of ", quoted(endian), " endian"));
      element.big_endian = endian == "big";
      serialised = true;
    } else if (name == "vlen-utf8" || name == "vlen-bytes") {
      if (element.kind != ElementKind::variable) return data_loss(concat("the codec ", quoted(name), " is for strings of variable length"));
      serialised = true;
    } else if (name == "sharding_indexed") {
      if (settings == nullptr) return data_loss("the codec sharding_indexed has no configuration");
      FERRY_RETURN_IF_ERROR(parse_sharding(*settings, chunk, meta, element, out, depth));
      serialised = true;
    } else if (name == "transpose") {
      auto order = settings == nullptr || settings->find("order") == nullptr ? std::nullopt : settings->find("order")->integers();
      std::vector<bool> seen(chunk.size(), false);
      if (!order || order->size() != chunk.size()) return data_loss("the codec transpose has no order of every axis");
      for (int64_t axis : *order) {
        if (axis < 0 || static_cast<size_t>(axis) >= chunk.size() || seen[static_cast<size_t>(axis)]) {
          return data_loss("the codec transpose does not order every axis once");
        }
        seen[static_cast<size_t>(axis)] = true;
      }
      if (serialised || !out.empty()) return data_loss("the codec transpose comes once, and before the others");
      for (size_t i = 0; i < chunk.size(); ++i) chunk[i] = whole[static_cast<size_t>((*order)[i])];
      out.push_back({.kind = CodecKind::transpose, .order = *std::move(order)});
    } else {
      FERRY_RETURN_IF_ERROR(numcodec(name, settings, element, out, meta.obstacle));
    }
  }
  return {};
}

// ---- dtypes

Result<int64_t> width_in(std::string_view digits, std::string_view name) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (error != std::errc() || end != digits.data() + digits.size() || out < 0 || out > 1 << 24) {
    return data_loss(concat("the dtype ", quoted(name), " has no width"));
  }
  return out;
}

// NumPy's: "<f4", "|S10", "<U3", "|O", "<M8[ns]".
Result<Element> element_v2(const Tree& dtype, std::string& obstacle) {
  Element out;
  if (!dtype.is(Token::string)) {
    obstacle = "its elements are records, which are not read";
    out.dtype = DType::uint8;
    return out;
  }
  const std::string_view name = dtype.text;
  if (name.size() < 2) return data_loss(concat("the dtype is ", quoted(name)));
  out.big_endian = name[0] == '>';
  switch (name[1]) {
    case 'S':
    case 'U': {
      out.kind = name[1] == 'S' ? ElementKind::bytes : ElementKind::ucs4;
      out.dtype = DType::string;
      FERRY_ASSIGN_OR_RETURN(const int64_t width, width_in(name.substr(2), name));
      out.size = static_cast<size_t>(width) * (name[1] == 'U' ? 4 : 1);
      if (out.size == 0) obstacle = "its strings have no width";
      return out;
    }
    case 'O':
      out.kind = ElementKind::variable;
      out.dtype = DType::string;
      out.size = 0;
      return out;
    case 'M':
    case 'm':
      out.dtype = DType::int64;
      out.note = name;
      break;
    default: {
      const auto known = dtype_from_name(name[0] == '>' ? concat("<", name.substr(1)) : std::string(name));
      if (!known || !is_fixed_size(*known)) {
        obstacle = concat("its dtype ", quoted(name), " is not read");
        out.dtype = DType::uint8;
      } else {
        out.dtype = *known;
      }
    }
  }
  out.size = dtype_size(out.dtype);
  return out;
}

Result<Element> element_v3(const Tree& type, std::string& obstacle) {
  Element out;
  std::string_view name = type.is(Token::string) ? std::string_view(type.text) : text_of(type.find("name"));
  const Tree* settings = type.find("configuration");
  const auto width = [&]() -> int64_t {
    const Tree* bytes = settings == nullptr ? nullptr : settings->find("length_bytes");
    return bytes == nullptr ? 0 : bytes->integer().value_or(0);
  };
  if (name == "string" || name == "variable_length_utf8" || name == "bytes" || name == "variable_length_bytes") {
    out.kind = ElementKind::variable;
    out.dtype = DType::string;
    out.size = 0;
    return out;
  }
  if (name == "fixed_length_utf32" || name == "null_terminated_bytes") {
    out.kind = name == "fixed_length_utf32" ? ElementKind::ucs4 : ElementKind::bytes;
    out.dtype = DType::string;
    const int64_t bytes = width();
    if (bytes < 1 || bytes > 1 << 26 || (out.kind == ElementKind::ucs4 && bytes % 4 != 0)) {
      return data_loss(concat("the data type ", quoted(name), " has a width of ", bytes, " bytes"));
    }
    out.size = static_cast<size_t>(bytes);
    return out;
  }
  if (name == "numpy.datetime64" || name == "numpy.timedelta64") {
    out.dtype = DType::int64;
    out.note = settings == nullptr ? std::string(name) : concat(name, " ", settings->text);
  } else if (const auto known = dtype_from_name(name); known && is_fixed_size(*known) && dtype_class(*known) != DTypeClass::kQuantized) {
    out.dtype = *known;
  } else {
    obstacle = concat("its data type ", quoted(name.empty() ? std::string_view(type.text) : name), " is not read");
    out.dtype = DType::uint8;
  }
  out.size = dtype_size(out.dtype);
  return out;
}

Status set_grid(ArrayMeta& meta, std::vector<int64_t> shape, std::vector<int64_t> chunks, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(meta.shape, Shape::checked(shape, limits));
  if (chunks.size() != shape.size()) {
    return data_loss(concat("chunks have ", chunks.size(), " axes and the array has ", shape.size()));
  }
  int64_t count = 1;
  for (int64_t dim : chunks) {
    const auto product = checked_mul(count, dim);
    if (!product) return data_loss("a chunk has more elements than 63 bits count");
    count = *product;
  }
  meta.chunks = std::move(chunks);
  return {};
}

}  // namespace

Result<ArrayMeta> parse_v2(const Tree& document, const Limits& limits) {
  ArrayMeta out;
  FERRY_ASSIGN_OR_RETURN(auto shape, dims(document, "shape", 0));
  FERRY_ASSIGN_OR_RETURN(auto chunks, dims(document, "chunks", 1));
  FERRY_RETURN_IF_ERROR(set_grid(out, std::move(shape), std::move(chunks), limits));
  FERRY_ASSIGN_OR_RETURN(const Tree* dtype, member(document, "dtype"));
  FERRY_ASSIGN_OR_RETURN(out.element, element_v2(*dtype, out.obstacle));
  FERRY_ASSIGN_OR_RETURN(out.fill, parse_fill(document.find("fill_value"), out.element));
  if (text_of(document.find("order")) == "F" && out.chunks.size() > 1) {
    Codec transpose{.kind = CodecKind::transpose};
    for (size_t axis = out.chunks.size(); axis-- > 0;) transpose.order.push_back(static_cast<int64_t>(axis));
    out.codecs.push_back(std::move(transpose));
  }
  bool strings = out.element.kind != ElementKind::variable;
  if (const Tree* filters = document.find("filters"); filters != nullptr) {
    if (filters->items.size() > 64) return data_loss("the array has more than 64 filters");
    for (const Tree& filter : filters->items) {
      const std::string_view id = text_of(filter.find("id"));
      strings = strings || id == "vlen-utf8" || id == "vlen-bytes";
      FERRY_RETURN_IF_ERROR(numcodec(id, &filter, out.element, out.codecs, out.obstacle));
    }
  }
  if (!strings && out.obstacle.empty()) out.obstacle = "its elements are Python objects, which are read only as strings (vlen-utf8)";
  if (const Tree* compressor = document.find("compressor"); compressor != nullptr && !compressor->is(Token::null)) {
    FERRY_RETURN_IF_ERROR(numcodec(text_of(compressor->find("id")), compressor, out.element, out.codecs, out.obstacle));
  }
  if (out.obstacle.empty() && std::ranges::any_of(out.codecs, [](const Codec& codec) { return codec.kind == CodecKind::crc32c; })) {
    out.obstacle = unknown_codec("crc32c");  // version 2's puts its sum elsewhere than version 3's
  }
  if (text_of(document.find("dimension_separator")) == "/") out.separator = '/';
  return out;
}

Result<ArrayMeta> parse_v3(const Tree& document, const Limits& limits) {
  ArrayMeta out;
  FERRY_ASSIGN_OR_RETURN(auto shape, dims(document, "shape", 0));
  FERRY_ASSIGN_OR_RETURN(const Tree* grid, member(document, "chunk_grid"));
  const Tree* settings = grid->find("configuration");
  if (text_of(grid->find("name")) != "regular" || settings == nullptr) {
    return unsupported(concat("the chunk grid ", quoted(text_of(grid->find("name"))), " is not read, only 'regular'"));
  }
  FERRY_ASSIGN_OR_RETURN(auto chunks, dims(*settings, "chunk_shape", 1));
  FERRY_RETURN_IF_ERROR(set_grid(out, std::move(shape), std::move(chunks), limits));
  FERRY_ASSIGN_OR_RETURN(const Tree* type, member(document, "data_type"));
  FERRY_ASSIGN_OR_RETURN(out.element, element_v3(*type, out.obstacle));
  FERRY_ASSIGN_OR_RETURN(out.fill, parse_fill(document.find("fill_value"), out.element));
  FERRY_ASSIGN_OR_RETURN(const Tree* codecs, member(document, "codecs"));
  FERRY_RETURN_IF_ERROR(parse_codecs(*codecs, out.chunks, out, out.element, out.codecs, 0));
  const Tree* keys = document.find("chunk_key_encoding");
  const std::string_view encoding = keys == nullptr           ? "default"
                                    : keys->is(Token::string) ? std::string_view(keys->text)
                                                              : text_of(keys->find("name"));
  if (encoding != "default" && encoding != "v2") return unsupported(concat("the chunk_key_encoding ", quoted(encoding), " is not read"));
  out.prefix = encoding == "default" ? "c" : "";
  out.separator = encoding == "default" ? '/' : '.';
  const Tree* about = keys == nullptr ? nullptr : keys->find("configuration");
  const std::string_view separator = text_of(about == nullptr ? nullptr : about->find("separator"));
  if (separator == "/" || separator == ".") out.separator = separator[0];
  if (const Tree* transformers = document.find("storage_transformers"); transformers != nullptr && !transformers->items.empty()) {
    out.obstacle = "it has storage transformers, which are not read";
  }
  return out;
}

}  // namespace ferry::zarr
