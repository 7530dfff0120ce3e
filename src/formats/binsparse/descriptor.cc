#include "formats/binsparse/descriptor.h"

#include <algorithm>
#include <numeric>

#include "wire/json.h"
#include "wire/number.h"

namespace ferry::binsparse {
namespace {

constexpr std::pair<std::string_view, DType> kTypes[] = {
    {"uint8", DType::uint8}, {"uint16", DType::uint16},   {"uint32", DType::uint32},   {"uint64", DType::uint64},
    {"int8", DType::int8},   {"int16", DType::int16},     {"int32", DType::int32},     {"int64", DType::int64},
    {"bint8", DType::bool_}, {"float32", DType::float32}, {"float64", DType::float64},
};

struct Predefined {
  std::string_view name;
  bool transposed;
  std::pair<int, int> levels[2];  // sparse?, rank; rank 0: no such level
};
constexpr Predefined kPredefined[] = {
    {"DVEC", false, {{0, 1}, {0, 0}}}, {"DMATR", false, {{0, 1}, {0, 1}}}, {"DMAT", false, {{0, 1}, {0, 1}}},
    {"DMATC", true, {{0, 1}, {0, 1}}}, {"CVEC", false, {{1, 1}, {0, 0}}},  {"VEC", false, {{1, 1}, {0, 0}}},
    {"CSR", false, {{0, 1}, {1, 1}}},  {"CSC", true, {{0, 1}, {1, 1}}},    {"DCSR", false, {{1, 1}, {1, 1}}},
    {"DCSC", true, {{1, 1}, {1, 1}}},  {"COOR", false, {{1, 2}, {0, 0}}},  {"COO", false, {{1, 2}, {0, 0}}},
    {"COOC", true, {{1, 2}, {0, 0}}},
};

constexpr std::string_view kStructures[] = {
    "", "symmetric_lower", "symmetric_upper", "hermitian_lower", "hermitian_upper", "skew_symmetric_lower", "skew_symmetric_upper"};

int64_t read_count(json::Reader& in, std::string_view what) {
  int64_t value = 0;
  bool integer = false;
  const char* after = in.peek() == json::Token::number ? json::Reader::check_number(in.at(), in.end(), integer) : nullptr;
  if (after == nullptr || !integer || parse_number(in.at(), after, value) != after || value < 0) {
    in.fail(concat(what, " is no whole number from 0 up"));
    return 0;
  }
  in.move_to(after);
  return value;
}

std::string read_text(json::Reader& in, std::string_view what) {
  std::string out;
  if (in.peek() != json::Token::string) {
    in.fail(concat(what, " is no string"));
  } else {
    in.read_string(out);
  }
  return out;
}

bool open_object(json::Reader& in, std::string_view what) {
  if (in.peek() != json::Token::object) {
    in.fail(concat(what, " is no object"));
    return false;
  }
  in.open();
  return in.ok();
}

class Parser {
 public:
  Parser(std::string_view text, const Limits& limits) : in_(text, limits.max_nesting), limits_(limits) {}

  Result<Descriptor> parse() {
    if (!open_object(in_, "the descriptor")) return in_.status();
    bool found = false;
    std::string key;
    for (bool first = true; in_.next_member(first, key);) {
      if (key == kKey) {
        if (found) in_.fail("binsparse is there twice");
        found = true;
        read_namespace();
        continue;
      }
      const bool text = in_.peek() == json::Token::string;
      const char* begin = in_.at();
      if (text) {
        std::string value;
        in_.read_string(value);
        out_.attributes.append(key, value);
      } else {
        in_.skip_value();
        if (in_.ok()) out_.attributes.append(key, std::string(begin, in_.at()));
      }
    }
    in_.finish();
    FERRY_RETURN_IF_ERROR(in_.status());
    if (!found) return data_loss("the descriptor has no object \"binsparse\"");
    FERRY_RETURN_IF_ERROR(finish());
    return std::move(out_);
  }

 private:
  void read_namespace() {
    if (!open_object(in_, "binsparse")) return;
    std::string key;
    std::vector<std::string> seen;
    for (bool first = true; in_.next_member(first, key);) {
      if (std::ranges::find(seen, key) != seen.end()) return in_.fail(concat(key, " is there twice"));
      if (seen.size() < 100) seen.push_back(key);
      if (key == "version") {
        version_ = read_text(in_, key);
      } else if (key == "format") {
        out_.format = read_text(in_, key);
      } else if (key == "shape") {
        has_shape_ = read_shape();
      } else if (key == "number_of_stored_values") {
        out_.stored = read_count(in_, key);
        has_stored_ = true;
      } else if (key == "fill") {
        out_.fill = in_.peek() == json::Token::null ? (in_.skip_value(), false) : in_.read_boolean();
      } else if (key == "index_base") {
        out_.index_base = read_count(in_, key);
        if (out_.index_base > 1) in_.fail(concat("index_base is ", out_.index_base, ", expected 0 or 1"));
      } else if (key == "structure") {
        const std::string name = read_text(in_, key);
        const auto it = std::ranges::find(kStructures, std::string_view(name));
        if (name.empty() || it == std::end(kStructures)) in_.fail(concat("structure ", quoted(name), " is none of Binsparse's"));
        if (in_.ok()) out_.structure = static_cast<Structure>(it - std::begin(kStructures));
      } else if (key == "data_types") {
        read_types();
      } else if (key == "custom") {
        read_custom();
      } else {
        in_.skip_value();
      }
    }
  }

