// tensorferry.DType: TensorFlow's dtypes have more members than NumPy's, so they have a type of their own. Each is one object.
#include <array>

#include "numpy.h"
#include "options.h"

namespace ferry::py {
namespace {

struct PyDType {
  DType value;
};

std::array<PyObject*, 64>& objects() {
  static std::array<PyObject*, 64> table{};
  return table;
}

std::string_view text_of(nb::handle value) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (text == nullptr) throw nb::python_error();
  return {text, static_cast<size_t>(size)};
}

std::string_view kind_word(DType dtype) {
  switch (dtype_class(dtype)) {
    case DTypeClass::kFloat: return "float";
    case DTypeClass::kSigned: return "signed";
    case DTypeClass::kUnsigned: return "unsigned";
    case DTypeClass::kBool: return "bool";
    case DTypeClass::kComplex: return "complex";
    case DTypeClass::kQuantized: return "quantized";
    case DTypeClass::kString: return "string";
    case DTypeClass::kOpaque: return "opaque";
  }
  __builtin_unreachable();
}

}  // namespace

std::optional<DType> try_dtype(nb::handle value) {
  if (nb::isinstance<PyDType>(value)) return nb::cast<const PyDType&>(value).value;
  PyObject* object = value.ptr();
  if (PyUnicode_Check(object)) return dtype_from_name(text_of(value));
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::float64;
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::int64;
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::bool_;
  if (object == reinterpret_cast<PyObject*>(&PyComplex_Type)) return DType::complex128;
  if (object == reinterpret_cast<PyObject*>(&PyBytes_Type) || object == reinterpret_cast<PyObject*>(&PyUnicode_Type)) return DType::string;
  if (object == Py_None) return std::nullopt;
  if (PyType_Check(object) || is_numpy_dtype(value)) return dtype_from_numpy(value);
  // TensorFlow's have a name; PyTorch's say "torch.float32".
  if (nb::hasattr(value, "as_numpy_dtype") && nb::hasattr(value, "name")) {
    nb::object name = value.attr("name");
    return PyUnicode_Check(name.ptr()) ? dtype_from_name(text_of(name)) : std::nullopt;
  }
  if (std::string_view(Py_TYPE(object)->tp_name) == "torch.dtype") {
    nb::object words = nb::str(value);
    std::string_view name = text_of(words);
    return dtype_from_name(name.substr(name.rfind('.') + 1));
  }
  return std::nullopt;
}

DType to_dtype(nb::handle value) {
  if (const auto found = try_dtype(value)) return *found;
  throw StatusError(invalid_argument(
      concat(nb::repr(value).c_str(), " is no dtype; expected a name such as \"float32\", a NumPy dtype or a tensorferry one")));
}

nb::object dtype_object(DType dtype) { return nb::borrow(objects()[static_cast<size_t>(dtype)]); }

void add_dtypes(nb::module_& m) {
  nb::class_<PyDType>(
      m, "DType",
      "The type of a tensor's elements, under TensorFlow's name. Equal to its name and to the NumPy dtype and scalar type it stands for.")
      .def(
          "__init__", [](PyDType* self, nb::handle value) { new (self) PyDType{to_dtype(value)}; }, nb::arg("value"))
      .def_prop_ro("name", [](const PyDType& self) { return word(dtype_name(self.value)); })
      .def_prop_ro(
          "number", [](const PyDType& self) { return static_cast<int>(self.value); }, "TensorFlow's DataType number.")
      .def_prop_ro(
          "itemsize", [](const PyDType& self) { return dtype_size(self.value); }, "Bytes an element; 0 for strings.")
      .def_prop_ro(
          "kind", [](const PyDType& self) { return word(kind_word(self.value)); },
          "float, signed, unsigned, bool, complex, quantized, string or opaque.")
      .def_prop_ro(
          "numpy", [](const PyDType& self) { return numpy_dtype(self.value); }, nb::sig("def numpy(self) -> typing.Any"),
          "The NumPy dtype of arrays made from such tensors. bfloat16 and its like need the ml_dtypes package.")
      // np.dtype(x.dtype) and np.zeros(3, x.dtype) work by these.
      .def_prop_ro(
          "dtype", [](const PyDType& self) { return numpy_dtype(self.value); }, nb::sig("def dtype(self) -> typing.Any"))
      .def_prop_ro(
          "__numpy_dtype__", [](const PyDType& self) { return numpy_dtype(self.value); },
          nb::sig("def __numpy_dtype__(self) -> typing.Any"))
      .def(
          "__eq__",
          [](const PyDType& self, nb::handle other) -> nb::object {
            if (nb::isinstance<PyDType>(other)) return nb::bool_(self.value == nb::cast<const PyDType&>(other).value);
            const auto value = try_dtype(other);
            if (!value && !PyUnicode_Check(other.ptr())) return nb::not_implemented();
            return nb::bool_(value == self.value);
          },
          nb::arg("other").none(), nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__", [](const PyDType& self) { return nb::hash(word(dtype_name(self.value))); })
      .def("__str__", [](const PyDType& self) { return word(dtype_name(self.value)); })
      .def("__repr__",
           [](const PyDType& self) { return word(concat("tensorferry.", self.value == DType::bool_ ? "bool_" : dtype_name(self.value))); })
      .def("__reduce__", [](const PyDType& self) {
        return nb::make_tuple(python_function("tensorferry._pickle", "restore_dtype"), nb::make_tuple(word(dtype_name(self.value))));
      });
  nb::list all;
  for (const DType dtype : kAllDTypes) {
    nb::object object = nb::cast(PyDType{dtype});
    all.append(object);
    objects()[static_cast<size_t>(dtype)] = object.release().ptr();
  }
  m.attr("_dtypes") = nb::tuple(all);
  m.def(
      "as_dtype", [](nb::handle value) { return dtype_object(to_dtype(value)); }, nb::arg("value"),
      nb::sig("def as_dtype(value: object) -> DType"),
      "The DType that a name, a NumPy dtype or scalar type, a Python type, or TensorFlow's or PyTorch's dtype stands for.");
}

}  // namespace ferry::py
