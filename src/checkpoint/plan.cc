#include "ferry/plan.h"

#include <algorithm>
#include <unordered_map>

#include "checkpoint/plan_fix.h"
#include "checkpoint/plan_names.h"
#include "checkpoint/plan_scopes.h"
#include "checkpoint/plan_words.h"
#include "checkpoint/rename.h"
#include "ferry/status.h"

namespace ferry {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::by_key: return "key";
    case Verdict::by_path: return "path";
    case Verdict::by_name: return "name";
    case Verdict::by_rule: return "rule";
    case Verdict::proposed: return "proposed";
    case Verdict::missing: return "missing";
    case Verdict::shape: return "shape";
    case Verdict::dtype: return "dtype";
    case Verdict::ambiguous: return "ambiguous";
    case Verdict::skipped: return "skipped";
  }
  __builtin_unreachable();
}

std::string_view use_name(Use use) {
  switch (use) {
    case Use::used: return "used";
    case Use::unsettled: return "unsettled";
    case Use::slot: return "slot";
    case Use::counter: return "counter";
    case Use::state: return "state";
    case Use::other: return "other";
    case Use::unexpected: return "unexpected";
  }
  __builtin_unreachable();
}

bool Plan::complete() const {
  return std::none_of(rows.begin(), rows.end(), [](const PlanRow& row) { return row.required && !row.restored; });
}

namespace plan {
namespace {

constexpr size_t kNone = SIZE_MAX;
constexpr size_t kMostNamed = 8;   // candidates of an ambiguous row
constexpr size_t kMostAlike = 64;  // tensors of one name that are looked at to tell them by their roles

// Positions by name. Names are views into the caller's lists or into `kept`.
class Index {
 public:
  void add(std::string_view name, size_t at) {
    if (name.empty()) return;
    auto& places = map_[name];
    if (places.empty() || places.back() != at) places.push_back(at);
  }
  std::span<const size_t> find(std::string_view name) const {
    const auto it = name.empty() ? map_.end() : map_.find(name);
    return it == map_.end() ? std::span<const size_t>() : std::span<const size_t>(it->second);
  }

 private:
  std::unordered_map<std::string_view, std::vector<size_t>> map_;
};

Named named(size_t at, std::string_view name, std::string_view path, std::string_view key) {
  Named out{at, {}};
  for (const std::string_view text : {name, path, key}) {
    if (text.empty()) continue;
    Canonical form = canonical(text);
    const bool there = std::any_of(out.names.begin(), out.names.end(), [&](const Canonical& other) { return other.text == form.text; });
    if (!there && !form.form.empty()) out.names.push_back(std::move(form));
  }
  return out;
}

// Keras 3 calls every kernel "kernel": a name that several have says nothing of those that have another.
void drop_shared_names(std::vector<Named>& list) {
  std::unordered_map<std::string_view, size_t> count;
  for (const Named& item : list) {
    for (const Canonical& name : item.names) ++count[name.text];
  }
  std::vector<std::vector<bool>> shared;
  for (const Named& item : list) {
    auto& flags = shared.emplace_back();
    for (const Canonical& name : item.names) flags.push_back(count[name.text] > 1);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (std::all_of(shared[i].begin(), shared[i].end(), [](bool yes) { return yes; })) continue;
    size_t at = 0;
    std::erase_if(list[i].names, [&](const Canonical&) { return shared[i][at++]; });
  }
}

class Planner {
 public:
  Planner(std::span<const Have> have, std::span<const Wanted> wanted, const RenameRules* rules, const PlanOptions& options)
      : have_(have), wanted_(wanted), rules_(rules != nullptr && rules->size() > 0 ? rules : nullptr), options_(options) {}

