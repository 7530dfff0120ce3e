// How often numbers occur: SparseBincount, RaggedBincount, and the *CountSparseOutput ops.
#include <algorithm>
#include <map>

#include "ops/coo.h"
#include "ops/elementwise.h"
#include "ops/ragged_parts.h"

namespace ferry::ops {
namespace {

// ---- Bincounts: a dense row of `size` counts, or of sums of weights

// Calls f(row, i) for each value; the values' rows are known to be within the result.
struct BincountInput {
  int64_t rows = 1;
  bool flat = false;  // one row, without an axis for it
  std::vector<int64_t> row_of;
};

template <class T, class I>
Status bincount(Call& call, size_t values_at, size_t size_at, size_t weights_at, bool binary, const BincountInput& in) {
  const DenseTensor &held = call.in(values_at), &weights = call.in(weights_at);
  if (call.shape(size_at).rank() > 1 || call.in(size_at).num_elements() != 1) {
    return invalid_argument(concat("Shape must be rank 0 but is rank ", call.shape(size_at).rank()));
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t size, call.integer(size_at));
  if (size < 0) return invalid_argument(concat("size (", size, ") must be non-negative"));
  const bool weighted = weights.num_elements() > 0;
  if (weighted && weights.num_elements() != held.num_elements()) {
    return invalid_argument(concat("weights and values must have the same number of elements, or weights none; they have ",
                                   weights.num_elements(), " and ", held.num_elements()));
  }
  const Shape shape = in.flat ? Shape{size} : Shape{in.rows, size};
  FERRY_RETURN_IF_ERROR(Shape::checked(shape.dims(), call.run().limits).status());
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), shape));
  std::fill(out.begin(), out.end(), T{});
  const auto values = held.values<I>();
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<int64_t>(values[i]);
    if (value < 0) return invalid_argument("Input must be non-negative");
    if (value >= size) continue;
    T& to = out[static_cast<size_t>(in.row_of.empty() ? value : in.row_of[i] * size + value)];
    using A = decltype(load(T{}));
    if (binary) {
      to = store<T>(static_cast<A>(1));
    } else {
      to = store<T>(wrapping(load(to), weighted ? load(weights.values<T>()[i]) : static_cast<A>(1), [](auto a, auto b) { return a + b; }));
    }
  }
  return {};
}

class SparseBincountKernel final : public Kernel {
 public:
  using Loop = Status (*)(Call&, size_t, size_t, size_t, bool, const BincountInput&);
  SparseBincountKernel(Loop loop, bool binary, bool ragged) : loop_(loop), binary_(binary), ragged_(ragged) {}

  Status run(Call& call) const override {
    BincountInput in;
    if (ragged_) {  // splits, values, size, weights
      if (call.shape(1).rank() != 1) return invalid_argument("values must be a vector");
      FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> splits, splits_of(call.in(0), call.shape(1)[0]));
      in.rows = static_cast<int64_t>(splits.size()) - 1;
      for (size_t row = 0; row + 1 < splits.size(); ++row)
        in.row_of.insert(in.row_of.end(), static_cast<size_t>(splits[row + 1] - splits[row]), static_cast<int64_t>(row));
      return loop_(call, 1, 2, 3, binary_, in);
    }
    FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
    if (x.rank == 0 || x.rank > 2) return invalid_argument(concat("Input must be less than or equal to rank 2, it has rank ", x.rank));
    in.flat = x.rank == 1;
    if (x.rank == 2) {
      in.rows = x.shape[0];
      for (int64_t i = 0; i < x.nnz; ++i) {
        if (x.row(i)[0] < 0 || x.row(i)[0] >= in.rows)
          return invalid_argument(
              concat("Index out of bound. `batch` (", x.row(i)[0], ") must be less than the dimension size (", in.rows, ")."));
        in.row_of.push_back(x.row(i)[0]);
      }
    }
    return loop_(call, 1, 3, 4, binary_, in);
  }

 private:
  Loop loop_;
  bool binary_, ragged_;
};

template <bool kRagged>
Result<KernelRef> make_bincount(const NodeInfo& node) {
  KernelRef out;
  with_type(node.type("T"), Numbers{}, [&]<class T>(TypeTag<T>) {
    const bool wide = node.type("Tidx") == DType::int64;
    out = std::make_unique<SparseBincountKernel>(wide ? bincount<T, int64_t> : bincount<T, int32_t>, node.flag("binary_output"), kRagged);
  });
  if (out == nullptr) return no_kernel(node.op(), node.type("T"));
  return out;
}

// ---- *CountSparseOutput: an entry for each number that occurs in a row

enum class Source : uint8_t { dense, sparse, ragged };

class CountKernel final : public Kernel {
 public:
  CountKernel(Source source, int64_t least, int64_t most, bool binary, DType out)
      : source_(source), least_(least), most_(most), binary_(binary), out_(out) {}

