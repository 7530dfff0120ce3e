// tensorferry.DenseTensor: names, NumPy in and out, the buffer protocol.
#include <cstring>

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "numpy.h"
#include "tensor_class.h"

namespace ferry::py {
namespace {

// struct-module letters; null where the buffer protocol has none and the raw bytes are lent instead.
const char* buffer_letter(DType dtype) {
  switch (dtype) {
    case DType::float32: return "f";
    case DType::float64: return "d";
    case DType::qint32:
    case DType::int32: return "i";
    case DType::quint8:
    case DType::uint8: return "B";
    case DType::qint16:
    case DType::int16: return "h";
    case DType::qint8:
    case DType::int8: return "b";
    case DType::int64: return "q";
    case DType::bool_: return "?";
    case DType::quint16:
    case DType::uint16: return "H";
    case DType::float16: return "e";
    case DType::uint32: return "I";
    case DType::uint64: return "Q";
    case DType::complex64: return "Zf";
    case DType::complex128: return "Zd";
    case DType::string:
    case DType::bfloat16:
    case DType::resource:
    case DType::variant:
    case DType::float8_e5m2:
    case DType::float8_e4m3fn:
    case DType::float8_e4m3fnuz:
    case DType::float8_e4m3b11fnuz:
    case DType::float8_e5m2fnuz:
    case DType::int4:
    case DType::uint4:
    case DType::int2:
    case DType::uint2:
    case DType::float4_e2m1fn: return nullptr;
  }
  __builtin_unreachable();
}

struct Extents {
  std::vector<Py_ssize_t> shape, strides;
};

int get_buffer(PyObject* object, Py_buffer* view, int flags) {
  const DenseTensor& tensor = nb::cast<const DenseTensor&>(nb::handle(object));
  view->obj = nullptr;
  const char* letter = buffer_letter(tensor.dtype());
  if (letter == nullptr) {
    PyErr_Format(PyExc_BufferError, "the buffer protocol has no word for %s elements; use to_numpy(), or view() for the raw bits",
                 std::string(dtype_name(tensor.dtype())).c_str());
    return -1;
  }
  if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE) {
    PyErr_SetString(PyExc_BufferError, "a tensor's memory is read-only; take a copy with to_numpy(copy=True)");
    return -1;
  }
  if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && tensor.shape().rank() > 1) {
    PyErr_SetString(PyExc_BufferError, "a tensor is in C order");
    return -1;
  }
  auto* extents = new Extents;
  const auto size = static_cast<Py_ssize_t>(dtype_size(tensor.dtype()));
  Py_ssize_t stride = size;
  extents->shape.assign(tensor.shape().begin(), tensor.shape().end());
  extents->strides.resize(extents->shape.size());
  for (size_t axis = extents->shape.size(); axis-- > 0;) {
    extents->strides[axis] = stride;
    stride *= extents->shape[axis];
  }
  static char nothing[16];
  view->buf = const_cast<void*>(tensor.raw() == nullptr ? nothing : tensor.raw());
  view->len = static_cast<Py_ssize_t>(tensor.buffer().size());
  view->itemsize = size;
  view->readonly = 1;
  view->format = (flags & PyBUF_FORMAT) != 0 ? const_cast<char*>(letter) : nullptr;
  view->ndim = static_cast<int>(extents->shape.size());
  view->shape = (flags & PyBUF_ND) != 0 ? extents->shape.data() : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? extents->strides.data() : nullptr;
  view->suboffsets = nullptr;
  view->internal = extents;
  view->obj = object;
  Py_INCREF(object);
  return 0;
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Extents*>(view->internal); }

PyType_Slot slots[] = {
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)}, {0, nullptr}};

Buffer buffer_from(nb::handle object) {
  auto* view = new Py_buffer;
  if (PyObject_GetBuffer(object.ptr(), view, PyBUF_C_CONTIGUOUS) < 0) {
    delete view;
    throw nb::python_error();
  }
  std::shared_ptr<const void> owner(view, [](const void* held) {
    auto* inner = static_cast<Py_buffer*>(const_cast<void*>(held));
    if (Py_IsInitialized()) {
      const PyGILState_STATE state = PyGILState_Ensure();
      PyBuffer_Release(inner);
      PyGILState_Release(state);
    }
    delete inner;
  });
  return Buffer::adopt(view->buf, static_cast<size_t>(view->len), std::move(owner));
}

