// Variables: what VarHandleOp hands out and VariableV2 refers to. They outlive a run and are shared by all of a model's runs.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "ferry/graph.h"
#include "ferry/status.h"
#include "ops/value.h"

namespace ferry::ops {

// Thread-safe. Readers get the tensor as it was: writers replace it, or change it in place where nobody else holds it.
class Variable final : public Object {
 public:
  static constexpr std::string_view kKind = "variable";
  using Loader = std::function<Result<DenseTensor>()>;

  Variable(std::string name, DType dtype, PartialShape shape) : name_(std::move(name)), dtype_(dtype), shape_(std::move(shape)) {}
  std::string_view kind() const override { return kKind; }
  const std::string& name() const { return name_; }
  DType dtype() const { return dtype_; }
  const PartialShape& shape() const { return shape_; }

  // Where the first reader finds the value (a checkpoint).
  void load_with(Loader loader);
  bool is_initialized() const;
  Result<Value> read() const;
  Status assign(Value value);
  // `change` gets the tensor to replace. Nobody else reads or writes meanwhile.
  Status update(const std::function<Result<DenseTensor>(DenseTensor now)>& change);
  // `change` writes `elements`, those of `now`, or fails before it writes: where they lie if nobody else holds the tensor, else a
  // copy of them. Not for strings.
  Status change(const std::function<Status(const DenseTensor& now, std::byte* elements)>& change);

 private:
  Status load() const;
  std::string name_;
  DType dtype_;
  PartialShape shape_;
  mutable std::mutex mutex_;
  mutable Value value_;
  mutable Loader loader_;
  std::byte* own_ = nullptr;  // of the last copy that change() made
};

// What the variable behind a reference holds now.
Result<Value> read_reference(const Value& reference);

}  // namespace ferry::ops
