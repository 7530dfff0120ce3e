// The classes and functions that a PyTorch checkpoint may name, and what each one means to us. Nothing of them is ever called.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "ferry/dtype.h"
#include "ferry/status.h"

namespace ferry::pt {

// How an element lies in a storage.
enum class Packing : uint8_t {
  plain,
  complex32,   // two float16
  bcomplex32,  // two bfloat16
  float4x2,    // two float4_e2m1fn, the low half first
  quint4x2,    // two 4-bit integers
  quint2x4,    // four 2-bit integers
};

struct ElementType {
  std::string_view name;  // PyTorch's, without "torch."
  DType dtype;            // what it is read as
  uint8_t size;           // bytes in a storage
  Packing packing = Packing::plain;
  bool same = true;  // dtype is the same thing; else the tensor's metadata says what it was
};
const ElementType* element_type(std::string_view name);

enum class What : uint8_t {
  dict,        // dict, OrderedDict, Counter
  list,        // list
  tuple,       // tuple, torch.Size
  set,         // set, frozenset
  bytes,       // bytes, bytearray
  encode,      // _codecs.encode: bytes spelt as Latin-1 text
  complex_,    // complex
  text,        // pathlib's paths, torch.device: joined arguments
  fields,      // objects with named attributes and no behaviour
  opaque,      // harmless, without tensors: a class that is only mentioned, a date
  construct,   // copyreg._reconstructor(class, base, state)
  new_object,  // copyreg.__newobj__(class, args…)
  storage,
  dtype,
  constant,  // torch.per_tensor_affine
  layout,    // torch.serialization._get_layout("torch.sparse_coo")
  tensor_class,
  rebuild_tensor,
  rebuild_parameter,
  rebuild_from_type,
  rebuild_sparse,
  rebuild_nested,
  rebuild_jagged,
  rebuild_quantized,
  rebuild_meta,
  rebuild_on_device,
  numpy_array,        // numpy.ndarray
  numpy_reconstruct,  // numpy.core.multiarray._reconstruct
  numpy_scalar,
  numpy_dtype,
  numpy_frombuffer,
  script_list,  // torch.jit._pickle.build_intlist and its kin: the argument itself
  foreign,      // anybody's class, under objects=opaque
};

struct Meaning {
  What what;
  uint8_t form = 0;                      // of rebuild functions: which version
  const ElementType* element = nullptr;  // of storages, dtypes and tensor classes
};

// Tags of pickle::Global.
const Meaning& meaning(int tag);
// For pickle::Options::resolve. With `opaque`, classes that are not known become objects of which only the fields are read;
// modules that can act on the machine stay refused.
std::function<Result<int>(std::string_view module, std::string_view name)> resolver(bool opaque);

}  // namespace ferry::pt
