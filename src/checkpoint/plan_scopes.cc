#include "checkpoint/plan_scopes.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "ferry/status.h"

namespace ferry::plan {
namespace {

// A name that this many have says nothing about which is meant.
constexpr size_t kMostCandidates = 16;
// Deeper than this a name's scopes are not taken off one by one; more than so many ways of meaning it are not followed.
constexpr size_t kMostScopes = 16, kMostEdges = 64;
// Of one layer numbered otherwise, there may be more: the numbers tell them apart.
constexpr size_t kMostNumbered = 48;
constexpr size_t kNone = SIZE_MAX;

// A way in which the scopes of two names differ: one change of scope, which may explain many names at once.
struct Change {
  std::string from, to;
  bool with_numbers = false;  // the '#'s in both stand for the same numbers
  std::string shift;          // by which they differ: "+2, 0"; from and to are then the same
  friend bool operator==(const Change&, const Change&) = default;
};
struct ChangeHash {
  size_t operator()(const Change& change) const {
    const std::hash<std::string_view> hash;
    return hash(change.from) * 31 + hash(change.to) * 7 + hash(change.shift) * 3 + change.with_numbers;
  }
};

struct Edge {
  size_t have, change;
  Closeness fit;
  Leaf from, to;
  std::string_view from_text, to_text;
};

// Which names have which ends. Strings are kept by the names themselves or by `kept`.
class Ends {
 public:
  struct Place {
    size_t have;
    const Canonical* name;
    size_t start;
  };
  void add(std::string key, Place place) { map_[std::move(key)].push_back(place); }
  const std::vector<Place>* find(const std::string& key) const {
    const auto it = map_.find(key);
    return it == map_.end() ? nullptr : &it->second;
  }

 private:
  std::unordered_map<std::string, std::vector<Place>> map_;
};

std::string with_numbers(const Canonical& name, size_t start) {
  return concat(numbered(name.prefix(start)).numbers, "\n", name.suffix(start));
}

// "0", "3/1": what lists of anything end in.
bool is_number(std::string_view end) { return end.find_first_not_of("0123456789/") == std::string_view::npos; }

std::string by_pattern(const Canonical& name, size_t start) {
  return concat(renumbered(name.prefix(start)).pattern, "\n", name.suffix(start));
}

// "+2, 0"; empty where nothing is shifted.
std::string shift_text(const std::vector<int64_t>& from, const std::vector<int64_t>& to) {
  std::string out;
  bool any = false;
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t by = to[i] - from[i];
    any |= by != 0;
    out += concat(i > 0 ? ", " : "", by > 0 ? "+" : "", by);
  }
  return any ? out : std::string();
}

std::string spelling_reason(const Canonical& from, const Canonical& to) {
  if (from.leaf != to.leaf) {
    const auto word = [](const Canonical& name) { return std::string_view(name.text).substr(name.text.find_last_of("/.") + 1); };
    return concat("the same name, ", word(from), " for ", word(to));
  }
  return "the same name, spelt differently";
}

std::string scope_reason(const Change& change) {
  if (!change.shift.empty()) return concat("renumbered scope ", change.from, " (", change.shift, ")");
  const std::string with = change.with_numbers ? " (# is the same number)" : "";
  if (change.from.empty()) return concat("scope ", change.to, " added", with);
  if (change.to.empty()) return concat("scope ", change.from, " removed", with);
  return concat("renamed scope ", change.from, " → ", change.to, with);
}

std::string quoted_for_regex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}=").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string quoted_for_replacement(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\\' ? std::string("\\\\") : std::string(1, c);
  return out;
}

// A rule for a change of scope; where numbers stay, they become groups.
std::string scope_rule(const Change& change) {
  if (!change.shift.empty()) return {};  // expressions cannot add
  if (!change.with_numbers) return rename_rule(change.from, change.to, false);
  std::string from, to;
  for (const char c : quoted_for_regex(change.from)) from += c == '#' ? std::string("([0-9]+)") : std::string(1, c);
  int group = 0;
  for (const char c : quoted_for_replacement(change.to)) to += c == '#' ? concat("\\", ++group) : std::string(1, c);
  return group > 9 ? std::string() : concat("^", from, "=", to);
}

