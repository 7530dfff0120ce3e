// One element of a tensor as people read it: the shortest digits that give the value back, True/False, (1+2j), "text".
#pragma once

#include <cstdint>
#include <string>

#include "ferry/tensor.h"

namespace ferry::cli {

// Appends element i of `values`. Chosen once a tensor, so that the loop over elements does not ask for the dtype.
using ElementText = void (*)(std::string& out, const DenseTensor& values, int64_t i);
ElementText element_text(DType dtype);

// "x", with \n, \" and \xNN for what is not printable UTF-8.
void append_quoted(std::string& out, std::string_view text);

}  // namespace ferry::cli
