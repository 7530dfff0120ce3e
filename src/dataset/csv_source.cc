// Records of csv and tsv text: a table's columns, or pairs whose row is the first field; parsed when they are batched.
#include <algorithm>
#include <limits>

#include "dataset/lines.h"
#include "dataset/text_columns.h"
#include "dataset/text_options.h"
#include "formats/csv/columns.h"
#include "formats/csv/header.h"
#include "wire/number.h"

namespace ferry::dataset {
namespace {

constexpr int kLooked = 1000;  // rows that dtypes are guessed from

struct Scratch : DecoderScratch {
  std::vector<csv::Field> row, all;
};

Status split(std::string_view text, char delimiter, size_t columns, std::vector<csv::Field>& fields) {
  csv::RecordReader reader(text, 0, delimiter);
  const auto more = reader.next(fields);
  // The message of the reader counts lines from the row's own; the place is told by the row.
  if (!more.ok())
    return Status(more.status().code(), std::string(more.status().message()).substr(more.status().message().find(": ") + 2),
                  more.status().offset());
  if (fields.size() != columns) return data_loss(concat("a record of ", fields.size(), " fields, expected ", columns));
  return {};
}

// ---- Tables

struct TableColumn {
  std::string name;
  DType dtype;
};

class TableDecoder : public RowDecoder {
 public:
  TableDecoder(std::vector<TableColumn> columns, char delimiter, std::optional<double> missing)
      : columns_(std::move(columns)), delimiter_(delimiter), missing_(missing) {
    for (const TableColumn& column : columns_) spec_.push_back({column.name, TensorKind::dense, column.dtype, Shape{-1}, 0});
  }
  std::span<const ElementSpec> spec() const override { return spec_; }
  std::unique_ptr<DecoderScratch> new_scratch() const override { return std::make_unique<Scratch>(); }
  Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions&, BufferPool& pool, DecoderScratch* given,
                TensorMap& out, BadRow& bad) const override {
    auto& scratch = static_cast<Scratch&>(*given);
    scratch.all.clear();
    for (size_t i = 0; i < which.size(); ++i) {
      bad.row = i;
      FERRY_RETURN_IF_ERROR(split(rows.row(which[i]).text(), delimiter_, columns_.size(), scratch.row));
      scratch.all.insert(scratch.all.end(), scratch.row.begin(), scratch.row.end());
    }
    const FieldGrid grid{scratch.all, columns_.size()};
    for (size_t c = 0; c < columns_.size(); ++c) {
      auto values = text_column(grid, c, columns_[c].dtype, missing_, pool, bad);
      if (!values.ok()) return values.status().with_context(concat("column ", quoted(columns_[c].name)));
      FERRY_RETURN_IF_ERROR(set_tensor(out, c, columns_[c].name, *std::move(values)));
    }
    return {};
  }

 private:
  std::vector<TableColumn> columns_;
  char delimiter_;
  std::optional<double> missing_;
  std::vector<ElementSpec> spec_;
};

// ---- Pairs

// A row is all lines, one after another, whose first field is the same; the number is that field.
class PairReader : public FileRows {
 public:
  PairReader(LineReader lines, char delimiter) : lines_(std::move(lines)), delimiter_(delimiter) {}
  Result<bool> next(Row& row) override {
    if (!ahead_) {
      FERRY_ASSIGN_OR_RETURN(const bool more, lines_.next(line_));
      if (!more) return false;
    }
    ahead_ = false;
    text_ = line_.text();
    row.origin = line_.origin;
    const size_t first = field(text_).size();
    for (;;) {
      FERRY_ASSIGN_OR_RETURN(const bool more, lines_.next(line_));
      if (!more) break;
      if (field(line_.text()) != std::string_view(text_).substr(0, first)) {
        ahead_ = true;
        break;
      }
      text_ += '\n';
      text_ += line_.text();
    }
    row.bytes = std::as_bytes(std::span(text_));
    row.damaged = false;
    return true;
  }
  Status skip(uint64_t count, uint64_t& done) override {
    Row row;
    for (done = 0; done < count; ++done) {
      FERRY_ASSIGN_OR_RETURN(const bool more, next(row));
      if (!more) break;
    }
    return {};
  }

