// Ops that give the elements of one tensor in another order, or more than once.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "ferry/checked.h"
#include "ferry/rearrange.h"
#include "ops/pieces.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// The permutation that input 1 holds, each axis once.
Result<std::vector<int64_t>> permutation_of(const Call& call, size_t rank) {
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> out, call.integers(1));
  if (call.shape(1).rank() != 1 || out.size() != rank) {
    return invalid_argument(concat("transpose expects a vector of size ", rank, ". But input(1) is ", call.shape(1).to_string()));
  }
  std::vector<bool> seen(rank, false);
  for (int64_t& axis : out) {
    FERRY_ASSIGN_OR_RETURN(const size_t at, axis_of(axis, rank));
    if (seen[at]) return invalid_argument(concat(at, " is more than once in the permutation"));
    seen[at] = true;
    axis = static_cast<int64_t>(at);
  }
  return out;
}

Status transpose_input(Call& call) {
  const Value& x = call.value(0);
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, permutation_of(call, x.shape().rank()));
  if (std::ranges::is_sorted(axes)) {
    call.pass(0, 0);
    return {};
  }
  if (x.is_tensor() && x.tensor().num_elements() > 4096) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, transpose(x.tensor(), axes, call.run().pool));
    call.set(0, std::move(out));
    return {};
  }
  Shape shape;
  for (int64_t axis : axes) shape.append(x.shape()[static_cast<size_t>(axis)]);
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, x.dtype(), shape));
  if (*shape.num_elements() > 0) {
    Walk walk;
    for (int64_t axis : axes) {
      const auto i = static_cast<size_t>(axis);
      walk.axis(x.shape()[i], product(x.shape(), i + 1, x.shape().rank()));
    }
    take(out, x, walk);
  }
  return std::move(out).finish();
}

template <class T>
void conjugate(const void* from, void* to, int64_t count) {
  const auto* x = static_cast<const T*>(from);
  auto* out = static_cast<T*>(to);
  for (int64_t i = 0; i < count; ++i) out[i] = std::conj(x[i]);
}

Status conjugate_transpose(Call& call) {
  const Value& x = call.value(0);
  if (!with_type(x.dtype(), Complexes{}, [](auto) {})) return transpose_input(call);
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, permutation_of(call, x.shape().rank()));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor moved,
                         axes.empty() ? Result<DenseTensor>(x.tensor()) : transpose(x.tensor(), axes, call.run().pool));
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), moved.shape()));
  with_type(x.dtype(), Complexes{}, [&]<class T>(TypeTag<T>) { conjugate<T>(moved.raw(), out, moved.num_elements()); });
  return {};
}

Status invert_permutation(Call& call) {
  if (call.shape(0).rank() != 1) return invalid_argument("invert_permutation expects a 1D vector.");
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> x, call.integers(0));
  std::vector<int64_t> out(x.size(), -1);
  const auto count = static_cast<int64_t>(x.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t to = x[static_cast<size_t>(i)];
    if (to < 0 || to >= count) return invalid_argument(concat(to, " is not between 0 and ", count));
    if (out[static_cast<size_t>(to)] != -1) return invalid_argument(concat(to, " is duplicated in the input."));
    out[static_cast<size_t>(to)] = i;
  }
  return give_integers(call, 0, call.shape(0), out);
}

// ---- Each axis backwards, or not

Status reverse(Call& call, const std::vector<bool>& backwards) {
  const Shape& shape = call.shape(0);
  if (std::ranges::find(backwards, true) == backwards.end()) {
    call.pass(0, 0);
    return {};
  }
  std::vector<Pieces> axes;
  for (size_t i = 0; i < shape.rank(); ++i) {
    axes.push_back(Pieces::whole(shape[i]));
    if (backwards[i]) axes[i].row[0] = {shape[i] - 1, shape[i], -1};
  }
  return give(call, call.value(0), axes);
}

