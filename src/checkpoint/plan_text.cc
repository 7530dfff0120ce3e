#include "ferry/plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <vector>

#include "checkpoint/plan_fix.h"
#include "wire/json.h"
#include "wire/utf8.h"

namespace ferry {
namespace {

std::string_view first_of(std::string_view a, std::string_view b, std::string_view c) { return !a.empty() ? a : !b.empty() ? b : c; }

// What a list's items are called: by their names, or where several have the same one, by path or key.
template <class Item>
std::vector<std::string> shown_names(std::span<const Item> items) {
  std::unordered_map<std::string_view, size_t> count;
  for (const Item& item : items) ++count[item.name];
  std::vector<std::string> out;
  for (const Item& item : items) {
    const bool shared = count[item.name] > 1;
    out.push_back(printable(shared ? first_of(item.path, item.key, item.name) : first_of(item.name, item.path, item.key)));
  }
  return out;
}

std::string_view heading(Verdict verdict) {
  switch (verdict) {
    case Verdict::by_key: return "by key";
    case Verdict::by_path: return "by path";
    case Verdict::by_name: return "by name";
    case Verdict::by_rule: return "by rule";
    case Verdict::proposed: return "proposed";
    case Verdict::missing: return "missing";
    case Verdict::shape: return "shape differs";
    case Verdict::dtype: return "dtype differs";
    case Verdict::ambiguous: return "ambiguous";
    case Verdict::skipped: return "of the optimizer, not asked for";
  }
  __builtin_unreachable();
}

constexpr std::array kVerdicts = {Verdict::by_key,  Verdict::by_path, Verdict::by_name, Verdict::by_rule,   Verdict::proposed,
                                  Verdict::missing, Verdict::shape,   Verdict::dtype,   Verdict::ambiguous, Verdict::skipped};
constexpr std::array kUses = {Use::used, Use::unsettled, Use::slot, Use::counter, Use::state, Use::other, Use::unexpected};

size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Rows whose cells stand below each other; the last is as long as it is.
class Columns {
 public:
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print(std::string& out, std::string_view indent) const {
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    }
    for (const auto& row : rows_) {
      std::string line(indent);
      for (size_t i = 0; i < row.size(); ++i) {
        line += row[i];
        if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
      }
      while (line.ends_with(' ')) line.pop_back();
      out += line;
      out += '\n';
    }
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string counted(size_t count, std::string_view noun) { return concat(count, " ", noun, count == 1 ? "" : "s"); }

class PlanTable {
 public:
  PlanTable(const Plan& plan, std::span<const Have> have, std::span<const Wanted> wanted, const PlanTextOptions& options)
      : plan_(plan),
        have_(have),
        wanted_(wanted),
        most_(options.most_rows == 0 ? SIZE_MAX : options.most_rows),
        have_names_(shown_names(have)),
        wanted_names_(shown_names(wanted)) {}

  std::string print() {
    summary();
    std::vector<const PlanRow*> changed;
    for (const PlanRow& row : plan_.rows) {
      if (row.restored && !row.fix.empty() && row.verdict != Verdict::proposed) changed.push_back(&row);
    }
    group("restored, changed on the way", changed);
    for (const Verdict verdict : {Verdict::proposed, Verdict::shape, Verdict::dtype, Verdict::ambiguous, Verdict::missing}) {
      std::vector<const PlanRow*> needed, done, optional;
      for (const PlanRow& row : plan_.rows) {
        if (row.verdict == verdict) (row.restored ? done : row.required ? needed : optional).push_back(&row);
      }
      group(concat(heading(verdict), " and accepted"), done);
      group(heading(verdict), needed);
      group(concat(heading(verdict), ", not required"), optional);
    }
    leftovers();
    return std::move(out_);
  }

