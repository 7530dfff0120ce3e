// TensorMap → JSON text.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "formats/json/json.h"
#include "wire/utf8.h"

namespace ferry::json {
namespace {

// Names that mean something to the reader: such a tensor is written as an object, which is never taken for a part.
bool is_reserved(std::string_view name) {
  for (std::string_view word : {"indices", "values", "data", "dense_shape", "shape", "indptr", "dtype", "layout", "index_dtype", "metadata",
                                "flat_values", "b64"}) {
    if (name == word) return true;
  }
  return name.starts_with("row_splits") || name.starts_with("nested_row_splits");
}
bool is_body_key(std::string_view name) {
  return name == "inputs" || name == "instances" || name == "signature_name" || name == "__metadata__";
}

// A NaN that reading "NaN" does not give back: other sign or payload.
template <class T>
bool odd_nan(const DenseTensor& tensor, T) {
  using Float = std::conditional_t<is_complex_v<T>, typename std::conditional_t<is_complex_v<T>, T, std::complex<float>>::value_type, T>;
  const auto bytes = tensor.buffer().bytes();
  const auto* at = reinterpret_cast<const Float*>(bytes.data());
  const Float canonical = static_cast<Float>(std::numeric_limits<float>::quiet_NaN());
  for (size_t i = 0; i < bytes.size() / sizeof(Float); ++i) {
    if constexpr (is_small_float_v<Float>) {
      const auto value = static_cast<float>(at[i]);
      if (std::isnan(value) && at[i].bits != canonical.bits) return true;
    } else {
      if (std::isnan(at[i]) && std::memcmp(&at[i], &canonical, sizeof(Float)) != 0) return true;
    }
  }
  return false;
}

class Printer {
 public:
  Printer(const PrintOptions& options, std::string& out) : options_(options), out_(out) {}

  Status print(const TensorMap& tensors) {
    const bool metadata = !options_.plain && !tensors.metadata.empty();
    if (tensors.size() == 1 && tensors[0].name.empty() && !metadata) {
      FERRY_RETURN_IF_ERROR(entry(tensors[0]));
      out_ += '\n';
      return {};
    }
    const bool wrap =
        std::ranges::any_of(tensors, is_body_key, &TensorMap::Entry::name) || (metadata && tensors.size() == 1 && tensors[0].name.empty());
    out_ += '{';
    if (metadata) {
      out_ += "\"__metadata__\": ";
      print_metadata(tensors.metadata);
      if (wrap || !tensors.empty()) out_ += ",\n ";
    }
    if (wrap) out_ += "\"inputs\": {";
    bool first = true;
    for (const auto& e : tensors) {
      if (!first) out_ += ",\n ";
      first = false;
      FERRY_RETURN_IF_ERROR(name(e.name));
      out_ += ": ";
      FERRY_RETURN_IF_ERROR(entry(e));
    }
    out_ += wrap ? "}}\n" : "}\n";
    return {};
  }

 private:
  Status name(std::string_view text) {
    if (!is_utf8(text)) return unsupported(concat("the name ", quoted(text), " is not UTF-8 and JSON cannot hold it; use --rename"));
    append_string(out_, text);
    return {};
  }

  void print_metadata(const Metadata& metadata) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : metadata) {
      if (!first) out_ += ", ";
      first = false;
      append_string(out_, key);
      out_ += ": ";
      string(value);
    }
    out_ += '}';
  }

  void string(std::string_view text) {
    if (is_utf8(text)) return append_string(out_, text);
    out_ += "{\"b64\": \"";
    append_base64(out_, text);
    out_ += "\"}";
  }

  Status entry(const TensorMap::Entry& e) {
    metadata_ = options_.plain ? nullptr : &e.metadata;
    force_object_ = is_reserved(e.name) || is_body_key(e.name);
    const Status status = std::visit([&](const auto& tensor) { return any(tensor); }, e.tensor);
    return status.ok() ? status : status.with_context(quoted(e.name));
  }

  void end_object() {
    if (metadata_ != nullptr && !metadata_->empty()) {
      out_ += ", \"metadata\": ";
      print_metadata(*metadata_);
    }
    out_ += '}';
  }

