// Ops that count values and find their places: bins, buckets, bounds.
#include <algorithm>

#include "ops/elementwise.h"
#include "ops/move.h"

namespace ferry::ops {
namespace {

template <class T>
void add_to(T& to, T by) {
  if constexpr (std::is_integral_v<T>) {
    to = wrapping(to, by, [](auto a, auto b) { return a + b; });
  } else {
    to = store<T>(load(to) + load(by));
  }
}

// How often each of 0, 1, … size - 1 is there, or the sum of its weights; in each row of a matrix.
class BincountKernel final : public Kernel {
 public:
  BincountKernel(bool dense, bool binary) : dense_(dense), binary_(binary) {}
  Status run(Call& call) const override {
    const Shape &places = call.shape(0), &weighed = call.shape(2);
    if (*call.shape(1).num_elements() != 1 || (dense_ && call.shape(1).rank() != 0)) {
      return invalid_argument(concat("Shape must be rank 0 but is rank ", call.shape(1).rank()));
    }
    if (dense_ && places.rank() > 2) return invalid_argument(concat("Shape must be at most rank 2 but is rank ", places.rank()));
    FERRY_ASSIGN_OR_RETURN(const int64_t size, call.integer(1));
    if (size < 0) return invalid_argument(concat("size (", size, ") must be non-negative"));
    const bool weighs = *weighed.num_elements() > 0;
    if (weighs && weighed != places) {
      return invalid_argument(
          concat("`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case it acts as all weights "
                 "equal to 1. Received ",
                 weighed.to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> values, call.integers(0));
    for (int64_t value : values) {
      if (value < 0) return invalid_argument("Input arr must be non-negative!");
    }
    const bool matrix = dense_ && places.rank() == 2;
    FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(matrix ? std::vector{places[0], size} : std::vector{size}, call.run().limits));
    const DType dtype = call.value(2).dtype();
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype, shape));
    const bool known = with_type(dtype, Numbers{}, [&]<class T>(TypeTag<T>) {
      T* const bins = reinterpret_cast<T*>(out);
      std::fill_n(bins, *shape.num_elements(), T(Arithmetic<T>(0)));
      const T one(Arithmetic<T>(1));
      const auto row = static_cast<size_t>(matrix ? places[1] : static_cast<int64_t>(values.size()));
      for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] >= size) continue;
        T& bin = bins[static_cast<int64_t>(i / row) * size + values[i]];
        if (binary_) {
          bin = one;
        } else {
          add_to(bin, weighs ? call.values<T>(2)[i] : one);
        }
      }
    });
    return known ? Status() : no_kernel(call.node().op(), dtype);
  }

 private:
  bool dense_, binary_;
};
Result<KernelRef> make_bincount(const NodeInfo&) { return KernelRef(std::make_unique<BincountKernel>(false, false)); }
Result<KernelRef> make_dense_bincount(const NodeInfo& node) {
  return KernelRef(std::make_unique<BincountKernel>(true, node.flag("binary_output")));
}

class BucketizeKernel final : public Kernel {
 public:
  explicit BucketizeKernel(std::vector<float> boundaries) : boundaries_(std::move(boundaries)) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int32_t>(0, DType::int32, x.shape()));
    const bool known = with_type(x.dtype(), Types<float, double, int32_t, int64_t>{}, [&]<class T>(TypeTag<T>) {
      const auto values = x.values<T>();
      for (size_t i = 0; i < values.size(); ++i) {
        // Integers are compared as floats, as TensorFlow does.
        using Common = std::conditional_t<std::is_same_v<T, double>, double, float>;
        const auto value = static_cast<Common>(values[i]);
        const auto it =
            std::upper_bound(boundaries_.begin(), boundaries_.end(), value, [](Common a, float b) { return a < static_cast<Common>(b); });
        out[i] = static_cast<int32_t>(it - boundaries_.begin());
      }
    });
    return known ? Status() : no_kernel("Bucketize", x.dtype());
  }

 private:
  std::vector<float> boundaries_;
};
Result<KernelRef> make_bucketize(const NodeInfo& node) {
  std::vector<float> boundaries;
  for (double x : node.reals("boundaries")) boundaries.push_back(static_cast<float>(x));
  if (!std::ranges::is_sorted(boundaries)) return invalid_argument("Expected sorted boundaries");
  return KernelRef(std::make_unique<BucketizeKernel>(std::move(boundaries)));
}

