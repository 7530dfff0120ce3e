#include "ops/variable.h"

#include <atomic>
#include <cstring>

namespace ferry::ops {

void Variable::load_with(Loader loader) {
  const std::scoped_lock lock(mutex_);
  loader_ = std::move(loader);
}

Status Variable::load() const {
  if (!value_.is_empty()) return {};
  if (!loader_)
    return Status(StatusCode::not_found, concat("the variable ", quoted(name_), " has no value: nothing restored or assigned it"));
  auto loaded = loader_();
  if (!loaded.ok()) return loaded.status().with_context(concat("variable ", quoted(name_)));
  if (loaded->dtype() != dtype_) {
    return invalid_argument(
        concat("the variable ", quoted(name_), " is ", dtype_name(dtype_), ", its checkpoint has ", dtype_name(loaded->dtype())));
  }
  value_ = *std::move(loaded);
  loader_ = nullptr;
  return {};
}

bool Variable::is_initialized() const {
  const std::scoped_lock lock(mutex_);
  return !value_.is_empty() || loader_ != nullptr;
}

Result<Value> Variable::read() const {
  const std::scoped_lock lock(mutex_);
  FERRY_RETURN_IF_ERROR(load());
  return value_;
}

Status Variable::assign(Value value) {
  const std::scoped_lock lock(mutex_);
  if (value.dtype() != dtype_) {
    return invalid_argument(concat("the variable ", quoted(name_), " is ", dtype_name(dtype_), ", the value ", dtype_name(value.dtype())));
  }
  value_ = std::move(value);
  loader_ = nullptr;
  return {};
}

Status Variable::update(const std::function<Result<DenseTensor>(DenseTensor now)>& change) {
  const std::scoped_lock lock(mutex_);
  FERRY_RETURN_IF_ERROR(load());
  DenseTensor now = value_.tensor();
  value_.clear();  // so that `change` may be the only owner
  DenseTensor before = now;
  auto after = change(std::move(now));
  if (!after.ok()) {
    value_ = std::move(before);
    return after.status();
  }
  value_ = *std::move(after);
  return {};
}

Status Variable::change(const std::function<Status(const DenseTensor& now, std::byte* elements)>& change) {
  const std::scoped_lock lock(mutex_);
  FERRY_RETURN_IF_ERROR(load());
  if (!value_.is_tensor() || !is_fixed_size(dtype_)) return invalid_argument(concat("the variable ", quoted(name_), " has no numbers"));
  const DenseTensor& now = value_.tensor();
  // Only a block of our own is written to: others may be a mapped file, or memory of the caller's.
  if (own_ != nullptr && now.raw() == own_ && now.buffer().owner().use_count() == 1) {
    std::atomic_thread_fence(std::memory_order_acquire);  // what the last reader read, it has read
    return change(now, own_);
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer copy, MutableBuffer::allocate(now.num_bytes()));
  if (now.num_bytes() > 0) std::memcpy(copy.data(), now.raw(), now.num_bytes());
  FERRY_RETURN_IF_ERROR(change(now, copy.data()));
  std::byte* const data = copy.data();
  FERRY_ASSIGN_OR_RETURN(DenseTensor after, DenseTensor::make(now.dtype(), now.shape(), std::move(copy).freeze()));
  value_ = std::move(after);
  own_ = data;
  return {};
}

Result<Value> read_reference(const Value& reference) {
  const auto* variable = dynamic_cast<const Variable*>(reference.object());
  if (variable == nullptr) return internal_error("a reference that leads to no variable");
  return variable->read();
}

}  // namespace ferry::ops
