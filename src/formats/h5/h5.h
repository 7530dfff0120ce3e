// HDF5 files ↔ TensorMap. docs/formats/h5.md
#pragma once

#include <memory>
#include <span>

#include "ferry/format.h"

namespace ferry::h5 {

// Where an HDF5 file has its signature: at the front, or after a user block of 512, 1024, … bytes.
bool has_signature(std::span<const std::byte> head);
Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
// The same, with further metadata of the whole.
Result<std::unique_ptr<TensorReader>> open_with(std::shared_ptr<const ByteSource> source, const ReadOptions& options, Metadata metadata);
Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options);

// Under HDF5 every name has at least one letter: the tensor "" is this dataset.
inline constexpr std::string_view kRootName = "(root)";
inline constexpr std::string_view kSkippedKey = "hdf5.skipped";

}  // namespace ferry::h5
