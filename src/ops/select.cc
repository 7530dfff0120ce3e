// Select, SelectV2 and Where.
#include "ops/broadcast.h"
#include "ops/move.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// Elements of `shape`, from one side or the other: runs of equal flags at once.
Status choose(Call& call, const Shape& shape, std::span<const bool> flags, int64_t below) {
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, call.value(1).dtype(), shape));
  for (size_t i = 0; i < flags.size() && below > 0;) {
    size_t end = i + 1;
    while (end < flags.size() && flags[end] == flags[i]) ++end;
    out.take(call.value(flags[i] ? 1 : 2), static_cast<int64_t>(i) * below, static_cast<int64_t>(end - i) * below);
    i = end;
  }
  return std::move(out).finish();
}

Status select(Call& call) {
  const Shape &flags = call.shape(0), &yes = call.shape(1), &no = call.shape(2);
  if (yes != no)
    return invalid_argument(concat("'then' and 'else' must have the same size, but received: ", yes.to_string(), " vs. ", no.to_string()));
  if (flags.rank() == 0) {
    call.pass(0, call.values<bool>(0)[0] ? 1 : 2);
    return {};
  }
  if (flags == yes) return choose(call, yes, call.values<bool>(0), 1);
  if (flags.rank() != 1 || yes.rank() < 1 || flags[0] != yes[0]) {
    return invalid_argument(
        concat("Number of batches of 'then' must match size of 'cond', but saw: ", yes.to_string(), " vs. ", flags.to_string()));
  }
  const int64_t count = *yes.num_elements();
  return choose(call, yes, call.values<bool>(0), count == 0 ? 0 : count / yes[0]);
}

Status select_v2(Call& call) {
  const Shape &flags = call.shape(0), &yes = call.shape(1), &no = call.shape(2);
  if (flags == yes && yes == no) return choose(call, yes, call.values<bool>(0), 1);
  // Two broadcasts of two: the sides, then their common shape with the flags.
  FERRY_ASSIGN_OR_RETURN(const Broadcast sides, Broadcast::of(yes, no));
  FERRY_ASSIGN_OR_RETURN(const Broadcast all, Broadcast::of(flags, sides.out));
  FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(all.out.dims(), call.run().limits));
  const size_t rank = shape.rank();
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, call.value(1).dtype(), shape));
  if (*shape.num_elements() > 0) {
    const auto flag = call.values<bool>(0);
    std::vector<int64_t> at(rank, 0), steps[3];
    for (size_t side = 0; side < 3; ++side) {
      const Shape& own = call.shape(side);
      steps[side].assign(rank, 0);
      for (size_t i = own.rank(), below = 1; i-- > 0;) {
        if (own[i] != 1) steps[side][i + rank - own.rank()] = static_cast<int64_t>(below);
        below *= static_cast<size_t>(own[i]);
      }
    }
    int64_t place[3] = {0, 0, 0};
    const int64_t row = rank == 0 ? 1 : shape[rank - 1];
    const auto step = [&](size_t side) { return rank == 0 ? 0 : steps[side][rank - 1]; };
    for (bool more = true; more;) {
      for (int64_t i = 0; i < row;) {
        const bool taken = flag[static_cast<size_t>(place[0] + i * step(0))];
        int64_t end = i + 1;
        while (end < row && flag[static_cast<size_t>(place[0] + end * step(0))] == taken) ++end;
        const size_t side = taken ? 1 : 2;
        out.take(call.value(side), place[side] + i * step(side), end - i, step(side));
        i = end;
      }
      more = false;
      for (size_t axis = rank == 0 ? 0 : rank - 1; axis-- > 0 && !more;) {
        for (size_t side = 0; side < 3; ++side) place[side] += steps[side][axis];
        if (++at[axis] < shape[axis]) {
          more = true;
        } else {
          for (size_t side = 0; side < 3; ++side) place[side] -= steps[side][axis] * shape[axis];
          at[axis] = 0;
        }
      }
    }
  }
  return std::move(out).finish();
}

// The coordinates of all elements that are neither zero nor false; NaN is one of them.
class WhereKernel final : public Kernel {
 public:
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    const Shape& shape = x.shape();
    std::vector<int64_t> found;
    visit_dtype(x.dtype(), [&]<class T>(TypeTag<T>) {
      const auto values = x.values<T>();
      for (size_t i = 0; i < values.size(); ++i) {
        if (to_arithmetic(values[i]) != Arithmetic<T>(0)) found.push_back(static_cast<int64_t>(i));
      }
    });
    const size_t rank = shape.rank();
    FERRY_ASSIGN_OR_RETURN(const Shape result,
                           Shape::checked(std::vector{static_cast<int64_t>(found.size()), static_cast<int64_t>(rank)}, call.run().limits));
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(0, DType::int64, result));
    for (size_t i = 0; i < found.size(); ++i) {
      int64_t rest = found[i];
      for (size_t axis = rank; axis-- > 0;) {
        out[i * rank + axis] = rest % shape[axis];
        rest /= shape[axis];
      }
    }
    return {};
  }
};
Result<KernelRef> make_where(const NodeInfo&) { return KernelRef(std::make_unique<WhereKernel>()); }

}  // namespace

extern const Op Select_op, SelectV2_op, Where_op;
const Op Select_op{"Select", make_free<select>};
const Op SelectV2_op{"SelectV2", make_free<select_v2>};
const Op Where_op{"Where", make_where};

}  // namespace ferry::ops
