#include "ops/coo.h"

#include <algorithm>
#include <numeric>

#include "ferry/sparse.h"
#include "tensor/elements.h"

namespace ferry::ops {

int compare_rows(const int64_t* a, const int64_t* b, size_t rank) {
  for (size_t axis = 0; axis < rank; ++axis) {
    if (a[axis] != b[axis]) return a[axis] < b[axis] ? -1 : 1;
  }
  return 0;
}

bool Coo::in_range() const {
  const int64_t* at = indices.data();
  bool out = true;
  for (int64_t i = 0; i < nnz; ++i, at += rank) {
    for (size_t axis = 0; axis < rank; ++axis) out &= static_cast<uint64_t>(at[axis]) < static_cast<uint64_t>(shape[axis]);
  }
  return out;
}

Status Coo::check_range() const {
  if (in_range()) return {};
  for (int64_t i = 0; i < nnz; ++i) {
    for (size_t axis = 0; axis < rank; ++axis) {
      if (static_cast<uint64_t>(row(i)[axis]) >= static_cast<uint64_t>(shape[axis])) {
        return invalid_argument(concat("indices[", i, ",", axis, "] = ", row(i)[axis], " is out of bounds: need 0 <= index < [",
                                       shape[axis], "] of the shape ", shape.to_string()));
      }
    }
  }
  return {};
}

bool Coo::is_sorted(bool strict) const {
  for (int64_t i = 1; i < nnz; ++i) {
    if (compare_rows(row(i - 1), row(i), rank) >= (strict ? 0 : 1)) return false;
  }
  return true;
}

Result<Coo> coo_of(const DenseTensor& indices, const DenseTensor& shape, const Limits& limits) {
  if (indices.shape().rank() != 2) {
    return invalid_argument(concat("Input indices should be a matrix but received shape ", indices.shape().to_string()));
  }
  if (shape.shape().rank() != 1) {
    return invalid_argument(concat("Input shape should be a vector but received shape ", shape.shape().to_string()));
  }
  Coo out;
  out.rank = static_cast<size_t>(indices.shape()[1]);
  out.nnz = indices.shape()[0];
  if (static_cast<size_t>(shape.num_elements()) != out.rank) {
    return invalid_argument(concat("indices have ", out.rank, " coordinates an entry, the shape has rank ", shape.num_elements()));
  }
  if (indices.dtype() != DType::int64 || shape.dtype() != DType::int64)
    return invalid_argument("indices and shapes of sparse tensors are int64");
  FERRY_ASSIGN_OR_RETURN(out.shape, Shape::checked(shape.values<int64_t>(), limits));
  out.indices = indices.values<int64_t>();
  return out;
}

Result<Coo> coo_input(Call& call, size_t indices, size_t shape) { return coo_of(call.in(indices), call.in(shape), call.run().limits); }

Result<Coo> coo_input(Call& call, size_t indices, size_t values, size_t shape) {
  FERRY_ASSIGN_OR_RETURN(Coo out, coo_input(call, indices, shape));
  const Shape& held = call.shape(values);
  if (held.rank() != 1) return invalid_argument(concat("Input values should be a vector but received shape ", held.to_string()));
  if (held[0] != out.nnz) {
    return invalid_argument(concat("the number of values, ", held[0], ", does not match the first dimension of indices, ", out.nnz));
  }
  return out;
}

std::vector<int64_t> sorting_order(const Coo& x) {
  std::vector<int64_t> out(static_cast<size_t>(x.nnz));
  std::iota(out.begin(), out.end(), int64_t{0});
  const auto by_rows = [&] {
    std::ranges::stable_sort(out, [&](int64_t a, int64_t b) { return compare_rows(x.row(a), x.row(b), x.rank) < 0; });
  };
  // Coordinates as one number each, where the shape has such.
  if (x.nnz < 2 || !x.in_range()) {
    by_rows();
    return out;
  }
  std::vector<std::pair<int64_t, int64_t>> keys(static_cast<size_t>(x.nnz));
  for (int64_t i = 0; i < x.nnz; ++i) {
    int64_t key = 0;
    for (size_t axis = 0; axis < x.rank; ++axis) key = key * x.shape[axis] + x.row(i)[axis];
    keys[static_cast<size_t>(i)] = {key, i};
  }
  std::ranges::sort(keys);
  for (size_t i = 0; i < keys.size(); ++i) out[i] = keys[i].second;
  return out;
}

Result<Value> take(const Value& x, std::span<const int64_t> positions, ThreadPool* pool) {
  if (x.is_tensor()) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, elements::take(x.tensor(), positions, pool));
    return Value(std::move(out));
  }
  if (x.shape().rank() != 1) return unsupported("objects are moved one by one only");
  std::vector<ObjectRef> objects;
  objects.reserve(positions.size());
  for (int64_t position : positions) objects.push_back(x.object(static_cast<size_t>(position)));
  const Shape shape{static_cast<int64_t>(objects.size())};
  return Value(x.dtype(), shape, std::move(objects));
}

Result<Value> join(std::span<const Value* const> parts) {
  if (parts.front()->is_tensor()) {
    std::vector<DenseTensor> tensors;
    for (const Value* part : parts) tensors.push_back(part->tensor());
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, elements::join(tensors));
    return Value(std::move(out));
  }
  std::vector<ObjectRef> objects;
  for (const Value* part : parts) {
    for (size_t i = 0; i < part->num_objects(); ++i) objects.push_back(part->object(i));
  }
  const Shape shape{static_cast<int64_t>(objects.size())};
  return Value(parts.front()->dtype(), shape, std::move(objects));
}

Result<DenseTensor> index_tensor(std::vector<int64_t> flat, int64_t rows, size_t rank) {
  auto owner = std::make_shared<const std::vector<int64_t>>(std::move(flat));
  const void* const data = owner->data();
  const size_t size = owner->size() * sizeof(int64_t);
  return DenseTensor::make(DType::int64, Shape{rows, static_cast<int64_t>(rank)}, Buffer::adopt(data, size, std::move(owner)));
}

}  // namespace ferry::ops
