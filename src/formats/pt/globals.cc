#include "formats/pt/globals.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace ferry::pt {
namespace {

constexpr ElementType kElements[] = {
    {"float64", DType::float64, 8},
    {"float32", DType::float32, 4},
    {"float16", DType::float16, 2},
    {"bfloat16", DType::bfloat16, 2},
    {"int64", DType::int64, 8},
    {"int32", DType::int32, 4},
    {"int16", DType::int16, 2},
    {"int8", DType::int8, 1},
    {"uint8", DType::uint8, 1},
    {"uint16", DType::uint16, 2},
    {"uint32", DType::uint32, 4},
    {"uint64", DType::uint64, 8},
    {"bool", DType::bool_, 1},
    {"complex64", DType::complex64, 8},
    {"complex128", DType::complex128, 16},
    {"complex32", DType::complex64, 4, Packing::complex32, false},
    {"bcomplex32", DType::complex64, 4, Packing::bcomplex32, false},
    {"float8_e4m3fn", DType::float8_e4m3fn, 1},
    {"float8_e5m2", DType::float8_e5m2, 1},
    {"float8_e4m3fnuz", DType::float8_e4m3fnuz, 1},
    {"float8_e5m2fnuz", DType::float8_e5m2fnuz, 1},
    {"float8_e8m0fnu", DType::uint8, 1, Packing::plain, false},
    {"float4_e2m1fn_x2", DType::float4_e2m1fn, 1, Packing::float4x2},
    {"qint8", DType::qint8, 1},
    {"quint8", DType::quint8, 1},
    {"qint32", DType::qint32, 4},
    {"quint4x2", DType::quint8, 1, Packing::quint4x2, false},
    {"quint2x4", DType::quint8, 1, Packing::quint2x4, false},
    {"bits8", DType::uint8, 1, Packing::plain, false},
    {"bits16", DType::uint16, 2, Packing::plain, false},
    {"bits1x8", DType::uint8, 1, Packing::plain, false},
    {"bits2x4", DType::uint8, 1, Packing::plain, false},
    {"bits4x2", DType::uint8, 1, Packing::plain, false},
};

// The names of typed storages and of the tensor classes that go with them: FloatStorage, FloatTensor.
constexpr std::pair<std::string_view, std::string_view> kTyped[] = {
    {"Double", "float64"},
    {"Float", "float32"},
    {"Half", "float16"},
    {"BFloat16", "bfloat16"},
    {"Long", "int64"},
    {"Int", "int32"},
    {"Short", "int16"},
    {"Char", "int8"},
    {"Byte", "uint8"},
    {"Bool", "bool"},
    {"ComplexFloat", "complex64"},
    {"ComplexDouble", "complex128"},
    {"QInt8", "qint8"},
    {"QUInt8", "quint8"},
    {"QInt32", "qint32"},
    {"QUInt4x2", "quint4x2"},
    {"QUInt2x4", "quint2x4"},
};

struct Row {
  std::string_view module, name;
  Meaning meaning;
};

constexpr Row kRows[] = {
    {"collections", "OrderedDict", {What::dict}},
    {"collections", "Counter", {What::dict}},
    {"collections", "defaultdict", {What::dict}},
    {"collections", "deque", {What::list}},
    {"builtins", "dict", {What::dict}},
    {"builtins", "list", {What::list}},
    {"builtins", "tuple", {What::tuple}},
    {"builtins", "set", {What::set}},
    {"builtins", "frozenset", {What::set}},
    {"builtins", "bytes", {What::bytes}},
    {"builtins", "bytearray", {What::bytes}},
    {"builtins", "complex", {What::complex_}},
    {"builtins", "int", {What::opaque}},
    {"builtins", "float", {What::opaque}},
    {"builtins", "bool", {What::opaque}},
    {"builtins", "str", {What::opaque}},
    {"builtins", "object", {What::opaque}},
    {"builtins", "range", {What::opaque}},
    {"builtins", "slice", {What::opaque}},
    {"builtins", "Ellipsis", {What::opaque}},
    {"_codecs", "encode", {What::encode}},
    {"copyreg", "_reconstructor", {What::construct}},
    {"copyreg", "__newobj__", {What::new_object}},
    {"argparse", "Namespace", {What::fields}},
    {"types", "SimpleNamespace", {What::fields}},
    {"pathlib", "Path", {What::text}},
    {"pathlib", "PosixPath", {What::text}},
    {"pathlib", "WindowsPath", {What::text}},
    {"pathlib", "PurePosixPath", {What::text}},
    {"pathlib", "PureWindowsPath", {What::text}},
    {"pathlib._local", "PosixPath", {What::text}},
    {"pathlib._local", "WindowsPath", {What::text}},
    {"datetime", "datetime", {What::opaque}},
    {"datetime", "date", {What::opaque}},
    {"datetime", "time", {What::opaque}},
    {"datetime", "timedelta", {What::opaque}},
    {"datetime", "timezone", {What::opaque}},
    {"decimal", "Decimal", {What::text}},
    {"fractions", "Fraction", {What::text}},
    {"uuid", "UUID", {What::opaque}},

    {"torch", "Size", {What::tuple}},
    {"torch", "device", {What::text, 1}},
    {"torch", "Tensor", {What::tensor_class}},
    {"torch._tensor", "Tensor", {What::tensor_class}},
    {"torch.tensor", "Tensor", {What::tensor_class}},
    {"torch.nn.parameter", "Parameter", {What::tensor_class}},
    {"torch.nn.parameter", "Buffer", {What::tensor_class}},
    {"torch.nn", "Parameter", {What::tensor_class}},
    {"torch.autograd.variable", "Variable", {What::tensor_class}},
    {"torch.nested._internal.nested_tensor", "NestedTensor", {What::tensor_class}},
    {"torch.nested._internal.nested_tensor", "_rebuild_njt", {What::rebuild_jagged}},
    {"torch._utils", "_rebuild_tensor", {What::rebuild_tensor, 1}},
    {"torch._utils", "_rebuild_tensor_v2", {What::rebuild_tensor, 2}},
    {"torch._utils", "_rebuild_tensor_v3", {What::rebuild_tensor, 3}},
    {"torch._utils", "_rebuild_parameter", {What::rebuild_parameter}},
    {"torch._utils", "_rebuild_parameter_with_state", {What::rebuild_parameter}},
    {"torch._utils", "_rebuild_qtensor", {What::rebuild_quantized}},
    {"torch._utils", "_rebuild_sparse_tensor", {What::rebuild_sparse}},
    {"torch._utils", "_rebuild_sparse_csr_tensor", {What::rebuild_sparse}},
    {"torch._utils", "_rebuild_nested_tensor", {What::rebuild_nested}},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", {What::rebuild_meta}},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", {What::rebuild_on_device}},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", {What::rebuild_on_device}},
    {"torch._utils", "_rebuild_xla_tensor", {What::rebuild_on_device}},
    {"torch._tensor", "_rebuild_from_type", {What::rebuild_from_type}},
    {"torch._tensor", "_rebuild_from_type_v2", {What::rebuild_from_type}},
    {"torch.tensor", "_rebuild_from_type", {What::rebuild_from_type}},
    {"torch.serialization", "_get_layout", {What::layout}},
    {"torch", "per_tensor_affine", {What::constant}},
    {"torch", "per_tensor_symmetric", {What::constant}},
    {"torch", "per_channel_affine", {What::constant}},
    {"torch", "per_channel_symmetric", {What::constant}},
    {"torch", "per_channel_affine_float_qparams", {What::constant}},
    {"torch.jit._pickle", "build_intlist", {What::script_list}},
    {"torch.jit._pickle", "build_doublelist", {What::script_list}},
    {"torch.jit._pickle", "build_boollist", {What::script_list}},
    {"torch.jit._pickle", "build_tensorlist", {What::script_list}},
    {"torch.jit._pickle", "restore_type_tag", {What::script_list}},

