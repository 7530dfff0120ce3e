// A set of tensors changed by the lines of a rules file, one line after the other.
#include <algorithm>
#include <unordered_map>

#include "checkpoint/glob.h"
#include "checkpoint/tensor_node.h"
#include "checkpoint/transformed_reader.h"
#include "ferry/checkpoint.h"

namespace ferry {

class RuleRun {
 public:
  explicit RuleRun(TransformedReader& out) : out_(out) {}

  Status run(const TensorRules& rules) {
    if (rules.needs_roles()) {
      FERRY_ASSIGN_OR_RETURN(const auto objects, read_object_graph(out_.inner_, out_.options_.limits));
      FERRY_ASSIGN_OR_RETURN(variables_, describe_variables(out_.inner_.tensors(), objects ? &*objects : nullptr));
    }
    for (const TensorRule& rule : rules.rules()) {
      if (const Status status = apply(rule); !status.ok()) {
        const bool placed = status.message().find(rule.where) != std::string_view::npos;  // by the node that it could not make
        return placed ? status : status.with_context(rule.where);
      }
    }
    return out_.check_names("the rules");
  }

 private:
  const Variable& variable(size_t i) const {
    const TensorNode* node = out_.nodes_[i].get();
    while (node->op != TensorOp::leaf) node = node->inputs[0].get();
    return variables_[node->leaf];
  }
  bool matches(const RulePattern& pattern, size_t i) const {
    switch (pattern.by) {
      case RulePattern::By::name: return matches_pattern(pattern.glob, out_.infos_[i].name);
      case RulePattern::By::role: return variable(i).role == pattern.role;
      case RulePattern::By::optimizer: return variable(i).of_optimizer;
    }
    __builtin_unreachable();
  }
  Status nothing(const RulePattern& pattern) const {
    std::string first;
    for (size_t i = 0; i < std::min<size_t>(out_.infos_.size(), 3); ++i)
      first += concat(i == 0 ? "; there is " : ", ", quoted(out_.infos_[i].name));
    return not_found(concat(pattern.by == RulePattern::By::name ? concat("no tensor is named ", quoted(pattern.glob))
                                                                : concat("no tensor is ", quoted(pattern.glob)),
                            first, out_.infos_.size() > 3 ? ", …" : ""));
  }
  // The positions that any pattern matches, in order.
  Result<std::vector<size_t>> matched(const TensorRule& rule) const {
    std::vector<bool> taken(out_.infos_.size());
    for (const RulePattern& pattern : rule.patterns) {
      bool any = false;
      for (size_t i = 0; i < taken.size(); ++i) {
        if (!matches(pattern, i)) continue;
        any = true;
        taken[i] = true;
      }
      if (!any && !rule.may_match_none) return nothing(pattern);
    }
    std::vector<size_t> found;
    for (size_t i = 0; i < taken.size(); ++i) {
      if (taken[i]) found.push_back(i);
    }
    return found;
  }

  Status apply(const TensorRule& rule) {
    switch (rule.verb) {
      case RuleVerb::rename:
        for (TensorInfo& info : out_.infos_) info.name = rule.rename.apply(info.name);
        return {};
      case RuleVerb::select:
      case RuleVerb::drop: {
        FERRY_ASSIGN_OR_RETURN(std::vector<size_t> found, matched(rule));
        if (rule.verb == RuleVerb::drop) {
          std::vector<size_t> rest;
          for (size_t i = 0, next = 0; i < out_.infos_.size(); ++i) {
            if (next < found.size() && found[next] == i) {
              ++next;
            } else {
              rest.push_back(i);
            }
          }
          found = std::move(rest);
        }
        out_.select(found);
        return {};
      }
      case RuleVerb::cast:
      case RuleVerb::transpose:
      case RuleVerb::reshape: {
        FERRY_ASSIGN_OR_RETURN(const std::vector<size_t> found, matched(rule));
        for (const size_t i : found) FERRY_RETURN_IF_ERROR(change_one(rule, i));
        return {};
      }
      case RuleVerb::split: return split(rule);
      case RuleVerb::concat:
      case RuleVerb::stack: return merge(rule);
    }
    __builtin_unreachable();
  }

