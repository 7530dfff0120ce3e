#include "formats/npy/header.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ferry/checked.h"
#include "formats/npy/literal.h"

namespace ferry::npy {
namespace {

constexpr uint64_t kPreamble = 10;  // of version 1; 12 of 2 and 3
constexpr uint64_t kAlign = 64;
constexpr size_t kGrowthDigits = 21;  // numpy.save leaves room for the first axis to grow to so many digits
constexpr int64_t kMostEmptyStrings = int64_t{1} << 20;

struct Spelling {
  DType dtype;
  std::string_view descr;  // as it stands in the header, quotes included
  bool comment;            // the descr leaves the dtype open, a comment tells it
};

// What ml_dtypes' types are saved as. numpy.load refuses the '<f1' that float8_e5m2 would get, so that one goes as void too.
Spelling spelling(DType dtype) {
  switch (dtype) {
    case DType::float32: return {dtype, "'<f4'", false};
    case DType::float64: return {dtype, "'<f8'", false};
    case DType::float16: return {dtype, "'<f2'", false};
    case DType::int8: return {dtype, "'|i1'", false};
    case DType::int16: return {dtype, "'<i2'", false};
    case DType::int32: return {dtype, "'<i4'", false};
    case DType::int64: return {dtype, "'<i8'", false};
    case DType::uint8: return {dtype, "'|u1'", false};
    case DType::uint16: return {dtype, "'<u2'", false};
    case DType::uint32: return {dtype, "'<u4'", false};
    case DType::uint64: return {dtype, "'<u8'", false};
    case DType::bool_: return {dtype, "'|b1'", false};
    case DType::complex64: return {dtype, "'<c8'", false};
    case DType::complex128: return {dtype, "'<c16'", false};
    case DType::bfloat16: return {dtype, "'<V2'", false};
    case DType::qint8: return {dtype, "[('qint8', '|i1')]", false};
    case DType::quint8: return {dtype, "[('quint8', '|u1')]", false};
    case DType::qint16: return {dtype, "[('qint16', '<i2')]", false};
    case DType::quint16: return {dtype, "[('quint16', '<u2')]", false};
    case DType::qint32: return {dtype, "[('qint32', '<i4')]", false};
    case DType::float8_e5m2:
    case DType::float8_e4m3fn:
    case DType::float8_e4m3fnuz:
    case DType::float8_e4m3b11fnuz:
    case DType::float8_e5m2fnuz:
    case DType::float4_e2m1fn:
    case DType::int4:
    case DType::uint4:
    case DType::int2:
    case DType::uint2: return {dtype, "'<V1'", true};
    case DType::string:
    case DType::resource:
    case DType::variant: break;
  }
  return {dtype, "", false};
}

Status bad_descr(std::string_view descr) {
  return data_loss(concat("descr ", quoted(descr), " is no NumPy dtype, expected one like '<f4'"));
}

// "<f4" and its kin.
Status read_descr(std::string_view descr, DType one_byte_void, std::string_view comment, Header& header) {
  std::string_view rest = descr;
  char order = '=';
  if (!rest.empty() && (rest[0] == '<' || rest[0] == '>' || rest[0] == '|' || rest[0] == '=')) {
    order = rest[0];
    rest.remove_prefix(1);
  }
  if (rest.empty()) return bad_descr(descr);
  const char kind = rest[0];
  rest.remove_prefix(1);
  if (kind == 'O') {
    return invalid_argument(
        "holds Python objects (dtype object), whose bytes are a pickle; pickles are never executed: save it with a plain dtype");
  }
  if (kind == 'M' || kind == 'm') {
    return unsupported(concat("elements are ", kind == 'M' ? "dates" : "time spans", " (", quoted(descr),
                              "), for which there is no tensor dtype; save x.astype('int64') instead"));
  }
  uint64_t size = 0;
  if (kind == '?' && rest.empty()) {
    size = 1;
  } else {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    if (error != std::errc() || end != rest.data() + rest.size()) return bad_descr(descr);
  }
  header.swapped = order == '>' && size > 1;
  const auto plain = [&](DType dtype) {
    header.dtype = dtype;
    header.encoding = Encoding::plain;
    header.item_size = dtype_size(dtype);
    return Status();
  };
  switch (kind) {
    case '?':
    case 'b':
      if (size == 1) return plain(DType::bool_);
      break;
    case 'i':
      if (size == 1) return plain(DType::int8);
      if (size == 2) return plain(DType::int16);
      if (size == 4) return plain(DType::int32);
      if (size == 8) return plain(DType::int64);
      break;
    case 'u':
      if (size == 1) return plain(DType::uint8);
      if (size == 2) return plain(DType::uint16);
      if (size == 4) return plain(DType::uint32);
      if (size == 8) return plain(DType::uint64);
      break;
    case 'f':
      if (size == 1) return plain(DType::float8_e5m2);  // as ml_dtypes names it; NumPy itself has no such type
      if (size == 2) return plain(DType::float16);
      if (size == 4) return plain(DType::float32);
      if (size == 8) return plain(DType::float64);
      if (size == 12 || size == 16) {
        return unsupported(
            concat("elements are long doubles (", quoted(descr), "), which differ between machines; save x.astype('float64')"));
      }
      break;
    case 'c':
      if (size == 8) return plain(DType::complex64);
      if (size == 16) return plain(DType::complex128);
      if (size == 24 || size == 32) {
        return unsupported(
            concat("elements are complex long doubles (", quoted(descr), "), which differ between machines; save x.astype('complex128')"));
      }
      break;
    case 'V':
      // ml_dtypes registers its types as void of their width.
      if (size == 2) return plain(DType::bfloat16);
      if (size == 1) {
        if (const auto named = dtype_from_name(comment); named && spelling(*named).comment) return plain(*named);
        if (one_byte_void == DType::uint8) header.untyped = descr;
        return plain(one_byte_void);
      }
      return unsupported(
          concat("elements are ", size, " raw bytes each (", quoted(descr), "); save a view of them, such as x.view('uint8')"));
    case 'a':
    case 'S':
    case 'U':
      header.dtype = DType::string;
      header.encoding = kind == 'U' ? Encoding::unicode : Encoding::bytes;
      if (size > (uint64_t{1} << 31)) return bad_descr(descr);
      header.item_size = static_cast<size_t>(kind == 'U' ? size * 4 : size);
      header.swapped = kind == 'U' && order == '>';
      return {};
    default: break;
  }
  return bad_descr(descr);
}

// TensorFlow's quantized types are records of one field with the type's name.
Status read_record(const Literal& fields, Header& header) {
  const auto refuse = [&] {
    return unsupported(concat("elements are records (", quoted(fields.source), "); save each field as an array of its own"));
  };
  if (fields.items.size() != 1 || fields.items[0].kind != Literal::Kind::tuple || fields.items[0].items.size() != 2) return refuse();
  const auto& pair = fields.items[0].items;
  if (pair[0].kind != Literal::Kind::text || pair[1].kind != Literal::Kind::text) return refuse();
  const auto dtype = dtype_from_name(pair[0].text);
  if (!dtype || dtype_class(*dtype) != DTypeClass::kQuantized) return refuse();
  Header base;
  FERRY_RETURN_IF_ERROR(read_descr(pair[1].text, DType::uint8, "", base));
  if (base.item_size != dtype_size(*dtype) || base.encoding != Encoding::plain) return refuse();
  header.dtype = *dtype;
  header.encoding = Encoding::plain;
  header.item_size = base.item_size;
  header.swapped = base.swapped;
  return {};
}

Status read_dict(const ParsedLiteral& parsed, const Limits& limits, DType one_byte_void, Header& header) {
  const Literal& dict = parsed.value;
  if (dict.kind != Literal::Kind::dict) return data_loss(concat("header is ", quoted(dict.source), ", expected a dictionary"));
  const Literal* descr = nullptr;
  const Literal* fortran = nullptr;
  const Literal* shape = nullptr;
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const std::string& key = dict.items[i].text;
    const Literal** slot = key == "descr" ? &descr : key == "fortran_order" ? &fortran : key == "shape" ? &shape : nullptr;
    if (slot == nullptr) return data_loss(concat("header has the key ", quoted(key), ", expected only descr, fortran_order and shape"));
    if (*slot != nullptr) return data_loss(concat("header has the key ", quoted(key), " twice"));
    *slot = &dict.items[i + 1];
  }
  for (const auto& [value, key] : {std::pair{descr, "descr"}, {fortran, "fortran_order"}, {shape, "shape"}}) {
    if (value == nullptr) return data_loss(concat("header has no key '", std::string_view(key), "'"));
  }
  if (fortran->kind != Literal::Kind::boolean) {
    return data_loss(concat("fortran_order is ", quoted(fortran->source), ", expected True or False"));
  }
  header.fortran = fortran->truth;
  if (shape->kind != Literal::Kind::tuple) return data_loss(concat("shape is ", quoted(shape->source), ", expected a tuple"));
  std::vector<int64_t> dims;
  for (const Literal& dim : shape->items) {
    if (dim.kind != Literal::Kind::integer) return data_loss(concat("shape is ", quoted(shape->source), ", expected a tuple of numbers"));
    dims.push_back(dim.number);
  }
  FERRY_ASSIGN_OR_RETURN(header.shape, Shape::checked(dims, limits));
  if (descr->kind == Literal::Kind::text) return read_descr(descr->text, one_byte_void, parsed.comment, header);
  if (descr->kind == Literal::Kind::list) return read_record(*descr, header);
  if (descr->kind == Literal::Kind::tuple) {
    return unsupported(concat("elements are arrays themselves (", quoted(descr->source), "); save a view with plain elements"));
  }
  return bad_descr(descr->source);
}

Status check_size(const Header& header, const Limits& limits) {
  if (header.item_size == 0 && *header.shape.num_elements() > kMostEmptyStrings) {
    return limit_exceeded(concat("shape ", header.shape.to_string(), " of strings of width 0 exceeds the limit of ", kMostEmptyStrings));
  }
  if (header.data_bytes > limits.max_tensor_bytes) {
    return limit_exceeded(
        concat("elements take ", header.data_bytes, " bytes, more than the limit of ", limits.max_tensor_bytes, " (max_tensor_bytes)"));
  }
  return {};
}

}  // namespace

