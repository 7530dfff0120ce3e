// Convolutions: the elements under each place of the window laid out as a row, the rows times the filter. And the same backwards, which is
// how transposed convolutions (deconvolutions) are written.
#include <algorithm>
#include <cstring>

#include "ops/gemm.h"
#include "ops/strided.h"
#include "ops/types.h"
#include "ops/window.h"

namespace ferry::ops {
namespace {

// Bytes of rows laid out at a time.
constexpr int64_t kRowsBytes = 4 << 20;

struct Position {
  int64_t batch, d, h, w;
};
Position position_of(int64_t row, const Window& window) {
  Position at;
  at.w = row % window[2].out;
  row /= window[2].out;
  at.h = row % window[1].out;
  row /= window[1].out;
  at.d = row % window[0].out;
  at.batch = row / window[0].out;
  return at;
}

// Calls tap(index of the tap, offset of the element in elements / channels) for each tap of the window that reads the image, and
// blank(index) for those that read padding.
template <class Tap, class Blank>
void for_each_tap(const Window& window, const Position& at, Tap&& tap, Blank&& blank) {
  const auto& [depth, height, width] = window;
  int64_t index = 0;
  for (int64_t i = 0; i < depth.size; ++i) {
    const int64_t d = depth.reads(at.d, i);
    for (int64_t j = 0; j < height.size; ++j) {
      const int64_t h = height.reads(at.h, j);
      for (int64_t k = 0; k < width.size; ++k, ++index) {
        const int64_t w = width.reads(at.w, k);
        if (d < 0 || d >= depth.in || h < 0 || h >= height.in || w < 0 || w >= width.in) {
          blank(index);
        } else {
          tap(index, ((at.batch * depth.in + d) * height.in + h) * width.in + w);
        }
      }
    }
  }
}

// A convolution's numbers: channels of the image and of the result, split into groups that do not see one another.
struct Convolution {
  Window window;
  int64_t batch, channels, filters, groups;
  int64_t taps() const { return window[0].size * window[1].size * window[2].size; }
  int64_t rows() const { return batch * window[0].out * window[1].out * window[2].out; }
  int64_t group_channels() const { return channels / groups; }
  int64_t group_filters() const { return filters / groups; }
  int64_t row_length() const { return taps() * group_channels(); }
};

Result<Convolution> convolution(const WindowPlan& plan, const Shape& image, const Shape& filter) {
  const size_t spatial = plan.spatial();
  if (image.rank() != plan.rank) return invalid_argument(concat("input must be ", plan.rank, "-dimensional", image.to_string()));
  if (filter.rank() != plan.rank) return invalid_argument(concat("filter must be ", plan.rank, "-dimensional: ", filter.to_string()));
  Convolution out{};
  out.batch = image[0];
  out.channels = image[plan.channel_axis()];
  out.filters = filter[spatial + 1];
  const int64_t depth = filter[spatial];
  if (depth <= 0) return invalid_argument("filter depth must be stricly greated than 0");
  if (out.channels % depth != 0) {
    return invalid_argument(concat("input depth must be evenly divisible by filter depth: ", out.channels, " vs ", depth));
  }
  if (out.filters <= 0) return invalid_argument(concat("filter must not have zero elements: ", filter.to_string()));
  out.groups = std::max<int64_t>(1, out.channels / depth);
  if (out.filters % out.groups != 0) {
    return invalid_argument(concat("output depth must be evenly divisible by number of groups: ", out.filters, " vs ", out.groups));
  }
  std::array<int64_t, 3> sizes{1, 1, 1};
  for (size_t i = 0; i < spatial; ++i) {
    sizes[3 - spatial + i] = filter[i];
    if (filter[i] <= 0) return invalid_argument(concat("filter must not have zero elements: ", filter.to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(out.window, plan.over(image, sizes));
  return out;
}

// The filters of each group side by side, as matrices [row_length, group_filters].
std::vector<std::byte> filters_by_group(const Convolution& c, const std::byte* filter, size_t width) {
  std::vector<std::byte> out(static_cast<size_t>(c.row_length() * c.filters) * width);
  const std::array<int64_t, 3> lengths{c.groups, c.row_length(), c.group_filters()};
  move_strided(width, lengths, filter, std::array<int64_t, 3>{c.group_filters(), c.filters, 1}, out.data(),
               std::array<int64_t, 3>{c.row_length() * c.group_filters(), c.group_filters(), 1});
  return out;
}

// Whether a row is just the channels of one element, each in turn.
bool is_pointwise(const Convolution& c) {
  return c.groups == 1 && c.taps() == 1 &&
         std::ranges::all_of(c.window, [](const WindowAxis& a) { return a.stride == 1 && a.before == 0 && a.in == a.out; });
}

int64_t rows_at_a_time(const Convolution& c, size_t width) {
  return std::max<int64_t>(16, kRowsBytes / std::max<int64_t>(1, c.row_length() * static_cast<int64_t>(width)));
}

class ConvKernel final : public Kernel {
 public:
  explicit ConvKernel(WindowPlan plan) : plan_(plan) {}
  Status run(Call& call) const override {
    const DenseTensor &image = call.in(0), &filter = call.in(1);
    FERRY_ASSIGN_OR_RETURN(const Convolution c, convolution(plan_, image.shape(), filter.shape()));
    const size_t width = dtype_size(image.dtype());
    const Shape shape = plan_.shape(c.batch, c.window, c.filters);
    FERRY_ASSIGN_OR_RETURN(std::byte* const result, call.make(0, image.dtype(), shape));
    if (*shape.num_elements() == 0) return {};
    std::vector<std::byte> held_in, held_out;
    const std::byte* const in = channels_last(image, plan_, held_in);
    std::byte* out = result;
    if (plan_.channels_first) {
      held_out.resize(static_cast<size_t>(*shape.num_elements()) * width);
      out = held_out.data();
    }
    FERRY_RETURN_IF_ERROR(convolve(call.run(), c, image.dtype(), in, static_cast<const std::byte*>(filter.raw()), out));
    if (plan_.channels_first) channels_from_last(out, shape, plan_, width, result);
    return {};
  }

 private:
  static Status convolve(Run& run, const Convolution& c, DType dtype, const std::byte* in, const std::byte* filter, std::byte* out) {
    const size_t width = dtype_size(dtype);
    if (is_pointwise(c)) return gemm(run, dtype, {in}, {filter}, out, c.rows(), c.filters, c.channels);
    std::vector<std::byte> by_group, product;
    if (c.groups > 1) {
      by_group = filters_by_group(c, filter, width);
      filter = by_group.data();
    }
    const int64_t rows = c.rows(), step = rows_at_a_time(c, width), length = c.row_length();
    std::vector<std::byte> laid(static_cast<size_t>(std::min(step, rows) * length) * width);
    if (c.groups > 1) product.resize(static_cast<size_t>(std::min(step, rows) * c.group_filters()) * width);
    for (int64_t begin = 0; begin < rows; begin += step) {
      const int64_t count = std::min(step, rows - begin);
      for (int64_t g = 0; g < c.groups; ++g) {
        FERRY_RETURN_IF_ERROR(run.check());
        lay_rows(run, c, in, width, begin, count, g, laid.data());
        std::byte* const to = out + static_cast<size_t>(begin * c.filters) * width;
        const std::byte* const matrix = filter + static_cast<size_t>(g * length * c.group_filters()) * width;
        FERRY_RETURN_IF_ERROR(
            gemm(run, dtype, {laid.data()}, {matrix}, c.groups > 1 ? product.data() : to, count, c.group_filters(), length));
        if (c.groups > 1) {
          move_strided(width, std::array<int64_t, 2>{count, c.group_filters()}, product.data(),
                       std::array<int64_t, 2>{c.group_filters(), 1}, to + static_cast<size_t>(g * c.group_filters()) * width,
                       std::array<int64_t, 2>{c.filters, 1});
        }
      }
    }
    return {};
  }

  static void lay_rows(Run& run, const Convolution& c, const std::byte* in, size_t width, int64_t first, int64_t count, int64_t group,
                       std::byte* to) {
    const size_t piece = static_cast<size_t>(c.group_channels()) * width;
    const size_t offset = static_cast<size_t>(group * c.group_channels()) * width, element = static_cast<size_t>(c.channels) * width;
    parallel_for(run.pool, count, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, c.row_length())), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        std::byte* const row = to + static_cast<size_t>(r * c.taps()) * piece;
        for_each_tap(
            c.window, position_of(first + r, c.window),
            [&](int64_t tap, int64_t at) {
              std::memcpy(row + static_cast<size_t>(tap) * piece, in + static_cast<size_t>(at) * element + offset, piece);
            },
            [&](int64_t tap) { std::memset(row + static_cast<size_t>(tap) * piece, 0, piece); });
      }
    });
  }

