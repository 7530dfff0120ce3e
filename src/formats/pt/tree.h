// Names for what a pickle holds: containers are walked, tensors listed, plain values spelt as metadata.
#pragma once

#include <string>
#include <vector>

#include "formats/pt/interpret.h"

namespace ferry::pt {

struct Entry {
  std::string name;
  DescriptionPtr description;
};

struct Tree {
  std::vector<Entry> entries;
  Metadata metadata;
};

// Keys of a dict and positions in a list are joined by '/', attributes of objects by '.'; the keys of a dict at top level are the
// names. Adds to `tree`, names under `prefix`. `pickle_bytes` is the pickle's size: what is shared in it may be listed under each of
// its names, but not to many times the size.
Status list_tensors(const pickle::Document& document, const Interpreter& interpreter, const Limits& limits, uint64_t pickle_bytes,
                    std::string_view prefix, Tree& tree);

}  // namespace ferry::pt
