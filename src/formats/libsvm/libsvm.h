// libsvm / svmlight text: one example a line, `label index:value index:value …  # comment`. docs/formats/libsvm.md
// Read as x (CSR), y (labels) and qid where the file has them.
#pragma once

#include <memory>

#include "ferry/format.h"

namespace ferry::libsvm {

Sniff sniff(std::span<const std::byte> head);
Result<TensorMap> read(const ByteSource& source, const ReadOptions& options);
Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options);

}  // namespace ferry::libsvm
