// Words for people: names made safe to print, sizes, tables, near misses.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/printer.h"
#include "ferry/shape.h"
#include "wire/utf8.h"

namespace ferry::cli {

// A tensor's name as tables show it: the nameless one is "(root)".
std::string display_name(std::string_view name);
// "1.5 KiB", "12 B".
std::string human_bytes(uint64_t bytes);
// "1 tensor", "3 tensors".
std::string counted(uint64_t count, std::string_view noun);
// "[3, ?]": ? for a ragged axis.
std::string shape_text(const Shape& shape);
// Letters, that is UTF-8 code points: what padding counts.
size_t display_width(std::string_view text);

// The candidates nearest to a word that fits none: " (did you mean 'inspect'?)", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);
size_t edit_distance(std::string_view a, std::string_view b);

// Rows of cells, columns as wide as their widest cell.
class Table {
 public:
  // A header that begins with '>' is a column of numbers, set to the right.
  explicit Table(std::vector<std::string> headers);
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.size() == 1; }
  void print(Printer& out, bool colour, std::string_view indent = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

}  // namespace ferry::cli
