#include "checkpoint/plan_words.h"

#include "checkpoint/plan_fix.h"
#include "checkpoint/plan_scopes.h"
#include "ferry/status.h"

namespace ferry::plan {

std::string_view best_name(const Have& have) { return !have.name.empty() ? have.name : !have.key.empty() ? have.key : have.path; }
std::string_view best_name(const Wanted& wanted) {
  return !wanted.name.empty() ? wanted.name : !wanted.path.empty() ? wanted.path : wanted.key;
}

void explain(PlanRow& row, const Planned& of, const Known& known, bool meant) {
  const auto have_list = of.have;
  const PlanOptions& options = of.options;
  const Wanted& wanted = of.wanted[row.wanted];
  std::string how;
  if (row.rule) how = concat("by rule ", *row.rule + 1, " (", of.rules->text(*row.rule), ")");
  if (!known.reason.empty() && row.have) how = known.reason;
  const auto with_fix = [&](const std::string& words) {
    const std::string fix = row.have ? fix_text(row.fix, have_list[*row.have]) : std::string();
    return fix.empty() ? words : words.empty() ? fix : concat(words, "; ", fix);
  };
  switch (row.verdict) {
    case Verdict::by_key:
    case Verdict::by_path:
    case Verdict::by_name:
    case Verdict::by_rule: row.reason = with_fix(how); return;
    case Verdict::proposed:
      row.reason = with_fix(how);
      if (!row.restored) {
        row.remedy = "--accept-proposed";
        if (!known.rename.empty() && row.fix.empty()) row.remedy += concat(" or --rename '", known.rename, "'");
      }
      return;
    case Verdict::missing:
      row.reason = "nothing in the checkpoint fits it";
      if (wanted.role == Role::slot) row.reason = "the checkpoint has no such slot";
      row.remedy = row.required ? "--rename 'REGEX=NAME', or --allow-partial to leave it as it is" : "";
      return;
    case Verdict::shape:
    case Verdict::dtype: {
      const Have& have = have_list[*row.have];
      if (row.verdict == Verdict::shape) {
        row.reason = concat(shape_text(have.shape), " in the checkpoint, ", shape_text(wanted.shape), " wanted");
        if (wanted.dtype && *wanted.dtype != have.dtype)
          row.reason += concat("; ", dtype_name(have.dtype), " and ", dtype_name(*wanted.dtype));
      } else {
        row.reason = concat(dtype_name(have.dtype), " in the checkpoint, ", wanted.dtype ? dtype_name(*wanted.dtype) : "any", " wanted");
      }
      if (!how.empty()) row.reason += concat(" (", how, ")");
      if (row.fix.empty()) {
        row.reason += row.verdict == Verdict::shape ? "; no change of shape keeps the values" : "; there is no cast between them";
        row.remedy = "--allow-partial to leave it as it is";
        if (wanted.shape && wanted.shape->num_elements() == 0 && have.shape.num_elements() != 0) {
          Shape open = *wanted.shape;
          for (int64_t& dim : std::span(&open[0], open.rank())) dim = dim == 0 ? -1 : dim;
          row.remedy = concat("make the variable with a length that is not fixed, shape=", shape_text(open), ", or ", row.remedy);
        }
        return;
      }
      row.reason += concat("; would fit: ", fix_text(row.fix, have));
      row.remedy = fix_options(row.fix, meant);
      if (known.waits && !options.accept_proposed) row.remedy = concat("--accept-proposed ", row.remedy);
      return;
    }
    case Verdict::ambiguous: {
      if (row.reason.empty()) row.reason = known.reason.empty() ? std::string("several tensors have this name") : known.reason;
      std::string list;
      for (size_t i = 0; i < row.candidates.size() && i < 4; ++i) {
        const Have& have = have_list[row.candidates[i]];
        list += concat(list.empty() ? "" : ", ", best_name(have));
      }
      if (row.candidates.size() > 4) list += concat(", and ", row.candidates.size() - 4, " more");
      row.reason += concat(": ", list);
      // By its key, which no other has.
      const Have& first = have_list[row.candidates[0]];
      row.remedy = concat("--rename '",
                          rename_rule(first.key.empty() ? best_name(first) : std::string_view(first.key), best_name(wanted), true), "'");
      return;
    }
    case Verdict::skipped:
      row.reason = wanted.role != Role::slot ? std::string("the optimizer's")
                   : wanted.slot_of.empty()  ? std::string("optimizer slot")
                                             : concat("slot ", wanted.slot_name, " of ", wanted.slot_of);
      row.remedy = "--slots";
      return;
  }
  __builtin_unreachable();
}

}  // namespace ferry::plan
