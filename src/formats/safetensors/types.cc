#include "formats/safetensors/types.h"

#include <charconv>

#include "ferry/checked.h"
#include "formats/elements.h"

namespace ferry::safetensors {
namespace {

struct Row {
  std::string_view name;
  unsigned bits;
  DType dtype;
};
constexpr Row kRows[] = {
#define FERRY_SAFETENSORS_TYPE(name, bits, dtype) {#name, bits, DType::dtype},
#include "formats/safetensors/types.def"
#undef FERRY_SAFETENSORS_TYPE
};

const Row& row(Type type) { return kRows[static_cast<size_t>(type)]; }

// The name under which a dtype is written: its own, or that of elements as wide whose bits they are.
Type carrier_of(DType dtype) {
  switch (dtype) {
    case DType::float32: return Type::F32;
    case DType::float64: return Type::F64;
    case DType::int32: return Type::I32;
    case DType::uint8: return Type::U8;
    case DType::int16: return Type::I16;
    case DType::int8: return Type::I8;
    case DType::complex64: return Type::C64;
    case DType::int64: return Type::I64;
    case DType::bool_: return Type::BOOL;
    case DType::qint8: return Type::I8;
    case DType::quint8: return Type::U8;
    case DType::qint32: return Type::I32;
    case DType::bfloat16: return Type::BF16;
    case DType::qint16: return Type::I16;
    case DType::quint16: return Type::U16;
    case DType::uint16: return Type::U16;
    case DType::complex128: return Type::F64;
    case DType::float16: return Type::F16;
    case DType::uint32: return Type::U32;
    case DType::uint64: return Type::U64;
    case DType::float8_e5m2: return Type::F8_E5M2;
    case DType::float8_e4m3fn: return Type::F8_E4M3;
    case DType::float8_e4m3fnuz: return Type::F8_E4M3FNUZ;
    case DType::float8_e4m3b11fnuz: return Type::U8;
    case DType::float8_e5m2fnuz: return Type::F8_E5M2FNUZ;
    case DType::int4: return Type::I8;
    case DType::uint4: return Type::U8;
    case DType::int2: return Type::I8;
    case DType::uint2: return Type::U8;
    case DType::float4_e2m1fn: return Type::U8;  // F4 where the last axis is even
    case DType::string:
    case DType::resource:
    case DType::variant: break;
  }
  FERRY_ASSERT(false);
  return Type::U8;
}

std::optional<Shape> shape_from_text(std::string_view text) {
  Shape shape;
  while (!text.empty()) {
    int64_t dim = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), dim);
    if (error != std::errc() || dim < 0 || shape.rank() == 254) return std::nullopt;
    shape.append(dim);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (!text.empty() && text.front() != ',') return std::nullopt;
    if (!text.empty()) text.remove_prefix(1);
  }
  return shape;
}

}  // namespace

std::string_view type_name(Type type) { return row(type).name; }
unsigned type_bits(Type type) { return row(type).bits; }

std::optional<Type> type_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (kRows[i].name == name) return static_cast<Type>(i);
  }
  return std::nullopt;
}

std::optional<uint64_t> bytes_of(Type type, const Shape& shape) {
  const auto count = shape.num_elements();
  if (!count) return std::nullopt;
  const auto bits = checked_mul<uint64_t>(static_cast<uint64_t>(*count), type_bits(type));
  if (!bits || *bits % 8 != 0) return std::nullopt;
  return *bits / 8;
}

Stored stored_as(DType dtype, const Shape& shape, const Metadata& metadata) {
  if (dtype == DType::complex128) {
    Shape pairs = shape;
    pairs.append(2);
    return {Type::F64, std::move(pairs), Coding::pairs, true};
  }
  // The library wants whole bytes of a last axis.
  if (dtype == DType::float4_e2m1fn && shape.rank() > 0 && shape[shape.rank() - 1] % 2 == 0) {
    return {Type::F4, shape, Coding::nibbles, false};
  }
  if (const std::string* untyped = metadata.find(kUntypedKey); untyped != nullptr && dtype == DType::uint8) {
    const auto type = type_from_name(*untyped);
    const std::string* text = metadata.find(kUntypedShapeKey);
    const auto theirs = text == nullptr ? std::optional<Shape>(shape) : shape_from_text(*text);
    if (type && row(*type).dtype == DType::uint8 && *type != Type::U8 && theirs && bytes_of(*type, *theirs) == bytes_of(Type::U8, shape)) {
      return {*type, *theirs, Coding::plain, false};
    }
  }
  const Type type = carrier_of(dtype);
  return {type, shape, Coding::plain, row(type).dtype != dtype};
}

Result<Buffer> encode(const DenseTensor& tensor, const Stored& stored) {
  if (stored.coding != Coding::nibbles) return tensor.buffer();
  const auto codes = tensor.buffer().as<uint8_t>();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer packed, MutableBuffer::allocate(codes.size() / 2));
  const auto to = packed.as<uint8_t>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<uint8_t>((codes[2 * i] & 15) | codes[2 * i + 1] << 4);
  return std::move(packed).freeze();
}

Loaded loaded_as(Type type, const Shape& shape, const std::string* declared) {
  if (declared != nullptr) {
    const auto dtype = dtype_from_name(*declared);
    if (dtype && is_fixed_size(*dtype) && carrier_of(*dtype) == type && row(type).dtype != *dtype) {
      if (*dtype != DType::complex128) return {*dtype, shape, Coding::plain, true};
      if (shape.rank() > 0 && shape[shape.rank() - 1] == 2) {
        return {*dtype, Shape(shape.dims().first(shape.rank() - 1)), Coding::pairs, true};
      }
    }
  }
  if (type == Type::F4) return {DType::float4_e2m1fn, shape, Coding::nibbles, false};
  if (type == Type::F6_E2M3 || type == Type::F6_E3M2) {
    return {DType::uint8, Shape{static_cast<int64_t>(bytes_of(type, shape).value_or(0))}, Coding::plain, false};
  }
  return {row(type).dtype, shape, Coding::plain, false};
}

Result<DenseTensor> decode(const Loaded& loaded, Buffer bytes) {
  if (loaded.coding == Coding::nibbles) {
    const auto from = bytes.as<uint8_t>();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer codes, MutableBuffer::allocate(2 * from.size()));
    const auto to = codes.as<uint8_t>();
    for (size_t i = 0; i < from.size(); ++i) {
      to[2 * i] = from[i] & 15;
      to[2 * i + 1] = from[i] >> 4;
    }
    bytes = std::move(codes).freeze();
  }
  if (loaded.dtype == DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(bytes.bytes()));
  return DenseTensor::make(loaded.dtype, loaded.shape, std::move(bytes));
}

}  // namespace ferry::safetensors
