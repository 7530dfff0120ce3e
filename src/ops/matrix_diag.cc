// Diagonals of matrices: taken out, put in, made into matrices; bands kept. Only elements move.
#include <algorithm>
#include <cstring>

#include "ferry/checked.h"
#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// Diagonals `low` to `high` of [rows, columns] matrices (0 the main one, above it positive), as rows of `longest` elements, the highest
// first; shorter ones stand at the left or the right of their row.
struct Band {
  int64_t rows = 0, columns = 0, low = 0, high = 0, longest = 0;
  bool above_left = true, below_left = true;

  int64_t count() const { return high - low + 1; }
  int64_t length(int64_t d) const {
    return std::max<int64_t>(0, std::min(rows + std::min<int64_t>(0, d), columns - std::max<int64_t>(0, d)));
  }
  int64_t offset(int64_t d) const {
    const bool left = (d >= 0 && above_left) || (d <= 0 && below_left);
    return left ? 0 : longest - length(d);
  }
  // Calls each(diagonal's row, place in it, place in the matrix) for every element of the band.
  template <class Each>
  void for_each(Each&& each) const {
    for (int64_t d = high; d >= low; --d) {
      const int64_t n = length(d), first = offset(d), row = std::max<int64_t>(0, -d), column = std::max<int64_t>(0, d);
      for (int64_t i = 0; i < n; ++i) each(high - d, first + i, (row + i) * columns + column + i);
    }
  }
};

Status read_diagonals(const Call& call, size_t k, Band& band) {
  if (call.shape(k).rank() > 1 || call.in(k).num_elements() < 1 || call.in(k).num_elements() > 2) {
    return invalid_argument(
        concat("diag_index must be a scalar or vector with one or two elements, received shape: ", call.shape(k).to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> ends, call.integers(k));
  band.low = ends.front();
  band.high = ends.back();
  if (band.low > band.high) {
    return invalid_argument(concat("lower_diag_index must not be larger than upper_diag_index: ", band.low, " > ", band.high));
  }
  return {};
}

void read_alignment(const NodeInfo& node, Band& band) {
  if (node.spec().attr("align") == nullptr) return;
  const std::string align = node.text("align");
  band.above_left = align.starts_with("LEFT");
  band.below_left = align.ends_with("LEFT");
}

// Of matrices that are there.
Status fit(Band& band, const Shape& shape) {
  band.rows = shape[shape.rank() - 2];
  band.columns = shape[shape.rank() - 1];
  const auto inside = [&](int64_t d) { return (-band.rows < d && d < band.columns) || d == 0; };
  if (!inside(band.low)) {
    return invalid_argument(
        concat("lower_diag_index is out of bound: ", band.low, ". It must be between ", -band.rows, " and ", band.columns));
  }
  if (!inside(band.high)) {
    return invalid_argument(
        concat("upper_diag_index is out of bound: ", band.high, ". It must be between ", -band.rows, " and ", band.columns));
  }
  band.longest = std::min(band.rows + std::min<int64_t>(band.high, 0), band.columns - std::max<int64_t>(band.low, 0));
  return {};
}

template <class T>
void fill_with(std::byte* out, int64_t count, const void* value) {
  std::fill_n(reinterpret_cast<T*>(out), count, *static_cast<const T*>(value));
}
void fill_elements(size_t width, std::byte* out, int64_t count, const void* value) {
  visit_width(width, [&]<class T>(TypeTag<T>) { fill_with<T>(out, count, value); });
}
constexpr std::byte kZeros[16] = {};

// Copies between matrices and the rows of their diagonals.
enum class Way { out_of_matrix, into_matrix };
void copy_band(const Band& band, size_t width, int64_t count, const void* from, void* to, Way way) {
  visit_width(width, [&]<class T>(TypeTag<T>) {
    const int64_t matrix = band.rows * band.columns, diagonals = band.count() * band.longest;
    for (int64_t b = 0; b < count; ++b) {
      const T* const x = static_cast<const T*>(from) + b * (way == Way::out_of_matrix ? matrix : diagonals);
      T* const y = static_cast<T*>(to) + b * (way == Way::out_of_matrix ? diagonals : matrix);
      band.for_each([&](int64_t row, int64_t at, int64_t place) {
        const int64_t in_band = row * band.longest + at;
        if (way == Way::out_of_matrix) {
          y[in_band] = x[place];
        } else {
          y[place] = x[in_band];
        }
      });
    }
  });
}

// Padding of an input, or zeros.
Result<const void*> padding(const Call& call, size_t i) {
  if (call.num_inputs() <= i) return static_cast<const void*>(kZeros);
  if (call.in(i).num_elements() != 1) {
    return invalid_argument(concat("padding_value must be a scalar, received shape ", call.shape(i).to_string()));
  }
  return call.in(i).raw();
}

Shape leading(const Shape& shape, size_t dropped) { return Shape(shape.dims().first(shape.rank() - dropped)); }

Status diagonals_of(Call& call) {
  const DenseTensor& x = call.in(0);
  if (x.shape().rank() < 2) return invalid_argument(concat("input must be at least 2-dim, received shape: ", x.shape().to_string()));
  Band band;
  if (call.num_inputs() > 1) FERRY_RETURN_IF_ERROR(read_diagonals(call, 1, band));
  read_alignment(call.node(), band);
  FERRY_RETURN_IF_ERROR(fit(band, x.shape()));
  FERRY_ASSIGN_OR_RETURN(const void* const pad, padding(call, 2));
  Shape shape = leading(x.shape(), 2);
  const int64_t count = *shape.num_elements();
  if (band.count() > 1) shape.append(band.count());
  shape.append(band.longest);
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), shape));
  const size_t width = dtype_size(x.dtype());
  fill_elements(width, out, *shape.num_elements(), pad);
  copy_band(band, width, count, x.raw(), out, Way::out_of_matrix);
  return {};
}

