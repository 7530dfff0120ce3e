#include "cli/arguments.h"

#include <charconv>
#include <cmath>

#include "cli/command.h"
#include "cli/context.h"
#include "cli/text.h"
#include "ferry/format.h"
#include "ferry/sparse.h"

namespace ferry::cli {
namespace {

// Says what is wrong with a value, or nothing.
std::string complaint(const Option& option, std::string_view value) {
  const std::string given = concat("--", option.name, " is ", quoted(value), ", expected ");
  const auto closed = [&](std::string_view noun) {
    const auto choices = choices_of(option.takes);
    std::string list;
    for (std::string_view choice : choices) list += concat(list.empty() ? "" : ", ", choice);
    return concat(given, noun, did_you_mean(value, choices), ": ", list.empty() ? "none in this build" : list);
  };
  switch (option.takes) {
    case Takes::nothing:
    case Takes::text:
    case Takes::path: return {};
    case Takes::integer: return parse_integer(value) ? "" : concat(given, "a whole number");
    case Takes::number: return parse_number(value) ? "" : concat(given, "a number");
    case Takes::size: return parse_size(value) ? "" : concat(given, "a size like 4096, 64K or 1.5G");
    case Takes::format: return find_format(value) != nullptr ? "" : closed("a format");
    case Takes::dtype: return dtype_from_name(value) ? "" : closed("a dtype");
    case Takes::layout: return value == "coo" || value == "csr" || value == "csc" ? "" : closed("a layout");
    case Takes::kind: return kind_from_name(value) ? "" : closed("a kind");
    case Takes::duplicates: {
      for (std::string_view choice : choices_of(Takes::duplicates)) {
        if (choice == value) return {};
      }
      return closed("a rule");
    }
  }
  __builtin_unreachable();
}

}  // namespace

std::vector<std::string_view> choices_of(Takes takes) {
  switch (takes) {
    case Takes::nothing:
    case Takes::text:
    case Takes::integer:
    case Takes::number:
    case Takes::path:
    case Takes::size: return {};
    case Takes::format: {
      std::vector<std::string_view> out;
      for (const Format* format : all_formats()) out.push_back(format->id);
      return out;
    }
    case Takes::dtype: {
      std::vector<std::string_view> out;
      for (DType dtype : kAllDTypes) {
        if (dtype_class(dtype) != DTypeClass::kOpaque) out.push_back(dtype_name(dtype));
      }
      return out;
    }
    case Takes::layout: return {"coo", "csr", "csc"};
    case Takes::kind: return {"dense", "coo", "csr", "csc", "ragged"};
    case Takes::duplicates: return {"sum", "first", "last", "min", "max", "error"};
  }
  __builtin_unreachable();
}

std::optional<std::pair<std::string_view, std::string_view>> split_assignment(std::string_view text) {
  const size_t at = text.find('=');
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

template <class T>
static std::optional<T> parse_whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int64_t> parse_integer(std::string_view text) { return parse_whole<int64_t>(text); }
std::optional<double> parse_number(std::string_view text) { return parse_whole<double>(text); }

std::optional<uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "KMGTPE";
  if (text.ends_with("iB")) text.remove_suffix(2);
  double scale = 1;
  if (!text.empty()) {
    const char letter = static_cast<char>(text.back() >= 'a' ? text.back() - 32 : text.back());
    if (const size_t unit = kUnits.find(letter); unit != std::string_view::npos) {
      scale = std::ldexp(1.0, 10 * (static_cast<int>(unit) + 1));
      text.remove_suffix(1);
    }
  }
  if (scale == 1) return parse_whole<uint64_t>(text);
  const auto number = parse_number(text);
  if (!number || !(*number >= 0) || *number * scale >= 0x1p64) return std::nullopt;
  return static_cast<uint64_t>(*number * scale);
}

std::optional<std::string_view> Arguments::get(std::string_view option) const {
  for (auto it = options_.rbegin(); it != options_.rend(); ++it) {
    if (it->first->name == option) return it->second;
  }
  return std::nullopt;
}

std::vector<std::string_view> Arguments::all(std::string_view option) const {
  std::vector<std::string_view> out;
  for (const auto& [spec, value] : options_) {
    if (spec->name == option) out.push_back(value);
  }
  return out;
}

int64_t Arguments::integer(std::string_view option, int64_t otherwise) const {
  const auto value = get(option);
  return value ? parse_integer(*value).value_or(otherwise) : otherwise;
}

double Arguments::number(std::string_view option, double otherwise) const {
  const auto value = get(option);
  return value ? parse_number(*value).value_or(otherwise) : otherwise;
}

std::optional<DType> Arguments::dtype(std::string_view option) const {
  const auto value = get(option);
  return value ? dtype_from_name(*value) : std::nullopt;
}

std::optional<Arguments> Arguments::parse(Context& context, const Command& command, std::span<const std::string_view> words) {
  const std::vector<const Option*> options = options_of(command);
  Arguments out;
  const auto wrong = [&](const std::string& message) {
    context.usage(message);
    return std::nullopt;
  };
  const auto take = [&](const Option& option, std::string_view value) -> std::string {
    if (!option.repeatable && out.has(option.name)) return concat("--", option.name, " is given twice");
    if (std::string message = complaint(option, value); !message.empty()) return message;
    out.options_.emplace_back(&option, value);
    return {};
  };
  bool only_words = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (only_words || word == "-" || !word.starts_with('-')) {
      out.words_.push_back(word);
    } else if (word == "--") {
      only_words = true;
    } else if (word.starts_with("--")) {
      const auto assignment = split_assignment(word.substr(2));
      const std::string_view name = assignment ? assignment->first : word.substr(2);
      const Option* found = nullptr;
      for (const Option* option : options) {
        if (option->name == name) found = option;
      }
      if (found == nullptr) {
        std::vector<std::string_view> names;
        for (const Option* option : options) names.push_back(option->name);
        std::string hint = did_you_mean(name, names);
        if (const size_t at = hint.find('\''); at != std::string::npos) hint.insert(at + 1, "--");
        return wrong(concat("unknown option ", quoted(word.substr(0, name.size() + 2)), hint));
      }
      std::string_view value;
      if (found->takes == Takes::nothing) {
        if (assignment) return wrong(concat("--", name, " takes no value"));
      } else if (assignment) {
        value = assignment->second;
      } else if (i + 1 < words.size()) {
        value = words[++i];
      } else {
        return wrong(concat("--", name, " needs a value: ", found->value));
      }
      if (const std::string message = take(*found, value); !message.empty()) return wrong(message);
    } else {
      for (size_t at = 1; at < word.size(); ++at) {
        const Option* found = nullptr;
        for (const Option* option : options) {
          if (option->letter == word[at]) found = option;
        }
        if (found == nullptr) {
          const std::string hint = parse_number(word) ? "; a word that begins with '-' goes behind '--'" : "";
          return wrong(concat("unknown option ", quoted(concat("-", word[at])), hint));
        }
        std::string_view value;
        if (found->takes != Takes::nothing) {
          value = word.substr(at + 1);
          at = word.size();
          if (value.empty()) {
            if (i + 1 >= words.size()) return wrong(concat("-", found->letter, " needs a value: ", found->value));
            value = words[++i];
          }
        }
        if (const std::string message = take(*found, value); !message.empty()) return wrong(message);
      }
    }
  }
  if (out.has("help")) return out;  // asks for no words
  if (out.words_.size() < command.least) {
    return wrong(concat(command.name, " needs ", command.usage, ", got ", counted(out.words_.size(), "word")));
  }
  if (out.words_.size() > command.most)
    return wrong(concat("unexpected word ", quoted(out.words_[command.most]), "; expected: ferry ", command.name, " ", command.usage));
  return out;
}

}  // namespace ferry::cli
