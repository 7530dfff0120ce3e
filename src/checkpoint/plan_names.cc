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

}  // namespace ferry::plan