class Search {
 public:
  Search(std::span<const Named> have, std::span<const Named> wanted, const Fit& fit)
      : have_(have), wanted_(wanted), fit_(fit), found_(wanted.size()), used_(have.size()) {}

  std::vector<Proposal> run() {
    same_spelling(false);
    same_spelling(true);
    // What is settled in one turn leaves fewer that could be meant in the next.
    for (int turn = 0; turn < 3 && scopes(); ++turn) {
    }
    return std::move(found_);
  }

 private:
  bool open(size_t w) const { return found_[w].have.empty(); }

  // Equal in canonical form, or the moving average of what is.
  void same_spelling(bool averages) {
    std::unordered_map<std::string_view, std::vector<Ends::Place>> by_form;
    std::vector<std::vector<Canonical>> kept(averages ? have_.size() : 0);
    for (size_t h = 0; h < have_.size(); ++h) {
      if (used_[h]) continue;
      if (averages) {
        for (const Canonical& name : have_[h].names) {
          if (const std::string_view base = averaged(name.text); !base.empty()) kept[h].push_back(canonical(base));
        }
      }
      for (const Canonical& name : averages ? kept[h] : have_[h].names) {
        auto& places = by_form[name.form];
        if (places.empty() || places.back().have != h) places.push_back({h, &name, 0});
      }
    }
    std::vector<std::vector<Edge>> edges(wanted_.size());
    std::vector<std::pair<const Canonical*, const Canonical*>> why(wanted_.size());
    std::vector<size_t> claims(have_.size());
    for (size_t w = 0; w < wanted_.size(); ++w) {
      if (!open(w)) continue;
      for (const Canonical& name : wanted_[w].names) {
        const auto it = by_form.find(name.form);
        if (it == by_form.end() || it->second.size() > kMostCandidates) continue;
        for (const Ends::Place& place : it->second) {
          const bool there = std::any_of(edges[w].begin(), edges[w].end(), [&](const Edge& edge) { return edge.have == place.have; });
          const Closeness close = there ? Closeness::none : fit_(have_[place.have].at, wanted_[w].at, place.name->leaf, name.leaf);
          if (close == Closeness::none) continue;
          if (edges[w].empty() || (close == Closeness::exact && edges[w][0].fit == Closeness::near)) {
            edges[w].clear();
            why[w] = {place.name, &name};
          } else if (close < edges[w][0].fit) {
            continue;
          }
          edges[w].push_back({place.have, kNone, close, place.name->leaf, name.leaf, place.name->text, name.text});
        }
        if (!edges[w].empty()) break;
      }
      if (edges[w].size() == 1) ++claims[edges[w][0].have];
    }
    for (size_t w = 0; w < wanted_.size(); ++w) {
      if (edges[w].empty()) continue;
      Proposal& out = found_[w];
      for (const Edge& edge : edges[w]) out.have.push_back(have_[edge.have].at);
      out.from = edges[w][0].from;
      out.to = edges[w][0].to;
      out.contested = edges[w].size() == 1 && claims[edges[w][0].have] > 1;
      out.reason = averages ? std::string("its moving average") : spelling_reason(*why[w].first, *why[w].second);
      if (edges[w].size() == 1) used_[edges[w][0].have] = true;
    }
  }

  size_t change_of(Change change) {
    const auto [it, is_new] = numbers_.try_emplace(std::move(change), changes_.size());
    if (is_new) {
      changes_.push_back(&it->first);
      votes_.push_back(0);
    }
    return it->second;
  }

