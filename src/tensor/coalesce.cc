// One entry a coordinate.
#include <algorithm>
#include <vector>

#include "ferry/sparse.h"
#include "tensor/arithmetic.h"
#include "tensor/entries.h"

namespace ferry {
namespace {

// The coordinate of entry i, whatever the layout.
Shape coordinate_of(const SparseTensor& x, int64_t i) {
  if (x.layout() == Layout::coo) return Shape(std::span(x.coordinates() + static_cast<size_t>(i) * x.rank(), x.rank()));
  const auto find = [&]<class Index>(std::span<const Index> indptr, std::span<const Index> indices) {
    const auto after = std::upper_bound(indptr.begin(), indptr.end(), static_cast<Index>(i));
    const int64_t major = after - indptr.begin() - 1;
    const auto minor = static_cast<int64_t>(indices[static_cast<size_t>(i)]);
    return x.layout() == Layout::csr ? Shape{major, minor} : Shape{minor, major};
  };
  if (x.index_dtype() == DType::int32) return find(x.indptr().values<int32_t>(), x.indices().values<int32_t>());
  return find(x.indptr().values<int64_t>(), x.indices().values<int64_t>());
}

// Names the first coordinate that is there twice by the entry numbers of the input, as the user knows it.
std::string name_duplicate(const SparseTensor& input, const SparseTensor& sorted, int64_t second) {
  const Shape at = coordinate_of(sorted, second);
  int64_t found[2] = {-1, -1};
  int64_t begin = 0, end = input.nnz();
  for (int64_t i = begin, seen = 0; i < end && seen < 2; ++i) {
    if (coordinate_of(input, i) == at) found[seen++] = i;
  }
  return same_place(found[0], found[1], at);
}

// Where each coordinate's first entry is, in a sorted tensor; the number of entries closes the list.
std::vector<int64_t> find_groups(const SparseTensor& x) {
  std::vector<int64_t> starts;
  starts.reserve(static_cast<size_t>(x.nnz()) + 1);
  if (x.layout() == Layout::coo) {
    const size_t rank = x.rank();
    const int64_t* at = x.coordinates();
    for (int64_t i = 0; i < x.nnz(); ++i, at += rank) {
      if (i == 0 || !std::equal(at, at + rank, at - rank)) starts.push_back(i);
    }
  } else {
    const auto scan = [&]<class Index>(std::span<const Index> indptr, std::span<const Index> indices) {
      for (size_t row = 0; row + 1 < indptr.size(); ++row) {
        for (auto i = static_cast<size_t>(indptr[row]); i < static_cast<size_t>(indptr[row + 1]); ++i) {
          if (i == static_cast<size_t>(indptr[row]) || indices[i] != indices[i - 1]) starts.push_back(static_cast<int64_t>(i));
        }
      }
    };
    if (x.index_dtype() == DType::int32) {
      scan(x.indptr().values<int32_t>(), x.indices().values<int32_t>());
    } else {
      scan(x.indptr().values<int64_t>(), x.indices().values<int64_t>());
    }
  }
  starts.push_back(x.nnz());
  return starts;
}

template <class T>
T reduce_group(const T* from, int64_t begin, int64_t end, Duplicates rule) {
  if (rule == Duplicates::sum) {
    if (end - begin == 1) return from[begin];  // its very bits, NaN payload and all
    auto sum = to_arithmetic(from[begin]);
    for (int64_t i = begin + 1; i < end; ++i) sum = add_elements(sum, to_arithmetic(from[i]));
    return static_cast<T>(sum);
  }
  T best = from[begin];
  if constexpr (!is_complex_v<T>) {
    for (int64_t i = begin + 1; i < end; ++i) {
      if (rule == Duplicates::max ? beats<true>(from[i], best) : beats<false>(from[i], best)) best = from[i];
    }
  }
  return best;
}

Result<DenseTensor> reduce_values(const DenseTensor& values, std::span<const int64_t> starts, Duplicates rule, ThreadPool* pool) {
  const size_t groups = starts.size() - 1;
  if (rule == Duplicates::first) return gather_values(values, starts.first(groups), pool);
  if (rule == Duplicates::last) {
    std::vector<int64_t> lasts(groups);
    for (size_t i = 0; i < groups; ++i) lasts[i] = starts[i + 1] - 1;
    return gather_values(values, std::span<const int64_t>(lasts), pool);
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(groups * dtype_size(values.dtype())));
  visit_element(values.dtype(), [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    const T* from = static_cast<const T*>(values.raw());
    T* to = reinterpret_cast<T*>(out.data());
    parallel_for(pool, static_cast<int64_t>(groups), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto g = static_cast<size_t>(i);
        to[i] = reduce_group(from, starts[g], starts[g + 1], rule);
      }
    });
  });
  return DenseTensor::make(values.dtype(), Shape{static_cast<int64_t>(groups)}, std::move(out).freeze());
}

