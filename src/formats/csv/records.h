// Comma- and tab-separated records by RFC 4180: fields, quotes, and where each stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ferry/status.h"

namespace ferry::csv {

struct Field {
  std::string_view text;  // within the quotes, doubled quotes still doubled
  bool quoted = false;
  bool operator==(const Field&) const = default;
};
std::string unescaped(const Field& field);

// Reads records front to back. Blank lines are skipped; CRLF and LF both end a record.
class RecordReader {
 public:
  // `text` is the whole source; reading starts at `start`.
  RecordReader(std::string_view text, size_t start, char delimiter) : text_(text), at_(start), delimiter_(delimiter) {}
  // False at the end. `fields` is overwritten and points into the text.
  Result<bool> next(std::vector<Field>& fields);
  size_t position() const { return at_; }

 private:
  std::string_view text_;
  size_t at_;
  char delimiter_;
};

}  // namespace ferry::csv
