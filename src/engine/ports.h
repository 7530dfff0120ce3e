// Between the tensors of a caller and the plain tensors of a graph, as a signature's ports say.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ferry/signature.h"
#include "ferry/tensor_map.h"
#include "ops/value.h"

namespace ferry::engine {

// The inputs with composite ones in pieces where the signature has only pieces and does not say what they make up: x, x_1, x_2, as
// TensorFlow flattens an argument x. Nothing where there is no such input.
std::optional<TensorMap> in_pieces(const Signature& signature, const TensorMap& inputs);

// What to feed for one input: tensors of the graph and their values. Nothing where the input is left out and has a default. `used` marks
// the inputs that were taken.
Result<std::vector<std::pair<std::string, DenseTensor>>> parts_for(const Port& port, const TensorMap& inputs, std::vector<bool>& used,
                                                                   const Limits& limits);
// The tensor that an output's parts are.
Result<Tensor> whole_of(const Port& port, std::span<const ops::Value> parts);

}  // namespace ferry::engine