  Status change_one(const TensorRule& rule, size_t i) {
    TensorNode node;
    node.where = rule.where;
    node.inputs = {out_.nodes_[i]};
    node.numbers = rule.numbers;
    node.dtype = rule.dtype;
    node.op = rule.verb == RuleVerb::cast ? TensorOp::cast : rule.verb == RuleVerb::reshape ? TensorOp::reshape : TensorOp::transpose;
    const size_t rank = out_.infos_[i].shape.rank();
    if (node.op == TensorOp::cast && out_.infos_[i].dtype == rule.dtype) return {};
    if (node.op == TensorOp::transpose) {
      if (node.numbers.empty()) {
        for (size_t axis = rank; axis-- > 0;) node.numbers.push_back(static_cast<int64_t>(axis));
      }
      for (int64_t& axis : node.numbers) axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
    }
    return out_.set(i, std::move(node));
  }

  Result<size_t> axis_of(const TensorRule& rule, const TensorInfo& info) const {
    const auto rank = static_cast<int64_t>(info.shape.rank()) + (rule.verb == RuleVerb::stack ? 1 : 0);
    if (rule.axis < -rank || rule.axis >= rank) {
      return invalid_argument(concat("tensor ", quoted(info.name), " of shape ", info.shape.to_string(), " has no axis ", rule.axis));
    }
    return static_cast<size_t>(rule.axis < 0 ? rule.axis + rank : rule.axis);
  }

  // How many places each piece takes.
  Result<std::vector<int64_t>> lengths_of(const TensorRule& rule, const TensorInfo& info, size_t axis) const {
    const int64_t length = info.shape[axis];
    std::vector<int64_t> out;
    int64_t said = 0;
    size_t unsaid = 0;
    for (const auto& [name, size] : rule.into) {
      out.push_back(size);
      unsaid += size < 0;
      if (size >= 0 && __builtin_add_overflow(said, size, &said)) said = INT64_MAX;
    }
    const int64_t left = length - said;
    const bool fits = unsaid == 0 ? left == 0 : left >= 0 && left % static_cast<int64_t>(unsaid) == 0;
    if (!fits) {
      return invalid_argument(concat("tensor ", quoted(info.name), " of shape ", info.shape.to_string(), " has ", length,
                                     " places on axis ", axis, ", which the ", rule.into.size(), " pieces do not share out evenly (", said,
                                     " of them are said)"));
    }
    for (int64_t& size : out) {
      if (size < 0) size = left / static_cast<int64_t>(unsaid);
    }
    return out;
  }

