#include <algorithm>

#include "ops/kernel.h"

namespace ferry::ops {

#define FERRY_OP(op) extern const Op op##_op;
#include "ops/ops.def"
#undef FERRY_OP

namespace {

constexpr const Op* kOps[] = {
#define FERRY_OP(op) &op##_op,
#include "ops/ops.def"
#undef FERRY_OP
};
constexpr std::string_view kNames[] = {
#define FERRY_OP(op) #op,
#include "ops/ops.def"
#undef FERRY_OP
};
static_assert(std::ranges::is_sorted(kNames), "ops.def is sorted");

}  // namespace

std::span<const Op* const> all_ops() { return kOps; }

const Op* find_op(std::string_view name) {
  const auto it = std::ranges::lower_bound(kNames, name);
  return it == std::end(kNames) || *it != name ? nullptr : kOps[it - std::begin(kNames)];
}

}  // namespace ferry::ops
