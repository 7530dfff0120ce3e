#include "formats/arrow/leaf.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "ferry/checked.h"
#include "formats/arrow/bits.h"

namespace ferry::arrow {
namespace {

uint64_t count_of(const Piece& piece) { return static_cast<uint64_t>(piece.end - piece.begin); }

Status too_short(std::string_view what, uint64_t found, uint64_t needed, std::optional<uint64_t> offset) {
  return Status(StatusCode::data_loss, concat("a buffer of ", what, " has ", found, " bytes, expected at least ", needed), offset);
}

// Buffer `i` of the array, holding at least elements [0, end) of `width` bytes.
Result<Buffer> load_elements(const ArrayData& array, size_t i, int64_t end, uint64_t width, std::string_view what) {
  if (i >= array.buffers.size()) return data_loss(concat("an array without its buffer of ", what));
  FERRY_ASSIGN_OR_RETURN(Buffer buffer, array.buffers[i].load());
  const auto needed = checked_mul<uint64_t>(static_cast<uint64_t>(end), width);
  if (!needed || *needed > buffer.size()) return too_short(what, buffer.size(), needed.value_or(~uint64_t{0}), array.buffers[i].offset());
  return buffer;
}

Status refuse_nulls(const Piece& piece) {
  int64_t first = 0;
  FERRY_ASSIGN_OR_RETURN(const int64_t nulls, count_nulls(*piece.array, piece.begin, piece.end, &first));
  if (nulls == 0) return {};
  return unsupported(concat(nulls, " of ", piece.end - piece.begin, " values are null (the first is number ", first,
                            "), and only floating-point tensors have a value for that; fill them first (fill_null)"));
}

Result<DenseTensor> vector_of(DType dtype, uint64_t count, Buffer data) {
  return DenseTensor::make(dtype, Shape{static_cast<int64_t>(count)}, std::move(data));
}

template <class T>
void put_nans(const Piece& piece, const uint8_t* validity, T* out) {
  const T nan = T(std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = piece.begin; i < piece.end; ++i) {
    if (!get_bit(validity, i)) out[i - piece.begin] = nan;
  }
}

Result<DenseTensor> decode_plain(DType dtype, const Piece& piece) {
  const uint64_t width = dtype_size(dtype), count = count_of(piece);
  if (count == 0) return vector_of(dtype, 0, Buffer());
  FERRY_ASSIGN_OR_RETURN(const Buffer buffer, load_elements(*piece.array, 1, piece.end, width, "values"));
  Buffer data = buffer.slice(static_cast<uint64_t>(piece.begin) * width, count * width);
  if (dtype_class(dtype) != DTypeClass::kFloat) {
    FERRY_RETURN_IF_ERROR(refuse_nulls(piece));
    return vector_of(dtype, count, std::move(data));
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t nulls, count_nulls(*piece.array, piece.begin, piece.end));
  if (nulls == 0) return vector_of(dtype, count, std::move(data));
  FERRY_ASSIGN_OR_RETURN(const Buffer validity, piece.array->buffers[0].load());
  const auto* bits = reinterpret_cast<const uint8_t*>(validity.data());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(data.size()));
  std::memcpy(out.data(), data.data(), data.size());
  switch (dtype) {
    case DType::float16: put_nans(piece, bits, out.as<Half>().data()); break;
    case DType::float32: put_nans(piece, bits, out.as<float>().data()); break;
    default: put_nans(piece, bits, out.as<double>().data());
  }
  return vector_of(dtype, count, std::move(out).freeze());
}

Result<DenseTensor> decode_bools(const Piece& piece) {
  FERRY_RETURN_IF_ERROR(refuse_nulls(piece));
  const uint64_t count = count_of(piece);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(count));
  if (count > 0) {
    FERRY_ASSIGN_OR_RETURN(const Buffer bits, load_elements(*piece.array, 1, piece.end / 8 + (piece.end % 8 != 0), 1, "bits"));
    unpack_bits(reinterpret_cast<const uint8_t*>(bits.data()), piece.begin, piece.end, reinterpret_cast<uint8_t*>(out.data()));
  }
  return vector_of(DType::bool_, count, std::move(out).freeze());
}

