#include "ops/pieces.h"

#include "ferry/checked.h"

namespace ferry::ops {
namespace {

struct Writer {
  Mover& to;
  const Value& x;
  std::span<const Pieces> axes;
  const Value* filling;
  std::vector<int64_t> in_below, out_below;  // elements of the axes below each axis
  size_t last = 0;                           // the innermost axis that is not whole

  void fill(int64_t count) {
    if (filling != nullptr) {
      to.take(*filling, 0, count, 0);
    } else {
      to.take_zeros(count);
    }
  }

  void write(size_t axis, int64_t at) {
    const Pieces& pieces = axes[axis];
    const int64_t below = in_below[axis];
    for (int64_t time = 0; time < pieces.times; ++time) {
      for (const Piece& piece : pieces.row) {
        if (piece.filling) {
          fill(piece.count * out_below[axis]);
        } else if (axis == last && piece.step == 1) {
          to.take(x, at + piece.begin * below, piece.count * below);
        } else if (axis == last && below == 1) {
          to.take(x, at + piece.begin, piece.count, piece.step);
        } else {
          for (int64_t i = 0; i < piece.count; ++i) {
            const int64_t place = at + (piece.begin + i * piece.step) * below;
            if (axis == last) {
              to.take(x, place, below);
            } else {
              write(axis + 1, place);
            }
          }
        }
      }
    }
  }
};

}  // namespace

int64_t Pieces::per_row() const {
  int64_t out = 0;
  for (const Piece& piece : row) out += piece.count;
  return out;
}

Result<Shape> shape_of(std::span<const Pieces> axes, const Limits& limits) {
  Shape shape;
  for (const Pieces& pieces : axes) {
    const auto length = checked_mul(pieces.per_row(), pieces.times);
    if (!length) return invalid_argument("an axis of the result is longer than 63 bits can count");
    shape.append(*length);
  }
  return Shape::checked(shape.dims(), limits);
}

void take(Mover& to, const Value& x, std::span<const Pieces> axes, const Value* filling, int64_t begin) {
  for (const Pieces& pieces : axes) {
    if (pieces.times == 0 || pieces.per_row() == 0) return;
  }
  Writer writer{to, x, axes, filling, std::vector<int64_t>(axes.size(), 1), std::vector<int64_t>(axes.size(), 1)};
  for (size_t i = axes.size(); i-- > 1;) {
    writer.in_below[i - 1] = writer.in_below[i] * axes[i].length;
    writer.out_below[i - 1] = writer.out_below[i] * axes[i].per_row() * axes[i].times;
  }
  writer.last = axes.size();
  while (writer.last > 0 && axes[writer.last - 1].is_whole()) --writer.last;
  if (writer.last == 0) {
    to.take(x, begin, axes.empty() ? 1 : writer.in_below[0] * axes[0].length);
    return;
  }
  --writer.last;
  writer.write(0, begin);
}

Status give(Call& call, const Value& x, std::span<const Pieces> axes, const Value* filling) {
  FERRY_ASSIGN_OR_RETURN(const Shape shape, shape_of(axes, call.run().limits));
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, x.dtype(), shape));
  take(out, x, axes, filling);
  return std::move(out).finish();
}

}  // namespace ferry::ops
