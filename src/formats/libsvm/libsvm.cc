#include "formats/libsvm/libsvm.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "formats/libsvm/rows.h"
#include "formats/text.h"

namespace ferry::libsvm {
namespace {

// Keys of the note that our writer puts on the first line where something would be lost without it.
constexpr std::string_view kName = "x.name", kDType = "x.dtype", kLayout = "x.layout", kColumns = "x.columns", kLabels = "y.dtype",
                           kBase = "base";

// What the comment lines before the first row say: our note, and scikit-learn's "Column indices are zero-based".
Metadata leading_note(std::string_view text) {
  Metadata note;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (;;) {
    while (at != end && (text::is_blank(*at) || *at == '\n')) ++at;
    if (at == end || *at != '#') return note;
    const char* const after = text::line_end(at, end);
    const std::string_view comment(at + 1, static_cast<size_t>(after - at - 1));
    for (const auto& [key, value] : text::parse_note(comment)) note.set(key, value);
    if (comment.find("indices are zero-based") != std::string_view::npos) note.set(kBase, "0");
    if (comment.find("indices are one-based") != std::string_view::npos) note.set(kBase, "1");
    at = after;
  }
}

struct Settings {
  RowOptions rows;
  DType values = DType::float64, labels = DType::float64;
  std::string name = "x";
  bool coo = false, no_labels = false;
};

std::string_view setting(const FormatOptions& options, const Metadata& note, std::string_view option, std::string_view key) {
  if (const std::string_view given = options.get(option); !given.empty()) return given;
  const std::string* noted = note.find(key);
  return noted == nullptr ? std::string_view() : std::string_view(*noted);
}

Result<Settings> settings_of(const FormatOptions& options, const Metadata& note) {
  Settings out;
  const std::string_view base = setting(options, note, "base", kBase);
  if (base == "0" || base == "1") {
    out.rows.base = base[0] - '0';
  } else if (!base.empty() && base != "auto") {
    return invalid_argument(concat("base is ", quoted(base), ", expected auto, 0 or 1"));
  }
  if (const std::string_view order = options.get("order", "strict"); order == "any") {
    out.rows.rising = false;
  } else if (order != "strict") {
    return invalid_argument(concat("order is ", quoted(order), ", expected strict or any"));
  }
  FERRY_ASSIGN_OR_RETURN(out.values, text::dtype_option(setting(options, note, "dtype", kDType), "dtype", DType::float64));
  if (dtype_class(out.values) == DTypeClass::kComplex) return unsupported("libsvm text has no complex values");
  out.rows.values = text::carrier(out.values);
  const std::string_view labels = setting(options, note, "label_dtype", kLabels);
  if (labels == "none") {
    out.no_labels = true;
  } else {
    FERRY_ASSIGN_OR_RETURN(out.labels, text::dtype_option(labels, "label_dtype", DType::float64));
    if (dtype_class(out.labels) == DTypeClass::kComplex) return unsupported("libsvm text has no complex labels");
    out.rows.labels = text::carrier(out.labels) == DType::float32 ? DType::float64 : text::carrier(out.labels);
  }
  const std::string_view columns = setting(options, note, "columns", kColumns);
  if (!columns.empty()) {
    const char* const end = columns.data() + columns.size();
    if (parse_number(columns.data(), end, out.rows.columns) != end || out.rows.columns < 0) {
      return invalid_argument(concat("columns is ", quoted(columns), ", expected a whole number"));
    }
  }
  if (const std::string* name = note.find(kName)) out.name = *name;
  const std::string* layout = note.find(kLayout);
  out.coo = layout != nullptr && *layout == "coo";
  return out;
}

Result<DenseTensor> label_values(std::vector<uint64_t> bits, const Settings& settings) {
  auto owner = std::make_shared<std::vector<uint64_t>>(std::move(bits));
  const auto count = static_cast<int64_t>(owner->size());
  FERRY_ASSIGN_OR_RETURN(DenseTensor labels,
                         DenseTensor::make(settings.rows.labels, Shape{count}, Buffer::adopt(owner->data(), owner->size() * 8, owner)));
  return text::narrow(std::move(labels), settings.labels);
}

Result<SparseTensor> csr_to_coo(const SparseTensor& x) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(x.nnz()) * 2));
  int64_t* at = out.as<int64_t>().data();
  const auto fill = [&]<class Index>(TypeTag<Index>) {
    const auto indptr = x.indptr().values<Index>(), indices = x.indices().values<Index>();
    for (size_t row = 0; row + 1 < indptr.size(); ++row) {
      for (auto i = static_cast<size_t>(indptr[row]); i < static_cast<size_t>(indptr[row + 1]); ++i) {
        *at++ = static_cast<int64_t>(row);
        *at++ = static_cast<int64_t>(indices[i]);
      }
    }
  };
  if (x.index_dtype() == DType::int32) {
    fill(TypeTag<int32_t>{});
  } else {
    fill(TypeTag<int64_t>{});
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, DenseTensor::make(DType::int64, Shape{x.nnz(), 2}, std::move(out).freeze()));
  return SparseTensor::coo(x.shape(), std::move(indices), x.values(), x.order());
}

