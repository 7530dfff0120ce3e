#include "ops/move.h"

#include <algorithm>
#include <cstring>

namespace ferry::ops {

Result<size_t> axis_of(int64_t axis, size_t rank) {
  const auto most = static_cast<int64_t>(rank);
  if (axis < -most || axis >= most) {
    return invalid_argument(concat("axis ", axis, " is out of range: expected a dimension in [", -most, ", ", most, ")"));
  }
  return static_cast<size_t>(axis < 0 ? axis + most : axis);
}

int64_t product(const Shape& shape, size_t begin, size_t end) {
  uint64_t out = 1;
  for (size_t axis = begin; axis < end; ++axis) out *= static_cast<uint64_t>(shape[axis]);
  return static_cast<int64_t>(out);
}

Result<Value> reshaped(const Value& value, Shape shape) {
  if (value.is_tensor()) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, value.tensor().reshaped(std::move(shape)));
    return Value(std::move(out));
  }
  std::vector<ObjectRef> objects(value.num_objects());
  for (size_t i = 0; i < objects.size(); ++i) objects[i] = value.object(i);
  if (shape.num_elements() != static_cast<int64_t>(objects.size())) {
    return invalid_argument(concat(objects.size(), " elements do not fit the shape ", shape.to_string()));
  }
  return Value(value.dtype(), std::move(shape), std::move(objects));
}

Status give_integers(Call& call, size_t i, const Shape& shape, std::span<const int64_t> values) {
  if (call.node().output_dtypes()[i] == DType::int64) {
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(i, DType::int64, shape));
    std::ranges::copy(values, out.begin());
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int32_t>(i, DType::int32, shape));
  for (size_t k = 0; k < values.size(); ++k) {
    if (values[k] != static_cast<int32_t>(values[k])) return invalid_argument(concat(values[k], " does not fit an int32 output"));
    out[k] = static_cast<int32_t>(values[k]);
  }
  return {};
}

Result<Mover> Mover::into(Call& call, size_t output, DType dtype, const Shape& shape) {
  Mover out(call, output, dtype, shape);
  out.width_ = dtype_size(dtype);
  if (out.width_ > 0) {
    FERRY_ASSIGN_OR_RETURN(out.next_, call.make(output, dtype, shape));
    out.end_ = out.next_ + static_cast<size_t>(*shape.num_elements()) * out.width_;
    return out;
  }
  const auto count = shape.num_elements();
  constexpr uint64_t kEach = std::max(sizeof(int64_t), sizeof(ObjectRef));
  if (!count || static_cast<uint64_t>(*count) >= call.run().limits.max_tensor_bytes / kEach) {
    return limit_exceeded(concat("a result of ", dtype_name(dtype), " ", shape.to_string(), " (max_tensor_bytes is ",
                                 call.run().limits.max_tensor_bytes, ")"));
  }
  if (dtype == DType::string) {
    FERRY_ASSIGN_OR_RETURN(out.offsets_, MutableBuffer::of<int64_t>(static_cast<size_t>(*count) + 1));
    out.offsets_.as<int64_t>()[0] = 0;
  } else {
    out.objects_.reserve(std::min<size_t>(static_cast<size_t>(*count), 4096));
  }
  return out;
}

void Mover::copy(const std::byte* from, int64_t begin, int64_t count, int64_t step) {
  if (count <= 0) return;
  const auto width = static_cast<int64_t>(width_);
  if (step == 1) {
    std::memcpy(next_, from + begin * width, static_cast<size_t>(count * width));
  } else {
    visit_width(width_, [&]<class T>(TypeTag<T>) {
      const T* const x = reinterpret_cast<const T*>(from) + begin;
      T* const to = reinterpret_cast<T*>(next_);
      if (step == 0) {
        std::fill_n(to, count, *x);
      } else {
        for (int64_t i = 0; i < count; ++i) to[i] = x[i * step];
      }
    });
  }
  next_ += count * width;
}

bool Mover::append_bytes(const char* bytes, int64_t size) {
  if (size == 0) return true;
  const auto wanted = static_cast<size_t>(used_ + size);
  if (wanted > bytes_.size()) {
    const uint64_t most = call_->run().limits.max_tensor_bytes;
    if (wanted > most) {
      status_ = limit_exceeded(concat("a result of strings takes more than ", most, " bytes (max_tensor_bytes)"));
      return false;
    }
    status_ = bytes_.resize(std::max<size_t>(wanted, static_cast<size_t>(std::min<uint64_t>(most, 2 * bytes_.size() + 256))));
    if (!status_.ok()) return false;
  }
  std::memcpy(bytes_.data() + used_, bytes, static_cast<size_t>(size));
  used_ += size;
  return true;
}

void Mover::take_others(const Value& from, int64_t begin, int64_t count, int64_t step) {
  if (!status_.ok() || count <= 0) return;
  if (dtype_ != DType::string) {
    for (int64_t i = 0; i < count; ++i) objects_.push_back(from.object(static_cast<size_t>(begin + i * step)));
    return;
  }
  const StringsView strings = from.tensor().strings();
  int64_t* const ends = offsets_.as<int64_t>().data() + 1;
  if (step == 1) {
    const int64_t *const offsets = strings.offsets() + begin, base = used_ - offsets[0];
    if (!append_bytes(strings.bytes() + offsets[0], offsets[count] - offsets[0])) return;
    for (int64_t i = 0; i < count; ++i) ends[at_++] = base + offsets[i + 1];
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view text = strings[begin + i * step];
    if (!append_bytes(text.data(), static_cast<int64_t>(text.size()))) return;
    ends[at_++] = used_;
  }
}

void Mover::take_zeros(int64_t count) {
  if (!status_.ok() || count <= 0) return;
  if (width_ > 0) {
    const auto bytes = static_cast<size_t>(count) * width_;
    std::memset(next_, 0, bytes);
    next_ += bytes;
  } else if (dtype_ == DType::string) {
    int64_t* const ends = offsets_.as<int64_t>().data() + 1;
    for (int64_t i = 0; i < count; ++i) ends[at_++] = used_;
  } else {
    objects_.resize(objects_.size() + static_cast<size_t>(count));
  }
}

Status Mover::finish() && {
  FERRY_RETURN_IF_ERROR(status_);
  if (width_ > 0) {
    FERRY_ASSERT(next_ == end_);
    return {};
  }
  const int64_t count = *shape_.num_elements();
  if (dtype_ != DType::string) {
    FERRY_ASSERT(static_cast<int64_t>(objects_.size()) == count);
    call_->set(output_, Value(dtype_, std::move(shape_), std::move(objects_)));
    return {};
  }
  FERRY_ASSERT(at_ == count);
  bytes_.truncate(static_cast<size_t>(used_));
  FERRY_ASSIGN_OR_RETURN(DenseTensor out,
                         DenseTensor::make_strings(std::move(shape_), std::move(offsets_).freeze(), std::move(bytes_).freeze()));
  call_->set(output_, Value(std::move(out)));
  return {};
}

}  // namespace ferry::ops
