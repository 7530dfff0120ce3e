// The tensors of another reader, changed: fewer, renamed, cast, transposed, cut in pieces, put together. Lazily: a tensor is read and
// changed when it is asked for, so that sets larger than memory pass through one by one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/tensor_rules.h"
#include "ferry/format.h"

namespace ferry {

// What a caller does to single tensors besides the rules.
struct TensorChange {
  std::function<Result<Tensor>(Tensor tensor)> apply;
  // The listing of what apply() makes; false where only the tensor itself tells, which is then read for it. nnz may stay unknown.
  std::function<bool(TensorInfo& info)> predict;
};

struct TransformOptions {
  Limits limits;
  ThreadPool* pool = nullptr;
};

struct TensorNode;
using TensorNodeRef = std::shared_ptr<const TensorNode>;

// Each step works on what the steps before it made, and fails where it cannot be done or would give two tensors one name. Steps are not
// thread-safe; reading afterwards is, where it is of the other reader.
class TransformedReader : public TensorReader {
 public:
  // `inner` outlives this.
  explicit TransformedReader(const TensorReader& inner, TransformOptions options = {});

  void select(const std::vector<size_t>& positions);  // in that order
  Status change(size_t position, std::shared_ptr<const TensorChange> change);
  Status cast(size_t position, DType dtype, bool checked = false);
  Status rename(const RenameRules& rules);
  Status apply(const TensorRules& rules);

  std::span<const TensorInfo> tensors() const override { return infos_; }
  // Contexts name the tensor as the other reader does.
  Result<Tensor> read(size_t i) const override;
  const Metadata& metadata() const override { return inner_.metadata(); }

  // The tensors of the other reader that this one is made of, in order.
  std::vector<size_t> origins(size_t i) const;
  bool is_unchanged(size_t i) const;  // but for its name

 private:
  friend class RuleRun;
  Status check_names(std::string_view remedy) const;
  // What is at `i` becomes `node`, whose only input it is.
  Status set(size_t i, TensorNode node);

  const TensorReader& inner_;
  TransformOptions options_;
  std::vector<TensorNodeRef> nodes_;
  std::vector<TensorInfo> infos_;
};

}  // namespace ferry
