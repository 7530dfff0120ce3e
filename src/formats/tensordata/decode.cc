#include <algorithm>
#include <cstring>

#include "ferry/cast.h"
#include "ferry/checked.h"
#include "formats/tensordata/tensordata.h"
#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::tensordata {
namespace {

using proto::bytes_tag;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

}  // namespace

std::optional<DType> dtype_from_spelling(std::string_view text) {
  if (const auto dtype = dtype_from_name(text)) return dtype;
  // <dtype: 'float32'>, <class 'numpy.float32'>, dtype('<f4')
  if (const size_t open = text.find('\''); open != std::string_view::npos) {
    const size_t close = text.find('\'', open + 1);
    if (close == std::string_view::npos) return std::nullopt;
    text = text.substr(open + 1, close - open - 1);
  }
  if (const size_t dot = text.rfind('.'); dot != std::string_view::npos) text.remove_prefix(dot + 1);
  std::string name = lower(text);
  if (name.starts_with("dt_")) name.erase(0, 3);
  if (name == "bool_") name = "bool";
  return dtype_from_name(name);
}

Result<TensorDataView> TensorDataView::decode(std::span<const std::byte> bytes, const Limits& limits) {
  TensorDataView out;
  out.message_ = bytes;
  if (Status status = out.read_fields(limits); !status.ok()) return status.with_context("not a TensorData message");
  if (!out.dtype_text_.empty()) {
    const auto dtype = dtype_from_spelling(out.dtype_text_);
    const auto at = static_cast<uint64_t>(reinterpret_cast<const std::byte*>(out.dtype_text_.data()) - bytes.data());
    if (!dtype || *dtype == DType::resource || *dtype == DType::variant) {
      return data_loss_at(
          at, concat("the TensorData's dtype is ", quoted(out.dtype_text_), ", expected a name like 'float32', 'tf.int64' or 'DT_BOOL'"));
    }
    out.dtype_ = *dtype;
  } else if (out.strings_ > 0) {
    out.dtype_ = DType::string;
  } else if (bytes.empty()) {
    return data_loss("an empty file is no TensorData message: without a dtype, a shape and an element there is no tensor");
  }
  const auto count = out.shape_.num_elements();
  if (!count) return data_loss(concat("shape ", out.shape_.to_string(), " has more elements than 63 bits can count"));
  out.count_ = static_cast<uint64_t>(*count);
  FERRY_RETURN_IF_ERROR(out.check_counts());
  return out;
}

Status TensorDataView::read_fields(const Limits& limits) {
  proto::Reader in(message_);
  const auto add_axis = [&](uint64_t value) -> Status {
    const auto dim = static_cast<int64_t>(value);
    if (shape_.rank() >= limits.max_rank) return limit_exceeded(concat("more than ", limits.max_rank, " axes (max_rank)"));
    if (dim < 0) return data_loss_at(in.field_offset(), concat("axis ", shape_.rank(), " has the negative length ", dim));
    shape_.append(dim);
    return {};
  };
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(kData): {
        const auto packed = in.bytes();
        if (packed.size() % 4 != 0) {
          return data_loss_at(in.offset() - packed.size(), concat("the packed floats are ", packed.size(), " bytes, no multiple of 4"));
        }
        if (packed.empty()) break;
        elements_ = packed;
        floats_ += packed.size() / 4;
        ++chunks_;
        break;
      }
      case proto::fixed32_tag(kData):
        in.fixed32();
        ++floats_;
        chunks_ += 2;  // not in one piece
        break;
      case bytes_tag(kShape): {
        const auto packed = in.bytes();
        Status status;
        const bool whole = proto::for_each_varint(packed, [&](uint64_t value) {
          if (status.ok()) status = add_axis(value);
        });
        FERRY_RETURN_IF_ERROR(status);
        if (!whole) return data_loss_at(in.offset() - packed.size(), "the packed shape ends inside a value");
        break;
      }
      case proto::varint_tag(kShape): FERRY_RETURN_IF_ERROR(add_axis(in.varint())); break;
      case bytes_tag(kDType): dtype_text_ = in.text(); break;
      case bytes_tag(kContent):
        content_ = in.bytes();
        has_content_ = true;
        break;
      case bytes_tag(kStrings):
        text_bytes_ += in.bytes().size();
        ++strings_;
        break;
      case bytes_tag(kName): name_ = in.text(); break;
      case bytes_tag(kMetadata): {
        proto::Reader entry = in.message();
        std::string_view key, value;
        while (entry.next()) {
          if (entry.tag() == bytes_tag(1)) {
            key = entry.text();
          } else if (entry.tag() == bytes_tag(2)) {
            value = entry.text();
          } else {
            entry.skip();
          }
        }
        FERRY_RETURN_IF_ERROR(entry.status());
        metadata_.append(std::string(key), std::string(value));
        break;
      }
      default: in.skip();
    }
  }
  if (in.ok() && !is_utf8(name_)) return data_loss(concat("the tensor's name is not UTF-8: ", quoted(name_)));
  return in.status();
}

