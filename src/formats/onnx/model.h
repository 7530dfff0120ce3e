// Where tensors are in an ONNX file: initializers and constants of a model's graphs, or one TensorProto or SparseTensorProto.
#pragma once

#include <vector>

#include "ferry/format.h"
#include "formats/onnx/tensor.h"

namespace ferry::onnx {

struct SparseMessage {
  TensorMessage values, indices;
  Shape shape;
  uint64_t base = 0;
};

struct Contents {
  std::vector<TensorMessage> dense;   // under names that are there once
  std::vector<SparseMessage> sparse;  // the name is that of the values
  Metadata metadata;
};

enum class Kind : uint8_t { none, model, tensor, sparse };
// By the fields of the first bytes; `whole` says that they are all. `sure` where nothing speaks against it.
Kind kind_of(std::span<const std::byte> head, bool whole);

Result<Contents> read_contents(std::span<const std::byte> bytes, Kind kind, const Limits& limits);

}  // namespace ferry::onnx
