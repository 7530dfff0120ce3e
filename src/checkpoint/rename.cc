#include "checkpoint/rename.h"

#include <regex.h>

#include "ferry/io.h"

namespace ferry {

struct RenameRules::Rule {
  regex_t regex;
  std::string replacement, text;
  bool compiled = false;
  ~Rule() {
    if (compiled) ::regfree(&regex);
  }
};

RenameRules::RenameRules() = default;
RenameRules::RenameRules(RenameRules&&) noexcept = default;
RenameRules::~RenameRules() = default;

namespace {

// POSIX has no \d, \w and \s of its own (glibc knows the latter two); people write them all the same.
std::string posix_pattern(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 'd') {
        out += in_class ? "0-9" : "[0-9]";
      } else if (next == 'D' && !in_class) {
        out += "[^0-9]";
      } else if (next == '=') {
        out += '=';
      } else {
        out += c;
        out += next;
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

}  // namespace

Status RenameRules::add(std::string_view text) {
  if (text.starts_with('@')) {
    const std::string path(text.substr(1));
    auto source = open_source(path);
    if (!source.ok()) return source.status().with_context(concat("rename rules ", path));
    FERRY_ASSIGN_OR_RETURN(const Buffer bytes, (*source)->view(0, (*source)->size()));
    std::string_view rest = bytes.text();
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty() || line.starts_with('#')) continue;
      const Status status = add(line.starts_with('@') ? concat("\\", line) : std::string(line));
      if (!status.ok()) return status.with_context(path);
    }
    return {};
  }
  size_t cut = 0;
  while (cut < text.size() && text[cut] != '=') cut += text[cut] == '\\' ? 2 : 1;
  if (cut >= text.size()) return invalid_argument(concat("the rename rule ", quoted(text), " has no '=', expected REGEX=REPLACEMENT"));
  auto rule = std::make_unique<Rule>();
  rule->replacement = text.substr(cut + 1);
  rule->text = text;
  const std::string pattern = posix_pattern(text.substr(0, cut));
  if (const int error = ::regcomp(&rule->regex, pattern.c_str(), REG_EXTENDED); error != 0) {
    char why[128];
    ::regerror(error, &rule->regex, why, sizeof(why));
    return invalid_argument(concat("the rename rule ", quoted(text), " is no regular expression: ", std::string_view(why)));
  }
  rule->compiled = true;
  for (size_t i = 0; i + 1 < rule->replacement.size(); ++i) {
    if (rule->replacement[i] != '\\') continue;
    const char digit = rule->replacement[++i];
    if (digit >= '0' && digit <= '9' && static_cast<size_t>(digit - '0') > rule->regex.re_nsub) {
      return invalid_argument(concat("the rename rule ", quoted(text), " uses group \\", digit, " and has ", rule->regex.re_nsub));
    }
  }
  rules_.push_back(std::move(rule));
  return {};
}

std::string_view RenameRules::text(size_t i) const { return rules_[i]->text; }

std::string RenameRules::apply(std::string_view name, std::vector<size_t>* used) const {
  std::string now(name);
  if (used != nullptr) used->clear();
  for (const auto& rule : rules_) {
    std::string out;
    size_t at = 0;
    while (at <= now.size()) {
      regmatch_t groups[10];
      groups[0] = {static_cast<regoff_t>(at), static_cast<regoff_t>(now.size())};
      if (::regexec(&rule->regex, now.data(), 10, groups, REG_STARTEND | (at > 0 ? REG_NOTBOL : 0)) != 0) break;
      const auto begin = static_cast<size_t>(groups[0].rm_so), end = static_cast<size_t>(groups[0].rm_eo);
      out += now.substr(at, begin - at);
      const std::string& to = rule->replacement;
      for (size_t i = 0; i < to.size(); ++i) {
        if (to[i] != '\\' || i + 1 == to.size()) {
          out += to[i];
          continue;
        }
        const char next = to[++i];
        if (next >= '0' && next <= '9') {
          const regmatch_t& group = groups[next - '0'];
          if (group.rm_so >= 0) out += now.substr(static_cast<size_t>(group.rm_so), static_cast<size_t>(group.rm_eo - group.rm_so));
        } else {
          out += next;
        }
      }
      at = end;
      if (begin == end) {  // an empty match: one letter further, or for ever
        if (at < now.size()) out += now[at];
        ++at;
      }
    }
    if (at < now.size()) out += now.substr(at);
    if (used != nullptr && out != now) used->push_back(static_cast<size_t>(&rule - rules_.data()));
    now = std::move(out);
  }
  return now;
}

bool matches_pattern(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, back = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      back = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++back;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace ferry
