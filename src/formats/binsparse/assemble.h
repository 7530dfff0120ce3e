// From a descriptor and the arrays it speaks of to a tensor. docs/formats/binsparse.md
#pragma once

#include <functional>
#include <string_view>

#include "ferry/format.h"
#include "formats/binsparse/descriptor.h"

namespace ferry::binsparse {

// The arrays of one tensor by their Binsparse names ("indices_0", "values"), wherever they lie.
struct Arrays {
  std::function<const TensorInfo*(std::string_view name)> find;  // null where there is none
  std::function<Result<DenseTensor>(const TensorInfo& array)> read;
};

// What becomes of places that are not stored where fill_value is not zero; our sparse tensors have zeros there.
enum class Fill : uint8_t {
  refuse,  // reading is an error that says so
  dense,   // a dense tensor, filled
  drop,    // zeros; the metadata fill_value keeps the number
};

struct AssembleOptions {
  Fill fill = Fill::refuse;
  Validation validation = Validation::bounds;
  Limits limits;
};

// From headers alone, but for fill_value and, where a structure is to be expanded, the indices. All counts are checked here.
Result<TensorInfo> describe(const Descriptor& descriptor, const Arrays& arrays, const AssembleOptions& options);
// CSR and CSC stay; levels that are all dense make a dense tensor; anything else is COO. Structures are expanded.
Result<Tensor> assemble(const Descriptor& descriptor, const Arrays& arrays, const AssembleOptions& options);

// The other triangle of a square matrix.
Result<Tensor> expand_structure(Tensor stored, Structure structure, const AssembleOptions& options);

}  // namespace ferry::binsparse
