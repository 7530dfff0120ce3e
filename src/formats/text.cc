#include "formats/text.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>

namespace ferry::text {
namespace {

constexpr size_t kFirstBlock = size_t{4} << 10, kBlock = size_t{256} << 10;
constexpr std::string_view kNoteStart = "ferry:";

template <class To, class From>
bool fits(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value == From{0} || value == From{1};
  } else if constexpr (is_small_int_v<To>) {
    if constexpr (!std::is_unsigned_v<From>) {
      if (!(value >= From{-8})) return false;
    }
    return value < From{16} && static_cast<From>(static_cast<int>(To(static_cast<int>(value)))) == value;
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    // Both ends are powers of two, exact in a float.
    constexpr From kEnd = From{2} * static_cast<From>(std::numeric_limits<To>::max() / 2 + 1);
    return value >= static_cast<From>(std::numeric_limits<To>::min()) && value < kEnd && value == std::trunc(value);
  } else if constexpr (std::is_integral_v<To> && std::is_integral_v<From>) {
    return std::in_range<To>(value);
  } else {
    return true;
  }
}

template <class To, class From>
To convert(From value) {
  if constexpr (is_small_int_v<To>) {
    return To(static_cast<int>(value));
  } else if constexpr (is_small_int_v<From>) {
    return static_cast<To>(static_cast<int>(value));
  } else if constexpr (is_small_float_v<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (is_small_float_v<From>) {
    return static_cast<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class From>
std::string shown(From value) {
  if constexpr (is_complex_v<From>) {
    return concat(static_cast<double>(value.real()), " ", static_cast<double>(value.imag()), "i");
  } else {
    char out[kNumberText];
    return std::string(out, print_number(out, value));
  }
}

}  // namespace

const char* line_end(const char* at, const char* end) {
  if (at == end) return end;
  const void* found = std::memchr(at, '\n', static_cast<size_t>(end - at));
  return found == nullptr ? end : static_cast<const char*>(found);
}

Status error_at(std::string_view text, const char* at, std::string_view message) {
  const auto line = std::count(text.data(), at, '\n') + 1;
  return data_loss_at(static_cast<uint64_t>(at - text.data()), concat("line ", line, ": ", message));
}

std::string word_at(const char* at, const char* end) {
  const char* after = at;
  while (after != end && !is_blank(*after) && *after != '\n') ++after;
  if (after != at) return quoted({at, static_cast<size_t>(after - at)});
  return at == end ? "the end of the file" : "the end of the line";
}

std::vector<std::string_view> split_lines(std::string_view text, size_t size) {
  std::vector<std::string_view> pieces;
  while (text.size() > size) {
    const size_t newline = text.find('\n', size - 1);
    if (newline == std::string_view::npos) break;
    pieces.push_back(text.substr(0, newline + 1));
    text.remove_prefix(newline + 1);
  }
  if (!text.empty()) pieces.push_back(text);
  return pieces;
}

std::pair<size_t, size_t> count_bytes(std::string_view text, char a, char b) {
  size_t of_a = 0, of_b = 0;
  while (!text.empty()) {
    // Counters of a byte each let the compiler compare a whole register at a time.
    const std::string_view run = text.substr(0, 255);
    uint8_t some_a = 0, some_b = 0;
    for (const char c : run) {
      some_a = static_cast<uint8_t>(some_a + (c == a));
      some_b = static_cast<uint8_t>(some_b + (c == b));
    }
    of_a += some_a;
    of_b += some_b;
    text.remove_prefix(run.size());
  }
  return {of_a, of_b};
}

DType carrier(DType dtype) {
  switch (dtype_class(dtype)) {
    case DTypeClass::kFloat: return dtype == DType::float64 ? DType::float64 : DType::float32;
    case DTypeClass::kComplex: return dtype;
    case DTypeClass::kUnsigned: return DType::uint64;
    case DTypeClass::kSigned:
    case DTypeClass::kBool:
    case DTypeClass::kQuantized:
    case DTypeClass::kString:
    case DTypeClass::kOpaque: return DType::int64;
  }
  __builtin_unreachable();
}

Result<DenseTensor> widen(const DenseTensor& values) {
  const DType wide = carrier(values.dtype());
  if (wide == values.dtype()) return values;
  const auto count = static_cast<size_t>(values.num_elements());
  return visit_dtype(values.dtype(), [&](auto from) -> Result<DenseTensor> {
    using From = typename decltype(from)::type;
    return visit_carrier(wide, [&](auto to) -> Result<DenseTensor> {
      using To = typename decltype(to)::type;
      if constexpr (is_complex_v<From> || is_complex_v<To>) {
        return internal_error("complex values are their own text");
      } else {
        FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<To>(count));
        const auto in = values.values<From>();
        std::transform(in.begin(), in.end(), out.as<To>().data(), [](From value) { return convert<To>(value); });
        return DenseTensor::make(wide, values.shape(), std::move(out).freeze());
      }
    });
  });
}

Result<DenseTensor> narrow(DenseTensor values, DType dtype) {
  if (dtype == values.dtype()) return values;
  const auto count = static_cast<size_t>(values.num_elements());
  return visit_dtype(dtype, [&](auto to) -> Result<DenseTensor> {
    using To = typename decltype(to)::type;
    return visit_carrier(values.dtype(), [&](auto from) -> Result<DenseTensor> {
      using From = typename decltype(from)::type;
      if constexpr (is_complex_v<From> != is_complex_v<To>) {
        return unsupported(concat(dtype_name(values.dtype()), " values cannot be read as ", dtype_name(dtype)));
      } else {
        FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<To>(count));
        const auto in = values.values<From>();
        To* const result = out.as<To>().data();
        for (size_t i = 0; i < count; ++i) {
          if (!fits<To>(in[i])) return data_loss(concat("value ", shown(in[i]), " of entry ", i, " does not fit ", dtype_name(dtype)));
          result[i] = convert<To>(in[i]);
        }
        return DenseTensor::make(dtype, values.shape(), std::move(out).freeze());
      }
    });
  });
}

Result<DType> dtype_option(std::string_view value, std::string_view name, DType otherwise) {
  if (value.empty()) return otherwise;
  const auto dtype = dtype_from_name(value);
  if (!dtype || !is_fixed_size(*dtype)) {
    return invalid_argument(concat(name, " is ", quoted(value), ", expected the name of a number type such as float32 or int64"));
  }
  return *dtype;
}

Writer::Writer(ByteSink& sink) : sink_(sink), block_(std::make_unique_for_overwrite<char[]>(kFirstBlock)), capacity_(kFirstBlock) {}

void Writer::put(std::string_view text) {
  std::memcpy(room(text.size()), text.data(), text.size());
  used_ += text.size();
}

// A small text is done in a small block; others get a large one before anything is handed on.
void Writer::make_room(size_t size) {
  if (used_ + size > kBlock) flush();
  if (capacity_ - used_ >= size) return;
  const size_t capacity = std::max(kBlock, size);
  auto block = std::make_unique_for_overwrite<char[]>(capacity);
  std::memcpy(block.get(), block_.get(), used_);
  block_ = std::move(block);
  capacity_ = capacity;
}

void Writer::flush() {
  if (used_ > 0 && status_.ok()) status_ = sink_.write(std::string_view(block_.get(), used_));
  used_ = 0;
}

Status Writer::finish() {
  flush();
  return status_;
}

std::string note_text(const Metadata& note) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out(kNoteStart);
  for (const auto& [key, value] : note) {
    out += concat(' ', key, '=');
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte > 0x20 && byte < 0x7f && c != '%') {
        out += c;
      } else {
        out += {'%', kHex[byte >> 4], kHex[byte & 15]};
      }
    }
  }
  return out;
}

Metadata parse_note(std::string_view comment) {
  Metadata note;
  const auto trim = [&] {
    while (!comment.empty() && is_blank(comment.front())) comment.remove_prefix(1);
  };
  const auto nibble = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  trim();
  if (!comment.starts_with(kNoteStart)) return note;
  comment.remove_prefix(kNoteStart.size());
  for (trim(); !comment.empty(); trim()) {
    const std::string_view pair = comment.substr(0, comment.find_first_of(" \t\r\n"));
    comment.remove_prefix(pair.size());
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return note;
    std::string value;
    for (size_t i = equals + 1; i < pair.size(); ++i) {
      if (pair[i] == '%' && i + 2 < pair.size() && nibble(pair[i + 1]) >= 0 && nibble(pair[i + 2]) >= 0) {
        value += static_cast<char>(nibble(pair[i + 1]) * 16 + nibble(pair[i + 2]));
        i += 2;
      } else {
        value += pair[i];
      }
    }
    note.set(pair.substr(0, equals), value);
  }
  return note;
}

}  // namespace ferry::text