// The offsets as int64; the string bytes stay where they are.
template <class Offset>
Result<DenseTensor> decode_strings(const Piece& piece) {
  FERRY_RETURN_IF_ERROR(refuse_nulls(piece));
  const uint64_t count = count_of(piece);
  if (count == 0) return DenseTensor::of_strings(Shape{0}, {});
  FERRY_ASSIGN_OR_RETURN(const Buffer buffer, load_elements(*piece.array, 1, piece.end + 1, sizeof(Offset), "offsets"));
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, load_elements(*piece.array, 2, 0, 1, "string bytes"));
  Buffer offsets = buffer.slice(static_cast<uint64_t>(piece.begin) * sizeof(Offset), (count + 1) * sizeof(Offset));
  if constexpr (sizeof(Offset) == 4) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer wide, MutableBuffer::of<int64_t>(count + 1));
    FERRY_ASSIGN_OR_RETURN(offsets, offsets.aligned(4));
    std::ranges::copy(offsets.as<Offset>(), wide.as<int64_t>().begin());
    offsets = std::move(wide).freeze();
  }
  return DenseTensor::make_strings(Shape{static_cast<int64_t>(count)}, std::move(offsets), std::move(bytes));
}

Result<DenseTensor> decode_fixed_strings(const Piece& piece, uint64_t width, const Limits& limits) {
  FERRY_RETURN_IF_ERROR(refuse_nulls(piece));
  const uint64_t count = count_of(piece);
  if (count == 0) return DenseTensor::of_strings(Shape{0}, {});
  FERRY_ASSIGN_OR_RETURN(const Buffer buffer, load_elements(*piece.array, 1, piece.end, width, "values"));
  FERRY_RETURN_IF_ERROR(check_expansion(buffer.size(), 8 * (count + 1), limits));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(count + 1));
  for (uint64_t i = 0; i <= count; ++i) offsets.as<int64_t>()[i] = static_cast<int64_t>(i * width);
  return DenseTensor::make_strings(Shape{static_cast<int64_t>(count)}, std::move(offsets).freeze(),
                                   buffer.slice(static_cast<uint64_t>(piece.begin) * width, count * width));
}

// One element of a string_view array.
struct View {
  int32_t size;
  char prefix[4];
  int32_t buffer, offset;
};
static_assert(sizeof(View) == 16);

Result<DenseTensor> decode_views(const Piece& piece, const Limits& limits) {
  FERRY_RETURN_IF_ERROR(refuse_nulls(piece));
  const uint64_t count = count_of(piece);
  if (count == 0) return DenseTensor::of_strings(Shape{0}, {});
  FERRY_ASSIGN_OR_RETURN(const Buffer buffer, load_elements(*piece.array, 1, piece.end, 16, "string views"));
  uint64_t from = buffer.size();
  std::vector<Buffer> heaps;
  for (size_t i = 2; i < piece.array->buffers.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(Buffer heap, piece.array->buffers[i].load());
    from += heap.size();
    heaps.push_back(std::move(heap));
  }
  const auto* views = buffer.data() + 16 * piece.begin;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(count + 1));
  const auto ends = offsets.as<int64_t>();
  ends[0] = 0;
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    View view;
    std::memcpy(&view, views + 16 * i, 16);
    if (view.size < 0) return data_loss(concat("string view ", i, " has length ", view.size));
    if (view.size > 12) {
      if (view.buffer < 0 || static_cast<size_t>(view.buffer) >= heaps.size() || view.offset < 0 ||
          static_cast<uint64_t>(view.offset) + static_cast<uint64_t>(view.size) > heaps[static_cast<size_t>(view.buffer)].size()) {
        return data_loss(
            concat("string view ", i, " points at [", view.offset, ", +", view.size, ") of buffer ", view.buffer, ", which is not there"));
      }
    }
    total += static_cast<uint64_t>(view.size);
    ends[i + 1] = static_cast<int64_t>(total);
  }
  FERRY_RETURN_IF_ERROR(check_expansion(from, total, limits));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(total));
  for (uint64_t i = 0; i < count; ++i) {
    View view;
    std::memcpy(&view, views + 16 * i, 16);
    if (view.size == 0) continue;
    const std::byte* text = view.size <= 12 ? views + 16 * i + 4 : heaps[static_cast<size_t>(view.buffer)].data() + view.offset;
    std::memcpy(bytes.data() + ends[i], text, static_cast<size_t>(view.size));
  }
  return DenseTensor::make_strings(Shape{static_cast<int64_t>(count)}, std::move(offsets).freeze(), std::move(bytes).freeze());
}

