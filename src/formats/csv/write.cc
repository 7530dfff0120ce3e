#include "formats/csv/write.h"

#include <algorithm>
#include <complex>

#include "formats/csv/columns.h"
#include "formats/csv/header.h"
#include "formats/text.h"

namespace ferry::csv {
namespace {

// One tensor's elements as fields.
class Cells {
 public:
  static Result<Cells> of(const DenseTensor& tensor) {
    Cells out;
    out.tensor_ = tensor;
    out.dtype_ = tensor.dtype();
    if (!tensor.is_string()) {
      FERRY_ASSIGN_OR_RETURN(out.tensor_, text::widen(tensor));
    }
    return out;
  }
  // What a reader would take it for.
  DType guessed() const {
    Guess guess;
    if (dtype_ == DType::string) {
      const StringsView strings = tensor_.strings();
      for (int64_t i = 0; i < strings.size(); ++i) guess.see({strings[i]});
      return guess.dtype();
    }
    if (tensor_.num_elements() == 0) return DType::float64;
    if (dtype_ == DType::bool_) return DType::bool_;
    if (tensor_.dtype() == DType::int64) return DType::int64;
    if (tensor_.dtype() == DType::uint64) {
      const auto values = tensor_.values<uint64_t>();
      return std::ranges::any_of(values, [](uint64_t value) { return value > uint64_t{INT64_MAX}; }) ? DType::uint64 : DType::int64;
    }
    return DType::float64;
  }
  std::string annotation(bool plain) const { return plain || guessed() == dtype_ ? std::string() : concat(':', dtype_name(dtype_)); }

  void put(text::Writer& out, int64_t i, char delimiter) const {
    const auto at = static_cast<size_t>(i);
    if (dtype_ == DType::string) return put_text(out, tensor_.strings()[i], delimiter);
    if (dtype_ == DType::bool_) return out.put(tensor_.values<int64_t>()[at] != 0 ? std::string_view("true") : std::string_view("false"));
    text::visit_carrier(tensor_.dtype(), [&]<class T>(TypeTag<T>) {
      if constexpr (std::is_integral_v<T>) {
        out.number(tensor_.values<T>()[at]);
      } else if constexpr (std::is_floating_point_v<T>) {
        char* const begin = out.room(kNumberText + 2);
        char* end = print_number(begin, tensor_.values<T>()[at]);
        // A float looks like one, so that a reader takes it for one.
        if (std::all_of(begin, end, [](char c) { return number::is_digit(c) || c == '-'; })) end = std::copy_n(".0", 2, end);
        out.done(end);
      }
    });
  }
  static void put_text(text::Writer& out, std::string_view text, char delimiter, bool quote = false) {
    const bool plain = !quote && !text.empty() && text.find_first_of("\"\r\n") == std::string_view::npos &&
                       text.find(delimiter) == std::string_view::npos && !text.starts_with("\xef\xbb\xbf");
    if (plain) return out.put(text);
    out.put('"');
    for (const char c : text) {
      if (c == '"') out.put('"');
      out.put(c);
    }
    out.put('"');
  }

 private:
  DenseTensor tensor_;
  DType dtype_ = DType::float64;
};

void put_names(text::Writer& out, const std::vector<std::string>& names, char delimiter) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out.put(delimiter);
    // A name like a number is quoted, so that the record is known for a header.
    Guess guess;
    guess.see({names[i]});
    Cells::put_text(out, names[i], delimiter, guess.dtype() != DType::string);
  }
  out.put('\n');
}

// Names that read back as something else have no place here.
Status check_header(const std::vector<std::string>& names, Kind kind, std::string_view name) {
  std::vector<Field> fields;
  for (const std::string& text : names) fields.push_back({text, false});
  const Header header = header_of(fields, std::nullopt, true);
  if (header.kind == kind && (kind == Kind::table || header.name == name)) return {};
  return unsupported(concat("the header that these names make (", quoted(names[0]), ", …) would be read as something else; use --rename"));
}

Status write_pairs(const TensorMap::Entry& entry, text::Writer& out, bool plain, char delimiter) {
  const auto& x = std::get<SparseTensor>(entry.tensor);
  const size_t rank = x.rank();
  if (rank == 0) return unsupported("csv pairs need at least one axis, the sparse tensor is a scalar; formats that hold it: npz, json");
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  FERRY_ASSIGN_OR_RETURN(const Cells cells, Cells::of(x.values()));
  std::vector<int64_t> dims(rank, 0);
  const int64_t* const indices = x.coordinates();
  for (int64_t i = 0; i < x.nnz(); ++i) {
    for (size_t axis = 0; axis < rank; ++axis) dims[axis] = std::max(dims[axis], indices[static_cast<size_t>(i) * rank + axis] + 1);
  }
  const std::string prefix = entry.name.empty() ? std::string() : concat(entry.name, '/');
  std::vector<std::string> names;
  for (size_t axis = 0; axis < rank; ++axis) {
    names.push_back(concat(prefix, rank == 2 ? std::string(axis == 0 ? "row" : "col") : concat("dim", axis)));
    if (!plain && dims[axis] != x.shape()[axis]) names.back() += concat(':', x.shape()[axis]);
  }
  names.push_back(concat(prefix, "value", cells.annotation(plain)));
  FERRY_RETURN_IF_ERROR(check_header(names, Kind::pairs, entry.name));
  put_names(out, names, delimiter);
  for (int64_t i = 0; i < x.nnz(); ++i) {
    for (size_t axis = 0; axis < rank; ++axis) {
      out.number(indices[static_cast<size_t>(i) * rank + axis]);
      out.put(delimiter);
    }
    cells.put(out, i, delimiter);
    out.put('\n');
  }
  return {};
}

