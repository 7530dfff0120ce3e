// Sparse tensors as strings of TensorProtos: tf.io.serialize_sparse ([3]: indices, values, shape), serialize_many_sparse ([B, 3],
// one row for each index of axis 0) and what deserializes them. docs/formats/tf_sparse.md
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry::tf_sparse {

// ---- Writing. Byte for byte what TensorFlow gives. CSR and CSC are turned into COO first.

Result<std::array<std::string, 3>> serialize_parts(const SparseTensor& x);
Result<DenseTensor> serialize(const SparseTensor& x);  // strings [3]
// Strings [rows, 3]. As in TensorFlow the rank is 2 or more, and entries are in order, in range and none twice.
Result<DenseTensor> serialize_many(const SparseTensor& x);

// ---- Reading

// Serialized tensors whose headers are read and checked against one another; the elements are not read yet.
// Points into the strings, which must outlive it.
class SerializedSparse {
 public:
  // `strings` are the elements, row-major, of a string tensor of shape [batch…, 3]; without batch axes it is one tensor.
  // All tensors have one dtype and rank; the shape is batch… and the maximum of each axis, as DeserializeSparse makes it.
  static Result<SerializedSparse> open(std::span<const std::string_view> strings, std::span<const int64_t> shape,
                                       const Limits& limits = {});

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  int64_t nnz() const { return nnz_; }
  uint64_t num_bytes() const;
  Result<SparseTensor> to_tensor(Validation validation = Validation::bounds) const;

 private:
  struct Row {
    const std::byte* indices;  // null where they are not in tensor_content
    const std::byte* values;   // likewise, and for strings
    int64_t nnz;
  };
  Status add_row(size_t row);
  // `in_range`: every coordinate was seen to be; false says nothing.
  Status copy_indices(std::span<int64_t> out, bool& in_range) const;
  Result<DenseTensor> read_values() const;
  Result<DenseTensor> read_string_values() const;

  std::span<const std::string_view> strings_;
  std::vector<Row> rows_;
  Limits limits_;
  Shape batch_, shape_;
  size_t rank_ = 0;  // of each tensor, without the batch axes
  DType dtype_ = DType::float32;
  int64_t nnz_ = 0;
};

// A string tensor [batch…, 3]: rank + batch axes, as tf.raw_ops.DeserializeSparse.
Result<SparseTensor> deserialize(const DenseTensor& serialized, const Limits& limits = {}, Validation validation = Validation::bounds);
// A string tensor [B, 3], as tf.io.deserialize_many_sparse.
Result<SparseTensor> deserialize_many(const DenseTensor& serialized, const Limits& limits = {}, Validation validation = Validation::bounds);
// The strings themselves: three, or three for each row.
Result<SparseTensor> deserialize(std::array<std::string_view, 3> strings, const Limits& limits = {},
                                 Validation validation = Validation::bounds);
Result<SparseTensor> deserialize_many(std::span<const std::string_view> strings, const Limits& limits = {},
                                      Validation validation = Validation::bounds);

}  // namespace ferry::tf_sparse
