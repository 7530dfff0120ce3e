// NumPy through its C interface, so that a call costs tens of nanoseconds and memory is shared with its owner kept.
// NumPy is imported when the first array is needed, not with the package. Only numpy.cc sees NumPy's headers.
#pragma once

#include <span>

#include "bind.h"
#include "ferry/buffer.h"

namespace ferry::py {

// A reference to a Python object that may be dropped from any thread.
std::shared_ptr<const void> python_owner(nb::object object);

// Tensors as arrays. The array shares the tensor's memory and is read-only; strings become an object array of bytes.
nb::object array_of(const DenseTensor& tensor);
// One whose memory is its own and writable.
nb::object array_copy(const DenseTensor& tensor);
// The tensor's bytes as a read-only uint8 array [size], whatever the dtype.
nb::object bytes_view(const Buffer& buffer);

// One of its own, not initialised.
nb::object new_array(DType dtype, const Shape& shape, void** data);

bool is_array(nb::handle value);
// Anything NumPy understands. Shares the memory of an array that is in C order, aligned and in native byte order; else copies.
// `dtype` casts. Strings: arrays of str, bytes, or objects of either.
DenseTensor dense_from(nb::handle value, std::optional<DType> dtype = std::nullopt, bool copy = false);

struct ArrayFacts {
  DType dtype;
  int rank;
  const int64_t* dims;
  const void* data;
  int64_t count;
};
// For the hot path: the array where it can be read in place (C order, native, fixed-size elements).
std::optional<ArrayFacts> array_in_place(nb::handle value);

// The elements of an object array in C order, borrowed, and its shape; nullopt for anything else.
std::optional<std::span<PyObject*>> object_elements(nb::handle value, Shape& shape);

// np.dtype ↔ DType.
nb::object numpy_dtype(DType dtype);                      // an error where NumPy (with ml_dtypes, if installed) has none
std::optional<DType> dtype_from_numpy(nb::handle value);  // np.dtype or anything np.dtype() takes
bool is_numpy_dtype(nb::handle value);

}  // namespace ferry::py
