// TensorMap → JSON text.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "formats/json/json.h"
#include "formats/text.h"
#include "wire/json_list.h"
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
  const size_t count = bytes.size() / sizeof(Float);
  if constexpr (std::is_floating_point_v<Float>) {
    // Few tensors hold a NaN at all, and this question a compiler turns into vector code.
    uint32_t nans = 0;
    for (size_t i = 0; i < count; ++i) nans |= at[i] != at[i];
    if (nans == 0) return false;
  }
  const Float canonical = static_cast<Float>(std::numeric_limits<float>::quiet_NaN());
  for (size_t i = 0; i < count; ++i) {
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
  Printer(const PrintOptions& options, text::Writer& out) : options_(options), out_(out) {}

  Status print(const TensorMap& tensors) {
    const bool metadata = !options_.plain && !tensors.metadata.empty();
    if (tensors.size() == 1 && tensors[0].name.empty() && !metadata) {
      FERRY_RETURN_IF_ERROR(entry(tensors[0]));
      out_.put('\n');
      return {};
    }
    const bool wrap =
        std::ranges::any_of(tensors, is_body_key, &TensorMap::Entry::name) || (metadata && tensors.size() == 1 && tensors[0].name.empty());
    out_.put('{');
    if (metadata) {
      out_.put("\"__metadata__\": ");
      print_metadata(tensors.metadata);
      if (wrap || !tensors.empty()) out_.put(",\n ");
    }
    if (wrap) out_.put("\"inputs\": {");
    bool first = true;
    for (const auto& e : tensors) {
      if (!first) out_.put(",\n ");
      first = false;
      FERRY_RETURN_IF_ERROR(name(e.name));
      out_.put(": ");
      FERRY_RETURN_IF_ERROR(entry(e));
    }
    out_.put(wrap ? "}}\n" : "}\n");
    return {};
  }

 private:
  Status name(std::string_view text) {
    if (!is_utf8(text)) return unsupported(concat("the name ", quoted(text), " is not UTF-8 and JSON cannot hold it; use --rename"));
    quote(text);
    return {};
  }

  void quote(std::string_view text) {
    scratch_.clear();
    append_string(scratch_, text);
    out_.put(scratch_);
  }

  void base64(std::string_view bytes) {
    constexpr size_t kPiece = 48 << 10;  // whole groups of three bytes
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kPiece))) {
      scratch_.clear();
      append_base64(scratch_, bytes.substr(0, kPiece));
      out_.put(scratch_);
    }
  }

  void open_object() {
    out_.put('{');
    first_key_ = true;
  }

  void print_metadata(const Metadata& metadata) {
    out_.put('{');
    bool first = true;
    for (const auto& [key, value] : metadata) {
      if (!first) out_.put(", ");
      first = false;
      quote(key);
      out_.put(": ");
      string(value);
    }
    out_.put('}');
  }

  void string(std::string_view text) {
    if (is_utf8(text)) return quote(text);
    out_.put("{\"b64\": \"");
    base64(text);
    out_.put("\"}");
  }

  Status entry(const TensorMap::Entry& e) {
    metadata_ = options_.plain ? nullptr : &e.metadata;
    force_object_ = is_reserved(e.name) || is_body_key(e.name);
    const Status status = std::visit([&](const auto& tensor) { return any(tensor); }, e.tensor);
    return status.ok() ? status : status.with_context(quoted(e.name));
  }

  void end_object() {
    if (metadata_ != nullptr && !metadata_->empty()) {
      out_.put(", \"metadata\": ");
      print_metadata(*metadata_);
    }
    out_.put('}');
  }

  void shape(std::span<const int64_t> dims) {
    out_.put('[');
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      if (axis > 0) out_.put(", ");
      out_.number(dims[axis]);
    }
    out_.put(']');
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

  // Nested lists: `inner(dims)` writes the lists of the last axes, however many it takes.
  template <class Inner>
  void nest(std::span<const int64_t> dims, size_t last, Inner&& inner) {
    if (dims.size() <= last) return inner(dims);
    out_.put('[');
    for (int64_t k = 0; k < dims[0]; ++k) {
      if (k > 0) out_.put(", ");
      nest(dims.subspan(1), last, inner);
    }
    out_.put(']');
  }

  // The same around `one(i)` for each element.
  template <class One>
  void nest_each(std::span<const int64_t> dims, One&& one) {
    int64_t i = 0;
    nest(dims, 0, [&](std::span<const int64_t>) { one(i++); });
  }

  // Numbers go out a block at a time, the last two axes in one go.
  template <class Wide, class T>
  void numbers(std::span<const int64_t> dims, const T* values) {
    if (dims.empty()) {
      size_t left = 1;
      return out_.done(list<Wide>(values, 1, 1, left) - 4);
    }
    nest(dims, 2, [&](std::span<const int64_t> inner) {
      const bool lists = inner.size() == 2;
      const auto row = static_cast<size_t>(inner.back());
      auto count = lists ? static_cast<size_t>(inner[0]) * row : row;
      if (count == 0) return nest(inner, 0, [](std::span<const int64_t>) {});
      size_t left = row;
      out_.put(lists ? "[[" : "[");
      while (count > 0) {
        const size_t now = std::min(count, kNumbers);
        char* at = list<Wide>(values, now, row, left);
        values += now;
        count -= now;
        out_.done(count > 0 ? at : at - 3);  // "], [" ends with "]"
      }
      if (lists) out_.put(']');
    });
  }
  static constexpr size_t kNumbers = 1024;

  template <class Wide, class T>
  char* list(const T* values, size_t count, size_t row, size_t& left) {
    char* const at = out_.room(count * kListItem + kListSlack);
    if constexpr (std::is_same_v<T, Wide>) {
      return print_list(at, values, count, row, left);
    } else {
      Wide wide[kNumbers];
      for (size_t i = 0; i < count; ++i) {
        if constexpr (is_small_int_v<T>) {
          wide[i] = static_cast<int>(values[i]);
        } else {
          wide[i] = static_cast<Wide>(values[i]);
        }
      }
      return print_list(at, wide, count, row, left);
    }
  }

  void elements(const DenseTensor& tensor, std::span<const int64_t> dims) {
    if (tensor.is_string()) {
      const StringsView strings = tensor.strings();
      return nest_each(dims, [&](int64_t k) { string(strings[k]); });
    }
    visit_dtype(tensor.dtype(), [&]<class Tag>(Tag) {
      using T = typename Tag::type;
      const auto* values = static_cast<const T*>(tensor.raw());
      if constexpr (std::is_same_v<T, bool>) {
        nest_each(dims, [&](int64_t k) { out_.put(values[k] ? "true" : "false"); });
      } else if constexpr (is_complex_v<T>) {
        nest_each(dims, [&](int64_t k) {
          out_.put('[');
          out_.done(print_json_number(out_.room(kNumberText), values[k].real()));
          out_.put(", ");
          out_.done(print_json_number(out_.room(kNumberText), values[k].imag()));
          out_.put(']');
        });
      } else if constexpr (std::is_same_v<T, double>) {
        numbers<double>(dims, values);
      } else if constexpr (std::is_floating_point_v<T> || is_small_float_v<T>) {
        numbers<float>(dims, values);
      } else if constexpr (is_small_int_v<T> || std::is_signed_v<T>) {
        numbers<int64_t>(dims, values);
      } else {
        numbers<uint64_t>(dims, values);
      }
    });
  }

  void key(std::string_view text) {
    if (!first_key_) out_.put(", ");
    first_key_ = false;
    quote(text);
    out_.put(": ");
  }

  void dtype(std::string_view name, DType dtype) {
    key(name);
    quote(dtype_name(dtype));
  }

  // {"dtype", "shape", "values"}: exact for everything.
  void object(const DenseTensor& tensor) {
    open_object();
    dtype("dtype", tensor.dtype());
    key("shape");
    shape(tensor.shape().dims());
    key("values");
    if (needs_bytes(tensor)) {
      out_.put("{\"b64\": \"");
      base64(tensor.buffer().text());
      out_.put("\"}");
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
    out_.put('}');
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
    open_object();
    if (tensor.layout() == Layout::csc) {
      key("layout");
      out_.put("\"csc\"");
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
    open_object();
    if (tensor.splits_dtype() != DType::int64 && !options_.plain) dtype("index_dtype", tensor.splits_dtype());
    values(tensor.flat_values());
    key("row_splits");
    if (tensor.ragged_rank() > 1) out_.put('[');
    for (size_t level = 0; level < tensor.ragged_rank(); ++level) {
      if (level > 0) out_.put(", ");
      elements(tensor.row_splits(level), tensor.row_splits(level).shape().dims());
    }
    if (tensor.ragged_rank() > 1) out_.put(']');
    end_object();
    return {};
  }

  const PrintOptions& options_;
  text::Writer& out_;
  std::string scratch_;
  bool first_key_ = false;  // of the object that is open
  const Metadata* metadata_ = nullptr;
  bool force_object_ = false;
};

}  // namespace

Status print_tensors(const TensorMap& tensors, const PrintOptions& options, ByteSink& sink) {
  text::Writer out(sink);
  FERRY_RETURN_IF_ERROR(Printer(options, out).print(tensors));
  return out.finish();
}

}  // namespace ferry::json
