// What the ops that parse Examples and SequenceExamples share: features from attributes, keys and defaults; results to outputs.
#pragma once

#include <string>
#include <vector>

#include "ferry/features.h"
#include "ops/kernel.h"

namespace ferry::ops {

// The shape of a dense feature as an attribute says it: rows of it where the first axis is unknown.
struct DenseFeatureShape {
  Shape shape;  // of a row, or of a step
  bool variable = false;
};
Result<std::vector<DenseFeatureShape>> dense_feature_shapes(const NodeInfo& node, std::string_view attr, size_t count);

// Keys: a scalar each in inputs of a range, or all in one vector.
Result<std::vector<std::string>> keys_of(const Call& call, ArgRange range, size_t count, std::string_view what);
Result<std::vector<std::string>> keys_in(const DenseTensor& vector, size_t count, std::string_view what);

// Feature `i` of the dense ones with the default that input `from` gives.
Result<FeatureSpec> dense_feature(std::string key, DType dtype, const DenseFeatureShape& shape, const DenseTensor& otherwise);

// Indices, values and shape of a sparse tensor to three outputs.
void put_sparse(Call& call, const Tensor& tensor, size_t indices, size_t values, size_t shape);
Status put_dense(Call& call, const Tensor& tensor, size_t to);

// The names of records for messages; invalid_argument where they are as many as neither none nor the records.
Result<std::vector<std::string_view>> record_names(const DenseTensor& names, int64_t records);

// Feature specs by name must differ; these are numbered, with the key in value_key.
bool is_example_dtype(DType dtype);

}  // namespace ferry::ops