  bool read_shape() {
    if (in_.peek() != json::Token::array) {
      in_.fail("shape is no list");
      return false;
    }
    in_.open();
    for (bool first = true; in_.next_element(first);) {
      if (out_.shape.rank() == limits_.max_rank) {
        in_.fail(concat("shape has more than ", limits_.max_rank, " axes (max_rank)"));
        return false;
      }
      out_.shape.append(read_count(in_, "shape"));
    }
    return true;
  }

  void read_types() {
    if (!open_object(in_, "data_types")) return;
    has_types_ = true;
    std::string key;
    for (bool first = true; in_.next_member(first, key);) {
      if (out_.types.size() > limits_.max_rank * 2 + 2) return in_.fail("data_types has more arrays than a tensor can need");
      out_.types.emplace_back(key, read_text(in_, concat("data_types ", quoted(key))));
    }
  }

  void read_custom() {
    if (!open_object(in_, "custom")) return;
    has_custom_ = true;
    std::string key;
    for (bool first = true; in_.next_member(first, key);) {
      if (key == "level") {
        read_level();
      } else if (key == "transpose") {
        if (in_.peek() == json::Token::null) {
          in_.skip_value();
          continue;
        }
        if (in_.peek() != json::Token::array) return in_.fail("transpose is no list");
        in_.open();
        for (bool one = true; in_.next_element(one);) {
          if (out_.transpose.size() > limits_.max_rank) return in_.fail("transpose has too many axes");
          out_.transpose.push_back(static_cast<size_t>(read_count(in_, "transpose")));
        }
      } else {
        in_.skip_value();
      }
    }
  }

  // Nested objects, which the reader's own depth limit bounds.
  void read_level() {
    if (!open_object(in_, "level")) return;
    const size_t at = out_.levels.size();
    std::string key, kind;
    int64_t rank = -1;
    bool inner = false;
    out_.levels.push_back({false, 0});
    for (bool first = true; in_.next_member(first, key);) {
      if (key == "level_desc") {
        kind = read_text(in_, key);
      } else if (key == "rank") {
        rank = read_count(in_, key);
      } else if (key == "level") {
        if (inner) return in_.fail("level is there twice");
        inner = true;
        read_level();
      } else {
        in_.skip_value();
      }
    }
    if (!in_.ok()) return;
    if (kind == "element") {
      if (inner) return in_.fail("an element level has no level inside");
      out_.levels.resize(at);
      ended_ = true;
      return;
    }
    if (kind != "dense" && kind != "sparse") return in_.fail(concat("level_desc is ", quoted(kind), ", expected element, dense or sparse"));
    if (!inner) return in_.fail(concat("a ", kind, " level has no level inside"));
    if (rank < 1 || static_cast<uint64_t>(rank) > limits_.max_rank) return in_.fail(concat("a ", kind, " level has no rank from 1 up"));
    out_.levels[at] = {kind == "sparse", static_cast<size_t>(rank)};
  }

  Status finish() {
    const auto missing = [](std::string_view key) { return data_loss(concat("the descriptor has no ", key)); };
    if (version_.empty()) return missing("version");
    if (!version_.starts_with("0.")) return unsupported(concat("is Binsparse version ", quoted(version_), "; version 0.1 is read"));
    if (out_.format.empty()) return missing("format");
    if (!has_shape_) return missing("shape");
    if (!has_stored_) return missing("number_of_stored_values");
    if (!has_types_) return missing("data_types");
    if (out_.format == "custom") {
      if (!has_custom_ || !ended_) return data_loss("a custom format needs custom.level, down to an element level");
    } else {
      const auto it = std::ranges::find(kPredefined, std::string_view(out_.format), &Predefined::name);
      if (it == std::end(kPredefined)) return unsupported(concat("format ", quoted(out_.format), " is none of Binsparse's"));
      out_.levels.clear();
      for (const auto& [sparse, rank] : it->levels) {
        if (rank > 0) out_.levels.push_back({sparse != 0, static_cast<size_t>(rank)});
      }
      out_.transpose.clear();
      if (it->transposed) out_.transpose = {1, 0};
    }
    // Dense in dense is one dense level: no array lies between them, so neither do positions.
    std::vector<Level> merged;
    size_t rank = 0;
    for (const Level& level : out_.levels) {
      rank += level.rank;
      if (!level.sparse && !merged.empty() && !merged.back().sparse) {
        merged.back().rank += level.rank;
      } else {
        merged.push_back(level);
      }
    }
    out_.levels = std::move(merged);
    if (rank != out_.shape.rank()) {
      return data_loss(concat("format ", out_.format, " has ", rank, " axes, shape ", out_.shape.to_string(), " has ", out_.shape.rank()));
    }
    if (!out_.transpose.empty()) {
      std::vector<size_t> sorted = out_.transpose;
      std::ranges::sort(sorted);
      bool fits = sorted.size() == rank;
      for (size_t i = 0; fits && i < rank; ++i) fits = sorted[i] == i;
      if (!fits) return data_loss(concat("transpose is no permutation of the ", rank, " axes"));
      if (std::ranges::is_sorted(out_.transpose)) out_.transpose.clear();
    }
    if (out_.structure != Structure::none && (rank != 2 || out_.shape[0] != out_.shape[1])) {
      return data_loss(concat("structure ", structure_name(out_.structure), " needs a square matrix, shape is ", out_.shape.to_string()));
    }
    return {};
  }

