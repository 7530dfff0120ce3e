#include "formats/h5/encode.h"

#include <cstring>

namespace ferry::h5 {
namespace {

enum class Message : uint8_t {
  dataspace = 1,
  link_info = 2,
  datatype = 3,
  fill_value = 5,
  link = 6,
  layout = 8,
  group_info = 10,
  attribute = 12
};

std::string fixed_point(size_t size, bool is_signed) {
  return Bytes().u8(0x10).u8(is_signed ? 8 : 0).u16(0).u32(size).u16(0).u16(size * 8).take();
}

struct FloatLayout {
  uint8_t size, sign, exponent_at, exponent, mantissa;
  uint32_t bias;
};
std::string floating(FloatLayout f) {
  return Bytes()
      .u8(0x11)
      .u8(0x20)
      .u8(f.sign)
      .u8(0)
      .u32(f.size)
      .u16(0)
      .u16(f.size * 8u)
      .u8(f.exponent_at)
      .u8(f.exponent)
      .u8(0)
      .u8(f.mantissa)
      .u32(f.bias)
      .take();
}
constexpr FloatLayout kHalf{2, 15, 10, 5, 10, 15}, kSingle{4, 31, 23, 8, 23, 127}, kDouble{8, 63, 52, 11, 52, 1023};

std::string complex_pair(const std::string& part, size_t size) {
  return Bytes().u8(0x36).u16(2).u8(0).u32(2 * size).text("r").u8(0).u8(0).text(part).text("i").u8(0).u8(size).text(part).take();
}

std::string boolean() {
  const std::string base = fixed_point(1, true);
  return Bytes().u8(0x38).u16(2).u8(0).u32(1).text(base).text("FALSE").u8(0).text("TRUE").u8(0).u8(0).u8(1).take();
}

std::string opaque(size_t size) { return Bytes().u8(0x15).u8(0).u16(0).u32(size).take(); }

void message(Bytes& out, Message kind, std::string_view body) { out.u8(static_cast<uint8_t>(kind)).u16(body.size()).u8(0).text(body); }

std::string object_header(std::string_view messages) {
  Bytes out;
  out.text("OHDR").u8(2).u8(2).u32(messages.size()).text(messages);  // flags 2: the size has four bytes
  out.u32(lookup3(out.str()));
  return out.take();
}

void attribute(Bytes& out, const EncodedAttribute& a) {
  Bytes body;
  body.u8(3)
      .u8(0)
      .u16(a.name.size() + 1)
      .u16(a.type.size())
      .u16(a.space.size())
      .u8(1)
      .text(a.name)
      .u8(0)
      .text(a.type)
      .text(a.space)
      .text(a.data);
  message(out, Message::attribute, body.str());
}

uint32_t rotate(uint32_t x, int k) { return x << k | x >> (32 - k); }

}  // namespace

uint32_t lookup3(std::string_view bytes) {
  size_t left = bytes.size();
  uint32_t a, b, c;
  a = b = c = 0xdeadbeef + static_cast<uint32_t>(left);
  const char* at = bytes.data();
  uint32_t k[3];
  for (; left > 12; left -= 12, at += 12) {
    std::memcpy(k, at, 12);
    a += k[0], b += k[1], c += k[2];
    a -= c, a ^= rotate(c, 4), c += b;
    b -= a, b ^= rotate(a, 6), a += c;
    c -= b, c ^= rotate(b, 8), b += a;
    a -= c, a ^= rotate(c, 16), c += b;
    b -= a, b ^= rotate(a, 19), a += c;
    c -= b, c ^= rotate(b, 4), b += a;
  }
  if (left == 0) return c;
  std::memset(k, 0, 12);
  std::memcpy(k, at, left);
  a += k[0], b += k[1], c += k[2];
  c ^= b, c -= rotate(b, 14);
  a ^= c, a -= rotate(c, 11);
  b ^= a, b -= rotate(a, 25);
  c ^= b, c -= rotate(b, 16);
  a ^= c, a -= rotate(c, 4);
  b ^= a, b -= rotate(a, 14);
  c ^= b, c -= rotate(b, 24);
  return c;
}

std::string superblock(uint64_t root, uint64_t end) {
  Bytes out;
  out.text(std::string_view("\x89HDF\r\n\x1a\n", 8)).u8(2).u8(8).u8(8).u8(0).u64(0).u64(kUndefined).u64(end).u64(root);
  out.u32(lookup3(out.str()));
  return out.take();
}

bool is_opaque(DType dtype) {
  const DTypeClass c = dtype_class(dtype);
  return (c == DTypeClass::kFloat && dtype_size(dtype) < 4 && dtype != DType::float16) || dtype == DType::int4 || dtype == DType::uint4 ||
         dtype == DType::int2 || dtype == DType::uint2;
}

bool needs_dtype_attribute(DType dtype) { return is_opaque(dtype) || dtype_class(dtype) == DTypeClass::kQuantized; }

std::string text_type(bool utf8) { return Bytes().u8(0x19).u8(1).u8(utf8).u8(0).u32(16).text(fixed_point(1, false)).take(); }

std::string datatype(DType dtype) {
  const size_t size = dtype_size(dtype);
  if (is_opaque(dtype)) return opaque(size);
  switch (dtype_class(dtype)) {
    case DTypeClass::kFloat: return floating(size == 2 ? kHalf : size == 4 ? kSingle : kDouble);
    case DTypeClass::kSigned: return fixed_point(size, true);
    case DTypeClass::kUnsigned: return fixed_point(size, false);
    case DTypeClass::kBool: return boolean();
    case DTypeClass::kComplex: return complex_pair(floating(size == 8 ? kSingle : kDouble), size / 2);
    case DTypeClass::kQuantized: return fixed_point(size, dtype != DType::quint8 && dtype != DType::quint16);
    case DTypeClass::kString: return text_type(true);
    case DTypeClass::kOpaque: return opaque(1);
  }
  __builtin_unreachable();
}

std::string dataspace(std::span<const int64_t> dims) {
  Bytes out;
  out.u8(2).u8(dims.size()).u8(0).u8(dims.empty() ? 0 : 1);
  for (int64_t dim : dims) out.u64(static_cast<uint64_t>(dim));
  return out.take();
}

std::string dataset_header(const DenseTensor& tensor, std::string_view type, uint64_t data, uint64_t bytes,
                           std::span<const EncodedAttribute> attributes) {
  Bytes out;
  message(out, Message::dataspace, dataspace(tensor.shape().dims()));
  message(out, Message::datatype, type);
  message(out, Message::fill_value, Bytes().u8(3).u8(0x0a).str());  // space late, written if set, none set: as h5py
  message(out, Message::layout, Bytes().u8(3).u8(1).u64(bytes == 0 ? kUndefined : data).u64(bytes).str());
  for (const EncodedAttribute& a : attributes) attribute(out, a);
  return object_header(out.str());
}

std::string group_header(std::span<const GroupLink> links, std::span<const EncodedAttribute> attributes) {
  Bytes out;
  // Links are in the header itself, and the order of creation is kept: tensors come back in their order.
  message(out, Message::link_info, Bytes().u8(0).u8(1).u64(links.size()).u64(kUndefined).u64(kUndefined).str());
  message(out, Message::group_info, Bytes().u8(0).u8(0).str());
  uint64_t order = 0;
  for (const GroupLink& link : links) {
    Bytes body;
    body.u8(1).u8(0x10 | 0x04 | 0x01).u64(order++).u8(1).u16(link.name.size()).text(link.name).u64(link.header);
    message(out, Message::link, body.str());
  }
  for (const EncodedAttribute& a : attributes) attribute(out, a);
  return object_header(out.str());
}

// ---- Strings

namespace {
constexpr size_t kHeapHeader = 16, kLeastCollection = 4096, kFullCollection = 1 << 20;
constexpr uint32_t kMostObjects = 60'000;  // an index has 16 bits
}  // namespace

StringHeap::Place StringHeap::add(std::string_view text) {
  if (text.empty()) return {};
  if (collections_.empty() || next_ > kMostObjects || collections_.back().size() > kFullCollection) {
    close();
    collections_.push_back(Bytes().text("GCOL").u32(1).u64(0).take());
    next_ = 1;
  }
  std::string& c = collections_.back();
  c += Bytes().u16(next_).u16(1).u32(0).u64(text.size()).str();
  c += text;
  c.append((8 - text.size() % 8) % 8, '\0');
  return {collections_.size() - 1, next_++, static_cast<uint32_t>(text.size())};
}

// The rest of a collection is object 0, whose size counts its own 16 bytes.
void StringHeap::close() {
  if (collections_.empty()) return;
  std::string& c = collections_.back();
  const size_t rest = c.size() + kHeapHeader < kLeastCollection ? kLeastCollection - c.size() : kHeapHeader;
  c += Bytes().u16(0).u16(0).u32(0).u64(rest).str();
  c.append(rest - kHeapHeader, '\0');
  const uint64_t size = c.size();
  std::memcpy(c.data() + 8, &size, 8);
  starts_.push_back(size_);
  size_ += size;
}

void StringHeap::finish() { close(); }

void StringHeap::append_reference(const Place& place, std::string& out) const {
  if (place.size == 0) {
    out.append(16, '\0');
    return;
  }
  out += Bytes().u32(place.size).u64(address_ + starts_[place.collection]).u32(place.index).str();
}

}  // namespace ferry::h5
