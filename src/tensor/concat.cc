// concat: several sparse tensors along one axis.
#include <algorithm>
#include <limits>

#include "ferry/sparse.h"
#include "tensor/elements.h"

namespace ferry {
namespace {

using elements::freeze;
using elements::Run;
using elements::visit_index;

struct Plan {
  size_t axis;
  Shape shape;                  // of the result
  std::vector<int64_t> starts;  // of each part on the axis
  int64_t nnz = 0;
  Order all{true, true};  // what is true of each part
};

Result<Plan> make_plan(std::span<const SparseTensor> parts, int64_t axis) {
  if (parts.empty()) return invalid_argument("concat needs at least one tensor");
  const SparseTensor& first = parts[0];
  const auto rank = static_cast<int64_t>(first.rank());
  if (axis < -rank || axis >= rank) {
    return invalid_argument(concat("axis ", axis, " is not one of the ", rank, " axes of shape ", first.shape().to_string()));
  }
  Plan plan;
  plan.axis = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  plan.shape = first.shape();
  int64_t length = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const SparseTensor& part = parts[i];
    if (part.dtype() != first.dtype()) {
      return invalid_argument(concat("part ", i, " is ", dtype_name(part.dtype()), ", the first one ", dtype_name(first.dtype())));
    }
    if (part.layout() != first.layout()) {
      return invalid_argument(
          concat("part ", i, " is ", layout_name(part.layout()), ", the first one ", layout_name(first.layout()), "; convert one of them"));
    }
    bool fits = part.rank() == first.rank();
    for (size_t a = 0; fits && a < first.rank(); ++a) fits = a == plan.axis || part.shape()[a] == first.shape()[a];
    if (!fits) {
      return invalid_argument(concat("part ", i, " has shape ", part.shape().to_string(), ", which does not fit ",
                                     first.shape().to_string(), " on the axes other than ", plan.axis));
    }
    plan.starts.push_back(length);
    if (__builtin_add_overflow(length, part.shape()[plan.axis], &length) || __builtin_add_overflow(plan.nnz, part.nnz(), &plan.nnz)) {
      return invalid_argument(concat("axis ", plan.axis, " of the result would be longer than 63 bits can count"));
    }
    plan.all.sorted &= part.order().sorted;
    plan.all.unique &= part.order().unique;
  }
  plan.shape[plan.axis] = length;
  return plan;
}

Result<DenseTensor> join_values(std::span<const SparseTensor> parts) {
  std::vector<DenseTensor> values;
  values.reserve(parts.size());
  for (const SparseTensor& part : parts) values.push_back(part.values());
  return elements::join(values);
}

Result<SparseTensor> concat_coo(std::span<const SparseTensor> parts, Plan plan, ThreadPool* pool) {
  const size_t rank = plan.shape.rank();
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, join_values(parts));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(static_cast<size_t>(plan.nnz) * rank));
  int64_t* to = indices.as<int64_t>().data();
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t count = static_cast<size_t>(parts[i].nnz()) * rank;
    if (count > 0) std::copy_n(parts[i].coordinates(), count, to);
    for (size_t at = plan.axis; at < count; at += rank) to[at] += plan.starts[i];
    to += count;
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates, freeze<int64_t>(std::move(indices), Shape{plan.nnz, static_cast<int64_t>(rank)}));
  const Order order{plan.all.sorted && (plan.axis == 0 || parts.size() == 1), plan.all.unique};
  FERRY_ASSIGN_OR_RETURN(const SparseTensor joined,
                         SparseTensor::coo(std::move(plan.shape), std::move(coordinates), std::move(values), order));
  return sort(joined, pool);
}