  // The edges of one wanted variable through the ends that few enough tensors share, the longest first.
  enum class Way : uint8_t { plain, numbers, shifted };
  void look_up(size_t w, const Ends& ends, Way way, std::vector<Edge>& out) {
    const bool numbers = way == Way::numbers, shifted = way == Way::shifted;
    const size_t most = out.size() + (shifted ? kMostNumbered : kMostEdges);
    for (const Canonical& name : wanted_[w].names) {
      for (size_t start = 0; start < std::min(name.starts.size(), kMostScopes); ++start) {
        if (is_number(name.suffix(start))) break;  // and so are those that follow
        const auto* places = ends.find(shifted   ? by_pattern(name, start)
                                       : numbers ? with_numbers(name, start)
                                                 : std::string(name.suffix(start)));
        if (places == nullptr || places->size() > (shifted ? kMostNumbered : kMostCandidates)) continue;
        for (const Ends::Place& place : *places) {
          if (out.size() >= most) return;
          if (used_[place.have]) continue;
          const Closeness close = fit_(have_[place.have].at, wanted_[w].at, place.name->leaf, name.leaf);
          if (close == Closeness::none) continue;
          Change change{std::string(place.name->prefix(place.start)), std::string(name.prefix(start)), false, {}};
          if (shifted) {
            const Renumbered before = renumbered(change.from), after = renumbered(change.to);
            change = {before.pattern, after.pattern, false, shift_text(before.numbers, after.numbers)};
            if (change.shift.empty()) continue;
          }
          if (numbers) {
            change = {numbered(change.from).pattern, numbered(change.to).pattern, true, {}};
            if (change.from.find('#') == std::string::npos) continue;  // the plain change says the same
          }
          const size_t number = change_of(std::move(change));
          const bool there =
              std::any_of(out.begin(), out.end(), [&](const Edge& edge) { return edge.have == place.have && edge.change == number; });
          if (!there) out.push_back({place.have, number, close, place.name->leaf, name.leaf, place.name->text, name.text});
        }
      }
    }
  }

  bool scopes() {
    Ends plain, by_number, by_shift;
    for (size_t h = 0; h < have_.size(); ++h) {
      if (used_[h]) continue;
      for (const Canonical& name : have_[h].names) {
        for (size_t start = 0; start < std::min(name.starts.size(), kMostScopes); ++start) {
          if (is_number(name.suffix(start))) break;
          plain.add(std::string(name.suffix(start)), {h, &name, start});
          by_number.add(with_numbers(name, start), {h, &name, start});
          if (start > 0) by_shift.add(by_pattern(name, start), {h, &name, start});
        }
      }
    }
    numbers_.clear();
    changes_.clear();
    votes_.clear();
    std::vector<std::vector<Edge>> edges(wanted_.size());
    for (size_t w = 0; w < wanted_.size(); ++w) {
      if (!open(w)) continue;
      look_up(w, plain, Way::plain, edges[w]);
      look_up(w, by_number, Way::numbers, edges[w]);
      look_up(w, by_shift, Way::shifted, edges[w]);
      // A change has one vote of each variable, however many tensors it would lead to.
      std::vector<size_t> voted;
      for (const Edge& edge : edges[w]) {
        if (edge.fit != Closeness::exact || std::find(voted.begin(), voted.end(), edge.change) != voted.end()) continue;
        voted.push_back(edge.change);
        ++votes_[edge.change];
      }
    }
    // Of two changes that explain as much, one between words that are alike is the likelier.
    std::vector<bool> related;
    for (const Change* change : changes_) {
      const bool added_or_removed = change->from.empty() || change->to.empty();
      related.push_back(change->shift.empty() && (added_or_removed || alike(change->from, change->to)));
    }
    const auto votes = [&](const Edge& edge) { return 2 * votes_[edge.change] + related[edge.change]; };
    constexpr size_t kFewest = 2 * 2;  // one name alone is no change of scope
    bool any = false;
    // What is settled takes candidates away from what is not, so that more may be settled by it.
    for (int round = 0; round < 4; ++round) {
      std::vector<size_t> best(wanted_.size()), claim(have_.size()), claims(have_.size());
      for (size_t w = 0; w < wanted_.size(); ++w) {
        if (!open(w)) continue;
        std::erase_if(edges[w], [&](const Edge& edge) { return used_[edge.have]; });
        for (const Edge& edge : edges[w]) best[w] = std::max(best[w], votes(edge));
        if (best[w] < kFewest) continue;
        std::vector<size_t> claimed;
        for (const Edge& edge : edges[w]) {
          if (votes(edge) < best[w] || std::find(claimed.begin(), claimed.end(), edge.have) != claimed.end()) continue;
          claimed.push_back(edge.have);
          if (votes(edge) > claim[edge.have]) {
            claim[edge.have] = votes(edge);
            claims[edge.have] = 0;
          }
          claims[edge.have] += votes(edge) == claim[edge.have];
        }
      }
      bool settled = false;
      const bool last = round == 3;
      for (size_t w = 0; w < wanted_.size(); ++w) {
        if (!open(w) || best[w] < kFewest) continue;
        std::vector<const Edge*> tops;
        for (const Edge& edge : edges[w]) {
          const bool other = std::none_of(tops.begin(), tops.end(), [&](const Edge* top) { return top->have == edge.have; });
          if (votes(edge) == best[w] && other) tops.push_back(&edge);
        }
        if (std::any_of(tops.begin(), tops.end(), [](const Edge* top) { return top->fit == Closeness::exact; })) {
          std::erase_if(tops, [](const Edge* top) { return top->fit != Closeness::exact; });
        }
        const bool sure = tops.size() == 1 && claim[tops[0]->have] == best[w] && claims[tops[0]->have] == 1;
        if (sure) {
          settle(w, tops, false);
          used_[tops[0]->have] = true;
          settled = any = true;
        } else if (last && (tops.size() > 1 || claim[tops[0]->have] == best[w])) {
          settle(w, tops, tops.size() == 1);
        }
      }
      if (!settled && !last) round = 2;
    }
    return any;
  }

