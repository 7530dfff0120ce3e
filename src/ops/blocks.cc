// Ops that move blocks of space into the batch or the depth, and back.
#include <algorithm>

#include "ferry/checked.h"
#include "ops/pieces.h"

namespace ferry::ops {
namespace {

// What is spoken of: [batch, space…, rest…], with a block for each axis of space, and two paddings or crops.
struct Blocks {
  std::vector<int64_t> block, edges;
  int64_t batches = 1;  // elements of a block
};

Result<Blocks> blocks_of(const Call& call, std::vector<int64_t> block, size_t edges) {
  Blocks out;
  out.block = std::move(block);
  const Shape &shape = call.shape(0), &given = call.shape(edges);
  const size_t space = out.block.size();
  if (shape.rank() < 1 + space) return invalid_argument(concat("input rank should be >= ", 1 + space, " instead of ", shape.rank()));
  if (given.rank() != 2 || given[0] != static_cast<int64_t>(space) || given[1] != 2) {
    return invalid_argument(concat("paddings or crops should have shape [", space, ", 2] instead of ", given.to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(out.edges, call.integers(edges));
  for (int64_t size : out.block) {
    if (size < 1) return invalid_argument(concat("All values in block_shape must be positive, got ", size));
    if (__builtin_mul_overflow(out.batches, size, &out.batches)) return invalid_argument("the product of block_shape does not fit 63 bits");
  }
  for (int64_t edge : out.edges) {
    if (edge < 0) return invalid_argument(concat("paddings and crops must be non-negative, got ", edge));
  }
  return out;
}

Result<Blocks> blocks_of_input(const Call& call) {
  if (call.shape(1).rank() != 1) return invalid_argument(concat("block rank should be 1 instead of ", call.shape(1).rank()));
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> block, call.integers(1));
  return blocks_of(call, std::move(block), 2);
}

Status space_to_batch(Call& call, const Blocks& blocks) {
  const Value& x = call.value(0);
  const Shape& shape = x.shape();
  const size_t space = blocks.block.size();
  Shape out = shape;
  if (__builtin_mul_overflow(shape[0], blocks.batches, &out[0])) return invalid_argument("the batch of the result does not fit 63 bits");
  for (size_t i = 0; i < space; ++i) {
    int64_t padded = shape[i + 1];
    if (__builtin_add_overflow(padded, blocks.edges[2 * i], &padded) || __builtin_add_overflow(padded, blocks.edges[2 * i + 1], &padded)) {
      return invalid_argument("the padded shape does not fit 63 bits");
    }
    if (padded % blocks.block[i] != 0) {
      return invalid_argument(concat("padded_shape[", i, "]=", padded, " is not divisible by block_shape[", i, "]=", blocks.block[i]));
    }
    out[i + 1] = padded / blocks.block[i];
  }
  FERRY_ASSIGN_OR_RETURN(out, Shape::checked(out.dims(), call.run().limits));
  FERRY_ASSIGN_OR_RETURN(Mover to, Mover::into(call, 0, x.dtype(), out));
  if (*out.num_elements() > 0) {
    // Each place of a block gives a batch of its own: every block-th element from there on.
    std::vector<Pieces> axes;
    for (int64_t length : shape) axes.push_back(Pieces::whole(length));
    for (int64_t place = 0; place < blocks.batches; ++place) {
      int64_t rest = place;
      for (size_t i = space; i-- > 0;) {
        const int64_t size = blocks.block[i], at = rest % size, before = blocks.edges[2 * i], length = shape[i + 1], count = out[i + 1];
        rest /= size;
        const int64_t skipped = std::min(count, at >= before ? 0 : (before - at + size - 1) / size);
        const int64_t first = skipped * size + at - before;
        const int64_t inside = first >= length ? 0 : std::min(count - skipped, (length - first + size - 1) / size);
        axes[i + 1].row = {Piece::fill(skipped), {first, inside, size}, Piece::fill(count - skipped - inside)};
      }
      take(to, x, axes);
    }
  }
  return std::move(to).finish();
}

Status batch_to_space(Call& call, const Blocks& blocks) {
  const Value& x = call.value(0);
  const Shape& shape = x.shape();
  const size_t space = blocks.block.size();
  if (shape[0] % blocks.batches != 0) {
    return invalid_argument(
        concat("Input batch dimension (", shape[0], ") is not divisible by product of block sizes (", blocks.batches, ")"));
  }
  Shape out = shape;
  out[0] = shape[0] / blocks.batches;
  for (size_t i = 0; i < space; ++i) {
    const auto whole = checked_mul(shape[i + 1], blocks.block[i]);
    int64_t cropped;
    if (!whole || __builtin_add_overflow(blocks.edges[2 * i], blocks.edges[2 * i + 1], &cropped) || cropped > *whole) {
      return invalid_argument(concat("cropped_shape[", i, "] must be non-negative: ", shape[i + 1], " blocks of ", blocks.block[i],
                                     ", crops ", blocks.edges[2 * i], " and ", blocks.edges[2 * i + 1]));
    }
    out[i + 1] = *whole - cropped;
  }
  FERRY_ASSIGN_OR_RETURN(out, Shape::checked(out.dims(), call.run().limits));
  FERRY_ASSIGN_OR_RETURN(Mover to, Mover::into(call, 0, x.dtype(), out));
  if (*out.num_elements() > 0) {
    const int64_t below = product(shape, space + 1, shape.rank()), per_batch = product(shape, 1, shape.rank());
    std::vector<int64_t> at(space, 0);
    for (int64_t batch = 0; batch < out[0]; ++batch) {
      std::ranges::fill(at, 0);
      for (int64_t left = product(out, 1, space + 1); left > 0; --left) {
        int64_t place = 0, within = 0;
        for (size_t i = 0; i < space; ++i) {
          const int64_t from = at[i] + blocks.edges[2 * i];
          place = place * blocks.block[i] + from % blocks.block[i];
          within = within * shape[i + 1] + from / blocks.block[i];
        }
        to.take(x, (place * out[0] + batch) * per_batch + within * below, below);
        for (size_t i = space; i-- > 0 && ++at[i] == out[i + 1];) at[i] = 0;
      }
    }
  }
  return std::move(to).finish();
}

Status space_to_batch_nd(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Blocks blocks, blocks_of_input(call));
  return space_to_batch(call, blocks);
}
Status batch_to_space_nd(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Blocks blocks, blocks_of_input(call));
  return batch_to_space(call, blocks);
}

// With one block size for two axes of four.
template <Status (*kRun)(Call&, const Blocks&)>
class SquareKernel final : public Kernel {
 public:
  explicit SquareKernel(int64_t size) : size_(size) {}
  Status run(Call& call) const override {
    if (call.shape(0).rank() != 4) return invalid_argument(concat("input rank should be 4 instead of ", call.shape(0).rank()));
    FERRY_ASSIGN_OR_RETURN(const Blocks blocks, blocks_of(call, {size_, size_}, 1));
    return kRun(call, blocks);
  }