 private:
  std::string_view field(std::string_view line) const { return line.substr(0, line.find(delimiter_)); }
  LineReader lines_;
  char delimiter_;
  Row line_;
  bool ahead_ = false;  // line_ is the next row's first
  std::string text_;
};

// The lines of one row. `index` of each is without the row's.
template <class Use>
Status read_pairs(std::string_view text, char delimiter, size_t fields, int64_t base, std::vector<csv::Field>& row, Use&& use) {
  csv::RecordReader reader(text, 0, delimiter);
  std::vector<int64_t> index(fields - 1);
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(const bool more, reader.next(row));
    if (!more) return {};
    if (row.size() != fields) return data_loss(concat("a record of ", row.size(), " fields, expected ", fields));
    for (size_t i = 0; i + 1 < fields; ++i) {
      const std::string_view word = trimmed(row[i].text);
      const char* const end = word.data() + word.size();
      if (parse_number(word.data(), end, index[i]) != end || word.empty() || index[i] < base) {
        return data_loss(concat("found ", quoted(word), " as the index of axis ", i, ", expected a whole number, ", base, " or more"));
      }
      index[i] -= base;
    }
    const std::string_view word = trimmed(row.back().text);
    const char* const end = word.data() + word.size();
    double value;
    if (parse_number(word.data(), end, value) != end || word.empty())
      return data_loss(concat("found ", quoted(word), " as the value, expected a number"));
    FERRY_RETURN_IF_ERROR(use(index, value));
  }
}