Result<DenseTensor> decode_values(const Field& field, const Piece& piece, const Limits& limits) {
  if (const auto plain = plain_dtype(field.type.id)) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, decode_plain(*plain, piece));
    if (field.extension() == "arrow.bool8" && *plain == DType::int8) return out.bitcast(DType::bool_);
    return out;
  }
  switch (field.type.id) {
    case TypeId::boolean: return decode_bools(piece);
    case TypeId::utf8:
    case TypeId::binary: return decode_strings<int32_t>(piece);
    case TypeId::large_utf8:
    case TypeId::large_binary: return decode_strings<int64_t>(piece);
    case TypeId::utf8_view:
    case TypeId::binary_view: return decode_views(piece, limits);
    case TypeId::fixed_size_binary: return decode_fixed_strings(piece, static_cast<uint64_t>(field.type.size), limits);
    default: return unsupported(concat("its type is ", type_name(field.type), ", which no tensor has; cast the column first"));
  }
}

template <class T>
Result<DenseTensor> take_fixed(const DenseTensor& values, std::span<const int64_t> indices) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<T>(indices.size()));
  const auto from = values.values<T>();
  const auto to = out.as<T>();
  for (size_t i = 0; i < indices.size(); ++i) to[i] = from[static_cast<size_t>(indices[i])];
  return vector_of(values.dtype(), indices.size(), std::move(out).freeze());
}

Result<DenseTensor> take_strings(const DenseTensor& values, std::span<const int64_t> indices, const Limits& limits) {
  const StringsView from = values.strings();
  uint64_t total = 0;
  for (const int64_t i : indices) total += from[i].size();
  FERRY_RETURN_IF_ERROR(check_expansion(values.num_bytes() + indices.size(), total, limits));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(indices.size() + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(total));
  int64_t at = 0;
  for (size_t i = 0; i < indices.size(); ++i) {
    offsets.as<int64_t>()[i] = at;
    const std::string_view text = from[indices[i]];
    if (!text.empty()) std::memcpy(bytes.data() + at, text.data(), text.size());
    at += static_cast<int64_t>(text.size());
  }
  offsets.as<int64_t>()[indices.size()] = at;
  return DenseTensor::make_strings(Shape{static_cast<int64_t>(indices.size())}, std::move(offsets).freeze(), std::move(bytes).freeze());
}

// Indices as int64. Null ones become `null_index`, where there is such a thing (a NaN put behind a float dictionary).
Result<MutableBuffer> decode_indices(TypeId index, const Piece& piece, int64_t size, std::optional<int64_t> null_index) {
  const uint64_t count = count_of(piece);
  const DType dtype = *plain_dtype(index);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(count));
  if (count == 0) return out;
  FERRY_ASSIGN_OR_RETURN(Buffer buffer, load_elements(*piece.array, 1, piece.end, dtype_size(dtype), "dictionary indices"));
  FERRY_ASSIGN_OR_RETURN(buffer, buffer.aligned(dtype_size(dtype)));
  const auto to = out.as<int64_t>();
  visit_dtype(dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (std::is_integral_v<T>) {
      for (uint64_t i = 0; i < count; ++i) to[i] = static_cast<int64_t>(buffer.as<T>()[static_cast<uint64_t>(piece.begin) + i]);
    }
  });
  if (null_index) {
    FERRY_ASSIGN_OR_RETURN(const int64_t nulls, count_nulls(*piece.array, piece.begin, piece.end));
    if (nulls > 0) {
      FERRY_ASSIGN_OR_RETURN(const Buffer validity, piece.array->buffers[0].load());
      for (uint64_t i = 0; i < count; ++i) {
        if (!get_bit(reinterpret_cast<const uint8_t*>(validity.data()), piece.begin + static_cast<int64_t>(i))) to[i] = *null_index;
      }
    }
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (static_cast<uint64_t>(to[i]) >= static_cast<uint64_t>(size)) {
      return data_loss(concat("element ", i, " is number ", to[i], " of a dictionary of ", null_index ? size - 1 : size));
    }
  }
  return out;
}