bool Header::as_is() const {
  if (encoding != Encoding::plain || swapped) return false;
  if (!fortran) return true;
  size_t wide = 0;
  for (int64_t dim : shape) wide += dim > 1;
  return wide <= 1 || *shape.num_elements() == 0;
}

Result<uint64_t> header_size(std::span<const std::byte> head, uint64_t total) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (!text.starts_with(kMagic)) {
    if (text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5) {
      return invalid_argument(
          "is a Python pickle, not an npy array; pickles are never executed: save it with numpy.save and a plain dtype");
    }
    if (text.size() < kMagic.size() && kMagic.starts_with(text)) {
      return data_loss(concat("is ", total, " bytes long, an npy array begins with ", kPreamble));
    }
    return data_loss_at(0, "does not begin with the npy magic '\\x93NUMPY'");
  }
  if (total < kPreamble || head.size() < kPreamble)
    return data_loss(concat("is ", total, " bytes long, an npy array begins with ", kPreamble));
  const auto major = static_cast<uint8_t>(head[6]), minor = static_cast<uint8_t>(head[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return unsupported(concat("is npy version ", major, ".", minor, "; 1.0, 2.0 and 3.0 are read"));
  }
  uint64_t length = 0, start = kPreamble;
  if (major == 1) {
    uint16_t length16;
    std::memcpy(&length16, head.data() + 8, 2);
    length = length16;
  } else {
    start = 12;
    if (total < start || head.size() < start) return data_loss(concat("is ", total, " bytes long, an npy array begins with ", start));
    uint32_t length32;
    std::memcpy(&length32, head.data() + 8, 4);
    length = length32;
  }
  if (length > total - start) return data_loss_at(8, concat("header length ", length, " exceeds the ", total, "-byte file"));
  if (length > kLongestHeader) {
    return limit_exceeded(concat("header length ", length, " exceeds the limit of ", kLongestHeader, " bytes"));
  }
  return start + length;
}

