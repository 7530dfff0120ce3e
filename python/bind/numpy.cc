#include "numpy.h"

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL FERRY_ARRAY_API
#include <numpy/arrayobject.h>

#include <cstring>

namespace ferry::py {
namespace {

void need_numpy() {
  if (PyArray_API != nullptr) [[likely]]
    return;
  if (_import_array() < 0) throw nb::python_error();
}

PyArrayObject* as_array(nb::handle value) { return reinterpret_cast<PyArrayObject*>(value.ptr()); }

int type_number(DType dtype) {
  switch (dtype) {
    case DType::float32: return NPY_FLOAT;
    case DType::float64: return NPY_DOUBLE;
    case DType::qint32:
    case DType::int32: return NPY_INT32;
    case DType::quint8:
    case DType::uint8: return NPY_UINT8;
    case DType::qint16:
    case DType::int16: return NPY_INT16;
    case DType::qint8:
    case DType::int8: return NPY_INT8;
    case DType::string: return NPY_OBJECT;
    case DType::complex64: return NPY_CFLOAT;
    case DType::int64: return NPY_INT64;
    case DType::bool_: return NPY_BOOL;
    case DType::quint16:
    case DType::uint16: return NPY_UINT16;
    case DType::complex128: return NPY_CDOUBLE;
    case DType::float16: return NPY_HALF;
    case DType::uint32: return NPY_UINT32;
    case DType::uint64: return NPY_UINT64;
    case DType::bfloat16:
    case DType::float8_e5m2:
    case DType::float8_e4m3fn:
    case DType::float8_e4m3fnuz:
    case DType::float8_e4m3b11fnuz:
    case DType::float8_e5m2fnuz:
    case DType::int4:
    case DType::uint4:
    case DType::int2:
    case DType::uint2:
    case DType::float4_e2m1fn:
    case DType::resource:
    case DType::variant: return -1;
  }
  __builtin_unreachable();
}

// New reference.
PyArray_Descr* descr_of(DType dtype) {
  need_numpy();
  const int number = type_number(dtype);
  if (number >= 0) return PyArray_DescrFromType(number);
  if (!is_fixed_size(dtype)) throw StatusError(unsupported(concat("elements of dtype ", dtype_name(dtype), " have no NumPy form")));
  static PyObject* cache[64] = {};
  PyObject*& slot = cache[static_cast<int>(dtype)];
  if (slot == nullptr) {
    const std::string name(dtype_name(dtype));
    try {
      nb::object scalar = nb::module_::import_("ml_dtypes").attr(name.c_str());
      PyArray_Descr* descr = nullptr;
      if (!PyArray_DescrConverter(scalar.ptr(), &descr)) throw nb::python_error();
      slot = reinterpret_cast<PyObject*>(descr);
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_ImportError) && !error.matches(PyExc_AttributeError)) throw;
      throw StatusError(
          unsupported(concat("NumPy has no ", name, " of its own: install the ml_dtypes package, or take the raw bits with view(\"",
                             dtype_size(dtype) == 2 ? "uint16" : "uint8", "\")")));
    }
  }
  Py_INCREF(slot);
  return reinterpret_cast<PyArray_Descr*>(slot);
}

std::optional<DType> dtype_of_descr(PyArray_Descr* descr) {
  switch (descr->type_num) {
    case NPY_BOOL: return DType::bool_;
    case NPY_HALF: return DType::float16;
    case NPY_FLOAT: return DType::float32;
    case NPY_DOUBLE: return DType::float64;
    case NPY_CFLOAT: return DType::complex64;
    case NPY_CDOUBLE: return DType::complex128;
    case NPY_OBJECT:
    case NPY_STRING:
    case NPY_UNICODE: return DType::string;
    // Two C types of one width are one dtype.
    case NPY_BYTE: return DType::int8;
    case NPY_UBYTE: return DType::uint8;
    case NPY_SHORT: return DType::int16;
    case NPY_USHORT: return DType::uint16;
    case NPY_INT: return DType::int32;
    case NPY_UINT: return DType::uint32;
    case NPY_LONG: return sizeof(long) == 8 ? DType::int64 : DType::int32;
    case NPY_ULONG: return sizeof(long) == 8 ? DType::uint64 : DType::uint32;
    case NPY_LONGLONG: return DType::int64;
    case NPY_ULONGLONG: return DType::uint64;
    default: break;
  }
  // ml_dtypes and NumPy's StringDType register types of their own; they are known by name.
  if (descr->type_num < NPY_USERDEF && descr->type_num != 2056) return std::nullopt;
  std::string_view name = descr->typeobj->tp_name;
  if (const size_t dot = name.rfind('.'); dot != std::string_view::npos) name.remove_prefix(dot + 1);
  if (name == "str") return DType::string;
  const auto found = dtype_from_name(name);
  if (found && type_number(*found) < 0) return found;
  return std::nullopt;
}