  WindowPlan plan_;
};

using ConvTypes = Join<Floats, Types<int32_t>>;

Result<KernelRef> make_conv(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[0];
  if (!with_type(dtype, ConvTypes{}, [](auto) {})) return no_kernel(node.op(), dtype);
  FERRY_ASSIGN_OR_RETURN(const WindowPlan plan, WindowPlan::make(node));
  if (plan.batch_stride != 1 || plan.channel_stride != 1) {
    return invalid_argument("Current implementation does not yet support strides in the batch and depth dimensions.");
  }
  return KernelRef(std::make_unique<ConvKernel>(plan));
}

// ---- Backwards

template <class T>
void spread_rows(const Convolution& c, const T* rows, int64_t first, int64_t count, int64_t group, T* image) {
  const int64_t piece = c.group_channels();
  for (int64_t r = 0; r < count; ++r) {
    const T* const row = rows + r * c.row_length();
    for_each_tap(
        c.window, position_of(first + r, c.window),
        [&](int64_t tap, int64_t at) {
          T* const to = image + at * c.channels + group * piece;
          const T* const from = row + tap * piece;
          for (int64_t i = 0; i < piece; ++i) {
            if constexpr (std::is_integral_v<T>) {
              to[i] = static_cast<T>(static_cast<std::make_unsigned_t<T>>(to[i]) + static_cast<std::make_unsigned_t<T>>(from[i]));
            } else {
              to[i] += from[i];
            }
          }
        },
        [](int64_t) {});
  }
}

// The 16-bit floats are summed in float.
template <class T>
Status backwards(Run& run, const Convolution& c, const T* filter, const T* gradient, T* image, int64_t image_size) {
  std::fill_n(image, image_size, T(0));
  std::vector<std::byte> by_group;
  if (c.groups > 1) {
    by_group = filters_by_group(c, reinterpret_cast<const std::byte*>(filter), sizeof(T));
    filter = reinterpret_cast<const T*>(by_group.data());
  }
  const int64_t rows = c.rows(), step = rows_at_a_time(c, sizeof(T)), length = c.row_length(), filters = c.group_filters();
  std::vector<T> laid(static_cast<size_t>(std::min(step, rows) * length)), part;
  if (c.groups > 1) part.resize(static_cast<size_t>(std::min(step, rows) * filters));
  for (int64_t begin = 0; begin < rows; begin += step) {
    const int64_t count = std::min(step, rows - begin);
    for (int64_t g = 0; g < c.groups; ++g) {
      const T* from = gradient + begin * c.filters;
      if (c.groups > 1) {
        move_strided(sizeof(T), std::array<int64_t, 2>{count, filters}, from + g * filters, std::array<int64_t, 2>{c.filters, 1},
                     part.data(), std::array<int64_t, 2>{filters, 1});
        from = part.data();
      }
      FERRY_RETURN_IF_ERROR(gemm(run, dtype_of<T>(), {from}, {filter + g * length * filters, true}, laid.data(), count, length, filters));
      spread_rows(c, laid.data(), begin, count, g, image);
    }
  }
  return {};
}

class ConvBackpropInputKernel final : public Kernel {
 public:
  explicit ConvBackpropInputKernel(WindowPlan plan) : plan_(plan) {}
  Status run(Call& call) const override {
    const DenseTensor &filter = call.in(1), &gradient = call.in(2);
    if (call.shape(0).rank() != 1) return invalid_argument(concat("input_sizes input must be 1-dim, not ", call.shape(0).rank()));
    FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> sizes, call.integers(0));
    if (filter.shape().rank() != plan_.rank || gradient.shape().rank() != plan_.rank) {
      return invalid_argument(concat("filter and out_backprop must be ", plan_.rank, "-dimensional"));
    }
    if (sizes.size() == plan_.spatial()) {  // of one image; the rest follows
      std::vector<int64_t> all(plan_.rank);
      all[0] = gradient.shape()[0];
      all[plan_.channel_axis()] = filter.shape()[plan_.spatial()];
      for (size_t i = 0; i < plan_.spatial(); ++i) all[plan_.spatial_axis(i)] = sizes[i];
      sizes = std::move(all);
    }
    FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(sizes, call.run().limits));
    FERRY_ASSIGN_OR_RETURN(const Convolution c, convolution(plan_, shape, filter.shape()));
    if (!(plan_.shape(c.batch, c.window, c.filters) == gradient.shape())) {
      return invalid_argument(concat(call.node().op(), ": Size of out_backprop doesn't match computed: actual = ",
                                     gradient.shape().to_string(), ", computed = ", plan_.shape(c.batch, c.window, c.filters).to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, filter.dtype(), shape));
    if (*shape.num_elements() == 0) return {};
    std::vector<std::byte> held, turned;
    const std::byte* const from = channels_last(gradient, plan_, held);
    Status status;
    with_type(filter.dtype(), ConvTypes{}, [&]<class T>(TypeTag<T>) {
      std::byte* to = out;
      if (plan_.channels_first) {
        turned.resize(static_cast<size_t>(*shape.num_elements()) * sizeof(T));
        to = turned.data();
      }
      status = typed(call.run(), c, filter.values<T>(), {reinterpret_cast<const T*>(from), static_cast<size_t>(gradient.num_elements())},
                     {reinterpret_cast<T*>(to), static_cast<size_t>(*shape.num_elements())});
      if (plan_.channels_first && status.ok()) channels_from_last(to, shape, plan_, sizeof(T), out);
    });
    return status;
  }

