// Option tables and the words of one command line parsed by them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/status.h"

namespace ferry::cli {

class Context;
struct Command;

// What an option's value is: checked where it is parsed, completed in shells, named in help.
enum class Takes : uint8_t { nothing, text, integer, number, path, format, dtype, layout, kind, duplicates, size };

struct Option {
  std::string_view name;  // without dashes
  char letter = 0;        // short form
  Takes takes = Takes::nothing;
  std::string_view value;  // its name in help: "FORMAT"
  std::string_view help;
  bool repeatable = false;
};

// Views into the words, which outlive it.
class Arguments {
 public:
  std::span<const std::string_view> words() const { return words_; }
  bool has(std::string_view option) const { return get(option).has_value(); }
  // The last value given.
  std::optional<std::string_view> get(std::string_view option) const;
  std::vector<std::string_view> all(std::string_view option) const;
  // Values that parsing has checked already.
  int64_t integer(std::string_view option, int64_t otherwise) const;
  double number(std::string_view option, double otherwise) const;
  std::optional<DType> dtype(std::string_view option) const;

  // Prints the mistake and gives nullopt where the words do not fit the command.
  static std::optional<Arguments> parse(Context& context, const Command& command, std::span<const std::string_view> words);

 private:
  std::vector<std::string_view> words_;
  std::vector<std::pair<const Option*, std::string_view>> options_;
};

// "key=value" cut at the first '='; nullopt without one.
std::optional<std::pair<std::string_view, std::string_view>> split_assignment(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
std::optional<int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);
// "4096", "64K", "1.5G": powers of 1024.
std::optional<uint64_t> parse_size(std::string_view text);
// The words that `takes` allows, where they are a closed set.
std::vector<std::string_view> choices_of(Takes takes);

}  // namespace ferry::cli
