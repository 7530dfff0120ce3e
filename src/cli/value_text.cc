#include "cli/value_text.h"

#include <algorithm>
#include <vector>

#include "cli/context.h"
#include "cli/element_text.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

// Dense elements [begin, …) of `shape` as nested lists. `budget` is how many more may be printed.
class ListPrinter {
 public:
  ListPrinter(Printer& out, const DenseTensor& values, std::string_view separator, size_t indent, int64_t& budget)
      : out_(out), values_(values), text_(element_text(values.dtype())), separator_(separator), indent_(indent), budget_(budget) {}

  // Columns line up where the whole is small enough to be looked at twice.
  void align(int64_t count) {
    constexpr int64_t kLookedAt = 1 << 16;
    if (count > kLookedAt) return;
    for (int64_t i = 0; i < count; ++i) {
      scratch_.clear();
      text_(scratch_, values_, i);
      width_ = std::max(width_, display_width(scratch_));
    }
  }

  // `at` is the first element, `depth` the brackets already open on this line.
  void print(std::span<const int64_t> dims, int64_t at, size_t depth) {
    if (dims.empty()) return element(at);
    int64_t step = 1;
    for (int64_t dim : dims.subspan(1)) step *= dim;
    out_.print("[");
    for (int64_t i = 0; i < dims[0]; ++i) {
      if (out_.failed()) return;
      if (i > 0) next(dims.size(), depth);
      if (budget_ <= 0) {
        out_.print("…");
        break;
      }
      // Rows without elements cost budget too, or a shape of [10^12, 0] would print for ever.
      if (step == 0) --budget_;
      print(dims.subspan(1), at + i * step, depth + 1);
    }
    out_.print("]");
  }

 private:
  void next(size_t rank, size_t depth) {
    out_.print(separator_);
    if (rank == 1) return out_.print(" ");
    for (size_t i = 1; i < rank; ++i) out_.print("\n");  // a blank line between matrices, as NumPy has it
    out_.pad(indent_ + depth + 1);
  }
  void element(int64_t at) {
    --budget_;
    scratch_.clear();
    text_(scratch_, values_, at);
    if (width_ > 0) {
      const size_t own = display_width(scratch_);
      if (own < width_) out_.pad(width_ - own);
    }
    out_.print(std::string_view(scratch_));
  }

  Printer& out_;
  const DenseTensor& values_;
  ElementText text_;
  std::string_view separator_;
  size_t indent_;
  int64_t& budget_;
  size_t width_ = 0;
  std::string scratch_;
};

void print_dense(Printer& out, const DenseTensor& x, int64_t limit) {
  int64_t budget = limit;
  ListPrinter list(out, x, "", 0, budget);
  if (!x.is_string()) list.align(std::min(limit, x.num_elements()));
  list.print(x.shape().dims(), 0, 0);
  out.print("\n");
}

// Calls f(entry, major, minor) over a compressed tensor's first entries, or f(entry, nullptr) over a COO one's.
template <class Index>
void print_compressed(Printer& out, const SparseTensor& x, int64_t limit) {
  const ElementText text = element_text(x.dtype());
  const auto indptr = x.indptr().values<Index>();
  const auto indices = x.indices().values<Index>();
  const bool csr = x.layout() == Layout::csr;
  std::string line;
  int64_t left = limit;
  for (size_t major = 0; major + 1 < indptr.size() && left > 0; ++major) {
    for (auto e = static_cast<int64_t>(indptr[major]); e < static_cast<int64_t>(indptr[major + 1]) && left > 0; ++e, --left) {
      const auto m = static_cast<int64_t>(major);
      const auto n = static_cast<int64_t>(indices[static_cast<size_t>(e)]);
      line = concat("(", csr ? m : n, ", ", csr ? n : m, ")  ");
      text(line, x.values(), e);
      out.print(std::string_view(line), "\n");
      if (out.failed()) return;
    }
  }
}

void print_sparse(Printer& out, const SparseTensor& x, int64_t limit) {
  const int64_t shown = std::min(limit, x.nnz());
  if (x.layout() == Layout::coo) {
    const ElementText text = element_text(x.dtype());
    const int64_t* at = x.coordinates();
    std::string line;
    for (int64_t e = 0; e < shown && !out.failed(); ++e) {
      line = "(";
      for (size_t axis = 0; axis < x.rank(); ++axis) {
        if (axis > 0) line += ", ";
        detail::append_piece(line, at[static_cast<size_t>(e) * x.rank() + axis]);
      }
      line += ")  ";
      text(line, x.values(), e);
      out.print(std::string_view(line), "\n");
    }
  } else if (x.index_dtype() == DType::int32) {
    print_compressed<int32_t>(out, x, limit);
  } else {
    print_compressed<int64_t>(out, x, limit);
  }
  if (shown < x.nnz()) out.print("… ", x.nnz() - shown, " more\n");
}

class RaggedPrinter {
 public:
  RaggedPrinter(Printer& out, const RaggedTensor& x, int64_t limit) : out_(out), x_(x), budget_(limit) {
    inner_.assign(x.flat_values().shape().begin() + 1, x.flat_values().shape().end());
    step_ = 1;
    for (int64_t dim : inner_) step_ *= dim;
  }
  void print() {
    rows(0, 0, x_.rows(), 0);
    out_.print("\n");
  }

