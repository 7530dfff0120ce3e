// SerializeSparse, SerializeManySparse, DeserializeSparse, DeserializeManySparse: as strings of TensorProtos, or as variants.
#include "formats/tf_sparse/tf_sparse.h"
#include "ops/sparse_batch.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// The parts of one sparse tensor as three objects.
void append_variants(std::vector<ObjectRef>& out, Value indices, Value values, Value shape) {
  for (Value* one : {&indices, &values, &shape}) out.push_back(std::make_shared<TensorVariant>(std::move(*one)));
}

Result<SparseTensor> tensor_of(Call& call, const Coo& x) {
  if (!call.value(1).is_tensor()) return unsupported(concat(dtype_name(call.value(1).dtype()), " has no bytes to serialize"));
  return SparseTensor::coo(x.shape, call.in(0), call.in(1));
}

// TensorFlow's SerializeSparse looks at ranks only.
Status check_ranks(const Call& call) {
  if (call.shape(0).rank() != 2)
    return invalid_argument(concat("Input indices should be a matrix but received shape ", call.shape(0).to_string()));
  if (call.shape(1).rank() != 1)
    return invalid_argument(concat("Input values should be a vector but received shape ", call.shape(1).to_string()));
  if (call.shape(2).rank() != 1)
    return invalid_argument(concat("Input shape should be a vector but received shape ", call.shape(2).to_string()));
  return {};
}

class SerializeKernel final : public Kernel {
 public:
  SerializeKernel(DType out, bool many) : out_(out), many_(many) {}

  Status run(Call& call) const override {
    FERRY_RETURN_IF_ERROR(check_ranks(call));
    FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
    if (out_ == DType::variant) {
      std::vector<ObjectRef> objects;
      Shape shape{3};
      if (many_) {
        FERRY_ASSIGN_OR_RETURN(std::vector<SparseParts> rows, split_rows(x, call.value(1)));
        shape = Shape{static_cast<int64_t>(rows.size()), 3};
        for (SparseParts& row : rows) append_variants(objects, std::move(row.indices), std::move(row.values), std::move(row.shape));
      } else {
        append_variants(objects, call.value(0), call.value(1), call.value(2));
      }
      call.set(0, Value(DType::variant, std::move(shape), std::move(objects)));
      return {};
    }
    FERRY_ASSIGN_OR_RETURN(const SparseTensor tensor, tensor_of(call, x));
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, many_ ? tf_sparse::serialize_many(tensor) : tf_sparse::serialize(tensor));
    call.set(0, std::move(out));
    return {};
  }

 private:
  DType out_;
  bool many_;
};

template <bool kMany>
Result<KernelRef> make_serialize(const NodeInfo& node) {
  const DType out = node.type("out_type");
  if (out != DType::string && out != DType::variant) return no_kernel(node.op(), out);
  return KernelRef(std::make_unique<SerializeKernel>(out, kMany));
}

class DeserializeKernel final : public Kernel {
 public:
  explicit DeserializeKernel(DType dtype) : dtype_(dtype) {}

  Status run(Call& call) const override {
    const Shape& shape = call.shape(0);
    if (shape.rank() == 0 || shape[shape.rank() - 1] != 3) {
      return invalid_argument(concat("Serialized sparse should have 3 as the last dimension, but the shape is ", shape.to_string()));
    }
    if (*shape.num_elements() == 0) return invalid_argument("Must have at least 1 serialized SparseTensor, but got an empty input");
    if (!call.value(0).is_tensor()) return variants(call, Shape(shape.dims().first(shape.rank() - 1)));
    auto made = tf_sparse::deserialize(call.in(0), call.run().limits);
    if (!made.ok()) return invalid_argument(std::string(made.status().message()));
    if (made->dtype() != dtype_) {
      return invalid_argument(
          concat("Requested SparseTensor of type ", dtype_name(dtype_), " but SparseTensor has type ", dtype_name(made->dtype())));
    }
    call.set(0, made->indices());
    call.set(1, made->values());
    call.set(2, shape_tensor(made->shape()));
    return {};
  }

 private:
  Status variants(Call& call, const Shape& batch) const {
    const Value& held = call.value(0);
    std::vector<Value> values;
    for (size_t i = 0; i < held.num_objects(); ++i) {
      const auto one = std::dynamic_pointer_cast<TensorVariant>(held.object(i));
      if (one == nullptr) return invalid_argument(concat("variant ", i, " holds no tensor"));
      values.push_back(one->value);
    }
    std::vector<SparseParts> parts;
    for (size_t i = 0; i + 2 < values.size(); i += 3) {
      if (!values[i].is_tensor() || !values[i + 2].is_tensor()) return invalid_argument("indices and shapes are int64 tensors");
      parts.push_back({values[i].tensor(), values[i + 1], values[i + 2].tensor()});
    }
    return put_joined(call, parts, batch, dtype_);
  }

  DType dtype_;
};

Result<KernelRef> make_deserialize(const NodeInfo& node) { return KernelRef(std::make_unique<DeserializeKernel>(node.type("dtype"))); }

}  // namespace

extern const Op SerializeSparse_op, SerializeManySparse_op, DeserializeSparse_op, DeserializeManySparse_op;
const Op SerializeSparse_op{"SerializeSparse", make_serialize<false>};
const Op SerializeManySparse_op{"SerializeManySparse", make_serialize<true>};
const Op DeserializeSparse_op{"DeserializeSparse", make_deserialize};
const Op DeserializeManySparse_op{"DeserializeManySparse", make_deserialize};

}  // namespace ferry::ops