  void settle(size_t w, const std::vector<const Edge*>& tops, bool contested) {
    Proposal& out = found_[w];
    for (const Edge* edge : tops) out.have.push_back(have_[edge->have].at);
    out.contested = contested;
    out.from = tops[0]->from;
    out.to = tops[0]->to;
    const Change& change = *changes_[tops[0]->change];
    out.reason = tops.size() > 1 ? std::string("several scopes end alike") : scope_reason(change);
    // The rule renames the scope alone: what else differs is not its business.
    const std::string_view rest_from = tops[0]->from_text, rest_to = tops[0]->to_text;
    if (tops.size() > 1) {
      return;
    } else if (contested) {
      out.rename = rename_rule(rest_from, rest_to, true);
    } else if (rest_from.substr(std::min(rest_from.size(), prefix_length(change, rest_from, true))) ==
               rest_to.substr(std::min(rest_to.size(), prefix_length(change, rest_to, false)))) {
      out.rename = scope_rule(change);
    }
  }

  // How much of the name the change's side covers, numbers in place of '#'.
  static size_t prefix_length(const Change& change, std::string_view name, bool from) {
    const std::string& side = from ? change.from : change.to;
    if (!change.with_numbers) return side.size();
    size_t at = 0;
    for (const char c : side) {
      if (c != '#') {
        ++at;
        continue;
      }
      while (at < name.size() && name[at] >= '0' && name[at] <= '9') ++at;
    }
    return at;
  }

  std::span<const Named> have_, wanted_;
  const Fit& fit_;
  std::vector<Proposal> found_;
  std::vector<bool> used_;
  std::unordered_map<Change, size_t, ChangeHash> numbers_;
  std::vector<const Change*> changes_;
  std::vector<size_t> votes_;
};

}  // namespace

std::string rename_rule(std::string_view from, std::string_view to, bool whole) {
  return concat("^", quoted_for_regex(from), whole ? "$" : "", "=", quoted_for_replacement(to));
}

std::vector<Proposal> propose_by_name(std::span<const Named> have, std::span<const Named> wanted, const Fit& fit) {
  return Search(have, wanted, fit).run();
}

}  // namespace ferry::plan
