// BiasAdd: one number for each channel.
#include <algorithm>

#include "ops/elementwise.h"

namespace ferry::ops {
namespace {

// `inner`: elements of one channel that lie side by side.
using BiasLoop = void (*)(const void* in, const void* bias, void* out, int64_t begin, int64_t end, int64_t channels, int64_t inner);

template <class T>
void add_bias(const void* in, const void* bias, void* out, int64_t begin, int64_t end, int64_t channels, int64_t inner) {
  const T *const x = static_cast<const T*>(in), *const b = static_cast<const T*>(bias);
  T* const to = static_cast<T*>(out);
  const auto sum = [](auto p, auto q) { return p + q; };
  for (int64_t row = begin; row < end; ++row) {
    if (inner == 1) {
      const int64_t at = row * channels;
      for (int64_t c = 0; c < channels; ++c) to[at + c] = store<T>(wrapping(load(x[at + c]), load(b[c]), sum));
      continue;
    }
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = (row * channels + c) * inner;
      const auto add = load(b[c]);
      for (int64_t i = 0; i < inner; ++i) to[at + i] = store<T>(wrapping(load(x[at + i]), add, sum));
    }
  }
}

class BiasAddKernel final : public Kernel {
 public:
  BiasAddKernel(BiasLoop loop, bool channels_first) : loop_(loop), channels_first_(channels_first) {}
  Status run(Call& call) const override {
    const Shape &x = call.shape(0), &bias = call.shape(1);
    if (x.rank() < 2) return invalid_argument(concat("Input tensor must be at least 2D: ", x.to_string()));
    if (bias.rank() != 1) return invalid_argument(concat("Biases must be 1D: ", bias.to_string()));
    const size_t axis = channels_first_ ? 1 : x.rank() - 1;
    const int64_t channels = x[axis];
    if (bias[0] != channels) {
      return invalid_argument(concat("Must provide as many biases as the ", channels_first_ ? "channel" : "last",
                                     " dimension of the input tensor: ", bias.to_string(), " vs. ", channels, " in ", x.to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, call.in(0).dtype(), x));
    if (call.in(0).num_elements() == 0) return {};
    const int64_t inner = *x.drop_front(axis + 1).num_elements(), rows = call.in(0).num_elements() / (channels * inner);
    parallel_for(call.run().pool, rows, std::max<int64_t>(1, 32768 / (channels * inner)),
                 [&](int64_t begin, int64_t end) { loop_(call.in(0).raw(), call.in(1).raw(), out, begin, end, channels, inner); });
    return {};
  }

 private:
  BiasLoop loop_;
  bool channels_first_;
};

Result<KernelRef> make(const NodeInfo& node, bool channels_first) {
  const DType dtype = node.input_dtypes()[0];
  KernelRef out;
  with_type(dtype, Numbers{}, [&]<class T>(TypeTag<T>) { out = std::make_unique<BiasAddKernel>(add_bias<T>, channels_first); });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

Result<KernelRef> make_bias_add(const NodeInfo& node) { return make(node, node.text("data_format") == "NCHW"); }
Result<KernelRef> make_bias_add_v1(const NodeInfo& node) { return make(node, false); }

}  // namespace

extern const Op BiasAdd_op, BiasAddV1_op;

const Op BiasAdd_op{"BiasAdd", make_bias_add};
const Op BiasAddV1_op{"BiasAddV1", make_bias_add_v1};

}  // namespace ferry::ops
