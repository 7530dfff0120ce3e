// csv and tsv: pairs (row,col,…,value), a table of named columns, or a matrix. docs/formats/csv.md
#include <algorithm>
#include <limits>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/csv/columns.h"
#include "formats/csv/header.h"
#include "formats/csv/write.h"
#include "formats/text.h"

namespace ferry::csv {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

struct Settings {
  char delimiter = ',';
  std::optional<Kind> kind;
  std::optional<bool> header;
  std::optional<DType> dtype;
  std::optional<Shape> shape;
  int64_t base = 0;
  Duplicates duplicates = Duplicates::error;
};

Result<Shape> parse_shape(std::string_view text, const Limits& limits) {
  std::vector<int64_t> dims;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (;;) {
    int64_t dim;
    at = parse_number(at, end, dim);
    if (at == nullptr || dim < 0) break;
    dims.push_back(dim);
    if (at == end) return dims.size() > limits.max_rank ? Result<Shape>(limit_exceeded("shape has too many axes (max_rank)")) : Shape(dims);
    if (*at != 'x' && *at != ',') break;
    ++at;
  }
  return invalid_argument(concat("shape is ", quoted(text), ", expected lengths such as 3x4"));
}

Result<Settings> settings_of(const ReadOptions& options, char delimiter) {
  const FormatOptions& given = options.format;
  Settings out;
  FERRY_ASSIGN_OR_RETURN(out.delimiter, delimiter_option(given, delimiter));
  if (const auto kind = given.get("kind", "auto"); kind == "pairs") {
    out.kind = Kind::pairs;
  } else if (kind == "table") {
    out.kind = Kind::table;
  } else if (kind == "matrix") {
    out.kind = Kind::matrix;
  } else if (kind != "auto") {
    return invalid_argument(concat("kind is ", quoted(kind), ", expected auto, pairs, table or matrix"));
  }
  if (given.get("header", "auto") != "auto") {
    FERRY_ASSIGN_OR_RETURN(out.header, given.get_bool("header", true));
  }
  if (const auto dtype = given.get("dtype"); dtype == "string") {
    out.dtype = DType::string;
  } else if (!dtype.empty()) {
    FERRY_ASSIGN_OR_RETURN(out.dtype, text::dtype_option(dtype, "dtype", DType::float64));
    if (dtype_class(*out.dtype) == DTypeClass::kComplex) return unsupported("csv has no complex values");
  }
  if (const auto shape = given.get("shape"); !shape.empty()) {
    FERRY_ASSIGN_OR_RETURN(out.shape, parse_shape(shape, options.limits));
  }
  const auto base = given.get("base", "0");
  if (base != "0" && base != "1") return invalid_argument(concat("base is ", quoted(base), ", expected 0 or 1"));
  out.base = base[0] - '0';
  const auto rule = duplicates_from_name(given.get("duplicates", "error"));
  if (!rule)
    return invalid_argument(concat("duplicates is ", quoted(given.get("duplicates")), ", expected error, sum, first, last, min or max"));
  out.duplicates = *rule;
  return out;
}

// Where the records after the header start, and what was said before.
struct Body {
  std::string_view text;
  size_t start = 0;
  char delimiter = ',';
  Header header;
  size_t columns = 0;
  int64_t records = 0;
  std::vector<DType> dtypes;  // of each column
};

// The first of two passes: counts the records and finds the dtypes, so that the second fills arrays of known size.
Status look(Body& body) {
  std::vector<Guess> guesses(body.columns);
  std::vector<Field> fields;
  RecordReader reader(body.text, body.start, body.delimiter);
  const bool pairs = body.header.kind == Kind::pairs;
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(const bool more, reader.next(fields));
    if (!more) break;
    if (fields.size() != body.columns) {
      const char* const first = fields[0].text.data() - (fields[0].quoted ? 1 : 0);
      return text::error_at(body.text, first,
                            concat("a record of ", fields.size(), " fields, expected ", body.columns, " as in the first record"));
    }
    if (body.header.kind == Kind::matrix) {
      for (const Field& field : fields) guesses[0].see(field);
    } else {
      for (size_t i = pairs ? body.columns - 1 : 0; i < body.columns; ++i) guesses[i].see(fields[i]);
    }
    ++body.records;
  }
  for (size_t i = 0; i < body.columns; ++i) {
    const size_t decides = body.header.kind == Kind::matrix ? 0 : i;
    body.dtypes.push_back(body.header.dtypes[decides] ? *body.header.dtypes[decides] : guesses[decides].dtype());
  }
  return {};
}