// Does one line read as an example?
bool fits_line(std::string_view line, bool& pair_seen) {
  const char* at = text::skip_blanks(line.data(), line.data() + line.size());
  const char* const end = line.data() + line.size();
  if (at == end || *at == '#') return true;
  for (bool first = true; at != end && *at != '#'; first = false) {
    double number;
    const bool qid = std::string_view(at, end).starts_with("qid:");
    const char* after = qid ? at + 3 : parse_number(at, end, number);
    while (first && after != nullptr && after != end && *after == ',') after = parse_number(after + 1, end, number);
    if (after == nullptr) return false;
    if (after != end && *after == ':') {
      after = parse_number(after + 1, end, number);
      if (after == nullptr) return false;
      pair_seen = true;
    } else if (!first) {
      return false;
    }
    if (after != end && !text::is_blank(*after) && *after != '#') return false;
    at = text::skip_blanks(after, end);
  }
  return true;
}

}  // namespace

Sniff sniff(std::span<const std::byte> head) {
  std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  bool pair_seen = false;
  size_t lines = 0;
  while (!text.empty() && lines < 8) {
    const size_t newline = text.find('\n');
    // The last line may have been cut by the end of the head.
    if (newline == std::string_view::npos && lines > 0) break;
    if (!fits_line(text.substr(0, newline), pair_seen)) return Sniff::no;
    ++lines;
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  return pair_seen ? Sniff::likely : Sniff::no;
}

Result<TensorMap> read(const ByteSource& source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source.view(0, source.size()));
  const std::string_view text = bytes.text();
  FERRY_ASSIGN_OR_RETURN(const Settings settings, settings_of(options.format, leading_note(text)));
  FERRY_ASSIGN_OR_RETURN(Rows rows, read_rows(text, settings.rows, options.limits, options.pool));

  TensorMap out;
  const int64_t count = rows.indptr.num_elements() - 1;
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, text::narrow(std::move(rows.values), settings.values));
  FERRY_ASSIGN_OR_RETURN(SparseTensor x, SparseTensor::csr(Shape{count, rows.columns}, std::move(rows.indptr), std::move(rows.indices),
                                                           std::move(values), rows.order));
  FERRY_RETURN_IF_ERROR(x.validate(options.validation));
  if (settings.coo) {
    FERRY_ASSIGN_OR_RETURN(x, csr_to_coo(x));
  }
  FERRY_RETURN_IF_ERROR(out.add(settings.name, std::move(x)));
  if (!settings.no_labels && (!rows.labels.empty() || rows.label_splits.empty())) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor labels, label_values(std::move(rows.labels), settings));
    if (rows.label_splits.empty()) {
      FERRY_RETURN_IF_ERROR(out.add("y", std::move(labels)));
    } else {
      const DenseTensor splits = DenseTensor::vector<int64_t>(rows.label_splits);
      FERRY_ASSIGN_OR_RETURN(RaggedTensor ragged, RaggedTensor::make({splits}, std::move(labels)));
      FERRY_RETURN_IF_ERROR(out.add("y", std::move(ragged)));
    }
  }
  if (!rows.qids.empty()) FERRY_RETURN_IF_ERROR(out.add("qid", DenseTensor::vector<int64_t>(rows.qids)));
  return out;
}

