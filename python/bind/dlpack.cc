// DLPack, both protocols: the plain capsule and the versioned one, which can say read-only. The two structures follow
// dlpack.h 1.1 (https://github.com/dmlc/dlpack).
#include <cstring>

#include "ferry/checked.h"
#include "numpy.h"

namespace ferry::py {
namespace {

struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};
constexpr int32_t kCpu = 1;
constexpr uint64_t kReadOnly = 1, kIsCopied = 2;
constexpr const char *kPlain = "dltensor", *kUsedPlain = "used_dltensor", *kVersioned = "dltensor_versioned",
                     *kUsedVersioned = "used_dltensor_versioned";

enum Code : uint8_t {
  kInt = 0,
  kUInt = 1,
  kFloat = 2,
  kBfloat = 4,
  kComplex = 5,
  kBool = 6,
  kE4M3B11FNUZ = 9,
  kE4M3FN = 10,
  kE4M3FNUZ = 11,
  kE5M2 = 12,
  kE5M2FNUZ = 13,
};

struct Row {
  DType dtype;
  uint8_t code, bits;
};
constexpr Row kRows[] = {
    {DType::float32, kFloat, 32},
    {DType::float64, kFloat, 64},
    {DType::float16, kFloat, 16},
    {DType::bfloat16, kBfloat, 16},
    {DType::int8, kInt, 8},
    {DType::int16, kInt, 16},
    {DType::int32, kInt, 32},
    {DType::int64, kInt, 64},
    {DType::uint8, kUInt, 8},
    {DType::uint16, kUInt, 16},
    {DType::uint32, kUInt, 32},
    {DType::uint64, kUInt, 64},
    {DType::bool_, kBool, 8},
    {DType::complex64, kComplex, 64},
    {DType::complex128, kComplex, 128},
    {DType::float8_e4m3fn, kE4M3FN, 8},
    {DType::float8_e4m3fnuz, kE4M3FNUZ, 8},
    {DType::float8_e4m3b11fnuz, kE4M3B11FNUZ, 8},
    {DType::float8_e5m2, kE5M2, 8},
    {DType::float8_e5m2fnuz, kE5M2FNUZ, 8},
};

std::optional<DLDataType> dlpack_type(DType dtype) {
  for (const Row& row : kRows) {
    if (row.dtype == dtype) return DLDataType{row.code, row.bits, 1};
  }
  return std::nullopt;
}

std::optional<DType> dtype_of_dlpack(DLDataType type) {
  for (const Row& row : kRows) {
    if (row.code == type.code && row.bits == type.bits && type.lanes == 1) return row.dtype;
  }
  return std::nullopt;
}

// Lives as long as the consumer holds the memory.
template <class Managed>
struct Export {
  Managed managed;
  DenseTensor tensor;
  std::vector<int64_t> shape, strides;
};

template <class Managed>
nb::object export_as(const DenseTensor& tensor, DLDataType type, const char* name) {
  auto* out = new Export<Managed>{{}, tensor, {}, {}};
  out->shape.assign(tensor.shape().begin(), tensor.shape().end());
  out->strides.resize(out->shape.size());
  int64_t stride = 1;
  for (size_t axis = out->shape.size(); axis-- > 0;) {
    out->strides[axis] = stride;
    stride *= out->shape[axis];
  }
  out->managed.tensor = {
      const_cast<void*>(tensor.raw()), {kCpu, 0}, static_cast<int32_t>(out->shape.size()), type, out->shape.data(), out->strides.data(), 0};
  out->managed.context = out;
  out->managed.deleter = [](Managed* self) { delete static_cast<Export<Managed>*>(self->context); };
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    out->managed.major = 1;
    out->managed.minor = 0;
    out->managed.flags = kReadOnly;
  }
  PyObject* capsule = PyCapsule_New(&out->managed, name, [](PyObject* object) {
    // A consumer that took the memory renamed the capsule.
    const char* wanted = std::is_same_v<Managed, DLManagedTensorVersioned> ? kVersioned : kPlain;
    if (PyCapsule_IsValid(object, wanted) == 0) return;
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(object, wanted));
    managed->deleter(managed);
  });
  if (capsule == nullptr) {
    delete out;
    throw nb::python_error();
  }
  return nb::steal(capsule);
}

nb::object to_dlpack(const DenseTensor& x, nb::handle max_version, nb::handle device, nb::handle copy) {
  if (!device.is_none() && nb::cast<int>(device[0]) != kCpu)
    throw nb::buffer_error("the tensor is in the memory of the CPU and is not moved elsewhere");
  const auto type = dlpack_type(x.dtype());
  if (!type) throw nb::buffer_error(concat("DLPack has no word for ", dtype_name(x.dtype()), " elements").c_str());
  DenseTensor tensor = x;
  if (copy.ptr() == Py_True) tensor = unwrap(DenseTensor::make(x.dtype(), x.shape(), unwrap(Buffer::copy_of(x.buffer().bytes()))));
  const bool versioned = !max_version.is_none() && nb::cast<int>(max_version[0]) >= 1;
  nb::object capsule =
      versioned ? export_as<DLManagedTensorVersioned>(tensor, *type, kVersioned) : export_as<DLManagedTensor>(tensor, *type, kPlain);
  if (versioned && copy.ptr() == Py_True) {
    static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.ptr(), kVersioned))->flags = kIsCopied;
  }
  return capsule;
}

