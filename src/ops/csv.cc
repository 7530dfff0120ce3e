// DecodeCSV: lines of text to columns.
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "ops/coo.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// A column as it grows.
struct Field {
  DType dtype = DType::float32;
  std::byte* data = nullptr;  // of numbers
  StringsBuilder texts;
};

class DecodeCsvKernel final : public Kernel {
 public:
  static Result<KernelRef> make(const NodeInfo& node) {
    auto out = std::make_unique<DecodeCsvKernel>();
    const std::string delimiter = node.text("field_delim");
    if (delimiter.size() != 1) return invalid_argument("field_delim should be only 1 char");
    out->delimiter_ = delimiter[0];
    out->quotes_ = node.flag("use_quote_delim");
    out->missing_ = node.text("na_value");
    out->types_ = node.types("OUT_TYPE");
    const std::vector<int64_t> chosen = node.numbers("select_cols");
    if (!chosen.empty() && chosen.size() != out->types_.size()) return invalid_argument("select_cols should match output size");
    for (size_t i = 0; i < chosen.size(); ++i) {
      if (chosen[i] < 0) return invalid_argument("select_cols should be non-negative indices");
      if (i > 0 && chosen[i] <= chosen[i - 1]) return invalid_argument("select_cols should be strictly increasing indices");
    }
    out->chosen_ = chosen;
    if (out->types_.size() > 0x7fffffff) return invalid_argument("Out type too large");
    for (DType dtype : out->types_) {
      if (dtype != DType::int32 && dtype != DType::int64 && dtype != DType::float32 && dtype != DType::float64 && dtype != DType::string) {
        return invalid_argument(concat("csv: data type ", dtype_name(dtype), " not supported"));
      }
    }
    return KernelRef(std::move(out));
  }

  Status run(Call& call) const override {
    const DenseTensor& records = call.in(0);
    const StringsView lines = records.strings();
    for (size_t i = 0; i < types_.size(); ++i) {
      const DenseTensor& otherwise = call.in(1 + i);
      if (otherwise.shape().rank() > 1) return invalid_argument(concat("Each record default should be at most rank 1"));
      if (otherwise.num_elements() > 1) {
        return invalid_argument(concat("There should only be 1 default per field but field ", i, " has ", otherwise.num_elements()));
      }
    }
    std::vector<Field> fields(types_.size());
    for (size_t i = 0; i < types_.size(); ++i) {
      fields[i].dtype = types_[i];
      if (types_[i] == DType::string) continue;
      FERRY_ASSIGN_OR_RETURN(fields[i].data, call.make(i, types_[i], records.shape()));
    }
    std::vector<std::string> texts;
    for (int64_t i = 0; i < lines.size(); ++i) {
      texts.clear();
      FERRY_RETURN_IF_ERROR(cut(lines[i], texts));
      if (texts.size() != types_.size()) {
        return invalid_argument(concat("Expect ", types_.size(), " fields but have ", texts.size(), " in record ", i));
      }
      for (size_t f = 0; f < texts.size(); ++f) FERRY_RETURN_IF_ERROR(put(fields[f], texts[f], call.in(1 + f), f, i));
    }
    for (size_t i = 0; i < types_.size(); ++i) {
      if (types_[i] != DType::string) continue;
      FERRY_ASSIGN_OR_RETURN(DenseTensor out, std::move(fields[i].texts).finish(records.shape()));
      call.set(i, std::move(out));
    }
    return {};
  }

 private:
  Status put(Field& field, const std::string& text, const DenseTensor& otherwise, size_t column, int64_t row) const {
    const auto at = static_cast<size_t>(row);
    if (text.empty() || text == missing_) {
      if (otherwise.num_elements() != 1) return invalid_argument(concat("Field ", column, " is required but missing in record ", row, "!"));
      if (field.dtype == DType::string) return field.texts.append(otherwise.strings()[0]);
      const size_t width = dtype_size(field.dtype);
      std::memcpy(field.data + at * width, otherwise.raw(), width);
      return {};
    }
    switch (field.dtype) {
      case DType::string: return field.texts.append(text);
      case DType::int32: return number<int32_t>(field, text, column, row, "int32");
      case DType::int64: return number<int64_t>(field, text, column, row, "int64");
      case DType::float32: return number<float>(field, text, column, row, "float");
      default: return number<double>(field, text, column, row, "double");
    }
  }

  template <class T>
  static Status number(Field& field, std::string_view text, size_t column, int64_t row, std::string_view name) {
    constexpr std::string_view kSpace = " \t\n\v\f\r";
    const std::string_view whole = text;
    const auto first = text.find_first_not_of(kSpace);
    text = first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    T value{};
    auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if constexpr (std::is_floating_point_v<T>) {
      // Beyond the range is infinity or zero.
      if (end.ec == std::errc::result_out_of_range) {
        value = static_cast<T>(std::strtod(std::string(text).c_str(), nullptr));
        end.ec = {};
      }
    }
    if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) {
      return invalid_argument(concat("Field ", column, " in record ", row, " is not a valid ", name, ": ", quoted(whole)));
    }
    reinterpret_cast<T*>(field.data)[row] = value;
    return {};
  }

  // The fields of a line, those that were chosen.
  Status cut(std::string_view line, std::vector<std::string>& out) const {
    size_t number = 0, wanted = 0;
    size_t at = 0;
    const auto is_wanted = [&] { return chosen_.empty() || (wanted < chosen_.size() && static_cast<size_t>(chosen_[wanted]) == number); };
    const auto keep = [&](std::string text) {
      if (is_wanted()) {
        out.push_back(std::move(text));
        ++wanted;
      }
      ++number;
    };
    if (line.empty()) return {};
    while (at < line.size()) {
      if (!chosen_.empty() && wanted == chosen_.size()) return {};  // nobody looks at the rest
      if (line[at] == '\n' || line[at] == '\r') {
        ++at;
        continue;
      }
      std::string text;
      if (quotes_ && line[at] == '"') {
        ++at;
        // A quote doubled is one, one before a delimiter or the end closes.
        while (at + 1 < line.size() && (line[at] != '"' || line[at + 1] != delimiter_)) {
          if (line[at] != '"') {
            text += line[at++];
            continue;
          }
          if (line[at + 1] != '"') return invalid_argument("Quote inside a string has to be escaped by another quote");
          text += '"';
          at += 2;
        }
        if (at >= line.size() || line[at] != '"' || (at + 1 < line.size() && line[at + 1] != delimiter_)) {
          return invalid_argument("Quoted field has to end with quote followed by delim or end");
        }
        at += 2;
        keep(std::move(text));
      } else {
        const size_t end = std::min(line.find(delimiter_, at), line.size());
        text = line.substr(at, end - at);
        if (quotes_ && text.find_first_of("\"\n\r") != std::string::npos) {
          return invalid_argument("Unquoted fields cannot have quotes/CRLFs inside");
        }
        at = end + 1;
        keep(std::move(text));
      }
    }
    if (line.back() == delimiter_) keep({});
    return {};
  }

  char delimiter_ = ',';
  bool quotes_ = true;
  std::string missing_;
  std::vector<DType> types_;
  std::vector<int64_t> chosen_;
};

}  // namespace

extern const Op DecodeCSV_op;
const Op DecodeCSV_op{"DecodeCSV", DecodeCsvKernel::make};

}  // namespace ferry::ops