Status matrix_of_diagonals(Call& call) {
  const DenseTensor& x = call.in(0);
  if (x.shape().rank() < 1) return invalid_argument(concat("diagonal must be at least 1-dim, received shape: ", x.shape().to_string()));
  Band band;
  int64_t rows = -1, columns = -1;
  if (call.num_inputs() > 1) {
    FERRY_RETURN_IF_ERROR(read_diagonals(call, 1, band));
    for (const size_t i : {2, 3}) {
      if (call.shape(i).rank() != 0)
        return invalid_argument(concat(i == 2 ? "num_rows" : "num_cols", " must be a scalar, received shape ", call.shape(i).to_string()));
      int64_t& length = i == 2 ? rows : columns;
      FERRY_ASSIGN_OR_RETURN(length, call.integer(i));
    }
  }
  read_alignment(call.node(), band);
  FERRY_ASSIGN_OR_RETURN(const void* const pad, padding(call, 4));
  const size_t own = band.count() > 1 ? 2 : 1;
  if (x.shape().rank() < own) return invalid_argument(concat("diagonal must be at least 2-dim, received shape: ", x.shape().to_string()));
  if (own == 2 && x.shape()[x.shape().rank() - 2] != band.count()) {
    return invalid_argument(
        "The number of diagonals provided in the input does not match the lower_diag_index and upper_diag_index range.");
  }
  band.longest = x.shape()[x.shape().rank() - 1];
  const int64_t least_rows = band.longest - std::min<int64_t>(band.high, 0), least_columns = band.longest + std::max<int64_t>(band.low, 0);
  if (rows == -1 && columns == -1) {
    rows = columns = std::max(least_rows, least_columns);
  } else if (rows == -1) {
    rows = least_rows;
  } else if (columns == -1) {
    columns = least_columns;
  }
  if (rows < least_rows) return invalid_argument("The number of rows is too small.");
  if (columns < least_columns) return invalid_argument("The number of columns is too small.");
  if (rows != least_rows && columns != least_columns) {
    return invalid_argument("The number of rows or columns is not consistent with the specified d_lower, d_upper, and diagonal.");
  }
  band.rows = rows;
  band.columns = columns;
  Shape shape = leading(x.shape(), own);
  const int64_t count = *shape.num_elements();
  shape.append(rows);
  shape.append(columns);
  FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), shape));
  if (*shape.num_elements() == 0) return {};
  const size_t width = dtype_size(x.dtype());
  fill_elements(width, out, *shape.num_elements(), pad);
  copy_band(band, width, count, x.raw(), out, Way::into_matrix);
  return {};
}

