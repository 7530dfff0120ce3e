// A tensor as Binsparse's arrays and descriptor.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ferry/tensor.h"
#include "formats/binsparse/descriptor.h"

namespace ferry::binsparse {

struct Array {
  std::string name;  // "values"
  DenseTensor array;
};
struct Spelled {
  Descriptor descriptor;
  std::vector<Array> arrays;
};
// Sorted where it is not; an entry stored twice is an error, since Binsparse has no word for it. Not for ragged tensors and strings.
Result<Spelled> spell(const Tensor& tensor);

// The descriptor of a sparse tensor that lies in parts (`x/indices`, …) under `prefix`, with kArraysKey saying where its arrays
// are ("x/indices[:,0]"). "" where Binsparse cannot say it: entries unsorted or twice, no axes.
// `index`: the dtype that its indices are written with.
std::string describe_parts(const SparseTensor& x, std::string_view prefix, DType index);

}  // namespace ferry::binsparse
