// Readers over several others, which outlive them. Dense tensors only: open the files as plain arrays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ferry/format.h"

namespace ferry {

// Tensors of several readers as one listing, in the order given: (reader, position). Names are the readers' own.
class PickedReader : public TensorReader {
 public:
  struct Pick {
    const TensorReader* reader;
    size_t position;
  };
  explicit PickedReader(std::vector<Pick> picks);
  void add(std::string name, DenseTensor tensor);  // one more, that is in memory
  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<Tensor> read(size_t i) const override;

 private:
  std::vector<Pick> picks_;
  std::vector<DenseTensor> own_;
  std::vector<TensorInfo> infos_;
};

// The weighted mean of each tensor over several readers of the same names, dtypes and shapes. Floating point and complex elements are
// summed in double precision and rounded once; all other tensors are the last reader's, where they differ and that is allowed.
class AverageReader : public TensorReader {
 public:
  struct Source {
    const TensorReader* reader;
    std::string path;  // for errors
    double weight;
  };
  // Refuses sources that do not fit the first, naming the tensor.
  static Result<std::unique_ptr<AverageReader>> open(std::vector<Source> sources, ThreadPool* pool);
  std::span<const TensorInfo> tensors() const override { return sources_[0].reader->tensors(); }
  Result<Tensor> read(size_t i) const override;
  static bool is_averaged(DType dtype);

 private:
  AverageReader(std::vector<Source> sources, ThreadPool* pool) : sources_(std::move(sources)), pool_(pool) {}
  std::vector<Source> sources_;
  std::vector<std::vector<size_t>> positions_;  // of each tensor in each source
  ThreadPool* pool_;
};

}  // namespace ferry
