// Windows that walk over images: what convolutions and pools have in common. Images are [batch, spatial…, channels] with one to three
// spatial axes; two are seen as three with a depth of 1. Channels that come first are brought to the end before and back after.
#pragma once

#include <array>
#include <vector>

#include "ops/kernel.h"

namespace ferry::ops {

// One spatial axis.
struct WindowAxis {
  int64_t in = 1, out = 1, size = 1, stride = 1, dilation = 1, before = 0;  // `before`: zeros ahead of the first element

  // Where tap `tap` of the window at `at` reads; outside of [0, in) is padding.
  int64_t reads(int64_t at, int64_t tap) const { return at * stride - before + tap * dilation; }
};
using Window = std::array<WindowAxis, 3>;

enum class Padding { valid, same, explicit_ };

// The attributes that say how a window moves, checked: data_format, strides, padding, and where the op has them dilations,
// explicit_paddings.
struct WindowPlan {
  bool channels_first = false;
  size_t rank = 4;                                              // of the images
  std::array<int64_t, 3> strides{1, 1, 1}, dilations{1, 1, 1};  // depth, height, width
  std::array<std::array<int64_t, 2>, 3> paddings{};             // of explicit_
  int64_t batch_stride = 1, channel_stride = 1;                 // others than 1 only for pools
  Padding padding = Padding::valid;

  static Result<WindowPlan> make(const NodeInfo& node, std::string_view strides = "strides", std::string_view dilations = "dilations");
  // The same from lists, as MaxPoolV2 has them as inputs.
  Status take_strides(std::span<const int64_t> list);

  size_t spatial() const { return rank - 2; }
  size_t channel_axis() const { return channels_first ? 1 : rank - 1; }
  size_t spatial_axis(size_t i) const { return (channels_first ? 2 : 1) + i; }  // the i-th of spatial()
  // Of the list's entries for the spatial axes, in depth, height, width; 1 for those that are not there.
  std::array<int64_t, 3> spatial_of(std::span<const int64_t> list) const;

  // The window over an image shaped like that; `sizes`: depth, height, width of the window.
  Result<Window> over(const Shape& image, std::array<int64_t, 3> sizes) const;
  // The images' shape with that many channels and the window's outputs.
  Shape shape(int64_t batch, const Window& window, int64_t channels) const;
};

// Images as [batch, spatial…, channels]: as they are, or moved into `held`.
const std::byte* channels_last(const DenseTensor& images, const WindowPlan& plan, std::vector<std::byte>& held);
// The other way, for a result of that shape (as the format has it).
void channels_from_last(const std::byte* from, const Shape& shape, const WindowPlan& plan, size_t width, std::byte* to);

}  // namespace ferry::ops
