// One npy array ↔ DenseTensor; npz members are the same bytes.
#pragma once

#include <memory>
#include <string>

#include "ferry/buffer.h"
#include "ferry/tensor.h"
#include "formats/npy/header.h"

namespace ferry::npy {

// `elements` is the header's data_bytes. A view of them where header.as_is() and they are aligned, else a converted copy.
Result<DenseTensor> decode(const Header& header, const Buffer& elements);
// Whether decode() copies nothing.
bool is_view(const Header& header, const std::byte* elements);
// Bytes of the tensor in memory, for listings (strings: at most).
uint64_t bytes_in_memory(const Header& header);

// An array as it is written: the header, then the elements (a view of the tensor's own, but for strings).
struct Encoded {
  std::string header;
  Buffer elements;
};
// Unsupported for strings that a fixed width cannot hold (see fits_fixed_width).
Result<Encoded> encode(const DenseTensor& tensor);
// No element ends in NUL, which fixed width would lose, and padding does not blow the array up.
bool fits_fixed_width(const DenseTensor& strings);

// One text without axes as NumPy keeps a Python str ('<U'), for readers to whom bytes are no text. `text` is UTF-8 without a NUL at its
// end.
Result<Encoded> encode_unicode(std::string_view text);

}  // namespace ferry::npy