  Plan run() {
    plan_.allow_partial = options_.allow_partial;
    plan_.rows.resize(wanted_.size());
    taken_.resize(have_.size());
    for (size_t w = 0; w < wanted_.size(); ++w) {
      PlanRow& row = plan_.rows[w];
      row.wanted = w;
      const Role role = wanted_[w].role;
      row.required = !wanted_[w].optional && role != Role::other && (role == Role::weight || options_.slots);
      if ((role == Role::slot || wanted_[w].of_optimizer) && !options_.slots) row.verdict = Verdict::skipped;
    }
    by_rules();
    by_exact_names();
    by_slots();
    by_similar_names();
    by_shape(true);
    by_shape(false);
    proposals_.resize(plan_.rows.size());
    meant_.resize(plan_.rows.size());
    for (PlanRow& row : plan_.rows) explain(row, {have_, wanted_, rules_, options_}, proposals_[row.wanted], meant_[row.wanted]);
    account();
    return std::move(plan_);
  }

 private:
  bool open(const PlanRow& row) const { return row.verdict == Verdict::missing && !row.have && row.candidates.empty(); }

  // The rest follows from what the two are: whether they fit, and what would make them.
  void match(PlanRow& row, size_t h, Verdict verdict, Leaf from = Leaf::unknown, Leaf to = Leaf::unknown) {
    const Have& have = have_[h];
    const Wanted& wanted = wanted_[row.wanted];
    row.have = h;
    row.verdict = verdict;
    taken_[h] = true;
    // A rule says a name and nothing of the layout, unless that may be changed.
    const bool meant = verdict == Verdict::proposed || (verdict == Verdict::by_rule && options_.fixes.transpose);
    const auto fix = find_fix(have.shape, wanted.shape, meant ? from : Leaf::unknown, meant ? to : Leaf::unknown);
    const bool castable = !wanted.dtype || *wanted.dtype == have.dtype || (is_fixed_size(*wanted.dtype) && is_fixed_size(have.dtype));
    if (fix) {
      row.fix = *fix;
      if (castable) add_cast(row.fix, have.dtype, wanted.dtype);
    }
    // A transposition that the words mean comes with the name.
    meant_.resize(plan_.rows.size());
    meant_[row.wanted] = meant && fix && !fix->permutation.empty() && fix->permutation == layout_change(from, to, have.shape.rank());
    const bool fit = fix && castable && allowed(row.fix, options_.fixes, meant_[row.wanted]);
    row.restored = fit && (verdict != Verdict::proposed || options_.accept_proposed);
    if (fit) return;
    Fix shape_only = row.fix;
    shape_only.cast.reset();
    row.verdict = !fix || !allowed(shape_only, options_.fixes, meant_[row.wanted]) ? Verdict::shape : Verdict::dtype;
    proposals_.resize(plan_.rows.size());
    if (verdict == Verdict::proposed) proposals_[row.wanted].waits = true;
  }

  // The first few of them are named: thousands of variables may share one name.
  void several(PlanRow& row, std::span<const size_t> candidates) {
    row.verdict = Verdict::ambiguous;
    candidates = candidates.first(std::min(candidates.size(), kMostNamed));
    row.candidates.assign(candidates.begin(), candidates.end());
  }

  // Tensors under the names that the rules give them. One that a rule renamed to what is wanted is no longer there under its old name.
  void by_rules() {
    if (rules_ == nullptr) return;
    struct Renamed {
      std::string name;
      size_t rule;
    };
    std::vector<std::vector<Renamed>> renamed(have_.size());
    Index index;
    std::vector<size_t> used;
    for (size_t h = 0; h < have_.size(); ++h) {
      const Have& have = have_[h];
      for (const std::string_view old :
           {std::string_view(have.name), std::string_view(have.key), stripped(have.key), std::string_view(have.path)}) {
        if (old.empty()) continue;
        std::string now = rules_->apply(old, &used);
        if (!used.empty() && now != old) renamed[h].push_back({std::move(now), used.back()});
      }
      for (const Renamed& now : renamed[h]) index.add(now.name, h);
    }
    for (PlanRow& row : plan_.rows) {
      if (!open(row)) continue;
      const Wanted& wanted = wanted_[row.wanted];
      for (const std::string_view name : {std::string_view(wanted.name), stripped(wanted.name), std::string_view(wanted.key),
                                          stripped(wanted.key), std::string_view(wanted.path)}) {
        const auto places = index.find(name);
        if (places.empty()) continue;
        if (places.size() > 1) {
          several(row, places);
          row.reason = "rules give several tensors this name";
        } else {
          const auto& names = renamed[places[0]];
          const auto it = std::find_if(names.begin(), names.end(), [&](const Renamed& now) { return now.name == name; });
          row.rule = it->rule;
          const Canonical from = canonical(best_name(have_[places[0]])), to = canonical(best_name(wanted));
          match(row, places[0], Verdict::by_rule, from.leaf, to.leaf);
        }
        break;
      }
    }
    renamed_ = taken_;
  }

