// SparseReduceSum, SparseReduceMax, and their forms with a sparse result.
#include <algorithm>
#include <array>

#include "ops/coo.h"
#include "ops/elementwise.h"

namespace ferry::ops {
namespace {

struct Axes {
  std::vector<size_t> kept;
  Shape shape;  // of the result: axes that were reduced are left out, or 1
};

Result<Axes> axes_of(Call& call, const Coo& x, bool keep_dims) {
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> given, call.integers(3));
  if (call.shape(3).rank() > 1)
    return invalid_argument(concat("reduction_axes must be a scalar or a vector, its shape is ", call.shape(3).to_string()));
  std::vector<bool> reduced(x.rank, false);
  const auto rank = static_cast<int64_t>(x.rank);
  for (int64_t axis : given) {
    const int64_t at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank)
      return invalid_argument(concat("Invalid reduction dimension ", axis, ", for input with ", rank, " dimensions."));
    reduced[static_cast<size_t>(at)] = true;
  }
  Axes out;
  for (size_t axis = 0; axis < x.rank; ++axis) {
    if (!reduced[axis]) out.kept.push_back(axis);
    if (!reduced[axis] || keep_dims) out.shape.append(reduced[axis] ? 1 : x.shape[axis]);
  }
  return out;
}

// Numbers of entries, those of one group side by side, groups in the order of their coordinates.
std::vector<int64_t> grouped(const Coo& x, const Axes& axes) {
  std::vector<int64_t> out(static_cast<size_t>(x.nnz));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int64_t>(i);
  std::ranges::stable_sort(out, [&](int64_t a, int64_t b) {
    for (size_t axis : axes.kept) {
      if (x.row(a)[axis] != x.row(b)[axis]) return x.row(a)[axis] < x.row(b)[axis];
    }
    return false;
  });
  return out;
}

template <bool kLargest, class T>
T combined(std::span<const T> values, std::span<const int64_t> group) {
  auto out = load(values[static_cast<size_t>(group[0])]);
  for (int64_t i : group.subspan(1)) {
    const auto next = load(values[static_cast<size_t>(i)]);
    if constexpr (kLargest) {
      out = std::max(out, next);
    } else {
      out = wrapping(out, next, [](auto a, auto b) { return a + b; });
    }
  }
  return store<T>(out);
}

template <bool kLargest, bool kSparse, class T>
Status reduce(Call& call, bool keep_dims) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
  FERRY_RETURN_IF_ERROR(x.check_range());
  FERRY_ASSIGN_OR_RETURN(const Axes axes, axes_of(call, x, keep_dims));
  const auto values = call.values<T>(1);
  const std::vector<int64_t> order = grouped(x, axes);
  std::vector<std::pair<size_t, size_t>> groups;
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const auto same = [&](int64_t a, int64_t b) {
      return std::ranges::all_of(axes.kept, [&](size_t axis) { return x.row(a)[axis] == x.row(b)[axis]; });
    };
    while (end < order.size() && same(order[begin], order[end])) ++end;
    groups.emplace_back(begin, end);
  }
  const auto value_of = [&](const auto& group) {
    return combined<kLargest, T>(values, std::span(order).subspan(group.first, group.second - group.first));
  };
  if constexpr (kSparse) {
    const size_t rank = axes.shape.rank();
    FERRY_ASSIGN_OR_RETURN(const auto rows,
                           call.make<int64_t>(0, DType::int64, Shape{static_cast<int64_t>(groups.size()), static_cast<int64_t>(rank)}));
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(1, dtype_of<T>(), Shape{static_cast<int64_t>(groups.size())}));
    std::ranges::fill(rows, int64_t{0});
    for (size_t g = 0; g < groups.size(); ++g) {
      const int64_t* row = x.row(order[groups[g].first]);
      for (size_t k = 0; k < axes.kept.size(); ++k) rows[g * rank + (keep_dims ? axes.kept[k] : k)] = row[axes.kept[k]];
      out[g] = value_of(groups[g]);
    }
    call.set(2, shape_tensor(axes.shape));
  } else {
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), axes.shape));
    std::fill(out.begin(), out.end(), T{});
    for (const auto& group : groups) {
      const int64_t* row = x.row(order[group.first]);
      int64_t at = 0;
      for (size_t axis : axes.kept) at = at * x.shape[axis] + row[axis];
      out[static_cast<size_t>(at)] = value_of(group);
    }
  }
  return {};
}

class ReduceKernel final : public Kernel {
 public:
  using Loop = Status (*)(Call&, bool);
  ReduceKernel(Loop loop, bool keep_dims) : loop_(loop), keep_dims_(keep_dims) {}
  Status run(Call& call) const override { return loop_(call, keep_dims_); }

 private:
  Loop loop_;
  bool keep_dims_;
};

template <bool kLargest, bool kSparse>
Result<KernelRef> make_reduce(const NodeInfo& node) {
  KernelRef out;
  using List = std::conditional_t<kLargest, Reals, Numbers>;
  with_type(node.type("T"), List{},
            [&]<class T>(TypeTag<T>) { out = std::make_unique<ReduceKernel>(reduce<kLargest, kSparse, T>, node.flag("keep_dims")); });
  if (out == nullptr) return no_kernel(node.op(), node.type("T"));
  return out;
}

}  // namespace

extern const Op SparseReduceSum_op, SparseReduceSumSparse_op, SparseReduceMax_op, SparseReduceMaxSparse_op;
const Op SparseReduceSum_op{"SparseReduceSum", make_reduce<false, false>};
const Op SparseReduceSumSparse_op{"SparseReduceSumSparse", make_reduce<false, true>};
const Op SparseReduceMax_op{"SparseReduceMax", make_reduce<true, false>};
const Op SparseReduceMaxSparse_op{"SparseReduceMaxSparse", make_reduce<true, true>};

}  // namespace ferry::ops
