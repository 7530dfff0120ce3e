#include "tensor/entries.h"

#include <cstring>

namespace ferry {
namespace {

template <class Position>
Result<DenseTensor> gather_strings(const StringsView& from, std::span<const Position> positions) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(positions.size() + 1));
  auto ends = offsets.as<int64_t>();
  int64_t total = 0;
  ends[0] = 0;
  for (size_t i = 0; i < positions.size(); ++i) {
    const std::string_view text = from[static_cast<int64_t>(positions[i])];
    if (__builtin_add_overflow(total, static_cast<int64_t>(text.size()), &total)) return limit_exceeded("more than 2^63 string bytes");
    ends[i + 1] = total;
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(static_cast<size_t>(total)));
  for (size_t i = 0; i < positions.size(); ++i) {
    const std::string_view text = from[static_cast<int64_t>(positions[i])];
    if (!text.empty()) std::memcpy(bytes.data() + ends[i], text.data(), text.size());
  }
  return DenseTensor::make_strings(Shape{static_cast<int64_t>(positions.size())}, std::move(offsets).freeze(), std::move(bytes).freeze());
}

}  // namespace

template <class Position>
Result<DenseTensor> gather_values(const DenseTensor& values, std::span<const Position> positions, ThreadPool* pool) {
  if (values.is_string()) return gather_strings(values.strings(), positions);
  const size_t size = dtype_size(values.dtype());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(positions.size() * size));
  visit_width(size, [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    const T* from = static_cast<const T*>(values.raw());
    T* to = reinterpret_cast<T*>(out.data());
    parallel_for(pool, static_cast<int64_t>(positions.size()), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = from[positions[static_cast<size_t>(i)]];
    });
  });
  return DenseTensor::make(values.dtype(), Shape{static_cast<int64_t>(positions.size())}, std::move(out).freeze());
}

template <class Position>
Result<DenseTensor> gather_coordinates(const int64_t* rows, size_t rank, std::span<const Position> positions, ThreadPool* pool) {
  const auto count = static_cast<int64_t>(positions.size());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(positions.size() * rank));
  auto* to = reinterpret_cast<int64_t*>(out.data());
  parallel_for(pool, count, kGrain, [&](int64_t begin, int64_t end) {
    switch (rank) {
      case 0: break;
      case 1:
        for (int64_t i = begin; i < end; ++i) to[i] = rows[positions[static_cast<size_t>(i)]];
        break;
      case 2:
        for (int64_t i = begin; i < end; ++i)
          std::memcpy(to + 2 * i, rows + 2 * static_cast<size_t>(positions[static_cast<size_t>(i)]), 16);
        break;
      default:
        for (int64_t i = begin; i < end; ++i) {
          const int64_t* from = rows + rank * static_cast<size_t>(positions[static_cast<size_t>(i)]);
          for (size_t axis = 0; axis < rank; ++axis) to[rank * static_cast<size_t>(i) + axis] = from[axis];
        }
    }
  });
  return DenseTensor::make(DType::int64, Shape{count, static_cast<int64_t>(rank)}, std::move(out).freeze());
}

template Result<DenseTensor> gather_values<int64_t>(const DenseTensor&, std::span<const int64_t>, ThreadPool*);
template Result<DenseTensor> gather_values<uint32_t>(const DenseTensor&, std::span<const uint32_t>, ThreadPool*);
template Result<DenseTensor> gather_coordinates<int64_t>(const int64_t*, size_t, std::span<const int64_t>, ThreadPool*);
template Result<DenseTensor> gather_coordinates<uint32_t>(const int64_t*, size_t, std::span<const uint32_t>, ThreadPool*);

bool can_sum(DType dtype) {
  switch (dtype_class(dtype)) {
    case DTypeClass::kFloat:
    case DTypeClass::kSigned:
    case DTypeClass::kUnsigned:
    case DTypeClass::kBool:
    case DTypeClass::kComplex: return true;
    case DTypeClass::kQuantized:
    case DTypeClass::kString:
    case DTypeClass::kOpaque: return false;
  }
  __builtin_unreachable();
}

bool can_order(DType dtype) {
  switch (dtype_class(dtype)) {
    case DTypeClass::kFloat:
    case DTypeClass::kSigned:
    case DTypeClass::kUnsigned:
    case DTypeClass::kBool:
    case DTypeClass::kQuantized: return true;
    case DTypeClass::kComplex:
    case DTypeClass::kString:
    case DTypeClass::kOpaque: return false;
  }
  __builtin_unreachable();
}

std::string same_place(int64_t first, int64_t second, const Shape& at) {
  return concat("entries ", first, " and ", second, " are both at ", at.to_string());
}

}  // namespace ferry
