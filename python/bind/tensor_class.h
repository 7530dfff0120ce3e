// What the three tensor classes have in common: facts, how they are shown, copied and pickled, and the ways to TensorFlow and
// PyTorch. The work is done by functions of the Python layer, found when they are first called.
#pragma once

#include <string>

#include "bind.h"

namespace ferry::py {

struct TensorClass {
  const char* name;      // the class, for signatures
  const char* shape;     // what its shape is in a signature
  const char* repr;      // the function of _repr.py that shows it
  const char* to_tf;     // what to_tf gives
  const char* to_torch;  // what to_torch gives
};

template <class T>
void add_common(nb::class_<T>& type, const TensorClass& words) {
  const std::string self = words.name;
  auto signature = [&](const char* call) { return concat("def ", call, " -> ", self); };
  const std::string shape_signature = concat("def shape(self) -> ", words.shape);
  type.def_prop_ro(
          "dtype", [](const T& x) { return dtype_object(x.dtype()); }, nb::sig("def dtype(self) -> DType"))
      .def_prop_ro(
          "shape", [](const T& x) { return shape_tuple(x.shape()); }, nb::sig(shape_signature.c_str()))
      .def_prop_ro("ndim", [](const T& x) { return x.shape().rank(); })
      .def_prop_ro(
          "nbytes", [](const T& x) { return x.num_bytes(); }, "Bytes that the values and indices take.")
      .def(
          "__repr__", [repr = words.repr](nb::handle x) { return python_function("tensorferry._repr", repr)(x); },
          nb::sig("def __repr__(self) -> str"))
      .def(
          "__reduce_ex__", [](nb::handle x, int protocol) { return python_function("tensorferry._pickle", "reduce_tensor")(x, protocol); },
          nb::arg("protocol"), nb::sig("def __reduce_ex__(self, protocol: typing.SupportsIndex, /) -> typing.Any"))
      .def(
          "__copy__", [](nb::handle x) { return nb::borrow(x); }, nb::sig(signature("__copy__(self)").c_str()))
      .def(
          "__deepcopy__", [](nb::handle x, nb::handle) { return python_function("tensorferry._pickle", "deep_copy")(x); }, nb::arg("memo"),
          nb::sig(signature("__deepcopy__(self, memo: typing.Any, /)").c_str()))
      .def(
          "copy", [](nb::handle x) { return python_function("tensorferry._pickle", "deep_copy")(x); },
          nb::sig(signature("copy(self)").c_str()), "The same tensor in memory of its own.")
      .def(
          "to_tf", [](nb::handle x) { return python_function("tensorferry._tensorflow", "to_tf")(x); },
          nb::sig("def to_tf(self) -> typing.Any"), words.to_tf)
      .def(
          "to_torch", [](nb::handle x, bool copy) { return python_function("tensorferry._torch", "to_torch")(x, copy); }, nb::kw_only(),
          nb::arg("copy") = false, nb::sig("def to_torch(self, *, copy: bool = False) -> typing.Any"), words.to_torch);
  type.attr("__hash__") = nb::none();  // == compares values
}

}  // namespace ferry::py
