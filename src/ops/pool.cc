// Pools: the mean or the largest under each place of a window, by channel.
#include <algorithm>
#include <limits>

#include "ops/types.h"
#include "ops/window.h"

namespace ferry::ops {
namespace {

// What a window covers of one axis, inside the image.
struct Reach {
  int64_t begin, end;
};
Reach reach(const WindowAxis& axis, int64_t at) {
  const int64_t begin = at * axis.stride - axis.before;
  return {std::max<int64_t>(0, begin), std::min(axis.in, begin + axis.size)};
}

struct Pool {
  Window window;
  int64_t batch, channels;
  int64_t rows() const { return batch * window[0].out * window[1].out * window[2].out; }
  int64_t taps() const { return window[0].size * window[1].size * window[2].size; }
};

// Calls element(row of the result, offset of the element in channels) for every element that row `r` covers; gives how many.
template <class Element>
int64_t for_each_covered(const Pool& pool, int64_t r, Element&& element) {
  const auto& [depth, height, width] = pool.window;
  const Reach w = reach(width, r % width.out);
  const Reach h = reach(height, r / width.out % height.out);
  const Reach d = reach(depth, r / width.out / height.out % depth.out);
  const int64_t batch = r / width.out / height.out / depth.out;
  for (int64_t i = d.begin; i < d.end; ++i) {
    for (int64_t j = h.begin; j < h.end; ++j) {
      for (int64_t k = w.begin; k < w.end; ++k) element(((batch * depth.in + i) * height.in + j) * width.in + k);
    }
  }
  return std::max<int64_t>(0, d.end - d.begin) * std::max<int64_t>(0, h.end - h.begin) * std::max<int64_t>(0, w.end - w.begin);
}

template <class T>
T smallest() {
  if constexpr (is_small_float_v<T>) {
    return T(-std::numeric_limits<float>::infinity());
  } else if constexpr (std::is_floating_point_v<T>) {
    return -std::numeric_limits<T>::infinity();
  } else {
    return std::numeric_limits<T>::lowest();
  }
}

using PoolLoop = void (*)(const Pool& pool, const void* in, void* out, int64_t begin, int64_t end);

template <class T>
void largest_rows(const Pool& pool, const void* in, void* out, int64_t begin, int64_t end) {
  const T* const x = static_cast<const T*>(in);
  for (int64_t r = begin; r < end; ++r) {
    T* const to = static_cast<T*>(out) + r * pool.channels;
    std::fill_n(to, pool.channels, smallest<T>());
    for_each_covered(pool, r, [&](int64_t at) {
      const T* const from = x + at * pool.channels;
      for (int64_t c = 0; c < pool.channels; ++c) {
        if (to_arithmetic(to[c]) < to_arithmetic(from[c])) to[c] = from[c];
      }
    });
  }
}

template <class T>
void mean_rows(const Pool& pool, const void* in, void* out, int64_t begin, int64_t end) {
  using A = Arithmetic<T>;
  const T* const x = static_cast<const T*>(in);
  std::vector<A> sums(static_cast<size_t>(pool.channels));
  for (int64_t r = begin; r < end; ++r) {
    std::ranges::fill(sums, A(0));
    const int64_t count = for_each_covered(pool, r, [&](int64_t at) {
      const T* const from = x + at * pool.channels;
      for (size_t c = 0; c < sums.size(); ++c) sums[c] += to_arithmetic(from[c]);
    });
    T* const to = static_cast<T*>(out) + r * pool.channels;
    const A scale = static_cast<A>(std::max<int64_t>(1, count));
    for (size_t c = 0; c < sums.size(); ++c) to[c] = static_cast<T>(sums[c] / scale);
  }
}

class PoolKernel final : public Kernel {
 public:
  // `sizes`: nothing where they and the strides are inputs 1 and 2.
  PoolKernel(PoolLoop loop, PoolLoop across, WindowPlan plan, std::vector<int64_t> sizes)
      : loop_(loop), across_(across), plan_(plan), sizes_(std::move(sizes)) {}
  Status run(Call& call) const override {
    const DenseTensor& image = call.in(0);
    WindowPlan plan = plan_;
    std::vector<int64_t> given;
    if (call.num_inputs() == 3) {
      for (const size_t i : {1, 2}) {
        if (call.shape(i).rank() != 1) return invalid_argument("ksize and stride must be vectors");
      }
      FERRY_ASSIGN_OR_RETURN(given, call.integers(1));
      FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> strides, call.integers(2));
      FERRY_RETURN_IF_ERROR(plan.take_strides(strides));
    }
    const std::vector<int64_t>& sizes = call.num_inputs() == 3 ? given : sizes_;
    FERRY_RETURN_IF_ERROR(check_sizes(plan, sizes));
    if (image.shape().rank() != plan.rank) {
      return invalid_argument(concat("tensor_in must be ", plan.rank, "-dimensional, got ", image.shape().to_string()));
    }
    const int64_t across = sizes[plan.channel_axis()];
    if (across > 1) return run_across(call, plan, sizes);
    if (plan.channel_stride != 1) return invalid_argument("strides of a pool over the depth need a window over the depth");
    Pool pool{};
    pool.batch = image.shape()[0];
    pool.channels = image.shape()[plan.channel_axis()];
    FERRY_ASSIGN_OR_RETURN(pool.window, plan.over(image.shape(), plan.spatial_of(sizes)));
    const Shape shape = plan.shape(pool.batch, pool.window, pool.channels);
    FERRY_ASSIGN_OR_RETURN(std::byte* const result, call.make(0, image.dtype(), shape));
    if (*shape.num_elements() == 0) return {};
    std::vector<std::byte> held_in, held_out;
    const std::byte* const in = channels_last(image, plan, held_in);
    std::byte* out = result;
    const size_t width = dtype_size(image.dtype());
    if (plan.channels_first) {
      held_out.resize(static_cast<size_t>(*shape.num_elements()) * width);
      out = held_out.data();
    }
    parallel_for(call.run().pool, pool.rows(), std::max<int64_t>(1, 32768 / (pool.channels * std::min<int64_t>(pool.taps(), 32768))),
                 [&](int64_t begin, int64_t end) { loop_(pool, in, out, begin, end); });
    if (plan.channels_first) channels_from_last(out, shape, plan, width, result);
    return {};
  }