// The values under a mask are anything at all.
void refuse_masked(nb::handle array) {
  if (!nb::hasattr(array, "mask") || !nb::hasattr(array, "filled")) return;
  if (!nb::cast<bool>(nb::bool_(nb::object(python_function("numpy", "any")(array.attr("mask")))))) return;
  throw StatusError(unsupported("some elements of the array are masked, and a tensor has no word for that; fill them with filled(value)"));
}

std::string words_for(PyArray_Descr* descr) {
  nb::object text = nb::steal(PyObject_Str(reinterpret_cast<PyObject*>(descr)));
  return text.is_valid() ? std::string(nb::cast<const char*>(text)) : std::string("?");
}

Shape shape_of_array(PyArrayObject* array) {
  return Shape(std::span<const int64_t>(reinterpret_cast<const int64_t*>(PyArray_DIMS(array)), static_cast<size_t>(PyArray_NDIM(array))));
}

void append_object(StringsBuilder& out, PyObject* element, npy_intp position) {
  if (PyBytes_Check(element)) {
    check(out.append({PyBytes_AS_STRING(element), static_cast<size_t>(PyBytes_GET_SIZE(element))}));
  } else if (PyUnicode_Check(element)) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(element, &size);
    if (text == nullptr) throw nb::python_error();
    check(out.append({text, static_cast<size_t>(size)}));
  } else {
    throw StatusError(unsupported(concat("element ", position, " of an object array is a ", Py_TYPE(element)->tp_name,
                                         ", expected str or bytes: object arrays are read as strings")));
  }
}

// `array`: object, S, U or StringDType, any order.
DenseTensor strings_from(PyArrayObject* array) {
  PyArray_Descr* descr = PyArray_DESCR(array);
  const int number = descr->type_num;
  nb::object held;
  if (number != NPY_STRING) {
    held = nb::steal(PyArray_FromArray(array, PyArray_DescrFromType(NPY_OBJECT), NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST));
  } else {
    held = nb::steal(PyArray_FromArray(array, nullptr, NPY_ARRAY_CARRAY_RO));
  }
  if (!held.is_valid()) throw nb::python_error();
  PyArrayObject* plain = as_array(held);
  const npy_intp count = PyArray_SIZE(plain);
  StringsBuilder builder;
  if (number == NPY_STRING) {
    const auto width = static_cast<size_t>(PyArray_ITEMSIZE(plain));
    const char* at = PyArray_BYTES(plain);
    for (npy_intp i = 0; i < count; ++i, at += width) {
      size_t size = width;
      while (size > 0 && at[size - 1] == '\0') --size;  // as NumPy itself reads them
      check(builder.append({at, size}));
    }
  } else {
    auto* elements = reinterpret_cast<PyObject**>(PyArray_DATA(plain));
    for (npy_intp i = 0; i < count; ++i) append_object(builder, elements[i] == nullptr ? Py_None : elements[i], i);
  }
  return unwrap(std::move(builder).finish(shape_of_array(plain)));
}

nb::object new_with_base(const DenseTensor& tensor) {
  PyArray_Descr* descr = descr_of(tensor.dtype());
  static char nothing[16];
  void* data = const_cast<void*>(tensor.raw());
  if (data == nullptr) data = nothing;
  nb::object array = nb::steal(PyArray_NewFromDescr(&PyArray_Type, descr, static_cast<int>(tensor.shape().rank()),
                                                    const_cast<npy_intp*>(reinterpret_cast<const npy_intp*>(tensor.shape().begin())),
                                                    nullptr, data, 0, nullptr));
  if (!array.is_valid()) throw nb::python_error();
  auto* keep = new Buffer(tensor.buffer());
  PyObject* base =
      PyCapsule_New(keep, nullptr, [](PyObject* capsule) { delete static_cast<Buffer*>(PyCapsule_GetPointer(capsule, nullptr)); });
  if (base == nullptr) {
    delete keep;
    throw nb::python_error();
  }
  if (PyArray_SetBaseObject(as_array(array), base) < 0) throw nb::python_error();
  return array;
}

