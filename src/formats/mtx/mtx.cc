// Matrix Market: https://math.nist.gov/MatrixMarket/formats.html and docs/formats/mtx.md.
#include <algorithm>
#include <complex>
#include <cstring>
#include <limits>
#include <optional>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/mtx/header.h"
#include "formats/text.h"

namespace ferry::mtx {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

// ---- Reading

// Fortran writes 1.0D+05: the letter is read as e.
template <class T>
const char* parse_fortran(const char* at, const char* end, T& out) {
  char copy[64];
  size_t size = 0;
  for (const char* c = at; c != end && size < sizeof copy && !text::is_blank(*c) && *c != '\n'; ++c) {
    copy[size++] = (*c | 0x20) == 'd' ? 'e' : *c;
  }
  const char* const after = parse_number(copy, copy + size, out);
  return after == nullptr ? nullptr : at + (after - copy);
}

template <class T>
const char* parse_value(const char* at, const char* end, T& out) {
  if constexpr (is_complex_v<T>) {
    typename T::value_type real, imaginary;
    at = parse_value(at, end, real);
    if (at == nullptr) return nullptr;
    at = parse_value(text::skip_blanks(at, end), end, imaginary);
    out = {real, imaginary};
    return at;
  } else {
    const char* const after = parse_number(at, end, out);
    if constexpr (std::is_floating_point_v<T>) {
      if (after != nullptr && after != end && (*after | 0x20) == 'd') [[unlikely]]
        return parse_fortran(at, end, out);
    }
    return after;
  }
}

struct Piece {
  std::string_view text;
  size_t first = 0, room = 0, count = 0;
  Status status;
};

// Reads lines of `rank` coordinates and, but for patterns, a value. An array has rank 0.
template <class T, size_t rank>
void parse_lines(std::string_view whole, const Header& header, Piece& piece, int64_t* indices, T* values) {
  const char* at = piece.text.data();
  const char* const end = at + piece.text.size();
  const uint64_t dims[2] = {static_cast<uint64_t>(header.rows), static_cast<uint64_t>(header.columns)};
  const bool pattern = header.field == Field::pattern;
  const bool skew = header.symmetry == Symmetry::skew_symmetric;
  size_t count = 0;
  const auto fail = [&](const char* place, std::string message) { piece.status = text::error_at(whole, place, message); };
  for (;;) {
    at = text::skip_blanks(at, end);
    if (at == end) break;
    if (*at == '\n') {
      ++at;
      continue;
    }
    if (*at == '%') {
      at = text::line_end(at, end);
      continue;
    }
    if (count == piece.room) return fail(at, concat("more than the ", header.count, " announced ", header.array ? "elements" : "entries"));
    uint64_t place[2] = {};
    for (size_t axis = 0; axis < rank; ++axis) {
      unsigned digits = 0;
      const char* const after = number::take_digits(at, end, place[axis], digits);
      if (digits - 1 >= 18 || (after != end && !text::is_blank(*after) && *after != '\n')) [[unlikely]] {
        return fail(at, concat("found ", text::word_at(at, end), " as the ", axis == 0 ? "row" : "column",
                               " of an entry, expected a whole number from 1"));
      }
      if (place[axis] - 1 >= dims[axis]) [[unlikely]] {
        return fail(at, concat(axis == 0 ? "row " : "column ", place[axis], " is not between 1 and ", dims[axis]));
      }
      indices[count * rank + axis] = static_cast<int64_t>(place[axis] - 1);
      at = text::skip_blanks(after, end);
    }
    if (rank > 0 && pattern) {
      values[count] = T(1);
    } else {
      const char* const after = parse_value(at, end, values[count]);
      if (after == nullptr || (after != end && !text::is_blank(*after) && *after != '\n')) [[unlikely]] {
        return fail(at, concat("found ", text::word_at(at, end), " as a value, expected a number of field ", field_name(header.field)));
      }
      at = text::skip_blanks(after, end);
    }
    if (at != end && *at != '\n') [[unlikely]]
      return fail(at, concat("found ", text::word_at(at, end), ", expected the end of the line"));
    if (skew && rank == 2 && place[0] == place[1] && values[count] != T(0)) [[unlikely]] {
      return fail(at, "an entry on the diagonal of a skew-symmetric matrix, which is zero");
    }
    ++count;
  }
  piece.count = count;
}

template <class T>
struct Lines {
  MutableBuffer indices, values;
};

// The body's lines in file order, in pieces where there are threads.
template <class T, size_t rank>
Result<Lines<T>> read_lines(std::string_view whole, const Header& header, size_t capacity, ThreadPool* pool) {
  const std::string_view body = whole.substr(header.body);
  const auto wanted = static_cast<size_t>(header.count);
  std::vector<Piece> pieces;
  if (pool == nullptr || pool->size() == 1 || body.size() < 2 * kPiece) {
    pieces.emplace_back().text = body;
    pieces[0].room = wanted;
  } else {
    for (const std::string_view piece : text::split_lines(body, kPiece)) pieces.emplace_back().text = piece;
    parallel_for(pool, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Piece& piece = pieces[static_cast<size_t>(i)];
        piece.room = text::count_bytes(piece.text, '\n', '\n').first + 1;
      }
    });
    size_t room = 0;
    for (Piece& piece : pieces) {
      piece.first = room;
      room += piece.room;
    }
    capacity = std::max(capacity, room);
  }
  Lines<T> lines;
  FERRY_ASSIGN_OR_RETURN(lines.indices, MutableBuffer::of<int64_t>(capacity * rank));
  FERRY_ASSIGN_OR_RETURN(lines.values, MutableBuffer::of<T>(capacity));
  int64_t* const indices = lines.indices.template as<int64_t>().data();
  T* const values = lines.values.template as<T>().data();
  parallel_for(pool, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Piece& piece = pieces[static_cast<size_t>(i)];
      parse_lines<T, rank>(whole, header, piece, indices + piece.first * rank, values + piece.first);
    }
  });
  size_t count = 0;
  for (const Piece& piece : pieces) {
    FERRY_RETURN_IF_ERROR(piece.status);
    if (count + piece.count > wanted) {
      // Some thread read past the announced count: read this piece again with the room that is left, for the place.
      Piece last = piece;
      last.room = wanted - count;
      parse_lines<T, rank>(whole, header, last, indices + piece.first * rank, values + piece.first);
      return last.status;
    }
    if (piece.first != count) {
      std::memmove(indices + count * rank, indices + piece.first * rank, piece.count * rank * sizeof(int64_t));
      std::memmove(values + count, values + piece.first, piece.count * sizeof(T));
    }
    count += piece.count;
  }
  if (count != wanted) {
    return text::error_at(whole, whole.data() + whole.size(),
                          concat("the file ends after ", count, " of ", wanted, " announced ", header.array ? "elements" : "entries"));
  }
  return lines;
}

