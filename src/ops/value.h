// Value: what flows between ops. A dense tensor; or, of dtype resource or variant, objects of the running program.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/tensor.h"

namespace ferry::ops {

// What a resource handle or a variant stands for: a variable, a table, a list of tensors. Shared by all that hold the handle.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string_view kind() const = 0;  // "variable", for messages
};
using ObjectRef = std::shared_ptr<Object>;

// Moves and copies share what they hold.
class Value {
 public:
  Value() = default;
  Value(DenseTensor tensor) : tensor_(std::move(tensor)), state_(State::tensor) {}
  // A scalar resource or variant.
  Value(DType dtype, ObjectRef object) : object_(std::move(object)), dtype_(dtype), state_(State::object) {}
  // A tensor of them; `objects` are as many as `shape` says.
  Value(DType dtype, Shape shape, std::vector<ObjectRef> objects);
  // A reference to a variable (TensorFlow 1): who wants the elements gets what the variable holds at that time.
  static Value reference(ObjectRef variable, DType dtype) {
    Value out(dtype, std::move(variable));
    out.state_ = State::reference;
    return out;
  }
  static Value dead() {
    Value out;
    out.state_ = State::dead;
    return out;
  }

  bool is_empty() const { return state_ == State::empty; }
  bool is_dead() const { return state_ == State::dead; }  // of a branch that was not taken
  bool is_tensor() const { return state_ == State::tensor; }
  bool is_object() const { return state_ == State::object; }
  bool is_reference() const { return state_ == State::reference; }

  const DenseTensor& tensor() const {
    FERRY_ASSERT(is_tensor());
    return *tensor_;
  }
  DType dtype() const { return is_tensor() ? tensor_->dtype() : dtype_; }
  const Shape& shape() const;  // of elements or objects
  // The object of a scalar, the one a reference points to; null for a tensor of elements, and where a handle was never set.
  Object* object() const { return object_.get(); }
  const ObjectRef& object_ref() const { return object_; }
  size_t num_objects() const;
  const ObjectRef& object(size_t i) const;

  void clear() {
    tensor_.reset();
    object_.reset();
    state_ = State::empty;
  }

 private:
  enum class State : uint8_t { empty, dead, tensor, object, reference };
  std::optional<DenseTensor> tensor_;
  ObjectRef object_;
  DType dtype_ = DType::float32;
  State state_ = State::empty;
};

}  // namespace ferry::ops