  static Status check_sizes(const WindowPlan& plan, const std::vector<int64_t>& sizes) {
    if (sizes.size() != plan.rank) {
      return invalid_argument(concat("Sliding window ksize field must specify ", plan.rank, " dimensions, got ", sizes.size()));
    }
    if (std::ranges::any_of(sizes, [](int64_t s) { return s <= 0; })) {
      return invalid_argument("Sliding window ksize for dimension was zero or negative.");
    }
    if (sizes[0] != 1 || plan.batch_stride != 1) return unsupported("Pooling is not yet supported on the batch dimension.");
    if (sizes[plan.channel_axis()] > (int64_t{1} << 40)) return invalid_argument("ksize of the depth is too large");
    return {};
  }

 private:
  // Over the channels, whose windows do not overlap.
  Status run_across(Call& call, const WindowPlan& plan, const std::vector<int64_t>& sizes) const {
    const DenseTensor& image = call.in(0);
    const int64_t size = sizes[plan.channel_axis()], depth = image.shape()[plan.channel_axis()];
    const auto spatial = plan.spatial_of(sizes);
    if (across_ == nullptr) return unsupported("Non-spatial pooling is not yet supported.");
    if (std::ranges::any_of(spatial, [](int64_t s) { return s != 1; })) {
      return unsupported("MaxPooling supports exactly one of pooling across depth or pooling across width/height.");
    }
    if (plan.channels_first) return unsupported("Pooling over the depth dimension is not supported in NCHW.");
    if (depth % size != 0) return unsupported("Depthwise max pooling requires the depth window to evenly divide the input depth");
    if (plan.channel_stride != size) return unsupported("Depthwise max pooling requires the depth window to equal the depth stride");
    if (std::ranges::any_of(plan.strides, [](int64_t s) { return s != 1; })) {
      return unsupported("MaxPooling across the depth moves by one place");
    }
    Shape shape = image.shape();
    shape[shape.rank() - 1] = depth / size;
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, image.dtype(), shape));
    // Each run of `size` channels is a one-channel image of that width.
    const int64_t count = *shape.num_elements();
    Pool pool{Window{WindowAxis{}, WindowAxis{}, WindowAxis{size, 1, size, size, 1, 0}}, count, 1};
    across_(pool, image.raw(), out, 0, count);
    return {};
  }

  PoolLoop loop_, across_;
  WindowPlan plan_;
  std::vector<int64_t> sizes_;
};