Result<Header> read_header(std::span<const std::byte> head, uint64_t total, const Limits& limits, DType one_byte_void) {
  FERRY_ASSIGN_OR_RETURN(const uint64_t data, header_size(head, total));
  FERRY_ASSERT(head.size() >= data);
  const uint64_t start = head[6] == std::byte{1} ? kPreamble : kPreamble + 2;
  const std::string_view text(reinterpret_cast<const char*>(head.data()) + start, data - start);
  FERRY_ASSIGN_OR_RETURN(const ParsedLiteral parsed, parse_literal(text, start));
  Header header;
  if (const Status status = read_dict(parsed, limits, one_byte_void, header); !status.ok()) {
    return Status(status.code(), std::string(status.message()), start);
  }
  header.data = data;
  const auto count = static_cast<uint64_t>(*header.shape.num_elements());
  const auto bytes = checked_mul<uint64_t>(count, header.item_size);
  if (!bytes || *bytes > total - data) {
    return data_loss_at(data, concat("shape ", header.shape.to_string(), " needs ", bytes ? concat(*bytes) : std::string("more than 2^64"),
                                     " bytes of elements, only ", total - data, " remain"));
  }
  header.data_bytes = *bytes;
  if (*bytes < total - data) {
    return data_loss_at(data + *bytes, concat("the array of shape ", header.shape.to_string(), " ends here, ", total - data - *bytes,
                                              " bytes follow; files of several arrays are not read: use npz"));
  }
  FERRY_RETURN_IF_ERROR(check_size(header, limits));
  return header;
}

