#include "ops/ragged_parts.h"

#include <limits>

namespace ferry::ops {

Result<std::vector<int64_t>> splits_of(const DenseTensor& splits, std::string_view name) {
  if (splits.shape().rank() != 1)
    return invalid_argument(concat("Invalid ragged tensor: ", name, " must be a vector, its shape is ", splits.shape().to_string()));
  if (splits.num_elements() == 0) return invalid_argument(concat("Invalid ragged tensor: ", name, " must have at least one element"));
  std::vector<int64_t> out;
  if (splits.dtype() == DType::int32) {
    out.assign(splits.values<int32_t>().begin(), splits.values<int32_t>().end());
  } else {
    out.assign(splits.values<int64_t>().begin(), splits.values<int64_t>().end());
  }
  if (out.front() != 0)
    return invalid_argument(concat("Invalid ragged splits: first element of ", name, " must be 0 but is ", out.front()));
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i] < out[i - 1])
      return invalid_argument(concat("Invalid ragged splits: ", name, "[", i, "] is ", out[i], ", less than the one before it"));
  }
  return out;
}

Result<std::vector<int64_t>> splits_of(const DenseTensor& splits, int64_t rows, std::string_view name) {
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> out, splits_of(splits, name));
  if (out.back() != rows) {
    return invalid_argument(
        concat("Invalid ragged splits: last element of ", name, " must be the number of ragged values(", rows, ") but is ", out.back()));
  }
  return out;
}

Result<DenseTensor> integer_tensor(DType dtype, std::span<const int64_t> values) {
  if (dtype == DType::int64) return DenseTensor::vector<int64_t>(values);
  std::vector<int32_t> narrow;
  narrow.reserve(values.size());
  for (int64_t value : values) {
    if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) {
      return invalid_argument(concat("Requires ", value, " <= 2^31 - 1: row splits of int32 do not hold it"));
    }
    narrow.push_back(static_cast<int32_t>(value));
  }
  return DenseTensor::vector<int32_t>(narrow);
}

Status put_integers(Call& call, size_t to, DType dtype, std::span<const int64_t> values) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor out, integer_tensor(dtype, values));
  call.set(to, std::move(out));
  return {};
}

}  // namespace ferry::ops
