// What the first record says: pairs, a table or a matrix, with names, axes and dtypes. The rules are in docs/formats/csv.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/shape.h"
#include "formats/csv/records.h"

namespace ferry::csv {

enum class Kind : uint8_t { pairs, table, matrix };

struct Header {
  Kind kind = Kind::table;
  bool present = false;
  std::string name;                          // of pairs and matrices
  std::vector<std::string> names;            // of a table's columns
  std::vector<std::optional<DType>> dtypes;  // one a column; for pairs and matrices the last and the first count
  std::vector<int64_t> dims;                 // of pairs: -1 where not said
};

constexpr std::string_view kRoot = "(root)";  // the name "" in a header

// `asked` is what the options say; without it the fields decide.
Header header_of(const std::vector<Field>& fields, std::optional<Kind> asked, std::optional<bool> present);

}  // namespace ferry::csv
