// Shapes, lists of ints, and any tensor as a Python object.
#include "numpy.h"

namespace ferry::py {

std::vector<int64_t> to_ints(nb::handle value) {
  std::vector<int64_t> out;
  auto append = [&](PyObject* element) {
    nb::object index = nb::steal(PyNumber_Index(element));
    if (!index.is_valid()) throw nb::python_error();
    const int64_t number = PyLong_AsLongLong(index.ptr());
    if (number == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
    out.push_back(number);
  };
  if (PyIndex_Check(value.ptr()) && !PySequence_Check(value.ptr())) {
    append(value.ptr());
    return out;
  }
  nb::object items = nb::steal(PySequence_Fast(value.ptr(), "expected ints"));
  if (!items.is_valid()) throw nb::python_error();
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) append(PySequence_Fast_GET_ITEM(items.ptr(), i));
  return out;
}

Shape to_shape(nb::handle value) { return Shape(std::span<const int64_t>(to_ints(value))); }

Shape sparse_shape(nb::handle value) {
  const auto dims = to_ints(value);
  for (const int64_t dim : dims) {
    if (dim < 0)
      throw StatusError(invalid_argument(concat("shape ", Shape(std::span<const int64_t>(dims)).to_string(), " has a negative axis")));
  }
  if (dims.size() > Limits().max_rank)
    throw StatusError(limit_exceeded(concat("a tensor has at most ", Limits().max_rank, " axes, ", dims.size(), " are given")));
  return Shape(std::span<const int64_t>(dims));
}

nb::tuple shape_tuple(const Shape& shape) {
  nb::object out = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(shape.rank())));
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(axis),
                     shape[axis] < 0 ? nb::none().release().ptr() : PyLong_FromLongLong(shape[axis]));
  }
  return nb::borrow<nb::tuple>(out);
}

nb::object tensor_object(Tensor tensor) {
  return std::visit([](auto&& one) { return nb::cast(std::move(one)); }, std::move(tensor));
}

std::optional<Tensor> try_tensor(nb::handle value) {
  if (nb::isinstance<DenseTensor>(value)) return nb::cast<const DenseTensor&>(value);
  if (nb::isinstance<SparseTensor>(value)) return nb::cast<const SparseTensor&>(value);
  if (nb::isinstance<RaggedTensor>(value)) return nb::cast<const RaggedTensor&>(value);
  return std::nullopt;
}

Tensor to_tensor(nb::handle value) {
  if (auto tensor = try_tensor(value)) return *std::move(tensor);
  if (is_array(value)) return dense_from(value);
  nb::object made = python_function("tensorferry._convert", "as_tensor")(value);
  if (auto tensor = try_tensor(made)) return *std::move(tensor);
  throw StatusError(unsupported(concat("a ", Py_TYPE(value.ptr())->tp_name, " is no tensor")));
}

}  // namespace ferry::py