 private:
  int64_t size_;
};
template <Status (*kRun)(Call&, const Blocks&)>
Result<KernelRef> make_square(const NodeInfo& node) {
  const int64_t size = node.number("block_size");
  if (node.status().ok() && size < 2) return invalid_argument(concat("Block size should be > 1: ", size));
  return KernelRef(std::make_unique<SquareKernel<kRun>>(size));
}

// [batch, height, width, depth], or depth second: a block of `size` x `size` places for size² parts of the depth.
class DepthKernel final : public Kernel {
 public:
  DepthKernel(int64_t size, bool to_space, bool depth_last) : size_(size), to_space_(to_space), depth_last_(depth_last) {}
  Status run(Call& call) const override {
    const Value& x = call.value(0);
    const Shape& shape = x.shape();
    if (shape.rank() != 4) return invalid_argument(concat("Input rank should be 4 instead of ", shape.rank()));
    const size_t depth = depth_last_ ? 3 : 1, high = depth_last_ ? 1 : 2, wide = high + 1;
    Shape out = shape;
    int64_t area;
    if (__builtin_mul_overflow(size_, size_, &area)) return invalid_argument("the block does not fit 63 bits");
    if (to_space_) {
      if (shape[depth] % area != 0)
        return invalid_argument(concat("Input depth dimension ", shape[depth], " should be divisible by: ", area));
      out[depth] = shape[depth] / area;
      if (__builtin_mul_overflow(shape[high], size_, &out[high]) || __builtin_mul_overflow(shape[wide], size_, &out[wide])) {
        return invalid_argument("the result does not fit 63 bits");
      }
    } else {
      if (shape[high] % size_ != 0 || shape[wide] % size_ != 0) {
        return invalid_argument(
            concat("Image width ", shape[wide], " and height ", shape[high], " should be divisible by block_size: ", size_));
      }
      if (__builtin_mul_overflow(shape[depth], area, &out[depth])) return invalid_argument("the result does not fit 63 bits");
      out[high] = shape[high] / size_;
      out[wide] = shape[wide] / size_;
    }
    FERRY_ASSIGN_OR_RETURN(out, Shape::checked(out.dims(), call.run().limits));
    FERRY_ASSIGN_OR_RETURN(Mover to, Mover::into(call, 0, x.dtype(), out));
    if (*out.num_elements() > 0) {
      const Shape& small = to_space_ ? shape : out;  // the side with the deep pixels
      const int64_t parts = small[depth] / area, rows = small[high], columns = small[wide];
      // Steps in the input of: batch, block row and column, place in the block, part of the depth.
      const int64_t batch = product(shape, 1, 4);
      int64_t row, column, y, x_step, part;
      if (to_space_) {
        const int64_t pixel = depth_last_ ? shape[3] : 1, plane = depth_last_ ? 1 : rows * columns;
        column = pixel, row = columns * pixel, part = plane, x_step = parts * plane, y = size_ * x_step;
      } else {
        const int64_t pixel = depth_last_ ? parts : 1, line = shape[wide] * pixel;
        x_step = pixel, column = size_ * pixel, y = line, row = size_ * line, part = depth_last_ ? 1 : shape[2] * shape[3];
      }
      Walk walk;
      walk.axis(shape[0], batch);
      if (to_space_ && depth_last_) {
        walk.axis(rows, row), walk.axis(size_, y), walk.axis(columns, column), walk.axis(size_, x_step), walk.axis(parts, part);
      } else if (to_space_) {
        walk.axis(parts, part), walk.axis(rows, row), walk.axis(size_, y), walk.axis(columns, column), walk.axis(size_, x_step);
      } else if (depth_last_) {
        walk.axis(rows, row), walk.axis(columns, column), walk.axis(size_, y), walk.axis(size_, x_step), walk.axis(parts, part);
      } else {
        walk.axis(size_, y), walk.axis(size_, x_step), walk.axis(parts, part), walk.axis(rows, row), walk.axis(columns, column);
      }
      ops::take(to, x, walk);
    }
    return std::move(to).finish();
  }

