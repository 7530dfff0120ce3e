#include "ops/window.h"

#include <algorithm>

#include "ops/strided.h"

namespace ferry::ops {
namespace {

Result<WindowAxis> window_axis(int64_t in, int64_t size, int64_t stride, int64_t dilation, Padding padding, std::array<int64_t, 2> pads) {
  if (size <= 0) return invalid_argument(concat("window sizes must be positive, got ", size));
  if (size > (int64_t{1} << 40) || in > (int64_t{1} << 40) || dilation > (int64_t{1} << 20) || stride > (int64_t{1} << 40)) {
    return invalid_argument(concat("a window of ", size, " with dilation ", dilation, " over an axis of ", in));
  }
  WindowAxis axis{in, 0, size, stride, dilation, 0};
  const int64_t reach = (size - 1) * dilation + 1;
  switch (padding) {
    case Padding::valid: axis.out = (in - reach + stride) / stride; break;
    case Padding::explicit_:
      axis.out = (in + pads[0] + pads[1] - reach + stride) / stride;
      axis.before = pads[0];
      break;
    case Padding::same:
      axis.out = (in + stride - 1) / stride;
      axis.before = std::max<int64_t>(0, (axis.out - 1) * stride + reach - in) / 2;
      break;
  }
  if (axis.out < 0) {
    return invalid_argument(concat("Computed output size would be negative: ", axis.out, " [input_size: ", in,
                                   ", effective_filter_size: ", reach, ", stride: ", stride, "]"));
  }
  return axis;
}

// [batch, positions, channels] and the steps of [batch, channels, positions] laid over them.
struct Turn {
  std::array<int64_t, 3> lengths, last, first;
};
Turn turn(const Shape& shape, const WindowPlan& plan) {
  const int64_t batch = shape[0], channels = shape[plan.channel_axis()];
  int64_t positions = 1;
  for (size_t i = 0; i < plan.spatial(); ++i) positions *= shape[plan.spatial_axis(i)];
  return {{batch, positions, channels}, {positions * channels, channels, 1}, {positions * channels, 1, positions}};
}

}  // namespace

Result<WindowPlan> WindowPlan::make(const NodeInfo& node, std::string_view strides, std::string_view dilations) {
  WindowPlan plan;
  const auto declared = [&](std::string_view name) { return node.spec().attr(name) != nullptr; };
  const std::string format = declared("data_format") ? node.text("data_format") : "NHWC";
  if (format != "NHWC" && format != "NCHW" && format != "NDHWC" && format != "NCDHW") {
    return unsupported(concat("data_format ", quoted(format), " of ", node.op()));
  }
  plan.channels_first = format[1] == 'C';
  plan.rank = format.size();
  const std::string padding = node.text("padding");
  plan.padding = padding == "SAME" ? Padding::same : padding == "EXPLICIT" ? Padding::explicit_ : Padding::valid;
  if (declared("explicit_paddings")) {
    const std::vector<int64_t> pads = node.numbers("explicit_paddings");
    if (plan.padding == Padding::explicit_) {
      if (pads.size() != 2 * plan.rank) {
        return invalid_argument(concat("explicit_paddings attribute must contain ", 2 * plan.rank, " values, but got: ", pads.size()));
      }
      if (std::ranges::any_of(pads, [](int64_t p) { return p < 0 || p > (int64_t{1} << 40); })) {
        return invalid_argument("All elements of explicit_paddings must be nonnegative");
      }
      const size_t channel = plan.channel_axis();
      if (pads[0] != 0 || pads[1] != 0 || pads[2 * channel] != 0 || pads[2 * channel + 1] != 0) {
        return invalid_argument("Nonzero explicit padding in the batch or depth dimensions is not supported");
      }
      for (size_t i = 0; i < plan.spatial(); ++i) {
        plan.paddings[3 - plan.spatial() + i] = {pads[2 * plan.spatial_axis(i)], pads[2 * plan.spatial_axis(i) + 1]};
      }
    } else if (!pads.empty()) {
      return invalid_argument("explicit_paddings attribute must be empty if the padding attribute is not EXPLICIT");
    }
  }
  if (declared(strides)) FERRY_RETURN_IF_ERROR(plan.take_strides(node.numbers(strides)));
  if (declared(dilations)) {
    std::vector<int64_t> list = node.numbers(dilations);
    if (list.empty()) list.assign(plan.rank, 1);
    if (list.size() != plan.rank)
      return invalid_argument(concat(dilations, " field must specify ", plan.rank, " dimensions, got ", list.size()));
    if (list[0] != 1 || list[plan.channel_axis()] != 1) {
      return invalid_argument("Current implementation does not yet support dilations in the batch and depth dimensions.");
    }
    plan.dilations = plan.spatial_of(list);
    if (std::ranges::any_of(plan.dilations, [](int64_t d) { return d <= 0; }))
      return invalid_argument("Dilated rates should be larger than 0.");
  }
  return plan;
}

Status WindowPlan::take_strides(std::span<const int64_t> list) {
  if (list.size() != rank)
    return invalid_argument(concat("Sliding window strides field must specify ", rank, " dimensions, got ", list.size()));
  if (std::ranges::any_of(list, [](int64_t s) { return s <= 0; })) return invalid_argument("Sliding window strides must be larger than 0.");
  strides = spatial_of(list);
  batch_stride = list[0];
  channel_stride = list[channel_axis()];
  return {};
}

std::array<int64_t, 3> WindowPlan::spatial_of(std::span<const int64_t> list) const {
  std::array<int64_t, 3> out{1, 1, 1};
  for (size_t i = 0; i < spatial(); ++i) out[3 - spatial() + i] = list[spatial_axis(i)];
  return out;
}

Result<Window> WindowPlan::over(const Shape& image, std::array<int64_t, 3> sizes) const {
  Window window;
  for (size_t i = 0; i < spatial(); ++i) {
    const size_t at = 3 - spatial() + i;
    FERRY_ASSIGN_OR_RETURN(window[at], window_axis(image[spatial_axis(i)], sizes[at], strides[at], dilations[at], padding, paddings[at]));
  }
  return window;
}

Shape WindowPlan::shape(int64_t batch, const Window& window, int64_t channels) const {
  Shape out;
  out.append(batch);
  if (channels_first) out.append(channels);
  for (size_t i = 3 - spatial(); i < 3; ++i) out.append(window[i].out);
  if (!channels_first) out.append(channels);
  return out;
}

const std::byte* channels_last(const DenseTensor& images, const WindowPlan& plan, std::vector<std::byte>& held) {
  const auto* const raw = static_cast<const std::byte*>(images.raw());
  if (!plan.channels_first) return raw;
  const size_t width = dtype_size(images.dtype());
  held.resize(static_cast<size_t>(images.num_elements()) * width);
  const Turn t = turn(images.shape(), plan);
  move_strided(width, t.lengths, raw, t.first, held.data(), t.last);
  return held.data();
}

void channels_from_last(const std::byte* from, const Shape& shape, const WindowPlan& plan, size_t width, std::byte* to) {
  const Turn t = turn(shape, plan);
  move_strided(width, t.lengths, from, t.last, to, t.first);
}

}  // namespace ferry::ops