Status with_diagonals(Call& call) {
  const DenseTensor &x = call.in(0), &diagonal = call.in(1);
  if (x.shape().rank() < 2) return invalid_argument(concat("input must be at least 2-dim, received shape: ", x.shape().to_string()));
  Band band;
  if (call.num_inputs() > 2) FERRY_RETURN_IF_ERROR(read_diagonals(call, 2, band));
  read_alignment(call.node(), band);
  FERRY_RETURN_IF_ERROR(fit(band, x.shape()));
  Shape wanted = leading(x.shape(), 2);
  const int64_t count = *wanted.num_elements();
  if (band.count() > 1) wanted.append(band.count());
  wanted.append(band.longest);
  if (!(diagonal.shape() == wanted)) {
    return invalid_argument(
        concat("Either first dimensions of diagonal don't match input.shape[:-2], or diagonal.shape[-1] isn't the longest: expected ",
               wanted.to_string(), ", got ", diagonal.shape().to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), x.shape()));
  const size_t width = dtype_size(x.dtype());
  if (x.num_elements() == 0) return {};
  std::memcpy(out, x.raw(), static_cast<size_t>(x.num_elements()) * width);
  copy_band(band, width, count, diagonal.raw(), out, Way::into_matrix);
  return {};
}

Status band_part(Call& call) {
  const DenseTensor& x = call.in(0);
  const size_t rank = x.shape().rank();
  if (rank < 2) return invalid_argument(concat("input must be at least 2-dim, received shape: ", x.shape().to_string()));
  const int64_t rows = x.shape()[rank - 2], columns = x.shape()[rank - 1];
  int64_t keep[2];
  for (const size_t i : {1, 2}) {
    if (call.shape(i).rank() != 0)
      return invalid_argument(concat(i == 1 ? "num_lower" : "num_upper", " must be scalar, got shape ", call.shape(i).to_string()));
    FERRY_ASSIGN_OR_RETURN(keep[i - 1], call.integer(i));
    const int64_t most = i == 1 ? rows : columns;
    if (keep[i - 1] > most) {
      return invalid_argument(concat(i == 1 ? "num_lower" : "num_upper", " must be negative or less or equal to number of ",
                                     i == 1 ? "rows" : "columns", " (", most, ") got: ", keep[i - 1]));
    }
    if (keep[i - 1] < 0) keep[i - 1] = most;
  }
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), x.shape()));
  if (x.num_elements() == 0) return {};
  visit_width(dtype_size(x.dtype()), [&]<class T>(TypeTag<T>) {
    const T* from = static_cast<const T*>(x.raw());
    T* to = reinterpret_cast<T*>(out);
    for (int64_t r = 0; r < x.num_elements() / columns; ++r, from += columns, to += columns) {
      const int64_t row = r % rows, begin = std::clamp<int64_t>(row - keep[0], 0, columns),
                    end = std::clamp<int64_t>(row + keep[1] + 1, begin, columns);
      std::memset(to, 0, static_cast<size_t>(begin) * sizeof(T));
      std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin) * sizeof(T));
      std::memset(to + end, 0, static_cast<size_t>(columns - end) * sizeof(T));
    }
  });
  return {};
}

// The diagonal of [d…, d…].
Status diag(Call& call) {
  const DenseTensor& x = call.in(0);
  if (x.shape().rank() < 1) return invalid_argument(concat("Input must be at least 1-D, got shape ", x.shape().to_string()));
  std::vector<int64_t> dims(x.shape().begin(), x.shape().end());
  dims.insert(dims.end(), x.shape().begin(), x.shape().end());
  FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(dims, call.run().limits));
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), shape));
  const int64_t n = x.num_elements();
  if (n == 0) return {};
  const size_t width = dtype_size(x.dtype());
  std::memset(out, 0, static_cast<size_t>(n * n) * width);
  copy_band({.rows = n, .columns = n, .longest = n}, width, 1, x.raw(), out, Way::into_matrix);
  return {};
}