Result<DenseTensor> one_nan(DType dtype) {
  switch (dtype) {
    case DType::float16: return DenseTensor::of<Half>(Shape{1}, {Half(std::numeric_limits<float>::quiet_NaN())});
    case DType::float32: return DenseTensor::of<float>(Shape{1}, {std::numeric_limits<float>::quiet_NaN()});
    default: return DenseTensor::of<double>(Shape{1}, {std::numeric_limits<double>::quiet_NaN()});
  }
}

// Neighbouring pieces mostly share one dictionary: it is decoded once.
Result<std::vector<DenseTensor>> decode_dictionary(const Field& field, std::span<const Piece> pieces, const Limits& limits) {
  Field values_field = field;
  values_field.dictionary.reset();
  const auto dtype = leaf_dtype(values_field);
  if (!dtype) return unsupported(concat("its dictionary holds ", type_name(field.type), "; decode the column first (dictionary_decode)"));
  const bool is_float = dtype_class(*dtype) == DTypeClass::kFloat;
  std::vector<DenseTensor> out;
  DenseTensor values;
  const std::vector<std::shared_ptr<const ArrayData>>* known = nullptr;
  for (const Piece& piece : pieces) {
    if (known == nullptr || *known != piece.array->dictionary) {
      known = &piece.array->dictionary;
      std::vector<Piece> parts;
      for (const auto& part : *known) parts.push_back({part.get(), part->offset, part->offset + part->length});
      FERRY_ASSIGN_OR_RETURN(values, decode_leaf(values_field, parts, limits));
      if (is_float) {
        FERRY_ASSIGN_OR_RETURN(DenseTensor nan, one_nan(*dtype));
        const DenseTensor both[] = {std::move(values), std::move(nan)};
        FERRY_ASSIGN_OR_RETURN(values, concat_vectors(both));
      }
    }
    if (!is_float) FERRY_RETURN_IF_ERROR(refuse_nulls(piece));
    const int64_t size = values.num_elements();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer indices,
                           decode_indices(field.dictionary->index, piece, size, is_float ? std::optional(size - 1) : std::nullopt));
    auto taken = values.is_string()
                     ? take_strings(values, indices.as<int64_t>(), limits)
                     : visit_width(dtype_size(*dtype), [&]<class T>(TypeTag<T>) { return take_fixed<T>(values, indices.as<int64_t>()); });
    if (!taken.ok()) return taken.status();
    out.push_back(*std::move(taken));
  }
  return out;
}

}  // namespace

Status check_expansion(uint64_t from, uint64_t to, const Limits& limits) {
  if (to > limits.max_tensor_bytes) return limit_exceeded(concat(to, " bytes, more than ", limits.max_tensor_bytes, " (max_tensor_bytes)"));
  if (to > limits.free_expanded_bytes && to / limits.max_expansion_ratio > from) {
    return limit_exceeded(
        concat(from, " bytes stand for ", to, ", beyond the ratio of ", limits.max_expansion_ratio, " (max_expansion_ratio)"));
  }
  return {};
}

