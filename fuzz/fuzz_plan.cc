// Lists of variables in JSON and CSV, and plans between any two of them: nothing is proposed twice, what is restored fits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "checkpoint/rename.h"
#include "ferry/restore.h"

using namespace ferry;

static void require(bool holds) {
  if (!holds) std::abort();
}

// The first byte is the options', a NUL parts the two lists.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 16 << 10) return 0;
  const uint8_t flags = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = std::min(text.find('\0'), text.size());
  Limits limits;
  limits.max_tensor_bytes = 64 << 20;
  const auto first = read_wanted(text.substr(0, cut), limits);
  const auto second = read_wanted(text.substr(std::min(cut + 1, text.size())), limits);
  if (!first.ok() || !second.ok() || !*first || !*second) return 0;
  std::vector<Have> have;
  for (const Wanted& wanted : **first) {
    Have& one = have.emplace_back();
    one.name = wanted.name;
    one.path = wanted.path;
    one.key = wanted.key.empty() ? wanted.name : wanted.key;
    one.role = wanted.role;
    one.slot_name = wanted.slot_name;
    one.slot_of = wanted.slot_of;
    one.dtype = wanted.dtype.value_or(DType::float32);
    if (wanted.shape) one.shape = *wanted.shape;
    for (size_t axis = 0; axis < one.shape.rank(); ++axis) one.shape[axis] = std::max<int64_t>(one.shape[axis], 0);
  }
  PlanOptions options{.slots = (flags & 1) != 0, .accept_proposed = (flags & 2) != 0};
  options.fixes = {(flags & 4) != 0, (flags & 8) != 0, (flags & 16) != 0, (flags & 32) != 0, (flags & 64) != 0};
  RenameRules rules;
  if ((flags & 128) != 0) (void)rules.add("^a/=b/");
  const Plan plan = make_plan(have, **second, &rules, options);
  require(plan.rows.size() == (*second)->size() && plan.uses.size() == have.size());
  std::vector<bool> proposed(have.size());
  for (const PlanRow& row : plan.rows) {
    if (row.have) require(*row.have < have.size());
    for (const size_t candidate : row.candidates) require(candidate < have.size());
    require(row.verdict != Verdict::ambiguous || !row.candidates.empty());
    if (row.verdict == Verdict::proposed) {
      require(!proposed[*row.have]);
      proposed[*row.have] = true;
    }
    if (!row.restored) continue;
    require(row.have && plan.uses[*row.have].use == Use::used);
    const auto& wanted = (**second)[row.wanted];
    Shape shape = have[*row.have].shape;
    for (size_t i = 0; i < row.fix.permutation.size(); ++i) shape[i] = have[*row.have].shape[row.fix.permutation[i]];
    if (row.fix.reshaped) shape = *row.fix.reshaped;
    if (row.fix.resized) shape[row.fix.resized->axis] = row.fix.resized->to;
    if (!wanted.shape) continue;
    require(shape.rank() == wanted.shape->rank());
    for (size_t i = 0; i < shape.rank(); ++i) require((*wanted.shape)[i] < 0 || (*wanted.shape)[i] == shape[i]);
  }
  require(!plan_table(plan, have, **second).empty() && !plan_json(plan, have, **second).empty());
  return 0;
}
