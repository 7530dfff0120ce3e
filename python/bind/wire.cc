// tf.io's serializers under their own names: serialize_tensor and its kin, bytes equal to TensorFlow's. The way in and out is
// short here because small tensors are the common case and the call itself is what they cost.
#include <cstring>

#include "formats/tensorproto/tensorproto.h"
#include "formats/tf_sparse/tf_sparse.h"
#include "numpy.h"
#include "options.h"

namespace ferry::py {
namespace {

constexpr size_t kWorthUnlocking = size_t{1} << 16;  // bytes; below that taking the lock back costs more than the copy

nb::object fixed_size_message(DType dtype, std::span<const int64_t> shape, const void* data, size_t bytes) {
  if (bytes > tensorproto::kMostBytes) {
    throw StatusError(unsupported(concat("a TensorProto holds less than 2 GiB, the tensor has ", bytes, " bytes; use npy or npz")));
  }
  thread_local std::string header;
  header.clear();
  tensorproto::append_header(header, dtype, shape, bytes);
  nb::object out = nb::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(header.size() + bytes)));
  if (!out.is_valid()) throw nb::python_error();
  char* at = PyBytes_AS_STRING(out.ptr());
  std::memcpy(at, header.data(), header.size());
  if (bytes >= kWorthUnlocking) {
    unlocked([&] { return std::memcpy(at + header.size(), data, bytes); });
  } else if (bytes > 0) {
    std::memcpy(at + header.size(), data, bytes);
  }
  return out;
}

nb::object serialize_dense(const DenseTensor& x) {
  if (!x.is_string()) return fixed_size_message(x.dtype(), x.shape().dims(), x.raw(), x.buffer().size());
  std::string out;
  check(unlocked([&] { return tensorproto::encode(out, x); }));
  return nb::bytes(out.data(), out.size());
}

nb::object serialize_tensor(nb::handle value) {
  if (nb::isinstance<DenseTensor>(value)) return serialize_dense(nb::cast<const DenseTensor&>(value));
  if (const auto array = array_in_place(value)) {
    return fixed_size_message(array->dtype, {array->dims, static_cast<size_t>(array->rank)}, array->data,
                              static_cast<size_t>(array->count) * dtype_size(array->dtype));
  }
  const Tensor tensor = to_tensor(value);
  const auto* dense = std::get_if<DenseTensor>(&tensor);
  if (dense == nullptr) {
    throw StatusError(unsupported(
        concat("a TensorProto holds a dense tensor, not a ", kind_name(kind_of(tensor)), " one; use serialize_sparse or dumps")));
  }
  return serialize_dense(*dense);
}

// The bytes of any object with the buffer protocol, kept as long as the Buffer is.
Buffer shared_bytes(nb::handle value) {
  if (PyBytes_CheckExact(value.ptr())) {
    const char* data = PyBytes_AS_STRING(value.ptr());
    return Buffer::adopt(data, static_cast<size_t>(PyBytes_GET_SIZE(value.ptr())), python_owner(nb::borrow(value)));
  }
  nb::object view = nb::steal(PyMemoryView_FromObject(value.ptr()));
  if (!view.is_valid()) throw nb::python_error();
  const Py_buffer* buffer = PyMemoryView_GET_BUFFER(view.ptr());
  if (PyBuffer_IsContiguous(buffer, 'C') == 0) throw nb::type_error("the bytes to read do not lie one after another");
  const void* data = buffer->buf;
  const auto size = static_cast<size_t>(buffer->len);
  return Buffer::adopt(data, size, python_owner(std::move(view)));
}

void check_dtype(DType found, nb::handle wanted) {
  if (wanted.is_none()) return;
  const DType dtype = to_dtype(wanted);
  if (dtype != found)
    throw StatusError(invalid_argument(concat("the bytes hold ", dtype_name(found), " elements, expected ", dtype_name(dtype))));
}

DenseTensor parse_tensor(nb::handle data, nb::handle out_type) {
  const Buffer bytes = shared_bytes(data);
  tensorproto::TensorProtoView view;
  check(tensorproto::TensorProtoView::decode(bytes.bytes(), view));
  check_dtype(view.dtype(), out_type);
  if (view.num_bytes() < kWorthUnlocking) return unwrap(view.to_tensor(&bytes));
  return run([&] { return view.to_tensor(&bytes); });
}

const SparseTensor sparse_from(nb::handle value) {
  Tensor tensor = to_tensor(value);
  auto* sparse = std::get_if<SparseTensor>(&tensor);
  if (sparse == nullptr)
    throw StatusError(invalid_argument(concat("expected a sparse tensor, not a ", kind_name(kind_of(tensor)), " one")));
  return std::move(*sparse);
}

// Strings from Python: bytes objects (an array's, or in nested lists), each held while the lock is released.
struct Strings {
  static constexpr size_t kDeepest = 32;  // lists within lists; one may even hold itself
  std::vector<nb::object> held;
  std::vector<std::string_view> views;
  Shape shape;
  std::optional<DenseTensor> tensor;  // where the strings are one of ours