  Status run(Call& call) const override {
    const size_t values_at = source_ == Source::dense ? 0 : 1, weights_at = call.num_inputs() - 1;
    const DenseTensor &held = call.in(values_at), &weights = call.in(weights_at);
    const bool weighted = weights.num_elements() > 0;
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> values, call.integers(values_at));
    std::vector<size_t> row_of(values.size(), 0);
    size_t rows = 1;
    bool flat = false;
    if (source_ == Source::dense) {
      const Shape& shape = held.shape();
      if (shape.rank() != 1 && shape.rank() != 2)
        return invalid_argument(concat("Input must be a 1 or 2-dimensional tensor. Got: ", shape.to_string()));
      if (weighted && weights.shape() != shape)
        return invalid_argument(concat("Weights and values must have the same shape. Weight shape: ", weights.shape().to_string(),
                                       "; values shape: ", shape.to_string()));
      flat = shape.rank() == 1;
      if (!flat) {
        rows = static_cast<size_t>(shape[0]);
        for (size_t i = 0; i < row_of.size(); ++i) row_of[i] = i / static_cast<size_t>(shape[1]);
      }
    } else if (source_ == Source::sparse) {
      FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
      if (x.rank != 1 && x.rank != 2) return invalid_argument("Input must be a 1 or 2-dimensional sparse tensor");
      if (x.nnz > 0) FERRY_RETURN_IF_ERROR(x.check_range());
      if (weighted && weights.num_elements() != x.nnz) return invalid_argument("Weights and values must have the same shape");
      flat = x.rank == 1;
      if (!flat) {
        if (static_cast<uint64_t>(x.shape[0]) > call.run().limits.max_tensor_bytes / 64) return limit_exceeded(concat(x.shape[0], " rows"));
        rows = static_cast<size_t>(x.shape[0]);
        for (size_t i = 0; i < row_of.size(); ++i) row_of[i] = static_cast<size_t>(x.row(static_cast<int64_t>(i))[0]);
      }
    } else {
      if (held.shape().rank() != 1) return invalid_argument("values must be a vector");
      FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> splits, splits_of(call.in(0), held.num_elements()));
      if (weighted && weights.shape() != held.shape()) return invalid_argument("Weights and values must have the same shape");
      rows = splits.size() - 1;
      if (rows == 0) return invalid_argument(concat("Must provide at least 2 elements for the splits argument"));
      for (size_t row = 0; row < rows; ++row) std::fill(row_of.begin() + splits[row], row_of.begin() + splits[row + 1], row);
    }
    // Values in the order of rows and numbers; equal ones as they came.
    std::vector<size_t> order;
    int64_t widest = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0) return invalid_argument("Input values must all be non-negative");
      if (most_ > 0 && values[i] >= most_) continue;
      if (values[i] == INT64_MAX) return invalid_argument("Input values must be less than 2^63 - 1");
      widest = std::max(widest, values[i] + 1);
      order.push_back(i);
    }
    std::ranges::stable_sort(order,
                             [&](size_t a, size_t b) { return row_of[a] != row_of[b] ? row_of[a] < row_of[b] : values[a] < values[b]; });
    std::vector<std::pair<size_t, size_t>> groups;
    for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
      while (end < order.size() && row_of[order[end]] == row_of[order[begin]] && values[order[end]] == values[order[begin]]) ++end;
      groups.emplace_back(begin, end);
    }
    const auto entries = static_cast<int64_t>(groups.size());
    FERRY_ASSIGN_OR_RETURN(const auto indices, call.make<int64_t>(0, DType::int64, Shape{entries, flat ? 1 : 2}));
    int64_t* to = indices.data();
    for (const auto& group : groups) {
      if (!flat) *to++ = static_cast<int64_t>(row_of[order[group.first]]);
      *to++ = values[order[group.first]];
    }
    const int64_t width = most_ > 0 ? most_ : std::max(widest, least_);
    call.set(2, shape_tensor(flat ? Shape{width} : Shape{static_cast<int64_t>(rows), width}));
    Status status = no_kernel(call.node().op(), out_);
    with_type(out_, Numbers{}, [&]<class T>(TypeTag<T>) {
      auto made = call.make<T>(1, out_, Shape{entries});
      status = made.ok() ? Status() : made.status();
      using A = decltype(load(T{}));
      for (size_t g = 0; made.ok() && g < groups.size(); ++g) {
        A sum{};
        for (size_t k = groups[g].first; k < groups[g].second; ++k) {
          sum = wrapping(sum, weighted ? load(weights.values<T>()[order[k]]) : static_cast<A>(1), [](auto a, auto b) { return a + b; });
        }
        (*made)[g] = store<T>(binary_ ? static_cast<A>(1) : sum);
      }
    });
    return status;
  }

 private:
  Source source_;
  int64_t least_, most_;
  bool binary_;
  DType out_;
};

template <Source kSource>
Result<KernelRef> make_count(const NodeInfo& node) {
  return KernelRef(std::make_unique<CountKernel>(kSource, node.number("minlength"), node.number("maxlength"), node.flag("binary_output"),
                                                 node.type("output_type")));
}

}  // namespace

extern const Op SparseBincount_op, RaggedBincount_op, DenseCountSparseOutput_op, SparseCountSparseOutput_op, RaggedCountSparseOutput_op;
const Op SparseBincount_op{"SparseBincount", make_bincount<false>};
const Op RaggedBincount_op{"RaggedBincount", make_bincount<true>};
const Op DenseCountSparseOutput_op{"DenseCountSparseOutput", make_count<Source::dense>};
const Op SparseCountSparseOutput_op{"SparseCountSparseOutput", make_count<Source::sparse>};
const Op RaggedCountSparseOutput_op{"RaggedCountSparseOutput", make_count<Source::ragged>};

}  // namespace ferry::ops
