// gather_rows: rows by number, in any order, as often as asked.
#include <algorithm>

#include "ferry/sparse.h"
#include "tensor/elements.h"

namespace ferry {
namespace {

using elements::freeze;
using elements::Run;
using elements::visit_index;

constexpr int64_t kGrain = 1 << 12;  // rows

Status check_rows(std::span<const int64_t> rows, int64_t limit) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<uint64_t>(rows[i]) >= static_cast<uint64_t>(limit)) {
      return invalid_argument(concat("row ", rows[i], " (number ", i, " of those asked for) is not among the ", limit, " rows"));
    }
  }
  return {};
}

// Sets each run's place in the result and returns the total.
Result<int64_t> lay_out(std::span<Run> runs) {
  int64_t total = 0;
  for (Run& run : runs) {
    run.out = total;
    if (__builtin_add_overflow(total, run.count, &total))
      return limit_exceeded("the rows asked for have more entries than 63 bits can count");
  }
  return total;
}

Result<SparseTensor> gather_csr(const SparseTensor& x, std::span<const int64_t> rows, ThreadPool* pool) {
  return visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) -> Result<SparseTensor> {
    const auto indptr = x.indptr().values<Index>();
    std::vector<Run> runs(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<size_t>(rows[i]);
      runs[i] = {indptr[row], indptr[row + 1] - indptr[row], 0};
    }
    FERRY_ASSIGN_OR_RETURN(const int64_t total, lay_out(runs));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements::take_runs(x.values(), runs, total, pool));
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, elements::take_runs(x.indices(), runs, total, pool));
    // Repeated rows can outgrow int32.
    const DType out_index = total > std::numeric_limits<Index>::max() ? DType::int64 : x.index_dtype();
    return visit_index(out_index, [&]<class Out>(TypeTag<Out>) -> Result<SparseTensor> {
      FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Out>(rows.size() + 1));
      Out* at = out.as<Out>().data();
      for (size_t i = 0; i < rows.size(); ++i) at[i] = static_cast<Out>(runs[i].out);
      at[rows.size()] = static_cast<Out>(total);
      FERRY_ASSIGN_OR_RETURN(DenseTensor new_indptr, freeze<Out>(std::move(out)));
      if constexpr (!std::is_same_v<Out, Index>) {
        FERRY_ASSIGN_OR_RETURN(MutableBuffer wide, MutableBuffer::of<Out>(static_cast<size_t>(total)));
        std::ranges::copy(indices.values<Index>(), wide.as<Out>().begin());
        FERRY_ASSIGN_OR_RETURN(indices, freeze<Out>(std::move(wide)));
      }
      Shape shape{static_cast<int64_t>(rows.size()), x.shape()[1]};
      return SparseTensor::csr(std::move(shape), std::move(new_indptr), std::move(indices), std::move(values), x.order());
    });
  });
}

// Sorted by the first coordinate, so that a row is a range; found by bisection, since there may be more rows than memory.
Result<SparseTensor> gather_coo(const SparseTensor& x, std::span<const int64_t> rows, ThreadPool* pool) {
  const size_t rank = x.rank();
  const int64_t* coordinates = x.coordinates();
  const auto first_not_below = [&](int64_t row, int64_t low) {
    int64_t high = x.nnz();
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (coordinates[static_cast<size_t>(middle) * rank] < row) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  std::vector<Run> runs(rows.size());
  parallel_for(pool, static_cast<int64_t>(rows.size()), kGrain, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const int64_t first = first_not_below(rows[i], 0);
      int64_t last = first;
      // Rows are short as a rule: walk a little, then bisect.
      while (last < x.nnz() && last - first < 64 && coordinates[static_cast<size_t>(last) * rank] == rows[i]) ++last;
      if (last - first == 64) last = first_not_below(rows[i] + 1, last);
      runs[i] = {first, last - first, 0};
    }
  });
  FERRY_ASSIGN_OR_RETURN(const int64_t total, lay_out(runs));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements::take_runs(x.values(), runs, total, pool));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(static_cast<size_t>(total) * rank));
  int64_t* out = indices.as<int64_t>().data();
  parallel_for(pool, static_cast<int64_t>(rows.size()), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Run& run = runs[static_cast<size_t>(i)];
      int64_t* to = out + static_cast<size_t>(run.out) * rank;
      if (run.count > 0) std::copy_n(coordinates + static_cast<size_t>(run.begin) * rank, static_cast<size_t>(run.count) * rank, to);
      for (int64_t entry = 0; entry < run.count; ++entry) to[static_cast<size_t>(entry) * rank] = i;
    }
  });
  Shape shape = x.shape();
  shape[0] = static_cast<int64_t>(rows.size());
  FERRY_ASSIGN_OR_RETURN(DenseTensor new_indices, freeze<int64_t>(std::move(indices), Shape{total, static_cast<int64_t>(rank)}));
  return SparseTensor::coo(std::move(shape), std::move(new_indices), std::move(values), x.order());
}

}  // namespace

Result<SparseTensor> gather_rows(const SparseTensor& x, std::span<const int64_t> rows, ThreadPool* pool) {
  if (x.rank() == 0) return invalid_argument("a scalar has no rows to gather");
  FERRY_RETURN_IF_ERROR(check_rows(rows, x.shape()[0]));
  switch (x.layout()) {
    case Layout::csr: return gather_csr(x, rows, pool);
    case Layout::coo: {
      if (x.order().sorted) return gather_coo(x, rows, pool);
      FERRY_ASSIGN_OR_RETURN(const SparseTensor sorted, sort(x, pool));
      return gather_coo(sorted, rows, pool);
    }
    case Layout::csc: {
      FERRY_ASSIGN_OR_RETURN(const SparseTensor by_row, to_layout(x, Layout::csr, x.index_dtype(), pool));
      FERRY_ASSIGN_OR_RETURN(const SparseTensor gathered, gather_csr(by_row, rows, pool));
      return to_layout(gathered, Layout::csc, gathered.index_dtype(), pool);
    }
  }
  __builtin_unreachable();
}

}  // namespace ferry