  void shape(std::span<const int64_t> dims) {
    out_ += '[';
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      if (axis > 0) out_ += ", ";
      append_integer(out_, dims[axis]);
    }
    out_ += ']';
  }

  // ---- Elements

  static bool needs_bytes(const DenseTensor& tensor) {
    const DTypeClass c = dtype_class(tensor.dtype());
    if (tensor.dtype() == DType::int4 || tensor.dtype() == DType::int2 || tensor.dtype() == DType::uint4 ||
        tensor.dtype() == DType::uint2 || tensor.dtype() == DType::float4_e2m1fn) {
      return odd_small(tensor);
    }
    if (c != DTypeClass::kFloat && c != DTypeClass::kComplex) return false;
    return visit_dtype(tensor.dtype(), [&]<class Tag>(Tag) {
      using T = typename Tag::type;
      if constexpr (is_small_float_v<T> || is_complex_v<T> || std::is_floating_point_v<T>) {
        return odd_nan(tensor, T{});
      } else {
        return false;
      }
    });
  }
  // Four and two bits take a byte each: one whose upper bits are not as they should be keeps its byte.
  static bool odd_small(const DenseTensor& tensor) {
    const DType dtype = tensor.dtype();
    for (const uint8_t byte : tensor.values<uint8_t>()) {
      const auto signed_byte = static_cast<int8_t>(byte);
      const bool fine = dtype == DType::int4    ? signed_byte >= -8 && signed_byte < 8
                        : dtype == DType::int2  ? signed_byte >= -2 && signed_byte < 2
                        : dtype == DType::uint2 ? byte < 4
                                                : byte < 16;
      if (!fine) return true;
    }
    return false;
  }

  // Whether reading the bare lists gives this dtype and shape back.
  static bool plain_restores(const DenseTensor& tensor) {
    const DType dtype = tensor.dtype();
    if (dtype != DType::float32 && dtype != DType::int64 && dtype != DType::bool_ && dtype != DType::string) return false;
    if (tensor.num_elements() == 0) {
      if (dtype != DType::float32) return false;
      for (size_t axis = 0; axis + 1 < tensor.shape().rank(); ++axis) {
        if (tensor.shape()[axis] == 0) return false;
      }
      return tensor.shape().rank() <= 60;
    }
    return tensor.shape().rank() <= 60 && !needs_bytes(tensor);
  }

  // Nested lists around `one(i)` for each element.
  template <class One>
  void nest(std::span<const int64_t> dims, int64_t& i, One&& one) {
    if (dims.empty()) return one(i++);
    out_ += '[';
    if (dims.size() == 1) {
      for (int64_t k = 0; k < dims[0]; ++k) {
        if (k > 0) out_ += ", ";
        one(i++);
      }
    } else {
      for (int64_t k = 0; k < dims[0]; ++k) {
        if (k > 0) out_ += ", ";
        nest(dims.subspan(1), i, one);
      }
    }
    out_ += ']';
  }

  void elements(const DenseTensor& tensor, std::span<const int64_t> dims) {
    int64_t i = 0;
    if (tensor.is_string()) {
      const StringsView strings = tensor.strings();
      return nest(dims, i, [&](int64_t k) { string(strings[k]); });
    }
    visit_dtype(tensor.dtype(), [&]<class Tag>(Tag) {
      using T = typename Tag::type;
      const auto* values = static_cast<const T*>(tensor.raw());
      nest(dims, i, [&](int64_t k) {
        const T& value = values[k];
        if constexpr (std::is_same_v<T, bool>) {
          out_ += value ? "true" : "false";
        } else if constexpr (std::is_floating_point_v<T>) {
          append_float(out_, value);
        } else if constexpr (is_small_float_v<T>) {
          append_float(out_, static_cast<float>(value));
        } else if constexpr (is_complex_v<T>) {
          out_ += '[';
          append_float(out_, value.real());
          out_ += ", ";
          append_float(out_, value.imag());
          out_ += ']';
        } else if constexpr (is_small_int_v<T>) {
          append_integer(out_, static_cast<int64_t>(static_cast<int>(value)));
        } else if constexpr (std::is_signed_v<T>) {
          append_integer(out_, static_cast<int64_t>(value));
        } else {
          append_integer(out_, static_cast<uint64_t>(value));
        }
      });
    });
  }

  void key(std::string_view text) {
    if (out_.back() != '{') out_ += ", ";
    append_string(out_, text);
    out_ += ": ";
  }

  void dtype(std::string_view name, DType dtype) {
    key(name);
    append_string(out_, dtype_name(dtype));
  }

  // {"dtype", "shape", "values"}: exact for everything.
  void object(const DenseTensor& tensor) {
    out_ += '{';
    dtype("dtype", tensor.dtype());
    key("shape");
    shape(tensor.shape().dims());
    key("values");
    if (needs_bytes(tensor)) {
      out_ += "{\"b64\": \"";
      append_base64(out_, tensor.buffer().text());
      out_ += "\"}";
      return;
    }
    const int64_t count[] = {tensor.num_elements()};
    elements(tensor, count);
  }

  // The member `values` of a sparse or ragged object, with `dtype` before it where the values do not show it.
  void values(const DenseTensor& tensor) {
    if (options_.plain || plain_restores(tensor)) {
      key("values");
      return elements(tensor, tensor.shape().dims());
    }
    if (tensor.shape().rank() == 1 && !needs_bytes(tensor)) {
      dtype("dtype", tensor.dtype());
      key("values");
      return elements(tensor, tensor.shape().dims());
    }
    key("values");
    object(tensor);
    out_ += '}';
  }

  Status any(const DenseTensor& tensor) {
    const bool complex = dtype_class(tensor.dtype()) == DTypeClass::kComplex;
    if (options_.plain && complex) return unsupported("plain JSON has no word for complex numbers; write without plain, or use --cast");
    if (options_.plain || (plain_restores(tensor) && !force_object_ && (metadata_ == nullptr || metadata_->empty()))) {
      elements(tensor, tensor.shape().dims());
      return {};
    }
    object(tensor);
    end_object();
    return {};
  }

  Status any(const SparseTensor& tensor) {
    if (options_.plain && dtype_class(tensor.dtype()) == DTypeClass::kComplex) {
      return unsupported("plain JSON has no word for complex numbers; write without plain, or use --cast");
    }
    if (options_.plain && tensor.layout() == Layout::csc) return unsupported("plain JSON has no word for CSC; use --layout csr or coo");
    out_ += '{';
    if (tensor.layout() == Layout::csc) {
      key("layout");
      out_ += "\"csc\"";
    }
    if (tensor.layout() != Layout::coo) {
      if (tensor.index_dtype() != DType::int64 && !options_.plain) dtype("index_dtype", tensor.index_dtype());
      key("indptr");
      elements(tensor.indptr(), tensor.indptr().shape().dims());
    }
    key("indices");
    elements(tensor.indices(), tensor.indices().shape().dims());
    values(tensor.values());
    key("dense_shape");
    shape(tensor.shape().dims());
    end_object();
    return {};
  }

  Status any(const RaggedTensor& tensor) {
    if (options_.plain && dtype_class(tensor.dtype()) == DTypeClass::kComplex) {
      return unsupported("plain JSON has no word for complex numbers; write without plain, or use --cast");
    }
    out_ += '{';
    if (tensor.splits_dtype() != DType::int64 && !options_.plain) dtype("index_dtype", tensor.splits_dtype());
    values(tensor.flat_values());
    key("row_splits");
    if (tensor.ragged_rank() > 1) out_ += '[';
    for (size_t level = 0; level < tensor.ragged_rank(); ++level) {
      if (level > 0) out_ += ", ";
      elements(tensor.row_splits(level), tensor.row_splits(level).shape().dims());
    }
    if (tensor.ragged_rank() > 1) out_ += ']';
    end_object();
    return {};
  }

  const PrintOptions& options_;
  std::string& out_;
  const Metadata* metadata_ = nullptr;
  bool force_object_ = false;
};

}  // namespace

Status print_tensors(const TensorMap& tensors, const PrintOptions& options, std::string& out) {
  return Printer(options, out).print(tensors);
}

}  // namespace ferry::json