namespace {

// x, y and qid of a map, by name; a lone sparse tensor is x whatever its name.
struct Examples {
  const TensorMap::Entry* x = nullptr;
  const TensorMap::Entry* y = nullptr;
  const TensorMap::Entry* qid = nullptr;
};

Result<Examples> examples_of(const TensorMap& tensors) {
  Examples out;
  for (const auto& entry : tensors) {
    const bool sparse = std::holds_alternative<SparseTensor>(entry.tensor);
    if (sparse && out.x == nullptr) {
      out.x = &entry;
    } else if (!sparse && entry.name == "y") {
      out.y = &entry;
    } else if (!sparse && entry.name == "qid") {
      out.qid = &entry;
    } else {
      return unsupported(concat("libsvm holds one sparse tensor, labels named 'y' and query ids named 'qid'; ", quoted(entry.name), ", a ",
                                kind_name(kind_of(entry.tensor)), " tensor, has no place; choose with --select or --rename"));
    }
  }
  if (out.x == nullptr) return unsupported("libsvm needs a sparse tensor of two axes (CSR or COO); there is none; use --sparsify");
  const auto& x = std::get<SparseTensor>(out.x->tensor);
  const auto named = [&](std::string_view what) { return concat(what, " ", quoted(out.x->name), " "); };
  if (x.rank() != 2) return unsupported(concat(named("tensor"), "has shape ", x.shape().to_string(), ", libsvm holds two axes"));
  FERRY_RETURN_IF_ERROR(
      x.validate(Validation::canonical).with_context(concat("libsvm rows have rising indices; tensor ", quoted(out.x->name))));
  for (const TensorMap::Entry* entry : {out.y, out.qid}) {
    if (entry == nullptr) continue;
    const Shape shape = shape_of(entry->tensor);
    const bool ragged = std::holds_alternative<RaggedTensor>(entry->tensor);
    if (shape.rank() != (ragged ? 2 : 1) || shape[0] != x.shape()[0]) {
      return unsupported(concat("tensor ", quoted(entry->name), " has shape ", shape.to_string(), ", expected one for each of the ",
                                x.shape()[0], " rows of ", quoted(out.x->name)));
    }
    FERRY_RETURN_IF_ERROR(validate(entry->tensor, Validation::bounds));
  }
  if (out.qid != nullptr) {
    if (text::carrier(dtype_of(out.qid->tensor)) != DType::int64 || std::holds_alternative<RaggedTensor>(out.qid->tensor)) {
      return unsupported(concat("qid is ", dtype_name(dtype_of(out.qid->tensor)), ", expected whole numbers; use --cast"));
    }
  }
  return out;
}

// One row after another, for both layouts.
class RowCursor {
 public:
  explicit RowCursor(const SparseTensor& x) : x_(x) {}
  // Calls f(column, position of the value) for each entry of the row; rows are asked for in order.
  template <class F>
  void row(int64_t row, F&& f) {
    if (x_.layout() == Layout::coo) {
      const int64_t* const at = x_.coordinates();
      for (; next_ < x_.nnz() && at[2 * next_] == row; ++next_) f(at[2 * next_ + 1], next_);
    } else if (x_.index_dtype() == DType::int32) {
      compressed<int32_t>(row, f);
    } else {
      compressed<int64_t>(row, f);
    }
  }

