#include "ops/strided.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ferry/dtype.h"

namespace ferry::ops {
namespace {

struct Axis {
  int64_t length, from, to;
};

// The fewest axes, the contiguous ones innermost.
std::vector<Axis> simplified(std::span<const int64_t> lengths, std::span<const int64_t> from, std::span<const int64_t> to) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] != 1) axes.push_back({lengths[i], from[i], to[i]});
  }
  std::ranges::stable_sort(axes, [](const Axis& a, const Axis& b) { return a.to > b.to; });  // written in order
  std::vector<Axis> out;
  for (const Axis& axis : axes) {
    if (!out.empty() && out.back().from == axis.from * axis.length && out.back().to == axis.to * axis.length) {
      out.back() = {out.back().length * axis.length, axis.from, axis.to};
    } else {
      out.push_back(axis);
    }
  }
  return out;
}

template <class T>
void move_row(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t count) {
  if (from_step == 1 && to_step == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i * to_step] = from[i * from_step];
  }
}

template <class T>
void move_axes(const std::vector<Axis>& axes, size_t level, const T* from, T* to) {
  const Axis& axis = axes[level];
  if (level + 1 == axes.size()) return move_row(from, axis.from, to, axis.to, axis.length);
  if (level + 2 == axes.size() && axes[level + 1].from != 1) {
    // Two axes in tiles, so that a transposition stays in cache.
    const Axis& inner = axes[level + 1];
    constexpr int64_t kTile = 32;
    for (int64_t i = 0; i < axis.length; i += kTile) {
      for (int64_t j = 0; j < inner.length; j += kTile) {
        for (int64_t k = i; k < std::min(i + kTile, axis.length); ++k) {
          move_row(from + k * axis.from + j * inner.from, inner.from, to + k * axis.to + j * inner.to, inner.to,
                   std::min(kTile, inner.length - j));
        }
      }
    }
    return;
  }
  for (int64_t i = 0; i < axis.length; ++i) move_axes(axes, level + 1, from + i * axis.from, to + i * axis.to);
}

}  // namespace

void move_strided(size_t width, std::span<const int64_t> lengths, const void* from, std::span<const int64_t> from_steps, void* to,
                  std::span<const int64_t> to_steps) {
  if (std::ranges::find(lengths, 0) != lengths.end()) return;
  const std::vector<Axis> axes = simplified(lengths, from_steps, to_steps);
  visit_width(width, [&]<class T>(TypeTag<T>) {
    if (axes.empty()) {
      *static_cast<T*>(to) = *static_cast<const T*>(from);
    } else {
      move_axes(axes, 0, static_cast<const T*>(from), static_cast<T*>(to));
    }
  });
}

}  // namespace ferry::ops
