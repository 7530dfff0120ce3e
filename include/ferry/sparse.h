// What one does to sparse tensors. Each function takes any layout unless it says otherwise, leaves its input alone, and
// gives the same bits for any thread count. Nothing here densifies but to_dense().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

// What to do with two values at one coordinate. `error` names the first such coordinate.
enum class Duplicates : uint8_t { sum, first, last, min, max, error };
std::optional<Duplicates> duplicates_from_name(std::string_view name);

// ---- Make

// Entries in any order; sorted on return. Indices out of range are an error that names the entry, and so are
// duplicates unless a rule is given. Without a shape: the smallest that holds all entries.
Result<SparseTensor> from_pairs(DenseTensor indices, DenseTensor values, std::optional<Shape> shape = std::nullopt,
                                Duplicates duplicates = Duplicates::error, ThreadPool* pool = nullptr);
// Every element that is not zero (NaN is kept, -0.0 is zero, as in tf.sparse.from_dense; "" and false are zero).
// Any rank, 0 included, for COO; rank 2 for CSR and CSC.
Result<SparseTensor> from_dense(const DenseTensor& dense, Layout layout = Layout::coo, ThreadPool* pool = nullptr);
Result<SparseTensor> from_dense(DenseView dense, Layout layout = Layout::coo, ThreadPool* pool = nullptr);  // fixed-size dtypes

// ---- Order

// Looks at the indices and reports what is true of them; bounds are assumed.
Order find_order(const SparseTensor& x, ThreadPool* pool = nullptr);
// Row-major order of coordinates (CSR, CSC: minor indices within each row). Stable: duplicates keep their order.
// Costs one look where the tensor is sorted already.
Result<SparseTensor> sort(const SparseTensor& x, ThreadPool* pool = nullptr);
// sort, then one entry a coordinate. min and max need an ordered dtype, sum a numeric one (bool: or).
Result<SparseTensor> coalesce(const SparseTensor& x, Duplicates rule = Duplicates::sum, ThreadPool* pool = nullptr);

// ---- Layout

// CSR and CSC: rank 2; an unsorted COO input comes out with rows in order and each row's entries in input order,
// duplicates kept. `index` is the dtype of the result's indices; without one int32 where all fit, as SciPy.
Result<SparseTensor> to_layout(const SparseTensor& x, Layout layout, std::optional<DType> index = std::nullopt, ThreadPool* pool = nullptr);
Result<SparseTensor> with_index_dtype(const SparseTensor& x, DType index);  // CSR, CSC: int32 or int64, checked
Result<DenseTensor> to_dense(const SparseTensor& x, Duplicates rule = Duplicates::sum, const Limits& limits = {},
                             ThreadPool* pool = nullptr);
// Adds to nothing: out (rank-checked, zero-filled by this call) holds exactly the elements of the shape.
Status to_dense_into(const SparseTensor& x, std::span<std::byte> out, Duplicates rule = Duplicates::sum, ThreadPool* pool = nullptr);

// ---- Shape

// `permutation` as tf.sparse.transpose; empty reverses the axes. CSR and CSC swap names without touching an entry.
Result<SparseTensor> transpose(const SparseTensor& x, std::span<const int64_t> permutation = {}, ThreadPool* pool = nullptr);
Result<SparseTensor> reshape(const SparseTensor& x, const Shape& shape);  // COO of the same element count
// Axis 0, [begin, end). CSR shares the bytes of its values and indices.
Result<SparseTensor> slice_rows(const SparseTensor& x, int64_t begin, int64_t end);
// [begin, begin + size) on every axis, as tf.sparse.slice; ends past the shape are cut to it.
Result<SparseTensor> slice(const SparseTensor& x, std::span<const int64_t> begin, std::span<const int64_t> size);
// The rows named, in that order, repeats allowed; CSR or COO comes back in its own layout.
Result<SparseTensor> gather_rows(const SparseTensor& x, std::span<const int64_t> rows, ThreadPool* pool = nullptr);
// Same dtype, rank and layout; other axes equal. As tf.sparse.concat.
Result<SparseTensor> concat(std::span<const SparseTensor> parts, int64_t axis, ThreadPool* pool = nullptr);

// ---- Arithmetic (numeric dtypes)

// Union of the coordinates, values summed; entries that become zero stay. Same shape and dtype.
Result<SparseTensor> add(const SparseTensor& a, const SparseTensor& b, ThreadPool* pool = nullptr);
Result<SparseTensor> scale(const SparseTensor& x, double factor);
Result<DenseTensor> row_sums(const SparseTensor& x, ThreadPool* pool = nullptr);     // rank 2
Result<DenseTensor> column_sums(const SparseTensor& x, ThreadPool* pool = nullptr);  // rank 2
// x [m, k] times dense [k] or [k, n]. float32, float64, int32, int64, complex; duplicates add up.
Result<DenseTensor> spmv(const SparseTensor& x, const DenseTensor& vector, ThreadPool* pool = nullptr);
Result<DenseTensor> spmm(const SparseTensor& x, const DenseTensor& dense, ThreadPool* pool = nullptr);
// Into memory that the caller reuses; out holds m * n elements.
Status spmm_into(const SparseTensor& x, DenseView dense, std::span<std::byte> out, ThreadPool* pool = nullptr);

// Same shape and the same value at every coordinate, whatever the layout, order or explicit zeros. NaNs equal one another.
bool same_values(const SparseTensor& a, const SparseTensor& b);

}  // namespace ferry
