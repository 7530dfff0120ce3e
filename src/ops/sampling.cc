// Rows in another order, and classes drawn by their weights.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "ops/philox.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// ---- Shuffles

Status shuffle(Call& call, const Philox& from) {
  const Value& in = call.value(0);
  const int64_t rows = in.shape()[0];
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), int64_t{0});
  PhiloxStream stream(from);
  for (int64_t i = 0; i + 1 < rows; ++i) {
    if ((i & 0xfffff) == 0xfffff) FERRY_RETURN_IF_ERROR(call.run().check());
    const auto left = static_cast<uint32_t>(rows - i);
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(i + stream() % left)]);
  }
  if (!in.is_tensor()) {
    const int64_t inner = static_cast<int64_t>(in.num_objects()) / rows;
    std::vector<ObjectRef> objects;
    objects.reserve(in.num_objects());
    for (const int64_t row : order) {
      for (int64_t i = 0; i < inner; ++i) objects.push_back(in.object(static_cast<size_t>(row * inner + i)));
    }
    call.set(0, Value(in.dtype(), in.shape(), std::move(objects)));
    return {};
  }
  const DenseTensor& x = in.tensor();
  const int64_t inner = x.num_elements() / rows;
  if (x.is_string()) {
    StringsBuilder strings;
    for (const int64_t row : order) {
      for (int64_t i = 0; i < inner; ++i) FERRY_RETURN_IF_ERROR(strings.append(x.strings()[row * inner + i]));
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, std::move(strings).finish(x.shape()));
    call.set(0, std::move(out));
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(std::byte * out, call.make(0, x.dtype(), x.shape()));
  const size_t bytes = static_cast<size_t>(inner) * dtype_size(x.dtype());
  for (const int64_t row : order) {
    std::memcpy(out, static_cast<const std::byte*>(x.raw()) + static_cast<size_t>(row) * bytes, bytes);
    out += bytes;
  }
  return {};
}

bool stays(const Value& in) {
  const Shape& shape = in.shape();
  return shape.rank() == 0 || shape[0] <= 1 || shape.num_elements().value_or(0) <= 1;
}

class RandomShuffleKernel final : public Kernel {
 public:
  explicit RandomShuffleKernel(const NodeInfo& node) : own_(node) {}
  Status run(Call& call) const override {
    if (stays(call.value(0))) {
      call.pass(0, 0);
      return {};
    }
    return shuffle(call, own_.reserve((static_cast<uint64_t>(call.shape(0)[0]) + 2) / 4));
  }

 private:
  GuardedPhilox own_;
};
Result<KernelRef> make_random_shuffle(const NodeInfo& node) { return KernelRef(std::make_unique<RandomShuffleKernel>(node)); }

Status stateless_shuffle(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Philox from, philox_of_key(call, 1));
  if (stays(call.value(0))) {
    call.pass(0, 0);
    return {};
  }
  return shuffle(call, from);
}

// ---- Multinomial: classes drawn by unnormalised log-probabilities

template <class T, class Index>
Status draw(Call& call, const DenseTensor& logits, int64_t samples, PhiloxStream stream, Index* out) {
  const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  std::vector<double> total(static_cast<size_t>(classes));
  for (int64_t r = 0; r < rows; ++r) {
    const T* const row = logits.values<T>().data() + r * classes;
    double top = -std::numeric_limits<double>::max();
    for (int64_t c = 0; c < classes; ++c) {
      const auto x = static_cast<double>(to_arithmetic(row[c]));
      if (std::isfinite(x)) top = std::max(top, x);
    }
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const auto x = static_cast<double>(to_arithmetic(row[c]));
      if (std::isfinite(x)) sum += std::exp(x - top);
      total[static_cast<size_t>(c)] = sum;
    }
    for (int64_t i = 0; i < samples; ++i) {
      if ((i & 0xffff) == 0) FERRY_RETURN_IF_ERROR(call.run().check());
      const double wanted = stream.uniform_double() * sum;
      *out++ = static_cast<Index>(std::upper_bound(total.begin(), total.end(), wanted) - total.begin());
    }
  }
  return {};
}

class MultinomialKernel final : public Kernel {
 public:
  MultinomialKernel(const NodeInfo& node, bool stateless) : dtype_(node.output_dtypes()[0]) {
    if (!stateless) own_ = std::make_unique<GuardedPhilox>(node);
  }
  Status run(Call& call) const override {
    const DenseTensor& logits = call.in(0);
    Philox from;
    if (own_ == nullptr) {
      FERRY_ASSIGN_OR_RETURN(from, philox_of_seed(call, 2));
    }
    if (logits.shape().rank() != 2) return invalid_argument(concat("logits should be a matrix, got shape ", logits.shape().to_string()));
    if (call.shape(1).rank() != 0) return invalid_argument(concat("num_samples should be a scalar, got shape ", call.shape(1).to_string()));
    FERRY_ASSIGN_OR_RETURN(const int64_t samples, call.integer(1));
    if (samples < 0) return invalid_argument(concat("num_samples should be non-negative, got ", samples));
    const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
    if (classes <= 0) return invalid_argument(concat("num_classes should be positive, got ", classes));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype_, Shape{rows, samples}));
    if (rows == 0 || samples == 0) return {};
    if (own_ != nullptr) from = own_->reserve(static_cast<uint64_t>(rows) * static_cast<uint64_t>((samples + 3) / 4 * 8) * 256);
    Status status;
    with_type(logits.dtype(), Floats{}, [&]<class T>(TypeTag<T>) {
      with_type(dtype_, Types<int32_t, int64_t>{},
                [&]<class I>(TypeTag<I>) { status = draw<T, I>(call, logits, samples, PhiloxStream(from), reinterpret_cast<I*>(out)); });
    });
    return status;
  }

 private:
  DType dtype_;
  std::unique_ptr<GuardedPhilox> own_;
};

template <bool kStateless>
Result<KernelRef> make_multinomial(const NodeInfo& node) {
  if (!with_type(node.input_dtypes()[0], Floats{}, [](auto) {})) return no_kernel(node.op(), node.input_dtypes()[0]);
  return KernelRef(std::make_unique<MultinomialKernel>(node, kStateless));
}

}  // namespace

extern const Op RandomShuffle_op, StatelessShuffle_op, Multinomial_op, StatelessMultinomial_op;

const Op RandomShuffle_op{"RandomShuffle", make_random_shuffle, false};
const Op StatelessShuffle_op{"StatelessShuffle", make_free<stateless_shuffle>};
const Op Multinomial_op{"Multinomial", make_multinomial<false>, false};
const Op StatelessMultinomial_op{"StatelessMultinomial", make_multinomial<true>};

}  // namespace ferry::ops
