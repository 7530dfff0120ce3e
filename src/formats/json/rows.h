// The rows of {"instances": […]}: one input of all rows is one tensor.
#pragma once

#include <string>
#include <vector>

#include "formats/json/value.h"

namespace ferry::json {

// One input over all rows: lists side by side, or one composite tensor a row.
struct Column {
  std::string name;
  ListBuilder list;
  std::vector<Tensor> composites;
  uint64_t offset;
  size_t rows = 0;
};

// The list of rows that stands next.
Status read_rows(Text& text, std::vector<Column>& out);
Result<Tensor> stack(Column& column);

}  // namespace ferry::json
