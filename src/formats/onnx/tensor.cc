#include "formats/onnx/tensor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "ferry/checked.h"
#include "formats/elements.h"
#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::onnx {
namespace {

using proto::bytes_tag;
using proto::varint_tag;

constexpr size_t kMostProps = 256;  // of one tensor: looked up one by one

constexpr Type kTypes[] = {
#define FERRY_ONNX_TYPE(name, number, bits, dtype, field, ir_version) {#name, number, bits, DType::dtype, field, ir_version},
#include "formats/onnx/types.def"
#undef FERRY_ONNX_TYPE
};

Status read_number(std::string_view key, std::string_view text, uint64_t at, uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return data_loss_at(at, concat("external_data's ", key, " is ", quoted(text), ", expected a number of bytes"));
}

// ---- Values of a field, each given to take(); what does not belong there is skipped as protobuf does.

template <class Take>
Status each_varint(const TensorMessage& tensor, Field field, Take&& take) {
  proto::Reader in(tensor.message, tensor.base);
  while (in.next()) {
    if (in.tag() == bytes_tag(field)) {
      const auto packed = in.bytes();
      if (!proto::for_each_varint(packed, take))
        return data_loss_at(in.offset(), concat("the packed values of field ", uint32_t{field}, " end inside a value"));
    } else if (in.tag() == varint_tag(field)) {
      take(in.varint());
    } else {
      in.skip();
    }
  }
  return in.status();
}

template <class T, class Take>
Status each_fixed(const TensorMessage& tensor, Field field, Take&& take) {
  proto::Reader in(tensor.message, tensor.base);
  while (in.next()) {
    if (in.tag() == bytes_tag(field)) {
      const auto packed = in.bytes();
      if (packed.size() % sizeof(T) != 0)
        return data_loss_at(in.offset(), concat("the packed values of field ", uint32_t{field}, " end inside a value"));
      take(packed);
    } else if (in.tag() == proto::make_tag(field, sizeof(T) == 4 ? proto::Wire::fixed32 : proto::Wire::fixed64)) {
      std::array<std::byte, sizeof(T)> one;
      if constexpr (sizeof(T) == 4) {
        const uint32_t value = in.fixed32();
        std::memcpy(one.data(), &value, 4);
      } else {
        const uint64_t value = in.fixed64();
        std::memcpy(one.data(), &value, 8);
      }
      take(std::span<const std::byte>(one));
    } else {
      in.skip();
    }
  }
  return in.status();
}

Status count_problem(const TensorMessage& tensor, uint64_t have, uint64_t wanted) {
  return data_loss_at(tensor.base, concat("a tensor of shape ", tensor.dims.to_string(), " of ", tensor.type->name, " has ", have,
                                          " values, expected ", wanted));
}

// Packed elements of 4 or 2 bits, first one lowest, as one byte each; signed ones keep their sign.
void unpack(std::span<const std::byte> from, uint32_t bits, bool is_signed, std::span<uint8_t> to) {
  const size_t per_byte = 8 / bits;
  for (size_t i = 0; i < to.size(); ++i) {
    const auto shifted = static_cast<uint8_t>(static_cast<uint8_t>(from[i / per_byte]) >> (i % per_byte * bits) << (8 - bits));
    to[i] = is_signed ? static_cast<uint8_t>(static_cast<int8_t>(shifted) >> (8 - bits)) : static_cast<uint8_t>(shifted >> (8 - bits));
  }
}

Result<DenseTensor> strings_of(const TensorMessage& tensor) {
  StringsBuilder out;
  proto::Reader in(tensor.message, tensor.base);
  while (in.next()) {
    if (in.tag() == bytes_tag(kStringData)) {
      FERRY_RETURN_IF_ERROR(out.append(in.text()));
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  if (static_cast<uint64_t>(out.size()) != tensor.elements)
    return count_problem(tensor, static_cast<uint64_t>(out.size()), tensor.elements);
  return std::move(out).finish(tensor.shape);
}

}  // namespace

Status read_property(proto::Reader in, std::string& key, std::string& value) {
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      key = in.text();
    } else if (in.tag() == bytes_tag(2)) {
      value = in.text();
    } else {
      in.skip();
    }
  }
  return in.status();
}

