// Lines of text files that are read in pieces, nothing of them staying in memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dataset/files.h"

namespace ferry::dataset {

// What counts as a row in a text file.
struct LineRules {
  bool comments = false;    // lines that begin with '#' are none
  bool quotes = false;      // a line ends at a line feed outside of double quotes
  uint64_t skip_lines = 0;  // at the front of each file: a header
  std::string_view mark;    // left out at the very front of a file
};

// Rows are lines without their end ("\n" or "\r\n"), blank ones left out. number: of the line, from 1.
class LineReader : public FileRows {
 public:
  LineReader(std::unique_ptr<ByteStream> in, const LineRules& rules, const Limits& limits);
  LineReader(LineReader&&) = default;
  Result<bool> next(Row& row) override;
  Status skip(uint64_t count, uint64_t& done) override;

 private:
  // The next line that is a row at [at_, end), line_end behind its line feed.
  Result<bool> find(size_t& end);
  Status fill();
  std::unique_ptr<ByteStream> in_;
  LineRules rules_;
  size_t most_;
  MutableBuffer block_;
  size_t at_ = 0, end_ = 0;  // of the bytes that no line has used
  size_t line_ = 0;          // where the line found begins
  uint64_t offset_ = 0;      // of block_[0] in the text
  uint64_t number_ = 0;
  bool ended_ = false;
};

// Where the rows of an uncompressed text file begin; null for a compressed one.
Result<std::shared_ptr<const FileIndex>> index_lines(const std::string& path, const LineRules& rules, const Limits& limits);
std::string_view without_line_end(std::string_view line);

}  // namespace ferry::dataset