Status histogram(Call& call) {
  const DenseTensor &x = call.in(0), &range = call.in(1);
  if (range.shape() != Shape{2})
    return invalid_argument(concat("value_range should be a vector of 2 elements, not ", range.shape().to_string()));
  if (call.shape(2).rank() != 0) return invalid_argument(concat("nbins should be a scalar, not ", call.shape(2).to_string()));
  FERRY_ASSIGN_OR_RETURN(const int64_t bins, call.integer(2));
  if (bins <= 0) return invalid_argument(concat("nbins should be a positive number, but got '", bins, "'"));
  FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(std::vector{bins}, call.run().limits));
  std::vector<int64_t> counts;
  Status status;
  const bool known = with_type(x.dtype(), Reals{}, [&]<class T>(TypeTag<T>) {
    const auto low = load(range.values<T>()[0]), high = load(range.values<T>()[1]);
    using A = std::remove_const_t<decltype(low)>;
    const auto minus = [](A a, A b) {
      if constexpr (std::is_integral_v<A>)
        return wrapping(a, b, [](auto p, auto q) { return p - q; });
      else
        return to_arithmetic(T(a - b));
    };
    if (!(low < high)) {
      status = invalid_argument(concat("value_range should satisfy value_range[0] < value_range[1], but got '[", static_cast<double>(low),
                                       ", ", static_cast<double>(high), "]'"));
      return;
    }
    const double step = static_cast<double>(minus(high, low)) / static_cast<double>(bins);
    if (static_cast<uint64_t>(bins) > call.run().limits.max_tensor_bytes / sizeof(int64_t)) {
      status = limit_exceeded(concat(bins, " bins take more than max_tensor_bytes"));
      return;
    }
    counts.assign(static_cast<size_t>(bins), 0);
    for (const T element : x.values<T>()) {
      const A value = load(element);
      if (value != value) {
        status = invalid_argument("values must not contain NaN");
        return;
      }
      const double place = static_cast<double>(minus(std::max(value, low), low)) / step;
      ++counts[static_cast<size_t>(std::clamp(place, 0.0, static_cast<double>(bins - 1)))];
    }
  });
  FERRY_RETURN_IF_ERROR(status);
  if (!known) return no_kernel("HistogramFixedWidth", x.dtype());
  return give_integers(call, 0, shape, counts);
}

template <bool kUpper>
Status bound(Call& call) {
  const DenseTensor &sorted = call.in(0), &values = call.in(1);
  if (sorted.shape().rank() != 2) return invalid_argument("sorted input argument must be a matrix");
  if (values.shape().rank() != 2) return invalid_argument("values must be a matrix");
  const int64_t rows = sorted.shape()[0], length = sorted.shape()[1], each = values.shape()[1];
  if (values.shape()[0] != rows) {
    return invalid_argument(
        concat("Leading dim_size of both tensors must match: ", sorted.shape().to_string(), " and ", values.shape().to_string()));
  }
  std::vector<int64_t> out(static_cast<size_t>(values.num_elements()));
  const bool known = with_type(sorted.dtype(), Reals{}, [&]<class T>(TypeTag<T>) {
    const auto less = [](T a, T b) { return load(a) < load(b); };
    const T *const all = sorted.values<T>().data(), *const wanted = values.values<T>().data();
    for (int64_t row = 0; row < rows && each > 0; ++row) {
      const T *const begin = all + row * length, *const end = begin + length;
      for (int64_t i = row * each; i < (row + 1) * each; ++i) {
        const T* const at = kUpper ? std::upper_bound(begin, end, wanted[i], less) : std::lower_bound(begin, end, wanted[i], less);
        out[static_cast<size_t>(i)] = at - begin;
      }
    }
  });
  if (!known) return no_kernel(call.node().op(), sorted.dtype());
  return give_integers(call, 0, values.shape(), out);
}

}  // namespace

#define FERRY_COUNT_OP(op, make) \
  extern const Op op##_op;       \
  const Op op##_op { #op, make }

FERRY_COUNT_OP(Bincount, make_bincount);
FERRY_COUNT_OP(DenseBincount, make_dense_bincount);
FERRY_COUNT_OP(Bucketize, make_bucketize);
FERRY_COUNT_OP(HistogramFixedWidth, make_free<histogram>);
FERRY_COUNT_OP(LowerBound, make_free<bound<false>>);
FERRY_COUNT_OP(UpperBound, make_free<bound<true>>);

}  // namespace ferry::ops
