// The innermost arrays of a column: Arrow's buffers to a tensor of one axis.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "formats/arrow/array.h"

namespace ferry::arrow {

// Elements [begin, end) of one array, `ArrayData::offset` included.
struct Piece {
  const ArrayData* array;
  int64_t begin, end;
};

// What the elements become; nothing for types that no tensor has (the caller says so).
std::optional<DType> leaf_dtype(const Field& field);
// The pieces, one after the other. A view where there is one piece whose bytes are a tensor's already. Nulls become NaN
// in floats and are an error elsewhere; indices into dictionaries are looked up.
Result<DenseTensor> decode_leaf(const Field& field, std::span<const Piece> pieces, const Limits& limits);
// Whether decode_leaf() would give a view.
bool leaf_is_view(const Field& field, std::span<const Piece> pieces);

// For results that are larger than the bytes they are made from (dictionaries, views on strings, empty lists).
Status check_expansion(uint64_t from, uint64_t to, const Limits& limits);

// Tensors of one axis and one dtype, end to end.
Result<DenseTensor> concat_vectors(std::span<const DenseTensor> parts);

}  // namespace ferry::arrow