 private:
  void summary() {
    size_t restored = 0, required = 0, restored_required = 0;
    std::map<Verdict, size_t> by;
    for (const PlanRow& row : plan_.rows) {
      restored += row.restored;
      required += row.required;
      restored_required += row.required && row.restored;
      if (row.required && row.restored) ++by[row.verdict];
    }
    out_ += concat(plan_.complete()      ? "complete"
                   : plan_.allow_partial ? "partial"
                                         : "incomplete",
                   ": ", restored_required, " of ", counted(required, "variable"), " restored");
    std::string list;
    for (const auto& [verdict, count] : by) list += concat(list.empty() ? "" : ", ", count, " ", heading(verdict));
    if (!list.empty()) out_ += concat(" (", list, ")");
    if (restored > restored_required)
      out_ += concat("; ", restored - restored_required, restored_required == 0 ? "" : " more", " not required");
    out_ += '\n';
    const auto skipped = static_cast<size_t>(
        std::count_if(plan_.rows.begin(), plan_.rows.end(), [](const PlanRow& row) { return row.verdict == Verdict::skipped; }));
    if (skipped > 0) out_ += concat(counted(skipped, "variable"), " of the optimizer not asked for (--slots)\n");
  }

  // Rows with the same remedy stand together, it below them.
  void group(std::string_view title, const std::vector<const PlanRow*>& rows) {
    if (rows.empty()) return;
    out_ += concat("\n", title, ": ", rows.size(), "\n");
    std::vector<std::pair<std::string_view, std::vector<const PlanRow*>>> by_remedy;
    std::map<std::string_view, size_t> places;
    for (const PlanRow* row : rows) {
      const auto [it, is_new] = places.try_emplace(row->remedy, by_remedy.size());
      if (is_new) by_remedy.push_back({row->remedy, {}});
      by_remedy[it->second].second.push_back(row);
    }
    size_t printed = 0;
    for (const auto& [remedy, same] : by_remedy) {
      if (printed >= most_) break;
      Columns columns;
      for (const PlanRow* row : same) {
        if (printed == most_) break;
        ++printed;
        const Wanted& wanted = wanted_[row->wanted];
        std::string what = wanted.dtype ? concat(dtype_name(*wanted.dtype), " ") : std::string();
        if (wanted.shape) what += plan::shape_text(*wanted.shape);
        const std::string& name = wanted_names_[row->wanted];
        std::string from;
        if (row->have && have_names_[*row->have] != name) from = concat("← ", have_names_[*row->have]);
        columns.add({name, what, from, printable_words(row->reason)});
      }
      columns.print(out_, "  ");
      if (!remedy.empty()) out_ += concat("    to solve: ", printable(remedy), "\n");
    }
    if (rows.size() > printed) out_ += concat("  … and ", rows.size() - printed, " more\n");
  }

  static std::string printable_words(std::string_view words) { return printable(words); }

  void leftovers() {
    std::map<Use, size_t> count;
    for (const PlanUse& use : plan_.uses) ++count[use.use];
    std::string list;
    for (const auto& [use, number] : count) {
      if (use == Use::used || use == Use::unsettled) continue;
      if (use == Use::other) continue;
      const std::string_view noun = use == Use::unexpected ? "unexpected" : use_name(use);
      list += concat(list.empty() ? "" : ", ", use == Use::unexpected ? concat(number, " ", noun) : counted(number, noun));
    }
    if (list.empty()) return;
    out_ += concat("\nleft in the checkpoint: ", list, "\n");
    Columns columns;
    size_t printed = 0;
    for (size_t h = 0; h < have_.size() && printed < most_; ++h) {
      if (plan_.uses[h].use != Use::unexpected) continue;
      ++printed;
      columns.add(
          {have_names_[h], concat(dtype_name(have_[h].dtype), " ", plan::shape_text(have_[h].shape)), printable(plan_.uses[h].reason)});
    }
    columns.print(out_, "  ");
    if (count[Use::unexpected] > printed) out_ += concat("  … and ", count[Use::unexpected] - printed, " more\n");
  }

  const Plan& plan_;
  std::span<const Have> have_;
  std::span<const Wanted> wanted_;
  const size_t most_;
  const std::vector<std::string> have_names_, wanted_names_;
  std::string out_;
};

// An object or list being written: commas by itself.
class Json {
 public:
  explicit Json(std::string& out) : out_(out) {}
  Json& key(std::string_view name) {
    comma();
    json::append_string(out_, name);
    out_ += ':';
    first_ = true;
    return *this;
  }
  void text(std::string_view value) {
    comma();
    json::append_string(out_, valid_utf8(value));
  }
  void number(int64_t value) {
    comma();
    json::append_integer(out_, value);
  }
  void word(std::string_view value) {
    comma();
    out_ += value;
  }
  void open(char bracket) {
    comma();
    out_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    first_ = false;
  }
  void shape(const std::optional<Shape>& shape) {
    if (!shape) return word("null");
    open('[');
    for (const int64_t dim : *shape) dim < 0 ? word("null") : number(dim);
    close(']');
  }
  void member(std::string_view name, std::string_view value) { key(name).text(value); }
  void flag(std::string_view name, bool value) { key(name).word(value ? "true" : "false"); }

