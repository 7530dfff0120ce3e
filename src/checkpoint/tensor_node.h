// One tensor that is still to be made: what is done, to what.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/transformed_reader.h"
#include "ferry/format.h"

namespace ferry {

enum class TensorOp : uint8_t { leaf, change, cast, transpose, reshape, cut, join, stack };

struct TensorNode {
  TensorOp op = TensorOp::leaf;
  bool checked = false;          // of cast: what would be lost is refused
  DType dtype = DType::float32;  // of cast
  size_t leaf = 0;               // position in the reader
  std::vector<TensorNodeRef> inputs;
  // The permutation, the shape, {axis, begin, size}, {axis}; axes count from 0.
  std::vector<int64_t> numbers;
  std::shared_ptr<const TensorChange> change;
  std::string where;  // of the rule, for errors
  size_t depth = 0;   // of what lies below
};

// One more than its inputs' deepest; limit_exceeded where a tensor goes through more steps than anybody means.
Status set_depth(TensorNode& node);

// Fills kind, dtype, shape, nnz and bytes of `info` with what the node will make of inputs like these; what could never be made is refused.
Status describe_node(const TensorNode& node, std::span<const TensorInfo> inputs, TensorInfo& info, const TensorReader& reader,
                     const TransformOptions& options);
Result<Tensor> read_node(const TensorNode& node, const TensorReader& reader, const TransformOptions& options);
// With the name of the (first) tensor that it is made of, as the reader has it.
Status named_by_leaf(const Status& status, const TensorNode& node, const TensorReader& reader);
// Each once, in order.
void leaves_of(const TensorNode& node, std::vector<size_t>& out);

}  // namespace ferry