constexpr int kMaxRank = 64;  // of NumPy 2; NumPy 1 refuses more than 32 itself

void check_rank(const Shape& shape) {
  if (shape.rank() > kMaxRank)
    throw StatusError(unsupported(concat("NumPy arrays have at most ", kMaxRank, " axes, this tensor has ", shape.rank())));
}

}  // namespace

std::shared_ptr<const void> python_owner(nb::object object) {
  PyObject* held = object.release().ptr();
  return std::shared_ptr<const void>(held, [](const void* pointer) {
    if (!Py_IsInitialized()) return;  // the interpreter took its objects with it
    const PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(static_cast<PyObject*>(const_cast<void*>(pointer)));
    PyGILState_Release(state);
  });
}

nb::object new_array(DType dtype, const Shape& shape, void** data) {
  check_rank(shape);
  PyArray_Descr* descr = descr_of(dtype);
  nb::object array = nb::steal(PyArray_NewFromDescr(&PyArray_Type, descr, static_cast<int>(shape.rank()),
                                                    const_cast<npy_intp*>(reinterpret_cast<const npy_intp*>(shape.begin())), nullptr,
                                                    nullptr, 0, nullptr));
  if (!array.is_valid()) throw nb::python_error();
  *data = PyArray_DATA(as_array(array));
  return array;
}

nb::object array_of(const DenseTensor& tensor) {
  check_rank(tensor.shape());
  if (!tensor.is_string()) return new_with_base(tensor);
  void* data = nullptr;
  nb::object array = new_array(DType::string, tensor.shape(), &data);
  auto** slots = static_cast<PyObject**>(data);
  const StringsView strings = tensor.strings();
  for (int64_t i = 0; i < strings.size(); ++i) {
    PyObject* text = PyBytes_FromStringAndSize(strings[i].data(), static_cast<Py_ssize_t>(strings[i].size()));
    if (text == nullptr) throw nb::python_error();
    Py_XDECREF(slots[i]);
    slots[i] = text;
  }
  return array;
}

nb::object array_copy(const DenseTensor& tensor) {
  if (tensor.is_string()) return array_of(tensor);
  void* data = nullptr;
  nb::object array = new_array(tensor.dtype(), tensor.shape(), &data);
  const Buffer& buffer = tensor.buffer();
  if (!buffer.empty()) {
    unlocked([&] {
      std::memcpy(data, buffer.data(), buffer.size());
      return true;
    });
  }
  return array;
}

nb::object bytes_view(const Buffer& buffer) {
  return new_with_base(unwrap(DenseTensor::make(DType::uint8, Shape{static_cast<int64_t>(buffer.size())}, buffer)));
}

bool is_array(nb::handle value) {
  need_numpy();
  return PyArray_Check(value.ptr());
}

std::optional<ArrayFacts> array_in_place(nb::handle value) {
  need_numpy();
  if (!PyArray_Check(value.ptr())) return std::nullopt;
  PyArrayObject* array = as_array(value);
  constexpr int kWanted = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
  if ((PyArray_FLAGS(array) & kWanted) != kWanted || PyArray_ISBYTESWAPPED(array)) return std::nullopt;
  const auto dtype = dtype_of_descr(PyArray_DESCR(array));
  if (!dtype || !is_fixed_size(*dtype)) return std::nullopt;
  return ArrayFacts{*dtype, PyArray_NDIM(array), reinterpret_cast<const int64_t*>(PyArray_DIMS(array)), PyArray_DATA(array),
                    PyArray_SIZE(array)};
}

std::optional<std::span<PyObject*>> object_elements(nb::handle value, Shape& shape) {
  need_numpy();
  if (!PyArray_Check(value.ptr())) return std::nullopt;
  PyArrayObject* array = as_array(value);
  if (PyArray_TYPE(array) != NPY_OBJECT || !PyArray_IS_C_CONTIGUOUS(array)) return std::nullopt;
  shape = shape_of_array(array);
  return std::span(static_cast<PyObject**>(PyArray_DATA(array)), static_cast<size_t>(PyArray_SIZE(array)));
}