// The parts that pickling writes: dtype name, shape, then one or (strings) two buffers.
nb::tuple parts_of(const DenseTensor& tensor) {
  nb::list buffers;
  buffers.append(bytes_view(tensor.buffer()));
  if (tensor.is_string()) buffers.append(bytes_view(tensor.string_bytes()));
  return nb::make_tuple(dtype_object(tensor.dtype()).attr("name"), shape_tuple(tensor.shape()), buffers);
}

DenseTensor from_parts(nb::handle dtype, nb::handle shape, nb::list buffers) {
  const DType type = to_dtype(dtype);
  if (nb::len(buffers) != (type == DType::string ? 2u : 1u))
    throw StatusError(data_loss("a pickled tensor has the wrong number of buffers"));
  Buffer first = buffer_from(buffers[0]);
  if (type == DType::string) return unwrap(DenseTensor::make_strings(to_shape(shape), std::move(first), buffer_from(buffers[1])));
  return unwrap(DenseTensor::make(type, to_shape(shape), std::move(first)));
}

bool equal(const DenseTensor& self, const DenseTensor& other) {
  if (self.dtype() != other.dtype() || self.shape() != other.shape()) return false;
  if (identical(Tensor(self), Tensor(other))) return true;
  if (self.is_string()) return false;
  // Zeros of either sign are equal, and NaNs; bits do not tell.
  return visit_dtype(self.dtype(), [&]<class T>(TypeTag<T>) {
    const auto a = self.values<T>(), b = other.values<T>();
    for (size_t i = 0; i < a.size(); ++i) {
      const auto x = to_arithmetic(a[i]), y = to_arithmetic(b[i]);
      if (!(x == y || (x != x && y != y))) return false;
    }
    return true;
  });
}

}  // namespace