 private:
  template <class T>
  static Status typed(Run& run, const Convolution& c, std::span<const T> filter, std::span<const T> gradient, std::span<T> image) {
    if constexpr (is_small_float_v<T>) {
      const auto wide = [](std::span<const T> values) {
        std::vector<float> out;
        out.reserve(values.size());
        for (const T value : values) out.push_back(static_cast<float>(value));
        return out;
      };
      const std::vector<float> f = wide(filter), g = wide(gradient);
      std::vector<float> sums(image.size());
      FERRY_RETURN_IF_ERROR(backwards(run, c, f.data(), g.data(), sums.data(), static_cast<int64_t>(sums.size())));
      std::ranges::transform(sums, image.begin(), [](float value) { return T(value); });
      return {};
    } else {
      return backwards(run, c, filter.data(), gradient.data(), image.data(), static_cast<int64_t>(image.size()));
    }
  }

  WindowPlan plan_;
};

Result<KernelRef> make_backprop_input(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[1];
  if (!with_type(dtype, ConvTypes{}, [](auto) {})) return no_kernel(node.op(), dtype);
  FERRY_ASSIGN_OR_RETURN(const WindowPlan plan, WindowPlan::make(node));
  if (plan.batch_stride != 1 || plan.channel_stride != 1) {
    return invalid_argument("Current implementation does not yet support strides in the batch and depth dimensions.");
  }
  return KernelRef(std::make_unique<ConvBackpropInputKernel>(plan));
}

