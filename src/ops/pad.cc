// Pad, PadV2 and MirrorPad.
#include <algorithm>

#include "ops/pieces.h"

namespace ferry::ops {
namespace {

// Input 1: how much goes before and after each axis.
Result<std::vector<int64_t>> paddings_of(const Call& call) {
  const Shape &shape = call.shape(0), &given = call.shape(1);
  if (given.rank() != 2 || given[1] != 2 || given[0] != static_cast<int64_t>(shape.rank())) {
    return invalid_argument(
        concat("paddings must be a matrix with 2 columns and a row for each axis of ", shape.to_string(), ": ", given.to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> out, call.integers(1));
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t length;
    if (out[i] < 0) return invalid_argument(concat("Paddings must be non-negative: ", out[i & ~size_t{1}], " ", out[i | 1]));
    if (__builtin_add_overflow(out[i & ~size_t{1}], out[i | 1], &length) || __builtin_add_overflow(length, shape[i / 2], &length)) {
      return invalid_argument("Encountered overflow when adding paddings to the input's shape");
    }
  }
  return out;
}

Status pad(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> by, paddings_of(call));
  const Value* filling = nullptr;
  if (call.num_inputs() > 2) {
    if (call.shape(2).rank() != 0) return invalid_argument(concat("constant_values must be a scalar, not ", call.shape(2).to_string()));
    filling = &call.value(2);
  }
  const Shape& shape = call.shape(0);
  if (std::ranges::all_of(by, [](int64_t n) { return n == 0; })) {
    call.pass(0, 0);
    return {};
  }
  std::vector<Pieces> axes;
  for (size_t i = 0; i < shape.rank(); ++i) {
    axes.push_back(Pieces::whole(shape[i]));
    if (by[2 * i] + by[2 * i + 1] > 0) axes[i].row = {Piece::fill(by[2 * i]), {0, shape[i], 1}, Piece::fill(by[2 * i + 1])};
  }
  return give(call, call.value(0), axes, filling);
}

class MirrorPadKernel final : public Kernel {
 public:
  explicit MirrorPadKernel(bool symmetric) : skipped_(symmetric ? 0 : 1) {}
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> by, paddings_of(call));
    const Shape& shape = call.shape(0);
    std::vector<Pieces> axes;
    for (size_t i = 0; i < shape.rank(); ++i) {
      const int64_t before = by[2 * i], after = by[2 * i + 1], length = shape[i];
      if (const int64_t most = length - skipped_; before > most || after > most) {  // the edge is no mirror of itself where it is skipped
        return invalid_argument(concat("paddings must be ", skipped_ == 1 ? "less than" : "no greater than",
                                       " the dimension size: ", before, ", ", after, " for ", length));
      }
      axes.push_back(Pieces::whole(length));
      if (before + after > 0) axes[i].row = {{before - 1 + skipped_, before, -1}, {0, length, 1}, {length - 1 - skipped_, after, -1}};
    }
    return give(call, call.value(0), axes);
  }

 private:
  int64_t skipped_;  // elements at the edge that are not repeated
};

Result<KernelRef> make_mirror_pad(const NodeInfo& node) {
  const std::string mode = node.text("mode");
  if (node.status().ok() && mode != "REFLECT" && mode != "SYMMETRIC") {
    return invalid_argument(concat("mode must be either REFLECT or SYMMETRIC, not ", quoted(mode)));
  }
  return KernelRef(std::make_unique<MirrorPadKernel>(mode == "SYMMETRIC"));
}

}  // namespace

#define FERRY_PAD_OP(op, make) \
  extern const Op op##_op;     \
  const Op op##_op { #op, make }

FERRY_PAD_OP(Pad, make_free<pad>);
FERRY_PAD_OP(PadV2, make_free<pad>);
FERRY_PAD_OP(MirrorPad, make_mirror_pad);

}  // namespace ferry::ops
