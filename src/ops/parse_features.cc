#include "ops/parse_features.h"

namespace ferry::ops {

bool is_example_dtype(DType dtype) { return dtype == DType::int64 || dtype == DType::float32 || dtype == DType::string; }

Result<std::vector<DenseFeatureShape>> dense_feature_shapes(const NodeInfo& node, std::string_view attr, size_t count) {
  const std::vector<PartialShape> shapes = node.shapes(attr);
  FERRY_RETURN_IF_ERROR(node.status());
  if (shapes.size() != count) return invalid_argument(concat("len(", attr, ") is ", shapes.size(), ", there are ", count, " dense keys"));
  std::vector<DenseFeatureShape> out;
  for (const PartialShape& partial : shapes) {
    if (!partial.has_rank()) return invalid_argument(concat(attr, "[", out.size(), "] has unknown rank"));
    DenseFeatureShape one;
    const Shape& dims = partial.dims();
    one.variable = dims.rank() > 0 && dims[0] < 0;
    for (size_t axis = one.variable ? 1 : 0; axis < dims.rank(); ++axis) {
      if (dims[axis] < 0) return invalid_argument(concat(attr, "[", out.size(), "] has unknown inner dimensions: ", partial.to_string()));
      one.shape.append(dims[axis]);
    }
    FERRY_ASSIGN_OR_RETURN(one.shape, Shape::checked(one.shape.dims(), node.limits()));
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<std::string>> keys_of(const Call& call, ArgRange range, size_t count, std::string_view what) {
  std::vector<std::string> out;
  for (size_t i = range.begin; i < range.begin + range.count; ++i) {
    const DenseTensor& key = call.in(i);
    if (key.num_elements() != 1)
      return invalid_argument(concat("Expected ", what, "[", out.size(), "] to be a scalar, its shape is ", key.shape().to_string()));
    out.emplace_back(key.strings()[0]);
  }
  if (out.size() != count) return invalid_argument(concat(out.size(), " ", what, ", expected ", count));
  return out;
}

Result<std::vector<std::string>> keys_in(const DenseTensor& vector, size_t count, std::string_view what) {
  if (static_cast<size_t>(vector.num_elements()) != count) {
    return invalid_argument(concat("Expected len(", what, ") == ", count, ", got ", vector.num_elements()));
  }
  std::vector<std::string> out;
  for (int64_t i = 0; i < vector.num_elements(); ++i) out.emplace_back(vector.strings()[i]);
  return out;
}

Result<FeatureSpec> dense_feature(std::string key, DType dtype, const DenseFeatureShape& shape, const DenseTensor& otherwise) {
  std::optional<DenseTensor> value;
  if (shape.variable) {
    if (otherwise.num_elements() != 1) {
      return invalid_argument(concat(
          "dense shape of ", quoted(key),
          " is a variable length shape, therefore its default must contain a single element (the padding element). But its shape is: ",
          otherwise.shape().to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(value, otherwise.reshaped({}));
    return FeatureSpec::fixed_len_sequence(std::move(key), dtype, shape.shape, std::move(value));
  }
  if (otherwise.num_elements() > 0) {
    if (otherwise.shape() != shape.shape) {
      return invalid_argument(concat("the default of ", quoted(key), " has shape ", otherwise.shape().to_string(), " != dense shape ",
                                     shape.shape.to_string()));
    }
    value = otherwise;
  }
  return FeatureSpec::fixed_len(std::move(key), dtype, shape.shape, std::move(value));
}

void put_sparse(Call& call, const Tensor& tensor, size_t indices, size_t values, size_t shape) {
  const auto& sparse = std::get<SparseTensor>(tensor);
  call.set(indices, sparse.indices());
  call.set(values, sparse.values());
  call.set(shape, DenseTensor::vector<int64_t>(sparse.shape().dims()));
}

Status put_dense(Call& call, const Tensor& tensor, size_t to) {
  call.set(to, std::get<DenseTensor>(tensor));
  return {};
}

Result<std::vector<std::string_view>> record_names(const DenseTensor& names, int64_t records) {
  std::vector<std::string_view> out;
  const int64_t count = names.num_elements();
  if (count == 0) return out;
  if (count != records) return invalid_argument(concat("Expected len(names) == len(serialized), but got: ", count, " vs. ", records));
  out.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) out.push_back(names.strings()[i]);
  return out;
}

}  // namespace ferry::ops