// ---- Each channel by itself

template <class T>
void depthwise(const Convolution& c, int64_t multiplier, const T* in, const T* filter, T* out, int64_t begin, int64_t end) {
  using A = Arithmetic<T>;
  std::vector<A> sums(static_cast<size_t>(c.channels * multiplier));
  for (int64_t r = begin; r < end; ++r) {
    std::ranges::fill(sums, A(0));
    for_each_tap(
        c.window, position_of(r, c.window),
        [&](int64_t tap, int64_t at) {
          const T* const x = in + at * c.channels;
          const T* const f = filter + tap * c.channels * multiplier;
          A* sum = sums.data();
          for (int64_t i = 0; i < c.channels; ++i) {
            const A value = to_arithmetic(x[i]);
            for (int64_t q = 0; q < multiplier; ++q) *sum++ += value * to_arithmetic(f[i * multiplier + q]);
          }
        },
        [](int64_t) {});
    T* const to = out + r * c.channels * multiplier;
    for (size_t i = 0; i < sums.size(); ++i) to[i] = static_cast<T>(sums[i]);
  }
}

class DepthwiseKernel final : public Kernel {
 public:
  explicit DepthwiseKernel(WindowPlan plan) : plan_(plan) {}
  Status run(Call& call) const override {
    const DenseTensor &image = call.in(0), &filter = call.in(1);
    if (image.shape().rank() != 4) return invalid_argument(concat("input must be 4-dimensional", image.shape().to_string()));
    if (filter.shape().rank() != 4) return invalid_argument(concat("filter must be 4-dimensional: ", filter.shape().to_string()));
    const int64_t channels = image.shape()[plan_.channel_axis()], multiplier = filter.shape()[3];
    if (channels != filter.shape()[2]) {
      return invalid_argument(concat("input and filter must have the same depth: ", channels, " vs ", filter.shape()[2]));
    }
    Convolution c{};
    c.batch = image.shape()[0];
    c.channels = channels;
    FERRY_ASSIGN_OR_RETURN(c.window, plan_.over(image.shape(), {1, filter.shape()[0], filter.shape()[1]}));
    const Shape shape = plan_.shape(c.batch, c.window, channels * multiplier);
    FERRY_ASSIGN_OR_RETURN(std::byte* const result, call.make(0, image.dtype(), shape));
    if (*shape.num_elements() == 0) return {};
    std::vector<std::byte> held_in, held_out;
    const std::byte* const in = channels_last(image, plan_, held_in);
    std::byte* out = result;
    const size_t width = dtype_size(image.dtype());
    if (plan_.channels_first) {
      held_out.resize(static_cast<size_t>(*shape.num_elements()) * width);
      out = held_out.data();
    }
    with_type(image.dtype(), Floats{}, [&]<class T>(TypeTag<T>) {
      parallel_for(
          call.run().pool, c.rows(), std::max<int64_t>(1, 32768 / (channels * multiplier * c.taps())), [&](int64_t begin, int64_t end) {
            depthwise(c, multiplier, reinterpret_cast<const T*>(in), filter.values<T>().data(), reinterpret_cast<T*>(out), begin, end);
          });
    });
    if (plan_.channels_first) channels_from_last(out, shape, plan_, width, result);
    return {};
  }

 private:
  WindowPlan plan_;
};

Result<KernelRef> make_depthwise(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[0];
  if (!with_type(dtype, Floats{}, [](auto) {})) return no_kernel(node.op(), dtype);
  FERRY_ASSIGN_OR_RETURN(const WindowPlan plan, WindowPlan::make(node));
  if (plan.batch_stride != 1 || plan.channel_stride != 1) {
    return invalid_argument("Current implementation does not yet support strides in the batch and depth dimensions.");
  }
  return KernelRef(std::make_unique<DepthwiseKernel>(plan));
}

}  // namespace

extern const Op Conv2D_op, Conv3D_op, Conv2DBackpropInput_op, Conv3DBackpropInputV2_op, DepthwiseConv2dNative_op;

const Op Conv2D_op{"Conv2D", make_conv};
const Op Conv3D_op{"Conv3D", make_conv};
const Op Conv2DBackpropInput_op{"Conv2DBackpropInput", make_backprop_input};
const Op Conv3DBackpropInputV2_op{"Conv3DBackpropInputV2", make_backprop_input};
const Op DepthwiseConv2dNative_op{"DepthwiseConv2dNative", make_depthwise};

}  // namespace ferry::ops