 private:
  int64_t split(size_t level, int64_t i) const {
    const DenseTensor& splits = x_.row_splits(level);
    return splits.dtype() == DType::int32 ? splits.values<int32_t>()[static_cast<size_t>(i)]
                                          : splits.values<int64_t>()[static_cast<size_t>(i)];
  }
  void rows(size_t level, int64_t begin, int64_t end, size_t depth) {
    out_.print("[");
    const bool leaves = level == x_.ragged_rank() && inner_.empty();
    for (int64_t i = begin; i < end; ++i) {
      if (out_.failed()) return;
      if (i > begin) {
        out_.print(leaves ? ", " : ",\n");
        if (!leaves) out_.pad(depth + 1);
      }
      if (budget_ <= 0) {
        out_.print("…");
        break;
      }
      if (level == x_.ragged_rank()) {
        if (step_ == 0) --budget_;
        ListPrinter(out_, x_.flat_values(), ",", depth, budget_).print(inner_, i * step_, 0);
      } else {
        const int64_t first = split(level, i), last = split(level, i + 1);
        if (first == last) --budget_;
        rows(level + 1, first, last, depth + 1);
      }
    }
    out_.print("]");
  }

  Printer& out_;
  const RaggedTensor& x_;
  int64_t budget_;
  std::vector<int64_t> inner_;
  int64_t step_;
};

Result<Tensor> first_rows(const DenseTensor& x, int64_t limit) {
  if (x.num_elements() <= limit || x.shape().rank() == 0) return Tensor(x);
  const int64_t row = x.num_elements() / x.shape()[0];
  FERRY_ASSIGN_OR_RETURN(DenseTensor rows, x.slice_rows(0, std::min(x.shape()[0], limit == 0 ? 0 : (limit + row - 1) / row)));
  return Tensor(std::move(rows));
}

Result<SparseTensor> first_entries(const SparseTensor& x, int64_t limit) {
  if (x.nnz() <= limit) return x;
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, x.values().slice_rows(0, limit));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, x.indices().slice_rows(0, limit));
  if (x.layout() == Layout::coo) return SparseTensor::coo(x.shape(), std::move(indices), std::move(values), x.order());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::allocate(x.indptr().num_bytes()));
  const auto cut = [&]<class Index>(TypeTag<Index>) {
    const auto from = x.indptr().values<Index>();
    std::ranges::transform(from, block.as<Index>().begin(), [&](Index at) { return std::min(at, static_cast<Index>(limit)); });
  };
  x.index_dtype() == DType::int32 ? cut(TypeTag<int32_t>{}) : cut(TypeTag<int64_t>{});
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, DenseTensor::make(x.index_dtype(), x.indptr().shape(), std::move(block).freeze()));
  return SparseTensor::compressed(x.layout(), x.shape(), std::move(indptr), std::move(indices), std::move(values), x.order());
}

// Rows from the front while their values fit the limit; inner levels are cut to what those rows use.
Result<Tensor> first_ragged_rows(const RaggedTensor& x, int64_t limit) {
  const auto split = [](const DenseTensor& splits, int64_t i) {
    return splits.dtype() == DType::int32 ? int64_t{splits.values<int32_t>()[static_cast<size_t>(i)]}
                                          : splits.values<int64_t>()[static_cast<size_t>(i)];
  };
  const auto values_before = [&](int64_t row) {
    for (const DenseTensor& splits : x.nested_row_splits()) row = split(splits, row);
    return row;
  };
  int64_t rows = 0;
  while (rows < x.rows() && rows < limit && values_before(rows) < limit) ++rows;
  std::vector<DenseTensor> kept;
  int64_t count = rows;
  for (const DenseTensor& splits : x.nested_row_splits()) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor part, splits.slice_rows(0, count + 1));
    count = split(splits, count);
    kept.push_back(std::move(part));
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, x.flat_values().slice_rows(0, count));
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(kept), std::move(values)));
  return Tensor(std::move(out));
}

}  // namespace

void print_title(Printer& out, bool colour, std::string_view name, const Tensor& tensor) {
  out.print(styled(colour, Style::bold, display_name(name)), ": ", kind_name(kind_of(tensor)), " ", dtype_name(dtype_of(tensor)), " ",
            shape_text(shape_of(tensor)));
  if (kind_of(tensor) != TensorKind::dense) out.print(", ", counted(static_cast<uint64_t>(nnz_of(tensor)), "value"), " stored");
  out.print("\n");
}

void print_values(Printer& out, const Tensor& tensor, int64_t limit) {
  if (const auto* dense = std::get_if<DenseTensor>(&tensor)) {
    print_dense(out, *dense, limit);
  } else if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) {
    print_sparse(out, *sparse, limit);
  } else {
    RaggedPrinter(out, std::get<RaggedTensor>(tensor), limit).print();
  }
}

Result<Tensor> first_values(const Tensor& tensor, int64_t limit) {
  if (const auto* dense = std::get_if<DenseTensor>(&tensor)) return first_rows(*dense, limit);
  if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) {
    FERRY_ASSIGN_OR_RETURN(SparseTensor first, first_entries(*sparse, limit));
    return Tensor(std::move(first));
  }
  return first_ragged_rows(std::get<RaggedTensor>(tensor), limit);
}

}  // namespace ferry::cli
