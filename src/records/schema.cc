// The schema's text: NAME:DTYPE, then [] [28,28] (dense), [pad] [pad,3] (padded), [*] [*,3] (ragged), {*} {1000} {3,4} (sparse),
// then "= default".
#include <charconv>
#include <cstring>

#include "ferry/cast.h"
#include "ferry/features.h"
#include "records/tables.h"

namespace ferry {
namespace {

using Kind = FeatureSpec::Kind;

// Where a sparse feature of this name and rank has its coordinates, by the rule of parts.
std::vector<std::string> index_keys(std::string_view name, size_t axes) {
  const std::string prefix = name.empty() ? std::string() : concat(name, "/");
  if (axes == 1) return {concat(prefix, "indices")};
  std::vector<std::string> out;
  for (size_t axis = 0; axis < axes; ++axis) out.push_back(concat(prefix, "indices_", axis));
  return out;
}
std::string value_key(std::string_view name) { return name.empty() ? std::string("values") : concat(name, "/values"); }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}
  Result<std::vector<FeatureSpec>> parse() {
    std::vector<FeatureSpec> out;
    for (skip_space(); at_ < text_.size(); skip_space()) {
      FERRY_ASSIGN_OR_RETURN(FeatureSpec spec, feature());
      for (const FeatureSpec& other : out) {
        if (other.name == spec.name) return wrong(concat("the feature ", quoted(spec.name), " stands there twice"));
      }
      out.push_back(std::move(spec));
      skip_space();
      if (at_ < text_.size() && !take(',')) return wrong("expected a comma");
    }
    if (out.empty()) return wrong("no feature is named");
    return out;
  }

 private:
  Status wrong(std::string_view what) const {
    return invalid_argument(concat("schema ", quoted(text_), ", at character ", at_, ": ", what,
                                   "; it reads like label:int64, ids:int64[*], x:float32[28,28], w:float32{1000}"));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string_view until(std::string_view ends) {
    const size_t from = at_;
    while (at_ < text_.size() && ends.find(text_[at_]) == std::string_view::npos) ++at_;
    return text_.substr(from, at_ - from);
  }

  Result<FeatureSpec> feature() {
    FeatureSpec spec;
    if (take('"')) {
      spec.name = until("\"");
      if (!take('"')) return wrong("a quotation mark is not closed");
    } else {
      spec.name = until(":,");
    }
    if (!take(':')) return wrong(concat("expected a colon and a dtype after ", quoted(spec.name)));
    std::string_view word = until("[{,= \n\t");
    if (word == "bytes") word = "string";
    if (word == "float") word = "float32";
    const auto dtype = dtype_from_name(word);
    if (!dtype || !records::kWritableDTypes.has(*dtype)) return wrong(concat(quoted(word), " is no dtype of a feature"));
    spec.dtype = *dtype;
    if (take('{')) {
      FERRY_RETURN_IF_ERROR(braces(spec));
    } else if (take('[')) {
      FERRY_RETURN_IF_ERROR(brackets(spec));
    }
    skip_space();
    if (take('=')) FERRY_RETURN_IF_ERROR(fallback(spec));
    return spec;
  }

  Status braces(FeatureSpec& spec) {
    skip_space();
    if (take('*')) {
      spec.kind = Kind::var_len;
      skip_space();
      return take('}') ? Status() : wrong("expected {*}");
    }
    spec.kind = Kind::sparse;
    FERRY_RETURN_IF_ERROR(dims(spec.shape, '}'));
    if (spec.shape.rank() == 0) return wrong("a sparse feature needs its size, like {1000}");
    spec.index_keys = index_keys(spec.name, spec.shape.rank());
    spec.value_key = value_key(spec.name);
    return {};
  }

  Status brackets(FeatureSpec& spec) {
    skip_space();
    const bool ragged = take('*') || take('?');
    if (!ragged && !take("pad")) return dims(spec.shape, ']');
    skip_space();
    Shape inner;
    if (take(',')) {
      FERRY_RETURN_IF_ERROR(dims(inner, ']'));
    } else if (!take(']')) {
      return wrong(ragged ? "expected [*]" : "expected [pad]");
    }
    if (!ragged) {
      spec.kind = Kind::fixed_len_sequence;
      spec.allow_missing = true;
      spec.shape = std::move(inner);
      return {};
    }
    spec.kind = Kind::ragged;
    // Values in uniform rows: [*, 3] is cut by one length, the ragged axis stays outermost.
    for (int64_t dim : inner) spec.partitions.push_back({RaggedPartition::Kind::uniform_row_length, "", dim});
    return {};
  }

  Status dims(Shape& shape, char close) {
    skip_space();
    std::vector<int64_t> out;
    while (!take(close)) {
      if (!out.empty() && !take(',')) return wrong("expected a comma or the end of the shape");
      skip_space();
      int64_t dim = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), dim);
      if (error != std::errc() || dim < 0) return wrong("expected the length of an axis");
      at_ = static_cast<size_t>(end - text_.data());
      skip_space();
      out.push_back(dim);
    }
    if (out.size() > 250) return wrong("more than 250 axes");
    FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(out));
    return {};
  }

  // One value, for every element of a row or as padding.
  Status fallback(FeatureSpec& spec) {
    if (spec.kind != Kind::fixed_len && spec.kind != Kind::fixed_len_sequence) {
      return wrong(concat("a ", kind_name(spec.kind), " takes no default"));
    }
    skip_space();
    const int64_t count = spec.kind == Kind::fixed_len ? spec.shape.num_elements().value_or(-1) : 1;
    if (count < 0 || count > (1 << 24)) return wrong("the shape is too large for a default in words");
    const Shape shape = spec.kind == Kind::fixed_len ? spec.shape : Shape();
    if (spec.dtype == DType::string) {
      if (!take('"')) return wrong("expected a default in double quotes");
      const std::string_view value = until("\"");
      if (!take('"')) return wrong("a quotation mark is not closed");
      spec.default_value = DenseTensor::of_strings(shape, std::vector<std::string_view>(static_cast<size_t>(count), value));
      return {};
    }
    const auto number = [&]<class T>(T value) -> Status {
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (error != std::errc()) return wrong(concat("expected a default of dtype ", dtype_name(spec.dtype)));
      at_ = static_cast<size_t>(end - text_.data());
      const DenseTensor values = DenseTensor::of<T>(shape, std::vector<T>(static_cast<size_t>(count), value));
      CastOptions checked;
      checked.checked = dtype_class(spec.dtype) != DTypeClass::kFloat;
      auto cast_values = cast(values, spec.dtype, checked);
      if (!cast_values.ok()) return wrong(concat("the default is none of dtype ", dtype_name(spec.dtype)));
      spec.default_value = *std::move(cast_values);
      return {};
    };
    if (dtype_class(spec.dtype) == DTypeClass::kFloat) return number(double{});
    return number(int64_t{});
  }

  std::string_view text_;
  size_t at_ = 0;
};