  void add(nb::handle element) {
    if (!PyBytes_Check(element.ptr()))
      throw nb::type_error(concat("a serialized tensor is bytes, not ", Py_TYPE(element.ptr())->tp_name).c_str());
    views.emplace_back(PyBytes_AS_STRING(element.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(element.ptr())));
    held.push_back(nb::borrow(element));
  }
  void add_nested(nb::handle value, size_t level) {
    if (!PyList_Check(value.ptr()) && !PyTuple_Check(value.ptr())) {
      if (level != shape.rank()) throw StatusError(invalid_argument("the nested lists of serialized tensors are not of one depth"));
      add(value);
      return;
    }
    if (level == kDeepest) throw StatusError(limit_exceeded("lists of serialized tensors are nested too deeply"));
    const auto size = static_cast<int64_t>(PySequence_Fast_GET_SIZE(value.ptr()));
    if (level == shape.rank() && views.empty()) shape.append(size);
    if (level >= shape.rank() || shape[level] != size)
      throw StatusError(invalid_argument("the nested lists of serialized tensors are not of one length"));
    for (Py_ssize_t i = 0; i < size; ++i) add_nested(PySequence_Fast_GET_ITEM(value.ptr(), i), level + 1);
  }
};

Strings strings_from(nb::handle value) {
  Strings out;
  if (PyList_Check(value.ptr()) || PyTuple_Check(value.ptr())) {
    out.add_nested(value, 0);
    return out;
  }
  if (const auto elements = object_elements(value, out.shape)) {
    out.held.reserve(elements->size());
    out.views.reserve(elements->size());
    for (PyObject* element : *elements) out.add(element == nullptr ? Py_None : element);
    return out;
  }
  Tensor tensor = to_tensor(value);
  auto* dense = std::get_if<DenseTensor>(&tensor);
  if (dense == nullptr || !dense->is_string()) throw StatusError(invalid_argument("serialized tensors are bytes in an array or in lists"));
  out.tensor = std::move(*dense);
  const StringsView strings = out.tensor->strings();
  for (int64_t i = 0; i < strings.size(); ++i) out.views.push_back(strings[i]);
  out.shape = out.tensor->shape();
  return out;
}

SparseTensor deserialize(nb::handle serialized, nb::handle dtype, nb::handle rank, size_t batch_axes) {
  const Strings strings = strings_from(serialized);
  if (batch_axes == 1 && strings.shape.rank() != 2) {
    throw StatusError(
        invalid_argument(concat("deserialize_many_sparse takes strings of shape [rows, 3], found ", strings.shape.to_string())));
  }
  const SparseTensor out = run([&]() -> Result<SparseTensor> {
    FERRY_ASSIGN_OR_RETURN(const auto opened, tf_sparse::SerializedSparse::open(strings.views, strings.shape.dims()));
    return opened.to_tensor();
  });
  check_dtype(out.dtype(), dtype);
  if (!rank.is_none()) {
    const auto wanted = nb::cast<int64_t>(rank);
    if (wanted != static_cast<int64_t>(out.rank())) {
      throw StatusError(invalid_argument(concat("the tensor has rank ", out.rank(), ", expected ", wanted)));
    }
  }
  return out;
}

}  // namespace

void add_wire(nb::module_& m) {
  m.def("serialize_tensor", serialize_tensor, nb::arg("tensor"), nb::sig("def serialize_tensor(tensor: typing.Any) -> bytes"),
        "The bytes of tf.io.serialize_tensor, for an array or anything as_tensor takes.");
  m.def("parse_tensor", parse_tensor, nb::arg("serialized"), nb::arg("out_type") = nb::none(),
        nb::sig("def parse_tensor(serialized: typing.Any, out_type: typing.Any = None) -> DenseTensor"),
        "A TensorProto's tensor, as tf.io.parse_tensor; it shares the memory of the bytes where these are aligned.\n"
        "With out_type another dtype is an error.");
  m.def(
      "serialize_sparse",
      [](nb::handle value) {
        const SparseTensor x = sparse_from(value);
        return array_of(run([&] { return tf_sparse::serialize(x); }));
      },
      nb::arg("tensor"), nb::sig("def serialize_sparse(tensor: typing.Any) -> numpy.ndarray"),
      "An object array [3] of bytes (indices, values, shape), equal to tf.io.serialize_sparse.");
  m.def(
      "serialize_many_sparse",
      [](nb::handle value) {
        const SparseTensor x = sparse_from(value);
        return array_of(run([&] { return tf_sparse::serialize_many(x); }));
      },
      nb::arg("tensor"), nb::sig("def serialize_many_sparse(tensor: typing.Any) -> numpy.ndarray"),
      "An object array [rows, 3] of bytes, one row for each index of axis 0, equal to tf.io.serialize_many_sparse.");
  m.def(
      "deserialize_sparse",
      [](nb::handle serialized, nb::handle dtype, nb::handle rank) { return deserialize(serialized, dtype, rank, 0); },
      nb::arg("serialized"), nb::arg("dtype") = nb::none(), nb::arg("rank") = nb::none(),
      nb::sig("def deserialize_sparse(serialized: typing.Any, dtype: typing.Any = None, rank: int | None = None) -> SparseTensor"),
      "The tensor of three strings, or of [batch…, 3] of them; as tf.io.deserialize_sparse. With dtype and rank, others are an error.");
  m.def(
      "deserialize_many_sparse",
      [](nb::handle serialized, nb::handle dtype, nb::handle rank) { return deserialize(serialized, dtype, rank, 1); },
      nb::arg("serialized"), nb::arg("dtype") = nb::none(), nb::arg("rank") = nb::none(),
      nb::sig("def deserialize_many_sparse(serialized: typing.Any, dtype: typing.Any = None, rank: int | None = None) -> SparseTensor"),
      "Rows of three strings joined along a new axis 0; as tf.io.deserialize_many_sparse. `rank` is that of the result.");
}

}  // namespace ferry::py