 private:
  template <class Index, class F>
  void compressed(int64_t row, F&& f) {
    const auto indptr = x_.indptr().values<Index>(), indices = x_.indices().values<Index>();
    for (int64_t i = indptr[static_cast<size_t>(row)]; i < indptr[static_cast<size_t>(row) + 1]; ++i) f(indices[static_cast<size_t>(i)], i);
  }
  const SparseTensor& x_;
  int64_t next_ = 0;
};

template <class T>
void put_labels(text::Writer& out, const Tensor& y, const DenseTensor& wide, int64_t row) {
  const auto values = wide.values<T>();
  if (const auto* ragged = std::get_if<RaggedTensor>(&y)) {
    const DenseTensor& splits = ragged->row_splits(0);
    const auto split = [&](int64_t i) {
      return splits.dtype() == DType::int32 ? splits.values<int32_t>()[static_cast<size_t>(i)]
                                            : splits.values<int64_t>()[static_cast<size_t>(i)];
    };
    for (int64_t i = split(row); i < split(row + 1); ++i) {
      if (i > split(row)) out.put(',');
      out.number(values[static_cast<size_t>(i)]);
    }
  } else {
    out.number(values[static_cast<size_t>(row)]);
  }
}

std::string note_of(const Examples& examples, std::string_view base) {
  const auto& x = std::get<SparseTensor>(examples.x->tensor);
  Metadata note;
  if (examples.x->name != "x") note.set(kName, examples.x->name);
  if (x.dtype() != DType::float64) note.set(kDType, dtype_name(x.dtype()));
  if (x.layout() == Layout::coo) note.set(kLayout, "coo");
  int64_t columns = 0;
  RowCursor cursor(x);
  for (int64_t row = 0; row < x.shape()[0]; ++row)
    cursor.row(row, [&](int64_t column, int64_t) { columns = std::max(columns, column + 1); });
  if (columns != x.shape()[1]) note.set(kColumns, concat(x.shape()[1]));
  if (examples.y == nullptr) {
    note.set(kLabels, "none");
  } else if (dtype_of(examples.y->tensor) != DType::float64) {
    note.set(kLabels, dtype_name(dtype_of(examples.y->tensor)));
  }
  if (!note.empty() || base == "0") note.set(kBase, base);
  return note.empty() ? std::string() : concat("# ", text::note_text(note), "\n");
}

}  // namespace

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Examples examples, examples_of(tensors));
  const auto& x = std::get<SparseTensor>(examples.x->tensor);
  std::string_view base = options.format.get("base", "1");
  if (base == "auto") base = "1";
  if (base != "0" && base != "1") return invalid_argument(concat("base is ", quoted(base), ", expected 0 or 1"));
  FERRY_ASSIGN_OR_RETURN(const bool note, options.format.get_bool("note", true));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor values, text::widen(x.values()));
  DenseTensor labels, qids;
  if (examples.y != nullptr) {
    const auto* ragged = std::get_if<RaggedTensor>(&examples.y->tensor);
    FERRY_ASSIGN_OR_RETURN(labels, text::widen(ragged != nullptr ? ragged->flat_values() : std::get<DenseTensor>(examples.y->tensor)));
  }
  if (examples.qid != nullptr) {
    FERRY_ASSIGN_OR_RETURN(qids, text::widen(std::get<DenseTensor>(examples.qid->tensor)));
  }

  text::Writer out(sink);
  if (note) out.put(note_of(examples, base));
  const int64_t shift = base[0] - '0';
  RowCursor cursor(x);
  if (x.shape()[1] - 1 > kLastColumn) {
    bool fits = true;
    RowCursor look(x);
    for (int64_t row = 0; row < x.shape()[0]; ++row) look.row(row, [&](int64_t column, int64_t) { fits &= column <= kLastColumn; });
    if (!fits) return unsupported(concat("libsvm text holds columns up to ", kLastColumn, ", and there are entries past it"));
  }
  const auto write_rows = [&]<class Value>(TypeTag<Value>) {
    if constexpr (is_complex_v<Value>) {
      return unsupported("libsvm text has no complex values");
    } else {
      const Value* const value = values.values<Value>().data();
      for (int64_t row = 0; row < x.shape()[0]; ++row) {
        if (examples.y == nullptr) {
          out.put('0');
        } else {
          text::visit_carrier(labels.dtype(), [&]<class Label>(TypeTag<Label>) {
            if constexpr (!is_complex_v<Label>) put_labels<Label>(out, examples.y->tensor, labels, row);
          });
        }
        if (examples.qid != nullptr) {
          out.put(" qid:");
          out.number(qids.values<int64_t>()[static_cast<size_t>(row)]);
        }
        cursor.row(row, [&](int64_t column, int64_t i) {
          char* at = out.room(2 * kNumberText + 2);
          *at++ = ' ';
          at = print_number(at, column + shift);
          *at++ = ':';
          out.done(print_number(at, value[i]));
        });
        out.put('\n');
      }
      return Status();
    }
  };
  FERRY_RETURN_IF_ERROR(text::visit_carrier(values.dtype(), write_rows));
  return out.finish();
}

namespace {

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(TensorMap tensors, read(*source, options));
  return reader_of(std::move(tensors));
}

constexpr std::string_view kExtensions[] = {".libsvm", ".svmlight", ".svm"};
constexpr OptionSpec kOptions[] = {
    {"base", "auto|0|1", "index of the first column; auto (reading): 1 unless an index 0 turns up; writing: 1"},
    {"columns", "N", "columns of x; without it as many as the largest index needs"},
    {"dtype", "DTYPE", "dtype of the values that are read (float64)"},
    {"label_dtype", "DTYPE|none", "dtype of the labels that are read (float64)"},
    {"order", "strict|any", "any: take indices that do not rise within a row, in file order (strict)"},
    {"note", "true|false", "write a first comment line with what the format has no word for: dtype, columns (true)"},
};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "libsvm",
    .summary = "libsvm and svmlight text: labels, query ids and index:value pairs",
    .readers = "scikit-learn, XGBoost, LIBSVM",
    .extensions = kExtensions,
    .capabilities = {.kinds = {.dense = true, .coo = true, .csr = true, .csc = false, .ragged = true},
                     .dtypes = DTypeSet::fixed_size() - DTypeSet::of(DType::complex64, DType::complex128),
                     .names = true,
                     .metadata = false,
                     .many = true,
                     .streams = false,
                     .max_rank = 2},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::libsvm