 private:
  int64_t size_;
  bool to_space_, depth_last_;
};

template <bool kToSpace>
Result<KernelRef> make_depth(const NodeInfo& node) {
  const int64_t size = node.number("block_size");
  const std::string format = node.text("data_format");
  FERRY_RETURN_IF_ERROR(node.status());
  if (size < 2) return invalid_argument(concat("Block size should be > 1, but was: ", size));
  if (format != "NHWC" && format != "NCHW") return unsupported(concat("data_format must be NHWC or NCHW here, not ", quoted(format)));
  return KernelRef(std::make_unique<DepthKernel>(size, kToSpace, format == "NHWC"));
}

}  // namespace

#define FERRY_BLOCK_OP(op, make) \
  extern const Op op##_op;       \
  const Op op##_op { #op, make }

FERRY_BLOCK_OP(SpaceToBatchND, make_free<space_to_batch_nd>);
FERRY_BLOCK_OP(BatchToSpaceND, make_free<batch_to_space_nd>);
FERRY_BLOCK_OP(SpaceToBatch, make_square<space_to_batch>);
FERRY_BLOCK_OP(BatchToSpace, make_square<batch_to_space>);
FERRY_BLOCK_OP(DepthToSpace, make_depth<true>);
FERRY_BLOCK_OP(SpaceToDepth, make_depth<false>);

}  // namespace ferry::ops
