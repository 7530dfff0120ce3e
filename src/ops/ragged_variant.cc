// RaggedTensorToVariant, RaggedTensorFromVariant: ragged tensors, or rows of them, as objects.
#include "ops/coo.h"
#include "ops/ragged_parts.h"
#include "tensor/elements.h"

namespace ferry::ops {
namespace {

class RaggedVariant final : public Object {
 public:
  static constexpr std::string_view kKind = "ragged tensor";
  RaggedVariant(std::vector<DenseTensor> cuts, DenseTensor held) : splits(std::move(cuts)), values(std::move(held)) {}
  std::string_view kind() const override { return kKind; }
  const std::vector<DenseTensor> splits;  // none: a dense tensor
  const DenseTensor values;
};

class ToVariantKernel final : public Kernel {
 public:
  explicit ToVariantKernel(bool batched) : batched_(batched) {}

  Status run(Call& call) const override {
    const size_t levels = call.num_inputs() - 1;
    const DenseTensor& values = call.in(levels);
    std::vector<DenseTensor> splits;
    for (size_t level = 0; level < levels; ++level) splits.push_back(call.in(level));
    if (!batched_) {
      call.set(0, Value(DType::variant, std::make_shared<RaggedVariant>(std::move(splits), values)));
      return {};
    }
    if (levels == 0) return invalid_argument("ragged_rank must be at least 1 for batched input");
    if (values.shape().rank() == 0) return invalid_argument("ragged values must have rank >= 1");
    std::vector<std::vector<int64_t>> cuts;
    for (size_t level = 0; level < levels; ++level) {
      const int64_t rows = level + 1 == levels ? values.shape()[0] : splits[level + 1].num_elements() - 1;
      FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> one, splits_of(splits[level], rows, "rt_nested_splits"));
      cuts.push_back(std::move(one));
    }
    std::vector<ObjectRef> objects;
    for (size_t row = 0; row + 1 < cuts[0].size(); ++row) {
      int64_t begin = cuts[0][row], end = cuts[0][row + 1];
      std::vector<DenseTensor> inner;
      for (size_t level = 1; level < levels; ++level) {
        std::vector<int64_t> shifted;
        for (int64_t i = begin; i <= end; ++i)
          shifted.push_back(cuts[level][static_cast<size_t>(i)] - cuts[level][static_cast<size_t>(begin)]);
        FERRY_ASSIGN_OR_RETURN(DenseTensor one, integer_tensor(splits[level].dtype(), shifted));
        inner.push_back(std::move(one));
        begin = cuts[level][static_cast<size_t>(begin)];
        end = cuts[level][static_cast<size_t>(end)];
      }
      FERRY_ASSIGN_OR_RETURN(DenseTensor part, values.slice_rows(begin, end));
      objects.push_back(std::make_shared<RaggedVariant>(std::move(inner), std::move(part)));
    }
    const Shape shape{static_cast<int64_t>(objects.size())};
    call.set(0, Value(DType::variant, shape, std::move(objects)));
    return {};
  }

 private:
  bool batched_;
};

Result<KernelRef> make_to_variant(const NodeInfo& node) { return KernelRef(std::make_unique<ToVariantKernel>(node.flag("batched_input"))); }

class FromVariantKernel final : public Kernel {
 public:
  FromVariantKernel(int64_t in, int64_t out, DType splits, DType values) : in_(in), out_(out), splits_(splits), values_(values) {}