// The element across the diagonal.
template <class T>
T mirrored(T value, Symmetry symmetry) {
  if (symmetry == Symmetry::skew_symmetric) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(0 - static_cast<uint64_t>(value));
    } else {
      return -value;
    }
  }
  if constexpr (is_complex_v<T>) {
    if (symmetry == Symmetry::hermitian) return std::conj(value);
  }
  return value;
}

template <class T>
Result<DenseTensor> read_array(std::string_view text, const Header& header, const ReadOptions& options) {
  const auto rows = static_cast<size_t>(header.rows), columns = static_cast<size_t>(header.columns);
  const size_t count = rows * columns;
  if (count > options.limits.max_tensor_bytes / sizeof(T)) {
    return limit_exceeded(
        concat(count, " elements exceed the limit on one tensor (max_tensor_bytes), ", options.limits.max_tensor_bytes, " bytes"));
  }
  FERRY_ASSIGN_OR_RETURN(Lines<T> lines, (read_lines<T, 0>(text, header, static_cast<size_t>(header.count), options.pool)));
  const Shape shape = header.vector ? Shape{header.rows} : Shape{header.rows, header.columns};
  if (header.symmetry == Symmetry::general && (rows <= 1 || columns <= 1)) {
    lines.values.truncate(count * sizeof(T));
    return DenseTensor::make(dtype_of<T>(), shape, std::move(lines.values).freeze());
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<T>(count));
  const T* in = lines.values.template as<T>().data();
  T* const to = out.as<T>().data();
  if (header.symmetry == Symmetry::general) {
    constexpr size_t kTile = 32;  // columns become rows tile by tile, so that both sides stay in the cache
    for (size_t row = 0; row < rows; row += kTile) {
      for (size_t column = 0; column < columns; column += kTile) {
        for (size_t r = row; r < std::min(rows, row + kTile); ++r) {
          for (size_t c = column; c < std::min(columns, column + kTile); ++c) to[r * columns + c] = in[c * rows + r];
        }
      }
    }
  } else {
    const bool skew = header.symmetry == Symmetry::skew_symmetric;
    for (size_t column = 0; column < columns; ++column) {
      if (skew) to[column * columns + column] = T(0);
      for (size_t row = column + (skew ? 1 : 0); row < rows; ++row, ++in) {
        to[column * columns + row] = mirrored(*in, header.symmetry);
        to[row * columns + column] = *in;
      }
    }
  }
  return DenseTensor::make(dtype_of<T>(), shape, std::move(out).freeze());
}

