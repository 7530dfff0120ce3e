// The schema's text: NAME:DTYPE, then [] [28,28] (dense), [*] (ragged) or {1000} {3,4} (sparse).
#include <charconv>

#include "records/tables.h"

namespace ferry::records {
namespace {

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
    std::string_view word = until("[{, \n\t");
    if (word == "bytes") word = "string";
    if (word == "float") word = "float32";
    const auto dtype = dtype_from_name(word);
    if (!dtype || !kWritableDTypes.has(*dtype)) return wrong(concat(quoted(word), " is no dtype of a feature"));
    spec.dtype = *dtype;
    if (take('{')) {
      spec.kind = FeatureSpec::Kind::sparse;
      FERRY_RETURN_IF_ERROR(dims(spec, '}'));
      if (spec.shape.rank() == 0) return wrong("a sparse feature needs its size, like {1000}");
    } else if (take('[')) {
      FERRY_RETURN_IF_ERROR(dims(spec, ']'));
    }
    return spec;
  }

  Status dims(FeatureSpec& spec, char close) {
    skip_space();
    if (close == ']' && (take('*') || take('?'))) {
      spec.kind = FeatureSpec::Kind::ragged;
      return take(close) ? Status() : wrong("expected [*]");
    }
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
    FERRY_ASSIGN_OR_RETURN(spec.shape, Shape::checked(out));
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<FeatureSpec>> schema_from_text(std::string_view text) { return Parser(text).parse(); }

}  // namespace ferry::records