  Status run(Call& call) const override {
    const Value& held = call.value(0);
    const Shape& shape = held.shape();
    const auto outer = static_cast<int64_t>(shape.rank());
    const int64_t inner = in_ == -1 ? out_ - outer : in_;
    if (inner < 0 || out_ != outer + inner) {
      return invalid_argument(concat("output_ragged_rank must be equal to input_ragged_rank + encoded_ragged.dims(); output_ragged_rank: ",
                                     out_, ", input_ragged_rank: ", inner, ", encoded_variant.dims(): ", outer, "."));
    }
    if (held.is_tensor()) return invalid_argument("encoded_ragged holds no ragged tensors");
    std::vector<const RaggedVariant*> parts;
    for (size_t i = 0; i < held.num_objects(); ++i) {
      const auto* one = dynamic_cast<const RaggedVariant*>(held.object(i).get());
      if (one == nullptr) return invalid_argument(concat("Input Variant element at index ", i, " doesn't hold a RaggedTensorVariant"));
      FERRY_RETURN_IF_ERROR(check(*one, i, inner));
      parts.push_back(one);
    }
    if (outer == 0) {
      for (size_t level = 0; level < parts[0]->splits.size(); ++level) call.set(level, parts[0]->splits[level]);
      call.set(call.num_outputs() - 1, parts[0]->values);
      return {};
    }
    // Rows of one length for all axes but the last, which has what each part brings.
    int64_t rows = 1;
    for (int64_t axis = 0; axis + 1 < outer; ++axis) {
      rows *= shape[static_cast<size_t>(axis)];
      std::vector<int64_t> cut;
      if (static_cast<uint64_t>(rows) > call.run().limits.max_tensor_bytes / sizeof(int64_t)) return limit_exceeded(concat(rows, " rows"));
      // As TensorFlow: one row more than this axis has, whatever the axes above are.
      for (int64_t i = 0; i <= rows; ++i) cut.push_back(i * shape[static_cast<size_t>(axis) + 1]);
      FERRY_RETURN_IF_ERROR(put_integers(call, static_cast<size_t>(axis), splits_, cut));
    }
    std::vector<int64_t> cut{0};
    for (const RaggedVariant* part : parts) {
      const int64_t count = part->splits.empty() ? part->values.shape()[0] : part->splits[0].num_elements() - 1;
      cut.push_back(cut.back() + count);
    }
    FERRY_RETURN_IF_ERROR(put_integers(call, static_cast<size_t>(outer) - 1, splits_, cut));
    for (int64_t level = 0; level < inner; ++level) {
      std::vector<int64_t> all{0};
      for (const RaggedVariant* part : parts) {
        if (part->splits.empty()) continue;
        FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> one, splits_of(part->splits[static_cast<size_t>(level)]));
        const int64_t base = all.back();
        for (size_t i = 1; i < one.size(); ++i) all.push_back(base + one[i]);
      }
      FERRY_RETURN_IF_ERROR(put_integers(call, static_cast<size_t>(outer + level), splits_, all));
    }
    const size_t to = call.num_outputs() - 1;
    if (parts.empty()) {
      if (values_ != DType::string) return call.make(to, values_, Shape{0}).status();
      call.set(to, DenseTensor::of_strings(Shape{0}, {}));
      return {};
    }
    std::vector<DenseTensor> values;
    for (const RaggedVariant* part : parts) {
      const Shape &one = part->values.shape(), &first = parts[0]->values.shape();
      if (one.rank() != first.rank()) return invalid_argument("Rank of values must match for all components");
      if (one.drop_front(1) != first.drop_front(1)) return invalid_argument("the inner axes of values must match for all components");
      values.push_back(part->values);
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor joined, elements::join(values));
    call.set(to, std::move(joined));
    return {};
  }

 private:
  Status check(const RaggedVariant& one, size_t i, int64_t inner) const {
    const auto levels = static_cast<int64_t>(one.splits.size());
    if (levels != inner)
      return invalid_argument(concat("Encoded input RaggedTensorVariant has ragged_rank=", levels, ".  Expected ragged_rank=", inner, "."));
    if (one.values.dtype() != values_) {
      return invalid_argument(concat("Expected values Tensor dtype: ", dtype_name(values_), ", found: ", dtype_name(one.values.dtype())));
    }
    if (one.values.shape().rank() < 1)
      return invalid_argument(concat("Ragged values must have rank >= 1; encoded scalar element at index ", i));
    for (const DenseTensor& splits : one.splits) {
      if (splits.dtype() != splits_) {
        return invalid_argument(concat("Expected row_splits Tensor dtype: ", dtype_name(splits_), ", found: ", dtype_name(splits.dtype())));
      }
      if (splits.shape().rank() != 1 || splits.num_elements() < 1)
        return invalid_argument(concat("Ragged splits must have rank 1; encoded scalar element at index ", i));
    }
    return {};
  }

  int64_t in_, out_;
  DType splits_, values_;
};

Result<KernelRef> make_from_variant(const NodeInfo& node) {
  return KernelRef(std::make_unique<FromVariantKernel>(node.number("input_ragged_rank"), node.number("output_ragged_rank"),
                                                       node.type("Tsplits"), node.type("Tvalues")));
}

}  // namespace

extern const Op RaggedTensorToVariant_op, RaggedTensorFromVariant_op;
const Op RaggedTensorToVariant_op{"RaggedTensorToVariant", make_to_variant};
const Op RaggedTensorFromVariant_op{"RaggedTensorFromVariant", make_from_variant};

}  // namespace ferry::ops
