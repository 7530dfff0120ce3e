// Attributes as lists of text or numbers; what is neither is named and left unread.
#include <algorithm>
#include <cstring>

#include "hdf5/file.h"

namespace ferry::hdf5 {
namespace {

constexpr uint64_t kMost = 16 << 20;  // bytes of one attribute

herr_t collect(hid_t, const char* name, const H5A_info_t*, void* data) {
  static_cast<std::vector<std::string>*>(data)->push_back(name);
  return 0;
}

struct Head {
  h5::AttributeKind kind;
  bool scalar;
  uint64_t count;
};
void put(const Head& head, Output& out) {
  out.byte(static_cast<uint8_t>(head.kind));
  out.byte(head.scalar);
  out.number(head.count);
}

bool put_texts(hid_t attribute, hid_t space, const Element& element, const Head& head, Output& out) {
  if (element.variable) {
    std::vector<char*> texts(head.count, nullptr);
    if (head.count != 0 && H5Aread(attribute, element.memory.get(), texts.data()) < 0) return false;
    put(head, out);
    for (const char* text : texts) out.text(text == nullptr ? "" : text);
    H5Dvlen_reclaim(element.memory.get(), space, H5P_DEFAULT, texts.data());
    return true;
  }
  std::string bytes(head.count * element.size, '\0');
  if (!bytes.empty() && H5Aread(attribute, element.memory.get(), bytes.data()) < 0) return false;
  put(head, out);
  for (uint64_t i = 0; i < head.count; ++i) {
    out.text(trimmed(std::string_view(bytes).substr(i * element.size, element.size), element.padding));
  }
  return true;
}

template <class T>
bool put_numbers(hid_t attribute, hid_t memory, const Head& head, Output& out) {
  std::vector<T> values(head.count);
  if (head.count != 0 && H5Aread(attribute, memory, values.data()) < 0) return false;
  put(head, out);
  for (const T value : values) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    out.number(bits);
  }
  return true;
}

bool put_booleans(hid_t attribute, const Element& element, const Head& head, Output& out) {
  std::vector<uint8_t> values(head.count);
  if (head.count != 0 && H5Aread(attribute, element.memory.get(), values.data()) < 0) return false;
  put(head, out);
  for (const uint8_t value : values) out.number(value != 0);
  return true;
}

bool list_attribute(hid_t attribute, Output& out) {
  const Handle type(H5Aget_type(attribute)), space(H5Aget_space(attribute));
  if (!type || !space || H5Aget_storage_size(attribute) > kMost) return false;
  const H5S_class_t extent = H5Sget_simple_extent_type(space.get());
  const hssize_t points = extent == H5S_NULL ? 0 : H5Sget_simple_extent_npoints(space.get());
  if (points < 0 || static_cast<uint64_t>(points) > kMost) return false;
  Head head{h5::AttributeKind::texts, extent == H5S_SCALAR, static_cast<uint64_t>(points)};
  switch (H5Tget_class(type.get())) {
    case H5T_STRING: return put_texts(attribute, space.get(), classify(type.get()), head, out);
    case H5T_INTEGER:
      if (H5Tget_sign(type.get()) == H5T_SGN_2) {
        head.kind = h5::AttributeKind::integers;
        return put_numbers<int64_t>(attribute, H5T_NATIVE_INT64, head, out);
      }
      head.kind = h5::AttributeKind::naturals;
      return put_numbers<uint64_t>(attribute, H5T_NATIVE_UINT64, head, out);
    case H5T_FLOAT: head.kind = h5::AttributeKind::numbers; return put_numbers<double>(attribute, H5T_NATIVE_DOUBLE, head, out);
    case H5T_ENUM: {
      const Element element = classify(type.get());
      if (element.dtype != kBoolNumber) return false;
      head.kind = h5::AttributeKind::booleans;
      return put_booleans(attribute, element, head, out);
    }
    default: return false;
  }
}

}  // namespace

std::string_view trimmed(std::string_view text, int padding) {
  switch (padding) {
    case H5T_STR_NULLPAD: return text.substr(0, text.find_last_not_of('\0') + 1);
    case H5T_STR_SPACEPAD: return text.substr(0, text.find_last_not_of(' ') + 1);
    default: return text.substr(0, std::min(text.find('\0'), text.size()));
  }
}

void list_attributes(hid_t object, Output& out) {
  std::vector<std::string> names;
  hsize_t at = 0;
  if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, &at, collect, &names) < 0) H5Eclear2(H5E_DEFAULT);
  out.count(static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) {
    out.text(name);
    const size_t start = out.bytes().size();
    const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT));
    if (attribute && list_attribute(attribute.get(), out)) continue;
    H5Eclear2(H5E_DEFAULT);
    out.bytes().resize(start);
    put({h5::AttributeKind::unreadable, true, 0}, out);
  }
}

}  // namespace ferry::hdf5