template <class Make>
Result<KernelRef> make_pool(const NodeInfo& node, Make&& loop_of) {
  FERRY_ASSIGN_OR_RETURN(const WindowPlan plan, WindowPlan::make(node));
  std::vector<int64_t> sizes;
  if (node.spec().attr("ksize") != nullptr) {
    sizes = node.numbers("ksize");
    FERRY_RETURN_IF_ERROR(PoolKernel::check_sizes(plan, sizes));
  }
  return loop_of(plan, std::move(sizes));
}

Result<KernelRef> make_max_pool(const NodeInfo& node) {
  return make_pool(node, [&](const WindowPlan& plan, std::vector<int64_t> sizes) -> Result<KernelRef> {
    KernelRef out;
    with_type(node.input_dtypes()[0], Reals{}, [&]<class T>(TypeTag<T>) {
      out = std::make_unique<PoolKernel>(largest_rows<T>, plan.rank == 4 ? largest_rows<T> : nullptr, plan, std::move(sizes));
    });
    if (out == nullptr) return no_kernel(node.op(), node.input_dtypes()[0]);
    return out;
  });
}

Result<KernelRef> make_mean_pool(const NodeInfo& node) {
  return make_pool(node, [&](const WindowPlan& plan, std::vector<int64_t> sizes) -> Result<KernelRef> {
    KernelRef out;
    with_type(node.input_dtypes()[0], Floats{},
              [&]<class T>(TypeTag<T>) { out = std::make_unique<PoolKernel>(mean_rows<T>, nullptr, plan, std::move(sizes)); });
    if (out == nullptr) return no_kernel(node.op(), node.input_dtypes()[0]);
    return out;
  });
}

// ---- Where the largest is

template <class T, class Index>
void largest_and_where(const Pool& pool, bool with_batch, const T* x, T* out, Index* where, int64_t begin, int64_t end) {
  const int64_t image = pool.window[0].in * pool.window[1].in * pool.window[2].in;
  for (int64_t r = begin; r < end; ++r) {
    T* const to = out + r * pool.channels;
    Index* const at_of = where + r * pool.channels;
    std::fill_n(to, pool.channels, smallest<T>());
    std::fill_n(at_of, pool.channels, Index(-1));
    for_each_covered(pool, r, [&](int64_t at) {
      const T* const from = x + at * pool.channels;
      const int64_t base = (with_batch ? at : at % image) * pool.channels;
      for (int64_t c = 0; c < pool.channels; ++c) {
        if (at_of[c] == Index(-1) || to_arithmetic(to[c]) < to_arithmetic(from[c])) {
          to[c] = from[c];
          at_of[c] = static_cast<Index>(base + c);
        }
      }
    });
  }
}

class ArgmaxPoolKernel final : public Kernel {
 public:
  ArgmaxPoolKernel(WindowPlan plan, std::vector<int64_t> sizes, bool with_batch)
      : plan_(plan), sizes_(std::move(sizes)), with_batch_(with_batch) {}
  Status run(Call& call) const override {
    const DenseTensor& image = call.in(0);
    if (image.shape().rank() != 4) return invalid_argument(concat("tensor_in must be 4-dimensional, got ", image.shape().to_string()));
    if (image.num_elements() == 0) return invalid_argument("tensor_in must not be empty");
    Pool pool{};
    pool.batch = image.shape()[0];
    pool.channels = image.shape()[3];
    FERRY_ASSIGN_OR_RETURN(pool.window, plan_.over(image.shape(), plan_.spatial_of(sizes_)));
    const Shape shape = plan_.shape(pool.batch, pool.window, pool.channels);
    const DType index = call.node().output_dtypes()[1];
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, image.dtype(), shape));
    FERRY_ASSIGN_OR_RETURN(std::byte* const where, call.make(1, index, shape));
    if (*shape.num_elements() == 0) return {};
    with_type(image.dtype(), Reals{}, [&]<class T>(TypeTag<T>) {
      with_type(index, Types<int32_t, int64_t>{}, [&]<class I>(TypeTag<I>) {
        parallel_for(call.run().pool, pool.rows(), std::max<int64_t>(1, 32768 / (pool.channels * std::min<int64_t>(pool.taps(), 32768))),
                     [&](int64_t begin, int64_t end) {
                       largest_and_where(pool, with_batch_, image.values<T>().data(), reinterpret_cast<T*>(out),
                                         reinterpret_cast<I*>(where), begin, end);
                     });
      });
    });
    return {};
  }

 private:
  WindowPlan plan_;
  std::vector<int64_t> sizes_;
  bool with_batch_;
};