// Along the axis that indptr counts: one indptr after the other.
template <class Out>
Result<SparseTensor> concat_major(std::span<const SparseTensor> parts, Plan plan) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, join_values(parts));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indptr, MutableBuffer::of<Out>(static_cast<size_t>(plan.shape[plan.axis]) + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<Out>(static_cast<size_t>(plan.nnz)));
  Out* pointer = indptr.as<Out>().data();
  Out* index = indices.as<Out>().data();
  *pointer++ = 0;
  int64_t entries = 0;
  for (const SparseTensor& part : parts) {
    visit_index(part.index_dtype(), [&]<class Index>(TypeTag<Index>) {
      for (Index end : part.indptr().values<Index>().subspan(1)) *pointer++ = static_cast<Out>(entries + end);
      for (Index i : part.indices().values<Index>()) *index++ = static_cast<Out>(i);
    });
    entries += part.nnz();
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor new_indptr, freeze<Out>(std::move(indptr)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor new_indices, freeze<Out>(std::move(indices)));
  return SparseTensor::compressed(parts[0].layout(), std::move(plan.shape), std::move(new_indptr), std::move(new_indices),
                                  std::move(values), plan.all);
}

// Along the other axis: each row is the parts' rows side by side.
template <class Out>
Result<SparseTensor> concat_minor(std::span<const SparseTensor> parts, Plan plan) {
  const int64_t major = plan.shape[1 - plan.axis];
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indptr, MutableBuffer::of<Out>(static_cast<size_t>(major) + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<Out>(static_cast<size_t>(plan.nnz)));
  // Rows × parts pieces; the empty ones leave no run.
  std::vector<Run> runs;
  std::vector<int64_t> bases(parts.size());  // of each part in the joined values
  for (size_t i = 1; i < parts.size(); ++i) bases[i] = bases[i - 1] + parts[i - 1].nnz();
  Out* pointer = indptr.as<Out>().data();
  Out* index = indices.as<Out>().data();
  *pointer = 0;
  int64_t entries = 0;
  for (int64_t row = 0; row < major; ++row) {
    for (size_t i = 0; i < parts.size(); ++i) {
      visit_index(parts[i].index_dtype(), [&]<class Index>(TypeTag<Index>) {
        const Index* ends = static_cast<const Index*>(parts[i].indptr().raw());
        const Index* from = static_cast<const Index*>(parts[i].indices().raw());
        const Index begin = ends[row], end = ends[row + 1];
        if (begin == end) return;
        runs.push_back({bases[i] + begin, end - begin, entries});
        for (Index at = begin; at < end; ++at) *index++ = static_cast<Out>(from[at] + plan.starts[i]);
        entries += end - begin;
      });
    }
    *++pointer = static_cast<Out>(entries);
  }
  FERRY_ASSIGN_OR_RETURN(const DenseTensor joined, join_values(parts));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements::take_runs(joined, runs, plan.nnz));
  FERRY_ASSIGN_OR_RETURN(DenseTensor new_indptr, freeze<Out>(std::move(indptr)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor new_indices, freeze<Out>(std::move(indices)));
  return SparseTensor::compressed(parts[0].layout(), std::move(plan.shape), std::move(new_indptr), std::move(new_indices),
                                  std::move(values), plan.all);
}

}  // namespace

Result<SparseTensor> concat(std::span<const SparseTensor> parts, int64_t axis, ThreadPool* pool) {
  FERRY_ASSIGN_OR_RETURN(Plan plan, make_plan(parts, axis));
  if (parts[0].layout() == Layout::coo) return concat_coo(parts, std::move(plan), pool);
  if (parts.size() == 1) return parts[0];
  const size_t major = parts[0].layout() == Layout::csr ? 0 : 1;
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const bool wide = plan.nnz > kMost || plan.shape[1 - major] > kMost ||
                    std::ranges::any_of(parts, [](const SparseTensor& part) { return part.index_dtype() == DType::int64; });
  return visit_index(wide ? DType::int64 : DType::int32, [&]<class Out>(TypeTag<Out>) {
    return plan.axis == major ? concat_major<Out>(parts, std::move(plan)) : concat_minor<Out>(parts, std::move(plan));
  });
}

}  // namespace ferry
