#include "checkpoint/plan_names.h"

#include <algorithm>
#include <array>

namespace ferry::plan {
namespace {

constexpr std::string_view kValue = "/.ATTRIBUTES/VARIABLE_VALUE";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool ends_a_scope(char c) { return c == '/' || c == '.'; }
bool separates(char c) { return c == '/' || c == '.' || c == '_' || c == ':'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

struct Word {
  std::string_view written;  // in canonical form
  std::string_view meaning;  // that all of its kind share
  Leaf leaf;
};
constexpr std::array kWords = {
    Word{"depthwise/kernel", "depthwise/*", Leaf::depthwise},
    Word{"depthwise/weights", "depthwise/*", Leaf::weights},
    Word{"kernel", "*", Leaf::kernel},
    Word{"weight", "*", Leaf::weight},
    Word{"weights", "*", Leaf::weights},
    Word{"embeddings", "*", Leaf::embeddings},
    Word{"embedding", "*", Leaf::embeddings},
    Word{"gamma", "*", Leaf::gamma},
    Word{"scale", "*", Leaf::gamma},
    Word{"bias", "+", Leaf::bias},
    Word{"biases", "+", Leaf::bias},
    Word{"beta", "+", Leaf::bias},
    Word{"moving/mean", "mean", Leaf::mean},
    Word{"running/mean", "mean", Leaf::mean},
    Word{"mean", "mean", Leaf::mean},
    Word{"moving/variance", "var", Leaf::variance},
    Word{"moving/var", "var", Leaf::variance},
    Word{"running/var", "var", Leaf::variance},
    Word{"running/variance", "var", Leaf::variance},
    Word{"variance", "var", Leaf::variance},
    Word{"var", "var", Leaf::variance},
};

bool ends_in_word(std::string_view form, std::string_view word) {
  return form.ends_with(word) && (form.size() == word.size() || form[form.size() - word.size() - 1] == '/');
}

}  // namespace

std::string_view stripped(std::string_view name) {
  if (name.ends_with(kValue)) name.remove_suffix(kValue.size());
  const size_t digits = name.find_last_not_of("0123456789");
  if (digits != std::string_view::npos && digits + 1 < name.size() && name[digits] == ':') name = name.substr(0, digits);
  return name;
}

std::string_view averaged(std::string_view name) {
  for (std::string_view suffix : {"/ExponentialMovingAverage", "/EMA", "/ema", ".ema", ".EMA", "_ema", "/shadow", ".shadow"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return {};
}

Canonical canonical(std::string_view name) {
  Canonical out;
  out.text = stripped(name);
  out.form.reserve(out.text.size());
  out.starts.emplace_back(0, 0);
  for (size_t i = 0; i < out.text.size(); ++i) {
    const char c = out.text[i];
    if (!separates(c)) {
      out.form += lower(c);
      continue;
    }
    if (!out.form.empty() && out.form.back() != '/') out.form += '/';
    if (ends_a_scope(c) && i + 1 < out.text.size()) {
      const auto start = std::pair(static_cast<uint32_t>(i + 1), static_cast<uint32_t>(out.form.size()));
      if (out.starts.back().second == start.second) {
        if (out.starts.size() > 1) out.starts.back() = start;  // "a//b": one scope
      } else {
        out.starts.push_back(start);
      }
    }
  }
  const Word* best = nullptr;
  for (const Word& word : kWords) {
    if (ends_in_word(out.form, word.written) && (best == nullptr || word.written.size() > best->written.size())) best = &word;
  }
  if (best != nullptr) {
    const size_t cut = out.form.size() - best->written.size();
    out.form.resize(cut);
    out.form += best->meaning;
    out.leaf = best->leaf;
    // "moving/mean" is one word.
    std::erase_if(out.starts, [&](const auto& start) { return start.second > cut; });
  }
  return out;
}

Numbered numbered(std::string_view text) {
  Numbered out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_digit(text[i])) {
      out.pattern += text[i];
      continue;
    }
    out.pattern += '#';
    if (!out.numbers.empty()) out.numbers += ',';
    while (i < text.size() && is_digit(text[i])) out.numbers += text[i++];
    --i;
  }
  return out;
}

Renumbered renumbered(std::string_view scopes) {
  Renumbered out;
  constexpr size_t kMostDigits = 9;
  while (!scopes.empty()) {
    const size_t end = std::min(scopes.find_first_of("/."), scopes.size());
    const std::string_view word = scopes.substr(0, end);
    const size_t base = word.find_last_not_of("0123456789") + 1;  // npos + 1 is 0
    const std::string_view digits = word.substr(base);
    int64_t number = 0;
    if (digits.size() <= kMostDigits) {
      for (const char c : digits) number = number * 10 + (c - '0');
      out.pattern += word.substr(0, base > 0 && !digits.empty() && word[base - 1] == '_' ? base - 1 : base);
    } else {
      out.pattern += word;
    }
    out.pattern += '#';
    out.numbers.push_back(number);
    out.pattern += scopes.substr(end, 1);
    scopes.remove_prefix(std::min(end + 1, scopes.size()));
  }
  return out;
}

namespace {

// The last word, which it leaves out of `scopes`.
std::string_view take_last_word(std::string_view& scopes) {
  while (!scopes.empty() && ends_a_scope(scopes.back())) scopes.remove_suffix(1);
  const size_t begin = scopes.find_last_of("/.") + 1;  // npos + 1 is 0
  const std::string_view out = scopes.substr(begin);
  scopes = scopes.substr(0, begin);
  return out;
}

std::string letters_of(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (!is_digit(c) && c != '_') out += lower(c);
  }
  return out;
}

}  // namespace

bool alike(std::string_view a, std::string_view b) {
  constexpr size_t kLongest = 64;
  std::string_view word_a, word_b;
  do {  // inside of what changed, scopes are the same
    word_a = take_last_word(a);
    word_b = take_last_word(b);
  } while (!word_a.empty() && word_a == word_b);
  const std::string x = letters_of(word_a), y = letters_of(word_b);
  if (x.size() < 2 || y.size() < 2 || x.size() > kLongest || y.size() > kLongest) return false;
  if (x.starts_with(y) || y.starts_with(x) || x.ends_with(y) || y.ends_with(x)) return true;
  // Letters in common, in order: most of the longer word.
  std::vector<size_t> row(y.size() + 1);
  for (const char c : x) {
    size_t before = 0;
    for (size_t j = 1; j <= y.size(); ++j) {
      const size_t above = row[j];
      row[j] = c == y[j - 1] ? before + 1 : std::max(row[j], row[j - 1]);
      before = above;
    }
  }
  return row.back() * 4 >= std::max(x.size(), y.size()) * 3;
}

}  // namespace ferry::plan