Status diag_part(Call& call) {
  const DenseTensor& x = call.in(0);
  const size_t rank = x.shape().rank();
  if (rank % 2 != 0) return invalid_argument(concat("The rank of the tensor should be even, got shape ", x.shape().to_string()));
  const Shape shape(x.shape().dims().first(rank / 2));
  if (!(shape == x.shape().drop_front(rank / 2))) {
    return invalid_argument(concat("Invalid shape ", x.shape().to_string(), ": dimensions of both halves do not match."));
  }
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), shape));
  const int64_t n = *shape.num_elements();
  copy_band({.rows = n, .columns = n, .longest = n}, dtype_size(x.dtype()), 1, x.raw(), out, Way::out_of_matrix);
  return {};
}

// ---- Cross product of vectors of three

template <class T>
void cross_of(const DenseTensor& x, const DenseTensor& y, std::byte* out) {
  using A = Arithmetic<T>;
  const auto product = [](T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<uint64_t>(a) * static_cast<uint64_t>(b);
    } else {
      return to_arithmetic(T(static_cast<A>(to_arithmetic(a) * to_arithmetic(b))));
    }
  };
  T* to = reinterpret_cast<T*>(out);
  for (size_t i = 0; i < x.values<T>().size(); i += 3) {
    const T *const u = x.values<T>().data() + i, *const v = y.values<T>().data() + i;
    *to++ = static_cast<T>(product(u[1], v[2]) - product(u[2], v[1]));
    *to++ = static_cast<T>(product(u[2], v[0]) - product(u[0], v[2]));
    *to++ = static_cast<T>(product(u[0], v[1]) - product(u[1], v[0]));
  }
}

Status cross(Call& call) {
  const DenseTensor &x = call.in(0), &y = call.in(1);
  if (!(x.shape() == y.shape()))
    return invalid_argument(concat("Both inputs must be of same shape: ", x.shape().to_string(), " vs. ", y.shape().to_string()));
  if (x.shape().rank() < 1) return invalid_argument(concat("Input must be at least 1D", x.shape().to_string()));
  if (x.shape()[x.shape().rank() - 1] != 3) return invalid_argument(concat("Cross-products are only defined for 3-element vectors."));
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), x.shape()));
  if (!with_type(x.dtype(), Reals{}, [&]<class T>(TypeTag<T>) { cross_of<T>(x, y, out); })) return no_kernel("Cross", x.dtype());
  return {};
}

}  // namespace

#define FERRY_DIAGONAL_OP(op, run) \
  extern const Op op##_op;         \
  const Op op##_op { #op, make_free < run> }

FERRY_DIAGONAL_OP(MatrixDiag, matrix_of_diagonals);
FERRY_DIAGONAL_OP(MatrixDiagV2, matrix_of_diagonals);
FERRY_DIAGONAL_OP(MatrixDiagV3, matrix_of_diagonals);
FERRY_DIAGONAL_OP(MatrixDiagPart, diagonals_of);
FERRY_DIAGONAL_OP(MatrixDiagPartV2, diagonals_of);
FERRY_DIAGONAL_OP(MatrixDiagPartV3, diagonals_of);
FERRY_DIAGONAL_OP(MatrixSetDiag, with_diagonals);
FERRY_DIAGONAL_OP(MatrixSetDiagV2, with_diagonals);
FERRY_DIAGONAL_OP(MatrixSetDiagV3, with_diagonals);
FERRY_DIAGONAL_OP(MatrixBandPart, band_part);
FERRY_DIAGONAL_OP(Diag, diag);
FERRY_DIAGONAL_OP(DiagPart, diag_part);
FERRY_DIAGONAL_OP(Cross, cross);

}  // namespace ferry::ops