// Elements that do not lie in C order are gathered into a new block, innermost axis first.
Result<Buffer> gather(const DLTensor& tensor, const std::byte* data, size_t width, int64_t count) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(count) * width));
  std::vector<int64_t> at(static_cast<size_t>(tensor.ndim), 0);
  std::byte* to = out.data();
  for (int64_t i = 0; i < count; ++i, to += width) {
    int64_t offset = 0;
    for (int axis = 0; axis < tensor.ndim; ++axis) offset += at[static_cast<size_t>(axis)] * tensor.strides[axis];
    std::memcpy(to, data + offset * static_cast<int64_t>(width), width);
    for (int axis = tensor.ndim; axis-- > 0;) {
      if (++at[static_cast<size_t>(axis)] < tensor.shape[axis]) break;
      at[static_cast<size_t>(axis)] = 0;
    }
  }
  return std::move(out).freeze();
}

DenseTensor adopt(const DLTensor& tensor, std::shared_ptr<const void> owner) {
  if (tensor.device.type != kCpu) throw nb::buffer_error("the tensor is not in the memory of the CPU; move it there first");
  const auto dtype = dtype_of_dlpack(tensor.dtype);
  if (!dtype) {
    throw nb::buffer_error(
        concat("DLPack elements of code ", int{tensor.dtype.code}, " and ", int{tensor.dtype.bits}, " bits have no TensorFlow dtype")
            .c_str());
  }
  const Shape shape = unwrap(Shape::checked(std::span(tensor.shape, static_cast<size_t>(tensor.ndim))));
  const int64_t count = shape.num_elements().value_or(0);
  const size_t width = dtype_size(*dtype);
  const auto* data = static_cast<const std::byte*>(tensor.data) + tensor.byte_offset;
  bool in_order = true;
  int64_t stride = 1;
  for (size_t axis = shape.rank(); axis-- > 0 && tensor.strides != nullptr && count > 0;) {
    if (shape[axis] != 1 && tensor.strides[axis] != stride) in_order = false;
    stride *= shape[axis];
  }
  if (!in_order) return unwrap(DenseTensor::make(*dtype, shape, unwrap(gather(tensor, data, width, count))));
  return unwrap(DenseTensor::make(*dtype, shape, Buffer::adopt(data, static_cast<size_t>(count) * width, std::move(owner))));
}

template <class Managed>
DenseTensor take(nb::handle capsule, const char* name, const char* used) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (managed == nullptr) throw nb::python_error();
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    if (managed->major > 1) throw nb::buffer_error("a DLPack capsule of a newer major version than 1");
  }
  PyCapsule_SetName(capsule.ptr(), used);
  // The producer's deleter may touch Python objects, and the last of our buffers may go in any thread.
  std::shared_ptr<const void> owner(managed, [](const void* held) {
    auto* inner = static_cast<Managed*>(const_cast<void*>(held));
    if (inner->deleter == nullptr || !Py_IsInitialized()) return;
    const PyGILState_STATE state = PyGILState_Ensure();
    inner->deleter(inner);
    PyGILState_Release(state);
  });
  return adopt(managed->tensor, std::move(owner));
}

DenseTensor from_dlpack(nb::handle value) {
  nb::object capsule = nb::borrow(value);
  if (PyCapsule_CheckExact(value.ptr()) == 0) {
    if (!nb::hasattr(value, "__dlpack__")) throw nb::type_error(concat("a ", Py_TYPE(value.ptr())->tp_name, " has no __dlpack__").c_str());
    if (nb::hasattr(value, "__dlpack_device__") && nb::cast<int>(nb::object(value.attr("__dlpack_device__")())[0]) != kCpu) {
      throw nb::buffer_error("the tensor is not in the memory of the CPU; move it there first");
    }
    try {
      capsule = value.attr("__dlpack__")(nb::arg("max_version") = nb::make_tuple(1, 0));
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_TypeError)) throw;  // a producer from before versions
      capsule = value.attr("__dlpack__")();
    }
  }
  if (PyCapsule_IsValid(capsule.ptr(), kVersioned) != 0) return take<DLManagedTensorVersioned>(capsule, kVersioned, kUsedVersioned);
  if (PyCapsule_IsValid(capsule.ptr(), kPlain) != 0) return take<DLManagedTensor>(capsule, kPlain, kUsedPlain);
  throw nb::type_error("no DLPack capsule, or one that was consumed already");
}

}  // namespace

void add_dlpack(nb::module_& m) {
  auto type = nb::borrow<nb::class_<DenseTensor>>(m.attr("DenseTensor"));
  type.def(
          "__dlpack__",
          [](const DenseTensor& x, nb::handle, nb::handle max_version, nb::handle device, nb::handle copy) {
            return to_dlpack(x, max_version, device, copy);
          },
          nb::kw_only(), nb::arg("stream") = nb::none(), nb::arg("max_version") = nb::none(), nb::arg("dl_device") = nb::none(),
          nb::arg("copy") = nb::none(),
          nb::sig("def __dlpack__(self, *, stream: typing.Any = None, max_version: tuple[int, int] | None = None, "
                  "dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> typing.Any"))
      .def(
          "__dlpack_device__", [](const DenseTensor&) { return nb::make_tuple(kCpu, 0); },
          nb::sig("def __dlpack_device__(self) -> tuple[int, int]"));
  m.def("from_dlpack", from_dlpack, nb::arg("value"), nb::sig("def from_dlpack(value: typing.Any) -> DenseTensor"),
        "A tensor over the memory of any object with __dlpack__ (an array of PyTorch, JAX, TensorFlow, CuPy on the CPU …); elements that "
        "do not\n"
        "lie in C order are copied.");
}

}  // namespace ferry::py
