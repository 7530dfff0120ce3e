#include "formats/pt/description.h"

#include "ferry/checked.h"

namespace ferry::pt {

bool Strided::contiguous() const {
  int64_t expected = 1;
  for (size_t axis = shape.rank(); axis-- > 0;) {
    if (shape[axis] == 0) return true;
    if (shape[axis] != 1 && strides[axis] != expected) return false;
    expected *= shape[axis];
  }
  return true;
}

DType dtype_of(const Description& description) {
  if (const auto* strided = std::get_if<Strided>(&description.what)) return strided->element->dtype;
  if (const auto* array = std::get_if<Inline>(&description.what)) return array->header.dtype;
  if (const auto* sparse = std::get_if<Compressed>(&description.what)) return dtype_of(*sparse->values);
  if (const auto* nested = std::get_if<Nested>(&description.what)) return dtype_of(*nested->buffer);
  return std::get<Converted>(description.what).dtype;
}

std::optional<Shape> shape_of(const Description& description) {
  if (const auto* strided = std::get_if<Strided>(&description.what)) {
    if (strided->element->packing != Packing::float4x2) return strided->shape;
    Shape shape = strided->shape;  // two elements a byte, on the last axis
    if (shape.rank() == 0) return Shape{2};
    shape[shape.rank() - 1] *= 2;
    return shape;
  }
  if (const auto* array = std::get_if<Inline>(&description.what)) return array->header.shape;
  if (const auto* sparse = std::get_if<Compressed>(&description.what)) return sparse->shape;
  if (std::holds_alternative<Nested>(description.what)) return std::nullopt;
  return shape_of(*std::get<Converted>(description.what).from);
}

Status check_reach(const Strided& view, uint64_t storage_bytes) {
  if (view.offset < 0) return data_loss(concat("the storage offset is ", view.offset, ", expected none below 0"));
  const auto count = view.shape.num_elements();
  if (!count) return data_loss(concat("shape ", view.shape.to_string(), " has more elements than 63 bits can count"));
  int64_t last = view.offset;  // the furthest element
  for (size_t axis = 0; axis < view.shape.rank(); ++axis) {
    if (view.strides[axis] < 0) return data_loss(concat("stride ", view.strides[axis], " is negative, which no tensor of PyTorch has"));
    if (*count == 0) continue;
    const auto reach = checked_mul<int64_t>(view.shape[axis] - 1, view.strides[axis]);
    const auto sum = reach ? checked_add<int64_t>(last, *reach) : std::nullopt;
    if (!sum) return data_loss(concat("stride ", view.strides[axis], " on axis ", axis, " reaches past 2^63 elements"));
    last = *sum;
  }
  const Packing packing = view.element->packing;
  const auto held = packing == Packing::quint4x2   ? checked_mul<uint64_t>(storage_bytes, 2)
                    : packing == Packing::quint2x4 ? checked_mul<uint64_t>(storage_bytes, 4)
                                                   : std::optional<uint64_t>(storage_bytes / view.element->size);
  if (*count > 0 && (!held || static_cast<uint64_t>(last) >= *held)) {
    return data_loss(concat("a tensor of shape ", view.shape.to_string(), " reaches element ", last, " of a storage that holds ",
                            held.value_or(0), " ", view.element->name));
  }
  return {};
}

}  // namespace ferry::pt
