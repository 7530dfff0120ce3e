#include "ops/kernel.h"

#include <algorithm>

#include "ferry/checked.h"

namespace ferry::ops {
namespace {

// Elements end up 64-byte aligned. Small results share one size, so that a home settles soon.
constexpr size_t kSmallest = 256;

}  // namespace

Status Run::check() {
  if (++steps > max_steps) return limit_exceeded(concat("the run took more than ", max_steps, " steps (max_steps)"));
  if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "the run was cancelled");
  if (deadline && (steps & 63) == 0 && std::chrono::steady_clock::now() > *deadline) {
    return Status(StatusCode::deadline, "the run's deadline passed");
  }
  return {};
}

Result<std::byte*> Call::make(size_t i, DType dtype, const Shape& shape) {
  Home& home = homes_[i];
  Value& output = outputs_[i];
  output.clear();
  const bool is_free = home.capacity > 0 && home.last.buffer().owner().use_count() == 1;
  if (is_free) std::atomic_thread_fence(std::memory_order_acquire);  // what the last owner read, it has read
  if (is_free && home.last.dtype() == dtype && home.last.shape() == shape) {
    output = Value(home.last);
    return home.data;
  }
  const auto count = shape.num_elements();
  const auto bytes = count ? checked_mul<uint64_t>(static_cast<uint64_t>(*count), dtype_size(dtype)) : std::nullopt;
  if (!bytes || *bytes > run_.limits.max_tensor_bytes) {
    return limit_exceeded(
        concat("a result of ", dtype_name(dtype), " ", shape.to_string(), " (max_tensor_bytes is ", run_.limits.max_tensor_bytes, ")"));
  }
  std::shared_ptr<const void> owner;
  if (is_free && home.capacity >= *bytes) {
    owner = home.last.buffer().owner();
  } else {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::allocate(std::max<size_t>(*bytes, kSmallest)));
    home.capacity = block.size();
    home.data = block.data();
    owner = std::move(block).freeze().owner();
  }
  FERRY_ASSIGN_OR_RETURN(home.last, DenseTensor::make(dtype, shape, Buffer::adopt(home.data, *bytes, std::move(owner))));
  output = Value(home.last);
  return home.data;
}

Status Call::pass(size_t i, size_t from, Shape shape) {
  FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, in(from).reshaped(std::move(shape)));
  outputs_[i] = Value(std::move(tensor));
  return {};
}

Result<int64_t> Call::integer(size_t i) const {
  const DenseTensor& x = in(i);
  if (x.num_elements() != 1) return invalid_argument(concat("input ", i, " must be a scalar, its shape is ", x.shape().to_string()));
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> all, integers(i));
  return all.front();
}

Result<std::vector<int64_t>> Call::integers(size_t i) const {
  const DenseTensor& x = in(i);
  std::vector<int64_t> out;
  switch (x.dtype()) {
    case DType::int32: out.assign(x.values<int32_t>().begin(), x.values<int32_t>().end()); break;
    case DType::int64: out.assign(x.values<int64_t>().begin(), x.values<int64_t>().end()); break;
    case DType::int16: out.assign(x.values<int16_t>().begin(), x.values<int16_t>().end()); break;
    case DType::uint32: out.assign(x.values<uint32_t>().begin(), x.values<uint32_t>().end()); break;
    case DType::int8: out.assign(x.values<int8_t>().begin(), x.values<int8_t>().end()); break;
    case DType::uint8: out.assign(x.values<uint8_t>().begin(), x.values<uint8_t>().end()); break;
    default: return invalid_argument(concat("input ", i, " must hold integers, it is ", dtype_name(x.dtype())));
  }
  return out;
}

Result<Shape> Call::shape_value(size_t i) const {
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, integers(i));
  return Shape::checked(dims, run_.limits);
}

}  // namespace ferry::ops
