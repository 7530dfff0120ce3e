// Sparse to dense, for those who asked for it.
#include <algorithm>
#include <cstring>

#include "ferry/checked.h"
#include "ferry/sparse.h"
#include "tensor/arithmetic.h"
#include "tensor/entries.h"

namespace ferry {
namespace {

// Calls visit(entry, flat element number) for entries [begin, end) of x. The element count is known to fit.
template <class Index, class Visit>
void visit_compressed(const SparseTensor& x, int64_t begin, int64_t end, Visit visit) {
  if (begin == end) return;
  const auto indptr = x.indptr().values<Index>();
  const auto indices = x.indices().values<Index>();
  const bool csr = x.layout() == Layout::csr;
  const int64_t width = x.shape()[1];
  auto major = static_cast<size_t>(std::upper_bound(indptr.begin(), indptr.end(), static_cast<Index>(begin)) - indptr.begin() - 1);
  for (int64_t i = begin; i < end; ++major) {
    const int64_t stop = std::min(end, static_cast<int64_t>(indptr[major + 1]));
    const auto m = static_cast<int64_t>(major);
    for (; i < stop; ++i) {
      const auto minor = static_cast<int64_t>(indices[static_cast<size_t>(i)]);
      visit(i, csr ? m * width + minor : minor * width + m);
    }
  }
}

template <class Visit>
void visit_entries(const SparseTensor& x, int64_t begin, int64_t end, Visit visit) {
  if (x.layout() != Layout::coo) {
    if (x.index_dtype() == DType::int32) return visit_compressed<int32_t>(x, begin, end, visit);
    return visit_compressed<int64_t>(x, begin, end, visit);
  }
  const size_t rank = x.rank();
  const int64_t* at = x.coordinates() + static_cast<size_t>(begin) * rank;
  if (rank == 2) {
    const int64_t width = x.shape()[1];
    for (int64_t i = begin; i < end; ++i, at += 2) visit(i, at[0] * width + at[1]);
    return;
  }
  for (int64_t i = begin; i < end; ++i, at += rank) {
    int64_t flat = 0;
    for (size_t axis = 0; axis < rank; ++axis) flat = flat * x.shape()[axis] + at[axis];
    visit(i, flat);
  }
}

// Every coordinate once: stores, in any order, on any thread.
void store_unique(const SparseTensor& x, std::byte* out, ThreadPool* pool) {
  visit_width(dtype_size(x.dtype()), [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    const T* from = static_cast<const T*>(x.values().raw());
    T* to = reinterpret_cast<T*>(out);
    parallel_for(pool, x.nnz(), kGrain,
                 [&](int64_t begin, int64_t end) { visit_entries(x, begin, end, [&](int64_t i, int64_t flat) { to[flat] = from[i]; }); });
  });
}

Result<DenseTensor> strings_to_dense(const SparseTensor& x, int64_t count, const Limits& limits) {
  // Row-major and unique by now, so that the arena is filled in one pass.
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offset_buffer, MutableBuffer::of<int64_t>(static_cast<size_t>(count) + 1));
  const StringsView from = x.values().strings();
  const auto total = static_cast<uint64_t>(from.total_bytes());
  if (total > limits.max_densified_bytes) return limit_exceeded(concat(total, " string bytes exceed the limit (max_densified_bytes)"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(total));
  auto* offsets = reinterpret_cast<int64_t*>(offset_buffer.data());
  int64_t next = 0, used = 0;
  visit_entries(x, 0, x.nnz(), [&](int64_t i, int64_t flat) {
    std::fill(offsets + next, offsets + flat + 1, used);
    const std::string_view text = from[i];
    if (!text.empty()) std::memcpy(bytes.data() + used, text.data(), text.size());
    used += static_cast<int64_t>(text.size());
    next = flat + 1;
  });
  std::fill(offsets + next, offsets + count + 1, used);
  return DenseTensor::make_strings(x.shape(), std::move(offset_buffer).freeze(), std::move(bytes).freeze());
}

}  // namespace

Status to_dense_into(const SparseTensor& x, std::span<std::byte> out, Duplicates rule, ThreadPool* pool) {
  const size_t size = dtype_size(x.dtype());
  if (size == 0) return unsupported(concat(dtype_name(x.dtype()), " elements have no fixed size; use to_dense"));
  const auto count = x.shape().num_elements();
  const auto bytes = count ? checked_mul<uint64_t>(static_cast<uint64_t>(*count), size) : std::nullopt;
  if (!bytes || *bytes != out.size()) {
    return invalid_argument(concat("shape ", x.shape().to_string(), " of ", dtype_name(x.dtype()), " needs ",
                                   bytes ? concat(*bytes) : std::string("more than 2^63"), " bytes, the output has ", out.size()));
  }
  if (reinterpret_cast<uintptr_t>(out.data()) % std::min<size_t>(size, 8) != 0) {
    return invalid_argument("the output is not aligned to its elements");
  }
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  SparseTensor unique = x;
  if (!x.order().unique) {
    FERRY_ASSIGN_OR_RETURN(unique, coalesce(x, rule, pool));
  }
  parallel_for(pool, static_cast<int64_t>(out.size()), int64_t{1} << 20,
               [&](int64_t begin, int64_t end) { std::memset(out.data() + begin, 0, static_cast<size_t>(end - begin)); });
  store_unique(unique, out.data(), pool);
  return {};
}

Result<DenseTensor> to_dense(const SparseTensor& x, Duplicates rule, const Limits& limits, ThreadPool* pool) {
  const auto count = x.shape().num_elements();
  const size_t size = x.values().is_string() ? sizeof(int64_t) : dtype_size(x.dtype());
  const auto bytes = count ? checked_mul<uint64_t>(static_cast<uint64_t>(*count), size) : std::nullopt;
  if (!bytes || *bytes > limits.max_densified_bytes) {
    return limit_exceeded(concat("shape ", x.shape().to_string(), " of ", dtype_name(x.dtype()), " needs ",
                                 bytes ? concat(*bytes) : std::string("more than 2^63"), " bytes when dense, the limit is ",
                                 limits.max_densified_bytes, " (max_densified_bytes); keep it sparse"));
  }
  if (x.values().is_string()) {
    FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
    FERRY_ASSIGN_OR_RETURN(SparseTensor rows, x.layout() == Layout::csc ? to_layout(x, Layout::csr, std::nullopt, pool) : x);
    FERRY_ASSIGN_OR_RETURN(rows, coalesce(rows, rule, pool));
    return strings_to_dense(rows, *count, limits);
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(*bytes));
  FERRY_RETURN_IF_ERROR(to_dense_into(x, {out.data(), out.size()}, rule, pool));
  return DenseTensor::make(x.dtype(), x.shape(), std::move(out).freeze());
}

}  // namespace ferry