template <class T>
Result<SparseTensor> read_coordinates(std::string_view text, const Header& header, const ReadOptions& options) {
  const size_t rank = header.vector ? 1 : 2;
  const auto count = static_cast<size_t>(header.count);
  const size_t most = header.symmetry == Symmetry::general ? count : 2 * count;
  const size_t entry = std::max(sizeof(T), rank * sizeof(int64_t));
  if (most > options.limits.max_tensor_bytes / entry) {
    return limit_exceeded(
        concat(most, " entries exceed the limit on one tensor (max_tensor_bytes), ", options.limits.max_tensor_bytes, " bytes"));
  }
  auto read = header.vector ? read_lines<T, 1>(text, header, most, options.pool) : read_lines<T, 2>(text, header, most, options.pool);
  FERRY_ASSIGN_OR_RETURN(Lines<T> lines, std::move(read));
  size_t total = count;
  if (header.symmetry != Symmetry::general) {
    int64_t* const indices = lines.indices.template as<int64_t>().data();
    T* const values = lines.values.template as<T>().data();
    for (size_t i = 0; i < count; ++i) {
      if (indices[2 * i] == indices[2 * i + 1]) continue;
      indices[2 * total] = indices[2 * i + 1];
      indices[2 * total + 1] = indices[2 * i];
      values[total++] = mirrored(values[i], header.symmetry);
    }
  }
  lines.indices.truncate(total * rank * sizeof(int64_t));
  lines.values.truncate(total * sizeof(T));
  const auto entries = static_cast<int64_t>(total);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices,
                         DenseTensor::make(DType::int64, Shape{entries, static_cast<int64_t>(rank)}, std::move(lines.indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, DenseTensor::make(dtype_of<T>(), Shape{entries}, std::move(lines.values).freeze()));
  return SparseTensor::coo(header.vector ? Shape{header.rows} : Shape{header.rows, header.columns}, std::move(indices), std::move(values));
}

// The shape that the note says a matrix of one column had.
Result<Shape> noted_shape(const Header& header, const Shape& shape) {
  const std::string* rank = header.note.find("rank");
  if (rank == nullptr || *rank == "2" || shape.rank() != 2) return shape;
  if (*rank == "1" && shape[1] == 1) return Shape{shape[0]};
  if (*rank == "0" && shape[0] == 1 && shape[1] == 1) return Shape{};
  return data_loss(concat("the note says rank ", quoted(*rank), ", the matrix has shape ", shape.to_string()));
}

Result<Tensor> read_tensor(std::string_view text, const Header& header, const ReadOptions& options) {
  const std::string* noted = header.note.find("dtype");
  const std::string_view asked = options.format.get("dtype", noted == nullptr ? std::string_view() : std::string_view(*noted));
  FERRY_ASSIGN_OR_RETURN(const DType dtype, text::dtype_option(asked, "dtype", default_dtype(header.field)));
  if ((dtype_class(dtype) == DTypeClass::kComplex) != (header.field == Field::complex)) {
    return unsupported(concat("field ", field_name(header.field), " cannot be read as ", dtype_name(dtype)));
  }
  return text::visit_carrier(dtype, [&]<class T>(TypeTag<T>) -> Result<Tensor> {
    if (header.array) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor dense, read_array<T>(text, header, options));
      FERRY_ASSIGN_OR_RETURN(dense, text::narrow(std::move(dense), dtype));
      FERRY_ASSIGN_OR_RETURN(Shape shape, noted_shape(header, dense.shape()));
      FERRY_ASSIGN_OR_RETURN(dense, dense.reshaped(std::move(shape)));
      return Tensor(std::move(dense));
    }
    FERRY_ASSIGN_OR_RETURN(SparseTensor x, read_coordinates<T>(text, header, options));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, text::narrow(x.values(), dtype));
    FERRY_ASSIGN_OR_RETURN(const Shape shape, noted_shape(header, x.shape()));
    if (shape.rank() == 1 && x.rank() == 2) {
      FERRY_ASSIGN_OR_RETURN(MutableBuffer rows, MutableBuffer::of<int64_t>(static_cast<size_t>(x.nnz())));
      for (size_t i = 0; i < static_cast<size_t>(x.nnz()); ++i) rows.as<int64_t>()[i] = x.coordinates()[2 * i];
      FERRY_ASSIGN_OR_RETURN(DenseTensor indices, DenseTensor::make(DType::int64, Shape{x.nnz(), 1}, std::move(rows).freeze()));
      FERRY_ASSIGN_OR_RETURN(x, SparseTensor::coo(shape, std::move(indices), std::move(values)));
    } else {
      FERRY_ASSIGN_OR_RETURN(x, x.with_values(std::move(values)));
    }
    x = x.with_order(find_order(x, options.pool));
    FERRY_RETURN_IF_ERROR(x.validate(options.validation));
    const std::string* layout = header.note.find("layout");
    if (layout != nullptr && (*layout == "csr" || *layout == "csc") && x.rank() == 2) {
      const std::string* index = header.note.find("index");
      const bool csr = *layout == "csr";
      // A compressed layout has a pointer for each row: a short file must not ask for billions of them. It stays COO then.
      if (static_cast<uint64_t>(x.shape()[csr ? 0 : 1]) > (uint64_t{1} << 20) + uint64_t{16} * text.size()) return Tensor(std::move(x));
      const auto index_dtype = index == nullptr ? std::nullopt : dtype_from_name(*index);
      if (index_dtype && *index_dtype != DType::int32 && *index_dtype != DType::int64) {
        return data_loss(concat("the note says index=", *index, ", expected int32 or int64"));
      }
      FERRY_ASSIGN_OR_RETURN(x, to_layout(x, csr ? Layout::csr : Layout::csc, index_dtype, options.pool));
      x = x.with_order(find_order(x, options.pool));
    }
    return Tensor(std::move(x));
  });
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source->view(0, source->size()));
  FERRY_ASSIGN_OR_RETURN(const Header header, parse_header(bytes.text()));
  FERRY_ASSIGN_OR_RETURN(Tensor tensor, read_tensor(bytes.text(), header, options));
  Metadata metadata;
  if (header.field == Field::pattern) metadata.set("field", "pattern");
  if (header.symmetry != Symmetry::general) metadata.set("symmetry", symmetry_name(header.symmetry));
  TensorMap out;
  FERRY_RETURN_IF_ERROR(out.add("", std::move(tensor), std::move(metadata)));
  return reader_of(std::move(out));
}

