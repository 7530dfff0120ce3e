#include "hdf5/element.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace ferry::hdf5 {
namespace {

// TensorFlow's DataType numbers (include/ferry/dtypes.def); this program links nothing of the library.
enum Number : uint8_t {
  kFloat32 = 1,
  kFloat64 = 2,
  kInt32 = 3,
  kUint8 = 4,
  kInt16 = 5,
  kInt8 = 6,
  kString = 7,
  kComplex64 = 8,
  kInt64 = 9,
  kBool = 10,
  kBfloat16 = 14,
  kUint16 = 17,
  kComplex128 = 18,
  kHalf = 19,
  kUint32 = 22,
  kUint64 = 23,
  kFloat8E5M2 = 24,
};

Element refuse(std::string why) {
  Element out;
  out.obstacle = std::move(why);
  return out;
}

Element fixed(uint8_t dtype, size_t size, hid_t memory, hid_t file) {
  Element out;
  out.dtype = dtype;
  out.size = size;
  out.memory = Handle(memory);
  out.exact = H5Tequal(file, memory) > 0;
  return out;
}

Element integer(hid_t type, bool is_signed, hid_t file) {
  const size_t size = H5Tget_size(type);
  if (size <= 1) return fixed(is_signed ? kInt8 : kUint8, 1, H5Tcopy(is_signed ? H5T_STD_I8LE : H5T_STD_U8LE), file);
  if (size <= 2) return fixed(is_signed ? kInt16 : kUint16, 2, H5Tcopy(is_signed ? H5T_STD_I16LE : H5T_STD_U16LE), file);
  if (size <= 4) return fixed(is_signed ? kInt32 : kUint32, 4, H5Tcopy(is_signed ? H5T_STD_I32LE : H5T_STD_U32LE), file);
  if (size <= 8) return fixed(is_signed ? kInt64 : kUint64, 8, H5Tcopy(is_signed ? H5T_STD_I64LE : H5T_STD_U64LE), file);
  return refuse("integers of " + std::to_string(size) + " bytes");
}

Element bitfield(hid_t type) {
  switch (H5Tget_size(type)) {
    case 1: return fixed(kUint8, 1, H5Tcopy(H5T_STD_B8LE), type);
    case 2: return fixed(kUint16, 2, H5Tcopy(H5T_STD_B16LE), type);
    case 4: return fixed(kUint32, 4, H5Tcopy(H5T_STD_B32LE), type);
    case 8: return fixed(kUint64, 8, H5Tcopy(H5T_STD_B64LE), type);
    default: return refuse("bit fields of " + std::to_string(H5Tget_size(type)) + " bytes");
  }
}

struct FloatFields {
  size_t size, sign, exponent_at, exponent, mantissa_at, mantissa, bias;
  friend bool operator==(const FloatFields&, const FloatFields&) = default;
};
constexpr FloatFields kHalfFields{2, 15, 10, 5, 0, 10, 15}, kBfloat16Fields{2, 15, 7, 8, 0, 7, 127}, kE5M2Fields{1, 7, 2, 5, 0, 2, 15};

std::optional<FloatFields> fields_of(hid_t type) {
  FloatFields f{};
  f.size = H5Tget_size(type);
  if (H5Tget_fields(type, &f.sign, &f.exponent_at, &f.exponent, &f.mantissa_at, &f.mantissa) < 0) return std::nullopt;
  f.bias = H5Tget_ebias(type);
  return f;
}

hid_t small_float(const FloatFields& f) {
  const hid_t out = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(out, f.sign, f.exponent_at, f.exponent, f.mantissa_at, f.mantissa);
  H5Tset_precision(out, f.size * 8);
  H5Tset_size(out, f.size);
  H5Tset_ebias(out, f.bias);
  return out;
}

Element floating(hid_t type) {
  const auto f = fields_of(type);
  if (!f) return refuse("a damaged float type");
  if (*f == kHalfFields) return fixed(kHalf, 2, small_float(kHalfFields), type);
  if (*f == kBfloat16Fields) return fixed(kBfloat16, 2, small_float(kBfloat16Fields), type);
  if (*f == kE5M2Fields) return fixed(kFloat8E5M2, 1, small_float(kE5M2Fields), type);
  // Others only where every value of theirs has a place.
  if (f->mantissa <= 23 && f->exponent <= 8) return fixed(kFloat32, 4, H5Tcopy(H5T_IEEE_F32LE), type);
  if (f->mantissa <= 52 && f->exponent <= 11) return fixed(kFloat64, 8, H5Tcopy(H5T_IEEE_F64LE), type);
  return refuse("floats of " + std::to_string(f->size) + " bytes (long double), which float64 cannot hold");
}

Element text(hid_t type) {
  Element out;
  out.kind = h5::ElementKind::strings;
  out.dtype = kString;
  out.variable = H5Tis_variable_str(type) > 0;
  if (out.variable) {
    out.memory = Handle(H5Tcopy(H5T_C_S1));
    H5Tset_size(out.memory.get(), H5T_VARIABLE);
    H5Tset_cset(out.memory.get(), H5Tget_cset(type));
    out.size = sizeof(char*);
  } else {
    out.memory = Handle(H5Tcopy(type));
    out.size = H5Tget_size(type);
    out.padding = H5Tget_strpad(type);
  }
  return out;
}

// One byte, FALSE = 0 and TRUE = 1: how h5py spells bool.
bool is_boolean(hid_t type) {
  if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
  for (unsigned i = 0; i < 2; ++i) {
    char* name = H5Tget_member_name(type, i);
    uint8_t value = 2;
    const bool read = H5Tget_member_value(type, i, &value) >= 0;
    const std::string_view word = name == nullptr ? "" : name;
    const bool fits = read && ((word == "FALSE" && value == 0) || (word == "TRUE" && value == 1));
    H5free_memory(name);
    if (!fits) return false;
  }
  return true;
}

Element enumeration(hid_t type) {
  if (is_boolean(type)) return fixed(kBool, 1, H5Tcopy(type), type);
  const Handle base(H5Tget_super(type));
  Element out = integer(base.get(), H5Tget_sign(base.get()) == H5T_SGN_2, base.get());
  if (!out.obstacle.empty()) return out;
  if (H5Tget_size(type) != out.size) return refuse("an enumeration of odd width");
  out.memory = Handle(H5Tget_native_type(type, H5T_DIR_ASCEND));
  if (!out.memory || H5Tget_size(out.memory.get()) != out.size) return refuse("an enumeration that libhdf5 does not convert");
  out.exact = H5Tequal(type, out.memory.get()) > 0;
  return out;
}

struct Member {
  std::string name;
  Handle type;
};
Member member(hid_t type, unsigned i) {
  char* name = H5Tget_member_name(type, i);
  Member out{name == nullptr ? "" : name, Handle(H5Tget_member_type(type, i))};
  H5free_memory(name);
  return out;
}

// {r, i}, as h5py writes complex numbers; some write re, im or real, imag.
bool is_complex(hid_t type) {
  if (H5Tget_nmembers(type) != 2) return false;
  const Member a = member(type, 0), b = member(type, 1);
  constexpr std::string_view kNames[][2] = {{"r", "i"}, {"re", "im"}, {"real", "imag"}};
  if (std::ranges::none_of(kNames, [&](const auto& pair) { return a.name == pair[0] && b.name == pair[1]; })) return false;
  return a.type && b.type && H5Tget_class(a.type.get()) == H5T_FLOAT && H5Tequal(a.type.get(), b.type.get()) > 0 &&
         H5Tget_size(a.type.get()) <= 8;
}

Element complex_number(hid_t type) {
  const bool wide = H5Tget_size(member(type, 0).type.get()) > 4;
  const size_t half = wide ? 8 : 4;
  const hid_t memory = H5Tcreate(H5T_COMPOUND, 2 * half);
  for (unsigned i = 0; i < 2; ++i) H5Tinsert(memory, member(type, i).name.c_str(), i * half, wide ? H5T_IEEE_F64LE : H5T_IEEE_F32LE);
  return fixed(wide ? kComplex128 : kComplex64, 2 * half, memory, type);
}

Element array(hid_t type) {
  const Handle base(H5Tget_super(type));
  Element out = classify(base.get());
  if (!out.obstacle.empty()) return out;
  if (out.kind != h5::ElementKind::fixed && out.kind != h5::ElementKind::opaque) return refuse("array elements of strings or rows");
  const int rank = H5Tget_array_ndims(type);
  if (rank < 1 || rank > H5S_MAX_RANK) return refuse("a damaged array type");
  hsize_t dims[H5S_MAX_RANK];
  H5Tget_array_dims2(type, dims);
  out.axes.insert(out.axes.begin(), dims, dims + rank);
  out.memory = Handle(H5Tarray_create2(out.memory.get(), static_cast<unsigned>(rank), dims));
  return out;
}

Element rows(hid_t type) {
  const Handle base(H5Tget_super(type));
  Element out = classify(base.get());
  if (!out.obstacle.empty()) return out;
  if (out.kind != h5::ElementKind::fixed || !out.axes.empty()) return refuse("variable-length rows of elements that are no numbers");
  out.kind = h5::ElementKind::rows;
  out.memory = Handle(H5Tvlen_create(out.memory.get()));
  out.exact = false;
  return out;
}

Element opaque(hid_t type) {
  Element out = fixed(kUint8, 1, H5Tcopy(type), type);
  out.kind = h5::ElementKind::opaque;
  out.axes = {H5Tget_size(type)};
  return out;
}

}  // namespace

bool is_record(hid_t type) { return H5Tget_class(type) == H5T_COMPOUND && !is_complex(type); }

Element classify(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: return integer(type, H5Tget_sign(type) == H5T_SGN_2, type);
    case H5T_FLOAT: return floating(type);
    case H5T_STRING: return text(type);
    case H5T_BITFIELD: return bitfield(type);
    case H5T_OPAQUE: return opaque(type);
    case H5T_ENUM: return enumeration(type);
    case H5T_ARRAY: return array(type);
    case H5T_VLEN: return rows(type);
    case H5T_COMPOUND: return is_complex(type) ? complex_number(type) : refuse("records within records");
    case H5T_REFERENCE: return refuse("references to other objects of the file");
    case H5T_TIME: return refuse("HDF5's time type");
    default: return refuse("a datatype that this libhdf5 does not know");
  }
}

}  // namespace ferry::hdf5
