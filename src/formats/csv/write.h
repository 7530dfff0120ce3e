// Writing csv and tsv.
#pragma once

#include "ferry/format.h"

namespace ferry::csv {

Result<char> delimiter_option(const FormatOptions& options, char otherwise);
Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options, char delimiter);

}  // namespace ferry::csv