const Type* type_from_number(int32_t number) {
  const auto* found = std::ranges::find(kTypes, number, &Type::number);
  return found == std::end(kTypes) ? nullptr : found;
}

const Type* type_from_name(std::string_view name) {
  const auto* found = std::ranges::find(kTypes, name, &Type::name);
  return found == std::end(kTypes) ? nullptr : found;
}

const Type* type_of(DType dtype) {
  const auto* found = std::ranges::find(kTypes, dtype, &Type::dtype);
  return found == std::end(kTypes) ? nullptr : found;
}

Result<TensorMessage> decode(std::span<const std::byte> message, uint64_t base, const Limits& limits) {
  TensorMessage out;
  out.message = message;
  out.base = base;
  int32_t number = 0;
  bool elsewhere = false, segment = false;
  External external;
  uint64_t type_at = base;
  std::vector<int64_t> dims;
  const auto add_dim = [&](uint64_t dim) {
    if (dims.size() <= limits.max_rank) dims.push_back(static_cast<int64_t>(dim));
  };
  proto::Reader in(message, base);
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(kDims): add_dim(in.varint()); break;
      case bytes_tag(kDims):
        if (!proto::for_each_varint(in.bytes(), add_dim))
          return data_loss_at(in.offset(), "the packed dims of a tensor end inside a value");
        break;
      case varint_tag(kDataType):
        type_at = in.field_offset();
        number = in.int32();
        break;
      case bytes_tag(kSegment):
        segment = true;
        in.skip();
        break;
      case bytes_tag(kName): out.name = in.text(); break;
      case bytes_tag(kRawData): {
        const auto raw = in.bytes();
        out.raw = raw;
        out.raw_offset = in.offset() - raw.size();
        break;
      }
      case bytes_tag(kDocString): out.metadata.set("doc_string", in.text()); break;
      case varint_tag(kDataLocation): elsewhere = in.varint() == 1; break;
      case bytes_tag(kExternalData): {
        const uint64_t at = in.field_offset();
        std::string key, value;
        FERRY_RETURN_IF_ERROR(read_property(in.message(), key, value));
        if (key == "location") external.location = value;
        if (key == "offset") FERRY_RETURN_IF_ERROR(read_number(key, value, at, external.offset));
        if (key == "length") FERRY_RETURN_IF_ERROR(read_number(key, value, at, external.length.emplace()));
        break;
      }
      case bytes_tag(kMetadataProps): {
        std::string key, value;
        FERRY_RETURN_IF_ERROR(read_property(in.message(), key, value));
        if (out.metadata.size() >= kMostProps) return limit_exceeded(concat("a tensor has more than ", kMostProps, " metadata_props"));
        out.metadata.set(key, value);
        break;
      }
      default: in.skip();
    }
  }
  if (!in.ok()) return in.status().with_context("not an ONNX TensorProto");
  if (out.name.size() > limits.max_name_bytes) {
    return limit_exceeded(
        concat("a name of ", out.name.size(), " bytes exceeds the limit of ", limits.max_name_bytes, " (max_name_bytes)"));
  }
  if (!is_utf8(out.name)) return data_loss_at(base, concat("the name ", quoted(out.name), " is not UTF-8"));
  out.type = type_from_number(number);
  if (out.type == nullptr) {
    return data_loss_at(
        type_at, concat("the tensor's data_type is ", number, ", expected one of ONNX's numbers from 1 to ", std::end(kTypes)[-1].number));
  }
  if (segment) return unsupported("the tensor is a segment of a larger one, which no known tool writes; save it whole");
  auto shape = Shape::checked(dims, limits);
  if (!shape.ok()) {
    const bool large = shape.status().code() == StatusCode::limit_exceeded;
    return Status(large ? StatusCode::limit_exceeded : StatusCode::data_loss, concat("dims of a tensor: ", shape.status().message()), base);
  }
  out.dims = *std::move(shape);
  out.shape = out.dims;
  out.dtype = out.type->dtype;
  out.elements = static_cast<uint64_t>(*out.dims.num_elements());
  const auto bits = checked_mul<uint64_t>(out.elements, out.type->bits);
  const auto ours = checked_mul<uint64_t>(out.elements, dtype_size(out.dtype));
  if (!bits || *bits > UINT64_MAX - 7 || !ours)
    return data_loss_at(base, concat("shape ", out.dims.to_string(), " of ", out.type->name, " needs more than 2^64 bits"));
  out.raw_bytes = (*bits + 7) / 8;
  if (*ours > limits.max_tensor_bytes) {
    return limit_exceeded(
        concat("a tensor takes ", *ours, " bytes, more than the limit of ", limits.max_tensor_bytes, " (max_tensor_bytes)"));
  }
  if (out.type->bits == 6) out.shape = Shape{static_cast<int64_t>(out.raw_bytes)};
  if (type_of(out.dtype) != out.type) {  // shown as bytes
    out.metadata.set(kTypeKey, out.type->name);
    if (out.shape != out.dims) {
      std::string text;
      for (const int64_t dim : out.dims) text += concat(text.empty() ? "" : ",", dim);
      out.metadata.set(kShapeKey, text);
    }
  }
  // A dtype that ONNX has no name for, in one as wide.
  if (const std::string* declared = out.metadata.find(kDTypeKey)) {
    const auto dtype = dtype_from_name(*declared);
    if (dtype && dtype_size(*dtype) == dtype_size(out.dtype) && type_of(*dtype) == nullptr && is_fixed_size(*dtype) &&
        out.type->bits >= 8 && out.dtype != DType::bool_) {
      out.dtype = *dtype;
      out.metadata.erase(kDTypeKey);
    }
  }
  if (elsewhere) {
    if (external.location.empty()) return data_loss_at(base, "the tensor's data lies in another file, whose location is not said");
    if (out.dtype == DType::string) return data_loss_at(base, "strings lie in another file, which ONNX does not allow");
    if (external.length && *external.length != out.raw_bytes) {
      return data_loss_at(base, concat("external data of ", *external.length, " bytes, shape ", out.dims.to_string(), " of ",
                                       out.type->name, " needs ", out.raw_bytes));
    }
    out.external = std::move(external);
    out.raw.reset();
    return out;
  }
  if (out.raw && out.dtype == DType::string) return data_loss_at(out.raw_offset, "strings lie in raw_data, which ONNX does not allow");
  if (out.raw && out.raw->size() != out.raw_bytes) {
    // Writers leave an empty raw_data beside a field of values.
    if (!out.raw->empty()) {
      return data_loss_at(out.raw_offset, concat("raw_data holds ", out.raw->size(), " bytes, shape ", out.dims.to_string(), " of ",
                                                 out.type->name, " needs ", out.raw_bytes));
    }
    out.raw.reset();
  }
  // Values take at least a byte each (a quarter for those of 2 bits), strings two: no shape is larger than its message.
  const uint64_t per_byte = out.type->bits == 2 ? 4 : out.type->bits == 4 ? 2 : 1;
  if (!out.raw && out.elements / per_byte > message.size()) return count_problem(out, 0, out.elements);
  return out;
}