void add_dense(nb::module_& m) {
  nb::class_<DenseTensor> dense(m, "DenseTensor", nb::type_slots(slots), nb::is_weak_referenceable(),
                                "An array in C order, of any TensorFlow dtype, whose memory is shared and read-only.\n\n"
                                "NumPy takes it wherever it takes an array: np.asarray(x) shares the memory.");
  add_common(dense,
             {"DenseTensor", "tuple[int, ...]", "dense", "A tf.Tensor.",
              "A torch.Tensor over the same memory, which PyTorch cannot know to be read-only: do not write to it, or say copy=True."});
  dense
      .def(
          "__init__",
          [](DenseTensor* self, nb::handle values, nb::handle dtype, bool copy) {
            std::optional<DType> type;
            if (!dtype.is_none()) type = to_dtype(dtype);
            if (nb::isinstance<DenseTensor>(values) && !copy && (!type || type == nb::cast<const DenseTensor&>(values).dtype())) {
              new (self) DenseTensor(nb::cast<const DenseTensor&>(values));
            } else {
              new (self) DenseTensor(dense_from(values, type, copy));
            }
          },
          nb::arg("values"), nb::arg("dtype") = nb::none(), nb::kw_only(), nb::arg("copy") = false,
          nb::sig("def __init__(self, values: typing.Any, dtype: typing.Any = None, *, copy: bool = False) -> None"),
          "From an array (its memory is shared where it is in C order; do not write to it afterwards, or say copy=True), a list or a "
          "number.")
      .def_prop_ro("size", [](const DenseTensor& x) { return x.num_elements(); })
      .def(
          "to_numpy", [](const DenseTensor& x, bool copy) { return copy ? array_copy(x) : array_of(x); }, nb::kw_only(),
          nb::arg("copy") = false, nb::sig("def to_numpy(self, *, copy: bool = False) -> numpy.ndarray"),
          "A read-only array over the same memory; with copy=True one of its own. Strings become an object array of bytes.")
      .def(
          "__array__",
          [](const DenseTensor& x, nb::handle dtype, nb::handle copy) -> nb::object {
            const bool must_copy = copy.ptr() == Py_True, must_share = copy.ptr() == Py_False;
            nb::object array = must_copy ? array_copy(x) : array_of(x);
            if (must_share && x.is_string()) throw nb::value_error("strings cannot be given to NumPy without a copy");
            if (dtype.is_none()) return array;
            if (must_share && !array.attr("dtype").equal(dtype))
              throw nb::value_error("another dtype cannot be given to NumPy without a copy");
            return array.attr("astype")(dtype, nb::arg("copy") = false);
          },
          nb::arg("dtype") = nb::none(), nb::arg("copy") = nb::none(),
          nb::sig("def __array__(self, dtype: typing.Any = None, copy: bool | None = None) -> numpy.ndarray"))
      .def(
          "view", [](const DenseTensor& x, nb::handle dtype) { return unwrap(x.bitcast(to_dtype(dtype))); }, nb::arg("dtype"),
          nb::sig("def view(self, dtype: typing.Any) -> DenseTensor"), "The same bits under another dtype of the same width.")
      .def(
          "reshape", [](const DenseTensor& x, nb::handle shape) { return unwrap(x.reshaped(to_shape(shape))); }, nb::arg("shape"),
          nb::sig("def reshape(self, shape: typing.Sequence[int]) -> DenseTensor"),
          "The same elements under another shape; shares the memory.")
      .def(
          "astype",
          [](const DenseTensor& x, nb::handle dtype) {
            const DType type = to_dtype(dtype);
            return type == x.dtype() ? x : dense_from(array_of(x), type);
          },
          nb::arg("dtype"), nb::sig("def astype(self, dtype: typing.Any) -> DenseTensor"), "Elements cast as NumPy casts them.")
      .def(
          "validate", [](const DenseTensor& x, nb::handle) { check(ferry::validate(Tensor(x), Validation::canonical)); },
          nb::arg("level") = "bounds", nb::sig("def validate(self, level: str = 'bounds') -> None"),
          "Nothing about a dense tensor's values can be wrong; here so that every kind has it.")
      .def(
          "__getitem__", [](const DenseTensor& x, nb::handle key) { return nb::object(array_of(x)[key]); }, nb::arg("key"),
          nb::sig("def __getitem__(self, key: typing.Any, /) -> typing.Any"))
      .def("__len__",
           [](const DenseTensor& x) {
             if (x.shape().rank() == 0) throw nb::type_error("a scalar has no length");
             return x.shape()[0];
           })
      .def(
          "__iter__", [](const DenseTensor& x) { return nb::iter(array_of(x)); },
          nb::sig("def __iter__(self) -> typing.Iterator[typing.Any]"))
      .def(
          "item", [](const DenseTensor& x) { return nb::object(array_of(x).attr("item")()); }, nb::sig("def item(self) -> typing.Any"),
          "The one element, as a Python object.")
      .def(
          "tolist", [](const DenseTensor& x) { return nb::object(array_of(x).attr("tolist")()); },
          nb::sig("def tolist(self) -> typing.Any"), "Nested lists of Python objects.")
      .def(
          "__eq__",
          [](const DenseTensor& x, nb::handle other) -> nb::object {
            if (!nb::isinstance<DenseTensor>(other)) {
              if (!is_array(other) || !dtype_from_numpy(other.attr("dtype"))) return nb::not_implemented();
              return nb::bool_(equal(x, dense_from(other)));
            }
            const DenseTensor& y = nb::cast<const DenseTensor&>(other);
            return nb::bool_(unlocked([&] { return equal(x, y); }));
          },
          nb::arg("other").none(), nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def(
          "to_jax", [](nb::handle self) { return python_function("tensorferry._jax", "to_jax")(self); },
          nb::sig("def to_jax(self) -> typing.Any"), "A jax.Array.")
      .def("_parts", parts_of)
      .def_static("_from_parts", from_parts)
      // NumPy's own comparison stands back, so that array == tensor asks us.
      .def_prop_ro_static("__array_priority__", [](nb::handle) { return 1000.0; });
}

}  // namespace ferry::py