DenseTensor dense_from(nb::handle value, std::optional<DType> dtype, bool copy) {
  if (nb::isinstance<DenseTensor>(value)) {  // as it is: an array would forget that its elements are quantized
    const auto& tensor = nb::cast<const DenseTensor&>(value);
    if (!dtype || *dtype == tensor.dtype()) return tensor;
  }
  need_numpy();
  nb::object held;
  if (PyArray_Check(value.ptr())) {
    if (!PyArray_CheckExact(value.ptr())) refuse_masked(value);
    held = nb::borrow(value);
  } else {
    held = nb::steal(PyArray_FromAny(value.ptr(), nullptr, 0, 0, 0, nullptr));
    if (!held.is_valid()) throw nb::python_error();
    // NumPy's fixed-width strings lose NULs at the end, and take numbers among them for words.
    if (const int number = PyArray_TYPE(as_array(held)); number == NPY_STRING || number == NPY_UNICODE) {
      held = nb::steal(PyArray_FromAny(value.ptr(), PyArray_DescrFromType(NPY_OBJECT), 0, 0, 0, nullptr));
      if (!held.is_valid()) throw nb::python_error();
    }
    copy = false;  // whatever made the array from a list made it for us; an object that lends its memory is asked not to change it
  }
  const auto found = dtype_of_descr(PyArray_DESCR(as_array(held)));
  if (dtype && dtype != found) {
    if (*dtype == DType::string || (found && *found == DType::string)) {
      throw StatusError(
          invalid_argument(concat("elements of dtype ", words_for(PyArray_DESCR(as_array(held))), " cannot become ", dtype_name(*dtype))));
    }
    const bool same_bits = found && type_number(*dtype) >= 0 && type_number(*found) == type_number(*dtype);  // int8 → qint8
    if (!same_bits) {
      held = nb::steal(PyArray_FromArray(as_array(held), descr_of(*dtype), NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST));
      if (!held.is_valid()) throw nb::python_error();
      copy = false;
    }
  } else if (!found) {
    throw StatusError(unsupported(concat("elements of dtype ", words_for(PyArray_DESCR(as_array(held))), " have no TensorFlow dtype; ",
                                         PyArray_HASFIELDS(as_array(held))
                                             ? "give each field by itself: {name: array[name] for name in array.dtype.names}"
                                             : "cast the array first")));
  }
  if (found == DType::string) return strings_from(as_array(held));
  PyArrayObject* array = as_array(held);
  constexpr int kWanted = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
  if (copy || (PyArray_FLAGS(array) & kWanted) != kWanted || PyArray_ISBYTESWAPPED(array)) {
    held = nb::steal(PyArray_FromArray(array, PyArray_DescrNewByteorder(PyArray_DESCR(array), NPY_NATIVE),
                                       NPY_ARRAY_CARRAY_RO | (copy ? NPY_ARRAY_ENSURECOPY : 0)));
    if (!held.is_valid()) throw nb::python_error();
    array = as_array(held);
  }
  const auto size = static_cast<size_t>(PyArray_NBYTES(array));
  const void* data = PyArray_DATA(array);
  Shape shape = shape_of_array(array);
  return unwrap(DenseTensor::make(dtype.value_or(*found), std::move(shape), Buffer::adopt(data, size, python_owner(std::move(held)))));
}

nb::object numpy_dtype(DType dtype) { return nb::steal(reinterpret_cast<PyObject*>(descr_of(dtype))); }

std::optional<DType> dtype_from_numpy(nb::handle value) {
  need_numpy();
  PyArray_Descr* descr = nullptr;
  if (PyArray_DescrCheck(value.ptr())) {
    descr = reinterpret_cast<PyArray_Descr*>(value.ptr());
    Py_INCREF(descr);
  } else if (!PyArray_DescrConverter(value.ptr(), &descr)) {
    PyErr_Clear();
    return std::nullopt;
  }
  const auto out = dtype_of_descr(descr);
  Py_DECREF(descr);
  return out;
}

bool is_numpy_dtype(nb::handle value) {
  need_numpy();
  return PyArray_DescrCheck(value.ptr());
}

}  // namespace ferry::py
