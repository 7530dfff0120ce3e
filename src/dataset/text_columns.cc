#include "dataset/text_columns.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "ferry/cast.h"
#include "formats/text.h"
#include "wire/number.h"

namespace ferry::dataset {
namespace {

Status wrong(const csv::Field& field, DType dtype) {
  if (trimmed(field.text).empty()) {
    return data_loss(concat("found nothing, expected a value of dtype ", dtype_name(dtype), "; say what missing= values are to be"));
  }
  return data_loss(concat("found ", quoted(field.text), ", expected a value of dtype ", dtype_name(dtype)));
}

bool parse(std::string_view text, bool& out) {
  if (text == "1" || text == "true" || text == "True" || text == "TRUE") {
    out = true;
    return true;
  }
  out = false;
  return text == "0" || text == "false" || text == "False" || text == "FALSE";
}
template <class T>
bool parse(std::string_view text, T& out) {
  const char* const end = text.data() + text.size();
  if constexpr (std::is_floating_point_v<T> || sizeof(T) == 8) {
    return parse_number(text.data(), end, out) == end;
  } else {
    int64_t wide;
    if (parse_number(text.data(), end, wide) != end || wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max())
      return false;
    out = static_cast<T>(wide);
    return true;
  }
}

template <class T>
Result<DenseTensor> numbers(const FieldGrid& grid, size_t column, DType dtype, std::optional<double> missing, BufferPool& pool,
                            BadRow& bad) {
  const size_t rows = grid.rows();
  FERRY_ASSIGN_OR_RETURN(auto block, pool.allocate(rows * sizeof(T)));
  T* to = block.template as<T>().data();
  for (size_t i = 0; i < rows; ++i) {
    const csv::Field& field = grid.at(i, column);
    const std::string_view text = trimmed(field.text);
    if (text.empty() && (missing || std::is_floating_point_v<T>)) {
      to[i] = static_cast<T>(missing.value_or(std::numeric_limits<double>::quiet_NaN()));
      continue;
    }
    if (!parse(text, to[i])) {
      bad.row = i;
      return wrong(field, dtype);
    }
  }
  return DenseTensor::make(dtype, Shape{static_cast<int64_t>(rows)}, frozen(std::move(block), rows * sizeof(T)));
}

// Doubled quotes within quotes are one.
size_t put_text(char* to, const csv::Field& field) {
  const std::string_view text = field.text;
  if (!field.quoted || text.find('"') == std::string_view::npos) {
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    return text.size();
  }
  char* at = to;
  for (size_t i = 0; i < text.size(); ++i) {
    *at++ = text[i];
    if (text[i] == '"') ++i;
  }
  return static_cast<size_t>(at - to);
}

Result<DenseTensor> strings(const FieldGrid& grid, size_t column, BufferPool& pool) {
  const size_t rows = grid.rows();
  size_t bytes = 0;
  for (size_t i = 0; i < rows; ++i) bytes += grid.at(i, column).text.size();
  FERRY_ASSIGN_OR_RETURN(auto offsets, pool.allocate((rows + 1) * 8));
  FERRY_ASSIGN_OR_RETURN(auto heap, pool.allocate(bytes));
  int64_t* offset = offsets.as<int64_t>().data();
  size_t used = 0;
  offset[0] = 0;
  for (size_t i = 0; i < rows; ++i) {
    used += put_text(heap.as<char>().data() + used, grid.at(i, column));
    offset[i + 1] = static_cast<int64_t>(used);
  }
  return DenseTensor::make_strings(Shape{static_cast<int64_t>(rows)}, frozen(std::move(offsets), (rows + 1) * 8),
                                   frozen(std::move(heap), used));
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text::is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && text::is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_text_dtype(DType dtype) {
  switch (dtype) {
    case DType::float32:
    case DType::float64:
    case DType::int8:
    case DType::uint8:
    case DType::int16:
    case DType::uint16:
    case DType::int32:
    case DType::uint32:
    case DType::int64:
    case DType::uint64:
    case DType::bool_:
    case DType::string: return true;
    default: return false;
  }
}

Result<DenseTensor> text_column(const FieldGrid& grid, size_t column, DType dtype, std::optional<double> missing, BufferPool& pool,
                                BadRow& bad) {
  switch (dtype) {
    case DType::string: return strings(grid, column, pool);
    case DType::float32: return numbers<float>(grid, column, dtype, missing, pool, bad);
    case DType::float64: return numbers<double>(grid, column, dtype, missing, pool, bad);
    case DType::int8: return numbers<int8_t>(grid, column, dtype, missing, pool, bad);
    case DType::uint8: return numbers<uint8_t>(grid, column, dtype, missing, pool, bad);
    case DType::int16: return numbers<int16_t>(grid, column, dtype, missing, pool, bad);
    case DType::uint16: return numbers<uint16_t>(grid, column, dtype, missing, pool, bad);
    case DType::int32: return numbers<int32_t>(grid, column, dtype, missing, pool, bad);
    case DType::uint32: return numbers<uint32_t>(grid, column, dtype, missing, pool, bad);
    case DType::int64: return numbers<int64_t>(grid, column, dtype, missing, pool, bad);
    case DType::uint64: return numbers<uint64_t>(grid, column, dtype, missing, pool, bad);
    case DType::bool_: return numbers<bool>(grid, column, dtype, missing, pool, bad);
    default: return unsupported(concat("text is not read as ", dtype_name(dtype)));
  }
}

}  // namespace ferry::dataset
