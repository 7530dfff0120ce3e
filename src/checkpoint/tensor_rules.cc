#include "checkpoint/tensor_rules.h"

#include <algorithm>
#include <charconv>

#include "checkpoint/glob.h"
#include "ferry/io.h"

namespace ferry {
namespace {

constexpr uint64_t kMostBytes = 64 << 20;
constexpr RuleVerb kVerbs[] = {RuleVerb::select, RuleVerb::drop,  RuleVerb::rename, RuleVerb::transpose, RuleVerb::reshape,
                               RuleVerb::cast,   RuleVerb::split, RuleVerb::concat, RuleVerb::stack};
constexpr Role kRoles[] = {Role::weight, Role::slot, Role::counter, Role::state, Role::other};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

struct Word {
  std::string text;
  bool quoted = false;  // then it is a name, whatever it looks like
};

// Words between blanks; "…" is one word, in which \" and \\ stand for themselves; # begins a comment.
Result<std::vector<Word>> words_of(std::string_view line) {
  std::vector<Word> out;
  for (size_t at = 0; at < line.size();) {
    if (is_blank(line[at])) {
      ++at;
      continue;
    }
    if (line[at] == '#') break;
    Word word;
    if (line[at] == '"') {
      word.quoted = true;
      for (++at; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\' && at + 1 < line.size()) ++at;
        word.text += line[at];
      }
      if (at == line.size()) return invalid_argument("a name in quotes does not end");
      ++at;
      // "a name"=3: how many places it takes.
      if (at < line.size() && line[at] == '=') {
        while (at < line.size() && !is_blank(line[at])) word.text += line[at++];
      }
    } else {
      while (at < line.size() && !is_blank(line[at])) word.text += line[at++];
    }
    out.push_back(std::move(word));
  }
  return out;
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "1,0,-1"; "" and "[]" are none.
std::optional<std::vector<int64_t>> numbers_of(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<int64_t> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const auto number = whole_number(text.substr(0, end));
    if (!number) return std::nullopt;
    out.push_back(*number);
    if (end + 1 == text.size()) return std::nullopt;  // a comma at the end
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Result<RulePattern> pattern_of(const Word& word) {
  RulePattern out;
  out.glob = word.text == "(root)" && !word.quoted ? std::string() : word.text;
  constexpr std::string_view kRole = "role:";
  if (word.quoted || !word.text.starts_with(kRole)) return out;
  const std::string_view name = std::string_view(word.text).substr(kRole.size());
  if (name == "optimizer") {
    out.by = RulePattern::By::optimizer;
    return out;
  }
  out.by = RulePattern::By::role;
  const auto it = std::ranges::find(kRoles, name, role_name);
  if (it == std::end(kRoles)) {
    return invalid_argument(concat("there is no role ", quoted(name), ", expected weight, slot, counter, state, other or optimizer"));
  }
  out.role = *it;
  return out;
}

// What is the same in split, concat and stack: PATTERN... axis=N into NAME...
Status parse_into(std::span<const Word> words, TensorRule& rule) {
  const auto is_into = [](const Word& word) { return !word.quoted && word.text == "into"; };
  const auto into = std::ranges::find_if(words, is_into);
  const std::string_view verb = verb_name(rule.verb);
  if (into == words.end() || into + 1 == words.end()) {
    return invalid_argument(
        concat(verb, " needs names behind 'into': ", verb, " PATTERN axis=0 into NAME", rule.verb == RuleVerb::split ? "..." : ""));
  }
  for (const Word& word : words.first(static_cast<size_t>(into - words.begin()))) {
    constexpr std::string_view kAxis = "axis=";
    if (!word.quoted && word.text.starts_with(kAxis)) {
      const auto axis = whole_number(std::string_view(word.text).substr(kAxis.size()));
      if (!axis) return invalid_argument(concat(quoted(word.text), " names no axis, expected axis=0 or another whole number"));
      rule.axis = *axis;
      continue;
    }
    FERRY_ASSIGN_OR_RETURN(rule.patterns.emplace_back(), pattern_of(word));
  }
  for (const Word& word : words.subspan(static_cast<size_t>(into - words.begin()) + 1)) {
    std::string name = word.text;
    int64_t size = -1;
    if (rule.verb == RuleVerb::split) {
      if (const size_t cut = name.rfind('='); cut != std::string::npos) {
        const auto number = whole_number(std::string_view(name).substr(cut + 1));
        if (number && *number < 0) return invalid_argument(concat(quoted(word.text), " says less than nothing"));
        if (number) {
          size = *number;
          name.resize(cut);
        }
      }
    }
    rule.into.emplace_back(std::move(name), size);
  }
  if (rule.patterns.empty()) return invalid_argument(concat(verb, " names no tensors"));
  if (rule.verb == RuleVerb::split && rule.patterns.size() != 1) return invalid_argument("split takes one pattern; write a line for each");
  if (rule.verb != RuleVerb::split && rule.into.size() != 1)
    return invalid_argument(concat(verb, " makes one tensor, expected one name behind 'into'"));
  if (std::ranges::count_if(rule.into, [](const auto& piece) { return piece.second < 0; }) > 1 &&
      std::ranges::any_of(rule.into, [](const auto& piece) { return piece.second >= 0; })) {
    return invalid_argument("split says how long some pieces are; all of them but one need NAME=LENGTH, or none");
  }
  for (const RulePattern& pattern : rule.patterns) {
    if (pattern.by != RulePattern::By::name)
      return invalid_argument(concat(verb, " makes names from names; give a pattern of names, not a role"));
    for (const auto& [name, size] : rule.into) {
      if (count_stars(name) > count_stars(pattern.glob)) {
        return invalid_argument(concat(quoted(name), " has more stars than ", quoted(pattern.glob), ", which they stand for"));
      }
    }
  }
  if (rule.verb == RuleVerb::split) {
    for (const auto& [name, size] : rule.into) {
      if (count_stars(name) < count_stars(rule.patterns[0].glob)) {
        return invalid_argument(concat(quoted(name), " has fewer stars than ", quoted(rule.patterns[0].glob),
                                       ": pieces of several tensors would have one name"));
      }
    }
  }
  return {};
}

// PATTERN... [to WORD]; `to` is the word behind it.
Status parse_to(std::span<const Word> words, TensorRule& rule, std::optional<std::string>& to) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (!words[i].quoted && words[i].text == "to") {
      if (i + 2 != words.size()) return invalid_argument("expected one word behind 'to'");
      to = words[i + 1].text;
      break;
    }
    FERRY_ASSIGN_OR_RETURN(rule.patterns.emplace_back(), pattern_of(words[i]));
  }
  if (rule.patterns.empty()) return invalid_argument(concat(verb_name(rule.verb), " names no tensors"));
  return {};
}

Status parse_rule(RuleVerb verb, std::string_view rest, TensorRule& rule) {
  rule.verb = verb;
  if (verb == RuleVerb::rename) {
    rule.may_match_none = true;
    if (rest.starts_with('@')) return invalid_argument("a rules file names no further file; put its rules here");
    return rule.rename.add(rest);
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<Word> words, words_of(rest));
  if (verb == RuleVerb::split || verb == RuleVerb::concat || verb == RuleVerb::stack) return parse_into(words, rule);
  std::optional<std::string> to;
  FERRY_RETURN_IF_ERROR(parse_to(words, rule, to));
  switch (verb) {
    case RuleVerb::drop: rule.may_match_none = true; [[fallthrough]];
    case RuleVerb::select:
      if (to) return invalid_argument(concat(verb_name(verb), " takes patterns only; \"to\" in quotes is a name"));
      return {};
    case RuleVerb::cast: {
      const auto dtype = to ? dtype_from_name(*to) : std::nullopt;
      if (!dtype) return invalid_argument(concat("expected: cast PATTERN to DTYPE", to ? concat("; there is no dtype ", quoted(*to)) : ""));
      rule.dtype = *dtype;
      return {};
    }
    case RuleVerb::reshape:
    case RuleVerb::transpose: {
      if (!to) {
        if (verb == RuleVerb::transpose) return {};
        return invalid_argument("expected: reshape PATTERN to 2,-1");
      }
      const auto numbers = numbers_of(*to);
      if (!numbers) return invalid_argument(concat(quoted(*to), " is no list of whole numbers like 1,0"));
      if (verb == RuleVerb::reshape &&
          (std::ranges::count(*numbers, -1) > 1 || std::ranges::any_of(*numbers, [](int64_t n) { return n < -1; }))) {
        return invalid_argument(concat(quoted(*to), " is no shape; one axis may be -1, which takes what is left"));
      }
      rule.numbers = *numbers;
      return {};
    }
    case RuleVerb::rename:
    case RuleVerb::split:
    case RuleVerb::concat:
    case RuleVerb::stack: break;
  }
  __builtin_unreachable();
}

Status parse_line(std::string_view line, TensorRule& rule) {
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  std::string_view word = line.substr(0, end), rest = line.substr(end);
  const bool lenient = word.ends_with('?');
  if (lenient) word.remove_suffix(1);
  const auto verb = std::ranges::find(kVerbs, word, verb_name);
  if (verb == std::end(kVerbs)) {
    if (line.find('=') != std::string_view::npos) return parse_rule(RuleVerb::rename, line, rule);  // as in a file of --rename
    return invalid_argument(
        concat(quoted(word), " is no verb, expected select, drop, rename, transpose, reshape, cast, split, concat, stack or REGEX=NAME"));
  }
  while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
  FERRY_RETURN_IF_ERROR(parse_rule(*verb, rest, rule));
  rule.may_match_none |= lenient;
  return {};
}

}  // namespace

std::string_view verb_name(RuleVerb verb) {
  switch (verb) {
    case RuleVerb::select: return "select";
    case RuleVerb::drop: return "drop";
    case RuleVerb::rename: return "rename";
    case RuleVerb::transpose: return "transpose";
    case RuleVerb::reshape: return "reshape";
    case RuleVerb::cast: return "cast";
    case RuleVerb::split: return "split";
    case RuleVerb::concat: return "concat";
    case RuleVerb::stack: return "stack";
  }
  __builtin_unreachable();
}

Result<TensorRules> TensorRules::read(const std::string& path) {
  auto source = open_source(path);
  if (!source.ok()) return source.status().with_context(concat("rules ", path));
  if ((*source)->size() > kMostBytes) return limit_exceeded(concat("rules ", path, ": ", (*source)->size(), " bytes are no rules"));
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, (*source)->view(0, (*source)->size()));
  return parse(bytes.text(), path);
}

Result<TensorRules> TensorRules::parse(std::string_view text, std::string_view name) {
  TensorRules out;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    while (!line.empty() && (is_blank(line.front()) || (number == 1 && line.starts_with("\xef\xbb\xbf"))))
      line.remove_prefix(is_blank(line.front()) ? 1 : 3);
    while (!line.empty() && (is_blank(line.back()) || line.back() == '\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    TensorRule rule{};
    rule.where = concat(name, ":", number);
    if (const Status status = parse_line(line, rule); !status.ok()) return status.with_context(rule.where);
    out.rules_.push_back(std::move(rule));
  }
  return out;
}

Result<RulePattern> RulePattern::parse(std::string_view text) { return pattern_of({std::string(text), false}); }

void TensorRules::append(TensorRules more) {
  for (TensorRule& rule : more.rules_) rules_.push_back(std::move(rule));
}

bool TensorRules::needs_roles() const {
  return std::ranges::any_of(rules_, [](const TensorRule& rule) {
    return std::ranges::any_of(rule.patterns, [](const RulePattern& pattern) { return pattern.by != RulePattern::By::name; });
  });
}

}  // namespace ferry