Status wrong_value(const Body& body, const Field& field, DType dtype) {
  const bool missing = field.text.empty();
  return text::error_at(body.text, field.text.data(),
                        concat("found ", missing ? "nothing" : quoted(field.text), ", expected a value of dtype ", dtype_name(dtype)));
}

Result<TensorMap> read_table(const Body& body, const Limits& limits) {
  std::vector<Column> columns;
  for (const DType dtype : body.dtypes) {
    FERRY_ASSIGN_OR_RETURN(Column column, Column::make(dtype, static_cast<uint64_t>(body.records), limits));
    columns.push_back(std::move(column));
  }
  std::vector<Field> fields;
  RecordReader reader(body.text, body.start, body.delimiter);
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(const bool more, reader.next(fields));
    if (!more) break;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (!columns[i].append(fields[i])) return wrong_value(body, fields[i], columns[i].dtype());
    }
  }
  TensorMap out;
  for (size_t i = 0; i < columns.size(); ++i) {
    auto values = std::move(columns[i]).finish(Shape{body.records});
    if (!values.ok()) return values.status().with_context(concat("column ", quoted(body.header.names[i])));
    FERRY_RETURN_IF_ERROR(out.add(body.header.names[i], *std::move(values)));
  }
  return out;
}

Result<TensorMap> read_matrix(const Body& body, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(Column column, Column::make(body.dtypes[0], static_cast<uint64_t>(body.records) * body.columns, limits));
  std::vector<Field> fields;
  RecordReader reader(body.text, body.start, body.delimiter);
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(const bool more, reader.next(fields));
    if (!more) break;
    for (const Field& field : fields) {
      if (!column.append(field)) return wrong_value(body, field, column.dtype());
    }
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, std::move(column).finish(Shape{body.records, static_cast<int64_t>(body.columns)}));
  TensorMap out;
  FERRY_RETURN_IF_ERROR(out.add(body.header.name, std::move(values)));
  return out;
}

Result<TensorMap> read_pairs(const Body& body, const Settings& settings, const ReadOptions& options) {
  const size_t rank = body.columns - 1;
  if (rank == 0) return data_loss_at(body.start, "pairs need an index and a value, there is one column; use kind=matrix");
  if (rank > options.limits.max_rank) {
    return limit_exceeded(concat("pairs with ", rank, " axes exceed the limit of ", options.limits.max_rank, " (max_rank)"));
  }
  if (settings.shape && settings.shape->rank() != rank) {
    return invalid_argument(concat("shape ", settings.shape->to_string(), " is given for pairs with ", rank, " axes"));
  }
  std::vector<int64_t> dims(rank, 0), known = body.header.dims;
  if (settings.shape) known.assign(settings.shape->begin(), settings.shape->end());
  FERRY_ASSIGN_OR_RETURN(Column column, Column::make(body.dtypes.back(), static_cast<uint64_t>(body.records), options.limits));
  const auto count = static_cast<uint64_t>(body.records);
  if (count > options.limits.max_tensor_bytes / (8 * rank))
    return limit_exceeded(concat(count, " pairs exceed the limit on one tensor (max_tensor_bytes)"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(static_cast<size_t>(count) * rank));
  int64_t* at = indices.as<int64_t>().data();
  std::vector<Field> fields;
  RecordReader reader(body.text, body.start, body.delimiter);
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(const bool more, reader.next(fields));
    if (!more) break;
    for (size_t axis = 0; axis < rank; ++axis) {
      const std::string_view field = fields[axis].text;
      const char* const end = field.data() + field.size();
      int64_t index = 0;
      const char* const after = parse_number(text::skip_blanks(field.data(), end), end, index);
      const auto fail = [&](std::string_view expected) {
        return text::error_at(body.text, field.data(),
                              concat("found ", quoted(field), " as the index of axis ", axis, ", expected ", expected));
      };
      if (after == nullptr || text::skip_blanks(after, end) != end) {
        return fail("a whole number (these are pairs; use kind=table or kind=matrix if they are not)");
      }
      if (index < settings.base || index == std::numeric_limits<int64_t>::max())
        return fail(settings.base == 0 ? "0 or more" : "1 or more, by base=1");
      index -= settings.base;
      if (known[axis] >= 0 && index >= known[axis]) return fail(concat("an index below the axis' length, ", known[axis]));
      dims[axis] = std::max(dims[axis], index + 1);
      *at++ = index;
    }
    if (!column.append(fields[rank])) return wrong_value(body, fields[rank], column.dtype());
  }
  for (size_t axis = 0; axis < rank; ++axis) {
    if (known[axis] >= 0) dims[axis] = known[axis];
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, std::move(column).finish(Shape{body.records}));
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates,
                         DenseTensor::make(DType::int64, Shape{body.records, static_cast<int64_t>(rank)}, std::move(indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor x,
                         from_pairs(std::move(coordinates), std::move(values), Shape(dims), settings.duplicates, options.pool));
  TensorMap out;
  FERRY_RETURN_IF_ERROR(out.add(body.header.name, std::move(x)));
  return out;
}

Result<TensorMap> read(const ByteSource& source, const ReadOptions& options, char delimiter) {
  FERRY_ASSIGN_OR_RETURN(const Settings settings, settings_of(options, delimiter));
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source.view(0, source.size()));
  Body body;
  body.text = bytes.text();
  body.delimiter = settings.delimiter;
  body.start = body.text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  std::vector<Field> fields;
  RecordReader reader(body.text, body.start, body.delimiter);
  FERRY_ASSIGN_OR_RETURN(const bool any, reader.next(fields));
  if (!any) return data_loss_at(body.text.size(), "the file is empty, expected at least a header");
  if (fields.size() > options.limits.max_tensors) return limit_exceeded(concat(fields.size(), " columns exceed the limit (max_tensors)"));
  body.header = header_of(fields, settings.kind, settings.header);
  body.columns = fields.size();
  if (body.header.present) body.start = reader.position();
  if (settings.dtype) std::ranges::fill(body.header.dtypes, settings.dtype);
  FERRY_RETURN_IF_ERROR(look(body));
  switch (body.header.kind) {
    case Kind::pairs: return read_pairs(body, settings, options);
    case Kind::table: return read_table(body, options.limits);
    case Kind::matrix: return read_matrix(body, options.limits);
  }
  __builtin_unreachable();
}

