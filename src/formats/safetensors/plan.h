// What a safetensors file will hold, known before its first byte: the header comes first and names every size.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ferry/format.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/types.h"

namespace ferry::safetensors {

// One array of the file. Dense tensors of fixed-size elements are known by the listing; the parts of others were read once for this, and
// are kept where they are small.
struct PlannedArray {
  size_t tensor = 0, part = 0;
  Stored stored;
  std::optional<DenseTensor> kept;
};

struct Plan {
  std::vector<Item> items;  // without places
  std::vector<PlannedArray> arrays;
  Metadata metadata;
  std::vector<size_t> owners;  // of each metadata entry: the tensor that it is about, or kAll
  static constexpr size_t kAll = SIZE_MAX;
};
Result<Plan> plan_of(const TensorReader& tensors, const WriteOptions& options);

// The arrays of a plan as bytes. It remembers the tensor it read last, whose parts often follow one another. Not thread-safe.
class PlannedBytes {
 public:
  PlannedBytes(const TensorReader& tensors, const Plan& plan, const WriteOptions& options)
      : tensors_(tensors), plan_(plan), options_(options) {}
  Result<Buffer> read(size_t array);

 private:
  Result<DenseTensor> tensor_of(size_t array);
  const TensorReader& tensors_;
  const Plan& plan_;
  const WriteOptions& options_;
  size_t last_ = SIZE_MAX;
  std::vector<SpelledArray> parts_;  // of it
};

}  // namespace ferry::safetensors