Status reverse_flags(Call& call) {
  const Shape& shape = call.shape(0);
  if (call.shape(1).rank() != 1 || call.shape(1)[0] != static_cast<int64_t>(shape.rank())) {
    return invalid_argument(
        concat("'dims' must be a 1-dimension with a flag for each axis of ", shape.to_string(), ", not ", call.shape(1).to_string()));
  }
  const auto flags = call.values<bool>(1);
  return reverse(call, std::vector<bool>(flags.begin(), flags.end()));
}

Status reverse_axes(Call& call) {
  const Shape& shape = call.shape(0);
  if (call.shape(1).rank() != 1) return invalid_argument(concat("'dims' must be 1-dimension, not ", call.shape(1).to_string()));
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> given, call.integers(1));
  std::vector<bool> backwards(shape.rank(), false);
  for (int64_t axis : given) {
    FERRY_ASSIGN_OR_RETURN(const size_t at, axis_of(axis, shape.rank()));
    if (backwards[at]) return invalid_argument(concat("axis ", at, " specified more than once."));
    backwards[at] = true;
  }
  return reverse(call, backwards);
}

class ReverseSequenceKernel final : public Kernel {
 public:
  ReverseSequenceKernel(int64_t seq, int64_t batch) : seq_(seq), batch_(batch) {}
  Status run(Call& call) const override {
    const Value& x = call.value(0);
    const Shape& shape = x.shape();
    const auto rank = static_cast<int64_t>(shape.rank());
    if (batch_ == seq_) return invalid_argument(concat("batch_dim == seq_dim == ", seq_));
    if (seq_ >= rank || batch_ >= rank || seq_ < 0 || batch_ < 0) {
      return invalid_argument(concat("seq_dim and batch_dim must be < input rank ( ", seq_, ", ", batch_, " vs. ", rank, ")"));
    }
    const auto seq = static_cast<size_t>(seq_), batch = static_cast<size_t>(batch_);
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> lengths, call.integers(1));
    if (call.shape(1).rank() != 1 || static_cast<int64_t>(lengths.size()) != shape[batch]) {
      return invalid_argument(concat("len(seq_lens) != input.dims(", batch, "), (", lengths.size(), " vs. ", shape[batch], ")"));
    }
    for (int64_t length : lengths) {
      if (length < 0 || length > shape[seq]) {
        return invalid_argument(concat("seq_lens must be within [0, ", shape[seq], "], got ", length));
      }
    }
    FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, x.dtype(), shape));
    if (*shape.num_elements() > 0) write(out, x, lengths, seq, batch);
    return std::move(out).finish();
  }

 private:
  static void write(Mover& out, const Value& x, std::span<const int64_t> lengths, size_t seq, size_t batch) {
    const Shape& shape = x.shape();
    const size_t high = std::min(seq, batch), low = std::max(seq, batch);
    const int64_t outer = product(shape, 0, high), between = product(shape, high + 1, low), below = product(shape, low + 1, shape.rank());
    const int64_t low_step = below, high_step = below * shape[low] * between;
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t a = 0; a < shape[high]; ++a) {
        for (int64_t m = 0; m < between; ++m) {
          const int64_t base = (o * shape[high] * between + m) * shape[low] * below;
          if (batch == high) {
            const int64_t length = lengths[static_cast<size_t>(a)], row = base + a * high_step;
            if (below == 1) {
              out.take(x, row + length - 1, length, -1);
            } else {
              for (int64_t i = length; i-- > 0;) out.take(x, row + i * low_step, below);
            }
            out.take(x, row + length * low_step, (shape[low] - length) * below);
          } else {
            for (int64_t b = 0; b < shape[low]; ++b) {
              const int64_t length = lengths[static_cast<size_t>(b)], from = a < length ? length - 1 - a : a;
              out.take(x, base + from * high_step + b * low_step, below);
            }
          }
        }
      }
    }
  }

  int64_t seq_, batch_;
};
Result<KernelRef> make_reverse_sequence(const NodeInfo& node) {
  return KernelRef(std::make_unique<ReverseSequenceKernel>(node.number("seq_dim"), node.number("batch_dim")));
}