template <class Index>
Result<SparseTensor> gather_compressed(const SparseTensor& x, std::span<const int64_t> starts, DenseTensor values) {
  const auto groups = starts.first(starts.size() - 1);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer pointer_buffer, MutableBuffer::of<Index>(static_cast<size_t>(x.indptr().num_elements())));
  const auto from = x.indptr().values<Index>();
  const auto to = pointer_buffer.as<Index>();
  for (size_t row = 0, group = 0; row < from.size(); ++row) {
    while (group < groups.size() && groups[group] < static_cast<int64_t>(from[row])) ++group;
    to[row] = static_cast<Index>(group);
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, to_vector<Index>(std::move(pointer_buffer)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, gather_values(x.indices(), groups));
  return SparseTensor::compressed(x.layout(), x.shape(), std::move(indptr), std::move(indices), std::move(values), {true, true});
}

// Why the rule cannot be applied to the dtype, and what can.
Status check_rule(DType dtype, Duplicates rule) {
  if (rule == Duplicates::sum && !can_sum(dtype)) {
    return unsupported(concat(dtype_name(dtype), " values cannot be summed; keep the first or the last"));
  }
  if ((rule == Duplicates::min || rule == Duplicates::max) && !can_order(dtype)) {
    return unsupported(concat(dtype_name(dtype), " values have no smallest or largest here; keep the first or the last"));
  }
  return {};
}

}  // namespace

Result<SparseTensor> coalesce(const SparseTensor& x, Duplicates rule, ThreadPool* pool) {
  FERRY_ASSIGN_OR_RETURN(const SparseTensor sorted, sort(x, pool));
  const Order order = find_order(sorted, pool);
  if (order.unique) return sorted.with_order(order);
  const std::vector<int64_t> starts = find_groups(sorted);
  const auto second = [&] {
    size_t group = 0;
    while (starts[group + 1] - starts[group] == 1) ++group;
    return starts[group] + 1;
  };
  if (rule == Duplicates::error) {
    return invalid_argument(concat(name_duplicate(x, sorted, second()), "; choose what to keep: sum, first, last, min or max"));
  }
  if (const Status status = check_rule(x.dtype(), rule); !status.ok()) {
    return status.with_context(name_duplicate(x, sorted, second()));
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, reduce_values(sorted.values(), starts, rule, pool));
  if (x.layout() != Layout::coo) {
    if (x.index_dtype() == DType::int32) return gather_compressed<int32_t>(sorted, starts, std::move(values));
    return gather_compressed<int64_t>(sorted, starts, std::move(values));
  }
  const auto groups = std::span<const int64_t>(starts).first(starts.size() - 1);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, gather_coordinates(sorted.coordinates(), x.rank(), groups, pool));
  return SparseTensor::coo(x.shape(), std::move(indices), std::move(values), {true, true});
}

}  // namespace ferry
