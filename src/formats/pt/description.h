// What a checkpoint says of a tensor, before any of its bytes are read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ferry/shape.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"
#include "formats/npy/header.h"
#include "formats/pt/globals.h"

namespace ferry::pt {

// Where bytes of storages come from: members of a zip archive, or places in a file.
struct Storage {
  std::string key;
  uint64_t bytes = 0;              // that tensors may look at
  std::optional<uint64_t> offset;  // in the file, where it lies there as it is
  size_t member = 0;               // of a zip archive
  bool packed = false;             // compressed: reading it expands it
};

// A strided view on a storage. Offset and strides count elements.
struct Strided {
  const ElementType* element = nullptr;
  size_t storage = 0;
  uint64_t begin = 0;  // bytes into the storage, for storages that are part of another
  int64_t offset = 0;
  Shape shape;
  std::vector<int64_t> strides;
  bool conjugate = false, negative = false;

  bool contiguous() const;
};

// A NumPy array whose elements are in the pickle itself.
struct Inline {
  npy::Header header;
  std::string_view elements;
  bool latin1 = false;  // elements are UTF-8 of characters below 256
};

// Whether every element of the view lies in a storage of so many bytes. Nothing of a tensor is read before this was asked.
Status check_reach(const Strided& view, uint64_t storage_bytes);

struct Description;
using DescriptionPtr = std::shared_ptr<const Description>;

struct Compressed {         // and COO
  std::string_view layout;  // "sparse_coo", "sparse_csr", "sparse_bsr" …
  DescriptionPtr indptr;    // none for COO
  DescriptionPtr indices, values;
  Shape shape;
  bool coalesced = false;
};

struct Nested {
  DescriptionPtr buffer;
  // Strided layout: for each component its shape, strides and offset.
  DescriptionPtr sizes, strides, offsets;
  std::vector<int64_t> offset_list;  // in place of `offsets` in files of PyTorch 1.13
  // Jagged layout: `offsets` alone.
  bool jagged = false;
};

// A tensor that is read as another dtype.
struct Converted {
  DescriptionPtr from;
  DType dtype;
};

struct Description {
  std::variant<Strided, Inline, Compressed, Nested, Converted> what;
  Metadata metadata;
  // Tensors that go with it, under names of their own: scales and zero points of each channel.
  std::vector<std::pair<std::string_view, DescriptionPtr>> companions;
};
inline DescriptionPtr share(Description description) { return std::make_shared<const Description>(std::move(description)); }

// What it will be once read, as far as the description tells. Ragged shapes need bytes: see Contents::inspect.
DType dtype_of(const Description& description);
std::optional<Shape> shape_of(const Description& description);

}  // namespace ferry::pt
