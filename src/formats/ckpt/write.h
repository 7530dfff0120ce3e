// Tensor bundles, written as TensorFlow writes them: what its Saver and tf.train.Checkpoint restore.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "ferry/io.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry::ckpt {

// Elements go to `data` as they are added; the index is what finish() gives. Not thread-safe.
class BundleWriter {
 public:
  explicit BundleWriter(ByteSink& data) : data_(data) {}
  // invalid_argument for a name that was there before, or that a checkpoint cannot have.
  Status add(std::string_view name, const DenseTensor& tensor);
  static Status check_name(std::string_view name);
  std::string finish() &&;

 private:
  Status write(std::span<const std::byte> bytes);
  Status write(const Buffer& bytes, uint32_t& crc);
  Status pad(size_t alignment);
  ByteSink& data_;
  uint64_t at_ = 0;
  std::map<std::string, std::string, std::less<>> entries_;
};

}  // namespace ferry::ckpt
