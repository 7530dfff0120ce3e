// message TensorData { repeated float data = 1; repeated int64 shape = 2; string dtype = 3; }: what people define for EagerTensors,
// and our fields behind it for what floats cannot hold. proto/tensor_data.proto, docs/formats/tensordata.md
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"

namespace ferry::tensordata {

enum Field : uint32_t { kData = 1, kShape = 2, kDType = 3, kContent = 16, kStrings = 17, kName = 18, kMetadata = 19 };

// As people write it: float32, <dtype: 'float32'>, tf.float32, torch.float32, <class 'numpy.float32'>, dtype('float32'), DT_FLOAT.
std::optional<DType> dtype_from_spelling(std::string_view text);

// A message whose fields are found and whose counts agree. Points into the bytes given.
class TensorDataView {
 public:
  static Result<TensorDataView> decode(std::span<const std::byte> bytes, const Limits& limits = {});

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::string_view name() const { return name_; }
  const Metadata& metadata() const { return metadata_; }
  // The elements as they lie in memory, where they do: float32 in one packed field, or the exact content.
  std::span<const std::byte> elements() const { return elements_; }
  uint64_t elements_offset() const { return static_cast<uint64_t>(elements_.data() - message_.data()); }
  uint64_t num_bytes() const { return dtype_ == DType::string ? text_bytes_ + 8 * (count_ + 1) : count_ * dtype_size(dtype_); }
  // Shared with the owner of the bytes where they are aligned.
  Result<DenseTensor> to_tensor(const Buffer& source) const;

 private:
  Status read_fields(const Limits& limits);
  Status check_counts() const;
  Result<DenseTensor> read_strings() const;
  Result<DenseTensor> read_floats() const;

  std::span<const std::byte> message_, elements_, content_;
  std::string_view dtype_text_, name_;
  Metadata metadata_;
  DType dtype_ = DType::float32;
  Shape shape_;
  uint64_t count_ = 0;  // that the shape asks for
  uint64_t floats_ = 0, strings_ = 0, text_bytes_ = 0;
  size_t chunks_ = 0;  // fields of floats
  bool has_content_ = false;
};

// Floats, and the exact elements besides where floats do not hold them; `floats` false leaves the floats out then.
Status encode(std::string& out, const DenseTensor& tensor, std::string_view name, const Metadata& metadata, bool floats = true);

}  // namespace ferry::tensordata