Status TensorDataView::check_counts() const {
  const auto mismatch = [&](uint64_t found, std::string_view what) {
    const std::string hint = shape_.rank() == 0 && count_ == 1 ? " (no shape is given, which means a scalar)" : "";
    return data_loss(concat("the TensorData holds ", found, what, ", shape ", shape_.to_string(), " needs ", count_, hint));
  };
  if (dtype_ == DType::string) {
    if (floats_ > 0)
      return data_loss(concat("the TensorData's dtype is string and it holds ", floats_, " floats; strings stand in field 17"));
    return strings_ == count_ ? Status() : mismatch(strings_, " strings");
  }
  if (has_content_ || (floats_ == 0 && count_ == 0)) {
    const auto bytes = checked_mul<uint64_t>(count_, dtype_size(dtype_));
    if (!bytes || content_.size() != *bytes) {
      return data_loss(concat("the TensorData's exact elements are ", content_.size(), " bytes, shape ", shape_.to_string(), " of ",
                              dtype_name(dtype_), " needs ", bytes.value_or(UINT64_MAX)));
    }
    if (dtype_ == DType::bool_) {
      const auto bad = std::ranges::find_if(content_, [](std::byte b) { return static_cast<uint8_t>(b) > 1; });
      if (bad != content_.end()) return data_loss(concat("a bool is stored as ", static_cast<int>(*bad), ", expected 0 or 1"));
    }
    if (floats_ == 0) return {};
  }
  return floats_ == count_ ? Status() : mismatch(floats_, " floats");
}

Result<DenseTensor> TensorDataView::read_strings() const {
  StringsBuilder builder;
  proto::Reader in(message_);
  while (in.next()) {
    if (in.tag() == bytes_tag(kStrings)) {
      FERRY_RETURN_IF_ERROR(builder.append(in.text()));
    } else {
      in.skip();
    }
  }
  return std::move(builder).finish(shape_);
}

Result<DenseTensor> TensorDataView::read_floats() const {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<float>(static_cast<size_t>(count_)));
  std::byte* out = block.data();
  proto::Reader in(message_);
  while (in.next()) {
    if (in.tag() == bytes_tag(kData)) {
      const auto packed = in.bytes();
      if (!packed.empty()) std::memcpy(out, packed.data(), packed.size());
      out += packed.size();
    } else if (in.tag() == proto::fixed32_tag(kData)) {
      const uint32_t bits = in.fixed32();
      std::memcpy(out, &bits, 4);
      out += 4;
    } else {
      in.skip();
    }
  }
  return DenseTensor::make(DType::float32, shape_, std::move(block).freeze());
}

Result<DenseTensor> TensorDataView::to_tensor(const Buffer& source) const {
  if (dtype_ == DType::string) return read_strings();
  const auto view = [&](std::span<const std::byte> bytes) {
    return bytes.empty() ? Buffer() : source.slice(static_cast<size_t>(bytes.data() - source.data()), bytes.size());
  };
  if (has_content_ || count_ == 0) return DenseTensor::make(dtype_, shape_, view(content_));
  DenseTensor floats;
  if (chunks_ == 1) {
    FERRY_ASSIGN_OR_RETURN(floats, DenseTensor::make(DType::float32, shape_, view(elements_)));
  } else {
    FERRY_ASSIGN_OR_RETURN(floats, read_floats());
  }
  if (dtype_ == DType::float32) return floats;
  CastOptions checked;
  checked.checked = true;
  auto out = cast(floats, dtype_, checked);
  if (!out.ok()) {
    return data_loss(concat("the TensorData's dtype is ", dtype_text_, " and its floats do not fit it: ", out.status().message()));
  }
  return out;
}

}  // namespace ferry::tensordata
