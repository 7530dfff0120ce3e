#include "formats/npy/npy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ferry/checked.h"
#include "formats/elements.h"
#include "wire/utf8.h"

namespace ferry::npy {
namespace {

// Strings of very unequal length: past this size and ratio padding is refused.
constexpr uint64_t kFreePadding = uint64_t{64} << 20;
constexpr uint64_t kPaddingRatio = 8;
constexpr size_t kTile = 32;

// Element `i` of the file's order at `to[i]`, bytes reversed; `parts` numbers an element (two for complex).
void swap_bytes(std::span<const std::byte> from, size_t width, std::byte* to) {
  visit_width(width, [&]<class T>(TypeTag<T>) {
    if constexpr (sizeof(T) == 1 || sizeof(T) == 16) {
      std::memcpy(to, from.data(), from.size());
    } else {
      for (size_t i = 0; i < from.size() / sizeof(T); ++i) {
        T value;
        std::memcpy(&value, from.data() + i * sizeof(T), sizeof(T));
        if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
        if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
        if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
        std::memcpy(to + i * sizeof(T), &value, sizeof(T));
      }
    }
  });
}

// First axis fastest → last axis fastest, by tiles over those two axes so that both sides are read in lines.
// N is the element's width, 0 for any.
template <size_t N>
void to_c_order(const std::byte* from, std::byte* to, const Shape& shape, size_t any_width) {
  const size_t width = N == 0 ? any_width : N;
  const size_t rank = shape.rank();
  const auto rows = static_cast<size_t>(shape[0]), columns = static_cast<size_t>(shape[rank - 1]);
  std::vector<size_t> from_stride(rank), to_stride(rank), at(rank, 0);
  for (size_t axis = 0, stride = 1; axis < rank; stride *= static_cast<size_t>(shape[axis]), ++axis) from_stride[axis] = stride;
  for (size_t axis = rank, stride = 1; axis-- > 0; stride *= static_cast<size_t>(shape[axis])) to_stride[axis] = stride;
  size_t from_base = 0, to_base = 0;
  for (;;) {
    for (size_t r0 = 0; r0 < rows; r0 += kTile) {
      const size_t r1 = std::min(rows, r0 + kTile);
      for (size_t c0 = 0; c0 < columns; c0 += kTile) {
        const size_t c1 = std::min(columns, c0 + kTile);
        for (size_t r = r0; r < r1; ++r) {
          for (size_t c = c0; c < c1; ++c) {
            std::memcpy(to + (to_base + r * to_stride[0] + c) * width, from + (from_base + r + c * from_stride[rank - 1]) * width,
                        N == 0 ? width : N);
          }
        }
      }
    }
    // The next place on the middle axes.
    size_t axis = rank - 1;
    while (--axis > 0) {
      from_base += from_stride[axis];
      to_base += to_stride[axis];
      if (++at[axis] < static_cast<size_t>(shape[axis])) break;
      from_base -= at[axis] * from_stride[axis];
      to_base -= at[axis] * to_stride[axis];
      at[axis] = 0;
    }
    if (axis == 0) return;
  }
}

Result<Buffer> c_order(const Buffer& elements, const Header& header) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(elements.size()));
  switch (header.item_size) {
    case 1: to_c_order<1>(elements.data(), out.data(), header.shape, 1); break;
    case 2: to_c_order<2>(elements.data(), out.data(), header.shape, 2); break;
    case 4: to_c_order<4>(elements.data(), out.data(), header.shape, 4); break;
    case 8: to_c_order<8>(elements.data(), out.data(), header.shape, 8); break;
    case 16: to_c_order<16>(elements.data(), out.data(), header.shape, 16); break;
    default: to_c_order<0>(elements.data(), out.data(), header.shape, header.item_size); break;
  }
  return std::move(out).freeze();
}