  Status split(const TensorRule& rule) {
    std::vector<TensorNodeRef> nodes;
    std::vector<TensorInfo> infos;
    bool any = false;
    for (size_t i = 0; i < out_.infos_.size(); ++i) {
      const TensorInfo& whole = out_.infos_[i];
      const auto stars = match_stars(rule.patterns[0].glob, whole.name);
      if (!stars) {
        nodes.push_back(out_.nodes_[i]);
        infos.push_back(whole);
        continue;
      }
      any = true;
      FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(rule, whole));
      FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> lengths, lengths_of(rule, whole, axis));
      int64_t begin = 0;
      for (size_t k = 0; k < lengths.size(); ++k) {
        TensorNode node;
        node.op = TensorOp::cut;
        node.where = rule.where;
        node.inputs = {out_.nodes_[i]};
        node.numbers = {static_cast<int64_t>(axis), begin, lengths[k]};
        begin += lengths[k];
        FERRY_RETURN_IF_ERROR(add(std::move(node), {&whole, 1}, fill_stars(rule.into[k].first, *stars), nodes, infos));
      }
    }
    if (!any && !rule.may_match_none) return nothing(rule.patterns[0]);
    out_.nodes_ = std::move(nodes);
    out_.infos_ = std::move(infos);
    return {};
  }

  struct Member {
    size_t pattern, position;
    std::vector<std::string_view> rest;  // what the stars beyond the result's stood for
  };

  // The members of each result, by the stars that its name keeps.
  Status merge(const TensorRule& rule) {
    const std::string& into = rule.into[0].first;
    const size_t kept = count_stars(into);
    std::unordered_map<std::string, std::vector<Member>> groups;
    std::vector<std::string> group_of(out_.infos_.size());
    std::vector<bool> is_member(out_.infos_.size()), seen(rule.patterns.size());
    for (size_t i = 0; i < out_.infos_.size(); ++i) {
      for (size_t p = 0; p < rule.patterns.size(); ++p) {
        auto stars = match_stars(rule.patterns[p].glob, out_.infos_[i].name);
        if (!stars) continue;
        std::vector<std::string_view> rest(stars->begin() + static_cast<ptrdiff_t>(kept), stars->end());
        stars->resize(kept);
        group_of[i] = fill_stars(into, *stars);
        is_member[i] = seen[p] = true;
        groups[group_of[i]].push_back({p, i, std::move(rest)});
        break;
      }
    }
    for (size_t p = 0; p < seen.size(); ++p) {
      if (!seen[p] && !rule.may_match_none) return nothing(rule.patterns[p]);
    }
    std::vector<TensorNodeRef> nodes;
    std::vector<TensorInfo> infos;
    for (size_t i = 0; i < out_.infos_.size(); ++i) {
      if (!is_member[i]) {
        nodes.push_back(out_.nodes_[i]);
        infos.push_back(out_.infos_[i]);
        continue;
      }
      std::vector<Member>& members = groups[group_of[i]];
      if (members.empty()) continue;  // it stands where its first member stood
      FERRY_RETURN_IF_ERROR(merge_one(rule, group_of[i], std::move(members), nodes, infos));
      members.clear();
    }
    out_.nodes_ = std::move(nodes);
    out_.infos_ = std::move(infos);
    return {};
  }

  Status merge_one(const TensorRule& rule, const std::string& name, std::vector<Member> members, std::vector<TensorNodeRef>& nodes,
                   std::vector<TensorInfo>& infos) const {
    std::ranges::stable_sort(members, [](const Member& a, const Member& b) {
      if (a.pattern != b.pattern) return a.pattern < b.pattern;
      for (size_t k = 0; k < a.rest.size(); ++k) {
        if (a.rest[k] != b.rest[k]) return before_by_number(a.rest[k], b.rest[k]);
      }
      return false;
    });
    std::vector<bool> there(rule.patterns.size());
    TensorNode node;
    node.where = rule.where;
    node.op = rule.verb == RuleVerb::stack ? TensorOp::stack : TensorOp::join;
    std::vector<TensorInfo> inputs;
    for (const Member& member : members) {
      there[member.pattern] = true;
      node.inputs.push_back(out_.nodes_[member.position]);
      inputs.push_back(out_.infos_[member.position]);
    }
    if (const auto missing = std::ranges::find(there, false); missing != there.end() && !rule.may_match_none) {
      return not_found(concat("for ", quoted(name), " there is ", quoted(inputs[0].name), " and no tensor like ",
                              quoted(rule.patterns[static_cast<size_t>(missing - there.begin())].glob)));
    }
    FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(rule, inputs[0]));
    node.numbers = {static_cast<int64_t>(axis)};
    return add(std::move(node), inputs, name, nodes, infos);
  }

  Status add(TensorNode node, std::span<const TensorInfo> inputs, std::string name, std::vector<TensorNodeRef>& nodes,
             std::vector<TensorInfo>& infos) const {
    FERRY_RETURN_IF_ERROR(set_depth(node));
    TensorInfo info = inputs[0];
    info.name = std::move(name);
    info.offset.reset();
    info.zero_copy = false;
    info.metadata = {};
    auto ref = std::make_shared<const TensorNode>(std::move(node));
    FERRY_RETURN_IF_ERROR(describe_node(*ref, inputs, info, out_.inner_, out_.options_));
    nodes.push_back(std::move(ref));
    infos.push_back(std::move(info));
    return {};
  }

  TransformedReader& out_;
  std::vector<Variable> variables_;
};

Status TransformedReader::apply(const TensorRules& rules) { return RuleRun(*this).run(rules); }

}  // namespace ferry
