#include "formats/arrow/strided.h"

#include <algorithm>
#include <vector>

#include "ferry/checked.h"
#include "formats/arrow/leaf.h"

namespace ferry::arrow {
namespace {

template <class T>
void copy_strided(std::span<const int64_t> dims, std::span<const int64_t> strides, const std::byte* data, T* out, int64_t count) {
  std::vector<int64_t> at(dims.size(), 0);
  const int64_t inner = dims.back(), step = strides.back();
  int64_t position = 0;
  for (int64_t done = 0; done < count; done += inner) {
    for (int64_t i = 0; i < inner; ++i) std::memcpy(out++, data + position + i * step, sizeof(T));
    for (size_t axis = dims.size() - 1; axis-- > 0;) {
      if (dims[axis] == 1) continue;  // its stride may be anything
      position += strides[axis];
      if (++at[axis] < dims[axis]) break;
      position -= at[axis] * strides[axis];
      at[axis] = 0;
    }
  }
}

}  // namespace

bool is_identity(std::span<const int64_t> permutation) {
  for (size_t i = 0; i < permutation.size(); ++i) {
    if (permutation[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

bool is_permutation(std::span<const int64_t> permutation) {
  std::vector<int64_t> sorted(permutation.begin(), permutation.end());
  std::ranges::sort(sorted);
  return is_identity(sorted);
}

Result<DenseTensor> gather_strided(DType dtype, const Shape& shape, std::span<const int64_t> strides, const Buffer& data,
                                   const Limits& limits) {
  FERRY_ASSERT(strides.size() == shape.rank());
  const auto width = static_cast<int64_t>(dtype_size(dtype));
  const auto count = shape.num_elements();
  const auto bytes = count ? checked_mul<int64_t>(*count, width) : std::nullopt;
  if (!bytes) return limit_exceeded(concat("shape ", shape.to_string(), " has more bytes than 63 bits can count"));
  if (*count == 0) return DenseTensor::make(dtype, shape, Buffer());
  int64_t reach = 0, expected = width;
  bool in_order = true;
  for (size_t axis = shape.rank(); axis-- > 0;) {
    if (shape[axis] == 1) continue;
    const auto span = checked_mul<int64_t>(shape[axis] - 1, strides[axis]);
    const auto sum = span ? checked_add<int64_t>(reach, *span) : std::nullopt;
    if (!sum || strides[axis] < 0) return data_loss(concat("stride ", strides[axis], " on axis ", axis, " of shape ", shape.to_string()));
    reach = *sum;
    in_order = in_order && strides[axis] == expected;
    expected *= shape[axis];
  }
  if (static_cast<uint64_t>(reach) + static_cast<uint64_t>(width) > data.size()) {
    return data_loss(
        concat("shape ", shape.to_string(), " with its strides reaches byte ", reach + width, " of a buffer of ", data.size()));
  }
  if (in_order) return DenseTensor::make(dtype, shape, data.slice(0, static_cast<uint64_t>(*bytes)));
  FERRY_RETURN_IF_ERROR(check_expansion(data.size(), static_cast<uint64_t>(*bytes), limits));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<uint64_t>(*bytes)));
  visit_width(static_cast<size_t>(width),
              [&]<class T>(TypeTag<T>) { copy_strided(shape.dims(), strides, data.data(), out.as<T>().data(), *count); });
  return DenseTensor::make(dtype, shape, std::move(out).freeze());
}

Result<DenseTensor> permute_middle(const DenseTensor& flat, int64_t outer, std::span<const int64_t> dims,
                                   std::span<const int64_t> permutation, int64_t block, const Limits& limits) {
  if (flat.is_string()) {  // permute the positions, then fetch
    FERRY_ASSIGN_OR_RETURN(MutableBuffer positions, MutableBuffer::of<int64_t>(static_cast<size_t>(flat.num_elements())));
    for (int64_t i = 0; i < flat.num_elements(); ++i) positions.as<int64_t>()[static_cast<size_t>(i)] = i;
    FERRY_ASSIGN_OR_RETURN(DenseTensor order, DenseTensor::make(DType::int64, Shape{flat.num_elements()}, std::move(positions).freeze()));
    FERRY_ASSIGN_OR_RETURN(order, permute_middle(order, outer, dims, permutation, block, limits));
    StringsBuilder out;
    for (const int64_t i : order.values<int64_t>()) FERRY_RETURN_IF_ERROR(out.append(flat.strings()[i]));
    return std::move(out).finish(flat.shape());
  }
  const auto width = static_cast<int64_t>(dtype_size(flat.dtype()));
  std::vector<int64_t> physical(dims.size());
  int64_t stride = block * width;
  for (size_t axis = dims.size(); axis-- > 0;) {
    physical[axis] = stride;
    stride *= dims[axis];
  }
  Shape shape{outer};
  std::vector<int64_t> strides{stride};
  for (const int64_t axis : permutation) {
    shape.append(dims[static_cast<size_t>(axis)]);
    strides.push_back(physical[static_cast<size_t>(axis)]);
  }
  shape.append(block);
  strides.push_back(width);
  FERRY_ASSIGN_OR_RETURN(const DenseTensor out, gather_strided(flat.dtype(), shape, strides, flat.buffer(), limits));
  return out.reshaped(flat.shape());
}

}  // namespace ferry::arrow