Status roll(Call& call) {
  const Shape& shape = call.shape(0);
  if (shape.rank() < 1) return invalid_argument("input must be 1-D or higher");
  if (call.shape(1).rank() > 1 || call.shape(2).rank() > 1 || call.shape(1) != call.shape(2)) {
    return invalid_argument(concat("shift and axis must have the same size, a scalar or a vector each, not ", call.shape(1).to_string(),
                                   " and ", call.shape(2).to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> shifts, call.integers(1));
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> given, call.integers(2));
  std::vector<int64_t> by(shape.rank(), 0);
  for (size_t i = 0; i < given.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(given[i], shape.rank()));
    const int64_t length = std::max<int64_t>(shape[axis], 1);
    by[axis] = (by[axis] + (shifts[i] % length + length) % length) % length;
  }
  std::vector<Pieces> axes;
  for (size_t i = 0; i < shape.rank(); ++i) {
    axes.push_back(Pieces::whole(shape[i]));
    if (by[i] != 0) axes[i].row = {{shape[i] - by[i], by[i], 1}, {0, shape[i] - by[i], 1}};
  }
  return give(call, call.value(0), axes);
}

// ---- More than once

Status tile(Call& call) {
  const Shape& shape = call.shape(0);
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> times, call.integers(1));
  if (call.shape(1).rank() != 1 || times.size() != shape.rank()) {
    return invalid_argument(
        concat("Expected multiples argument to be a vector of length ", shape.rank(), " but got ", call.shape(1).to_string()));
  }
  std::vector<Pieces> axes;
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (times[i] < 0) return invalid_argument(concat("Expected multiples[", i, "] >= 0, but got ", times[i]));
    axes.push_back(Pieces::whole(shape[i]));
    if (shape[i] == 1) {
      axes[i].row[0] = {0, times[i], times[i] == 1 ? 1 : 0};
    } else {
      axes[i].times = times[i];
    }
  }
  return give(call, call.value(0), axes);
}

Status broadcast_to(Call& call) {
  const Shape& shape = call.shape(0);
  if (call.shape(1).rank() != 1) return invalid_argument(concat("the shape must be a vector, not ", call.shape(1).to_string()));
  FERRY_ASSIGN_OR_RETURN(const Shape wanted, call.shape_value(1));
  if (wanted.rank() < shape.rank()) {
    return invalid_argument(
        concat("Rank of input (", shape.rank(), ") must be no greater than rank of output shape (", wanted.rank(), ")."));
  }
  if (wanted == shape) {
    call.pass(0, 0);
    return {};
  }
  const size_t front = wanted.rank() - shape.rank();
  std::vector<Pieces> axes;
  for (size_t i = 0; i < wanted.rank(); ++i) {
    const int64_t length = i < front ? 1 : shape[i - front];
    axes.push_back(Pieces::whole(length));
    if (length == wanted[i]) continue;
    if (length != 1) return invalid_argument(concat("Incompatible shapes: ", shape.to_string(), " vs. ", wanted.to_string()));
    axes[i].row[0] = {0, wanted[i], 0};
  }
  return give(call, call.value(0), axes);
}

}  // namespace

#define FERRY_REORDER_OP(op, make) \
  extern const Op op##_op;         \
  const Op op##_op { #op, make }

FERRY_REORDER_OP(Transpose, make_free<transpose_input>);
FERRY_REORDER_OP(ConjugateTranspose, make_free<conjugate_transpose>);
FERRY_REORDER_OP(InvertPermutation, make_free<invert_permutation>);
FERRY_REORDER_OP(Reverse, make_free<reverse_flags>);
FERRY_REORDER_OP(ReverseV2, make_free<reverse_axes>);
FERRY_REORDER_OP(ReverseSequence, make_reverse_sequence);
FERRY_REORDER_OP(Roll, make_free<roll>);
FERRY_REORDER_OP(Tile, make_free<tile>);
FERRY_REORDER_OP(BroadcastTo, make_free<broadcast_to>);

}  // namespace ferry::ops
