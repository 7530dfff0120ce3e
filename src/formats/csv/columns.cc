#include "formats/csv/columns.h"

#include <complex>
#include <limits>

#include "formats/text.h"

namespace ferry::csv {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text::is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && text::is_blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class T>
bool parse_whole(std::string_view text, T& out) {
  const char* const end = text.data() + text.size();
  return parse_number(text.data(), end, out) == end;
}

std::optional<bool> bool_of(std::string_view text) {
  for (const std::string_view word : {"true", "True", "TRUE"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"false", "False", "FALSE"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

}  // namespace

void Guess::see(const Field& field) {
  const std::string_view text = trimmed(field.text);
  if (text.empty()) {
    missing_ = true;
    return;
  }
  any_ = true;
  int64_t as_int;
  uint64_t as_uint;
  double as_float;
  int64_ = int64_ && parse_whole(text, as_int);
  if (!int64_) uint64_ = uint64_ && parse_whole(text, as_uint);
  if (!int64_) float64_ = float64_ && parse_whole(text, as_float);
  bool_ = bool_ && bool_of(text).has_value();
}

DType Guess::dtype() const {
  if (!any_) return DType::float64;
  if (bool_ && !missing_) return DType::bool_;
  if (int64_ && !missing_) return DType::int64;
  if (!int64_ && uint64_ && !missing_) return DType::uint64;
  return int64_ || float64_ ? DType::float64 : DType::string;
}

Result<Column> Column::make(DType dtype, uint64_t count, const Limits& limits) {
  Column out;
  out.dtype_ = dtype;
  if (dtype == DType::string) {
    out.strings_.emplace();
    return out;
  }
  out.carrier_ = text::carrier(dtype);
  const size_t size = dtype_size(out.carrier_);
  if (count > limits.max_tensor_bytes / size) {
    return limit_exceeded(concat(count, " values exceed the limit on one tensor (max_tensor_bytes), ", limits.max_tensor_bytes, " bytes"));
  }
  FERRY_ASSIGN_OR_RETURN(out.data_, MutableBuffer::allocate(static_cast<size_t>(count) * size));
  return out;
}

bool Column::append(const Field& field) {
  if (strings_) {
    return (field.quoted ? strings_->append(unescaped(field)) : strings_->append(field.text)).ok();
  }
  const std::string_view text = trimmed(field.text);
  const size_t at = count_++;
  return text::visit_carrier(carrier_, [&]<class T>(TypeTag<T>) {
    if constexpr (is_complex_v<T>) {
      return false;
    } else {
      T& value = data_.as<T>()[at];
      if constexpr (std::is_floating_point_v<T>) {
        if (text.empty()) {
          value = std::numeric_limits<T>::quiet_NaN();
          return true;
        }
      }
      if (parse_whole(text, value)) return true;
      const auto word = bool_of(text);
      if (dtype_ != DType::bool_ || !word) return false;
      value = static_cast<T>(*word);
      return true;
    }
  });
}

Result<DenseTensor> Column::finish(Shape shape) && {
  if (strings_) return std::move(*strings_).finish(std::move(shape));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, DenseTensor::make(carrier_, std::move(shape), std::move(data_).freeze()));
  return text::narrow(std::move(values), dtype_);
}

}  // namespace ferry::csv