 private:
  void comma() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  std::string& out_;
  bool first_ = true;
};

void print_fix(Json& json, const Fix& fix) {
  json.key("fix");
  if (fix.empty()) return json.word("null");
  json.open('{');
  if (!fix.permutation.empty()) {
    json.key("transpose").open('[');
    for (const size_t axis : fix.permutation) json.number(static_cast<int64_t>(axis));
    json.close(']');
  }
  if (fix.reshaped) {
    json.key("reshape").shape(fix.reshaped);
    json.flag("axes_of_one", fix.axes_of_one);
  }
  if (fix.resized) {
    json.key("resize").open('{');
    json.key("axis").number(static_cast<int64_t>(fix.resized->axis));
    json.key("from").number(fix.resized->from);
    json.key("to").number(fix.resized->to);
    json.close('}');
  }
  if (fix.cast) {
    json.member("cast", dtype_name(*fix.cast));
    json.flag("lossless", fix.lossless);
  }
  json.close('}');
}

}  // namespace

std::string plan_table(const Plan& plan, std::span<const Have> have, std::span<const Wanted> wanted, const PlanTextOptions& options) {
  return PlanTable(plan, have, wanted, options).print();
}

std::string plan_json(const Plan& plan, std::span<const Have> have, std::span<const Wanted> wanted, const PlanTextOptions& options) {
  std::string out;
  Json json(out);
  json.open('{');
  json.key("schema").number(1);
  json.member("checkpoint", options.checkpoint);
  json.member("target", options.target);
  json.flag("complete", plan.complete());
  json.flag("allow_partial", plan.allow_partial);
  json.key("counts").open('{');
  for (const Verdict verdict : kVerdicts) {
    json.key(verdict_name(verdict)).number(std::count_if(plan.rows.begin(), plan.rows.end(), [&](const PlanRow& row) {
      return row.verdict == verdict;
    }));
  }
  json.key("restored").number(std::count_if(plan.rows.begin(), plan.rows.end(), [](const PlanRow& row) { return row.restored; }));
  json.close('}');
  json.key("variables").open('[');
  for (const PlanRow& row : plan.rows) {
    const Wanted& w = wanted[row.wanted];
    json.open('{');
    json.member("name", w.name);
    json.member("path", w.path);
    json.member("key", w.key);
    json.key("dtype");
    w.dtype ? json.text(dtype_name(*w.dtype)) : json.word("null");
    json.key("shape").shape(w.shape);
    json.member("role", role_name(w.role));
    json.member("verdict", verdict_name(row.verdict));
    json.flag("restored", row.restored);
    json.flag("required", row.required);
    json.key("from");
    row.have ? json.text(have[*row.have].key) : json.word("null");
    json.key("candidates").open('[');
    for (const size_t h : row.candidates) json.text(have[h].key);
    json.close(']');
    json.key("rule");
    row.rule ? json.number(static_cast<int64_t>(*row.rule) + 1) : json.word("null");
    print_fix(json, row.fix);
    json.member("reason", row.reason);
    json.member("remedy", row.remedy);
    json.close('}');
  }
  json.close(']');
  json.key("unused").open('{');
  for (const Use use : kUses) {
    if (use == Use::used) continue;
    json.key(use_name(use)).number(std::count_if(plan.uses.begin(), plan.uses.end(), [&](const PlanUse& u) { return u.use == use; }));
  }
  json.close('}');
  json.key("tensors").open('[');
  for (size_t h = 0; h < have.size(); ++h) {
    json.open('{');
    json.member("key", have[h].key);
    json.member("name", have[h].name);
    json.member("path", have[h].path);
    json.member("dtype", dtype_name(have[h].dtype));
    json.key("shape").shape(have[h].shape);
    json.member("role", role_name(have[h].role));
    json.member("use", use_name(plan.uses[h].use));
    json.member("reason", plan.uses[h].reason);
    json.close('}');
  }
  json.close(']');
  json.close('}');
  out += '\n';
  return out;
}

}  // namespace ferry