Sniff sniff(std::span<const std::byte> head) {
  constexpr std::string_view kBanner = "%%matrixmarket";
  if (head.size() < kBanner.size()) return Sniff::no;
  for (size_t i = 0; i < kBanner.size(); ++i) {
    const char c = static_cast<char>(head[i]);
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != kBanner[i]) return Sniff::no;
  }
  return Sniff::certain;
}

// ---- Writing

template <class T>
constexpr Field field_of() {
  return is_complex_v<T>               ? Field::complex
         : std::is_floating_point_v<T> ? Field::real
         : std::is_unsigned_v<T>       ? Field::unsigned_integer
                                       : Field::integer;
}

template <class T>
char* print_value(char* at, T value) {
  if constexpr (is_complex_v<T>) {
    at = print_number(at, value.real());
    *at++ = ' ';
    return print_number(at, value.imag());
  } else {
    return print_number(at, value);
  }
}

template <class T>
void put_line(text::Writer& out, int64_t row, int64_t column, T value) {
  char* at = out.room(4 * kNumberText + 4);
  at = print_number(at, row + 1);
  *at++ = ' ';
  at = print_number(at, column + 1);
  *at++ = ' ';
  at = print_value(at, value);
  *at++ = '\n';
  out.done(at);
}

template <class T, class Index>
void put_compressed(text::Writer& out, const SparseTensor& x, const T* values) {
  const auto indptr = x.indptr().values<Index>(), indices = x.indices().values<Index>();
  const bool csr = x.layout() == Layout::csr;
  for (size_t major = 0; major + 1 < indptr.size(); ++major) {
    for (auto i = static_cast<size_t>(indptr[major]); i < static_cast<size_t>(indptr[major + 1]); ++i) {
      const auto minor = static_cast<int64_t>(indices[i]);
      put_line(out, csr ? static_cast<int64_t>(major) : minor, csr ? minor : static_cast<int64_t>(major), values[i]);
    }
  }
}

