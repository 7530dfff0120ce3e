#include "cli/text.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "cli/context.h"

namespace ferry::cli {

std::string display_name(std::string_view name) { return name.empty() ? "(root)" : printable(name); }

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1024) return concat(bytes, " B");
  constexpr std::string_view kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  for (size /= 1024; size >= 1023.95 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), size, std::chars_format::fixed, 1).ptr;
  return concat(std::string_view(text, static_cast<size_t>(end - text)), " ", kUnits[unit]);
}

std::string counted(uint64_t count, std::string_view noun) { return concat(count, " ", noun, count == 1 ? "" : "s"); }

std::string shape_text(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (i > 0) out += ", ";
    out += shape[i] < 0 ? "?" : concat(shape[i]);
  }
  return out + "]";
}

size_t display_width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

size_t edit_distance(std::string_view a, std::string_view b) {
  // Damerau's, adjacent letters swapped counting once: the commonest slip of a hand.
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr size_t kLongest = 200;  // names from files may be huge, and the distance costs their product
  constexpr size_t kMost = 20'000;
  if (word.empty() || word.size() > kLongest) return {};
  std::string_view best;
  size_t least = word.size() / 3 + (word.size() > 1 ? 1 : 0);  // farther ones are no slip of the hand
  for (std::string_view candidate : candidates.first(std::min(candidates.size(), kMost))) {
    if (candidate.empty() || candidate.size() > kLongest) continue;
    const bool begins = word.size() >= 2 && candidate.starts_with(word);
    const size_t distance = begins ? 1 : edit_distance(word, candidate);
    if (distance < least || (distance == least && best.empty())) {
      least = distance;
      best = candidate;
    }
  }
  if (best.empty()) return {};
  return concat(" (did you mean '", printable(best), "'?)");
}

Table::Table(std::vector<std::string> headers) {
  for (std::string& header : headers) {
    right_.push_back(header.starts_with('>'));
    if (right_.back()) header.erase(0, 1);
  }
  rows_.push_back(std::move(headers));
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(rows_[0].size());
  rows_.push_back(std::move(cells));
}

void Table::print(Printer& out, bool colour, std::string_view indent) const {
  std::vector<size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  for (const auto& row : rows_) {
    size_t owed = 0;  // spaces are written only when something follows them
    out.print(indent);
    for (size_t i = 0; i < row.size(); ++i) {
      const size_t space = widths[i] - display_width(row[i]);
      if (!row[i].empty()) {
        out.pad(owed + (right_[i] ? space : 0));
        out.print(styled(colour && &row == &rows_[0], Style::bold, row[i]));
        owed = (right_[i] ? 0 : space) + 2;
      } else {
        owed += space + 2;
      }
    }
    out.print("\n");
  }
}

}  // namespace ferry::cli