Result<KernelRef> make_argmax_pool(const NodeInfo& node) {
  return make_pool(node, [&](const WindowPlan& plan, std::vector<int64_t> sizes) -> Result<KernelRef> {
    if (sizes[3] != 1 || plan.channel_stride != 1) return unsupported("MaxPoolWithArgmax over the depth");
    return KernelRef(std::make_unique<ArgmaxPoolKernel>(plan, std::move(sizes), node.flag("include_batch_in_index")));
  });
}

// ---- Dilation2D: the largest of element plus filter

template <class T>
void dilate(const Pool& pool, const T* x, const T* filter, T* out) {
  const auto& [depth, height, width] = pool.window;
  for (int64_t r = 0; r < pool.rows(); ++r) {
    T* const to = out + r * pool.channels;
    const int64_t w0 = r % width.out, h0 = r / width.out % height.out, batch = r / width.out / height.out;
    for (int64_t c = 0; c < pool.channels; ++c) {
      T best = std::is_floating_point_v<Arithmetic<T>> && !is_small_float_v<T> ? std::numeric_limits<T>::lowest() : smallest<T>();
      for (int64_t i = 0; i < height.size; ++i) {
        const int64_t h = height.reads(h0, i);
        if (h < 0 || h >= height.in) continue;
        for (int64_t j = 0; j < width.size; ++j) {
          const int64_t w = width.reads(w0, j);
          if (w < 0 || w >= width.in) continue;
          const auto a = to_arithmetic(x[((batch * height.in + h) * width.in + w) * pool.channels + c]);
          const auto b = to_arithmetic(filter[(i * width.size + j) * pool.channels + c]);
          T value;
          if constexpr (std::is_integral_v<T>) {
            value = static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
          } else {
            value = static_cast<T>(a + b);
          }
          if (to_arithmetic(value) > to_arithmetic(best)) best = value;
        }
      }
      to[c] = best;
    }
  }
}

class DilationKernel final : public Kernel {
 public:
  explicit DilationKernel(WindowPlan plan) : plan_(plan) {}
  Status run(Call& call) const override {
    const DenseTensor &image = call.in(0), &filter = call.in(1);
    if (image.shape().rank() != 4) return invalid_argument(concat("input must be 4-dimensional", image.shape().to_string()));
    if (filter.shape().rank() != 3) return invalid_argument(concat("filter must be 3-dimensional: ", filter.shape().to_string()));
    if (image.shape()[3] != filter.shape()[2]) {
      return invalid_argument(concat("input and filter must have the same depth: ", image.shape()[3], " vs ", filter.shape()[2]));
    }
    Pool pool{};
    pool.batch = image.shape()[0];
    pool.channels = image.shape()[3];
    FERRY_ASSIGN_OR_RETURN(pool.window, plan_.over(image.shape(), {1, filter.shape()[0], filter.shape()[1]}));
    const Shape shape = plan_.shape(pool.batch, pool.window, pool.channels);
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, image.dtype(), shape));
    if (*shape.num_elements() == 0) return {};
    with_type(image.dtype(), Reals{},
              [&]<class T>(TypeTag<T>) { dilate(pool, image.values<T>().data(), filter.values<T>().data(), reinterpret_cast<T*>(out)); });
    return {};
  }

 private:
  WindowPlan plan_;
};

Result<KernelRef> make_dilation(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[0];
  if (!with_type(dtype, Reals{}, [](auto) {})) return no_kernel(node.op(), dtype);
  FERRY_ASSIGN_OR_RETURN(const WindowPlan plan, WindowPlan::make(node, "strides", "rates"));
  if (plan.batch_stride != 1 || plan.channel_stride != 1) {
    return unsupported("Stride is only supported across spatial dimensions.");
  }
  return KernelRef(std::make_unique<DilationKernel>(plan));
}

}  // namespace

extern const Op MaxPool_op, MaxPoolV2_op, MaxPool3D_op, AvgPool_op, AvgPool3D_op, MaxPoolWithArgmax_op, Dilation2D_op;

const Op MaxPool_op{"MaxPool", make_max_pool};
const Op MaxPoolV2_op{"MaxPoolV2", make_max_pool};
const Op MaxPool3D_op{"MaxPool3D", make_max_pool};
const Op AvgPool_op{"AvgPool", make_mean_pool};
const Op AvgPool3D_op{"AvgPool3D", make_mean_pool};
const Op MaxPoolWithArgmax_op{"MaxPoolWithArgmax", make_argmax_pool};
const Op Dilation2D_op{"Dilation2D", make_dilation};

}  // namespace ferry::ops