  void by_exact_names() {
    Index keys, paths, names, names_wanted;
    for (const Wanted& wanted : wanted_) {
      names_wanted.add(wanted.name, static_cast<size_t>(&wanted - wanted_.data()));
      names_wanted.add(stripped(wanted.name), static_cast<size_t>(&wanted - wanted_.data()));
    }
    for (size_t h = 0; h < have_.size(); ++h) {
      if (!renamed_.empty() && renamed_[h]) continue;
      keys.add(have_[h].key, h);
      paths.add(have_[h].path, h);
      names.add(have_[h].name, h);
      names.add(stripped(have_[h].name), h);
    }
    for (PlanRow& row : plan_.rows) {
      if (!open(row)) continue;
      const Wanted& wanted = wanted_[row.wanted];
      const auto by = [&](std::span<const size_t> places, Verdict verdict) {
        if (places.empty()) return false;
        std::vector<size_t> same_role;
        for (const size_t h : places.first(std::min(places.size(), kMostAlike))) {
          if (have_[h].role == wanted.role) same_role.push_back(h);
        }
        if (places.size() == 1 || same_role.size() == 1) {
          match(row, places.size() == 1 ? places[0] : same_role[0], verdict);
        } else {
          several(row, same_role.empty() ? places : same_role);
        }
        return true;
      };
      const auto by_name = [&](std::string_view name) {
        const auto places = names.find(name);
        // A name that several variables share does not say which is which, where they have paths or keys that do.
        if (names_wanted.find(name).size() > 1 && !(wanted.path.empty() && wanted.key.empty())) return false;
        return by(places, Verdict::by_name);
      };
      const std::string_view key = wanted.key.empty() ? std::string_view(wanted.name) : wanted.key;
      if (by(keys.find(key), Verdict::by_key)) continue;
      // Object-based keys are checked by the graph, where there is one to ask: the same variable may be reached in several ways.
      if (by(paths.find(wanted.path), Verdict::by_path)) continue;
      if (options_.find_path && !wanted.path.empty()) {
        if (const auto h = options_.find_path(wanted.path); h && *h < have_.size() && (renamed_.empty() || !renamed_[*h])) {
          match(row, *h, Verdict::by_path);
          continue;
        }
      }
      if (by_name(wanted.name) || by_name(stripped(wanted.name))) continue;
      by(keys.find(stripped(wanted.name)), Verdict::by_key);
    }
  }

  // An optimizer's slot belongs to a variable; where that is restored from a tensor, its slot is that tensor's.
  void by_slots() {
    if (!options_.slots) return;
    Index wanted_at;
    for (size_t w = 0; w < wanted_.size(); ++w) {
      for (const std::string& name : {wanted_[w].key, wanted_[w].name, wanted_[w].path}) wanted_at.add(view_of(w, name), w);
    }
    std::unordered_map<std::string, size_t> slots;
    for (size_t h = 0; h < have_.size(); ++h) {
      if (have_[h].role == Role::slot && !have_[h].slot_of.empty()) slots.emplace(concat(have_[h].slot_of, "\n", have_[h].slot_name), h);
    }
    for (PlanRow& row : plan_.rows) {
      const Wanted& wanted = wanted_[row.wanted];
      if (!open(row) || wanted.role != Role::slot || wanted.slot_of.empty()) continue;
      const auto places = wanted_at.find(wanted.slot_of);
      if (places.size() != 1) continue;
      const PlanRow& owner = plan_.rows[places[0]];
      if (!owner.have) continue;
      const Have& have = have_[*owner.have];
      for (const std::string& of : {have.key, have.name, have.path}) {
        const auto it = slots.find(concat(of, "\n", wanted.slot_name));
        if (of.empty() || it == slots.end()) continue;
        match(row, it->second, Verdict::by_path);
        break;
      }
    }
  }

