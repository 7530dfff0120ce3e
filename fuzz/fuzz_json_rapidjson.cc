// Our JSON reader beside RapidJSON's: the same texts are accepted, and lists of numbers hold the same values, rounded as strtod rounds.
// They differ, and are not compared, where we keep a rule that RapidJSON has not (docs/formats/json.md) or the other way round:
//   nesting deeper than max_nesting, a byte order mark (of which RapidJSON skips a part too), numbers beyond a double (RapidJSON refuses
//   them everywhere, we where a tensor is made of them), the second half of a surrogate pair alone (RapidJSON takes it), a NUL byte (for
//   RapidJSON the end of the text), NInf and NaInf (Infinity for RapidJSON, which goes on behind the part of NaN that it has read).
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "formats/json/json.h"
#include "rapidjson/document.h"
#include "rapidjson/error/en.h"

namespace {

using namespace ferry;

constexpr unsigned kFlags = rapidjson::kParseNanAndInfFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag |
                            rapidjson::kParseNumbersAsStringsFlag;

[[noreturn]] void differ(const char* what, std::string_view text) {
  std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(std::min<size_t>(text.size(), 2000)), text.data());
  std::abort();
}

bool has_lone_low_surrogate(std::string_view text) {
  for (size_t i = 0; i + 3 < text.size(); ++i) {
    if (text[i] == '\\' && text[i + 1] == 'u' && (text[i + 2] | 0x20) == 'd' && std::strchr("cdefCDEF", text[i + 3]) != nullptr)
      return true;
  }
  return false;
}

// RapidJSON reads on behind NaN and Infinity as behind digits: NaNe0, Inf.5. And NInf and NaInf are Infinity to it.
bool has_odd_word(std::string_view text) {
  for (const std::string_view infinity : {"NInf", "NaInf"}) {
    if (text.find(infinity) != std::string_view::npos) return true;
  }
  for (const std::string_view word : {"NaN", "Inf", "Infinity"}) {
    for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
      const size_t after = at + word.size();
      if (after < text.size() && std::strchr(".eE", text[after]) != nullptr) return true;
    }
  }
  return false;
}

// Lists of numbers, all nested alike and none empty.
struct Leaves {
  std::vector<std::string> numbers;
  int depth = -1;
  bool plain = true, fraction = false, finite = true;
  bool wide = false;  // integers that 64 bits do not hold together, before any fraction: refused, though floats would
  bool negative = false, large = false;

  void add(const rapidjson::Value& value, int at) {
    if (value.IsArray()) {
      plain &= !value.Empty() && at < 60;
      for (const auto& inner : value.GetArray()) add(inner, at + 1);
      return;
    }
    if (depth < 0) depth = at;
    plain &= depth == at;
    if (value.IsDouble()) {  // NaN, Infinity
      numbers.emplace_back(std::isnan(value.GetDouble()) ? "nan" : value.GetDouble() < 0 ? "-inf" : "inf");
      fraction = true;
      return;
    }
    const bool number = value.IsString() && value.GetStringLength() > 0 &&
                        (value.GetString()[0] == '-' || (value.GetString()[0] >= '0' && value.GetString()[0] <= '9'));
    if (!number) {
      plain = false;
      return;
    }
    numbers.emplace_back(value.GetString(), value.GetStringLength());
    fraction |= numbers.back().find_first_of(".eEnN") != std::string::npos;
    finite &= std::isfinite(std::strtod(numbers.back().c_str(), nullptr));
    if (fraction) return;
    errno = 0;
    (void)std::strtoll(numbers.back().c_str(), nullptr, 10);
    large |= errno != 0;
    negative |= numbers.back()[0] == '-' && numbers.back() != "-0";
    errno = 0;
    (void)std::strtoull(numbers.back().c_str(), nullptr, 10);
    wide |= errno != 0 || (large && negative);
  }
};

template <class T, class Read>
void compare(const DenseTensor& values, const Leaves& leaves, std::string_view text, Read read) {
  const auto ours = values.values<T>();
  if (ours.size() != leaves.numbers.size()) differ("another number of values", text);
  for (size_t i = 0; i < ours.size(); ++i) {
    const T theirs = read(leaves.numbers[i].c_str());
    // -0 is the integer 0 until a fraction behind it makes the tensor one of floats.
    if (ours[i] == T{} && leaves.numbers[i] == "-0") continue;
    if (std::memcmp(&ours[i], &theirs, sizeof(T)) != 0 && !(ours[i] != ours[i] && theirs != theirs)) differ("another value", text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (has_odd_word(text)) return 0;
  if (text.find('\0') != std::string_view::npos || (!text.empty() && static_cast<uint8_t>(text[0]) >= 0x80)) return 0;
  rapidjson::Document document;
  document.Parse<kFlags>(text.data(), text.size());
  json::Reader reader(text, 100);
  reader.skip_value();
  reader.finish();
  if (reader.ok() == document.HasParseError()) {
    const bool deep = reader.status().message().find("max_nesting") != std::string_view::npos;
    if (deep || document.GetParseError() == rapidjson::kParseErrorNumberTooBig || has_lone_low_surrogate(text)) return 0;
    std::fprintf(stderr, "ours: %s; RapidJSON: %s\n", reader.status().to_string().c_str(),
                 rapidjson::GetParseError_En(document.GetParseError()));
    differ("accepted by one only", text);
  }
  // As RapidJSON is asked to keep numbers as text, a string would look like one.
  if (!reader.ok() || !document.IsArray() || text.find('"') != std::string_view::npos) return 0;
  Leaves leaves;
  leaves.add(document, 0);
  for (const DType floats : {DType::float64, DType::float32}) {
    json::ParseOptions options;
    options.numbers.floats = floats;
    const auto tensors = json::parse_tensors(text, options);
    if (!leaves.plain) return 0;
    if (!tensors.ok()) {
      if (floats == DType::float64 && leaves.finite && leaves.fraction && !leaves.wide) differ("numbers refused", text);
      continue;
    }
    const auto& tensor = (*tensors)[0].tensor;
    const auto* ragged = std::get_if<RaggedTensor>(&tensor);
    const DenseTensor& values = ragged != nullptr ? ragged->flat_values() : std::get<DenseTensor>(tensor);
    if ((values.dtype() == floats) != leaves.fraction) differ("another dtype", text);
    switch (values.dtype()) {
      case DType::float64: compare<double>(values, leaves, text, [](const char* s) { return std::strtod(s, nullptr); }); break;
      case DType::float32: compare<float>(values, leaves, text, [](const char* s) { return std::strtof(s, nullptr); }); break;
      case DType::int64: compare<int64_t>(values, leaves, text, [](const char* s) { return std::strtoll(s, nullptr, 10); }); break;
      case DType::uint64: compare<uint64_t>(values, leaves, text, [](const char* s) { return std::strtoull(s, nullptr, 10); }); break;
      default: differ("a dtype that numbers have not", text);
    }
  }
  return 0;
}
