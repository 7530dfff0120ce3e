// The elements of a dense tensor that are not zero.
#include <vector>

#include "ferry/checked.h"
#include "ferry/sparse.h"
#include "tensor/arithmetic.h"
#include "tensor/entries.h"

namespace ferry {
namespace {

// Flat positions of the elements for which nonzero(i) holds.
template <class NonZero>
std::vector<int64_t> find_nonzeros(int64_t count, NonZero nonzero) {
  std::vector<int64_t> found;
  for (int64_t i = 0; i < count; ++i) {
    if (nonzero(i)) found.push_back(i);
  }
  return found;
}

Result<SparseTensor> from_positions(const DenseTensor& flat, const Shape& shape, const std::vector<int64_t>& found, Layout layout,
                                    ThreadPool* pool) {
  const size_t rank = shape.rank();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer buffer, MutableBuffer::of<int64_t>(found.size() * rank));
  auto* out = reinterpret_cast<int64_t*>(buffer.data());
  for (int64_t position : found) {
    for (size_t axis = rank; axis-- > 0;) {
      out[axis] = position % shape[axis];
      position /= shape[axis];
    }
    out += rank;
  }
  FERRY_ASSIGN_OR_RETURN(
      DenseTensor indices,
      DenseTensor::make(DType::int64, Shape{static_cast<int64_t>(found.size()), static_cast<int64_t>(rank)}, std::move(buffer).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, gather_values(flat, std::span<const int64_t>(found), pool));
  FERRY_ASSIGN_OR_RETURN(const SparseTensor coo, SparseTensor::coo(shape, std::move(indices), std::move(values), {true, true}));
  return to_layout(coo, layout, std::nullopt, pool);
}

}  // namespace

Result<SparseTensor> from_dense(DenseView dense, Layout layout, ThreadPool* pool) {
  if (!is_fixed_size(dense.dtype)) return unsupported(concat("a view cannot hold elements of dtype ", dtype_name(dense.dtype)));
  const Shape shape(dense.shape);
  FERRY_ASSIGN_OR_RETURN(const Shape checked, Shape::checked(dense.shape));
  const int64_t count = *checked.num_elements();
  const auto bytes = checked_mul<uint64_t>(static_cast<uint64_t>(count), dtype_size(dense.dtype));
  if (!bytes)
    return limit_exceeded(concat("shape ", shape.to_string(), " of ", dtype_name(dense.dtype), " is larger than the address space"));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, DenseTensor::make(dense.dtype, Shape{count}, Buffer::borrow(dense.data, *bytes)));
  const std::vector<int64_t> found = visit_element(dense.dtype, [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    const T* from = static_cast<const T*>(dense.data);
    return find_nonzeros(count, [&](int64_t i) { return !is_zero(from[i]); });
  });
  return from_positions(flat, shape, found, layout, pool);
}

Result<SparseTensor> from_dense(const DenseTensor& dense, Layout layout, ThreadPool* pool) {
  if (!dense.is_string()) return from_dense(dense.view(), layout, pool);
  FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, dense.reshaped(Shape{dense.num_elements()}));
  const StringsView strings = flat.strings();
  const std::vector<int64_t> found = find_nonzeros(strings.size(), [&](int64_t i) { return !strings[i].empty(); });
  return from_positions(flat, dense.shape(), found, layout, pool);
}

}  // namespace ferry