Status write_matrix(const TensorMap::Entry& entry, text::Writer& out, bool plain, char delimiter) {
  const auto& x = std::get<DenseTensor>(entry.tensor);
  const int64_t rows = x.shape()[0], columns = x.shape()[1];
  if (columns == 0)
    return unsupported(
        concat("csv cannot hold a matrix without columns, shape ", x.shape().to_string(), "; formats that hold it: npy, npz"));
  // Without rows nothing bounds the columns, and each needs a name in the header.
  constexpr int64_t kMostEmptyColumns = 1 << 20;
  if (rows == 0 && columns > kMostEmptyColumns) {
    return unsupported(concat("csv cannot hold a matrix of shape ", x.shape().to_string(), ": a header of ", columns,
                              " names; formats that hold it: npy, npz"));
  }
  FERRY_ASSIGN_OR_RETURN(const Cells cells, Cells::of(x));
  std::vector<std::string> names;
  for (int64_t column = 0; column < columns; ++column) names.push_back(concat(entry.name, '[', column, ']'));
  names[0] += cells.annotation(plain);
  FERRY_RETURN_IF_ERROR(check_header(names, Kind::matrix, entry.name));
  put_names(out, names, delimiter);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      if (column > 0) out.put(delimiter);
      cells.put(out, row * columns + column, delimiter);
    }
    out.put('\n');
  }
  return {};
}

Status write_table(const TensorMap& tensors, text::Writer& out, bool plain, char delimiter) {
  std::vector<Cells> columns;
  std::vector<std::string> names;
  int64_t rows = -1;
  for (const auto& entry : tensors) {
    const auto* dense = std::get_if<DenseTensor>(&entry.tensor);
    if (dense == nullptr || dense->shape().rank() != 1 || (rows >= 0 && dense->num_elements() != rows)) {
      return unsupported(concat("csv holds one sparse tensor, one matrix, or dense columns of one length; ", quoted(entry.name), " is a ",
                                kind_name(kind_of(entry.tensor)), " tensor of shape ", shape_of(entry.tensor).to_string(),
                                rows >= 0 ? concat(" beside a column of ", rows) : std::string(), "; choose with --select, or use npz"));
    }
    rows = dense->num_elements();
    FERRY_ASSIGN_OR_RETURN(Cells cells, Cells::of(*dense));
    names.push_back(concat(entry.name.empty() ? kRoot : std::string_view(entry.name), cells.annotation(plain)));
    columns.push_back(std::move(cells));
  }
  if (columns.empty()) return unsupported("csv needs at least one tensor, there is none");
  FERRY_RETURN_IF_ERROR(check_header(names, Kind::table, ""));
  put_names(out, names, delimiter);
  for (int64_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) out.put(delimiter);
      columns[i].put(out, row, delimiter);
    }
    out.put('\n');
  }
  return {};
}

}  // namespace

Result<char> delimiter_option(const FormatOptions& options, char otherwise) {
  const std::string_view text = options.get("delimiter");
  if (text.empty()) return otherwise;
  for (const auto& [name, c] :
       {std::pair<std::string_view, char>{"tab", '\t'}, {"\\t", '\t'}, {"comma", ','}, {"semicolon", ';'}, {"space", ' '}, {"pipe", '|'}}) {
    if (text == name) return c;
  }
  const bool usual = text.size() == 1 && text.find_first_of("\"\r\n.+-:0123456789") == std::string_view::npos;
  if (!usual) return invalid_argument(concat("delimiter is ", quoted(text), ", expected one character that is part of no number"));
  return text[0];
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options, char delimiter) {
  FERRY_ASSIGN_OR_RETURN(delimiter, delimiter_option(options.format, delimiter));
  FERRY_ASSIGN_OR_RETURN(const bool plain, options.format.get_bool("plain", false));
  text::Writer out(sink);
  const auto* dense = tensors.size() == 1 ? std::get_if<DenseTensor>(&tensors[0].tensor) : nullptr;
  if (tensors.size() == 1 && std::holds_alternative<SparseTensor>(tensors[0].tensor)) {
    FERRY_RETURN_IF_ERROR(write_pairs(tensors[0], out, plain, delimiter));
  } else if (dense != nullptr && dense->shape().rank() == 2) {
    FERRY_RETURN_IF_ERROR(write_matrix(tensors[0], out, plain, delimiter));
  } else {
    FERRY_RETURN_IF_ERROR(write_table(tensors, out, plain, delimiter));
  }
  return out.finish();
}

}  // namespace ferry::csv