std::optional<DType> leaf_dtype(const Field& field) {
  if (const auto plain = plain_dtype(field.type.id)) {
    return field.extension() == "arrow.bool8" && *plain == DType::int8 && !field.dictionary ? DType::bool_ : *plain;
  }
  switch (field.type.id) {
    case TypeId::boolean: return DType::bool_;
    case TypeId::utf8:
    case TypeId::binary:
    case TypeId::large_utf8:
    case TypeId::large_binary:
    case TypeId::utf8_view:
    case TypeId::binary_view:
    case TypeId::fixed_size_binary: return DType::string;
    default: return std::nullopt;
  }
}

bool leaf_is_view(const Field& field, std::span<const Piece> pieces) {
  if (pieces.size() != 1 || field.dictionary) return false;
  const ArrayData& array = *pieces[0].array;
  if (array.nulls > 0) return false;
  size_t last = 1;
  uint64_t width = 8;
  if (const auto plain = plain_dtype(field.type.id)) {
    width = dtype_size(*plain);
  } else if (field.type.id == TypeId::large_utf8 || field.type.id == TypeId::large_binary) {
    last = 2;
  } else {
    return false;
  }
  for (size_t i = 1; i <= last && i < array.buffers.size(); ++i) {
    if (!array.buffers[i].shares_memory()) return false;
  }
  const auto offset = array.buffers.size() > 1 ? array.buffers[1].offset() : std::nullopt;
  return !offset || *offset % width == 0;
}

Result<DenseTensor> concat_vectors(std::span<const DenseTensor> parts) {
  if (parts.size() == 1) return parts[0];
  uint64_t count = 0, bytes = 0;
  for (const DenseTensor& part : parts) {
    count += static_cast<uint64_t>(part.num_elements());
    bytes += part.is_string() ? static_cast<uint64_t>(part.strings().total_bytes()) : part.num_bytes();
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(bytes));
  uint64_t at = 0;
  const auto put = [&](const void* data, uint64_t size) {
    if (size > 0) std::memcpy(out.data() + at, data, size);
    at += size;
  };
  if (!parts[0].is_string()) {
    for (const DenseTensor& part : parts) put(part.raw(), part.num_bytes());
    return vector_of(parts[0].dtype(), count, std::move(out).freeze());
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(count + 1));
  int64_t* to = offsets.as<int64_t>().data();
  for (const DenseTensor& part : parts) {
    const StringsView strings = part.strings();
    const int64_t shift = static_cast<int64_t>(at) - strings.offsets()[0];
    for (int64_t i = 0; i < strings.size(); ++i) *to++ = strings.offsets()[i] + shift;
    put(strings.bytes() + strings.offsets()[0], static_cast<uint64_t>(strings.total_bytes()));
  }
  *to = static_cast<int64_t>(at);
  return DenseTensor::make_strings(Shape{static_cast<int64_t>(count)}, std::move(offsets).freeze(), std::move(out).freeze());
}

Result<DenseTensor> decode_leaf(const Field& field, std::span<const Piece> pieces, const Limits& limits) {
  const auto dtype = leaf_dtype(field);
  if (!dtype) return unsupported(concat("its type is ", type_name(field.type), ", which no tensor has; cast the column first"));
  uint64_t count = 0;
  for (const Piece& piece : pieces) count += count_of(piece);
  const auto bytes = checked_mul<uint64_t>(count, std::max<uint64_t>(1, dtype_size(*dtype)));
  if (!bytes || *bytes > limits.max_tensor_bytes) {
    return limit_exceeded(
        concat(count, " elements of ", dtype_name(*dtype), " are more than ", limits.max_tensor_bytes, " bytes (max_tensor_bytes)"));
  }
  std::vector<DenseTensor> parts;
  if (field.dictionary) {
    FERRY_ASSIGN_OR_RETURN(parts, decode_dictionary(field, pieces, limits));
  } else {
    for (const Piece& piece : pieces) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor part, decode_values(field, piece, limits));
      parts.push_back(std::move(part));
    }
  }
  if (parts.empty()) {
    if (*dtype == DType::string) return DenseTensor::of_strings(Shape{0}, {});
    return vector_of(*dtype, 0, Buffer());
  }
  return concat_vectors(parts);
}

}  // namespace ferry::arrow
