// A sparse tensor as ops have it: three inputs. And what moves its entries.
#pragma once

#include <span>
#include <vector>

#include "ops/kernel.h"

namespace ferry::ops {

// Views of a call's inputs, good as long as they are.
struct Coo {
  std::span<const int64_t> indices;  // nnz rows of rank
  size_t rank = 0;
  int64_t nnz = 0;
  Shape shape;

  const int64_t* row(int64_t i) const { return indices.data() + static_cast<size_t>(i) * rank; }
  bool in_range() const;
  // invalid_argument that names the first entry outside the shape.
  Status check_range() const;
  // In row-major order; `strict`: and none twice.
  bool is_sorted(bool strict) const;
};

// Indices int64 [nnz, rank], values [nnz], shape [rank]: held against one another.
Result<Coo> coo_input(Call& call, size_t indices, size_t values, size_t shape);
// The same without values.
Result<Coo> coo_input(Call& call, size_t indices, size_t shape);
Result<Coo> coo_of(const DenseTensor& indices, const DenseTensor& shape, const Limits& limits);

// The order that sorts the entries row-major, those at one place as they came.
std::vector<int64_t> sorting_order(const Coo& x);
int compare_rows(const int64_t* a, const int64_t* b, size_t rank);

// Elements or objects of a vector, or rows of a tensor, by number.
Result<Value> take(const Value& x, std::span<const int64_t> positions, ThreadPool* pool = nullptr);
// End to end along axis 0.
Result<Value> join(std::span<const Value* const> parts);

// An int64 tensor of what a vector holds.
inline DenseTensor shape_tensor(const Shape& shape) { return DenseTensor::vector<int64_t>(shape.dims()); }
Result<DenseTensor> index_tensor(std::vector<int64_t> flat, int64_t rows, size_t rank);

inline bool is_vector(const Shape& shape) { return shape.rank() == 1; }
inline bool is_scalar(const Shape& shape) { return shape.rank() == 0; }

}  // namespace ferry::ops
