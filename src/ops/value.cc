#include "ops/value.h"

namespace ferry::ops {
namespace {

const Shape kScalar;

// A tensor of objects behind one.
class Objects final : public Object {
 public:
  Objects(Shape shape, std::vector<ObjectRef> items) : shape_(std::move(shape)), items_(std::move(items)) {}
  std::string_view kind() const override { return "tensor of objects"; }
  const Shape& shape() const { return shape_; }
  const std::vector<ObjectRef>& items() const { return items_; }

 private:
  Shape shape_;
  std::vector<ObjectRef> items_;
};

}  // namespace

Value::Value(DType dtype, Shape shape, std::vector<ObjectRef> objects) : dtype_(dtype), state_(State::object) {
  if (shape.rank() == 0 && objects.size() == 1) {
    object_ = std::move(objects.front());
  } else {
    object_ = std::make_shared<Objects>(std::move(shape), std::move(objects));
  }
}

const Shape& Value::shape() const {
  if (is_tensor()) return tensor_->shape();
  const auto* many = dynamic_cast<const Objects*>(object_.get());
  return many == nullptr ? kScalar : many->shape();
}

size_t Value::num_objects() const {
  const auto* many = dynamic_cast<const Objects*>(object_.get());
  return many == nullptr ? 1 : many->items().size();
}

const ObjectRef& Value::object(size_t i) const {
  const auto* many = dynamic_cast<const Objects*>(object_.get());
  return many == nullptr ? object_ : many->items()[i];
}

}  // namespace ferry::ops
