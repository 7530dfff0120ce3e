// The format `json`. docs/formats/json.md
#include <array>

#include "ferry/format.h"
#include "formats/json/json.h"

namespace ferry::json {

extern const Format kFormat;

namespace {

constexpr std::array<std::string_view, 1> kExtensions = {".json"};
constexpr OptionSpec kOptions[] = {
    {"plain", "true|false",
     "write TensorFlow Serving's grammar and the sparse and ragged objects only, without dtypes and metadata; default false"},
    {"integers", "int64|int32", "read: dtype of integers that name none; default int64"},
    {"floats", "float32|float64", "read: dtype of other numbers that name none; default float32"},
};

// A value of JSON that can be a tensor.
Sniff sniff(std::span<const std::byte> head) {
  Reader in(std::string_view(reinterpret_cast<const char*>(head.data()), head.size()));
  const Token first = in.peek();
  if (first != Token::object && first != Token::array) return Sniff::no;
  in.open();
  const Token second = in.peek();
  const bool closed = second == Token::other && (*in.at() == ']' || *in.at() == '}');
  if (first == Token::object) return second == Token::string || closed ? Sniff::likely : Sniff::no;
  return second == Token::end || second == Token::null || (second == Token::other && !closed) ? Sniff::no : Sniff::likely;
}

Result<DType> number_dtype(const FormatOptions& options, std::string_view name, std::span<const DType> allowed) {
  const std::string_view given = options.get(name);
  if (given.empty()) return allowed[0];
  for (DType dtype : allowed) {
    if (dtype_name(dtype) == given) return dtype;
  }
  return invalid_argument(
      concat("option ", name, " is ", quoted(given), ", expected ", dtype_name(allowed[0]), " or ", dtype_name(allowed[1])));
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source->view(0, source->size()));
  ParseOptions parse;
  parse.limits = options.limits;
  parse.validation = options.validation;
  constexpr DType kIntegers[] = {DType::int64, DType::int32}, kFloats[] = {DType::float32, DType::float64};
  FERRY_ASSIGN_OR_RETURN(parse.numbers.integers, number_dtype(options.format, "integers", kIntegers));
  FERRY_ASSIGN_OR_RETURN(parse.numbers.floats, number_dtype(options.format, "floats", kFloats));
  FERRY_ASSIGN_OR_RETURN(TensorMap tensors, parse_tensors(bytes.text(), parse));
  return reader_of(std::move(tensors));
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  PrintOptions print;
  FERRY_ASSIGN_OR_RETURN(print.plain, options.format.get_bool("plain", false));
  return print_tensors(tensors, print, sink);
}

}  // namespace

const Format kFormat = {
    .id = "json",
    .summary = "TensorFlow Serving's values, with objects for sparse and ragged tensors",
    .readers = "anything, TF Serving",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .metadata = true},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::json
