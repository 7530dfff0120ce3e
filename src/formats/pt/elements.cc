#include "formats/pt/elements.h"

#include <cstring>

#include "formats/elements.h"

namespace ferry::pt {
namespace {

template <class T>
T swap_bits(T value) {
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  return value;
}

void swap_bytes(std::span<const std::byte> from, size_t width, std::byte* to) {
  visit_width(width, [&]<class T>(TypeTag<T>) {
    if constexpr (!std::is_same_v<T, Wide>) {
      for (size_t i = 0; i < from.size(); i += sizeof(T)) {
        T value;
        std::memcpy(&value, from.data() + i, sizeof(T));
        value = swap_bits(value);
        std::memcpy(to + i, &value, sizeof(T));
      }
    }
  });
}

size_t part_width(const ElementType& element) {
  if (element.packing == Packing::complex32 || element.packing == Packing::bcomplex32) return 2;
  return dtype_class(element.dtype) == DTypeClass::kComplex ? element.size / 2u : element.size;
}

template <class Part>
Result<DenseTensor> widen_complex(const DenseTensor& raw, const Shape& shape) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<std::complex<float>>(static_cast<size_t>(raw.num_elements())));
  const auto to = out.as<float>();
  for (size_t i = 0; i < to.size(); ++i) {
    Part part;
    std::memcpy(&part, static_cast<const std::byte*>(raw.raw()) + i * sizeof(Part), sizeof(Part));
    to[i] = static_cast<float>(part);
  }
  return DenseTensor::make(DType::complex64, shape, std::move(out).freeze());
}

}  // namespace

DType raw_dtype(const ElementType& element) {
  switch (element.packing) {
    case Packing::complex32:
    case Packing::bcomplex32: return DType::uint32;
    case Packing::float4x2:
    case Packing::quint4x2:
    case Packing::quint2x4: return DType::uint8;
    case Packing::plain: break;
  }
  return element.dtype == DType::bool_ ? DType::uint8 : element.dtype;
}

Result<DenseTensor> unpacked(std::span<const std::byte> bytes, int bits, const Shape& shape) {
  const auto count = static_cast<size_t>(*shape.num_elements());
  const size_t per_byte = 8 / static_cast<size_t>(bits);
  FERRY_ASSERT(bytes.size() * per_byte >= count);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(count));
  const auto to = out.as<uint8_t>();
  for (size_t i = 0; i < count; ++i) {
    to[i] =
        static_cast<uint8_t>(static_cast<uint8_t>(bytes[i / per_byte]) >> (i % per_byte * static_cast<size_t>(bits)) & ((1 << bits) - 1));
  }
  return DenseTensor::make(DType::uint8, shape, std::move(out).freeze());
}

Result<DenseTensor> from_raw(const DenseTensor& raw, const ElementType& element, const Shape& shape, bool swapped) {
  DenseTensor x = raw;
  if (const size_t width = part_width(element); swapped && width > 1) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(raw.num_bytes())));
    swap_bytes(raw.buffer().bytes().first(out.size()), width, out.data());
    FERRY_ASSIGN_OR_RETURN(x, DenseTensor::make(raw.dtype(), raw.shape(), std::move(out).freeze()));
  }
  switch (element.packing) {
    case Packing::plain: break;
    case Packing::complex32: return widen_complex<Half>(x, shape);
    case Packing::bcomplex32: return widen_complex<BFloat16>(x, shape);
    case Packing::float4x2: {
      FERRY_ASSIGN_OR_RETURN(x, unpacked(x.buffer().bytes(), 4, shape));
      return x.bitcast(DType::float4_e2m1fn);
    }
    case Packing::quint4x2:
    case Packing::quint2x4: FERRY_ASSERT(false);
  }
  if (element.dtype != DType::bool_) return x;
  FERRY_RETURN_IF_ERROR(check_bools(x.buffer().bytes()));
  return x.bitcast(DType::bool_);
}

Result<DenseTensor> conjugated(const DenseTensor& x) {
  if (dtype_class(x.dtype()) != DTypeClass::kComplex) return x;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(x.num_bytes())));
  if (!x.buffer().empty()) std::memcpy(out.data(), x.raw(), out.size());
  // The sign of every second part.
  const auto flip = [&]<class T>(std::span<T> parts) {
    for (size_t i = 1; i < parts.size(); i += 2) parts[i] = -parts[i];
  };
  if (x.dtype() == DType::complex64) {
    flip(out.as<float>());
  } else {
    flip(out.as<double>());
  }
  return DenseTensor::make(x.dtype(), x.shape(), std::move(out).freeze());
}

Result<DenseTensor> negated(const DenseTensor& x) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(x.num_bytes())));
  if (!x.buffer().empty()) std::memcpy(out.data(), x.raw(), out.size());
  const auto flip = [&]<class T>(std::span<T> parts) {
    for (T& part : parts) part = -part;
  };
  switch (x.dtype()) {
    case DType::float32:
    case DType::complex64: flip(out.as<float>()); break;
    case DType::float64:
    case DType::complex128: flip(out.as<double>()); break;
    case DType::float16:
    case DType::bfloat16:
      for (uint16_t& bits : out.as<uint16_t>()) bits ^= 0x8000;
      break;
    default: return unsupported(concat("a lazily negated tensor of ", dtype_name(x.dtype()), "; save x.resolve_neg()"));
  }
  return DenseTensor::make(x.dtype(), x.shape(), std::move(out).freeze());
}

}  // namespace ferry::pt