template <char delimiter>
Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(TensorMap tensors, read(*source, options, delimiter));
  return reader_of(std::move(tensors));
}

template <char delimiter>
Status write_with(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  return write(tensors, sink, options, delimiter);
}

// Text whose first two records have as many fields.
template <char delimiter>
Sniff sniff(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.find('\0') != std::string_view::npos) return Sniff::no;
  std::vector<Field> first, second;
  RecordReader reader(text, 0, delimiter);
  const auto one = reader.next(first);
  if (!one.ok() || !*one || first.size() < 2) return Sniff::no;
  const auto two = reader.next(second);
  return two.ok() && *two && second.size() == first.size() ? Sniff::maybe : Sniff::no;
}

constexpr std::string_view kCsvExtensions[] = {".csv"};
constexpr std::string_view kTsvExtensions[] = {".tsv", ".tab"};
constexpr OptionSpec kOptions[] = {
    {"kind", "auto|pairs|table|matrix", "what the records are; auto: the header says, without one pairs (auto)"},
    {"header", "auto|true|false", "whether the first record is a header; auto: if something in it is no number (auto)"},
    {"delimiter", "CHAR", "between fields; tab, comma, semicolon, space and pipe may be spelt out"},
    {"shape", "3x4", "shape of pairs; without it the smallest that holds them"},
    {"base", "0|1", "first index of pairs (0)"},
    {"duplicates", "error|sum|first|last|min|max", "two values at one coordinate of pairs (error)"},
    {"dtype", "DTYPE", "dtype of the values; without it by their text: int64, uint64, float64, bool or string"},
    {"plain", "true|false", "write the header without lengths and dtypes (false)"},
};

constexpr Capabilities kCapabilities = {.kinds = {.dense = true, .coo = true, .csr = false, .csc = false, .ragged = false},
                                        .dtypes = DTypeSet::all() - DTypeSet::of(DType::complex64, DType::complex128),
                                        .names = true,
                                        .metadata = false,
                                        .many = true,
                                        .streams = false};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "csv",
    .summary = "comma-separated text: pairs row,col,value, a table of columns, or a matrix",
    .readers = "anything",
    .extensions = kCsvExtensions,
    .capabilities = kCapabilities,
    .options = kOptions,
    .sniff = sniff<','>,
    .open = open<','>,
    .write = write_with<','>,
};

}  // namespace ferry::csv

namespace ferry::tsv {

extern const Format kFormat;
const Format kFormat = {
    .id = "tsv",
    .summary = "tab-separated text: as csv",
    .readers = "anything",
    .extensions = csv::kTsvExtensions,
    .capabilities = csv::kCapabilities,
    .options = csv::kOptions,
    .sniff = csv::sniff<'\t'>,
    .open = csv::open<'\t'>,
    .write = csv::write_with<'\t'>,
};

}  // namespace ferry::tsv