  std::string_view view_of(size_t w, const std::string& name) const {
    const Wanted& wanted = wanted_[w];
    return name == wanted.key ? wanted.key : name == wanted.name ? wanted.name : wanted.path;
  }

  void by_similar_names() {
    std::vector<Named> have, wanted;
    for (const PlanRow& row : plan_.rows) {
      const Wanted& w = wanted_[row.wanted];
      if (open(row)) wanted.push_back(named(row.wanted, w.name, w.path, w.key));
    }
    if (wanted.empty()) return;
    for (size_t h = 0; h < have_.size(); ++h) {
      if (!taken_[h] && have_[h].role != Role::other) have.push_back(named(h, have_[h].name, have_[h].path, have_[h].key));
    }
    drop_shared_names(have);
    drop_shared_names(wanted);
    const auto same_role = [&](size_t h, size_t w) {
      if (have_[h].role == wanted_[w].role) return true;
      return wanted_[w].role == Role::weight && have_[h].role == Role::slot && !averaged(have_[h].key).empty();
    };
    const Fit fit = [&](size_t h, size_t w, Leaf from, Leaf to) {
      if (!same_role(h, w)) return Closeness::none;
      const Shape& shape = have_[h].shape;
      const auto& wish = wanted_[w].shape;
      if (fits(shape, wish)) return Closeness::exact;
      const auto change = layout_change(from, to, shape.rank());
      if (!change.empty() && fits(transposed(shape, change), wish)) return Closeness::exact;
      const auto fix = shape.rank() == wish->rank() ? find_fix(shape, wish, from, to) : std::nullopt;
      return fix && !fix->reshaped ? Closeness::near : Closeness::none;
    };
    const auto proposals = propose_by_name(have, wanted, fit);
    proposals_.resize(plan_.rows.size());
    for (size_t i = 0; i < proposals.size(); ++i) {
      const Proposal& proposal = proposals[i];
      if (proposal.have.empty()) continue;
      PlanRow& row = plan_.rows[wanted[i].at];
      proposals_[row.wanted] = {proposal.reason, proposal.rename, false};
      if (proposal.have.size() > 1 || proposal.contested) {
        several(row, proposal.have);
        if (proposal.contested) row.reason = concat(proposal.reason, ", and other variables could be meant as well");
      } else {
        match(row, proposal.have[0], Verdict::proposed, proposal.from, proposal.to);
      }
    }
  }

  // "layers/dense/vars/0"
  static bool is_numbered(std::string_view name) {
    const std::string_view last = name.substr(name.rfind('/') + 1);
    return !last.empty() && last.find_first_not_of("0123456789") == std::string_view::npos;
  }