template <class T>
void put_sparse(text::Writer& out, const SparseTensor& x, const T* values) {
  if (x.layout() == Layout::coo) {
    const int64_t* at = x.coordinates();
    for (int64_t i = 0; i < x.nnz(); ++i, at += x.rank()) put_line(out, at[0], x.rank() == 2 ? at[1] : 0, values[i]);
  } else if (x.index_dtype() == DType::int32) {
    put_compressed<T, int32_t>(out, x, values);
  } else {
    put_compressed<T, int64_t>(out, x, values);
  }
}

template <class T>
void put_dense(text::Writer& out, int64_t rows, int64_t columns, const T* values) {
  if (rows == 0) return;  // there may be 10^11 columns of nothing
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t row = 0; row < rows; ++row) {
      char* at = print_value(out.room(2 * kNumberText + 2), values[row * columns + column]);
      *at++ = '\n';
      out.done(at);
    }
  }
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  const Tensor& tensor = tensors[0].tensor;
  FERRY_RETURN_IF_ERROR(validate(tensor, Validation::bounds));
  FERRY_ASSIGN_OR_RETURN(const bool with_note, options.format.get_bool("note", true));
  const Shape shape = shape_of(tensor);
  const auto* sparse = std::get_if<SparseTensor>(&tensor);
  if (shape.rank() > 2 || (sparse != nullptr && shape.rank() == 0)) {
    return unsupported(
        concat("mtx holds a matrix, a tensor of shape ", shape.to_string(), " is none; formats that hold it: npz, json, csv"));
  }
  const int64_t rows = shape.rank() == 0 ? 1 : shape[0], columns = shape.rank() == 2 ? shape[1] : 1;
  FERRY_ASSIGN_OR_RETURN(const DenseTensor values, text::widen(sparse != nullptr ? sparse->values() : std::get<DenseTensor>(tensor)));
  text::Writer out(sink);
  text::visit_carrier(values.dtype(), [&]<class T>(TypeTag<T>) {
    constexpr Field field = field_of<T>();
    out.put(concat("%%MatrixMarket matrix ", sparse != nullptr ? "coordinate " : "array ", field_name(field), " general\n"));
    Metadata note;
    if (dtype_of(tensor) != default_dtype(field)) note.set("dtype", dtype_name(dtype_of(tensor)));
    if (shape.rank() != 2) note.set("rank", concat(shape.rank()));
    if (sparse != nullptr && sparse->layout() != Layout::coo) {
      note.set("layout", layout_name(sparse->layout()));
      note.set("index", dtype_name(sparse->index_dtype()));
    }
    if (with_note && !note.empty()) out.put(concat("%", text::note_text(note), "\n"));
    if (sparse != nullptr) {
      out.put(concat(rows, " ", columns, " ", sparse->nnz(), "\n"));
      put_sparse<T>(out, *sparse, values.values<T>().data());
    } else {
      out.put(concat(rows, " ", columns, "\n"));
      put_dense<T>(out, rows, columns, values.values<T>().data());
    }
  });
  return out.finish();
}

constexpr std::string_view kExtensions[] = {".mtx", ".mm"};
constexpr OptionSpec kOptions[] = {
    {"dtype", "DTYPE", "dtype of the values that are read (float64, int64, uint64 or complex128, by the field)"},
    {"note", "true|false", "write a comment with what the format has no word for: dtype, layout, rank (true)"},
};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "mtx",
    .summary = "Matrix Market: one sparse or dense matrix as text",
    .readers = "SciPy, MATLAB, Julia, R",
    .extensions = kExtensions,
    .capabilities = {.kinds = {.dense = true, .coo = true, .csr = true, .csc = true, .ragged = false},
                     .dtypes = DTypeSet::fixed_size(),
                     .names = false,
                     .metadata = false,
                     .many = false,
                     .streams = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::mtx
