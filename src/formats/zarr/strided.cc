#include "formats/zarr/strided.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ferry/dtype.h"

namespace ferry::zarr {
namespace {

struct Axis {
  int64_t length, to, from;
};

template <class T>
void copy_line(T* to, int64_t to_stride, const T* from, int64_t from_stride, int64_t count) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * to_stride, from + i * from_stride, sizeof(T));
}

}  // namespace

void copy_box(std::byte* to, std::span<const int64_t> to_strides, const std::byte* from, std::span<const int64_t> from_strides,
              std::span<const int64_t> shape, size_t width) {
  // Axes that lie end to end in both are one.
  std::vector<Axis> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return;
    if (shape[i] == 1) continue;
    const Axis axis{shape[i], to_strides[i], from_strides[i]};
    if (!axes.empty() && axes.back().to == axis.to * axis.length && axes.back().from == axis.from * axis.length) {
      axes.back() = {axes.back().length * axis.length, axis.to, axis.from};
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, 1, 1});
  const Axis inner = axes.back();
  axes.pop_back();
  const auto step = static_cast<int64_t>(width);
  std::vector<int64_t> at(axes.size(), 0);
  for (;;) {
    if (inner.to == 1 && inner.from == 1) {
      std::memcpy(to, from, static_cast<size_t>(inner.length) * width);
    } else {
      visit_width(width, [&](auto tag) {
        using T = typename decltype(tag)::type;
        copy_line(reinterpret_cast<T*>(to), inner.to, reinterpret_cast<const T*>(from), inner.from, inner.length);
      });
    }
    size_t axis = axes.size();
    while (axis > 0) {
      --axis;
      to += axes[axis].to * step;
      from += axes[axis].from * step;
      if (++at[axis] < axes[axis].length) break;
      to -= axes[axis].length * axes[axis].to * step;
      from -= axes[axis].length * axes[axis].from * step;
      at[axis] = 0;
      if (axis == 0) return;
    }
    if (axes.empty()) return;
  }
}

void swap_elements(std::span<std::byte> bytes, size_t width) {
  for (size_t at = 0; width > 1 && at + width <= bytes.size(); at += width) std::reverse(bytes.data() + at, bytes.data() + at + width);
}

}  // namespace ferry::zarr
