#include "checkpoint/glob.h"

#include <algorithm>

#include "checkpoint/rename.h"

namespace ferry {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digits at the front without leading zeros; `text` moves behind them.
std::string_view take_number(std::string_view& text) {
  size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  std::string_view number = text.substr(0, end);
  text.remove_prefix(end);
  number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
  return number;
}

}  // namespace

std::optional<std::vector<std::string_view>> match_stars(std::string_view pattern, std::string_view name) {
  if (!matches_pattern(pattern, name)) return std::nullopt;
  std::vector<std::string_view> out;
  size_t n = 0;
  for (size_t p = 0; p < pattern.size(); ++p) {
    if (pattern[p] != '*') {
      ++n;
      continue;
    }
    // The rest matches from some place on, or the whole would not.
    size_t end = n;
    while (!matches_pattern(pattern.substr(p + 1), name.substr(end))) ++end;
    out.push_back(name.substr(n, end - n));
    n = end;
  }
  return out;
}

size_t count_stars(std::string_view pattern) { return static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '*')); }

std::string fill_stars(std::string_view pattern, const std::vector<std::string_view>& stars) {
  std::string out;
  size_t star = 0;
  for (const char c : pattern) {
    if (c == '*') {
      out += stars[star++];
    } else {
      out += c;
    }
  }
  return out;
}

bool before_by_number(std::string_view a, std::string_view b) {
  const std::string_view whole_a = a, whole_b = b;
  while (!a.empty() && !b.empty()) {
    if (is_digit(a[0]) && is_digit(b[0])) {
      const std::string_view x = take_number(a), y = take_number(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      continue;
    }
    if (a[0] != b[0]) return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0]);
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() != b.empty()) return a.empty();
  return whole_a < whole_b;
}

}  // namespace ferry