    {"numpy", "ndarray", {What::numpy_array}},
    {"numpy", "dtype", {What::numpy_dtype}},
    {"numpy.core.multiarray", "_reconstruct", {What::numpy_reconstruct}},
    {"numpy._core.multiarray", "_reconstruct", {What::numpy_reconstruct}},
    {"numpy.core.multiarray", "scalar", {What::numpy_scalar}},
    {"numpy._core.multiarray", "scalar", {What::numpy_scalar}},
    {"numpy.core.numeric", "_frombuffer", {What::numpy_frombuffer}},
    {"numpy._core.numeric", "_frombuffer", {What::numpy_frombuffer}},
};

// Modules whose functions act on the machine: named in a pickle to be called when it is loaded.
constexpr std::string_view kActing[] = {
    "os",      "posix",   "nt",       "sys",    "subprocess", "builtins",        "importlib", "runpy",    "socket",     "shutil",
    "ctypes",  "pickle",  "_pickle",  "pty",    "code",       "codeop",          "commands",  "operator", "webbrowser", "functools",
    "_codecs", "copyreg", "requests", "urllib", "http",       "multiprocessing", "threading", "signal",   "tempfile",   "marshal",
    "types",   "pip",     "pydoc",    "timeit", "inspect",    "asyncio",         "cProfile",  "profile",  "pdb",        "bdb",
};