uint64_t made(const TensorMessage& tensor) {
  if ((tensor.raw || tensor.external) && tensor.is_view()) return 0;
  return tensor.elements * std::max<uint64_t>(8, dtype_size(tensor.dtype));
}

Result<DenseTensor> from_raw(const TensorMessage& tensor, const Buffer& raw) {
  FERRY_ASSERT(raw.size() == tensor.raw_bytes);
  if (tensor.type->bits == 4 || tensor.type->bits == 2) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(tensor.elements)));
    unpack(raw.bytes(), tensor.type->bits, dtype_class(tensor.dtype) == DTypeClass::kSigned, out.as<uint8_t>());
    return DenseTensor::make(tensor.dtype, tensor.shape, std::move(out).freeze());
  }
  if (tensor.dtype == DType::bool_) {
    if (const Status status = check_bools(raw.bytes()); !status.ok())
      return tensor.external ? status.nested("") : status.shifted(tensor.raw_offset);
  }
  return DenseTensor::make(tensor.dtype, tensor.shape, raw);
}

Result<DenseTensor> from_values(const TensorMessage& tensor) {
  if (tensor.dtype == DType::string) return strings_of(tensor);
  const size_t width = dtype_size(tensor.dtype);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(*tensor.shape.num_elements()) * width));
  uint64_t have = 0, wanted = tensor.elements;
  bool odd = false;
  switch (tensor.type->field) {
    case kFloatData:
    case kDoubleData: {
      // Bytes; complex numbers are pairs.
      const auto take = [&](std::span<const std::byte> bytes) {
        const size_t some = have < out.size() ? std::min<size_t>(bytes.size(), out.size() - static_cast<size_t>(have)) : 0;
        if (some > 0) std::memcpy(out.data() + have, bytes.data(), some);
        have += bytes.size();
      };
      if (tensor.type->field == kFloatData) {
        FERRY_RETURN_IF_ERROR(each_fixed<float>(tensor, kFloatData, take));
      } else {
        FERRY_RETURN_IF_ERROR(each_fixed<double>(tensor, kDoubleData, take));
      }
      odd = have % width != 0;
      have /= width;
      break;
    }
    case kInt32Data:
    case kInt64Data:
    case kUInt64Data: {
      const uint32_t bits = tensor.type->bits;
      if (bits == 4 || bits == 2) {
        // Each value is a byte of packed elements.
        wanted = tensor.raw_bytes;
        FERRY_ASSIGN_OR_RETURN(MutableBuffer packed, MutableBuffer::allocate(static_cast<size_t>(wanted)));
        FERRY_RETURN_IF_ERROR(each_varint(tensor, kInt32Data, [&](uint64_t value) {
          if (have < wanted) packed.as<uint8_t>()[static_cast<size_t>(have)] = static_cast<uint8_t>(value);
          ++have;
        }));
        if (have == wanted)
          unpack({packed.data(), packed.size()}, bits, dtype_class(tensor.dtype) == DTypeClass::kSigned, out.as<uint8_t>());
        break;
      }
      if (bits == 6) {
        // One value an element; shown packed, as raw_data has them.
        if (out.size() > 0) std::memset(out.data(), 0, out.size());
        FERRY_RETURN_IF_ERROR(each_varint(tensor, kInt32Data, [&](uint64_t value) {
          if (have < wanted) {
            const uint64_t at = have * 6;
            const auto shifted = static_cast<uint32_t>((value & 63) << (at % 8));
            auto bytes = out.as<uint8_t>();
            bytes[at / 8] |= static_cast<uint8_t>(shifted);
            if (at % 8 > 2) bytes[at / 8 + 1] |= static_cast<uint8_t>(shifted >> 8);
          }
          ++have;
        }));
        break;
      }
      FERRY_RETURN_IF_ERROR(visit_width(width, [&]<class T>(TypeTag<T>) -> Status {
        if constexpr (std::is_same_v<T, Wide>) {
          return internal_error("no integer is 16 bytes wide");
        } else {
          T* to = out.as<T>().data();
          return each_varint(tensor, tensor.type->field, [&](uint64_t value) {
            if (have < wanted) to[have] = static_cast<T>(value);
            ++have;
          });
        }
      }));
      break;
    }
    default: FERRY_ASSERT(false);
  }
  if (have != wanted || odd) return count_problem(tensor, have, wanted);
  if (tensor.dtype == DType::bool_) {
    if (const Status status = check_bools({out.data(), out.size()}); !status.ok())
      return data_loss_at(tensor.base, std::string(status.message()));
  }
  return DenseTensor::make(tensor.dtype, tensor.shape, std::move(out).freeze());
}

}  // namespace ferry::onnx