  // The only tensor of its shape, dtype and last word, where only one variable lacks it. Without `words`, for those that one side only
  // numbers: what one writer calls kernel is vars/0 in a Keras file. Then several that could be meant are as good as none.
  void by_shape(bool words) {
    std::unordered_map<std::string, std::pair<std::vector<size_t>, std::vector<size_t>>> groups;
    const auto key_of = [words](std::string_view name, DType dtype, const Shape& shape, Role role) {
      std::string out = concat(dtype_name(dtype), "\n", role_name(role));
      if (words) {
        const Canonical form = canonical(name);
        out += concat("\n/", std::string_view(form.form).substr(form.form.rfind('/') + 1));
      }
      for (const int64_t dim : shape) out += concat("\n", dim);
      return out;
    };
    for (const PlanRow& row : plan_.rows) {
      const Wanted& w = wanted_[row.wanted];
      if (!open(row) || !w.shape || !w.dtype || (words && is_numbered(best_name(w)))) continue;
      if (std::any_of(w.shape->begin(), w.shape->end(), [](int64_t dim) { return dim < 0; })) continue;
      groups[key_of(best_name(w), *w.dtype, *w.shape, w.role)].second.push_back(row.wanted);
    }
    if (groups.empty()) return;
    for (size_t h = 0; h < have_.size(); ++h) {
      const Have& have = have_[h];
      if (taken_[h] || have.role == Role::other) continue;
      const auto it = groups.find(key_of(best_name(have), have.dtype, have.shape, have.role));
      if (it != groups.end()) it->second.first.push_back(h);
    }
    proposals_.resize(plan_.rows.size());
    for (auto& [key, group] : groups) {
      const auto& [have, wanted] = group;
      if (have.empty()) continue;
      for (const size_t w : wanted) {
        PlanRow& row = plan_.rows[w];
        if (have.size() == 1 && wanted.size() == 1) {
          if (!words && !is_numbered(best_name(have_[have[0]])) && !is_numbered(best_name(wanted_[w]))) continue;
          const Canonical from = canonical(best_name(have_[have[0]])), to = canonical(best_name(wanted_[w]));
          proposals_[w] = {words ? "the only one left of this shape, dtype and last word" : "the only one left of this shape and dtype",
                           rename_rule(from.text, to.text, true), false};
          match(row, have[0], Verdict::proposed, from.leaf, to.leaf);
        } else if (words) {
          several(row, have);
          row.reason = concat(have.size(), have.size() == 1 ? " tensor" : " tensors", " of this shape, dtype and last word, for ",
                              wanted.size(), wanted.size() == 1 ? " variable" : " variables");
        }
      }
    }
  }

  void account() {
    plan_.uses.resize(have_.size());
    std::vector<size_t> row_of(have_.size(), kNone);
    for (const PlanRow& row : plan_.rows) {
      const auto note = [&](size_t h) {
        if (plan_.uses[h].use == Use::used) return;
        plan_.uses[h].use = row.restored ? Use::used : Use::unsettled;
        row_of[h] = row.wanted;
      };
      if (row.have) note(*row.have);
      for (const size_t h : row.candidates) note(h);
    }
    for (size_t h = 0; h < have_.size(); ++h) {
      PlanUse& use = plan_.uses[h];
      if (row_of[h] != kNone) {
        use.reason = concat(use.use == Use::used ? "for " : "could be for ", best_name(wanted_[row_of[h]]));
        continue;
      }
      const Have& have = have_[h];
      switch (have.role) {
        case Role::weight: use = {Use::unexpected, "no variable wants it"}; break;
        case Role::slot:
          use.use = options_.slots ? Use::unexpected : Use::slot;
          use.reason = have.slot_of.empty() ? std::string("optimizer slot") : concat("slot ", have.slot_name, " of ", have.slot_of);
          break;
        case Role::counter: use = {Use::counter, "counter"}; break;
        case Role::state: use = {Use::state, "state"}; break;
        case Role::other: use = {Use::other, "no variable"}; break;
      }
    }
  }

  std::span<const Have> have_;
  std::span<const Wanted> wanted_;
  const RenameRules* rules_;
  const PlanOptions& options_;
  Plan plan_;
  std::vector<bool> taken_, renamed_, meant_;
  std::vector<Known> proposals_;
};

}  // namespace
}  // namespace plan

Plan make_plan(std::span<const Have> have, std::span<const Wanted> wanted, const RenameRules* rules, const PlanOptions& options) {
  return plan::Planner(have, wanted, rules, options).run();
}

}  // namespace ferry