bool is_acting(std::string_view module) {
  const std::string_view top = module.substr(0, module.find('.'));
  return std::ranges::find(kActing, top) != std::end(kActing);
}

// Rows first, then one meaning for each of the kinds that are found by pattern.
constexpr size_t kElementCount = std::size(kElements);
constexpr size_t kStorageAt = std::size(kRows), kDTypeAt = kStorageAt + kElementCount, kClassAt = kDTypeAt + kElementCount,
                 kScriptAt = kClassAt + kElementCount, kForeignAt = kScriptAt + 1, kCount = kForeignAt + 1;
constexpr std::array<Meaning, kCount> kMeanings = [] {
  std::array<Meaning, kCount> out{};
  for (size_t i = 0; i < std::size(kRows); ++i) out[i] = kRows[i].meaning;
  for (size_t i = 0; i < kElementCount; ++i) {
    out[kStorageAt + i] = {What::storage, 0, &kElements[i]};
    out[kDTypeAt + i] = {What::dtype, 0, &kElements[i]};
    out[kClassAt + i] = {What::tensor_class, 0, &kElements[i]};
  }
  out[kScriptAt] = {What::fields, 1};
  out[kForeignAt] = {What::foreign};
  return out;
}();

// FloatStorage → float32; with the suffix Tensor, FloatTensor.
const ElementType* typed(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return nullptr;
  name.remove_suffix(suffix.size());
  for (const auto& [prefix, element] : kTyped) {
    if (prefix == name) return element_type(element);
  }
  return nullptr;
}

std::optional<int> find(std::string_view module, std::string_view name) {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (kRows[i].name == name && kRows[i].module == module) return static_cast<int>(i);
  }
  const auto at = [](size_t base, const ElementType* element) { return static_cast<int>(base + static_cast<size_t>(element - kElements)); };
  if (module == "torch" || module.starts_with("torch.")) {
    const bool home = module == "torch" || module == "torch.storage" || module == "torch.cuda" || module == "torch.sparse" ||
                      module == "torch.cuda.sparse";
    if (home && (name == "UntypedStorage" || name == "_UntypedStorage")) return at(kStorageAt, element_type("uint8"));
    if (const auto* element = home ? typed(name, "Storage") : nullptr) return at(kStorageAt, element);
    if (const auto* element = home ? typed(name, "Tensor") : nullptr) return at(kClassAt, element);
    if (const auto* element = module == "torch" ? element_type(name) : nullptr) return at(kDTypeAt, element);
  }
  if (module == "numpy" && dtype_from_name(name)) return find("builtins", "object");  // numpy.float32, the class
  // What TorchScript compiled: data and names, the code lies elsewhere.
  if (module == "__torch__" || module.starts_with("__torch__.")) return static_cast<int>(kScriptAt);
  return std::nullopt;
}

}  // namespace

const ElementType* element_type(std::string_view name) {
  const auto* found = std::ranges::find(kElements, name, &ElementType::name);
  return found == std::end(kElements) ? nullptr : found;
}

const Meaning& meaning(int tag) { return kMeanings[static_cast<size_t>(tag)]; }

std::function<Result<int>(std::string_view module, std::string_view name)> resolver(bool opaque) {
  return [opaque](std::string_view module, std::string_view name) -> Result<int> {
    if (const auto found = find(module, name)) return *found;
    if (is_acting(module)) {
      return unsupported(
          "Python would call it on loading, and it can run anything; nothing was executed here. Do not load this file in Python");
    }
    if (opaque && !name.empty()) return static_cast<int>(kForeignAt);
    return unsupported(
        "neither a tensor nor plain data, and its code is not run here. Save the state_dict (torch.save(model.state_dict(), …)), or read "
        "what lies in such objects' fields with --set objects=opaque");
  };
}

}  // namespace ferry::pt
