// Reading a TensorProto into a view.
#include <algorithm>

#include "ferry/checked.h"
#include "formats/tensorproto/tensorproto.h"
#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::tensorproto {
namespace {

using proto::bytes_tag;
using proto::varint_tag;

std::string dtype_problem(int32_t number) {
  if (number == 0) return "the TensorProto has no dtype (DT_INVALID), expected the dtype of its elements";
  if (number > 100) {
    if (const auto base = dtype_from_number(number - 100)) {
      return concat("the TensorProto's dtype ", number, " is a reference to ", dtype_name(*base), ", which has no values; expected ",
                    static_cast<int>(*base));
    }
  }
  return concat("the TensorProto's dtype is ", number, ", expected one of TensorFlow's numbers from 1 to 33");
}

}  // namespace

Field value_field(DType dtype) {
  switch (dtype) {
    case DType::float32: return kFloatVal;
    case DType::float64: return kDoubleVal;
    case DType::int64: return kInt64Val;
    case DType::uint32: return kUInt32Val;
    case DType::uint64: return kUInt64Val;
    case DType::bool_: return kBoolVal;
    case DType::complex64: return kSComplexVal;
    case DType::complex128: return kDComplexVal;
    case DType::float16:
    case DType::bfloat16: return kHalfVal;
    case DType::string: return kStringVal;
    case DType::float8_e5m2:
    case DType::float8_e4m3fn:
    case DType::float8_e4m3fnuz:
    case DType::float8_e4m3b11fnuz:
    case DType::float8_e5m2fnuz:
    case DType::float4_e2m1fn: return kFloat8Val;
    case DType::int8:
    case DType::uint8:
    case DType::int16:
    case DType::uint16:
    case DType::int32:
    case DType::qint8:
    case DType::quint8:
    case DType::qint16:
    case DType::quint16:
    case DType::qint32:
    case DType::int4:
    case DType::uint4:
    case DType::int2:
    case DType::uint2: return kIntVal;
    case DType::resource:
    case DType::variant: break;  // refused by decode()
  }
  return kContent;
}

// TensorShapeProto { repeated Dim dim = 2 { int64 size = 1; string name = 2 }; bool unknown_rank = 3 }
// A tensor's own shape is the axes it lists: like TensorFlow, no heed is paid to unknown_rank.
Status TensorProtoView::read_shape(std::span<const std::byte> bytes, uint64_t base, const Limits& limits) {
  proto::Reader in(bytes, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(2)) [[likely]] {
      int64_t size = 0;
      proto::Reader dim = in.message();
      while (dim.next()) {
        if (dim.tag() == varint_tag(1)) {
          size = dim.int64();
        } else if (dim.tag() == bytes_tag(2)) {
          const uint64_t at = dim.offset();
          if (!is_utf8(dim.text())) return data_loss_at(at, "the name of an axis is not UTF-8");
        } else {
          dim.skip();
        }
      }
      FERRY_RETURN_IF_ERROR(dim.status());
      if (shape_.rank() >= limits.max_rank) {
        return limit_exceeded(concat("the TensorProto has more than ", limits.max_rank, " axes (max_rank)"));
      }
      shape_.append(size);
    } else {
      in.skip();
    }
  }
  return in.status();
}

Status TensorProtoView::decode(std::span<const std::byte> bytes, TensorProtoView& out, uint64_t base, const Limits& limits) {
  out = TensorProtoView();
  out.message_ = bytes;
  out.base_ = base;
  int32_t number = 0;
  uint64_t dtype_at = base;
  proto::Reader in(bytes, base);
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(kDType):
        dtype_at = in.field_offset();
        number = in.int32();
        out.dtypes_seen_ = static_cast<uint8_t>(std::min(out.dtypes_seen_ + 1, 255));
        break;
      case bytes_tag(kShape): {
        const auto shape = in.bytes();
        FERRY_RETURN_IF_ERROR(out.read_shape(shape, in.offset() - shape.size(), limits));
        out.shapes_seen_ = static_cast<uint8_t>(std::min(out.shapes_seen_ + 1, 255));
        break;
      }
      case varint_tag(kVersion): out.version_ = in.int32(); break;
      case bytes_tag(kContent):
        out.content_ = in.bytes();
        out.content_offset_ = in.offset() - out.content_.size();
        break;
      default: in.skip();
    }
  }
  if (!in.ok()) [[unlikely]]
    return in.status().with_context("not a TensorProto");

  const auto dtype = dtype_from_number(number);
  if (!dtype) [[unlikely]]
    return out.fail(data_loss_at(dtype_at, dtype_problem(number)));
  if (*dtype == DType::resource || *dtype == DType::variant) [[unlikely]] {
    return unsupported(concat("the TensorProto's dtype is ", dtype_name(*dtype),
                              ", a handle into the process that wrote it; only tensors of numbers, bools and strings can be read"));
  }
  out.dtype_ = *dtype;
  int64_t count = 1;
  bool zero = false, overflow = false;
  for (size_t axis = 0; axis < out.shape_.rank(); ++axis) {
    const int64_t dim = out.shape_[axis];
    if (dim < 0) [[unlikely]] {
      return out.fail(data_loss_at(base, concat("axis ", axis, " of the TensorProto has the negative length ", dim)));
    }
    zero |= dim == 0;
    overflow |= __builtin_mul_overflow(count, dim, &count);
  }
  if (zero) count = 0;
  if (overflow && !zero) [[unlikely]] {
    return out.fail(data_loss_at(base, concat("shape ", out.shape_.to_string(), " has more elements than 63 bits can count")));
  }
  out.count_ = count;
  const auto wanted = checked_mul<uint64_t>(static_cast<uint64_t>(count), *dtype == DType::string ? 8 : dtype_size(*dtype));
  if (!wanted) [[unlikely]] {
    return out.fail(limit_exceeded(concat("shape ", out.shape_.to_string(), " of ", dtype_name(*dtype), " needs more than 2^64 bytes")));
  }
  if (*dtype == DType::string || count == 0 || out.content_.empty()) {
    if (count == 0) out.content_ = {};
    return {};
  }
  if (*wanted != out.content_.size()) [[unlikely]] {
    return out.fail(data_loss_at(out.content_offset_, concat("tensor_content holds ", out.content_.size(), " bytes, shape ",
                                                             out.shape_.to_string(), " of ", dtype_name(*dtype), " needs ", *wanted)));
  }
  if (*dtype == DType::bool_) {
    // A bool of another value is undefined behaviour for whoever reads it; TensorFlow refuses it too.
    const auto bad = std::ranges::find_if(out.content_, [](std::byte b) { return static_cast<uint8_t>(b) > 1; });
    if (bad != out.content_.end()) [[unlikely]] {
      return data_loss_at(out.content_offset_ + static_cast<uint64_t>(bad - out.content_.begin()),
                          concat("a bool is stored as ", static_cast<int>(*bad), ", expected 0 or 1"));
    }
  }
  return {};
}

Status TensorProtoView::fail(Status status) const {
  const int pieces = std::min(dtypes_seen_, shapes_seen_);
  if (pieces < 2) return status;
  return Status(status.code(),
                concat(status.message(), "; the bytes look like ", pieces == 255 ? "255 or more" : concat(pieces),
                       " TensorProtos written one after another, which protobuf reads as one message (axes add up, the last dtype and "
                       "tensor_content win), so where one ends is lost; write a framed stream (TFRecord) or a container of named tensors"),
                status.offset());
}

}  // namespace ferry::tensorproto
