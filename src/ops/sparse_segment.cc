// SparseSegmentSum, Mean, SqrtN, with and without a number of segments: rows of data named by indices, summed by segment.
#include <algorithm>
#include <cmath>

#include "ops/elementwise.h"

namespace ferry::ops {
namespace {

enum class Scale : uint8_t { none, mean, sqrt_n };

struct Segments {
  const DenseTensor& data;
  std::span<const int64_t> indices, ids;
  int64_t count;  // of segments
  Scale scale;
};

template <class T>
Status reduce(Call& call, const Segments& s) {
  using A = decltype(load(T{}));
  Shape shape = s.data.shape();
  shape[0] = s.count;
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), shape));
  std::fill(out.begin(), out.end(), T{});
  if (out.empty()) return {};
  const size_t width = out.size() / static_cast<size_t>(s.count);
  const T* const data = s.data.values<T>().data();
  std::vector<A> wide(std::is_same_v<A, T> ? 0 : width);
  for (size_t i = 0; i < s.ids.size();) {
    const int64_t segment = s.ids[i];
    T* const to = out.data() + static_cast<size_t>(segment) * width;
    A* sums;
    if constexpr (std::is_same_v<A, T>) {
      sums = to;
    } else {
      std::ranges::fill(wide, A{});
      sums = wide.data();
    }
    const size_t begin = i;
    for (; i < s.ids.size() && s.ids[i] == segment; ++i) {
      if ((i & 0xffff) == 0xffff) FERRY_RETURN_IF_ERROR(call.run().check());
      const T* const from = data + static_cast<size_t>(s.indices[i]) * width;
      for (size_t k = 0; k < width; ++k) sums[k] = wrapping(sums[k], load(from[k]), [](auto x, auto y) { return x + y; });
    }
    if constexpr (std::is_floating_point_v<A>) {
      const auto count = static_cast<A>(i - begin);
      const A by = s.scale == Scale::none ? A{1} : s.scale == Scale::mean ? count : std::sqrt(count);
      for (size_t k = 0; s.scale != Scale::none && k < width; ++k) sums[k] /= by;
    }
    if constexpr (!std::is_same_v<A, T>) std::ranges::transform(wide, to, [](A sum) { return store<T>(sum); });
  }
  return {};
}

class SegmentKernel final : public Kernel {
 public:
  using Loop = Status (*)(Call&, const Segments&);
  SegmentKernel(Loop loop, Scale scale, bool counted) : loop_(loop), scale_(scale), counted_(counted) {}

  Status run(Call& call) const override {
    const DenseTensor& data = call.in(0);
    if (data.shape().rank() < 1) return invalid_argument("input must be at least rank 1");
    if (call.shape(1).rank() != 1) return invalid_argument("indices should be a vector.");
    if (call.shape(2).rank() != 1) return invalid_argument("segment_ids should be a vector.");
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, call.integers(1));
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, call.integers(2));
    if (indices.size() != ids.size()) return invalid_argument("segment_ids and indices should have same size.");
    int64_t count = ids.empty() ? 0 : ids.back();
    if (!ids.empty() && __builtin_add_overflow(count, 1, &count)) return invalid_argument("segment ids must be < 2^63 - 1");
    if (counted_) {
      if (call.shape(3).rank() != 0)
        return invalid_argument(concat("num_segments should be a scalar, not shape ", call.shape(3).to_string()));
      FERRY_ASSIGN_OR_RETURN(count, call.integer(3));
      if (count < 0) return invalid_argument("segment ids must be >= 0");
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0) return invalid_argument("segment ids must be >= 0");
      if (i > 0 && ids[i] < ids[i - 1]) return invalid_argument("segment ids are not increasing");
      if (ids[i] >= count) return invalid_argument(concat("segment ids must be < num_segments, ids[", i, "] is ", ids[i]));
      if (indices[i] < 0 || indices[i] >= data.shape()[0]) {
        return invalid_argument(concat("Bad: indices[", i, "] == ", indices[i], " out of range [0, ", data.shape()[0], ")"));
      }
    }
    return loop_(call, {data, indices, ids, count, scale_});
  }

 private:
  Loop loop_;
  Scale scale_;
  bool counted_;
};

template <Scale kScale, bool kCounted>
Result<KernelRef> make_segment(const NodeInfo& node) {
  KernelRef out;
  with_type(node.type("T"), Reals{}, [&]<class T>(TypeTag<T>) { out = std::make_unique<SegmentKernel>(reduce<T>, kScale, kCounted); });
  if (out == nullptr) return no_kernel(node.op(), node.type("T"));
  return out;
}

}  // namespace

#define FERRY_SEGMENT_OP(op, scale, counted) \
  extern const Op op##_op;                   \
  const Op op##_op { #op, make_segment < Scale::scale, counted> }

FERRY_SEGMENT_OP(SparseSegmentSum, none, false);
FERRY_SEGMENT_OP(SparseSegmentMean, mean, false);
FERRY_SEGMENT_OP(SparseSegmentSqrtN, sqrt_n, false);
FERRY_SEGMENT_OP(SparseSegmentSumWithNumSegments, none, true);
FERRY_SEGMENT_OP(SparseSegmentMeanWithNumSegments, mean, true);
FERRY_SEGMENT_OP(SparseSegmentSqrtNWithNumSegments, sqrt_n, true);

}  // namespace ferry::ops
