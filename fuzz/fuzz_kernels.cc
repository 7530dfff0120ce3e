// Fast kernels against facts that must hold of any entries: sorting keeps the multiset and its order, coalescing keeps the
// values, every layout and the dense form say the same.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ferry/sparse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferry;
  if (size < 4) return 0;
  const size_t rank = 1 + data[0] % 5;
  const int spread = 1 + data[1] % 16;
  const bool wide = data[2] % 4 == 0;  // dims whose product does not fit 64 bits
  data += 4;
  size -= 4;
  Shape shape;
  for (size_t axis = 0; axis < rank; ++axis) shape.append(wide ? int64_t{1} << 40 : spread);
  const size_t nnz = size / rank;
  std::vector<int64_t> indices(nnz * rank);
  for (size_t i = 0; i < indices.size(); ++i) {
    indices[i] = data[i] % spread;
    if (wide && data[i] >= 128) indices[i] += (int64_t{1} << 39);
  }
  std::vector<int64_t> values(nnz);
  for (size_t i = 0; i < nnz; ++i) values[i] = static_cast<int64_t>(i) + 1;
  auto made = SparseTensor::coo(
      shape, DenseTensor::of<int64_t>(Shape{static_cast<int64_t>(nnz), static_cast<int64_t>(rank)}, std::span<const int64_t>(indices)),
      DenseTensor::vector<int64_t>(values));
  if (!made.ok()) std::abort();
  auto sorted = sort(*made);
  if (!sorted.ok() || !sorted->with_order({}).validate(Validation::bounds).ok() || !find_order(sorted->with_order({})).sorted) std::abort();
  // Stable: at one coordinate the values, which count up, still rise.
  const int64_t* at = sorted->coordinates();
  const auto v = sorted->values().values<int64_t>();
  for (size_t i = 1; i < nnz; ++i) {
    if (std::memcmp(at + (i - 1) * rank, at + i * rank, rank * 8) == 0 && v[i - 1] >= v[i]) std::abort();
  }
  auto summed = coalesce(*made);
  if (!summed.ok() || !summed->with_order({}).validate(Validation::canonical).ok()) std::abort();
  if (!same_values(*summed, *made)) std::abort();
  if (rank == 2 && !wide) {
    auto csr = to_layout(*made, Layout::csr);
    auto csc = to_layout(*made, Layout::csc);
    if (!csr.ok() || !csc.ok() || !csr->validate(Validation::bounds).ok() || !csc->validate(Validation::bounds).ok()) std::abort();
    auto back = to_layout(*csc, Layout::csr);
    if (!back.ok() || !same_values(*csr, *back) || !same_values(*csc, *made)) std::abort();
  }
  if (!wide && *shape.num_elements() <= 1 << 16) {
    auto dense = to_dense(*made);
    if (!dense.ok()) std::abort();
    auto again = from_dense(*dense);
    if (!again.ok() || !same_values(*again, *made)) std::abort();
  }
  return 0;
}
