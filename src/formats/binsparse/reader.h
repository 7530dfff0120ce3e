// Tensors that descriptors make of a container's plain arrays; what no descriptor speaks of goes by the Parts rule.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/format.h"
#include "formats/binsparse/assemble.h"

namespace ferry::binsparse {

struct Described {
  std::string name;    // of the tensor
  std::string prefix;  // of its arrays: "x/" for "x/values"
  Descriptor descriptor;
  std::vector<size_t> hidden;  // arrays that hold the descriptor itself
};

// options.format may have fill=refuse|dense|drop.
Result<std::unique_ptr<TensorReader>> reader_with_descriptors(std::unique_ptr<ArrayReader> arrays, std::vector<Described> described,
                                                              const ReadOptions& options);

inline constexpr OptionSpec kFillOption = {"fill", "refuse|dense|drop",
                                           "sparse tensors whose other places are not zero: an error, a dense tensor, or zeros"};

}  // namespace ferry::binsparse