Result<DenseTensor> decode_bytes(const Header& header, const Buffer& elements) {
  const auto count = static_cast<size_t>(*header.shape.num_elements());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(count + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(elements.size()));
  const auto at = offsets.as<int64_t>();
  const char* from = reinterpret_cast<const char*>(elements.data());
  size_t used = 0;
  at[0] = 0;
  for (size_t i = 0; i < count; ++i, from += header.item_size) {
    size_t size = header.item_size;
    while (size > 0 && from[size - 1] == 0) --size;
    if (size > 0) std::memcpy(bytes.data() + used, from, size);
    used += size;
    at[i + 1] = static_cast<int64_t>(used);
  }
  bytes.truncate(used);
  return DenseTensor::make_strings(header.shape, std::move(offsets).freeze(), std::move(bytes).freeze());
}

Result<DenseTensor> decode_unicode(const Header& header, const Buffer& elements) {
  const auto count = static_cast<size_t>(*header.shape.num_elements());
  const size_t width = header.item_size / 4;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(count + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(elements.size()));  // UTF-8 is never longer than UCS-4
  const auto at = offsets.as<int64_t>();
  auto* const out = reinterpret_cast<unsigned char*>(bytes.data());
  const std::byte* from = elements.data();
  size_t used = 0;
  at[0] = 0;
  for (size_t i = 0; i < count; ++i, from += header.item_size) {
    const auto code_at = [&](size_t k) {
      uint32_t code;
      std::memcpy(&code, from + 4 * k, 4);
      return header.swapped ? __builtin_bswap32(code) : code;
    };
    size_t size = width;
    while (size > 0 && code_at(size - 1) == 0) --size;
    for (size_t k = 0; k < size; ++k) {
      const uint32_t code = code_at(k);
      if (code < 0x80) {
        out[used++] = static_cast<unsigned char>(code);
      } else if (code < 0x800) {
        out[used++] = static_cast<unsigned char>(0xc0 | (code >> 6));
        out[used++] = static_cast<unsigned char>(0x80 | (code & 0x3f));
      } else if (code < 0x10000) {
        if (code >= 0xd800 && code < 0xe000) {
          return data_loss_at(i * header.item_size + 4 * k, concat("string ", i, " holds half a surrogate pair (code ", code, ")"));
        }
        out[used++] = static_cast<unsigned char>(0xe0 | (code >> 12));
        out[used++] = static_cast<unsigned char>(0x80 | ((code >> 6) & 0x3f));
        out[used++] = static_cast<unsigned char>(0x80 | (code & 0x3f));
      } else {
        if (code > 0x10ffff) {
          return data_loss_at(i * header.item_size + 4 * k, concat("string ", i, " holds ", code, ", which is no Unicode code point"));
        }
        out[used++] = static_cast<unsigned char>(0xf0 | (code >> 18));
        out[used++] = static_cast<unsigned char>(0x80 | ((code >> 12) & 0x3f));
        out[used++] = static_cast<unsigned char>(0x80 | ((code >> 6) & 0x3f));
        out[used++] = static_cast<unsigned char>(0x80 | (code & 0x3f));
      }
    }
    at[i + 1] = static_cast<int64_t>(used);
  }
  bytes.truncate(used);
  return DenseTensor::make_strings(header.shape, std::move(offsets).freeze(), std::move(bytes).freeze());
}

size_t longest(StringsView strings) {
  size_t width = 1;  // NumPy has no narrower type
  for (int64_t i = 0; i < strings.size(); ++i) width = std::max(width, strings[i].size());
  return width;
}

bool padding_is_modest(StringsView strings, size_t width) {
  const auto padded = checked_mul<uint64_t>(static_cast<uint64_t>(strings.size()), width);
  const uint64_t packed = static_cast<uint64_t>(strings.total_bytes()) + 8 * (static_cast<uint64_t>(strings.size()) + 1);
  return padded && (*padded <= kFreePadding || *padded / kPaddingRatio <= packed);
}

