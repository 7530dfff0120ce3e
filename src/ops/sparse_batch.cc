#include "ops/sparse_batch.h"

#include <algorithm>
#include <numeric>

namespace ferry::ops {

Result<std::vector<SparseParts>> split_rows(const Coo& x, const Value& values) {
  if (x.rank < 2) return invalid_argument(concat("Rank of input SparseTensor should be > 1, but saw rank: ", x.rank));
  FERRY_RETURN_IF_ERROR(x.check_range());
  if (!x.is_sorted(true)) return invalid_argument("indices are out of order or repeated: many sparse ops require sorted indices");
  const DenseTensor shape = shape_tensor(x.shape.drop_front(1));
  std::vector<SparseParts> out;
  const int64_t rows = x.shape[0];
  // Rows cost memory of their own, whatever the entries are.
  constexpr int64_t kMostRows = int64_t{1} << 28;
  if (rows > kMostRows) return limit_exceeded(concat(rows, " rows are to become a tensor each, the limit is ", kMostRows));
  out.reserve(static_cast<size_t>(rows));
  int64_t at = 0;
  std::vector<int64_t> positions;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t begin = at;
    std::vector<int64_t> flat;
    while (at < x.nnz && x.row(at)[0] == row) {
      flat.insert(flat.end(), x.row(at) + 1, x.row(at) + x.rank);
      ++at;
    }
    positions.resize(static_cast<size_t>(at - begin));
    std::iota(positions.begin(), positions.end(), begin);
    SparseParts one;
    FERRY_ASSIGN_OR_RETURN(one.indices, index_tensor(std::move(flat), at - begin, x.rank - 1));
    FERRY_ASSIGN_OR_RETURN(one.values, take(values, positions));
    one.shape = shape;
    out.push_back(std::move(one));
  }
  return out;
}

Status put_joined(Call& call, std::span<const SparseParts> parts, const Shape& batch, DType dtype) {
  if (parts.empty()) return invalid_argument("Must have at least 1 serialized SparseTensor, but got an empty input");
  const size_t rank = static_cast<size_t>(parts[0].shape.num_elements()), outer = batch.rank();
  Shape shape;
  for (int64_t dim : batch) shape.append(dim);
  for (size_t axis = 0; axis < rank; ++axis) shape.append(0);
  int64_t nnz = 0;
  std::vector<const Value*> values;
  for (const SparseParts& one : parts) {
    FERRY_ASSIGN_OR_RETURN(const Coo x, coo_of(one.indices, one.shape, call.run().limits));
    if (x.rank != rank) return invalid_argument(concat("Inconsistent shape across SparseTensors: rank ", x.rank, " and rank ", rank));
    if (one.values.dtype() != dtype) {
      return invalid_argument(
          concat("Requested SparseTensor of type ", dtype_name(dtype), " but its values are ", dtype_name(one.values.dtype())));
    }
    if (one.values.shape().rank() != 1 || one.values.shape()[0] != x.nnz)
      return invalid_argument("the numbers of values and of indices differ");
    for (size_t axis = 0; axis < rank; ++axis) shape[outer + axis] = std::max(shape[outer + axis], x.shape[axis]);
    nnz += x.nnz;
    values.push_back(&one.values);
  }
  FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(0, DType::int64, Shape{nnz, static_cast<int64_t>(shape.rank())}));
  int64_t* to = out.data();
  std::vector<int64_t> at(outer, 0);
  for (const SparseParts& one : parts) {
    const int64_t* from = one.indices.values<int64_t>().data();
    for (int64_t i = 0; i < one.indices.shape()[0]; ++i) {
      to = std::copy(at.begin(), at.end(), to);
      to = std::copy_n(from, rank, to);
      from += rank;
    }
    for (size_t axis = outer; axis-- > 0;) {
      if (++at[axis] < batch[axis]) break;
      at[axis] = 0;
    }
  }
  FERRY_ASSIGN_OR_RETURN(Value joined, join(values));
  call.set(1, std::move(joined));
  call.set(2, shape_tensor(shape));
  return {};
}

}  // namespace ferry::ops
