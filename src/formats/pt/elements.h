// Elements as PyTorch keeps them, made into ours.
#pragma once

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "formats/pt/globals.h"

namespace ferry::pt {

// The dtype under which the bits of an element are moved about.
DType raw_dtype(const ElementType& element);
// `raw` holds elements as they lie in the file.
Result<DenseTensor> from_raw(const DenseTensor& raw, const ElementType& element, const Shape& shape, bool swapped);
// Lazily conjugated or negated tensors (Tensor.conj(), x.conj().imag).
Result<DenseTensor> conjugated(const DenseTensor& x);
Result<DenseTensor> negated(const DenseTensor& x);
// Elements of 4 or 2 bits, `begin` elements into `bytes`, as one byte each.
Result<DenseTensor> unpacked(std::span<const std::byte> bytes, int bits, const Shape& shape);

}  // namespace ferry::pt
