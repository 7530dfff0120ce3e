// A checkpoint whose pickle has been read: from descriptions to tensors.
#pragma once

#include <memory>
#include <vector>

#include "ferry/format.h"
#include "formats/pt/description.h"

namespace ferry::pt {

// The bytes of storages. Thread-safe.
class StorageBytes {
 public:
  virtual ~StorageBytes() = default;
  virtual Result<Buffer> read(const Storage& storage) const = 0;  // at least `storage.bytes`
};

class Contents {
 public:
  Contents(std::vector<Storage> storages, std::unique_ptr<StorageBytes> bytes, bool big_endian, bool in_memory, const ReadOptions& options)
      : storages_(std::move(storages)),
        bytes_(std::move(bytes)),
        big_endian_(big_endian),
        in_memory_(in_memory),
        limits_(options.limits),
        validation_(options.validation) {}

  Result<TensorInfo> inspect(const Description& description) const;
  Result<Tensor> read(const Description& description) const;
  // Bytes that read() makes anew, at most: what views, copies and conversions cost beyond the file.
  uint64_t made(const Description& description) const;

 private:
  Result<DenseTensor> dense(const Description& description) const;
  Result<DenseTensor> strided(const Strided& view) const;
  Result<DenseTensor> inline_array(const Inline& array) const;
  Result<Tensor> sparse(const Compressed& parts) const;
  Result<Tensor> nested(const Nested& parts) const;
  Result<DenseTensor> int64_of(const Description& description) const;

  std::vector<Storage> storages_;
  std::unique_ptr<StorageBytes> bytes_;
  bool big_endian_, in_memory_;
  Limits limits_;
  Validation validation_;
};

}  // namespace ferry::pt