class PairsDecoder : public RowDecoder {
 public:
  PairsDecoder(std::string name, Shape shape, char delimiter, int64_t base, DType dtype)
      : name_(name.empty() ? "x" : std::move(name)), shape_(std::move(shape)), delimiter_(delimiter), base_(base) {
    Shape batch{-1};
    for (const int64_t dim : shape_) batch.append(dim);
    spec_.push_back({"row", TensorKind::dense, DType::int64, Shape{-1}, 0});
    spec_.push_back({name_, TensorKind::coo, dtype, batch, 0});
  }
  std::span<const ElementSpec> spec() const override { return spec_; }
  std::unique_ptr<DecoderScratch> new_scratch() const override { return std::make_unique<Scratch>(); }
  Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions&, BufferPool& pool, DecoderScratch* given,
                TensorMap& out, BadRow& bad) const override {
    auto& scratch = static_cast<Scratch&>(*given);
    const size_t rank = shape_.rank() + 1;
    size_t room = 0;
    for (const uint32_t i : which) {
      const std::string_view text = rows.row(i).text();
      room += static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    }
    FERRY_ASSIGN_OR_RETURN(auto numbers, pool.allocate(which.size() * 8));
    FERRY_ASSIGN_OR_RETURN(auto indices, pool.allocate(room * rank * 8));
    FERRY_ASSIGN_OR_RETURN(auto values, pool.allocate(room * 8));
    int64_t* to = indices.as<int64_t>().data();
    const bool wide = spec_[1].dtype == DType::float64;
    size_t nnz = 0;
    bool unique = true;
    for (size_t i = 0; i < which.size(); ++i) {
      bad.row = i;
      bool first = true;
      FERRY_RETURN_IF_ERROR(
          read_pairs(rows.row(which[i]).text(), delimiter_, rank + 1, base_, scratch.row,
                     [&](const std::vector<int64_t>& index, double value) -> Status {
                       numbers.as<int64_t>().data()[i] = index[0];
                       int order = first ? 1 : 0;
                       to[0] = static_cast<int64_t>(i);
                       for (size_t axis = 1; axis < rank; ++axis) {
                         if (index[axis] >= shape_[axis - 1]) {
                           return data_loss(concat("index ", index[axis] + base_, " on axis ", axis, ", which has ", shape_[axis - 1]));
                         }
                         to[axis] = index[axis];
                         if (order == 0) order = to[axis] > to[axis - rank] ? 1 : to[axis] < to[axis - rank] ? -1 : 0;
                       }
                       if (order < 0)
                         return data_loss("the entries of a row are not in order; sort the file, or load it whole with ferry.load");
                       unique &= order > 0;
                       if (wide) {
                         values.as<double>().data()[nnz] = value;
                       } else {
                         values.as<float>().data()[nnz] = static_cast<float>(value);
                       }
                       ++nnz;
                       to += rank;
                       first = false;
                       return {};
                     }));
    }
    const auto n = static_cast<int64_t>(which.size()), count = static_cast<int64_t>(nnz);
    FERRY_ASSIGN_OR_RETURN(DenseTensor row, DenseTensor::make(DType::int64, Shape{n}, frozen(std::move(numbers), which.size() * 8)));
    FERRY_RETURN_IF_ERROR(set_tensor(out, 0, "row", std::move(row)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates, DenseTensor::make(DType::int64, Shape{count, static_cast<int64_t>(rank)},
                                                                      frozen(std::move(indices), nnz * rank * 8)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor entries,
                           DenseTensor::make(spec_[1].dtype, Shape{count}, frozen(std::move(values), nnz * (wide ? 8 : 4))));
    Shape shape{n};
    for (const int64_t dim : shape_) shape.append(dim);
    FERRY_ASSIGN_OR_RETURN(SparseTensor x,
                           SparseTensor::coo(std::move(shape), std::move(coordinates), std::move(entries), Order{true, unique}));
    return set_tensor(out, 1, name_, std::move(x));
  }

 private:
  std::string name_;
  Shape shape_;
  char delimiter_;
  int64_t base_;
  std::vector<ElementSpec> spec_;
};

// ---- What the first record says

class CsvKind : public FileKind {
 public:
  explicit CsvKind(CsvOptions options) : options_(std::move(options)) {}
  std::string_view unit() const override { return "line"; }
  std::string describe() const override {
    std::string out = concat("csv ", quoted(std::string_view(&options_.delimiter, 1)), " kind=", static_cast<int>(options_.kind));
    if (options_.header) out += concat(" header=", *options_.header);
    for (const auto& [name, dtype] : options_.dtypes) out += concat(" ", quoted(name), ":", dtype_name(dtype));
    if (options_.missing) out += concat(" missing=", *options_.missing);
    return out + concat(" ", options_.shape.to_string(), " base=", options_.base);
  }
  Result<std::unique_ptr<FileRows>> open(const std::string& path, const Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(const csv::Header header, header_of(path, context.limits));
    FERRY_ASSIGN_OR_RETURN(LineReader lines, lines_of(path, header.present, context.limits));
    if (header.kind != csv::Kind::pairs) return std::unique_ptr<FileRows>(std::make_unique<LineReader>(std::move(lines)));
    return std::unique_ptr<FileRows>(std::make_unique<PairReader>(std::move(lines), options_.delimiter));
  }
  Result<std::shared_ptr<const FileIndex>> index(const std::string& path, const Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(const csv::Header header, header_of(path, context.limits));
    if (header.kind == csv::Kind::pairs) return std::shared_ptr<const FileIndex>();
    return index_lines(path, rules(header.present), context.limits);
  }
  Result<std::shared_ptr<const RowDecoder>> decoder(std::span<const std::string> paths) const override {
    const Limits limits;
    const auto told = [](const std::string& path, const Status& status) {
      return Status(status.code(), concat(path, ": ", status.message()), status.offset());
    };
    auto header = header_of(paths[0], limits);
    if (!header.ok()) return told(paths[0], header.status());
    auto made = header->kind == csv::Kind::pairs ? pairs_decoder(paths, *header, limits) : table_decoder(paths[0], *header, limits);
    if (!made.ok()) return told(paths[0], made.status());
    return made;
  }

 private:
  LineRules rules(bool header) const {
    return {.comments = false, .quotes = true, .skip_lines = header ? uint64_t{1} : uint64_t{0}, .mark = "\xef\xbb\xbf"};
  }
  Result<LineReader> lines_of(const std::string& path, bool header, const Limits& limits) const {
    FERRY_ASSIGN_OR_RETURN(auto bytes, open_bytes(path));
    return LineReader(std::move(bytes), rules(header), limits);
  }
  Result<csv::Header> header_of(const std::string& path, const Limits& limits) const {
    FERRY_ASSIGN_OR_RETURN(LineReader lines, lines_of(path, false, limits));
    Row row;
    FERRY_ASSIGN_OR_RETURN(const bool any, lines.next(row));
    if (!any) return data_loss("the file is empty, expected at least a header");
    std::vector<csv::Field> fields;
    csv::RecordReader reader(row.text(), 0, options_.delimiter);
    FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const bool more, reader.next(fields));
    std::optional<csv::Kind> kind;
    if (options_.kind != CsvOptions::Kind::automatic) kind = options_.kind == CsvOptions::Kind::table ? csv::Kind::table : csv::Kind::pairs;
    csv::Header header = csv::header_of(fields, kind, options_.header);
    // Without a header numbers are a table here, unless somebody says that they are pairs.
    if (!header.present && !kind && header.kind == csv::Kind::pairs) header = csv::header_of(fields, csv::Kind::table, options_.header);
    if (header.kind == csv::Kind::matrix) header = csv::header_of(fields, csv::Kind::table, options_.header);
    header.dtypes.resize(fields.size());
    return header;
  }

  Result<std::shared_ptr<const RowDecoder>> table_decoder(const std::string& path, const csv::Header& header, const Limits& limits) const {
    std::vector<TableColumn> columns;
    const size_t count = header.names.size();
    std::vector<csv::Guess> guesses(count);
    FERRY_ASSIGN_OR_RETURN(LineReader lines, lines_of(path, header.present, limits));
    Row row;
    std::vector<csv::Field> fields;
    for (int i = 0; i < kLooked; ++i) {
      FERRY_ASSIGN_OR_RETURN(const bool more, lines.next(row));
      if (!more) break;
      if (!split(row.text(), options_.delimiter, count, fields).ok()) continue;
      for (size_t c = 0; c < count; ++c) guesses[c].see(fields[c]);
    }
    for (size_t c = 0; c < count; ++c) {
      std::optional<DType> dtype = header.dtypes[c];
      for (const auto& [name, asked] : options_.dtypes) {
        if (name == header.names[c]) dtype = asked;
      }
      if (!dtype) {
        dtype = guesses[c].dtype();
        if (*dtype == DType::float64) dtype = DType::float32;
      }
      if (!is_text_dtype(*dtype))
        return unsupported(concat("column ", quoted(header.names[c]), ": text is not read as ", dtype_name(*dtype)));
      for (const TableColumn& other : columns) {
        if (other.name == header.names[c]) return data_loss(concat("two columns are called ", quoted(other.name)));
      }
      columns.push_back({header.names[c], *dtype});
    }
    for (const auto& [name, dtype] : options_.dtypes) {
      if (std::ranges::find(columns, name, &TableColumn::name) == columns.end()) {
        return invalid_argument(concat("a dtype is given for ", quoted(name), ", which is no column"));
      }
    }
    return std::shared_ptr<const RowDecoder>(std::make_shared<TableDecoder>(std::move(columns), options_.delimiter, options_.missing));
  }

  Result<std::shared_ptr<const RowDecoder>> pairs_decoder(std::span<const std::string> paths, const csv::Header& header,
                                                          const Limits& limits) const {
    const size_t fields = header.dtypes.size();
    if (fields < 3) return invalid_argument("pairs have a row, at least one further index, and a value");
    Shape shape = options_.shape;
    if (shape.rank() == 0) {
      const bool said = header.dims.size() == fields - 1 && std::ranges::none_of(header.dims, [](int64_t dim) { return dim < 0; });
      for (size_t axis = 1; axis + 1 < fields; ++axis) shape.append(said ? header.dims[axis] : 0);
      if (!said) {
        std::vector<csv::Field> row_fields;
        for (const std::string& path : paths) {
          FERRY_ASSIGN_OR_RETURN(LineReader lines, lines_of(path, header.present, limits));
          for (Row row;;) {
            FERRY_ASSIGN_OR_RETURN(const bool more, lines.next(row));
            if (!more) break;
            // Damaged ones are found again, where it is known what is to become of them.
            (void)read_pairs(row.text(), options_.delimiter, fields, options_.base, row_fields,
                             [&](const std::vector<int64_t>& index, double) -> Status {
                               for (size_t axis = 1; axis < index.size(); ++axis) {
                                 if (index[axis] < std::numeric_limits<int64_t>::max())
                                   shape[axis - 1] = std::max(shape[axis - 1], index[axis] + 1);
                               }
                               return {};
                             });
          }
        }
      }
    }
    if (shape.rank() != fields - 2) {
      return invalid_argument(concat("shape ", shape.to_string(), " is given for rows of ", fields - 2, fields == 3 ? " axis" : " axes"));
    }
    const DType dtype = header.dtypes.back() == DType::float64 ? DType::float64 : DType::float32;
    return std::shared_ptr<const RowDecoder>(
        std::make_shared<PairsDecoder>(header.name, std::move(shape), options_.delimiter, options_.base, dtype));
  }

  CsvOptions options_;
};

Dataset of_files(const std::vector<std::string>& patterns, std::shared_ptr<const FileKind> kind) {
  auto paths = expand_paths(patterns);
  if (!paths.ok()) return Dataset(paths.status());
  return Dataset::of(plan_files(*std::move(paths), std::move(kind)));
}

}  // namespace

std::shared_ptr<const FileKind> csv_kind(CsvOptions options) { return std::make_shared<CsvKind>(std::move(options)); }

}  // namespace ferry::dataset

namespace ferry {

using namespace dataset;

Dataset Dataset::libsvm(const std::vector<std::string>& paths, LibsvmOptions options) {
  return of_files(paths, libsvm_kind(std::move(options)));
}
Dataset Dataset::csv(const std::vector<std::string>& paths, CsvOptions options) { return of_files(paths, csv_kind(std::move(options))); }
Dataset Dataset::criteo(const std::vector<std::string>& paths, CriteoOptions options) { return of_files(paths, criteo_kind(options)); }

}  // namespace ferry
