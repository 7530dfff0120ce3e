// Sums of squares: L2Loss, EuclideanNorm, LRN.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/kernel.h"
#include "ops/strided.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

Status l2_loss(Call& call) {
  const DenseTensor& x = call.in(0);
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), Shape{}));
  with_type(x.dtype(), Floats{}, [&]<class T>(TypeTag<T>) {
    double sum = 0;
    for (const T value : x.values<T>()) sum += static_cast<double>(to_arithmetic(value)) * static_cast<double>(to_arithmetic(value));
    *reinterpret_cast<T*>(out) = static_cast<T>(static_cast<Arithmetic<T>>(sum / 2));
  });
  return {};
}

template <class T>
T norm_of(const T* row, int64_t count) {
  if constexpr (is_complex_v<T>) {
    typename T::value_type sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += std::norm(row[i]);
    return T(std::sqrt(sum));
  } else if constexpr (std::is_integral_v<T>) {
    std::make_unsigned_t<T> sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto v = static_cast<uint64_t>(row[i]);
      sum = static_cast<std::make_unsigned_t<T>>(sum + static_cast<std::make_unsigned_t<T>>(v * v));
    }
    const double root = std::sqrt(static_cast<double>(static_cast<T>(sum)));
    return root == root ? static_cast<T>(root) : T(0);
  } else {
    Arithmetic<T> sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += to_arithmetic(row[i]) * to_arithmetic(row[i]);
    return static_cast<T>(std::sqrt(sum));
  }
}

class EuclideanNormKernel final : public Kernel {
 public:
  explicit EuclideanNormKernel(bool keep_dims) : keep_dims_(keep_dims) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    const size_t rank = x.shape().rank(), width = dtype_size(x.dtype());
    if (call.shape(1).rank() > 1)
      return invalid_argument(concat("reduction_indices must be a scalar or a vector, got ", call.shape(1).to_string()));
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, call.integers(1));
    std::vector<bool> gone(rank, false);
    for (int64_t axis : axes) {
      if (axis < -static_cast<int64_t>(rank) || axis >= static_cast<int64_t>(rank)) {
        return invalid_argument(concat("Invalid reduction dimension (", axis, " for input with ", rank, " dimension(s)"));
      }
      if (axis < 0) axis += static_cast<int64_t>(rank);
      if (gone[static_cast<size_t>(axis)]) {
        return invalid_argument(concat("Invalid reduction arguments: Axes contains duplicate dimension: ", axis));
      }
      gone[static_cast<size_t>(axis)] = true;
    }
    // Brought to [kept, gone].
    Shape shape;
    std::vector<int64_t> lengths, from, to;
    int64_t rows = 1, columns = 1;
    for (const bool inner : {false, true}) {
      for (size_t i = 0; i < rank; ++i) {
        if (!inner && (!gone[i] || keep_dims_)) shape.append(gone[i] ? 1 : x.shape()[i]);
        if (gone[i] != inner) continue;
        lengths.push_back(x.shape()[i]);
        from.push_back(*x.shape().drop_front(i + 1).num_elements());
        (inner ? columns : rows) *= x.shape()[i];
      }
    }
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), shape));
    to.resize(lengths.size());
    int64_t step = 1;
    for (size_t i = lengths.size(); i-- > 0;) {
      to[i] = step;
      step *= lengths[i];
    }
    std::vector<std::byte> held(static_cast<size_t>(x.num_elements()) * width);
    move_strided(width, lengths, x.raw(), from, held.data(), to);
    with_type(x.dtype(), Numbers{}, [&]<class T>(TypeTag<T>) {
      for (int64_t r = 0; r < rows; ++r) {
        reinterpret_cast<T*>(out)[r] = norm_of(reinterpret_cast<const T*>(held.data()) + r * columns, columns);
      }
    });
    return {};
  }

 private:
  bool keep_dims_;
};

Result<KernelRef> make_euclidean_norm(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[0];
  if (!with_type(dtype, Numbers{}, [](auto) {})) return no_kernel(node.op(), dtype);
  return KernelRef(std::make_unique<EuclideanNormKernel>(node.flag("keep_dims")));
}

// Local response normalization, over a window of the last axis.
class LrnKernel final : public Kernel {
 public:
  explicit LrnKernel(const NodeInfo& node)
      : radius_(node.number("depth_radius")),
        bias_(static_cast<float>(node.real("bias"))),
        alpha_(static_cast<float>(node.real("alpha"))),
        beta_(static_cast<float>(node.real("beta"))) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    if (x.shape().rank() != 4) return invalid_argument(concat("in must be 4-dimensional, got ", x.shape().to_string()));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), x.shape()));
    if (x.num_elements() == 0) return {};
    const int64_t depth = x.shape()[3], radius = std::min(radius_, depth);
    with_type(x.dtype(), Types<Half, BFloat16, float>{}, [&]<class T>(TypeTag<T>) {
      parallel_for(call.run().pool, x.num_elements() / depth, std::max<int64_t>(1, 4096 / depth), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          const T* const row = x.values<T>().data() + r * depth;
          for (int64_t c = 0; c < depth; ++c) {
            float sum = 0;
            for (int64_t d = std::max<int64_t>(0, c - radius); d <= std::min(depth - 1, c + radius); ++d) {
              sum += to_arithmetic(row[d]) * to_arithmetic(row[d]);
            }
            reinterpret_cast<T*>(out)[r * depth + c] = static_cast<T>(to_arithmetic(row[c]) * std::pow(bias_ + alpha_ * sum, -beta_));
          }
        }
      });
    });
    return {};
  }

 private:
  int64_t radius_;
  float bias_, alpha_, beta_;
};

Result<KernelRef> make_lrn(const NodeInfo& node) {
  if (node.number("depth_radius") < 0) return invalid_argument("depth_radius must not be negative");
  return KernelRef(std::make_unique<LrnKernel>(node));
}

}  // namespace

extern const Op L2Loss_op, EuclideanNorm_op, LRN_op;

const Op L2Loss_op{"L2Loss", make_free<l2_loss>};
const Op EuclideanNorm_op{"EuclideanNorm", make_euclidean_norm};
const Op LRN_op{"LRN", make_lrn};

}  // namespace ferry::ops