Result<Header> header_of(std::string_view descr, Shape shape, bool fortran, const Limits& limits) {
  Header header;
  FERRY_RETURN_IF_ERROR(read_descr(descr, DType::uint8, "", header));
  header.shape = std::move(shape);
  header.fortran = fortran;
  const auto count = header.shape.num_elements();
  const auto bytes = count ? checked_mul<uint64_t>(static_cast<uint64_t>(*count), header.item_size) : std::nullopt;
  if (!bytes) return data_loss(concat("shape ", header.shape.to_string(), " of ", quoted(descr), " needs more than 2^64 bytes"));
  header.data_bytes = *bytes;
  FERRY_RETURN_IF_ERROR(check_size(header, limits));
  return header;
}

std::string write_header(DType dtype, const Shape& shape, size_t item_size, Encoding strings) {
  std::string text = "{'descr': ";
  const Spelling spelt = spelling(dtype);
  if (dtype == DType::string) {
    text += strings == Encoding::unicode ? concat("'<U", item_size / 4, "'") : concat("'|S", item_size, "'");
  } else {
    FERRY_ASSERT(!spelt.descr.empty());
    text += spelt.descr;
  }
  text += ", 'fortran_order': False, 'shape': (";
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    if (axis > 0) text += ", ";
    text += concat(shape[axis]);
  }
  if (shape.rank() == 1) text += ",";
  text += "), }";
  if (shape.rank() > 0) {
    const size_t digits = concat(shape[0]).size();
    text.append(kGrowthDigits - std::min(digits, kGrowthDigits), ' ');
  }
  // numpy.load parses this as Python, for which a comment is nothing.
  if (spelt.comment) text += concat("# ", dtype_name(dtype));
  const auto padded = [&](uint64_t preamble) {
    const uint64_t size = preamble + text.size() + 1;
    return text.size() + 1 + (kAlign - size % kAlign);  // a whole line of spaces where it fits exactly, as numpy.save
  };
  const bool short_form = padded(kPreamble) <= 0xffff;
  const uint64_t length = padded(short_form ? kPreamble : kPreamble + 2);
  std::string out(kMagic);
  out += short_form ? '\1' : '\2';
  out += '\0';
  for (int i = 0; i < (short_form ? 2 : 4); ++i) out += static_cast<char>((length >> (8 * i)) & 0xff);
  out += text;
  out.append(length - text.size() - 1, ' ');
  out += '\n';
  return out;
}

}  // namespace ferry::npy
