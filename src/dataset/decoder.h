// Many rows → one TensorMap.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataset/row.h"
#include "ferry/buffer_pool.h"
#include "ferry/dataset.h"
#include "ferry/tensor_map.h"

namespace ferry::dataset {

// What one thread keeps between calls of decode(). Each kind of decoder has its own.
class DecoderScratch {
 public:
  virtual ~DecoderScratch() = default;
};

// The message is about the row `row` of those given.
struct BadRow {
  size_t row = 0;
};

// Thread-safe: what changes is in the scratch.
class RowDecoder {
 public:
  virtual ~RowDecoder() = default;
  // Of a batch: axis 0 is -1.
  virtual std::span<const ElementSpec> spec() const = 0;
  virtual std::unique_ptr<DecoderScratch> new_scratch() const { return nullptr; }
  // Fills `out`, whose tensors have the names of spec() or which is empty. An error says in `bad` which row it is about, and names
  // the feature but not the row.
  virtual Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions& options, BufferPool& pool,
                        DecoderScratch* scratch, TensorMap& out, BadRow& bad) const = 0;
  // How many values `feature` has in the row, for bucket_by_length.
  virtual Result<int64_t> length(const Row& row, size_t feature) const;
};

// The first `size` bytes of a block.
inline Buffer frozen(PooledBuffer block, size_t size) {
  block.truncate(size);
  return std::move(block).freeze();
}

// The tensor `position` of `out`, made if it is not there. Tensors of a batch are always set in the order of the spec.
Status set_tensor(TensorMap& out, size_t position, const std::string& name, Tensor tensor);

// What BatchOptions make of the tensors of a decoder that gives COO and ragged ones, and of their spec.
Status fit_batch(std::span<const ElementSpec> spec, const BatchOptions& options, TensorMap& out);
Result<std::vector<ElementSpec>> fit_spec(std::span<const ElementSpec> spec, const BatchOptions& options);
// The row of a batch of one row: axis 0 goes.
Result<TensorMap> only_row(TensorMap batch);
std::vector<ElementSpec> row_spec(std::span<const ElementSpec> batch);

}  // namespace ferry::dataset