// "[28,28]" inside: "28,28".
void append_dims(std::string& out, const Shape& shape) {
  for (size_t i = 0; i < shape.rank(); ++i) out += i == 0 ? concat(shape[i]) : concat(",", shape[i]);
}

Status no_word(const FeatureSpec& spec, std::string_view what) {
  return unsupported(concat("feature ", quoted(spec.name), ": the schema's text has no word for ", what));
}

Status append_default(std::string& out, const FeatureSpec& spec) {
  if (!spec.default_value || spec.default_value->num_elements() == 0) return {};
  const DenseTensor& values = *spec.default_value;
  if (spec.dtype == DType::string) {
    for (int64_t i = 1; i < values.num_elements(); ++i) {
      if (values.strings()[i] != values.strings()[0]) return no_word(spec, "a default of several values");
    }
    if (values.strings()[0].find('"') != std::string_view::npos) return no_word(spec, "a default with a quotation mark in it");
    out += concat("=\"", values.strings()[0], "\"");
    return {};
  }
  const size_t size = dtype_size(values.dtype());
  for (int64_t i = 1; i < values.num_elements(); ++i) {
    if (std::memcmp(values.buffer().data(), values.buffer().data() + static_cast<size_t>(i) * size, size) != 0) {
      return no_word(spec, "a default of several values");
    }
  }
  const bool is_float = dtype_class(spec.dtype) == DTypeClass::kFloat;
  FERRY_ASSIGN_OR_RETURN(const DenseTensor wide, cast(values, is_float ? DType::float64 : DType::int64));
  char text[32];
  char* end;
  if (is_float) {
    const double value = wide.values<double>()[0];
    // The shortest that reads back as this float32.
    end = spec.dtype == DType::float32 ? std::to_chars(text, text + 32, static_cast<float>(value)).ptr
                                       : std::to_chars(text, text + 32, value).ptr;
  } else {
    end = std::to_chars(text, text + 32, wide.values<int64_t>()[0]).ptr;
  }
  out += '=';
  out.append(text, end);
  return {};
}

}  // namespace

Result<std::vector<FeatureSpec>> schema_from_text(std::string_view text) { return Parser(text).parse(); }

Result<std::string> schema_text(std::span<const FeatureSpec> features) {
  std::string out;
  for (const FeatureSpec& spec : features) {
    if (!out.empty()) out += ", ";
    if (spec.name.find('"') != std::string::npos) return no_word(spec, "a name with a quotation mark in it");
    const bool plain = spec.name.find_first_of(":, \t\n") == std::string::npos && !spec.name.empty();
    out += plain ? spec.name : concat("\"", spec.name, "\"");
    out += ':';
    out += dtype_name(spec.dtype);
    switch (spec.kind) {
      case Kind::fixed_len:
        if (spec.shape.rank() > 0) {
          out += '[';
          append_dims(out, spec.shape);
          out += ']';
        }
        break;
      case Kind::fixed_len_sequence:
        out += spec.shape.rank() > 0 ? "[pad," : "[pad";
        append_dims(out, spec.shape);
        out += ']';
        break;
      case Kind::var_len: out += "{*}"; break;
      case Kind::sparse:
        if (spec.index_keys != index_keys(spec.name, spec.shape.rank()) || spec.value_key != value_key(spec.name)) {
          return no_word(spec, "keys that are not NAME/indices and NAME/values");
        }
        out += '{';
        append_dims(out, spec.shape);
        out += '}';
        break;
      case Kind::ragged:
        if (spec.values_from() != spec.name) return no_word(spec, "a value_key");
        out += "[*";
        for (const RaggedPartition& partition : spec.partitions) {
          if (partition.kind != RaggedPartition::Kind::uniform_row_length) return no_word(spec, "a partition by a key");
          out += concat(",", partition.length);
        }
        out += ']';
        break;
    }
    FERRY_RETURN_IF_ERROR(append_default(out, spec));
  }
  return out;
}

}  // namespace ferry