  json::Reader in_;
  const Limits& limits_;
  Descriptor out_;
  std::string version_;
  bool has_shape_ = false, has_stored_ = false, has_types_ = false, has_custom_ = false, ended_ = false;
};

}  // namespace

std::string_view structure_name(Structure structure) { return kStructures[static_cast<size_t>(structure)]; }

std::string element_type_name(ElementType type) {
  std::string name;
  if (type.dtype == DType::complex64 || type.dtype == DType::complex128) {
    name = type.dtype == DType::complex64 ? "complex[float32]" : "complex[float64]";
  } else {
    name = dtype_name(type.dtype);  // those that Binsparse does not know keep our name
    for (const auto& [text, dtype] : kTypes) {
      if (dtype == type.dtype) name = text;
    }
  }
  return type.iso ? concat("iso[", name, "]") : name;
}

Result<ElementType> element_type_from_name(std::string_view name) {
  ElementType out;
  std::string_view inner = name;
  const auto unwrap = [&](std::string_view word) {
    if (!inner.starts_with(word) || inner.size() <= word.size() || inner[word.size()] != '[' || !inner.ends_with(']')) return false;
    inner = inner.substr(word.size() + 1, inner.size() - word.size() - 2);
    return true;
  };
  out.iso = unwrap("iso");
  const bool complex = unwrap("complex");
  const auto it = std::ranges::find(kTypes, inner, &std::pair<std::string_view, DType>::first);
  if (it == std::end(kTypes)) return unsupported(concat("data type ", quoted(name), " is none of Binsparse's"));
  out.dtype = it->second;
  if (complex) {
    if (out.dtype != DType::float32 && out.dtype != DType::float64) {
      return data_loss(concat("data type ", quoted(name), ", expected complex numbers of float32 or float64"));
    }
    out.dtype = out.dtype == DType::float32 ? DType::complex64 : DType::complex128;
  }
  return out;
}

const std::string* Descriptor::type_of(std::string_view array) const {
  for (const auto& [name, type] : types) {
    if (name == array) return &type;
  }
  return nullptr;
}

Shape Descriptor::level_shape() const {
  if (transpose.empty()) return shape;
  Shape out;
  for (const size_t axis : transpose) out.append(shape[axis]);
  return out;
}

bool looks_like_descriptor(std::string_view text) {
  const size_t at = text.find_first_not_of(" \t\r\n");
  return at != std::string_view::npos && text[at] == '{' && text.find("\"binsparse\"") != std::string_view::npos;
}

Result<Descriptor> parse_descriptor(std::string_view text, const Limits& limits) { return Parser(text, limits).parse(); }

std::string write_descriptor(const Descriptor& d, const std::vector<std::pair<std::string, std::string>>& arrays) {
  std::string out = "{\"binsparse\":{\"version\":";
  json::append_string(out, kVersion);
  out += ",\"format\":";
  json::append_string(out, d.format);
  out += ",\"shape\":[";
  for (size_t axis = 0; axis < d.shape.rank(); ++axis) {
    if (axis > 0) out += ',';
    json::append_integer(out, d.shape[axis]);
  }
  out += "],\"number_of_stored_values\":";
  json::append_integer(out, d.stored);
  if (d.format == "custom") {
    out += ",\"custom\":{\"level\":";
    for (const Level& level : d.levels) {
      out += concat("{\"level_desc\":\"", level.sparse ? "sparse" : "dense", "\",\"rank\":", level.rank, ",\"level\":");
    }
    out += "{\"level_desc\":\"element\"}";
    out.append(d.levels.size(), '}');
    out += '}';
  }
  out += ",\"data_types\":{";
  for (size_t i = 0; i < d.types.size(); ++i) {
    if (i > 0) out += ',';
    json::append_string(out, d.types[i].first);
    out += ':';
    json::append_string(out, d.types[i].second);
  }
  out += "}}";
  if (!arrays.empty()) {
    out += concat(",\"", kArraysKey, "\":{");
    for (size_t i = 0; i < arrays.size(); ++i) {
      if (i > 0) out += ',';
      json::append_string(out, arrays[i].first);
      out += ':';
      json::append_string(out, arrays[i].second);
    }
    out += '}';
  }
  for (const auto& [key, value] : d.attributes) {
    out += ',';
    json::append_string(out, key);
    out += ':';
    json::append_string(out, value);
  }
  out += '}';
  return out;
}

}  // namespace ferry::binsparse