bool ends_in_nul(StringsView strings, int64_t& where) {
  for (where = 0; where < strings.size(); ++where) {
    if (const std::string_view text = strings[where]; !text.empty() && text.back() == '\0') return true;
  }
  return false;
}

}  // namespace

Result<DenseTensor> decode(const Header& header, const Buffer& elements) {
  FERRY_ASSERT(elements.size() == header.data_bytes);
  Buffer data = elements;
  Header plain = header;
  plain.fortran = false;
  if (!header.as_is() && header.fortran && header.data_bytes > 0 && header.shape.rank() > 1) {
    FERRY_ASSIGN_OR_RETURN(data, c_order(elements, header));
  }
  if (header.encoding == Encoding::bytes) return decode_bytes(plain, data);
  if (header.encoding == Encoding::unicode) return decode_unicode(plain, data);
  if (header.swapped) {
    const size_t width = dtype_class(header.dtype) == DTypeClass::kComplex ? header.item_size / 2 : header.item_size;
    FERRY_ASSIGN_OR_RETURN(MutableBuffer swapped, MutableBuffer::allocate(data.size()));
    swap_bytes(data.bytes(), width, swapped.data());
    data = std::move(swapped).freeze();
  }
  if (header.dtype == DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(data.bytes()));
  return DenseTensor::make(header.dtype, header.shape, std::move(data));
}

bool is_view(const Header& header, const std::byte* elements) {
  return header.as_is() && reinterpret_cast<uintptr_t>(elements) % element_alignment(header.dtype) == 0;
}

uint64_t bytes_in_memory(const Header& header) {
  if (header.encoding == Encoding::plain) return header.data_bytes;
  return header.data_bytes + 8 * (static_cast<uint64_t>(*header.shape.num_elements()) + 1);
}

bool fits_fixed_width(const DenseTensor& tensor) {
  int64_t where;
  return padding_is_modest(tensor.strings(), longest(tensor.strings())) && !ends_in_nul(tensor.strings(), where);
}

Result<Encoded> encode(const DenseTensor& tensor) {
  if (!tensor.is_string()) return Encoded{write_header(tensor.dtype(), tensor.shape()), tensor.buffer()};
  const StringsView strings = tensor.strings();
  if (int64_t where; ends_in_nul(strings, where)) {
    return unsupported(concat("npy pads strings with NUL bytes, and element ", where, " ends in one; use npz"));
  }
  const size_t width = longest(strings);
  if (!padding_is_modest(strings, width)) {
    return unsupported(concat("npy pads strings to the longest, here ", width, " bytes for each of ", strings.size(), "; use npz"));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer padded, MutableBuffer::zeroed(static_cast<size_t>(strings.size()) * width));
  for (int64_t i = 0; i < strings.size(); ++i) {
    const std::string_view text = strings[i];
    if (!text.empty()) std::memcpy(padded.data() + static_cast<size_t>(i) * width, text.data(), text.size());
  }
  return Encoded{write_header(DType::string, tensor.shape(), width), std::move(padded).freeze()};
}

Result<Encoded> encode_unicode(std::string_view text) {
  if (!is_utf8(text)) return unsupported("a text is not UTF-8, which NumPy's strings need");
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<uint32_t>(std::max<size_t>(text.size(), 1)));
  const auto to = out.as<uint32_t>();
  to[0] = 0;
  size_t count = 0;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    const int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t code = more == 0 ? lead : lead & (0x3fu >> more);
    for (int k = 0; k < more; ++k) code = code << 6 | (static_cast<unsigned char>(text[i++]) & 0x3fu);
    to[count++] = code;
  }
  out.truncate(std::max<size_t>(count, 1) * 4);
  const size_t size = out.size();
  return Encoded{write_header(DType::string, Shape{}, size, Encoding::unicode), std::move(out).freeze()};
}

}  // namespace ferry::npy
