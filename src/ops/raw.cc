// Tensors as bytes: DecodeRaw, DecodePaddedRaw, ParseTensor, SerializeTensor.
#include <algorithm>
#include <bit>
#include <cstring>

#include "formats/tensorproto/tensorproto.h"
#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// Bytes of each number the other way round; complex numbers are two.
void swap_bytes(std::byte* data, size_t size, DType dtype) {
  const size_t width = dtype_class(dtype) == DTypeClass::kComplex ? dtype_size(dtype) / 2 : dtype_size(dtype);
  for (size_t at = 0; width > 1 && at + width <= size; at += width) std::reverse(data + at, data + at + width);
}

// Any byte but 0 is true, as an element that stands for true has just one pattern.
void make_bools(std::byte* data, size_t size) {
  for (size_t i = 0; i < size; ++i) data[i] = data[i] == std::byte{0} ? std::byte{0} : std::byte{1};
}

class DecodeRawKernel final : public Kernel {
 public:
  DecodeRawKernel(DType dtype, bool little_endian) : dtype_(dtype), swap_(!little_endian) {}

  Status run(Call& call) const override {
    const DenseTensor& in = call.in(0);
    const StringsView texts = in.strings();
    const size_t width = dtype_size(dtype_);
    Shape shape = in.shape();
    if (texts.size() == 0) {
      shape.append(0);
      return call.make(0, dtype_, shape).status();
    }
    const size_t size = texts[0].size();
    for (int64_t i = 0; i < texts.size(); ++i) {
      if (texts[i].size() != size) {
        return invalid_argument(concat("DecodeRaw requires input strings to all be the same size, but element ", i, " has size ", size,
                                       " != ", texts[i].size()));
      }
    }
    if (size % width != 0) {
      return invalid_argument(
          concat("Input to DecodeRaw has length ", size, " that is not a multiple of ", width, ", the size of ", dtype_name(dtype_)));
    }
    shape.append(static_cast<int64_t>(size / width));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype_, shape));
    const size_t total = size * static_cast<size_t>(texts.size());
    if (total > 0) std::memcpy(out, texts[0].data(), total);  // strings of a tensor stand back to back
    if (swap_) swap_bytes(out, total, dtype_);
    if (dtype_ == DType::bool_) make_bools(out, total);
    return {};
  }

 private:
  DType dtype_;
  bool swap_;
};

class DecodePaddedRawKernel final : public Kernel {
 public:
  DecodePaddedRawKernel(DType dtype, bool little_endian) : dtype_(dtype), swap_(!little_endian) {}

  Status run(Call& call) const override {
    const DenseTensor& in = call.in(0);
    const StringsView texts = in.strings();
    if (call.shape(1).rank() != 0) return invalid_argument("k must be scalar");
    FERRY_ASSIGN_OR_RETURN(const int64_t length, call.integer(1));
    const auto width = static_cast<int64_t>(dtype_size(dtype_));
    if (length <= 0 || length % width != 0) {
      return invalid_argument(concat("fixed_length (", length, ") must be greater than zero and a multiple of the size of ",
                                     dtype_name(dtype_), " (", width, ")"));
    }
    Shape shape = in.shape();
    shape.append(length / width);
    FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
    FERRY_ASSIGN_OR_RETURN(std::byte * out, call.make(0, dtype_, shape));
    const auto size = static_cast<size_t>(length);
    for (int64_t i = 0; i < texts.size(); ++i, out += size) {
      const std::string_view text = texts[i];
      const size_t taken = std::min(text.size(), size);
      if (taken > 0) std::memcpy(out, text.data(), taken);
      std::memset(out + taken, 0, size - taken);
      if (swap_) swap_bytes(out, size, dtype_);
    }
    return {};
  }

 private:
  DType dtype_;
  bool swap_;
};

template <class K>
Result<KernelRef> make_decode(const NodeInfo& node) {
  return KernelRef(std::make_unique<K>(node.type("out_type"), node.flag("little_endian")));
}

class ParseTensorKernel final : public Kernel {
 public:
  explicit ParseTensorKernel(DType dtype) : dtype_(dtype) {}

  Status run(Call& call) const override {
    const DenseTensor& in = call.in(0);
    if (in.shape().rank() != 0)
      return invalid_argument(concat("Expected `serialized` to be a scalar, got shape: ", in.shape().to_string()));
    FERRY_ASSIGN_OR_RETURN(const auto proto, tensorproto::TensorProtoView::decode(in.strings()[0], 0, call.run().limits));
    if (proto.dtype() != dtype_) {
      return invalid_argument(
          concat("Type mismatch between parsed tensor (", dtype_name(proto.dtype()), ") and dtype (", dtype_name(dtype_), ")"));
    }
    if (dtype_ == DType::string) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor out, proto.to_tensor(nullptr, call.run().limits));
      call.set(0, std::move(out));
      return {};
    }
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype_, proto.shape()));
    return proto.copy_to({out, static_cast<size_t>(proto.num_bytes())});
  }

 private:
  DType dtype_;
};

Result<KernelRef> make_parse_tensor(const NodeInfo& node) {
  const DType dtype = node.type("out_type");
  if (dtype == DType::resource || dtype == DType::variant) return no_kernel(node.op(), dtype);
  return KernelRef(std::make_unique<ParseTensorKernel>(dtype));
}

Status serialize_tensor(Call& call) {
  if (!call.value(0).is_tensor()) return unsupported(concat("SerializeTensor of ", dtype_name(call.value(0).dtype())));
  std::string bytes;
  FERRY_RETURN_IF_ERROR(tensorproto::encode(bytes, call.in(0)));
  call.set(0, DenseTensor::of_strings({}, {bytes}));
  return {};
}

}  // namespace

extern const Op DecodeRaw_op, DecodePaddedRaw_op, ParseTensor_op, SerializeTensor_op;
const Op DecodeRaw_op{"DecodeRaw", make_decode<DecodeRawKernel>};
const Op DecodePaddedRaw_op{"DecodePaddedRaw", make_decode<DecodePaddedRawKernel>};
const Op ParseTensor_op{"ParseTensor", make_parse_tensor};
const Op SerializeTensor_op{"SerializeTensor", make_free<serialize_tensor>};

}  // namespace ferry::ops
